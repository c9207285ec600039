//! EventBridge Pipes: events of one queue or stream, filtered, enriched, and sent to one target.
//!
//! A pipe is one row. While it is to run, a crew of `cauce_sources` takes batches from its source, and the pipe's `flow`
//! brings each through enrichment to the target, as a session of the pipe's role: what a pipe may do is what that role may do.
//!
//! # Limits
//! [`PIPES_MAX`], [`EXECUTION_MAX`], [`WORKERS_MAX`].
//!
//! # Invariants
//! - A message is deleted, and a position in a stream stored, only once the target has answered, or the batch is given up: then
//!   in one commit with the message to the dead-letter queue.
//! - Records of one item, and messages of one group, reach the target in their order.
//! - Whatever keeps records of a stream from their target and is not the user's counts as no attempt.
//!
//! # Deliberately absent
//! Sources and targets of services that are not here, API destinations, customer managed keys, logs to buckets and Firehose:
//! refused by name.

mod check;
mod enrichment;
mod error;
mod flow;
mod journal;
mod keys;
mod listing;
mod meters;
mod model;
mod operations;
mod parameters;
mod path;
mod payload;
mod resources;
mod service;
mod tags;
mod target;
mod template;

pub use error::PipesError;
pub use flow::EXECUTION_MAX;
pub use operations::PIPES_MAX;
pub use resources::resource_types;
pub use service::{INFO, Pipes, PipesPorts, WORKERS_MAX, api};
