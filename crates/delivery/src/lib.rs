//! The engine that carries effects between services.
//!
//! Inside the transaction that causes it, a service [sends](Delivery::send) an [`Effect`]: a target, a payload, a policy. A
//! [`Target`] in the same store takes it in that very transaction: exactly once, no lag. Any other effect becomes a durable
//! row, performed after the commit, at least once: one lane a target, woken at once and never by polling, with back-off,
//! limits on attempts and age, and a dead letter with the reason at the end. Every effect is a step in the causal tree of the
//! request that caused it ([`lineage`]).
//!
//! # Invariants
//! - An effect happens if and only if the transaction that sent it commits.
//! - An effect is removed only in the transaction that records how it ended.
//! - A slow, hanging or failing target delays no other target: lanes share nothing but a far higher bound.
//! - Only the owner of a lane's partition attempts its effects, and every change of a row is fenced.
//! - Memory is bounded: a lane holds a window of its rows ([`LANE_ROWS_MAX`], [`LANE_BYTES_MAX`]); the rest waits in the store.
//!
//! # Deliberately absent
//! Order between effects of one target: what needs order is a queue or a stream and takes its effects in the causing
//! transaction, in commit order. Knowledge of any service: targets are registered by the program.

mod attempt;
mod dead_letter;
mod effect;
mod engine;
mod keys;
mod lane;
pub mod lineage;
pub mod message;
mod policy;
mod target;

pub use dead_letter::{DeadLetter, KEPT as DEAD_LETTERS_KEPT, LETTER, LETTERS_MAX, dead_letters};
pub use effect::{Effect, EffectId, HOPS_MAX, PAYLOAD_BYTES_MAX, ROLE_ARN};
pub use engine::{ATTEMPTS_MAX, Delivery, End, NOTES_MAX, OnEnd};
pub use lane::{LANE_BYTES_MAX, LANE_ROWS_MAX, LaneDepth};
pub use policy::{Backoff, Failures, GivenUp, Next, Outcome, Policy, decide};
pub use target::{Acceptance, Settled, Target};
