//! EventBridge: buses, events, rules with patterns or schedules, targets.
//!
//! An event is matched and handed to [`cauce_delivery`] inside the transaction of PutEvents: when PutEvents answers, every target
//! that takes effects in the same store has the event, and every other one has a durable delivery waiting.
//!
//! # Limits
//! [`ENTRIES_MAX`], [`EVENT_BYTES_MAX`], [`RULES_MAX`], [`TARGETS_MAX`], [`BUSES_MAX`], [`PATTERN_CHARS_MAX`].
//!
//! # Invariants
//! - An event sees every rule whose change was answered before the event was put.
//! - A scheduled rule ticks exactly once a tick: row, effects and next row are one commit.
//! - A rule and its targets are one row.
//!
//! # Deliberately absent
//! Archives and replays, partner sources, connections and API destinations, global endpoints: their operations are unknown
//! here, their parameters are refused.

mod bus;
mod bus_target;
mod entry;
mod error;
mod explain;
mod keys;
mod meters;
mod model;
mod page;
mod resources;
mod route;
mod rule;
mod schedule;
pub mod scheduler;
mod service;
mod tags;
mod target;
mod transform;

pub use bus::BUSES_MAX;
pub use bus_target::BusTarget;
pub use entry::{ENTRIES_MAX, EVENT_BYTES_MAX, Raised};
pub use error::{Error, POLICY_BYTES_MAX};
pub use explain::RuleExplanation;
pub use model::{DeadLetterConfig, InputTransformer, RetryPolicy, RuleState, SqsParameters, Target};
pub use resources::resource_types;
pub use rule::{PATTERN_CHARS_MAX, RULES_MAX};
pub use service::{EventBridge, INFO, api};
pub use tags::TAGS_MAX;
pub use target::TARGETS_MAX;

/// Runs the schedules of `events` for ever; spawn it once, and abort it at shutdown.
pub async fn run_schedules(events: std::sync::Arc<EventBridge>) {
    schedule::run(events).await;
}
