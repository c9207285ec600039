//! Event source mappings: the service takes batches from a source and invokes a function with them.
//!
//! AWS: Lambda Developer Guide, *How Lambda processes records from stream and queue-based event sources* and *Using Lambda with
//! Amazon SQS*.
//!
//! A mapping is one row. While it is enabled, its *crew* works: [`worker`]s that take a batch from the [`source::Source`], invoke
//! the function with it, and settle what became of it. One worker always waits for the next batch; whenever the one that waited
//! has got one, another takes its place, up to the mapping's concurrency, and who waits in vain beside another goes home. So a
//! batch never waits for one that is under way, and an idle mapping costs one poll.
//!
//! Streams are followed otherwise: see [`stream`].
//!
//! What is taken is deleted from the source only after the function has answered. A crash in between shows it again once its
//! visibility timeout has passed.

mod crew;
mod duty;
mod filter;
mod input;
mod operation;
mod queue;
mod record;
mod source;
mod stream;
mod worker;

pub(crate) use crew::Crews;
pub(crate) use input::{CreateMapping, ListMappings, MappingId, UpdateMapping};
pub(crate) use operation::Sources;
pub(crate) use record::{MappingKey, MappingRecord};
