//! The comfortable transaction, built once on top of every engine: reads remember what they saw, writes stay in memory and are
//! seen by later reads, and the commit checks the one and applies the other.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::contract::{Bytes, Check, Commit, Mutation, RangeReq, RangeResp, ReadReq, ReadResp, Row, Version};
use crate::db::{Shared, decode};
use crate::error::StoreError;
use crate::gate::Pass;
use crate::record::RowCodec;
use crate::state::{not_a_counter, read_counter};

/// A transaction under way. All methods take `&self`. See [`Db`](crate::Db) for how to run one.
///
/// After its end (the closure of [`Db::transact`](crate::Db::transact) has returned) a `Tx` that was smuggled out has no
/// effect any more.
pub struct Tx {
    shared: Arc<Shared>,
    state: Arc<Mutex<TxState>>,
}

/// One run of the closure of a transaction: gives out the [`Tx`], and takes back what was done with it.
pub(crate) struct Attempt {
    shared: Arc<Shared>,
    state: Arc<Mutex<TxState>>,
}

impl Attempt {
    pub(crate) fn begin(shared: Arc<Shared>, pass: Option<Pass>) -> Self {
        Self { shared, state: Arc::new(Mutex::new(TxState { pass, ..TxState::default() })) }
    }

    pub(crate) fn tx(&self) -> Tx {
        Tx { shared: Arc::clone(&self.shared), state: Arc::clone(&self.state) }
    }

    pub(crate) fn end(self) -> TxState {
        std::mem::take(&mut self.state.lock())
    }
}

#[derive(Default)]
pub(crate) struct TxState {
    /// Single keys that were read with a check, as they were found.
    reads: BTreeMap<Bytes, Option<Row>>,
    /// Ranges that were read with a check, with what they returned.
    ranges: Vec<(RangeReq, Vec<(Bytes, Version)>)>,
    /// How many snapshots the reads above come from.
    snapshots: usize,
    writes: BTreeMap<Bytes, Write>,
    /// Cleared before `writes` are applied; what was written into them earlier is no longer in `writes`.
    cleared: Vec<(Bytes, Bytes)>,
    fences: Vec<(Bytes, u64)>,
    token: Option<[u8; 16]>,
    ring: Vec<Bytes>,
    /// Behind mutexes, never contended, because what a caller gives need only be `Send` while a future that looks at the
    /// transaction must be.
    hooks: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    held: Mutex<Vec<Box<dyn Any + Send>>>,
    pass: Option<Pass>,
}

enum Write {
    Set(Bytes),
    Clear,
    Add(i64),
}

/// What a transaction has itself done to a key.
enum Own {
    Nothing,
    Is(Option<Bytes>),
    Plus(i64),
}

impl Tx {
    pub(crate) fn begin(shared: Arc<Shared>, pass: Option<Pass>) -> Self {
        Attempt::begin(shared, pass).tx()
    }

    /// The value at `key`, own writes included. If another transaction changes it before the commit, that is a conflict.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::Invalid`] if the transaction has added to a row that is no counter.
    pub async fn get(&self, key: &Bytes) -> Result<Option<Bytes>, StoreError> {
        let found = self.get_many(std::slice::from_ref(key)).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// The values at `keys` in their order: as [`get`](Tx::get), with one snapshot for all.
    ///
    /// # Errors
    /// As [`get`](Tx::get).
    pub async fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let missing = {
            let state = self.state.lock();
            let unread = |key: &&Bytes| !matches!(state.own(key), Own::Is(_)) && !state.reads.contains_key(*key);
            keys.iter().filter(unread).cloned().collect::<Vec<_>>()
        };
        if !missing.is_empty() {
            self.wait_if_hot(&missing).await;
            let resp = self.shared.store.read(ReadReq { gets: missing.clone(), ranges: Vec::new() }).await?;
            let mut state = self.state.lock();
            state.snapshots += 1;
            for (key, row) in missing.into_iter().zip(resp.gets) {
                state.reads.entry(key).or_insert(row);
            }
        }
        let state = self.state.lock();
        keys.iter().map(|key| state.merged(key, state.reads.get(key).and_then(Option::as_ref))).collect()
    }

    /// The record at `key`; as [`get`](Tx::get).
    ///
    /// # Errors
    /// As [`get`](Tx::get), and [`StoreError::Corrupt`] if the row does not decode.
    pub async fn get_record<R: RowCodec>(&self, key: &Bytes) -> Result<Option<R>, StoreError> {
        self.get(key).await?.map(|val| decode(key, &val)).transpose()
    }

    /// The counter at `key`, 0 if there is none; as [`get`](Tx::get).
    ///
    /// # Errors
    /// As [`get`](Tx::get), and [`StoreError::Corrupt`] if the row is no counter.
    pub async fn get_counter(&self, key: &Bytes) -> Result<i64, StoreError> {
        let val = self.get(key).await?;
        read_counter(val.as_ref()).ok_or_else(|| not_a_counter(key))
    }

    /// The counter at `key`, 0 if there is none; as [`snapshot_get`](Tx::snapshot_get), so that counting never conflicts.
    ///
    /// # Errors
    /// As [`get_counter`](Tx::get_counter).
    pub async fn snapshot_counter(&self, key: &Bytes) -> Result<i64, StoreError> {
        let val = self.snapshot_get(key).await?;
        read_counter(val.as_ref()).ok_or_else(|| not_a_counter(key))
    }

    /// The value at `key`, own writes included, without a check: a later change by others is no conflict.
    ///
    /// # Errors
    /// As [`get`](Tx::get).
    pub async fn snapshot_get(&self, key: &Bytes) -> Result<Option<Bytes>, StoreError> {
        if let Own::Is(val) = self.state.lock().own(key) {
            return Ok(val);
        }
        let resp = self.shared.store.read(ReadReq { gets: vec![key.clone()], ranges: Vec::new() }).await?;
        let row = resp.gets.into_iter().next().flatten();
        self.state.lock().merged(key, row.as_ref())
    }

    /// The first `req.limit` rows of a range, own writes included (those carry [`Version::ABSENT`]). Fewer rows than the
    /// limit mean that there are no more; `req.bytes_max` is for [`page`](Tx::page). If the commits of others change what this
    /// returns, that is a conflict, so keep ranges narrow.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::TooLarge`] if the limit exceeds
    /// [`Limits::range_rows_max`](crate::Limits::range_rows_max).
    pub async fn range(&self, req: RangeReq) -> Result<Vec<Row>, StoreError> {
        Ok(self.merged_range(req.within_bytes(usize::MAX), true).await?.rows)
    }

    /// As [`range`](Tx::range), but stops after `req.bytes_max` bytes too, own writes apart, and says whether there may be more
    /// rows: what this transaction has cleared counts as some.
    ///
    /// # Errors
    /// As [`range`](Tx::range).
    pub async fn page(&self, req: RangeReq) -> Result<RangeResp, StoreError> {
        self.merged_range(req, true).await
    }

    /// As [`range`](Tx::range), without a check.
    ///
    /// # Errors
    /// As [`range`](Tx::range).
    pub async fn snapshot_range(&self, req: RangeReq) -> Result<Vec<Row>, StoreError> {
        Ok(self.merged_range(req.within_bytes(usize::MAX), false).await?.rows)
    }

    /// Writes a row.
    pub fn set(&self, key: impl Into<Bytes>, val: impl Into<Bytes>) {
        self.state.lock().writes.insert(key.into(), Write::Set(val.into()));
    }

    /// Writes a record.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if it cannot be encoded.
    pub fn set_record<R: RowCodec>(&self, key: impl Into<Bytes>, record: &R) -> Result<(), StoreError> {
        let val = record.encode_row().map_err(|error| StoreError::Invalid(error.to_string()))?;
        self.set(key, val);
        Ok(())
    }

    /// Removes a row, if there is one.
    pub fn clear(&self, key: impl Into<Bytes>) {
        self.state.lock().writes.insert(key.into(), Write::Clear);
    }

    /// Removes all rows of a range as [`Key::prefix_range`](crate::Key::prefix_range) makes it; at most
    /// [`Limits::clear_rows_max`](crate::Limits::clear_rows_max), else the commit is refused.
    pub fn clear_range(&self, (start, end): (Bytes, Bytes)) {
        if start >= end {
            return;
        }
        let mut state = self.state.lock();
        state.writes.retain(|key, _| *key < start || *key >= end);
        state.cleared.push((start, end));
    }

    /// Adds to the counter at `key` without reading it: additions never conflict with each other.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if this transaction has itself written something else there.
    pub fn add(&self, key: impl Into<Bytes>, delta: i64) -> Result<(), StoreError> {
        let key = key.into();
        let mut state = self.state.lock();
        let write = match state.own(&key) {
            Own::Nothing => Write::Add(delta),
            Own::Plus(before) => Write::Add(before.wrapping_add(delta)),
            Own::Is(val) => {
                let before = read_counter(val.as_ref()).ok_or_else(|| not_a_counter(&key))?;
                Write::Set(counter_row(before.wrapping_add(delta)))
            }
        };
        state.writes.insert(key, write);
        Ok(())
    }

    /// Wakes the watchers of `channel` once the commit is durable.
    pub fn ring(&self, channel: impl Into<Bytes>) {
        let channel = channel.into();
        let mut state = self.state.lock();
        if !state.ring.contains(&channel) {
            state.ring.push(channel);
        }
    }

    /// Commits only if the lease row at `lease` still carries `token`; else the commit is [`StoreError::Fenced`].
    pub fn fence(&self, lease: impl Into<Bytes>, token: u64) {
        let fence = (lease.into(), token);
        let mut state = self.state.lock();
        if !state.fences.contains(&fence) {
            state.fences.push(fence);
        }
    }

    /// Makes the commit idempotent: if a commit with this token was applied lately, this one answers `Ok` and changes nothing.
    pub fn token(&self, token: [u8; 16]) {
        self.state.lock().token = Some(token);
    }

    /// Runs `hook` once the commit is durable, and never if it fails: for handing over in memory what the commit has made
    /// true. It runs even if the caller has gone away meanwhile, but not if the process ends: what must happen needs a row.
    pub fn on_commit(&self, hook: impl FnOnce() + Send + 'static) {
        self.state.lock().hooks.get_mut().push(Box::new(hook));
    }

    /// Keeps `thing` (a lock, a permit) until the transaction has ended in whatever way.
    pub fn hold(&self, thing: impl Any + Send) {
        self.state.lock().held.get_mut().push(Box::new(thing));
    }

    /// Makes one attempt to commit.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if what was read has changed, and all that
    /// [`Store::commit`](crate::Store::commit) answers.
    pub async fn commit(self) -> Result<(), StoreError> {
        let state = std::mem::take(&mut *self.state.lock());
        self.shared.finish(state).await.map_err(StoreError::from)
    }

    async fn wait_if_hot(&self, keys: &[Bytes]) {
        let gates = &self.shared.gates;
        let Some(hot) = keys.iter().find(|key| gates.hot(key)) else { return };
        if self.state.lock().pass.is_some() {
            return;
        }
        let pass = self.shared.pass(hot).await;
        let mut state = self.state.lock();
        if state.pass.is_none() {
            state.pass = pass;
        }
    }

    async fn merged_range(&self, req: RangeReq, checked: bool) -> Result<RangeResp, StoreError> {
        let limit_max = self.shared.store.limits().range_rows_max;
        if req.limit > limit_max {
            return Err(StoreError::TooLarge { limit: limit_max, value: req.limit, what: "rows of a range" });
        }
        if checked {
            self.wait_if_hot(std::slice::from_ref(&req.start)).await;
        }
        let (mut rows, mut bytes) = (Vec::new(), 0_usize);
        let mut rest = req.clone();
        let mut more = rest.start < rest.end;
        while more && rows.len() < req.limit && (rows.is_empty() || bytes < req.bytes_max) {
            // Rows that this transaction has cleared come back from the store and are dropped, so ask for as many more.
            let dropped = self.state.lock().own_clears(&rest);
            rest.limit = (req.limit - rows.len()).saturating_add(dropped).min(limit_max);
            rest.bytes_max = req.bytes_max.saturating_sub(bytes);
            let resp = self.shared.store.read(ReadReq { gets: Vec::new(), ranges: vec![rest.clone()] }).await?;
            let page = resp.ranges.into_iter().next().unwrap_or_default();
            let covered = page_cover(&rest, &page);
            let mut state = self.state.lock();
            if checked {
                state.saw_range(&rest, &page);
            }
            let next = after_cover(rest.clone(), &covered, page.more);
            let merged = state.merged_page(&covered, page.rows)?;
            bytes += merged.iter().map(|row| row.key.len() + row.val.len()).sum::<usize>();
            rows.extend(merged);
            more = next.is_some();
            rest = next.unwrap_or(rest);
        }
        more |= rows.len() > req.limit;
        rows.truncate(req.limit);
        Ok(RangeResp { rows, more })
    }
}

/// The part of a range about which a page says everything.
fn page_cover(req: &RangeReq, page: &RangeResp) -> RangeReq {
    let mut covered = req.clone();
    if let (true, Some(last)) = (page.more, page.rows.last()) {
        let rest = req.clone().after(&last.key);
        if req.reverse {
            covered.start = rest.end;
        } else {
            covered.end = rest.start;
        }
    }
    covered
}

/// The part of a range after the page that covers `covered`.
fn after_cover(mut req: RangeReq, covered: &RangeReq, more: bool) -> Option<RangeReq> {
    if !more {
        return None;
    }
    if req.reverse {
        req.end = covered.start.clone();
    } else {
        req.start = covered.end.clone();
    }
    Some(req)
}

fn counter_row(count: i64) -> Bytes {
    Bytes::copy_from_slice(&count.to_be_bytes())
}

impl TxState {
    fn own(&self, key: &Bytes) -> Own {
        match self.writes.get(key) {
            Some(Write::Set(val)) => Own::Is(Some(val.clone())),
            Some(Write::Clear) => Own::Is(None),
            Some(Write::Add(delta)) => Own::Plus(*delta),
            None if self.cleared.iter().any(|(start, end)| start <= key && key < end) => Own::Is(None),
            None => Own::Nothing,
        }
    }

    /// What a read of `key` gives when the store has `row`.
    fn merged(&self, key: &Bytes, row: Option<&Row>) -> Result<Option<Bytes>, StoreError> {
        let stored = row.map(|row| &row.val);
        match self.own(key) {
            Own::Nothing => Ok(stored.cloned()),
            Own::Is(val) => Ok(val),
            Own::Plus(delta) => {
                let before = read_counter(stored).ok_or_else(|| not_a_counter(key))?;
                Ok(Some(counter_row(before.wrapping_add(delta))))
            }
        }
    }

    fn own_clears(&self, req: &RangeReq) -> usize {
        let range = self.writes.range::<Bytes, _>(&req.start..&req.end);
        range.filter(|(_, write)| matches!(write, Write::Clear)).count()
    }

    /// Puts own writes into the stored rows of the part of a range that `covered` names, in its order.
    fn merged_page(&self, covered: &RangeReq, stored: Vec<Row>) -> Result<Vec<Row>, StoreError> {
        let mut rows: BTreeMap<Bytes, Row> = stored.into_iter().map(|row| (row.key.clone(), row)).collect();
        rows.retain(|key, _| !self.cleared.iter().any(|(start, end)| start <= key && key < end));
        for key in self.writes.range::<Bytes, _>(&covered.start..&covered.end).map(|(key, _)| key) {
            match self.merged(key, rows.get(key))? {
                Some(val) => rows.insert(key.clone(), Row { key: key.clone(), val, version: Version::ABSENT }),
                None => rows.remove(key),
            };
        }
        let rows = rows.into_values();
        Ok(if covered.reverse { rows.rev().collect() } else { rows.collect() })
    }

    /// Remembers what a range has returned. The limit is chosen so that the check fails if a row among those returned has
    /// changed, gone, or got company; and for what happens behind the last of them only if the range was read to its end.
    fn saw_range(&mut self, req: &RangeReq, page: &RangeResp) {
        let mut asked = req.clone();
        let to_the_end = !page.more && page.rows.len() < req.limit;
        asked.limit = page.rows.len() + usize::from(to_the_end);
        self.snapshots += 1;
        self.ranges.push((asked, page.rows.iter().map(|row| (row.key.clone(), row.version)).collect()));
    }

    pub(crate) fn changes_nothing(&self) -> bool {
        self.writes.is_empty() && self.cleared.is_empty() && self.fences.is_empty() && self.ring.is_empty()
    }

    /// The reads that tell whether everything read so far was true at one instant, if that is in doubt.
    pub(crate) fn reread(&self) -> Option<ReadReq> {
        (self.snapshots > 1).then(|| ReadReq {
            gets: self.reads.keys().cloned().collect(),
            ranges: self.ranges.iter().map(|(req, _)| req.clone()).collect(),
        })
    }

    /// The first key at which the answer to [`reread`](TxState::reread) is not what was read before.
    pub(crate) fn first_difference(&self, resp: &ReadResp) -> Option<Bytes> {
        let version = |row: &Option<Row>| row.as_ref().map(|row| row.version);
        let mut gets = self.reads.iter().zip(&resp.gets);
        let key = gets.find_map(|((key, before), now)| (version(before) != version(now)).then(|| key.clone()));
        let same = |seen: &[(Bytes, Version)], now: &RangeResp| {
            seen.len() == now.rows.len()
                && now.rows.iter().zip(seen).all(|(row, (key, version))| row.key == key && row.version == *version)
        };
        let mut ranges = self.ranges.iter().zip(&resp.ranges);
        key.or_else(|| ranges.find_map(|((req, seen), now)| (!same(seen, now)).then(|| req.start.clone())))
    }

    pub(crate) fn take_commit(&mut self) -> Commit {
        let fences = std::mem::take(&mut self.fences).into_iter().map(|(lease, token)| Check::Fence { lease, token });
        let keys = std::mem::take(&mut self.reads)
            .into_iter()
            .map(|(key, row)| Check::Key { key, version: row.map_or(Version::ABSENT, |row| row.version) });
        let ranges = std::mem::take(&mut self.ranges).into_iter().map(|(req, seen)| Check::Range { req, seen });
        let cleared =
            std::mem::take(&mut self.cleared).into_iter().map(|(start, end)| Mutation::ClearRange { start, end });
        let writes = std::mem::take(&mut self.writes).into_iter().map(|(key, write)| match write {
            Write::Set(val) => Mutation::Set { key, val },
            Write::Clear => Mutation::Clear { key },
            Write::Add(delta) => Mutation::Add { key, delta },
        });
        Commit {
            checks: fences.chain(keys).chain(ranges).collect(),
            muts: cleared.chain(writes).collect(),
            token: self.token.take(),
            ring: std::mem::take(&mut self.ring),
        }
    }

    pub(crate) fn run_hooks(self) {
        for hook in self.hooks.into_inner() {
            hook();
        }
    }
}
