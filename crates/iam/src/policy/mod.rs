//! Policy documents: reading, deciding, explaining. Pure: a function of documents and request, no store, no clock.

mod condition;
mod document;
mod evaluate;
mod explain;
mod grammar;
mod json;
mod pattern;
mod principal;
mod request;

pub use document::{DOCUMENT_BYTES_MAX, Effect, Policy, PolicyError, PolicyKind, Statement};
pub use evaluate::{Decision, NamedPolicy, Policies, Source, StatementRef, decide, decide_trust};
pub use explain::{Failed, NearMiss, near_misses};
pub use request::{Keys, NoKeys, Request, Values};

#[cfg(test)]
mod naive;
#[cfg(test)]
mod table;
