//! What goes on in the background: rows of dropped tables and indexes are removed, new indexes are filled, old tokens forgotten,
//! copies for backups and restored tables made, streams and history trimmed.
//! Every step is a transaction of bounded size, and rows say what is left to do, so a restart goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cauce_core::{ServiceError, Timestamp};
use cauce_store::{RangeReq, Tx};
use tokio::sync::Notify;

use crate::change::item_of;
use crate::error::Error;
use crate::index;
use crate::keys;
use crate::model::{Backfill, TABLE_ITSELF, Table};
use crate::service::DynamoDb;
use crate::transaction::Remembered;
use crate::value::encode_item;

/// How many rows one step removes.
const REMOVED_MAX: usize = 1_000;

/// How many items one step adds to an index, so that writers of the same items do not wait long.
const FILLED_MAX: usize = 100;

/// How many bytes of items one step adds to an index, unless one item alone is larger: a part of what one commit takes.
const FILLED_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How many tokens one step forgets.
const FORGOTTEN_MAX: usize = 500;

/// How long a worker sleeps when nobody wakes it: tokens end by the clock.
const REST: Duration = Duration::from_secs(60);

/// How long it waits after a failure.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// Works for ever.
pub(crate) async fn run(service: Arc<DynamoDb>) {
    let service = &*service;
    step_for_ever(service, &service.work, "background work on tables", || service.work_once()).await;
}

/// Makes steps for ever: at once as long as each has found something to do, then when the bell rings or after a rest.
pub(crate) async fn step_for_ever<F>(service: &DynamoDb, bell: &Notify, work: &str, step: impl Fn() -> F)
where
    F: Future<Output = Result<bool, Error>>,
{
    loop {
        let woken = bell.notified();
        match step().await {
            Ok(true) => {}
            Ok(false) => {
                tokio::select! {
                    () = woken => {}
                    () = service.env.sleep(REST) => {}
                }
            }
            Err(error) => {
                tracing::error!(%error, "{work} failed; trying again");
                service.env.sleep(PAUSE).await;
            }
        }
    }
}

impl DynamoDb {
    /// One step of each kind; whether there was anything to do.
    pub(crate) async fn work_once(&self) -> Result<bool, Error> {
        let filled = self.fill_indexes().await?;
        let removed = self.remove_dropped().await?;
        let forgot = self.forget_tokens(self.env.now()).await?;
        let trimmed = self.trim_streams(self.env.now()).await?;
        let copied = self.copy_some().await? | self.export_some().await?;
        let forgotten = self.trim_history(self.env.now()).await?;
        Ok(filled || removed || forgot || trimmed || copied || forgotten)
    }

    /// Removes some rows of the first table or index that was dropped.
    async fn remove_dropped(&self) -> Result<bool, Error> {
        let job = self.db.range(RangeReq::new(keys::all_dropped(), 1)).await?.rows.into_iter().next();
        let Some(job) = job else { return Ok(false) };
        let (table, index) = keys::read_dropped(&job.key).map_err(ServiceError::internal)?;
        let ranges = match index {
            TABLE_ITSELF => vec![
                keys::Rows::Items { table }.all(),
                keys::all_entries(table),
                keys::all_expiries(table),
                keys::all_history(table),
                keys::history_moments(table),
                keys::backup_items_from(table, &[]),
            ],
            // The number is that of an index or of a queue.
            index => vec![keys::Rows::Entries { table, index }.all(), keys::expiries(table, index)],
        };
        for range in ranges {
            let start = range.0.clone();
            let page = self.db.range(RangeReq::new(range, REMOVED_MAX)).await?;
            if let Some(last) = page.rows.last() {
                let mut end = last.key.to_vec();
                end.push(0);
                let end = Bytes::from(end);
                self.db
                    .transact(async |tx| {
                        tx.clear_range((start.clone(), end.clone()));
                        Ok::<_, Error>(())
                    })
                    .await?;
                return Ok(true);
            }
        }
        self.db
            .transact(async |tx| {
                tx.clear(job.key.clone());
                Ok::<_, Error>(())
            })
            .await?;
        Ok(true)
    }

    /// Adds some items to the first index that is being built.
    async fn fill_indexes(&self) -> Result<bool, Error> {
        let job = self.db.range(RangeReq::new(keys::backfills(), 1)).await?.rows.into_iter().next();
        let Some(job) = job else { return Ok(false) };
        self.db.transact(async |tx| self.fill_in(&tx, &job.key).await).await?;
        Ok(true)
    }

    async fn fill_in(&self, tx: &Tx, job_key: &Bytes) -> Result<(), Error> {
        let Some(mut job) = tx.get_record::<Backfill>(job_key).await? else { return Ok(()) };
        let table_key = Bytes::from(job.table_key.clone());
        let found = tx.get_record::<Table>(&table_key).await?;
        let building = found.and_then(|table| {
            let at = table.indexes.iter().position(|i| keys::backfill(table.number, i.id) == *job_key)?;
            Some((table, at))
        });
        let Some((mut table, at)) = building else {
            tx.clear(job_key.clone());
            return Ok(());
        };
        let mut range = RangeReq::new(table.items().all(), FILLED_MAX);
        if let Some(last) = &job.last {
            range = range.after(last);
        }
        let page = tx.page(range.within_bytes(FILLED_BYTES_MAX)).await?;
        let Some(index) = table.indexes.get_mut(at) else { return Ok(()) };
        index.backfilling = page.more;
        let index = index.clone();
        for row in &page.rows {
            let Some(item) = item_of(Some(&row.val))? else { continue };
            let Some(entry) = index.entry(&table, &item) else { continue };
            if tx.get(&entry.key).await?.is_none() {
                index::count(tx, &table, &index, Some(&entry), 1)?;
                tx.set(entry.key, encode_item(&entry.item));
            }
        }
        if index.backfilling {
            job.last = page.rows.last().map(|row| row.key.to_vec());
            tx.set_record(job_key.clone(), &job)?;
        } else {
            tx.clear(job_key.clone());
            tx.set_record(table_key, &table)?;
        }
        Ok(())
    }

    /// Forgets some tokens that have ended.
    async fn forget_tokens(&self, now: Timestamp) -> Result<bool, Error> {
        let ended = self.db.range(RangeReq::new(keys::ended_tokens(now), FORGOTTEN_MAX)).await?;
        if ended.rows.is_empty() {
            return Ok(false);
        }
        self.db
            .transact(async |tx| {
                for row in &ended.rows {
                    let id = keys::read_token_end(&row.key).map_err(ServiceError::internal)?;
                    let key = keys::token(&id);
                    // A token that was used again meanwhile has another end.
                    if let Some(kept) = tx.get_record::<Remembered>(&key).await?
                        && kept.end <= now
                    {
                        tx.clear(key);
                    }
                    tx.clear(row.key.clone());
                }
                Ok::<_, Error>(())
            })
            .await?;
        Ok(ended.more)
    }
}
