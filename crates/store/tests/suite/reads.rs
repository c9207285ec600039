//! Reads at the contract: gets, ranges, snapshots, views.

use std::time::Duration;

use cauce_store::{Bytes, RangeReq, ReadReq, StoreError};

use super::{Subject, add, bytes, clear_range, muts, pairs, range, set};

pub(crate) async fn gets_answer_in_order(subject: Subject) {
    subject.set("a", "1").await;
    subject.set("b", "2").await;
    let gets = vec![bytes("b"), bytes("none"), bytes("a"), bytes("b")];
    let resp = subject.store.read(ReadReq { gets, ranges: vec![] }).await.unwrap();
    let vals: Vec<_> = resp.gets.into_iter().map(|row| row.map(|row| row.val)).collect();
    assert_eq!(vals, [Some(bytes("2")), None, Some(bytes("1")), Some(bytes("2"))]);
    let too_many = ReadReq { gets: vec![bytes("a"); 101], ranges: vec![] };
    assert!(matches!(subject.store.read(too_many).await, Err(StoreError::TooLarge { limit: 100, value: 101, .. })));
}

async fn fill(subject: &Subject) {
    let rows = (0..30).map(|number| set(&format!("k{number:02}"), &number.to_string()));
    subject.store.commit(muts(rows)).await.unwrap();
}

pub(crate) async fn ranges_limit_and_page(subject: Subject) {
    fill(&subject).await;
    assert_eq!(
        subject.range(range("k05", "k08", 10)).await,
        (pairs([("k05", "5"), ("k06", "6"), ("k07", "7")]), false)
    );
    assert!(!subject.range(range("k05", "k08", 3)).await.1);
    assert_eq!(subject.range(range("k05", "k08", 2)).await, (pairs([("k05", "5"), ("k06", "6")]), true));
    assert_eq!(subject.range(range("k05", "k08", 0)).await, (vec![], true));
    assert_eq!(subject.range(range("k08", "k05", 5)).await, (vec![], false));
    assert_eq!(subject.range(range("x", "z", 5)).await, (vec![], false));
    for reverse in [false, true] {
        let mut req = RangeReq { reverse, ..range("k", "l", 7) };
        let mut seen = Vec::new();
        loop {
            let resp = subject.db().range(req.clone()).await.unwrap();
            seen.extend(resp.rows.iter().map(|row| row.key.clone()));
            let Some(last) = resp.rows.last().filter(|_| resp.more) else { break };
            req = req.after(&last.key);
        }
        let mut expected: Vec<Bytes> = (0..30).map(|number| bytes(&format!("k{number:02}"))).collect();
        if reverse {
            expected.reverse();
        }
        assert_eq!(seen, expected);
    }
    let too_many = ReadReq { gets: vec![], ranges: vec![range("a", "b", 201)] };
    assert!(matches!(subject.store.read(too_many).await, Err(StoreError::TooLarge { limit: 200, value: 201, .. })));
}

pub(crate) async fn ranges_cut_off_by_bytes(subject: Subject) {
    for key in ["a", "b", "c"] {
        subject.set(key, &"v".repeat(900)).await;
    }
    subject.set("d", &"v".repeat(3_000)).await;
    let (rows, more) = subject.range(range("a", "z", 100)).await;
    assert_eq!((rows.len(), more), (2, true));
    // One row comes however large it is, else nobody could get past it.
    let (rows, more) = subject.range(range("d", "z", 100)).await;
    assert_eq!((rows.len(), more), (1, false));
    // A transaction reads on by itself.
    let rows = subject.db().begin().range(range("a", "z", 100)).await.unwrap();
    assert_eq!(rows.len(), 4);
}

pub(crate) async fn ranges_stop_at_the_bytes_asked_for(subject: Subject) {
    for key in ["a", "b", "c", "d"] {
        subject.set(key, &"v".repeat(99)).await;
    }
    let keys = async |req: RangeReq| {
        let (rows, more) = subject.range(req).await;
        (rows.into_iter().map(|(key, _)| key).collect::<String>(), more)
    };
    let all = || range("a", "z", 100);
    for (bytes_max, expected, more) in
        [(0, "a", true), (99, "a", true), (199, "a", true), (200, "ab", true), (399, "abc", true), (400, "abcd", false)]
    {
        assert_eq!(keys(all().within_bytes(bytes_max)).await, (expected.to_owned(), more), "{bytes_max}");
    }
    assert_eq!(keys(all().reversed().within_bytes(250)).await, ("dc".to_owned(), true));
    assert_eq!(keys(range("a", "z", 1).within_bytes(250)).await, ("a".to_owned(), true));
    assert_eq!(keys(all().within_bytes(200).after(b"b")).await, ("cd".to_owned(), false));
    // What the engine allows is the most.
    subject.set("e", &"v".repeat(1_900)).await;
    assert_eq!(keys(all().within_bytes(1_000_000)).await, ("abcd".to_owned(), true));
}

pub(crate) async fn pages_of_transactions_stop_at_the_bytes_asked_for(subject: Subject) {
    for key in ["a", "c", "d", "f"] {
        subject.set(key, &"v".repeat(99)).await;
    }
    let db = subject.db();
    let tx = db.begin();
    tx.clear("d");
    tx.set("b", "v".repeat(99));
    let page = async |req: RangeReq| {
        let page = tx.page(req).await.unwrap();
        (page.rows.iter().map(|row| String::from_utf8_lossy(&row.key)).collect::<String>(), page.more)
    };
    assert_eq!(page(range("a", "z", 9).within_bytes(100)).await, ("a".to_owned(), true));
    assert_eq!(page(range("b", "z", 9).within_bytes(200)).await, ("bc".to_owned(), true));
    assert_eq!(page(range("d", "z", 9).within_bytes(100)).await, ("f".to_owned(), false));
    assert_eq!(page(range("a", "z", 9).within_bytes(10_000)).await, ("abcf".to_owned(), false));
    assert_eq!(page(range("a", "z", 2)).await, ("ab".to_owned(), true));
    // A limit in bytes is of no account where nothing says that there is more.
    assert_eq!(tx.range(range("a", "z", 9).within_bytes(1)).await.unwrap().len(), 4);
    // What was read to its end is checked to its end, and what was cut off is not checked behind it.
    subject.set("g", "new").await;
    assert!(matches!(tx.commit().await, Err(StoreError::Conflict { .. })));
    let tx = db.begin();
    assert!(tx.page(range("a", "z", 9).within_bytes(100)).await.unwrap().more);
    tx.set("x", "");
    subject.set("g", "newer").await;
    tx.commit().await.unwrap();
}

pub(crate) async fn ranges_backwards(subject: Subject) {
    fill(&subject).await;
    let req = range("k05", "k08", 2).reversed();
    assert_eq!(subject.range(req).await, (pairs([("k07", "7"), ("k06", "6")]), true));
    subject.store.commit(muts([clear_range("k06", "k08"), set("k065", "new")])).await.unwrap();
    let req = range("k05", "k09", 9).reversed();
    assert_eq!(subject.range(req).await, (pairs([("k08", "8"), ("k065", "new"), ("k05", "5")]), false));
}

pub(crate) async fn a_batch_is_one_snapshot(subject: Subject) {
    let store = subject.store.clone();
    let writer = tokio::spawn(async move {
        for _ in 0..300 {
            store.commit(muts([add("a", 1), add("b", -1)])).await.unwrap();
        }
    });
    while !writer.is_finished() {
        let req = ReadReq { gets: vec![bytes("a"), bytes("b")], ranges: vec![range("a", "c", 9)] };
        let resp = subject.store.read(req).await.unwrap();
        let rows: Vec<_> = resp.gets.into_iter().flatten().collect();
        assert_eq!(rows, resp.ranges[0].rows);
        let sum: i64 = rows.iter().map(|row| i64::from_be_bytes(row.val.as_ref().try_into().unwrap())).sum();
        assert_eq!(sum, 0);
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
}

pub(crate) async fn views_stay_and_expire(subject: Subject) {
    fill(&subject).await;
    let view = subject.store.view().await.unwrap();
    subject.store.commit(muts([clear_range("k00", "k20"), set("k25", "changed"), set("new", "")])).await.unwrap();
    for _ in 0..2 {
        assert_eq!(view.range(range("a", "z", 200)).await.unwrap().rows.len(), 30);
        assert_eq!(view.get(&bytes("k25")).await.unwrap(), Some(bytes("25")));
        assert_eq!(view.get(&bytes("new")).await.unwrap(), None);
        subject.clock.advance(Duration::from_secs(59));
    }
    subject.clock.advance(Duration::from_secs(2));
    assert_eq!(view.get(&bytes("k25")).await, Err(StoreError::ViewExpired));
    assert_eq!(subject.all().await.len(), 11);
}

pub(crate) async fn keys_are_ordered_bytewise(subject: Subject) {
    let keys: [&[u8]; 7] = [b"\x01", b"\x01\x00", b"\x01\x00\xFF", b"\x01\x01", b"\x7F", b"\x80", b"\xFE\xFF"];
    for key in keys.iter().rev() {
        let commit = cauce_store::Mutation::Set { key: Bytes::copy_from_slice(key), val: Bytes::new() };
        subject.store.commit(muts([commit])).await.unwrap();
    }
    let req = RangeReq::new((Bytes::from_static(b"\x01"), Bytes::from_static(b"\xFF")), 99);
    let rows = subject.db().range(req).await.unwrap().rows;
    assert_eq!(rows.iter().map(|row| row.key.as_ref()).collect::<Vec<_>>(), keys);
}
