//! Pipes between sources and targets in memory, in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail as it likes"
)]

mod flow;
mod world;
