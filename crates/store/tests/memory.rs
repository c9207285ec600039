//! The engine in memory keeps the contract.

#![cfg(test)]

mod suite;

use std::sync::Arc;

use cauce_store::MemoryStore;

fn memory() -> suite::Subject {
    let clock = suite::clock();
    let store = MemoryStore::with(Arc::new(clock.clone()), suite::small_limits());
    suite::Subject { store: Arc::new(store), clock, _keep: None }
}

conformance!(memory);
