//! SNS through its operations, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod fifo;
mod filters;
mod publishing;
mod subscriptions;
mod topics;
mod web;
mod world;
