//! The history of a table: before an item changes, what it was is kept with the moment of the change, in the same transaction.
//!
//! # What a moment is
//! A transaction draws one moment for all its changes, after everything that it has read and before it commits. So of two changes
//! of one item the later one has the later moment, whatever the clock does; a transaction lies wholly on one side of any moment;
//! and who began when another had been answered has the later moment. *The table at T* is every change whose moment is not after
//! T: a change of that very microsecond is in it. Only of transactions that were under way together, and have no item in common
//! that one of them wrote, may the order of moments not be the order in which they committed.
//!
//! # How the table at T is read
//! What an item was at T is what its first change after T replaced; an item without one is now what it was at T. Both hold
//! whenever they are read, since a change after the reading has a moment after T as well. So a table is read in parts, without a
//! snapshot, while writes go on.
//!
//! Whoever begins to read at T writes the table's row in the same transaction. Each writer has read that row, so whoever had
//! drawn a moment up to T and not yet committed fails, and draws a later one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;
use cauce_core::{ServiceError, Timestamp};
use cauce_store::{RangeReq, RecordError, RowReader, RowWriter, Tx, prefix_end};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::change::Changed;
use crate::error::Error;
use crate::keys;
use crate::service::DynamoDb;
use crate::value::{Item, decode_item, encode_item, item_size_bytes};

/// How many rows of history are looked at in one read.
const HISTORY_ROWS_MAX: usize = 200;

/// The version that rows begin with.
const VERSION: u8 = 1;

/// Gives every transaction its moment: none twice, and each after all that were given before.
#[derive(Debug)]
pub(crate) struct Moments {
    last: Mutex<Timestamp>,
}

impl Default for Moments {
    fn default() -> Moments {
        Moments { last: Mutex::new(Timestamp::EPOCH) }
    }
}

impl Moments {
    /// The next one: now, unless that was given already.
    pub(crate) fn next(&self, now: Timestamp) -> Timestamp {
        let mut last = self.last.lock();
        *last = now.max(Timestamp::from_micros(last.as_micros().saturating_add(1)));
        *last
    }

    /// From here on every moment is after `at`.
    pub(crate) fn reach(&self, at: Timestamp) {
        let mut last = self.last.lock();
        *last = at.max(*last);
    }
}

/// What a table remembers of its past.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Past {
    /// Whether any second of it can be restored.
    pub(crate) recovery: Option<Recovery>,
    /// The copies that are being made of it, by their numbers, and the moment that each shows.
    pub(crate) copies: BTreeMap<u64, Timestamp>,
    /// Whether its items are still arriving. Until they are all there nobody else reads or writes it.
    pub(crate) arriving: bool,
    /// What it was restored from.
    pub(crate) restored: Option<Restored>,
}

/// Point-in-time recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recovery {
    /// The first moment that can be restored.
    pub(crate) since: Timestamp,
    pub(crate) days: u16,
}

/// AWS: API Reference, *RestoreSummary*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restored {
    pub(crate) backup: Option<String>,
    pub(crate) table: String,
    pub(crate) at: Timestamp,
}

impl Recovery {
    /// The first moment that can still be restored.
    pub(crate) fn earliest(self, now: Timestamp) -> Timestamp {
        let window_us = i64::from(self.days) * 24 * 3_600 * 1_000_000;
        self.since.max(Timestamp::from_micros(now.as_micros().saturating_sub(window_us)))
    }
}

impl Past {
    /// Whether changes are kept.
    fn keeps(&self) -> bool {
        self.recovery.is_some() || !self.copies.is_empty()
    }

    /// The moment up to which changes need not be kept any more.
    pub(crate) fn floor(&self, now: Timestamp) -> Timestamp {
        let recovery = self.recovery.map(|recovery| recovery.earliest(now));
        self.copies.values().copied().chain(recovery).min().unwrap_or(Timestamp::from_micros(i64::MAX))
    }
}

/// What an item was, as a row.
fn encode_image(image: Option<&Item>) -> Bytes {
    let mut row = RowWriter::new(VERSION);
    row.bool(image.is_some());
    if let Some(item) = image {
        row.bytes(&encode_item(item));
    }
    row.finish()
}

fn decode_image(row: &[u8]) -> Result<Option<Item>, Error> {
    let (version, mut reader) = RowReader::new(row).map_err(ServiceError::internal)?;
    if version != VERSION {
        let why = format!("a row of history has version {version}");
        return Err(ServiceError::internal(RecordError::Payload(why)).into());
    }
    if !reader.bool().map_err(ServiceError::internal)? {
        return Ok(None);
    }
    let item = reader.bytes().map_err(ServiceError::internal)?;
    Ok(Some(decode_item(item).map_err(ServiceError::internal)?))
}

/// A table at a moment, or a backup of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Origin {
    Table { number: u64, at: Timestamp },
    Backup { number: u64 },
}

/// Items of an origin in the order of their keys, by the part of a row's key that says which item it is.
pub(crate) struct Piece {
    pub(crate) items: Vec<(Bytes, Item)>,
    /// Where the next piece begins; none at the end.
    pub(crate) next: Option<Bytes>,
}

/// What the items of a piece were, where a change after the moment says it.
#[derive(Default)]
struct Before {
    images: BTreeMap<Bytes, Option<Item>>,
    bytes: usize,
}

impl Before {
    fn take(&mut self, parts: Bytes, row: &[u8]) -> Result<(), Error> {
        let image = decode_image(row)?;
        self.bytes += image.as_ref().map_or(0, item_size_bytes);
        self.images.insert(parts, image);
        Ok(())
    }
}

impl DynamoDb {
    /// Keeps what an item was before a change.
    pub(crate) fn keep_history(&self, tx: &Tx, changed: &Changed<'_>) {
        if !changed.table.past.keeps() {
            return;
        }
        let (table, parts) = (changed.table.number, keys::item_parts(changed.row_key));
        tx.set(keys::history(table, parts, changed.at), encode_image(changed.old));
        tx.set(keys::history_moment(table, changed.at, parts), Bytes::from_static(&[VERSION]));
    }

    /// The moment of a transaction that has read all it needs.
    pub(crate) fn moment(&self) -> Timestamp {
        self.moments.next(self.env.now())
    }

    /// The items of `origin` from the key parts `from` on: about `items_max` and `bytes_max` of them, at least one.
    pub(crate) async fn piece(
        &self,
        origin: &Origin,
        from: &[u8],
        items_max: usize,
        bytes_max: usize,
    ) -> Result<Piece, Error> {
        let all = match origin {
            Origin::Table { number, .. } => keys::items_from(*number, from),
            Origin::Backup { number } => keys::backup_items_from(*number, from),
        };
        let page = self.db.range(RangeReq::new(all, items_max)).await?;
        let parts = |key: &Bytes| Bytes::copy_from_slice(keys::item_parts(key));
        let mut end = page.rows.last().filter(|_| page.more).map(|last| prefix_end(&parts(&last.key)));
        let mut found: BTreeMap<Bytes, Option<Item>> = BTreeMap::new();
        if let Origin::Table { number, at } = origin {
            let before = self.before(*number, *at, from, &mut end, (items_max, bytes_max)).await?;
            found = before.images;
        }
        for row in &page.rows {
            let parts = parts(&row.key);
            if end.as_ref().is_some_and(|end| parts >= *end) {
                break;
            }
            if let Entry::Vacant(place) = found.entry(parts) {
                place.insert(Some(decode_item(&row.val).map_err(ServiceError::internal)?));
            }
        }
        let mut bytes = 0;
        let mut items = Vec::with_capacity(found.len());
        for (parts, item) in found {
            let Some(item) = item else { continue };
            let size = item_size_bytes(&item);
            if bytes + size > bytes_max && !items.is_empty() {
                end = Some(parts);
                break;
            }
            bytes += size;
            items.push((parts, item));
        }
        Ok(Piece { items, next: end })
    }

    /// What changed items were at a moment, from `from` to `end`, which moves nearer if there is more than wanted.
    async fn before(
        &self,
        table: u64,
        at: Timestamp,
        from: &[u8],
        end: &mut Option<Bytes>,
        (items_max, bytes_max): (usize, usize),
    ) -> Result<Before, Error> {
        let mut before = Before::default();
        let mut cursor = Bytes::copy_from_slice(from);
        loop {
            if before.images.len() >= items_max || before.bytes >= bytes_max {
                *end = Some(end.take().map_or(cursor.clone(), |end| end.min(cursor)));
                return Ok(before);
            }
            let range = keys::histories(table, &cursor, end.as_deref());
            let page = self.db.range(RangeReq::new(range, HISTORY_ROWS_MAX)).await?;
            let mut last = None;
            for row in &page.rows {
                let (parts, moment) = keys::read_history(&row.key).map_err(ServiceError::internal)?;
                if moment > at && !before.images.contains_key(&parts) {
                    before.take(parts.clone(), &row.val)?;
                }
                last = Some(parts);
            }
            let Some(last) = last.filter(|_| page.more) else { return Ok(before) };
            // The item at which the page was cut may have its first change after the moment further on.
            if !before.images.contains_key(&last) {
                let rest = RangeReq::new(keys::histories_after(table, &last, at), 1);
                if let Some(row) = self.db.range(rest).await?.rows.first() {
                    before.take(last.clone(), &row.val)?;
                }
            }
            cursor = prefix_end(&last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_never_come_twice_or_go_back() {
        let moments = Moments::default();
        let second = Timestamp::from_secs;
        assert_eq!(moments.next(second(5)), second(5));
        assert!(moments.next(second(5)) > second(5));
        assert!(moments.next(second(3)) > second(5));
        moments.reach(second(9));
        assert!(moments.next(second(6)) > second(9));
    }
}
