//! Following streams: records in the order of their changes, batch by batch.
//!
//! AWS: Lambda Developer Guide, *Using AWS Lambda with Amazon DynamoDB* and *Configuring how Lambda handles errors*;
//! EventBridge User Guide, *Amazon DynamoDB stream as a source*.
//!
//! A shard is followed by as many *lanes* as the consumer's `ParallelizationFactor`. Each lane reads the whole shard and takes
//! the records whose partition key hashes to it, so that records of one item are in one lane, and a lane has one batch under
//! way at a time. Where a lane stands is a row, written after the consumer has succeeded, or its batch has been given up: then
//! in one commit with the message to whoever is to be told. A crash in between shows the batch again.

mod batch;
mod discard;
mod foreman;
mod lane;
mod position;
mod settings;
mod window;

pub use discard::{BatchInfo, Discard, Why};
pub(crate) use foreman::{StreamPost, begin};
pub use position::{Position, Retried, first_positions};
pub use settings::StreamSettings;
pub use window::Window;
