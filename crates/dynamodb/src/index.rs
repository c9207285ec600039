//! What indexes show of items, kept exact in the transaction that changes an item.

use std::collections::BTreeMap;

use bytes::Bytes;
use cauce_store::Tx;

use crate::error::Error;
use crate::keys;
use crate::model::{Index, Projection, Table};
use crate::value::{AttributeValue, Item, encode_item, item_size_bytes};

/// What AWS adds to the size of every entry of an index, in bytes. AWS: Developer Guide, *Using Global Secondary Indexes*,
/// storage considerations.
const ENTRY_OVERHEAD_BYTES: usize = 100;

/// An item as an index shows it.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Bytes,
    pub(crate) item: Item,
}

impl Index {
    /// Whether entries carry the attribute.
    pub(crate) fn shows(&self, table: &Table, name: &str) -> bool {
        let projected = match &self.projection {
            Projection::All => true,
            Projection::KeysOnly => false,
            Projection::Include(names) => names.contains(name),
        };
        projected || self.key.has(name) || table.key.has(name)
    }

    /// The part of an item that entries carry.
    fn shown(&self, table: &Table, item: &Item) -> Item {
        let shown = |(name, _): &(&String, &AttributeValue)| self.shows(table, name);
        item.iter().filter(shown).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The item as this index shows it; `None` for an item that lacks an attribute of the index's key.
    pub(crate) fn entry(&self, table: &Table, item: &Item) -> Option<Entry> {
        let key = self.entry_key(table, item)?;
        Some(Entry { key, item: self.shown(table, item) })
    }

    /// Where the entry of an item stands: any map with the attributes of both keys will do.
    pub(crate) fn entry_key(&self, table: &Table, item: &Item) -> Option<Bytes> {
        let (own, whose) = (self.key.key_of(item)?, table.key.key_of(item)?);
        Index::takes(&own).then(|| keys::entry(table.number, self.id, &own, &whose))
    }
}

/// What a change of an item did to the indexes: bytes written, by the number of the index, twice where an entry has moved.
pub(crate) type Written = BTreeMap<u32, Vec<usize>>;

/// Makes every index show `new` in place of `old`.
pub(crate) async fn maintain(tx: &Tx, table: &Table, old: Option<&Item>, new: Option<&Item>) -> Result<Written, Error> {
    let mut written = Written::new();
    for index in &table.indexes {
        let mut before = old.and_then(|item| index.entry(table, item));
        let after = new.and_then(|item| index.entry(table, item));
        // An index that is being built may not have come to the item yet. Then there is no entry to be counted out.
        if index.backfilling
            && let Some(entry) = &before
            && tx.get(&entry.key).await?.is_none()
        {
            before = None;
        }
        if before == after {
            continue;
        }
        let sizes = written.entry(index.id).or_default();
        count(tx, table, index, before.as_ref(), -1)?;
        count(tx, table, index, after.as_ref(), 1)?;
        match (before, after) {
            (Some(before), Some(after)) if before.key == after.key => {
                sizes.push(item_size_bytes(&before.item).max(item_size_bytes(&after.item)));
                tx.set(after.key, encode_item(&after.item));
            }
            (before, after) => {
                if let Some(before) = before {
                    sizes.push(item_size_bytes(&before.item));
                    tx.clear(before.key);
                }
                if let Some(after) = after {
                    sizes.push(item_size_bytes(&after.item));
                    tx.set(after.key, encode_item(&after.item));
                }
            }
        }
    }
    Ok(written)
}

/// Counts an entry in or out.
pub(crate) fn count(tx: &Tx, table: &Table, index: &Index, entry: Option<&Entry>, sign: i64) -> Result<(), Error> {
    let Some(entry) = entry else { return Ok(()) };
    let bytes = i64::try_from(item_size_bytes(&entry.item) + ENTRY_OVERHEAD_BYTES).unwrap_or(i64::MAX);
    tx.add(keys::item_count(table.number, index.id), sign)?;
    Ok(tx.add(keys::byte_count(table.number, index.id), sign * bytes)?)
}
