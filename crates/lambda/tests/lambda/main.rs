//! Lambda through its public API, with real processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

mod asynchronous;
mod http;
mod life;
mod mappings;
mod operations;
mod resources;
mod sandbox;
mod world;
