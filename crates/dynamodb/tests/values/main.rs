//! Numbers and values: what is read, what is refused, order, sizes, rows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod generate;
mod numbers;
mod refusals;
mod rows;
