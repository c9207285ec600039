//! Removing what was deleted: a little at a time, and where it was left off after a restart.

use std::collections::BTreeSet;

use cauce_store::{Bytes, RangeReq, RowWriter, StoreError, prefix_end};

use super::error::corrupt;
use super::keys;
use super::lane::read_row;
use super::service::Logs;

/// Rows removed by one commit.
const COMMIT_ROWS: usize = 1_000;
/// Deletions looked up at a time.
const READ_ROWS: usize = 100;

const VERSION: u8 = 1;

/// The value of a row of kind `reclaim`.
pub(crate) fn row() -> Bytes {
    RowWriter::new(VERSION).finish()
}

impl Logs {
    /// Removes what is left of deleted groups and streams, until nothing is. Returns how many rows went.
    ///
    /// # Errors
    /// When the store cannot answer; what was removed stays removed, and the next call goes on.
    pub async fn reclaim_deleted(&self) -> Result<usize, StoreError> {
        let mut removed = 0;
        loop {
            let page = self.db.range(RangeReq::new(keys::all_reclaims(), READ_ROWS)).await?;
            if page.rows.is_empty() {
                return Ok(removed);
            }
            for row in page.rows {
                let (group, stream) = keys::read_reclaim(&row.key).map_err(|error| corrupt(&row.key, error))?;
                removed += if stream == 0 {
                    self.reclaim_group(group).await?
                } else {
                    self.reclaim_stream(group, stream).await?
                };
                let tx = self.db.begin();
                tx.clear(row.key);
                tx.commit().await?;
            }
        }
    }

    async fn reclaim_group(&self, group: u64) -> Result<usize, StoreError> {
        let kinds = [
            keys::events_of_group(group),
            keys::active_of_group(group),
            keys::stream_makers_of_group(group),
            keys::streams_with_prefix(group, ""),
        ];
        let mut removed = 0;
        for range in kinds {
            removed += self.remove(range).await?;
        }
        let tx = self.db.begin();
        tx.clear(keys::stored_bytes(group));
        tx.commit().await?;
        Ok(removed)
    }

    async fn remove(&self, range: keys::KeyRange) -> Result<usize, StoreError> {
        let mut removed = 0;
        loop {
            let page = self.db.range(RangeReq::new(range.clone(), COMMIT_ROWS)).await?;
            let Some(last) = page.rows.last() else { return Ok(removed) };
            let tx = self.db.begin();
            // Up to the last row seen and no further: the store limits how much one range may clear.
            tx.clear_range((range.0.clone(), prefix_end(&last.key)));
            tx.commit().await?;
            removed += page.rows.len();
        }
    }

    async fn reclaim_stream(&self, group: u64, stream: u64) -> Result<usize, StoreError> {
        let range = keys::events_of_stream(group, stream);
        let mut removed = 0;
        loop {
            let page = self.db.range(RangeReq::new(range.clone(), COMMIT_ROWS)).await?;
            let Some(last) = page.rows.last() else { return Ok(removed) };
            let tx = self.db.begin();
            let mut quarters = BTreeSet::new();
            for row in &page.rows {
                quarters.insert(keys::quarter_of(read_row(row)?.0));
            }
            for quarter in quarters {
                tx.clear(keys::active(group, quarter, stream));
            }
            tx.clear_range((range.0.clone(), prefix_end(&last.key)));
            tx.commit().await?;
            removed += page.rows.len();
        }
    }
}
