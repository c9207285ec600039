//! The change of one item: decided as a pure function, then written with all that goes with it. Single writes, batches and
//! transactions are made of it.

use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{ServiceError, Timestamp};
use cauce_store::Tx;

use crate::capacity::Spent;
use crate::error::Error;
use crate::expression::{Condition, Update, at_paths};
use crate::index;
use crate::key::Origin;
use crate::keys;
use crate::model::{TABLE_ITSELF, Table};
use crate::service::DynamoDb;
use crate::value::{ITEM_BYTES_MAX, Item, decode_item, encode_item, item_size_bytes};

/// What AWS adds to the size of every item in `TableSizeBytes`, in bytes.
const ITEM_OVERHEAD_BYTES: usize = 100;

/// What becomes of an item.
#[derive(Debug)]
pub(crate) enum Action {
    /// It is replaced by this one.
    Put(Arc<Item>),
    /// It, or what has this key alone, is changed.
    Update { key: Item, update: Option<Update> },
    /// It goes.
    Delete { key: Item },
    /// Nothing.
    Check { key: Item },
}

/// A wish to change an item.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) action: Action,
    pub(crate) condition: Option<Condition>,
}

/// What a change makes of an item.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Decision {
    pub(crate) new: Option<Item>,
    /// Whether there is anything to be written.
    pub(crate) writes: bool,
}

/// Why a change is refused once the item is known.
#[derive(Debug)]
pub(crate) enum Refusal {
    Condition,
    Invalid(Error),
}

impl Change {
    /// Checks the change against the table's schema and returns the key of the item's row.
    pub(crate) fn row_key(&self, table: &Table) -> Result<Bytes, Error> {
        let key = match &self.action {
            Action::Put(item) => {
                if item_size_bytes(item) > ITEM_BYTES_MAX {
                    return Err(Error::Whole("Item size has exceeded the maximum allowed size".to_owned()));
                }
                let key = table.key.in_item(item)?;
                table.check_index_keys(Origin::Item, |name| item.get(name))?;
                key
            }
            Action::Update { key, update } => {
                let named = table.key.named(key)?;
                update.iter().try_for_each(|update| check_update(update, table))?;
                named
            }
            Action::Delete { key } | Action::Check { key } => table.key.named(key)?,
        };
        table.check_paths(self.condition.iter().flat_map(Condition::paths))?;
        Ok(keys::item(table.number, &key))
    }

    /// What it makes of `old`.
    pub(crate) fn decide(&self, table: &Table, old: Option<&Item>) -> Result<Decision, Refusal> {
        let nothing = Item::new();
        if self.condition.as_ref().is_some_and(|condition| !condition.matches(old.unwrap_or(&nothing))) {
            return Err(Refusal::Condition);
        }
        Ok(match &self.action {
            Action::Put(item) => Decision { new: Some(Item::clone(item)), writes: true },
            Action::Delete { .. } => Decision { new: None, writes: old.is_some() },
            Action::Check { .. } => Decision { new: old.cloned(), writes: false },
            Action::Update { key, update: None } => {
                let new = old.unwrap_or(key).clone();
                Decision { new: Some(new), writes: old.is_none() }
            }
            Action::Update { key, update: Some(update) } => {
                let updated = update.apply(old.unwrap_or(key), old.is_some());
                let updated = updated.map_err(|error| Refusal::Invalid(error.into()))?;
                if old.is_none() && !updated.creates {
                    return Ok(Decision { new: None, writes: false });
                }
                let changed = |name: &str| {
                    let before = old.and_then(|old| old.get(name));
                    updated.item.get(name).filter(|value| before != Some(value))
                };
                table.check_index_keys(Origin::Computed, changed).map_err(Refusal::Invalid)?;
                if item_size_bytes(&updated.item) > ITEM_BYTES_MAX {
                    let message = "Item size to update has exceeded the maximum allowed size";
                    return Err(Refusal::Invalid(Error::invalid(message)));
                }
                Decision { new: Some(updated.item), writes: true }
            }
        })
    }

    /// What an item has at the paths of an update as they are written: nothing of a value appended beyond the end of a list, and
    /// after a removal the element that has moved up. `UPDATED_OLD` of the item before, `UPDATED_NEW` of the item after.
    pub(crate) fn updated(&self, item: &Item) -> Item {
        match &self.action {
            Action::Update { update: Some(update), .. } => at_paths(update.paths().cloned().collect(), item),
            _ => Item::new(),
        }
    }

    /// The attributes of the item's partition key.
    pub(crate) fn partition(&self, table: &Table) -> Item {
        let (Action::Put(item), name) = (&self.action, &table.key.hash.name) else {
            let (Action::Update { key, .. } | Action::Delete { key } | Action::Check { key }) = &self.action else {
                return Item::new();
            };
            return only(key, &table.key.hash.name);
        };
        only(item, name)
    }
}

/// Refuses an update of a key, of the key of an index to what it cannot be, and of what would be within a key.
fn check_update(update: &Update, table: &Table) -> Result<(), Error> {
    if let Some(path) = update.paths().find(|path| table.key.has(&path.attribute)) {
        return Err(Error::values(format!(
            "Cannot update attribute {}. This attribute is part of the key",
            path.attribute
        )));
    }
    table.check_index_keys(Origin::Given, |name| update.given(name))?;
    table.check_paths(update.paths().chain(update.operand_paths()))
}

fn only(item: &Item, name: &str) -> Item {
    item.get(name).map(|value| (name.to_owned(), value.clone())).into_iter().collect()
}

/// The item in a row.
pub(crate) fn item_of(row: Option<&Bytes>) -> Result<Option<Item>, Error> {
    Ok(row.map(|row| decode_item(row)).transpose().map_err(ServiceError::internal)?)
}

/// What a change has made of an item. Every one comes by [`DynamoDb::write`], in the transaction that makes it: those of single
/// writes, batches, transactions, and of the service itself. Whatever keeps a record of changes hangs on there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed<'a> {
    pub(crate) table: &'a Table,
    pub(crate) row_key: &'a Bytes,
    pub(crate) old: Option<&'a Item>,
    pub(crate) new: Option<&'a Item>,
    pub(crate) by: By,
    /// The moment of its transaction.
    pub(crate) at: Timestamp,
}

/// Who changes an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A request.
    Request,
    /// The service, because the item has expired.
    Expiry,
}

impl Changed<'_> {
    fn sizes(&self) -> (usize, usize) {
        let size = |item: Option<&Item>| item.map_or(0, item_size_bytes);
        (size(self.old), size(self.new))
    }
}

impl DynamoDb {
    /// Writes what was decided, at the moment of its transaction. Returns what it costs.
    pub(crate) async fn write_decided(
        &self,
        tx: &Tx,
        table: &Table,
        row_key: &Bytes,
        (old, at): (Option<&Item>, Timestamp),
        decision: &Decision,
    ) -> Result<Spent, Error> {
        let changed = Changed { table, row_key, old, new: decision.new.as_ref(), by: By::Request, at };
        let (before, after) = changed.sizes();
        let written = if decision.writes { self.write(tx, &changed).await? } else { index::Written::new() };
        Ok(Spent::of_write(table, before.max(after), &written))
    }

    /// Writes a change: the row, the counts, the place among what expires, the record in the stream, the entries of all indexes.
    pub(crate) async fn write(&self, tx: &Tx, changed: &Changed<'_>) -> Result<index::Written, Error> {
        let Changed { table, row_key, old, new, .. } = *changed;
        match new {
            Some(item) => tx.set(row_key.clone(), encode_item(item)),
            None => tx.clear(row_key.clone()),
        }
        let (before, after) = changed.sizes();
        let stored = |bytes: usize| i64::try_from(bytes + ITEM_OVERHEAD_BYTES).unwrap_or(i64::MAX);
        let count = i64::from(new.is_some()) - i64::from(old.is_some());
        let bytes = new.map_or(0, |_| stored(after)) - old.map_or(0, |_| stored(before));
        if count != 0 {
            tx.add(keys::item_count(table.number, TABLE_ITSELF), count)?;
        }
        if bytes != 0 {
            tx.add(keys::byte_count(table.number, TABLE_ITSELF), bytes)?;
        }
        self.queue_expiry(tx, changed);
        self.record_change(tx, changed).await?;
        self.keep_history(tx, changed);
        index::maintain(tx, table, old, new).await
    }
}
