//! SQS: queues and messages, standard and FIFO.
//!
//! A send is one commit, in a transaction of its own or in that of whoever causes it ([`QueueTarget`]). A reception is one commit
//! whatever it takes: receive counts, receipts and deadlines outlive the process. What can be received next is held in memory
//! by the queue's owner (`index.rs`), as a guide that each reception checks against the store.
//!
//! # Limits
//! [`MESSAGE_BYTES_MAX`], [`IN_FLIGHT_MAX`], [`IN_FLIGHT_FIFO_MAX`], [`WINDOW_MAX`], and what the modules name.
//!
//! # Invariants
//! - A message is handed out only after the commit that hides it from others, and never after its acknowledged deletion.
//! - A FIFO group is received in the order of its sequence numbers, and stands still while one of its messages is out.
//! - Sends of a queue share no row that they read and write: they never conflict with each other.
//! - Memory is bounded, whatever a queue holds.
//!
//! # Deliberately absent
//! Encryption of messages at rest: the attributes are kept and shown, the disk is as safe as its owner makes it. The minute after a
//! deletion in which AWS refuses to make a queue of the same name.

mod batch;
mod delete;
mod error;
mod held;
mod index;
mod keys;
mod message;
mod message_attribute;
mod meters;
mod model;
mod permission;
mod poller;
mod queue;
mod receipt;
mod receive;
mod redrive;
mod resources;
mod send;
mod service;
mod settings;
mod sweep;
mod tags;
mod target;

pub use batch::{BATCH_ENTRIES_MAX, BATCH_ID_CHARS_MAX};
pub use error::Error;
pub use held::{ATTEMPT_LASTS, ATTEMPTS_MAX};
pub use index::WINDOW_MAX;
pub use message_attribute::{ATTRIBUTE_NAME_CHARS_MAX, MESSAGE_ATTRIBUTES_MAX};
pub use meters::{ACTIVE_LASTS, run_gauges};
pub use permission::{LABEL_CHARS_MAX, PERMISSION_ACTIONS_MAX, POLICY_BYTES_MAX, STATEMENTS_MAX};
pub use poller::QueuePoller;
pub use queue::{LIST_MAX, NAME_CHARS_MAX, PURGE_EVERY};
pub use receive::RECEIVE_MESSAGES_MAX;
pub use redrive::{MOVES_A_SECOND_MAX, TASKS_KEPT_MAX, resume_moves};
pub use resources::resource_types;
pub use send::{DEDUPLICATION_LASTS, ID_CHARS_MAX};
pub use service::{INFO, Sqs, SqsOptions, api};
pub use settings::{DELAY_S_MAX, RECEIVES_MAX, REDRIVE_SOURCES_MAX, VISIBILITY_S_MAX, WAIT_S_MAX};
pub use sweep::{SWEEP_EVERY, run_sweeps};
pub use tags::{TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, TAGS_MAX};
pub use target::QueueTarget;

/// The largest message, and the largest batch, in bytes. AWS: SQS Developer Guide, "Amazon SQS message quotas".
pub const MESSAGE_BYTES_MAX: usize = 1_048_576;
/// How many messages of a standard queue can be in flight, if [`SqsOptions`] do not say otherwise.
pub const IN_FLIGHT_MAX: usize = 120_000;
/// How many messages of a FIFO queue can be in flight, if [`SqsOptions`] do not say otherwise.
pub const IN_FLIGHT_FIFO_MAX: usize = 120_000;
