//! Tables and their indexes, as stored.

use std::collections::{BTreeMap, BTreeSet};

use cauce_core::{Arn, Timestamp};
use cauce_store::Record;
use serde::{Deserialize, Serialize};

use crate::history::Past;
use crate::keys::{Rows, StreamId, TableId};
use crate::policy::TablePolicy;
use crate::stream::TableStream;
use crate::value::ValueType;

/// The number of the table itself among its indexes.
pub(crate) const TABLE_ITSELF: u32 = 0;

/// The type of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyType {
    S,
    N,
    B,
}

impl KeyType {
    pub(crate) fn of_name(name: &str) -> Option<KeyType> {
        match name {
            "S" => Some(KeyType::S),
            "N" => Some(KeyType::N),
            "B" => Some(KeyType::B),
            _ => None,
        }
    }

    pub(crate) fn value_type(self) -> ValueType {
        match self {
            KeyType::S => ValueType::S,
            KeyType::N => ValueType::N,
            KeyType::B => ValueType::B,
        }
    }
}

/// An attribute that is part of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyAttribute {
    pub(crate) name: String,
    pub(crate) kind: KeyType,
}

/// The key of a table or an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeySchema {
    /// The partition key.
    pub(crate) hash: KeyAttribute,
    /// The sort key.
    pub(crate) range: Option<KeyAttribute>,
}

impl KeySchema {
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.hash).chain(&self.range)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }
}

/// What an index shows besides keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Projection {
    All,
    KeysOnly,
    Include(BTreeSet<String>),
}

/// Whether an index lives beside its items or has a partition key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Scope {
    Local,
    Global,
}

/// Provisioned capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Throughput {
    pub(crate) read: i64,
    pub(crate) write: i64,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    /// Given once: never 0, never again.
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) scope: Scope,
    pub(crate) key: KeySchema,
    pub(crate) projection: Projection,
    pub(crate) throughput: Throughput,
    /// Whether items that were there before it are still being added.
    pub(crate) backfilling: bool,
}

/// How capacity is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BillingMode {
    Provisioned,
    PayPerRequest,
}

impl BillingMode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            BillingMode::Provisioned => "PROVISIONED",
            BillingMode::PayPerRequest => "PAY_PER_REQUEST",
        }
    }
}

/// A table's definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// Given once: the layout goes by it.
    pub(crate) number: u64,
    pub(crate) name: String,
    /// `TableId`.
    pub(crate) uuid: String,
    pub(crate) created: Timestamp,
    pub(crate) key: KeySchema,
    /// The definitions of key attributes, in the order given.
    pub(crate) attributes: Vec<KeyAttribute>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) last_index: u32,
    pub(crate) billing: BillingMode,
    /// When it last became a table paid for by request.
    pub(crate) on_demand_since: Option<Timestamp>,
    pub(crate) throughput: Throughput,
    pub(crate) throughput_raised: Option<Timestamp>,
    pub(crate) throughput_lowered: Option<Timestamp>,
    pub(crate) table_class: Option<String>,
    pub(crate) deletion_protection: bool,
    pub(crate) tags: BTreeMap<String, String>,
    /// The attribute that holds the second in which an item expires.
    pub(crate) ttl_attribute: Option<String>,
    /// The number of the queue of items that expire, as an index has one; 0 where nothing expires.
    #[serde(default)]
    pub(crate) ttl_queue: u32,
    /// Where its changes are recorded.
    #[serde(default)]
    pub(crate) stream: Option<TableStream>,
    /// The label of the stream that it has, or had last.
    #[serde(default)]
    pub(crate) latest_stream: Option<String>,
    /// Its resource policy.
    #[serde(default)]
    pub(crate) policy: Option<TablePolicy>,
    /// What it remembers of its past.
    #[serde(default)]
    pub(crate) past: Past,
}

impl Record for Table {
    const VERSION: u8 = 1;
}

impl Table {
    pub(crate) fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }

    pub(crate) fn has_local_indexes(&self) -> bool {
        self.indexes.iter().any(|index| index.scope == Scope::Local)
    }

    /// The attribute by which items expire, and the queue in which those that do stand.
    pub(crate) fn expiry(&self) -> Option<(&str, u32)> {
        self.ttl_attribute.as_deref().filter(|_| self.ttl_queue > 0).map(|attribute| (attribute, self.ttl_queue))
    }

    /// The ARN of the stream that it has, or had last.
    pub(crate) fn latest_stream_arn(&self, id: &TableId) -> Option<Arn> {
        let label = self.latest_stream.clone()?;
        Some(StreamId { table: id.clone(), label }.arn())
    }

    pub(crate) fn items(&self) -> Rows {
        Rows::Items { table: self.number }
    }

    pub(crate) fn entries(&self, index: &Index) -> Rows {
        Rows::Entries { table: self.number, index: index.id }
    }
}

/// Rows to be removed in the background.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dropped {
    /// For whoever looks at the store.
    pub(crate) name: String,
}

impl Record for Dropped {
    const VERSION: u8 = 1;
}

/// An index that is being built.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Backfill {
    /// The key of the table's row.
    pub(crate) table_key: Vec<u8>,
    /// The key of the last item that was added.
    pub(crate) last: Option<Vec<u8>>,
}

impl Record for Backfill {
    const VERSION: u8 = 1;
}

/// The ARN of a table.
pub(crate) fn table_arn(id: &TableId) -> Arn {
    Arn::new("dynamodb", &id.region, id.account, &format!("table/{}", id.name))
}

/// The ARN of an index.
pub(crate) fn index_arn(id: &TableId, index: &str) -> Arn {
    Arn::new("dynamodb", &id.region, id.account, &format!("table/{}/index/{index}", id.name))
}
