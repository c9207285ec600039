//! `Db` and `Tx` over an engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cauce_core::{Entropy, SeededEntropy};
use cauce_store::{
    Bytes, Commit, LEASE_LASTS, Mutation, Owner, Partition, Record, Sequence, StoreError, TRANSACT_ATTEMPTS_MAX,
    Version, partition_of,
};
use serde::{Deserialize, Serialize};

use super::{Subject, bytes, muts, pairs, range, set, text};

pub(crate) async fn reads_its_own_writes(subject: Subject) {
    subject.set("a", "stored").await;
    let tx = subject.db().begin();
    assert_eq!(tx.get(&bytes("a")).await.unwrap(), Some(bytes("stored")));
    tx.set("a", "mine");
    tx.set("b", "new");
    assert_eq!(
        tx.get_many(&[bytes("b"), bytes("a"), bytes("c")]).await.unwrap(),
        [Some(bytes("new")), Some(bytes("mine")), None]
    );
    tx.clear("a");
    assert_eq!(tx.get(&bytes("a")).await.unwrap(), None);
    assert_eq!(tx.snapshot_get(&bytes("a")).await.unwrap(), None);
    tx.clear_range((bytes("b"), bytes("c")));
    assert_eq!(tx.get(&bytes("b")).await.unwrap(), None);
    tx.set("b", "again");
    tx.add("n", 2).unwrap();
    assert_eq!(tx.get_counter(&bytes("n")).await.unwrap(), 2);
    tx.add("n", 3).unwrap();
    assert_eq!(tx.get_counter(&bytes("n")).await.unwrap(), 5);
    assert!(tx.add("b", 1).is_err());
    // Nobody else sees any of it.
    assert_eq!(subject.all().await, pairs([("a", "stored")]));
    tx.commit().await.unwrap();
    assert_eq!(subject.get("b").await.unwrap().val, bytes("again"));
    assert_eq!(subject.get("a").await, None);
}

pub(crate) async fn merges_ranges(subject: Subject) {
    for key in ["a", "c", "e", "g", "i"] {
        subject.set(key, key).await;
    }
    let tx = subject.db().begin();
    tx.clear("c");
    tx.set("d", "mine");
    tx.set("e", "mine");
    tx.clear_range((bytes("g"), bytes("h")));
    tx.set("z", "outside");
    let keys = async |req| -> Vec<String> {
        tx.range(req).await.unwrap().iter().map(|row| format!("{}={}", text(&row.key), text(&row.val))).collect()
    };
    assert_eq!(keys(range("a", "k", 10)).await, ["a=a", "d=mine", "e=mine", "i=i"]);
    assert_eq!(keys(range("a", "k", 2)).await, ["a=a", "d=mine"]);
    assert_eq!(keys(range("b", "k", 1)).await, ["d=mine"]);
    assert_eq!(keys(range("a", "k", 2).reversed()).await, ["i=i", "e=mine"]);
    assert_eq!(keys(range("a", "k", 10).reversed()).await, ["i=i", "e=mine", "d=mine", "a=a"]);
    assert_eq!(keys(range("k", "a", 10)).await, [""; 0]);
    tx.commit().await.unwrap();
    assert_eq!(subject.all().await, pairs([("a", "a"), ("d", "mine"), ("e", "mine"), ("i", "i"), ("z", "outside")]));
}

pub(crate) async fn conflicts_are_retried(subject: Subject) {
    let db = subject.db();
    let attempts = AtomicU32::new(0);
    let total = db
        .transact(async |tx| {
            let seen = tx.get(&bytes("a")).await?.map_or(0, |val| val.len());
            if attempts.fetch_add(1, Ordering::Relaxed) < 3 {
                subject.set("a", &"x".repeat(seen + 1)).await;
            }
            tx.set("b", seen.to_string());
            Ok::<_, StoreError>(seen)
        })
        .await;
    assert_eq!(total, Ok(3));
    assert_eq!(subject.get("b").await.unwrap().val, bytes("3"));
}

pub(crate) async fn conflicts_run_out(subject: Subject) {
    let lost: Result<(), StoreError> = subject
        .db()
        .transact(async |tx| {
            tx.get(&bytes("a")).await?;
            subject.set("a", "again").await;
            tx.set("b", "never");
            Ok(())
        })
        .await;
    assert_eq!(lost, Err(StoreError::Conflict { at: bytes("a"), attempts: TRANSACT_ATTEMPTS_MAX }));
    let tx = subject.db().begin();
    tx.get(&bytes("a")).await.unwrap();
    subject.set("a", "again").await;
    tx.set("b", "never");
    assert_eq!(tx.commit().await, Err(StoreError::Conflict { at: bytes("a"), attempts: 1 }));
    assert_eq!(subject.get("b").await, None);
}

#[derive(Debug, PartialEq)]
enum Refusal {
    Unequal,
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub(crate) async fn an_error_changes_nothing(subject: Subject) {
    let ran = Arc::new(AtomicU32::new(0));
    let refused: Result<(), Refusal> = subject
        .db()
        .transact(async |tx| {
            tx.set("a", "1");
            let ran = Arc::clone(&ran);
            tx.on_commit(move || ran.store(1, Ordering::Relaxed));
            Err(Refusal::Unequal)
        })
        .await;
    assert_eq!(refused, Err(Refusal::Unequal));
    assert_eq!((subject.get("a").await, ran.load(Ordering::Relaxed)), (None, 0));
}

pub(crate) async fn errors_from_torn_reads_are_not_believed(subject: Subject) {
    // Always equal, but never read at the same instant in the first attempt.
    let both = |val: &str| muts([set("a", val), set("b", val)]);
    subject.store.commit(both("0")).await.unwrap();
    let attempts = AtomicU32::new(0);
    let equal: Result<(), Refusal> = subject
        .db()
        .transact(async |tx| {
            let a = tx.get(&bytes("a")).await?;
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                subject.store.commit(both("1")).await.unwrap();
            }
            let b = tx.get(&bytes("b")).await?;
            if a == b { Ok(()) } else { Err(Refusal::Unequal) }
        })
        .await;
    assert_eq!((equal, attempts.into_inner()), (Ok(()), 2));
}

pub(crate) async fn hooks_run_after_durability(subject: Subject) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = parking_lot::Mutex::new(Some(sender));
    let attempts = AtomicU32::new(0);
    subject
        .db()
        .transact(async |tx| {
            tx.get(&bytes("a")).await?;
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                subject.set("a", "1").await;
                tx.on_commit(|| panic!("the hook of a failed attempt has run"));
            } else if let Some(sender) = sender.lock().take() {
                tx.on_commit(move || sender.send("ran").unwrap());
            }
            tx.set("b", "1");
            tx.ring("bell");
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    assert_eq!(receiver.await.unwrap(), "ran");
    assert!(subject.get("b").await.is_some());
}

pub(crate) async fn snapshot_reads_do_not_conflict(subject: Subject) {
    let tx = subject.db().begin();
    assert_eq!(tx.snapshot_get(&bytes("a")).await.unwrap(), None);
    assert_eq!(tx.snapshot_range(range("a", "z", 9)).await.unwrap(), []);
    tx.set("b", "1");
    subject.set("a", "1").await;
    tx.commit().await.unwrap();
}

pub(crate) async fn counters_do_not_conflict(subject: Subject) {
    let (one, two) = (subject.db().begin(), subject.db().begin());
    one.add("n", 1).unwrap();
    two.add("n", 2).unwrap();
    one.commit().await.unwrap();
    two.commit().await.unwrap();
    assert_eq!(subject.db().begin().get_counter(&bytes("n")).await.unwrap(), 3);
}

pub(crate) async fn phantoms_are_conflicts(subject: Subject) {
    subject.set("c", "1").await;
    let find = async |limit| {
        let tx = subject.db().begin();
        tx.range(range("a", "m", limit)).await.unwrap();
        tx.set("z", "1");
        tx
    };
    let (all, first) = (find(10).await, find(1).await);
    // Beyond the last row that was asked for and found, nothing matters.
    subject.set("d", "1").await;
    assert!(matches!(all.commit().await, Err(StoreError::Conflict { .. })));
    first.commit().await.unwrap();
    let first = find(1).await;
    subject.set("b", "1").await;
    assert!(matches!(first.commit().await, Err(StoreError::Conflict { .. })));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
    #[serde(default)]
    tags: Vec<String>,
}

impl Record for Note {
    const VERSION: u8 = 2;

    fn migrate(version: u8, payload: &[u8]) -> Result<Self, cauce_store::RecordError> {
        match version {
            1 => Ok(Note { text: text(payload), tags: vec!["old".to_owned()] }),
            other => Err(cauce_store::RecordError::Version { found: other, written: Self::VERSION }),
        }
    }
}

pub(crate) async fn records_round_trip(subject: Subject) {
    let db = subject.db();
    let note = Note { text: "hello".to_owned(), tags: vec![] };
    db.transact(async |tx| tx.set_record("note", &note)).await.unwrap();
    assert_eq!(db.get::<Note>(&bytes("note")).await.unwrap(), Some(note));
    assert_eq!(db.get::<Note>(&bytes("none")).await.unwrap(), None);
    subject.set("note", "\u{1}from before").await;
    let read = db.transact(async |tx| tx.get_record::<Note>(&bytes("note")).await).await.unwrap().unwrap();
    assert_eq!((read.text.as_str(), read.tags), ("from before", vec!["old".to_owned()]));
    for corrupt in ["", "\u{3}{}", "\u{2}{", "\u{2}{}"] {
        subject.set("note", corrupt).await;
        let read = db.get::<Note>(&bytes("note")).await;
        assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{corrupt:?}: {read:?}");
    }
}

pub(crate) async fn leases_fence_out_the_former_owner(subject: Subject) {
    let db = subject.db();
    let write = async |owner: &Owner, val: &str| {
        let owned = owner.owned_for(b"orders").unwrap();
        db.transact(async |tx| {
            owned.fence(&tx);
            tx.set("a", val.to_owned());
            Ok::<_, StoreError>(())
        })
        .await
    };
    let first = Owner::acquire_all(&db, "one").await.unwrap();
    assert_eq!(first.all().len(), usize::from(cauce_store::PARTITIONS));
    assert_eq!(first.owned_for(b"orders").unwrap().partition, partition_of(b"orders"));
    write(&first, "1").await.unwrap();
    // Another node has to wait until the leases run out, and they are renewed.
    assert!(matches!(Owner::acquire_all(&db, "two").await, Err(StoreError::Unavailable(_))));
    subject.clock.advance(LEASE_LASTS - Duration::from_secs(1));
    first.renew().await.unwrap();
    subject.clock.advance(Duration::from_secs(2));
    assert!(matches!(Owner::acquire_all(&db, "two").await, Err(StoreError::Unavailable(_))));
    subject.clock.advance(LEASE_LASTS);
    let second = Owner::acquire_all(&db, "two").await.unwrap();
    assert_eq!(write(&first, "2").await, Err(StoreError::Fenced));
    write(&second, "3").await.unwrap();
    first.renew().await.unwrap();
    assert_eq!(first.all(), []);
    // The next run of the same node takes over at once, and fences off its predecessor.
    let third = Owner::acquire_all(&db, "two").await.unwrap();
    assert_eq!(write(&second, "4").await, Err(StoreError::Fenced));
    third.release().await.unwrap();
    let fourth = Owner::acquire_all(&db, "one").await.unwrap();
    write(&fourth, "5").await.unwrap();
    assert_eq!(third.all(), []);
    assert!(Partition::all().all(|partition| fourth.owned(partition).is_some()));
}

pub(crate) async fn sequences_are_seen_in_order(subject: Subject) {
    let db = subject.db();
    let sequence = Sequence::load(&db, bytes("sequence")).await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (db, sequence) = (db.clone(), sequence.clone());
            tokio::spawn(async move {
                for round in 0..20 {
                    let drawn = db.transact(async |tx| {
                        let first = sequence.draw(&tx, 2).await;
                        if (writer + round) % 5 == 0 {
                            return Err(StoreError::Invalid("numbers of failed transactions are lost".to_owned()));
                        }
                        tx.set(format!("s{first:05}"), "");
                        tx.set(format!("s{:05}", first + 1), "");
                        Ok(())
                    });
                    assert_eq!(drawn.await.is_err(), (writer + round) % 5 == 0);
                }
            })
        })
        .collect();
    let mut last_seen = String::from("s0");
    let mut seen = 0;
    loop {
        let done = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let rows = db.range(range(&format!("{last_seen}\0"), "s:", 200)).await.unwrap().rows;
        seen += rows.len();
        if let Some(row) = rows.last() {
            last_seen = text(&row.key);
        } else if done {
            break;
        }
        tokio::task::yield_now().await;
    }
    // A tail reader that never looks back has missed nothing.
    assert_eq!(seen, 8 * 20 * 2 * 4 / 5);
    let mut req = range("s0", "s:", 200);
    let mut all = 0;
    loop {
        let resp = db.range(req.clone()).await.unwrap();
        all += resp.rows.len();
        let Some(last) = resp.rows.last().filter(|_| resp.more) else { break };
        req = req.after(&last.key);
    }
    assert_eq!(all, seen);
    let again = Sequence::load(&db, bytes("sequence")).await.unwrap();
    let tx = db.begin();
    assert!(again.draw(&tx, 1).await > seen as u64);
}

pub(crate) async fn a_commit_outlives_its_caller(subject: Subject) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let tx = subject.db().begin();
    tx.set("a", "1");
    tx.on_commit(move || sender.send(()).unwrap());
    {
        let mut commit = Box::pin(tx.commit());
        // Begun, and then dropped as when a client hangs up.
        let begun = std::future::poll_fn(|context| std::task::Poll::Ready(commit.as_mut().poll(context)));
        drop(begun.await);
    }
    receiver.await.unwrap();
    assert!(subject.get("a").await.is_some());
}

/// A transaction against a map that does the same.
pub(crate) async fn behaves_like_a_map(subject: Subject) {
    let db = subject.db();
    let mut stored: BTreeMap<Bytes, Bytes> = BTreeMap::new();
    for seed in 0..150 {
        let chance = SeededEntropy::new(seed);
        let key = || bytes(&format!("k{}", chance.below(12)));
        let tx = db.begin();
        let mut model = stored.clone();
        let mut fresh = true;
        for step in 0..chance.below(25) {
            match chance.below(8) {
                0 | 1 => {
                    let (key, val) = (key(), bytes(&format!("{seed}.{step}")));
                    model.insert(key.clone(), val.clone());
                    tx.set(key, val);
                }
                2 => {
                    let key = key();
                    model.remove(&key);
                    tx.clear(key);
                }
                3 => {
                    let (start, end) = (key(), key());
                    model.retain(|key, _| *key < start || *key >= end);
                    tx.clear_range((start, end));
                }
                4 => {
                    let delta = chance.below(9) as i64 - 4;
                    let before =
                        model.get(&b"n"[..]).map_or(0, |val| i64::from_be_bytes(val.as_ref().try_into().unwrap()));
                    model.insert(bytes("n"), Bytes::copy_from_slice(&(before + delta).to_be_bytes()));
                    tx.add("n", delta).unwrap();
                }
                5 => {
                    let key = if chance.below(5) == 0 { bytes("n") } else { key() };
                    assert_eq!(tx.get(&key).await.unwrap(), model.get(&key).cloned(), "seed {seed}");
                }
                _ => {
                    let (start, end) = (key(), if chance.below(3) == 0 { bytes("z") } else { key() });
                    let limit = 1 + chance.below(6) as usize;
                    let reverse = chance.below(2) == 0;
                    let bytes_max = chance.below(40) as usize;
                    let req =
                        cauce_store::RangeReq { start: start.clone(), end: end.clone(), limit, bytes_max, reverse };
                    let within = model.iter().filter(|(key, _)| **key >= start && **key < end);
                    let mut expected: Vec<_> = within.map(|(key, val)| (key.clone(), val.clone())).collect();
                    if reverse {
                        expected.reverse();
                    }
                    let all = expected.len();
                    expected.truncate(limit);
                    let page = tx.page(req.clone()).await.unwrap();
                    assert!(page.more || page.rows.len() == all, "seed {seed}");
                    assert!(!page.rows.is_empty() || expected.is_empty(), "seed {seed}");
                    let rows = page.rows.into_iter().map(|row| (row.key, row.val)).collect::<Vec<_>>();
                    assert!(expected.starts_with(&rows), "seed {seed}");
                    let rows = tx.range(req).await.unwrap().into_iter();
                    assert_eq!(rows.map(|row| (row.key, row.val)).collect::<Vec<_>>(), expected, "seed {seed}");
                }
            }
            fresh = false;
        }
        if chance.below(4) > 0 || fresh {
            tx.commit().await.unwrap();
            stored = model;
        }
        let rows = db.range(range("a", "z", 200)).await.unwrap().rows.into_iter();
        let found: BTreeMap<_, _> = rows.map(|row| (row.key, row.val)).collect();
        assert_eq!(found, stored, "seed {seed}");
    }
    let untouched = Commit { muts: vec![Mutation::Clear { key: bytes("k0") }], ..Commit::default() };
    db.store().commit(untouched).await.unwrap();
    assert_eq!(subject.version("k0").await, Version::ABSENT);
}
