//! Event source mappings: the service takes batches from a source and invokes a function with them.
//!
//! AWS: Lambda Developer Guide, *How Lambda processes records from stream and queue-based event sources* and *Using Lambda with
//! Amazon SQS*.
//!
//! A mapping is one row. While it is enabled, its crew works, as `cauce_sources` describes; the [`consumer`] invokes the
//! function.
//!
//! What is taken is deleted from its queue, and a position in a stream stored, only after the function has answered. A crash in
//! between shows it again.

mod check;
mod consumer;
mod input;
mod operation;
mod record;
mod stream;

pub(crate) use input::{CreateMapping, ListMappings, MappingId, UpdateMapping};
pub(crate) use record::{MappingKey, MappingRecord};
