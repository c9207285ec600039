//! The keys of items: taken out of items and requests, and checked.
//!
//! AWS: DynamoDB Developer Guide, *Naming rules and data types* and *Service, account, and table quotas*.

use std::borrow::Cow;

use crate::error::Error;
use crate::keys::KeyBytes;
use crate::model::{Index, KeyAttribute, KeySchema, Table};
use crate::value::{AttributeValue, Item, ValueType};

/// The longest partition key, in bytes.
pub const PARTITION_KEY_BYTES_MAX: usize = 2_048;

/// The longest sort key, in bytes.
pub const SORT_KEY_BYTES_MAX: usize = 1_024;

const NO_MATCH: &str = "The provided key element does not match the schema";

/// The bytes by which a value of a key attribute is ordered.
fn bytes<'a>(attribute: &KeyAttribute, value: &'a AttributeValue) -> Option<Cow<'a, [u8]>> {
    if value.kind() == attribute.kind.value_type() { value.key_bytes() } else { None }
}

/// How the message about an empty value names it.
fn empty(value: &AttributeValue) -> Option<&'static str> {
    match value {
        AttributeValue::S(text) if text.is_empty() => Some("string"),
        AttributeValue::B(bytes) if bytes.is_empty() => Some("binary"),
        _ => None,
    }
}

fn check_empty(name: &str, value: &AttributeValue) -> Result<(), Error> {
    match empty(value) {
        Some(kind) => Err(Error::Invalid(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
             {kind} value. Key: {name}"
        ))),
        None => Ok(()),
    }
}

fn check_sizes(key: &KeyBytes<'_>) -> Result<(), Error> {
    if key.hash.len() > PARTITION_KEY_BYTES_MAX {
        // AWS's own spacing.
        return Err(Error::values(format!(
            "Size of hashkey has exceeded the maximum size limit of{PARTITION_KEY_BYTES_MAX} bytes"
        )));
    }
    if key.range.as_ref().is_some_and(|range| range.len() > SORT_KEY_BYTES_MAX) {
        return Err(Error::values(format!(
            "Aggregated size of all range keys has exceeded the size limit of {SORT_KEY_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

impl KeySchema {
    /// The key that an item of the table or index has, as it is stored: nothing is checked but that it is there.
    pub(crate) fn key_of<'a>(&self, item: &'a Item) -> Option<KeyBytes<'a>> {
        let part = |attribute: &KeyAttribute| bytes(attribute, item.get(&attribute.name)?);
        let hash = part(&self.hash)?;
        let range = match &self.range {
            Some(range) => Some(part(range)?),
            None => None,
        };
        Some(KeyBytes { hash, range })
    }

    /// The attributes of the key in an item.
    pub(crate) fn attributes_of(&self, item: &Item) -> Item {
        let found = self.attributes().filter_map(|a| Some((a.name.clone(), item.get(&a.name)?.clone())));
        found.collect()
    }

    /// The key that a request names: exactly the key's attributes, each of its type.
    pub(crate) fn named<'a>(&self, key: &'a Item) -> Result<KeyBytes<'a>, Error> {
        if key.len() != self.attributes().count() {
            return Err(Error::invalid(NO_MATCH));
        }
        let named = self.key_of(key).ok_or_else(|| Error::invalid(NO_MATCH))?;
        for attribute in self.attributes() {
            key.get(&attribute.name).map_or(Ok(()), |value| check_empty(&attribute.name, value))?;
        }
        check_sizes(&named)?;
        Ok(named)
    }

    /// The key in an item that is to be put.
    pub(crate) fn in_item<'a>(&self, item: &'a Item) -> Result<KeyBytes<'a>, Error> {
        for attribute in self.attributes() {
            let name = &attribute.name;
            let Some(value) = item.get(name) else {
                return Err(Error::values(format!("Missing the key {name} in the item")));
            };
            let (expected, actual) = (attribute.kind.value_type(), value.kind());
            if expected != actual {
                let (expected, actual) = (expected.name(), actual.name());
                return Err(Error::values(format!(
                    "Type mismatch for key {name} expected: {expected} actual: {actual}"
                )));
            }
            check_empty(name, value)?;
        }
        let key = self.key_of(item).ok_or_else(|| Error::invalid(NO_MATCH))?;
        check_sizes(&key)?;
        Ok(key)
    }
}

impl Index {
    /// Whether an index takes such a key: items that are older than the index may have others.
    pub(crate) fn takes(key: &KeyBytes<'_>) -> bool {
        let range = key.range.as_ref();
        (1..=PARTITION_KEY_BYTES_MAX).contains(&key.hash.len())
            && range.is_none_or(|range| (1..=SORT_KEY_BYTES_MAX).contains(&range.len()))
    }
}

impl Table {
    /// Refuses an item whose attributes do not fit the keys of the table's indexes. What an update leaves as it was is not
    /// looked at: it may be older than the index.
    pub(crate) fn check_index_keys(&self, item: &Item, old: Option<&Item>) -> Result<(), Error> {
        self.indexes.iter().try_for_each(|index| check_index_key(index, item, old))
    }
}

fn check_index_key(index: &Index, item: &Item, old: Option<&Item>) -> Result<(), Error> {
    for (n, attribute) in index.key.attributes().enumerate() {
        let (name, index_name) = (&attribute.name, &index.name);
        let Some(value) = item.get(name) else { continue };
        if old.and_then(|old| old.get(name)) == Some(value) {
            continue;
        }
        let (expected, actual): (ValueType, ValueType) = (attribute.kind.value_type(), value.kind());
        if expected != actual {
            let (expected, actual) = (expected.name(), actual.name());
            return Err(Error::values(format!(
                "Type mismatch for Index Key {name} Expected: {expected} Actual: {actual} IndexName: {index_name}"
            )));
        }
        if let Some(kind) = empty(value) {
            return Err(Error::Invalid(format!(
                "One or more parameter values are not valid. A value specified for a secondary index key is not supported. \
                 The AttributeValue for a key attribute cannot contain an empty {kind} value. IndexName: {index_name}, \
                 IndexKey: {name}"
            )));
        }
        let limit = if n == 0 { PARTITION_KEY_BYTES_MAX } else { SORT_KEY_BYTES_MAX };
        if bytes(attribute, value).is_some_and(|bytes| bytes.len() > limit) {
            return Err(Error::values(format!(
                "Size of {} key has exceeded the maximum size limit of {limit} bytes IndexName: {index_name}",
                if n == 0 { "hash" } else { "range" }
            )));
        }
    }
    Ok(())
}
