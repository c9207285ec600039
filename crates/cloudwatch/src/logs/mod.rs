//! CloudWatch Logs: groups of streams of events, kept, found, filtered, and removed when they expire.
//!
//! Operations: [`api`]. Lines from inside the program: `cauce_core::ports::Logs`, which [`Logs`] answers. Patterns:
//! [`Pattern`]. Templates: [`resource_types`]. Beside requests: [`Logs::worker`]. The layout in the store: `keys.rs`.
//!
//! # Invariants
//! - Events are answered for when they are durable, and then every reader that starts afterwards sees them.
//! - An event's id never changes and no other event has it. Within a stream, events of one timestamp are in the order of their
//!   commits: no event appears before one of its timestamp that was seen already.
//! - No two writers conflict: a stream's events go through its lane one commit at a time, and groups are locked in memory only.
//!   Every commit is fenced by the partition that owns the group.
//! - Nothing expires early; nothing expired is shown.
//!
//! # Limits
//! Those of the API, [`PAGE_EVENTS_MAX`], [`PAGE_BYTES_MAX`], [`PATTERN_CHARS_MAX`], [`LogsOptions::waiting_kib_max`].
//!
//! # Deliberately absent
//! Metric filters, subscription filters, Insights queries, live tail, data protection, exports and KMS keys.

mod api;
mod embedded;
mod error;
mod filter;
mod get;
mod group;
mod keys;
mod lane;
mod lines;
mod merge;
mod model;
mod names;
mod open_group;
mod page;
mod pattern;
mod put;
mod reclaim;
mod resources;
mod retention;
mod service;
mod stream;
mod tag;
mod token;
mod worker;

pub use api::{INFO, api};
pub use error::LogsError;
pub use group::RETENTION_DAYS;
pub use page::{PAGE_BYTES_MAX, PAGE_EVENTS_MAX};
pub use pattern::{Explanation, PATTERN_CHARS_MAX, Pattern, PatternError};
pub use put::{EVENT_AGE_MS_MAX, EVENT_AHEAD_MS_MAX, PUT_BYTES_MAX, PUT_EVENTS_MAX, PUT_SPAN_MS_MAX};
pub use resources::resource_types;
pub use service::{Logs, LogsOptions};
