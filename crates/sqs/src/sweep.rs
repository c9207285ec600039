//! Removing what nobody can receive any more: messages that have expired, deduplication ids that have been forgotten, and what is
//! left of queues that were deleted or purged.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::ServiceError;
use cauce_store::{RangeReq, decode_row};

use crate::error::Error;
use crate::held::Held;
use crate::keys;
use crate::message::Standing;
use crate::receive::clear;
use crate::service::Sqs;

/// How often expired messages are looked for. A reception leaves them out at once; this is for the space and the counts.
pub const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How many rows one transaction removes.
const ROWS_A_COMMIT: usize = 1_000;

/// Sweeps for ever; spawn it once, and abort it at shutdown.
pub async fn run_sweeps(sqs: Arc<Sqs>) {
    loop {
        if let Err(error) = sqs.sweep().await {
            tracing::warn!(%error, "queues cannot be swept; trying again");
        }
        tokio::select! {
            () = sqs.env.sleep(SWEEP_EVERY) => {}
            () = sqs.sweeping.notified() => {}
        }
    }
}

impl Sqs {
    /// One round over everything.
    pub(crate) async fn sweep(&self) -> Result<(), Error> {
        self.sweep_gone().await?;
        for held in self.all_held() {
            self.sweep_expired(&held).await?;
            if held.fifo() {
                self.sweep_sent(&held).await?;
            }
        }
        Ok(())
    }

    /// Removes what is left of lives that have ended, in pieces.
    async fn sweep_gone(&self) -> Result<(), Error> {
        loop {
            let page = self.db.range(RangeReq::new(keys::all_gone(), 1)).await?;
            let Some(row) = page.rows.first() else { return Ok(()) };
            let life = keys::read_gone(&row.key).map_err(ServiceError::internal)?;
            for (start, end) in keys::of_life(life) {
                loop {
                    let range = RangeReq::new((start.clone(), end.clone()), ROWS_A_COMMIT);
                    let rows = self.db.range(range).await?.rows;
                    if rows.is_empty() {
                        break;
                    }
                    let tx = self.db.begin();
                    rows.iter().for_each(|row| tx.clear(row.key.clone()));
                    tx.commit().await?;
                }
            }
            let tx = self.db.begin();
            tx.clear(row.key.clone());
            tx.commit().await?;
        }
    }

    /// Removes messages that are older than the queue keeps them: the oldest come first.
    async fn sweep_expired(&self, held: &Arc<Held>) -> Result<(), Error> {
        let retention = Duration::from_secs(u64::from(held.queue.settings.retention_s));
        loop {
            let now = self.env.now();
            let rows =
                self.db.range(RangeReq::new(keys::standings_after(held.stock.life, 0), ROWS_A_COMMIT)).await?.rows;
            let mut expired = Vec::new();
            for row in &rows {
                let standing: Standing = decode_row(row)?;
                if standing.sent + retention > now {
                    break;
                }
                expired.push(keys::read_standing(&row.key).map_err(ServiceError::internal)?);
            }
            if expired.is_empty() {
                return Ok(());
            }
            let commit = self.db.transact(async |tx| {
                let standings: Vec<_> =
                    expired.iter().map(|sequence| keys::standing(held.stock.life, *sequence)).collect();
                let found = tx.get_many(&standings).await?;
                let there = expired.iter().zip(found).filter_map(|(sequence, row)| row.map(|_| *sequence));
                let there: Vec<u64> = there.collect();
                there.iter().for_each(|sequence| clear(&tx, held, *sequence));
                tx.add(keys::count(held.stock.life), -i64::try_from(there.len()).unwrap_or(i64::MAX))?;
                self.fence(&tx, &held.arn)
            });
            commit.await?;
            if let Some(index) = held.stock.opened() {
                let mut index = index.lock();
                expired.iter().for_each(|sequence| index.remove(*sequence));
            }
            held.stock.changed.notify_one();
        }
    }

    /// Forgets deduplication ids whose time has passed.
    async fn sweep_sent(&self, held: &Arc<Held>) -> Result<(), Error> {
        loop {
            let range = RangeReq::new(keys::sent_expired(held.stock.life, self.env.now()), ROWS_A_COMMIT);
            let rows = self.db.range(range).await?.rows;
            if rows.is_empty() {
                return Ok(());
            }
            let commit = self.db.transact(async |tx| {
                let now = self.env.now();
                for row in &rows {
                    let sent = keys::sent_of_expiry(&row.key).map_err(ServiceError::internal)?;
                    tx.clear(row.key.clone());
                    // The same id may have been sent again since, and has a row with a later expiry then.
                    let found: Option<crate::message::Sent> = tx.get_record(&sent).await?;
                    if found.is_some_and(|found| found.expires <= now) {
                        tx.clear(sent);
                    }
                }
                Ok::<_, Error>(())
            });
            commit.await?;
        }
    }
}
