//! EventBridge Scheduler: one-time and recurring schedules that do something under a role.
//!
//! A schedule differs from a scheduled rule in its time zone, its window, its end, and in whom it acts as: the session of its
//! target's role, not the service. What it may do is what that role may do.
//!
//! # Limits
//! [`SCHEDULES_MAX`], [`GROUPS_MAX`], [`INPUT_BYTES_MAX`].
//!
//! # Invariants
//! - A schedule happens exactly once an occurrence: row, effect and next row are one commit.
//! - A schedule counts against its group in the commit that makes or removes it.
//!
//! # Deliberately absent
//! Targets of services that are not here (ECS, Kinesis, SageMaker, ...) and customer managed keys: refused by name.

mod calendar;
mod error;
mod group;
mod keys;
mod model;
mod operations;
mod resources;
mod service;
mod tags;
mod target;
mod timer;
mod universal;

pub use error::SchedulerError;
pub use group::GROUPS_MAX;
pub use operations::SCHEDULES_MAX;
pub use resources::resource_types;
pub use service::{INFO, Scheduler, api};
pub use target::INPUT_BYTES_MAX;
pub use timer::run;
pub use universal::UniversalTarget;
