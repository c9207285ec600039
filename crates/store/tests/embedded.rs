//! The embedded engine keeps the contract, and some promises of its own.

#![cfg(test)]

mod suite;

use std::sync::Arc;
use std::time::Duration;

use cauce_store::{EmbeddedOptions, EmbeddedStore, OpenError, Store};

use crate::suite::{Subject, bytes, muts, set};

fn options(subject_clock: &cauce_core::ManualClock) -> EmbeddedOptions {
    EmbeddedOptions {
        clock: Arc::new(subject_clock.clone()),
        limits: suite::small_limits(),
        on_fatal: Arc::new(|message| panic!("{message}")),
        ..EmbeddedOptions::default()
    }
}

fn embedded_with(change: impl FnOnce(&mut EmbeddedOptions)) -> Subject {
    let (dir, clock) = (tempfile::tempdir().unwrap(), suite::clock());
    let mut options = options(&clock);
    change(&mut options);
    let store = EmbeddedStore::open(dir.path(), options).unwrap();
    Subject { store: Arc::new(store), clock, _keep: Some(dir) }
}

fn embedded() -> Subject {
    embedded_with(|_| {})
}

conformance!(embedded);

/// The same with a checkpoint after every commit that can have one, so that all layers are met.
mod always_checkpointing {
    use super::{Duration, Subject, embedded_with};
    use crate::conformance;

    fn embedded() -> Subject {
        embedded_with(|options| options.checkpoint_every = Duration::ZERO)
    }

    conformance!(embedded);
}

/// The same with a queue that holds next to nothing, and one commit a batch.
mod cramped {
    use super::{Subject, embedded_with};
    use crate::conformance;

    fn embedded() -> Subject {
        embedded_with(|options| {
            options.queue_bytes_max = 1;
            options.batch_commits_max = 1;
            options.checkpoint_log_bytes = 4_096;
            options.checkpoint_rows = 3;
        })
    }

    conformance!(embedded);
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), suite::clock());
    let mut versions = Vec::new();
    for round in 0..5 {
        let store = Arc::new(EmbeddedStore::open(dir.path(), options(&clock)).unwrap());
        let subject = Subject { store, clock: clock.clone(), _keep: None };
        assert_eq!(subject.all().await.len(), round);
        for (at, version) in versions.iter().enumerate() {
            assert_eq!(subject.version(&format!("k{at}")).await, *version);
        }
        subject.set(&format!("k{round}"), "1").await;
        versions.push(subject.version(&format!("k{round}")).await);
    }
    versions.dedup();
    assert_eq!(versions.len(), 5);
}

#[tokio::test]
async fn a_directory_is_opened_once() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), suite::clock());
    let first = EmbeddedStore::open(dir.path(), options(&clock)).unwrap();
    match EmbeddedStore::open(dir.path(), options(&clock)) {
        Err(OpenError::Directory(error)) => {
            let message = error.to_string();
            assert!(
                message.contains("in use") && message.contains(&format!("pid {}", std::process::id())),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    first.close();
    EmbeddedStore::open(dir.path(), options(&clock)).unwrap();
}

#[tokio::test]
async fn a_closed_store_answers_so() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), suite::clock());
    let store = EmbeddedStore::open(dir.path(), options(&clock)).unwrap();
    store.commit(muts([set("a", "1")])).await.unwrap();
    let view = store.view().await.unwrap();
    store.close();
    assert!(matches!(store.commit(muts([set("a", "2")])).await, Err(cauce_store::CommitError::Unavailable(_))));
    assert!(matches!(store.view().await, Err(cauce_store::StoreError::Unavailable(_))));
    assert_eq!(view.get(&bytes("a")).await, Err(cauce_store::StoreError::ViewExpired));
}

#[tokio::test]
async fn a_store_without_its_index_does_not_open() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), suite::clock());
    let store = EmbeddedStore::open(dir.path(), options(&clock)).unwrap();
    store.commit(muts([set("a", "1")])).await.unwrap();
    drop(store);
    std::fs::remove_file(dir.path().join("index.redb")).unwrap();
    assert!(matches!(EmbeddedStore::open(dir.path(), options(&clock)), Err(OpenError::Damaged(_))));
}
