//! The service from outside, on a cloud in memory that fails, hangs and crashes on demand.
#![expect(clippy::unwrap_used, reason = "tests")]

mod change_sets;
mod crashes;
mod histories;
mod operations;
mod support;
