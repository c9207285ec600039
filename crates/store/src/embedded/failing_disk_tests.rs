//! What happens when the disk fails under the running engine: nobody gets a false answer, and the process is told to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::simulated_disk::{SimulatedDisk, Syncs};
use super::{EmbeddedOptions, EmbeddedStore, Index};
use crate::contract::{Bytes, Commit, Mutation, ReadReq, Store};
use crate::error::{CommitError, StoreError};

fn commit(number: u32) -> Commit {
    let key = Bytes::from(format!("k{number}"));
    Commit { muts: vec![Mutation::Set { key, val: Bytes::new() }], ..Commit::default() }
}

async fn check(options: EmbeddedOptions, syncs_before_failure: u64, commits_before_failure: u32) {
    let disk = SimulatedDisk::new(1, Syncs::Honest);
    let told = Arc::new(AtomicU32::new(0));
    let on_fatal = {
        let told = Arc::clone(&told);
        Arc::new(move |message: &str| {
            assert!(message.contains("the power is off"), "{message}");
            told.fetch_add(1, Ordering::SeqCst);
        })
    };
    let store = EmbeddedStore::open_on(Arc::new(disk.clone()), EmbeddedOptions { on_fatal, ..options }).unwrap();
    disk.cut_power_in(syncs_before_failure);
    let mut acknowledged = 0;
    let failed = loop {
        match store.commit(commit(acknowledged)).await {
            Ok(()) => acknowledged += 1,
            Err(failed) => break failed,
        }
    };
    assert!(matches!(failed, CommitError::Unknown | CommitError::Unavailable(_)), "{failed:?}");
    assert!(acknowledged >= commits_before_failure);
    assert!(matches!(store.commit(commit(0)).await, Err(CommitError::Unavailable(_) | CommitError::Unknown)));
    // Nothing is read any more that might not be durable.
    let read = store.read(ReadReq { gets: vec![Bytes::from_static(b"k0")], ranges: vec![] }).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    store.close();
    assert_eq!(told.load(Ordering::SeqCst), 1);
    drop(store);
    // And after the power is back, all that was acknowledged is there.
    disk.restart();
    let store = EmbeddedStore::open_on(Arc::new(disk), EmbeddedOptions::default()).unwrap();
    let gets = (0..acknowledged).map(|number| Bytes::from(format!("k{number}"))).collect();
    let found = store.read(ReadReq { gets, ranges: vec![] }).await.unwrap();
    assert!(found.gets.iter().all(Option::is_some));
}

#[tokio::test]
async fn a_failed_sync_of_the_log_is_fatal() {
    let never = Duration::from_secs(3_600);
    for syncs in [0, 1, 7] {
        let options = EmbeddedOptions { checkpoint_every: never, ..EmbeddedOptions::default() };
        check(options, syncs, u32::try_from(syncs).unwrap()).await;
    }
}

#[tokio::test]
async fn a_failed_checkpoint_is_fatal() {
    for syncs in [1, 2, 3, 4, 5] {
        let options = EmbeddedOptions { checkpoint_every: Duration::ZERO, ..EmbeddedOptions::default() };
        check(options, syncs, 0).await;
    }
}

#[test]
fn an_index_of_another_program_is_refused() {
    use super::disk::Disk;
    let disk = SimulatedDisk::new(1, Syncs::Honest);
    drop(Index::open(disk.open("index.redb").unwrap(), 1024 * 1024).unwrap());
    let opened = EmbeddedStore::open_on(Arc::new(disk), EmbeddedOptions::default());
    let message = opened.err().unwrap().to_string();
    assert!(message.contains("not one of this program"), "{message}");
}
