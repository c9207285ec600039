//! Commits at the contract: checks, mutations, tokens, rings, limits.

use std::collections::HashSet;
use std::time::Duration;

use cauce_store::{Bytes, Check, Commit, CommitError, Lease, Mutation, RowCodec, Version};

use super::{Subject, add, bytes, checked, clear, clear_range, muts, pairs, range, set};

pub(crate) async fn sets_and_clears(subject: Subject) {
    assert_eq!(subject.get("a").await, None);
    subject.store.commit(muts([set("a", "1"), set("b", "2")])).await.unwrap();
    assert_eq!(subject.all().await, pairs([("a", "1"), ("b", "2")]));
    subject.store.commit(muts([clear("a"), clear("nothing"), set("b", "3"), set("empty", "")])).await.unwrap();
    assert_eq!(subject.all().await, pairs([("b", "3"), ("empty", "")]));
}

pub(crate) async fn mutations_apply_in_order(subject: Subject) {
    let commit = muts([set("a", "1"), set("a", "2"), clear("b"), set("b", "3"), clear_range("a", "b"), set("a1", "4")]);
    subject.store.commit(commit).await.unwrap();
    assert_eq!(subject.all().await, pairs([("a1", "4"), ("b", "3")]));
}

pub(crate) async fn clear_range_clears_its_range_only(subject: Subject) {
    for key in ["a", "b", "ba", "bb", "c"] {
        subject.set(key, key).await;
    }
    subject.store.commit(muts([set("b5", "new"), clear_range("b", "c")])).await.unwrap();
    assert_eq!(subject.all().await, pairs([("a", "a"), ("c", "c")]));
    subject.store.commit(muts([clear_range("c", "a"), clear_range("a", "a")])).await.unwrap();
    assert_eq!(subject.all().await.len(), 2);
    for number in 0..51 {
        subject.set(&format!("r{number:02}"), "").await;
    }
    let refused = subject.store.commit(muts([set("x", ""), clear_range("r", "s")])).await;
    assert_eq!(refused, Err(CommitError::TooLarge { limit: 50, value: 51, what: "rows of a cleared range" }));
    assert_eq!(subject.get("x").await, None);
    subject.store.commit(muts([clear_range("r01", "s")])).await.unwrap();
    assert_eq!(subject.all().await, pairs([("a", "a"), ("c", "c"), ("r00", "")]));
}

pub(crate) async fn adds_count(subject: Subject) {
    let count = async |key: &str| {
        let row = subject.get(key).await.unwrap();
        i64::from_be_bytes(row.val.as_ref().try_into().unwrap())
    };
    subject.store.commit(muts([add("n", 5), add("n", -7)])).await.unwrap();
    assert_eq!(count("n").await, -2);
    subject.store.commit(muts([add("n", i64::MIN)])).await.unwrap();
    assert_eq!(count("n").await, i64::MIN.wrapping_sub(2));
    subject.store.commit(muts([clear("n"), add("n", 1)])).await.unwrap();
    assert_eq!(count("n").await, 1);
    subject.store.commit(muts([clear_range("n", "o"), add("n", 2)])).await.unwrap();
    assert_eq!(count("n").await, 2);
    subject.set("text", "abc").await;
    let refused = subject.store.commit(muts([set("x", ""), add("text", 1)])).await;
    assert!(matches!(refused, Err(CommitError::Invalid(_))), "{refused:?}");
    let refused = subject.store.commit(muts([set("y", "abc"), add("y", 1)])).await;
    assert!(matches!(refused, Err(CommitError::Invalid(_))), "{refused:?}");
    assert_eq!((subject.get("x").await, subject.get("y").await), (None, None));
    subject.store.commit(muts([clear("text"), add("text", 3)])).await.unwrap();
    assert_eq!(count("text").await, 3);
}

pub(crate) async fn a_failed_check_changes_nothing(subject: Subject) {
    subject.set("a", "1").await;
    let commit = Commit {
        checks: vec![
            Check::Key { key: bytes("a"), version: subject.version("a").await },
            Check::Key { key: bytes("b"), version: Version(1 << 60) },
        ],
        muts: vec![set("a", "2"), set("c", "3"), add("n", 1), clear_range("a", "z")],
        token: Some([1; 16]),
        ring: vec![bytes("bell")],
    };
    let mut watcher = subject.store.watch(bytes("bell"));
    let refused = subject.store.commit(commit.clone()).await;
    assert_eq!(refused, Err(CommitError::Conflict { at: bytes("b") }));
    assert_eq!(subject.all().await, pairs([("a", "1")]));
    // The token was not used up, and nothing was rung.
    subject.clock.advance(Duration::from_secs(1));
    let wait = tokio::spawn(async move { watcher.wait(Duration::ZERO).await });
    assert!(!wait.await.unwrap());
    subject.store.commit(Commit { checks: vec![], muts: vec![set("d", "4")], ..commit }).await.unwrap();
    assert_eq!(subject.get("d").await.unwrap().val, bytes("4"));
}

pub(crate) async fn key_checks(subject: Subject) {
    let check = |key: &str, version| checked(Check::Key { key: bytes(key), version }, set("done", "yes"));
    subject.store.commit(check("a", Version::ABSENT)).await.unwrap();
    subject.set("a", "1").await;
    let first = subject.version("a").await;
    assert_ne!(first, Version::ABSENT);
    assert!(subject.store.commit(check("a", Version::ABSENT)).await.is_err());
    subject.store.commit(check("a", first)).await.unwrap();
    // The same value again is another write.
    subject.set("a", "1").await;
    assert!(subject.store.commit(check("a", first)).await.is_err());
    subject.store.commit(muts([clear("a")])).await.unwrap();
    assert!(subject.store.commit(check("a", first)).await.is_err());
    subject.store.commit(check("a", Version::ABSENT)).await.unwrap();
    // A commit without mutations only checks.
    let only = |version| Commit { checks: vec![Check::Key { key: bytes("a"), version }], ..Commit::default() };
    subject.store.commit(only(Version::ABSENT)).await.unwrap();
    assert!(subject.store.commit(only(first)).await.is_err());
}

pub(crate) async fn range_checks(subject: Subject) {
    subject.set("b", "1").await;
    subject.set("d", "1").await;
    let seen = async |limit: usize, reverse: bool| {
        let mut req = range("a", "z", limit);
        req.reverse = reverse;
        let resp = subject.db().range(req.clone()).await.unwrap();
        let seen = resp.rows.into_iter().map(|row| (row.key, row.version)).collect();
        checked(Check::Range { req, seen }, set("zz", "done"))
    };
    let (whole, first, last) = (seen(10, false).await, seen(1, false).await, seen(1, true).await);
    for commit in [&whole, &first, &last] {
        subject.store.commit(commit.clone()).await.unwrap();
    }
    // Something new at the end: the first row is still the first.
    subject.set("e", "1").await;
    assert_eq!(subject.store.commit(whole).await, Err(CommitError::Conflict { at: bytes("a") }));
    subject.store.commit(first.clone()).await.unwrap();
    assert!(subject.store.commit(last.clone()).await.is_err());
    subject.store.commit(muts([clear("e")])).await.unwrap();
    subject.store.commit(last).await.unwrap();
    // A changed row.
    subject.set("b", "1").await;
    assert!(subject.store.commit(first).await.is_err());
}

pub(crate) async fn fences(subject: Subject) {
    let lease = |token| Lease { token, expires: cauce_core::Timestamp::EPOCH, holder: "node".to_owned() };
    let write = |token| Mutation::Set { key: bytes("lease"), val: lease(token).encode_row().unwrap() };
    let fenced = |token| Commit {
        checks: vec![
            Check::Key { key: bytes("changed"), version: Version(1 << 60) },
            Check::Fence { lease: bytes("lease"), token },
        ],
        ..muts([set("a", "1")])
    };
    // Being fenced off comes before any conflict.
    assert_eq!(subject.store.commit(fenced(1)).await, Err(CommitError::Fenced));
    subject.store.commit(muts([write(1)])).await.unwrap();
    assert!(matches!(subject.store.commit(fenced(1)).await, Err(CommitError::Conflict { .. })));
    assert_eq!(subject.store.commit(fenced(2)).await, Err(CommitError::Fenced));
    let only_fence = |token| checked(Check::Fence { lease: bytes("lease"), token }, set("a", "1"));
    subject.store.commit(only_fence(1)).await.unwrap();
    subject.store.commit(muts([write(2)])).await.unwrap();
    assert_eq!(subject.store.commit(only_fence(1)).await, Err(CommitError::Fenced));
    subject.set("lease", "no lease").await;
    assert_eq!(subject.store.commit(only_fence(2)).await, Err(CommitError::Fenced));
}

pub(crate) async fn tokens(subject: Subject) {
    let commit = |delta| Commit { token: Some([9; 16]), ..muts([add("n", delta)]) };
    subject.store.commit(commit(1)).await.unwrap();
    let first = subject.get("n").await;
    // Whatever else it asks for: this commit has been applied already.
    subject.store.commit(commit(5)).await.unwrap();
    let impossible = Check::Key { key: bytes("n"), version: Version(1 << 60) };
    subject.store.commit(Commit { checks: vec![impossible], ..commit(1) }).await.unwrap();
    assert_eq!(subject.get("n").await, first);
    subject.store.commit(Commit { token: Some([8; 16]), ..muts([add("n", 1)]) }).await.unwrap();
    assert_ne!(subject.get("n").await, first);
}

pub(crate) async fn rings(subject: Subject) {
    let ring = || Commit { ring: vec![bytes("bell"), bytes("unwatched")], ..muts([set("a", "1")]) };
    let mut watcher = subject.store.watch(bytes("bell"));
    let mut other = subject.store.watch(bytes("other"));
    subject.store.commit(ring()).await.unwrap();
    subject.store.commit(ring()).await.unwrap();
    // Rung before the wait, and twice: known once.
    assert!(watcher.wait(Duration::from_secs(60)).await);
    let waits = tokio::spawn(async move { (watcher.wait(Duration::from_secs(60)).await, watcher) });
    subject.clock.advance(Duration::from_secs(59));
    subject.store.commit(ring()).await.unwrap();
    let (rung, mut watcher) = waits.await.unwrap();
    assert!(rung);
    assert!(!watcher.wait(Duration::ZERO).await);
    assert!(!other.wait(Duration::ZERO).await);
    // A ring without any change is still a ring.
    subject.store.commit(Commit { ring: vec![bytes("other")], ..Commit::default() }).await.unwrap();
    assert!(other.wait(Duration::from_secs(60)).await);
}

pub(crate) async fn limits(subject: Subject) {
    let limits = subject.store.limits();
    let long = |bytes: usize| "x".repeat(bytes);
    let refused = async |commit: Commit, limit: usize, value: usize, what: &'static str| {
        assert_eq!(subject.store.commit(commit).await, Err(CommitError::TooLarge { limit, value, what }));
    };
    let (key, val) = (limits.key_bytes_max, limits.value_bytes_max);
    subject.store.commit(muts([set(&long(key), &long(val))])).await.unwrap();
    refused(muts([set(&long(key + 1), "")]), key, key + 1, "key bytes").await;
    refused(muts([set("a", &long(val + 1))]), val, val + 1, "value bytes").await;
    let ops = limits.commit_ops_max;
    let many = |count: usize| muts((0..count).map(|number| set(&format!("m{number:03}"), "")));
    subject.store.commit(many(ops)).await.unwrap();
    refused(many(ops + 1), ops, ops + 1, "operations of a commit").await;
    let big = muts((0..5).map(|number| set(&number.to_string(), &long(val))));
    refused(big, limits.commit_bytes_max, 5 * (val + 1), "bytes of a commit").await;
    assert_eq!(subject.get("0").await, None);
}

pub(crate) async fn every_write_has_its_version(subject: Subject) {
    let mut seen = HashSet::from([Version::ABSENT]);
    for round in 0..50 {
        match round % 3 {
            0 => subject.store.commit(muts([set("a", "1")])).await.unwrap(),
            1 => subject.store.commit(muts([clear("a"), set("a", "2")])).await.unwrap(),
            _ => subject
                .store
                .commit(muts([set("b", "1"), Mutation::Set { key: bytes("a"), val: Bytes::new() }]))
                .await
                .unwrap(),
        }
        assert!(seen.insert(subject.version("a").await), "a version came twice");
    }
}
