//! DynamoDB: tables, items, indexes, queries, scans, batches, transactions, PartiQL, backups.
//!
//! A write is one transaction of the store: the item, the entries of every index, the counts, its place among what expires, the
//! record in the table's stream. What a table is, is read in the same transaction, so an index or a stream sees every write from
//! its creation on, and nothing is written to a table that is gone.
//!
//! # Limits
//! [`ITEM_BYTES_MAX`], [`PARTITION_KEY_BYTES_MAX`], [`SORT_KEY_BYTES_MAX`], [`NESTING_MAX`], [`PAGE_BYTES_MAX`],
//! [`BATCH_GET_MAX`], [`BATCH_WRITE_MAX`], [`TRANSACTION_MAX`], [`TABLES_MAX`], [`LOCAL_INDEXES_MAX`], [`GLOBAL_INDEXES_MAX`],
//! [`GET_RECORDS_MAX`], [`GET_RECORDS_BYTES_MAX`], [`ITERATOR_LASTS`], [`STREAM_RETENTION`], [`EXPIRED_AGO_MAX`],
//! [`STATEMENT_CHARS_MAX`], [`STATEMENT_DEPTH_MAX`], [`BATCH_STATEMENTS_MAX`], [`READS_MAX`], [`POLICY_BYTES_MAX`],
//! [`RECOVERY_DAYS_MAX`].
//!
//! # Invariants
//! - An item and its index entries agree at every snapshot, whatever is killed whenever.
//! - A table or index made again under an old name shows nothing of the old one: the layout goes by numbers given once.
//! - A page is of one snapshot as far as one read of the store reaches; single reads and transactions always are.
//! - The records of an item are in the order of its changes, and no reader passes one by; who is killed in between loses none.
//! - What is restored is the table at one moment, though it is copied in parts and written meanwhile: see `history.rs`.
//! - A statement of PartiQL is done by what does the other operations; there is no second engine for it.
//! - Reads are never behind: an eventually consistent read sees what a consistent one sees.
//!
//! # Deliberately absent
//! Throttling by provisioned capacity; what `absent.rs` refuses.

mod absent;
mod access;
mod backup;
mod batch_get;
mod batch_write;
mod bucket;
mod capacity;
mod catalog;
mod change;
mod copy;
mod description;
mod error;
mod expiry;
mod export;
mod export_write;
pub mod expression;
mod history;
mod import;
mod import_read;
mod import_write;
mod index;
mod item;
mod key;
mod keys;
mod limits;
mod meters;
mod model;
mod number;
mod partiql;
mod policy;
mod query;
mod read;
mod recovery;
mod request;
mod resource_settings;
mod resources;
mod restore;
mod scan;
mod schema;
mod service;
mod stream;
mod table;
mod table_update;
mod tags;
mod transaction;
mod transaction_get;
mod ttl;
mod value;
mod work;

pub use batch_get::{BATCH_GET_BYTES_MAX, BATCH_GET_MAX};
pub use batch_write::BATCH_WRITE_MAX;
pub use capacity::{READ_UNIT_BYTES, WRITE_UNIT_BYTES};
pub use error::{CancellationReason, Error};
pub use expiry::EXPIRED_AGO_MAX;
pub use export::EXPORTS_MAX;
pub use import::IMPORTS_MAX;
pub use key::{PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX};
pub use number::{NUMBER_BYTES_MAX, NUMBER_DIGITS_MAX, NUMBER_EXPONENT_MAX, NUMBER_EXPONENT_MIN, Number, NumberError};
pub use partiql::{BATCH_STATEMENTS_MAX, DEPTH_MAX as STATEMENT_DEPTH_MAX, READS_MAX, STATEMENT_CHARS_MAX};
pub use policy::POLICY_BYTES_MAX;
pub use read::PAGE_BYTES_MAX;
pub use recovery::RECOVERY_DAYS_MAX;
pub use resources::resource_types;
pub use scan::SEGMENTS_MAX;
pub use schema::{CAPACITY_UNITS_MAX, GLOBAL_INDEXES_MAX, LOCAL_INDEXES_MAX, PROJECTED_ATTRIBUTES_MAX};
pub use service::{DynamoDb, DynamoDbOptions, INFO, STREAMS_INFO, api, streams_api};
pub use stream::{
    GET_RECORDS_BYTES_MAX, GET_RECORDS_MAX, ITERATOR_LASTS, SHARDS, STREAM_RETENTION, STREAM_RETENTION_MAX, StreamFeed,
};
pub use table::TABLES_MAX;
pub use tags::TAGS_MAX;
pub use transaction::{TOKEN_LASTS, TRANSACTION_BYTES_MAX, TRANSACTION_MAX};
pub use value::{
    AttributeValue, Given, GivenError, ITEM_BYTES_MAX, Item, NESTING_MAX, ValueError, ValueType, decode_item,
    encode_item, item_size_bytes,
};

/// Removes the rows of dropped tables, fills new indexes, trims streams and history, deletes what has expired, makes and restores
/// backups, for ever; spawn it once, and abort it at shutdown.
pub async fn run(tables: std::sync::Arc<DynamoDb>) {
    tokio::join!(
        import_write::run(std::sync::Arc::clone(&tables)),
        work::run(std::sync::Arc::clone(&tables)),
        expiry::run(tables)
    );
}
