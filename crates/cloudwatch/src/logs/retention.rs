//! Removing events that have outlived their group's retention period.
//!
//! A quarter of an hour of a stream goes when all of it has expired, never earlier; readers do not see expired events in between.

use cauce_core::{Account, Region};
use cauce_store::{Bytes, RangeReq, StoreError, decode_row, prefix_end};

use super::error::corrupt;
use super::get::Part;
use super::keys;
use super::lane::{read_active_row, read_row};
use super::model::Group;
use super::open_group::Slot;
use super::service::Logs;

/// Rows removed by one commit.
const COMMIT_ROWS: usize = 1_000;
/// Groups, and quarters of streams, looked up at a time.
const READ_ROWS: usize = 500;

impl Logs {
    /// Removes the events of every group that have expired by now. Returns how many rows of events went.
    ///
    /// # Errors
    /// When the store cannot answer; what was removed stays removed.
    pub async fn sweep_expired(&self) -> Result<usize, StoreError> {
        let mut range = RangeReq::new(keys::all_groups(), READ_ROWS);
        let mut removed = 0;
        loop {
            let page = self.db.range(range.clone()).await?;
            for row in &page.rows {
                let group: Group = decode_row(row)?;
                if group.retention_days.is_none() {
                    continue;
                }
                let (account, region, name) = keys::read_group(&row.key).map_err(|error| corrupt(&row.key, error))?;
                let account = Account::new(account).ok_or_else(|| corrupt(&row.key, "not an account"))?;
                let region = Region::new(&region).map_err(|error| corrupt(&row.key, error))?;
                removed += self.sweep_group(&self.slot_of(account, &region, &name)).await?;
            }
            match page.rows.last() {
                Some(row) if page.more => range = range.after(&row.key),
                _ => return Ok(removed),
            }
        }
    }

    async fn sweep_group(&self, slot: &Slot) -> Result<usize, StoreError> {
        let mut removed = 0;
        let mut start: Option<Bytes> = None;
        loop {
            // Asked anew for each page: the retention period may have been changed.
            let Some((group, kept_from)) = self.kept(slot).await? else { return Ok(removed) };
            let mut range =
                RangeReq::new(keys::active_between(group, i64::MIN, keys::quarter_of(kept_from)), READ_ROWS);
            if let Some(start) = &start {
                range = range.after(start);
            }
            let page = self.db.range(range).await?;
            for row in &page.rows {
                let (quarter, stream) = keys::read_active(&row.key).map_err(|error| corrupt(&row.key, error))?;
                removed += self.sweep_quarter(slot, group, stream, quarter, &read_active_row(row)?).await?;
            }
            match page.rows.last() {
                Some(row) if page.more => start = Some(row.key.clone()),
                _ => return Ok(removed),
            }
        }
    }

    /// The group's id and the first moment whose events are kept, if it is there and has a retention period.
    async fn kept(&self, slot: &Slot) -> Result<Option<(u64, i64)>, StoreError> {
        let in_use = slot.in_use(&self.db).await?;
        let now_ms = self.env.now().as_millis();
        let limited = in_use.group().filter(|group| group.retention_days.is_some());
        Ok(limited.map(|group| (group.id, group.kept_from_ms(now_ms))))
    }

    /// Removes a stream's events of an expired quarter of an hour.
    async fn sweep_quarter(
        &self,
        slot: &Slot,
        group: u64,
        stream: u64,
        quarter: i64,
        name: &str,
    ) -> Result<usize, StoreError> {
        let (start_ms, end_ms) = (quarter * keys::QUARTER_MS, (quarter + 1) * keys::QUARTER_MS);
        let part = Part { group, stream, from_ms: start_ms, until_ms: end_ms };
        let range = part.keys();
        let mut removed = 0;
        loop {
            let in_use = slot.in_use(&self.db).await?;
            let now_ms = self.env.now().as_millis();
            let expired = |group: &Group| group.retention_days.is_some() && end_ms <= group.kept_from_ms(now_ms);
            if !in_use.group().is_some_and(|found| found.id == group && expired(found)) {
                return Ok(removed);
            }
            let lane = self.lanes.lane(group, name);
            let mut state = lane.state(&self.db).await?;
            // A deleted stream's events are removed by those who reclaim.
            let Some(mut changed) = state.stream.clone().filter(|found| found.id == stream) else { return Ok(removed) };
            let page = self.db.range(RangeReq::new(range.clone(), COMMIT_ROWS)).await?;
            let tx = self.db.begin();
            slot.fence(&self.owner, &tx)?;
            let mut bytes = 0_u64;
            for row in &page.rows {
                bytes += read_row(row)?.2.counted_bytes() as u64;
            }
            if let Some(last) = page.rows.last() {
                tx.clear_range((range.0.clone(), prefix_end(&last.key)));
            }
            if !page.more {
                tx.clear(keys::active(group, quarter, stream));
                self.shorten(&mut changed, group, end_ms).await?;
            }
            changed.stored_bytes = changed.stored_bytes.saturating_sub(bytes);
            tx.set_record(lane.key.clone(), &changed)?;
            tx.add(keys::stored_bytes(group), i64::try_from(bytes).map_or(i64::MIN, |bytes| -bytes))?;
            state.forget();
            tx.hold(state);
            tx.hold(in_use);
            tx.commit().await?;
            removed += page.rows.len();
            if !page.more {
                return Ok(removed);
            }
        }
    }

    /// Sets the time of a stream's first event to that of the first one from `from_ms` on, if there is one.
    async fn shorten(&self, stream: &mut super::model::Stream, group: u64, from_ms: i64) -> Result<(), StoreError> {
        let Some(span) = &mut stream.span else { return Ok(()) };
        if span.first_ms >= from_ms {
            return Ok(());
        }
        let rest = Part { group, stream: stream.id, from_ms, until_ms: i64::MAX };
        let first = self.db.range(RangeReq::new(rest.keys(), 1)).await?.rows.into_iter().next();
        span.first_ms = match first {
            Some(row) => keys::read_events(&row.key).map_err(|error| corrupt(&row.key, error))?.0,
            None => span.last_ms,
        };
        Ok(())
    }
}
