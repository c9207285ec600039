//! Streams: every change of an item of a table, in order, for a day.
//!
//! AWS: Developer Guide, *Change data capture for DynamoDB Streams*; API Reference, *DynamoDB Streams*.
//!
//! A record is written in the transaction that changes the item. It goes to one of a fixed number of shards, by the partition
//! key, under a sequence number that is drawn after the item was read: so the records of one item are in the order of its
//! changes. Drawing is done in memory and holds nobody up; a reader stops before the first number whose transaction has not
//! ended yet ([`flow`]), so it never passes a record by.

mod describe;
mod feed;
mod flow;
mod iterator;
mod model;
mod read;
mod record;
mod shard;
mod specification;
mod trim;

pub(crate) use describe::{DescribeStream, ListStreams};
pub use feed::StreamFeed;
pub(crate) use flow::Flows;
pub(crate) use model::{TableStream, ViewType};
pub use read::{GET_RECORDS_BYTES_MAX, GET_RECORDS_MAX, ITERATOR_LASTS};
pub(crate) use read::{GetShardIterator, iterator_resource};
pub use specification::SHARDS;
pub(crate) use specification::{StreamSpecification, begin_stream, end_stream, update_stream};
pub use trim::{STREAM_RETENTION, STREAM_RETENTION_MAX};
