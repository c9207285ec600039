//! The keys of items: taken out of items and requests, and checked.
//!
//! AWS: DynamoDB Developer Guide, *Naming rules and data types* and *Service, account, and table quotas*.

use std::borrow::Cow;

use crate::error::Error;
use crate::expression::Path;
use crate::keys::KeyBytes;
use crate::model::{Index, KeyAttribute, KeySchema, Table};
use crate::value::{AttributeValue, Item, ValueType};

/// The longest partition key, in bytes.
pub const PARTITION_KEY_BYTES_MAX: usize = 2_048;

/// The longest sort key, in bytes.
pub const SORT_KEY_BYTES_MAX: usize = 1_024;

pub(crate) const NO_MATCH: &str = "The provided key element does not match the schema";

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
        Some(kind) => Err(Error::Whole(format!(
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
    /// Refuses paths into attributes that are keys: of the table, or of one of its indexes.
    pub(crate) fn check_paths<'a>(&self, paths: impl Iterator<Item = &'a Path>) -> Result<(), Error> {
        for path in paths.filter(|path| !path.steps.is_empty()) {
            let name = &path.attribute;
            let what = match self.key.has(name) {
                true => "Key",
                false if self.indexes.iter().any(|index| index.key.has(name)) => "IndexKey",
                false => continue,
            };
            return Err(Error::invalid(format!(
                "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: {what}: {name}"
            )));
        }
        Ok(())
    }

    /// Refuses values that do not fit the keys of the table's indexes; `value` has those that are to be looked at, by attribute.
    pub(crate) fn check_index_keys<'a>(
        &self,
        origin: Origin,
        value: impl Fn(&str) -> Option<&'a AttributeValue>,
    ) -> Result<(), Error> {
        // AWS names the first by name of the indexes that an attribute does not suit.
        let mut indexes: Vec<&Index> = self.indexes.iter().collect();
        indexes.sort_by(|one, two| one.name.cmp(&two.name));
        for index in indexes {
            let limits = [PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX];
            for (attribute, limit) in index.key.attributes().zip(limits) {
                value(&attribute.name).map_or(Ok(()), |value| origin.check(&index.name, attribute, limit, value))?;
            }
        }
        Ok(())
    }
}

/// Where a value for the key of an index comes from: AWS words it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From an item that is put.
    Item,
    /// From the values of an update.
    Given,
    /// From what an update has worked out. It may be older than the index where the update leaves it as it was.
    Computed,
}

impl Origin {
    fn check(self, index: &str, attribute: &KeyAttribute, limit: usize, value: &AttributeValue) -> Result<(), Error> {
        let name = &attribute.name;
        let (expected, actual): (ValueType, ValueType) = (attribute.kind.value_type(), value.kind());
        if expected != actual {
            let (expected, actual) = (expected.name(), actual.name());
            return Err(match self {
                Origin::Computed => Error::invalid(
                    "The update expression attempted to update the secondary index key to unsupported type",
                ),
                Origin::Item | Origin::Given => Error::values(format!(
                    "Type mismatch for Index Key {name} Expected: {expected} Actual: {actual} IndexName: {index}"
                )),
            });
        }
        if let Some(kind) = empty(value) {
            return Err(self.refuse_empty(kind, index, name));
        }
        match bytes(attribute, value).is_some_and(|bytes| bytes.len() > limit) {
            false => Ok(()),
            true if self == Origin::Item => Err(Error::values(format!(
                "Size of {} key has exceeded the maximum size limit of {limit} bytes IndexName: {index}",
                if limit == PARTITION_KEY_BYTES_MAX { "hash" } else { "range" }
            ))),
            true => Err(Error::invalid(
                "The update expression attempted to update the secondary index key beyond allowed size limits",
            )),
        }
    }

    fn refuse_empty(self, kind: &str, index: &str, name: &str) -> Error {
        let (what, place) = match self {
            Origin::Item => (
                "A value specified for a secondary index key is not supported",
                format!(" IndexName: {index}, IndexKey: {name}"),
            ),
            Origin::Given | Origin::Computed => (
                "The update expression attempted to update a secondary index key to a value that is not supported",
                String::new(),
            ),
        };
        let message = format!(
            "One or more parameter values are not valid. {what}. The AttributeValue for a key attribute cannot contain an empty \
             {kind} value.{place}"
        );
        if self == Origin::Computed { Error::Invalid(message) } else { Error::Whole(message) }
    }
}
