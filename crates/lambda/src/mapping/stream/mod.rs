//! Mappings of streams: records in the order of their changes, batch by batch.
//!
//! AWS: Lambda Developer Guide, *Using AWS Lambda with Amazon DynamoDB* and *Configuring how Lambda handles errors*.
//!
//! A shard is followed by as many *lanes* as the mapping's `ParallelizationFactor`. Each lane reads the whole shard and takes the
//! records whose partition key hashes to it, so that records of one item are in one lane, and a lane has one batch under way at
//! a time. Where a lane stands is a row, written after the function has succeeded, or its batch has been given up: then in one
//! commit with the message to the mapping's destination. A crash in between shows the batch again.

mod batch;
mod check;
mod discard;
mod foreman;
mod lane;
mod position;
mod settings;
mod window;

pub(crate) use foreman::{StreamPost, begin};
pub(crate) use position::{Position, first_positions};
pub(crate) use settings::{BATCH_DEFAULT, StreamSettings};
