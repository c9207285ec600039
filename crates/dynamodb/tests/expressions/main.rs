//! Expressions: what they mean, what is refused in which words, that nothing harms.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

mod conditions;
mod hostile;
mod key_conditions;
mod naive;
mod projections;
mod refusals;
mod request;
mod updates;
