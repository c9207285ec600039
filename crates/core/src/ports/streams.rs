//! Reading the streams of tables: asked of `dynamodb`, by whatever follows a stream inside the program.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Arn, Call, ServiceError, Timestamp};

/// A place in a shard: behind the record of this sequence number; 0 is before the oldest record that there is.
pub type StreamPosition = u64;

/// The most records of one [`StreamRead`].
pub const STREAM_RECORDS_MAX: usize = 1_000;

/// One read of a shard.
#[derive(Clone, Debug)]
pub struct StreamRead {
    /// The stream.
    pub stream: Arn,
    /// The shard, by its place in [`StreamFacts::shards`].
    pub shard: u16,
    /// Behind which record to read.
    pub after: StreamPosition,
    /// How many records are wanted, at least 1 and at most [`STREAM_RECORDS_MAX`].
    pub records_max: usize,
    /// How long to wait for the first one; the read answers as soon as there is one.
    pub wait: Duration,
}

/// The record of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRecord {
    /// Where a reader goes on behind it.
    pub position: StreamPosition,
    /// Its sequence number as clients see it.
    pub sequence_number: String,
    /// When the change was made.
    pub at: Timestamp,
    /// A hash of the item's partition key: changes with the same key have the same.
    pub partition: u32,
    /// The record as functions see it in an event, in JSON.
    pub json: String,
}

/// What a read of a shard came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamPage {
    /// In order; empty when the wait has passed without any.
    pub records: Vec<ChangeRecord>,
    /// Whether nothing will ever come behind them.
    pub ended: bool,
}

/// What a follower needs to know of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFacts {
    /// The names of its shards. Records of one item are in one shard, in the order of its changes.
    pub shards: Vec<String>,
    /// Behind the last record of each shard.
    pub latest: Vec<StreamPosition>,
}

/// Reads streams. `call` is the follower (the session of a function's role), and is authorized by the implementation:
/// `dynamodb:DescribeStream` and `dynamodb:GetRecords`.
#[async_trait]
pub trait Streams: Send + Sync + 'static {
    /// What is known of a stream.
    ///
    /// # Errors
    /// `ResourceNotFoundException`, `AccessDeniedException`.
    async fn facts(&self, call: &Call, stream: &Arn) -> Result<StreamFacts, ServiceError>;

    /// Reads records; empty when the wait has passed without one.
    ///
    /// # Errors
    /// `ResourceNotFoundException`, `AccessDeniedException`; `TrimmedDataAccessException` if records behind the place were
    /// removed for their age.
    async fn read(&self, call: &Call, read: StreamRead) -> Result<StreamPage, ServiceError>;
}
