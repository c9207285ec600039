//! Taking batches from queues and streams, for whoever consumes them: event source mappings, pipes.
//!
//! What takes from one source under one set of settings is a [`Crew`]. While it is to work, its workers take batches, hand them
//! to a [`Consumer`], and settle what became of them. Of a queue, one worker always waits for the next batch; whenever the one
//! that waited has got one, another takes its place, up to the crew's size, and who waits in vain beside another goes home. So
//! a batch never waits for one that is under way, and an idle crew costs one poll. A stream is followed otherwise: by lanes,
//! see [`stream`].
//!
//! # Invariants
//! - What is taken is deleted from its queue, and a position in a stream is stored, only after the consumer has answered, or in
//!   one commit with the message about what was given up. A crash in between shows the batch again.
//! - Records of one item, and messages of one group, come in their order.
//! - A consumer without room costs no reception: what was taken stays hidden while it waits.
//!
//! # Deliberately absent
//! Knowledge of any consumer: as whom it acts, what it does with a batch, and in which words it shows how that went.

mod consumer;
mod crew;
mod duty;
mod filter;
mod queue;
mod source;
mod sources;
pub mod stream;
mod worker;

pub use consumer::{Answer, Batch, Consumer, Delivered, Entry, Failed, Hold, Problem, Span, push_list};
pub use crew::{Activity, Crew, Crews, Outcome};
pub use duty::{Duty, Intake};
pub use filter::{FILTERS_MAX, FilterError, Filters};
pub use sources::{QUEUE_ACTIONS, STREAM_ACTIONS, Sources};
