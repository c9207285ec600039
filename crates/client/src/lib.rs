//! A small signed client of AWS protocols, for Cauce's own command line and benchmarks.
//!
//! It speaks to a server as any SDK would, over the same wire, without the weight of one.
//!
//! # Limits
//! Plain HTTP; answers of at most 64 MiB; an answer is waited for at most 120 s.
//!
//! # Deliberately absent
//! Retries, paging, typed operations: an SDK has them.

mod answer;
mod client;
mod signature;

pub use answer::{Element, ServiceFailure};
pub use client::{Client, Incoming, KeyPair};
