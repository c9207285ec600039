//! Items that expire: a queue by time for each table with a TTL, kept in the transactions of its items, and worked off within the
//! second.
//!
//! AWS: Developer Guide, *Using time to live (TTL) in DynamoDB*.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cauce_core::{ServiceError, Timestamp};
use cauce_store::{RangeReq, Record, Row, Tx, decode_row};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::change::{By, Changed, item_of};
use crate::error::Error;
use crate::keys;
use crate::model::Table;
use crate::service::DynamoDb;
use crate::value::{AttributeValue, Item};

/// What expired longer ago is left alone: most likely it is no moment at all. AWS: the same page.
pub const EXPIRED_AGO_MAX: Duration = Duration::from_secs(5 * 365 * 24 * 3_600);

/// How many items are deleted at the same time.
const DELETED_MAX: usize = 100;

/// How many items one step enters into a queue.
const ENTERED_MAX: usize = 100;

/// How many queues are looked at together.
const QUEUES_MAX: usize = 1_000;

/// How long the worker sleeps when nothing is due sooner.
const REST: Duration = Duration::from_secs(60);

/// How long it waits after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// A queue of items that expire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Queue {
    /// The key of the table's row.
    pub(crate) table_key: Vec<u8>,
    /// The key of the last item that was there before the queue and has been entered.
    pub(crate) last: Option<Vec<u8>>,
    /// Whether all of those have been entered.
    pub(crate) filled: bool,
}

impl Record for Queue {
    const VERSION: u8 = 1;
}

/// Wakes the worker for what expires sooner than it means to sleep.
#[derive(Debug)]
pub(crate) struct Alarm {
    /// The second at which it looks next.
    next: AtomicI64,
    sooner: Notify,
}

impl Default for Alarm {
    fn default() -> Alarm {
        Alarm { next: AtomicI64::new(i64::MAX), sooner: Notify::new() }
    }
}

impl Alarm {
    /// There is something to do at once.
    pub(crate) fn now(&self) {
        self.sooner.notify_one();
    }

    /// Something expires in this second.
    fn set(&self, second: i64) {
        if second < self.next.load(Ordering::SeqCst) {
            self.sooner.notify_one();
        }
    }
}

/// When an item expires by this attribute, in seconds since the epoch; never if it holds no number.
pub(crate) fn expires(item: &Item, attribute: &str) -> Option<i64> {
    let AttributeValue::N(number) = item.get(attribute)? else { return None };
    let text = number.to_string();
    let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
    whole.parse::<i64>().ok().filter(|second| *second >= 0)
}

fn ignored(second: i64, now: Timestamp) -> bool {
    second < (now - EXPIRED_AGO_MAX).as_secs()
}

/// Gives a table a queue, which is filled in the background.
pub(crate) fn begin_expiry(tx: &Tx, table_key: &Bytes, table: &mut Table, attribute: String) -> Result<(), Error> {
    table.last_index = table.last_index.saturating_add(1);
    (table.ttl_attribute, table.ttl_queue) = (Some(attribute), table.last_index);
    let queue = Queue { table_key: table_key.to_vec(), last: None, filled: false };
    Ok(tx.set_record(keys::expiring(table.number, table.ttl_queue), &queue)?)
}

/// Works for ever.
pub(crate) async fn run(service: Arc<DynamoDb>) {
    loop {
        let pause = match service.expire_once().await {
            Ok(None) => continue,
            Ok(Some(pause)) => pause,
            Err(error) => {
                tracing::error!(%error, "expired items cannot be deleted; trying again");
                PAUSE
            }
        };
        tokio::select! {
            () = service.alarm.sooner.notified() => {}
            () = service.env.sleep(pause) => {}
        }
    }
}

impl DynamoDb {
    /// Keeps the place of an item in the queue of its table.
    pub(crate) fn queue_expiry(&self, tx: &Tx, changed: &Changed<'_>) {
        let Some((attribute, queue)) = changed.table.expiry() else { return };
        let second = |item: Option<&Item>| item.and_then(|item| expires(item, attribute));
        let (before, after) = (second(changed.old), second(changed.new));
        if before == after {
            return;
        }
        let place = |second| keys::expiry(changed.table.number, queue, second, changed.row_key);
        if let Some(second) = before {
            tx.clear(place(second));
        }
        if let Some(second) = after.filter(|second| !ignored(*second, self.env.now())) {
            tx.set(place(second), Bytes::new());
            let alarm = Arc::clone(&self.alarm);
            tx.on_commit(move || alarm.set(second));
        }
    }

    /// One step for each queue: how long to sleep, or that there is more to do at once.
    pub(crate) async fn expire_once(self: &Arc<Self>) -> Result<Option<Duration>, Error> {
        // Whatever is committed from here on wakes the sleep that follows.
        self.alarm.next.store(i64::MAX, Ordering::SeqCst);
        let now = self.env.now();
        let mut next = (now + REST).as_secs();
        let (mut queues, mut busy) = (RangeReq::new(keys::all_expiring(), QUEUES_MAX), false);
        loop {
            let page = self.db.range(queues.clone()).await?;
            for row in &page.rows {
                let queue: Queue = decode_row(row)?;
                if !queue.filled {
                    self.db.transact(async |tx| self.enter_some(&tx, &row.key).await).await?;
                    busy = true;
                }
                let first = self.expire_some(row, &queue, now).await?;
                busy |= first.is_some_and(|second| second <= now.as_secs());
                next = next.min(first.unwrap_or(next));
            }
            match page.rows.last() {
                Some(last) if page.more => queues = queues.after(&last.key),
                _ => break,
            }
        }
        if busy {
            return Ok(None);
        }
        self.alarm.next.store(next, Ordering::SeqCst);
        Ok(Some(Timestamp::from_secs(next).since(self.env.now())))
    }

    /// Deletes what is due at the head of a queue; when the one behind it is.
    async fn expire_some(self: &Arc<Self>, row: &Row, queue: &Queue, now: Timestamp) -> Result<Option<i64>, Error> {
        let (table, number) = keys::read_expiring(&row.key).map_err(ServiceError::internal)?;
        let head = self.db.range(RangeReq::new(keys::expiries(table, number), DELETED_MAX + 1)).await?;
        let (mut deletions, mut next, mut deleted) = (JoinSet::new(), None, 0);
        for place in head.rows {
            let (second, item) = keys::read_expiry(&place.key).map_err(ServiceError::internal)?;
            if second > now.as_secs() || deletions.len() == DELETED_MAX {
                next = Some(second);
                break;
            }
            let (service, table_key) = (Arc::clone(self), Bytes::from(queue.table_key.clone()));
            deletions.spawn(async move {
                service.db.transact(async |tx| service.expire(&tx, &table_key, number, &item, &place.key).await).await
            });
        }
        while let Some(done) = deletions.join_next().await {
            deleted += usize::from(done.map_err(ServiceError::internal)??);
        }
        self.expired(&keys::read_table(&queue.table_key).map_err(ServiceError::internal)?, deleted);
        Ok(next)
    }

    /// Deletes an item, if it still is what its place in the queue says; whether it was.
    async fn expire(&self, tx: &Tx, table_key: &Bytes, queue: u32, item: &Bytes, place: &Bytes) -> Result<bool, Error> {
        let seen = match self.catalog.load(tx, table_key, |_| Ok(vec![item.clone()])).await {
            Err(Error::NoTable) => return Ok(false),
            seen => seen?,
        };
        let Some((attribute, _)) = seen.table.expiry().filter(|(_, own)| *own == queue) else { return Ok(false) };
        let old = item_of(seen.rows.first().and_then(Option::as_ref))?;
        let second = old.as_ref().and_then(|old| expires(old, attribute));
        let now = self.env.now();
        let due = second
            .filter(|second| *second <= now.as_secs() && !ignored(*second, now))
            .is_some_and(|second| keys::expiry(seen.table.number, queue, second, item) == *place);
        tx.clear(place.clone());
        if due {
            let changed = Changed {
                table: &seen.table,
                row_key: item,
                old: old.as_ref(),
                new: None,
                by: By::Expiry,
                at: self.moment(),
            };
            self.write(tx, &changed).await?;
        }
        Ok(due)
    }

    /// Enters some items that were there before the queue.
    async fn enter_some(&self, tx: &Tx, key: &Bytes) -> Result<(), Error> {
        let Some(mut queue) = tx.get_record::<Queue>(key).await? else { return Ok(()) };
        let (_, number) = keys::read_expiring(key).map_err(ServiceError::internal)?;
        let found = tx.get_record::<Table>(&Bytes::from(queue.table_key.clone())).await?;
        let Some((table, attribute)) = found.as_ref().and_then(|table| {
            let (attribute, own) = table.expiry()?;
            (own == number).then_some((table, attribute))
        }) else {
            tx.clear(key.clone());
            return Ok(());
        };
        let mut range = RangeReq::new(table.items().all(), ENTERED_MAX);
        if let Some(last) = &queue.last {
            range = range.after(last);
        }
        let rows = tx.range(range).await?;
        let now = self.env.now();
        for row in &rows {
            let Some(second) = item_of(Some(&row.val))?.and_then(|item| expires(&item, attribute)) else { continue };
            if !ignored(second, now) {
                tx.set(keys::expiry(table.number, number, second, &row.key), Bytes::new());
            }
        }
        queue.filled = rows.len() < ENTERED_MAX;
        queue.last = rows.last().map(|row| row.key.to_vec()).or(queue.last);
        Ok(tx.set_record(key.clone(), &queue)?)
    }

    /// Gives queues to the tables of a time in which their setting was only kept.
    pub(crate) async fn begin_kept_expiries(&self) -> Result<(), Error> {
        let mut tables = RangeReq::new(keys::all_tables(), QUEUES_MAX);
        loop {
            let page = self.db.range(tables.clone()).await?;
            for row in &page.rows {
                let table: Table = decode_row(row)?;
                if table.ttl_attribute.is_none() || table.ttl_queue > 0 {
                    continue;
                }
                let begin = self.db.transact(async |tx| {
                    let Some(mut table) = tx.get_record::<Table>(&row.key).await? else { return Ok(()) };
                    if let Some(attribute) = table.ttl_attribute.clone().filter(|_| table.ttl_queue == 0) {
                        begin_expiry(&tx, &row.key, &mut table, attribute)?;
                        tx.set_record(row.key.clone(), &table)?;
                    }
                    Ok::<_, Error>(())
                });
                begin.await?;
            }
            match page.rows.last() {
                Some(last) if page.more => tables = tables.after(&last.key),
                _ => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::expires;
    use crate::value::{AttributeValue, Item};

    #[test]
    fn only_numbers_are_moments() {
        let check = |value: AttributeValue, expected: Option<i64>| {
            let item: Item = [("ttl".to_owned(), value.clone())].into();
            assert_eq!((expires(&item, "ttl"), expires(&item, "other")), (expected, None), "{value:?}");
        };
        let number = |text: &str| AttributeValue::N(text.parse().unwrap());
        check(number("1800000000"), Some(1_800_000_000));
        check(number("1800000000.9"), Some(1_800_000_000));
        check(number("0.5"), Some(0));
        check(number("-1"), None);
        check(number("1e30"), None);
        check(AttributeValue::S("1800000000".to_owned()), None);
    }
}
