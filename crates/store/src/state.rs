//! The decision every embedded engine makes for a commit, over whatever holds its rows: does it fit the limits, do its checks
//! hold, and what does it change.

use crate::contract::{Bytes, Check, Commit, Limits, Mutation, RangeReq, RangeResp, ReadReq, ReadResp, Row, Version};
use crate::error::{CommitError, StoreError};
use crate::lease::Lease;
use crate::record::RowCodec;

/// Rows that can be read.
pub(crate) trait Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Row>, StoreError>;

    /// Which write of `key` there is: all that a check wants to know, without a copy of the value.
    fn version(&self, key: &[u8]) -> Result<Version, StoreError> {
        Ok(self.get(key)?.map_or(Version::ABSENT, |row| row.version))
    }

    /// Walks `start <= key < end`, from the end if `reverse`, until `visit` returns false.
    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(Row) -> bool,
    ) -> Result<(), StoreError>;
}

/// Rows that can be changed.
pub(crate) trait RowsMut: Rows {
    fn put(&mut self, key: &Bytes, val: &Bytes, version: Version) -> Result<(), StoreError>;
    fn remove(&mut self, key: &Bytes) -> Result<(), StoreError>;
    fn remove_range(&mut self, start: &[u8], end: &[u8]) -> Result<(), StoreError>;
}

fn within(limit: usize, value: usize, what: &'static str) -> Result<(), StoreError> {
    if value > limit { Err(StoreError::TooLarge { limit, value, what }) } else { Ok(()) }
}

/// Answers a batch of reads.
pub(crate) fn answer(rows: &dyn Rows, req: &ReadReq, limits: &Limits) -> Result<ReadResp, StoreError> {
    within(limits.read_ops_max, req.gets.len() + req.ranges.len(), "gets and ranges of a read")?;
    Ok(ReadResp {
        gets: req.gets.iter().map(|key| rows.get(key)).collect::<Result<_, _>>()?,
        ranges: req.ranges.iter().map(|range| scan_range(rows, range, limits)).collect::<Result<_, _>>()?,
    })
}

fn scan_range(rows: &dyn Rows, req: &RangeReq, limits: &Limits) -> Result<RangeResp, StoreError> {
    within(limits.range_rows_max, req.limit, "rows of a range")?;
    let mut resp = RangeResp::default();
    if req.start >= req.end {
        return Ok(resp);
    }
    let bytes_max = limits.range_bytes_max.min(req.bytes_max);
    let mut bytes = 0;
    rows.scan(&req.start, &req.end, req.reverse, &mut |row| {
        bytes += row.key.len() + row.val.len();
        if resp.rows.len() >= req.limit || (bytes > bytes_max && !resp.rows.is_empty()) {
            resp.more = true;
            return false;
        }
        resp.rows.push(row);
        true
    })?;
    Ok(resp)
}

/// Refuses what exceeds a limit. Looks at nothing but the commit.
pub(crate) fn measure(commit: &Commit, limits: &Limits) -> Result<usize, CommitError> {
    let ops = commit.checks.len() + commit.muts.len() + commit.ring.len();
    within(limits.commit_ops_max, ops, "operations of a commit")?;
    let mut bytes = 0;
    let mut key_of = |key: &Bytes| {
        bytes += key.len();
        within(limits.key_bytes_max, key.len(), "key bytes")
    };
    let mut vals = 0;
    for mutation in &commit.muts {
        match mutation {
            Mutation::Set { key, val } => {
                within(limits.value_bytes_max, val.len(), "value bytes")?;
                vals += val.len();
                key_of(key)?;
            }
            Mutation::Clear { key } | Mutation::Add { key, .. } => key_of(key)?,
            // The end of a range may be longer than any key, see `prefix_end`.
            Mutation::ClearRange { start, end } => vals += start.len() + end.len(),
        }
    }
    for check in &commit.checks {
        match check {
            Check::Key { key, .. } | Check::Fence { lease: key, .. } => key_of(key)?,
            Check::Range { req, seen } => {
                vals += req.start.len() + req.end.len() + seen.iter().map(|(key, _)| key.len()).sum::<usize>();
            }
        }
    }
    let total = bytes + vals;
    within(limits.commit_bytes_max, total, "bytes of a commit")?;
    Ok(total)
}

/// Decides whether a commit may be applied to `rows`. After `Ok`, [`apply`] cannot be refused.
pub(crate) fn admit(rows: &dyn Rows, commit: &Commit, limits: &Limits) -> Result<(), CommitError> {
    // Fences first: whoever has lost a partition must learn that, not that some key has changed.
    for check in &commit.checks {
        if let Check::Fence { lease, token } = check {
            let row = rows.get(lease)?;
            let held = row.and_then(|row| Lease::decode_row(&row.val).ok());
            if held.is_none_or(|held| held.token != *token) {
                return Err(CommitError::Fenced);
            }
        }
    }
    for check in &commit.checks {
        match check {
            Check::Key { key, version } => {
                if rows.version(key)? != *version {
                    return Err(CommitError::Conflict { at: key.clone() });
                }
            }
            Check::Range { req, seen } => {
                let resp = scan_range(rows, req, limits)?;
                let same = resp.rows.len() == seen.len()
                    && resp
                        .rows
                        .iter()
                        .zip(seen)
                        .all(|(row, (key, version))| row.key == key && row.version == *version);
                if !same {
                    return Err(CommitError::Conflict { at: req.start.clone() });
                }
            }
            Check::Fence { .. } => {}
        }
    }
    admit_mutations(rows, &commit.muts, limits)
}

/// What makes a mutation impossible: a counter that is none, a range that is too long to clear at once.
fn admit_mutations(rows: &dyn Rows, muts: &[Mutation], limits: &Limits) -> Result<(), CommitError> {
    for (at, mutation) in muts.iter().enumerate() {
        match mutation {
            Mutation::Add { key, .. } => {
                let earlier = muts.iter().take(at).rev().find_map(|earlier| meets(earlier, key));
                match earlier {
                    Some(Some(val)) => counter_of(key, Some(val))?,
                    Some(None) => 0,
                    None => counter_of(key, rows.get(key)?.as_ref().map(|row| &row.val))?,
                };
            }
            Mutation::ClearRange { start, end } if start < end => {
                let mut cleared = 0;
                rows.scan(start, end, false, &mut |_| {
                    cleared += 1;
                    cleared <= limits.clear_rows_max
                })?;
                within(limits.clear_rows_max, cleared, "rows of a cleared range")?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What an earlier mutation of the same commit leaves at `key`: `None` if it does not touch it (an `Add` leaves a counter a
/// counter), `Some(None)` if it leaves nothing, `Some(Some(val))` if it leaves a value.
fn meets<'a>(earlier: &'a Mutation, at: &Bytes) -> Option<Option<&'a Bytes>> {
    match earlier {
        Mutation::Set { key, val } if key == at => Some(Some(val)),
        Mutation::Clear { key } if key == at => Some(None),
        Mutation::ClearRange { start, end } if start <= at && at < end => Some(None),
        _ => None,
    }
}

fn counter_of(key: &Bytes, val: Option<&Bytes>) -> Result<i64, CommitError> {
    read_counter(val).ok_or_else(|| CommitError::Invalid(format!("the row at {key:?} is not a counter")))
}

/// The value of a counter row; `None` if the row is no counter.
pub(crate) fn read_counter(val: Option<&Bytes>) -> Option<i64> {
    val.map_or(Some(0), |val| <[u8; 8]>::try_from(val.as_ref()).ok().map(i64::from_be_bytes))
}

/// The error for a row that should be a counter and is none.
pub(crate) fn not_a_counter(key: &Bytes) -> StoreError {
    StoreError::Corrupt { key: key.clone(), reason: "the row is not a counter".to_owned() }
}

/// Applies the mutations of an admitted commit. The same mutations in the same order on the same rows always give the same
/// rows: recovery repeats them from the log.
pub(crate) fn apply(rows: &mut dyn RowsMut, muts: &[Mutation], version: Version) -> Result<(), StoreError> {
    for mutation in muts {
        match mutation {
            Mutation::Set { key, val } => rows.put(key, val, version)?,
            Mutation::Clear { key } => rows.remove(key)?,
            Mutation::ClearRange { start, end } if start < end => rows.remove_range(start, end)?,
            Mutation::ClearRange { .. } => {}
            Mutation::Add { key, delta } => {
                let row = rows.get(key)?;
                let count = read_counter(row.as_ref().map(|row| &row.val)).ok_or_else(|| StoreError::Corrupt {
                    key: key.clone(),
                    reason: "added to a row that is not a counter".to_owned(),
                })?;
                let sum = Bytes::copy_from_slice(&count.wrapping_add(*delta).to_be_bytes());
                rows.put(key, &sum, version)?;
            }
        }
    }
    Ok(())
}
