//! Retention, and removing what was deleted: also after a restart.

use std::sync::Arc;

use cauce_store::{Db, Kind, RangeReq};
use serde_json::json;
use tokio::sync::oneshot;

use crate::harness::{Failing, GROUP, START, World, text};

const DAY_S: u64 = 86_400;

/// How many rows a kind has.
async fn rows(db: &Db, kind: u16) -> usize {
    let range = cauce_store::Key::new(Kind::new(kind)).prefix_range();
    db.range(RangeReq::new(range, 20_000)).await.unwrap().rows.len()
}

#[tokio::test]
async fn what_has_expired_goes_and_nothing_else() {
    let db = Db::memory();
    let world = World::on(db.clone(), START).await;
    world.append("forever", "s", &[(0, "kept")]).await;
    // START is a multiple of a quarter of an hour: what follows lies in three of them.
    assert_eq!(START % 900_000, 0);
    world.append(GROUP, "s", &[(0, "a"), (899_999, "b"), (900_000, "c"), (1_800_000, "d")]).await;
    world.append(GROUP, "t", &[(1, "e")]).await;
    world.ok("PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": 1})).await;
    assert_eq!(world.logs.sweep_expired().await.unwrap(), 0);
    world.advance(DAY_S);
    assert_eq!(world.search(json!({})).await, ["a", "e", "b", "c", "d"], "an event is kept for as long as was said");
    world.advance(1);
    assert_eq!(world.search(json!({})).await, ["b", "c", "d"], "expired events are not shown");
    assert_eq!(world.logs.sweep_expired().await.unwrap(), 0, "and removed by whole quarters of an hour");
    world.advance(899);
    assert_eq!(world.logs.sweep_expired().await.unwrap(), 3);
    assert_eq!(world.logs.sweep_expired().await.unwrap(), 0);
    assert_eq!(world.search(json!({})).await, ["c", "d"]);
    let groups = world.ok("DescribeLogGroups", json!({"logGroupNamePrefix": GROUP})).await;
    assert_eq!(groups["logGroups"][0]["storedBytes"], 2 * 27);
    let streams = world.ok("DescribeLogStreams", json!({"logGroupName": GROUP})).await;
    assert_eq!(streams["logStreams"][0]["firstEventTimestamp"], START + 900_000);
    assert_eq!(text(&streams["logStreams"][1]["logStreamName"]), "t", "an empty stream stays, as with AWS");
    world.advance(10 * DAY_S);
    assert_eq!(world.logs.sweep_expired().await.unwrap(), 2);
    assert_eq!((rows(&db, 0x0503).await, rows(&db, 0x0504).await), (1, 1), "only the other group's event is left");
    // A stream that was swept takes events as before, and they are found.
    world.append(GROUP, "s", &[(11 * 86_400_000, "again")]).await;
    assert_eq!(world.search(json!({})).await, ["again"]);
}

#[tokio::test]
async fn a_longer_retention_in_time_keeps_events() {
    let world = World::new().await;
    world.append(GROUP, "s", &[(0, "a")]).await;
    world.ok("PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": 1})).await;
    world.advance(2 * DAY_S);
    world.ok("DeleteRetentionPolicy", json!({"logGroupName": GROUP})).await;
    assert_eq!(world.logs.sweep_expired().await.unwrap(), 0);
    assert_eq!(world.search(json!({})).await, ["a"]);
}

#[tokio::test]
async fn a_large_quarter_goes_in_pieces() {
    let world = World::new().await;
    let lines: Vec<(i64, &str)> = (0..5_000).map(|n| (n, "x")).collect();
    world.append(GROUP, "s", &lines).await;
    world.ok("PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": 1})).await;
    world.advance(2 * DAY_S);
    assert_eq!(world.logs.sweep_expired().await.unwrap(), 5_000);
    let groups = world.ok("DescribeLogGroups", json!({"logGroupNamePrefix": GROUP})).await;
    assert_eq!(groups["logGroups"][0]["storedBytes"], 0);
}

#[tokio::test]
async fn the_worker_sweeps_when_it_is_due_and_reclaims_at_once() {
    let db = Db::memory();
    let world = World::on(db.clone(), START).await;
    world.append(GROUP, "s", &[(0, "a")]).await;
    world.append("doomed", "s", &[(0, "a"), (1, "b")]).await;
    world.ok("PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": 1})).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = tokio::spawn(Arc::clone(&world.logs).worker(async { drop(stopped.await) }));
    // A read of the store gives the worker its turn.
    world.ok("DeleteLogGroup", json!({"logGroupName": "doomed"})).await;
    while rows(&db, 0x0505).await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rows(&db, 0x0503).await, 1);
    world.advance(2 * DAY_S);
    while rows(&db, 0x0503).await > 0 {
        tokio::task::yield_now().await;
    }
    drop(stop);
    worker.await.unwrap();
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_goes_on_after_a_restart() {
    let store = Failing::new();
    let db = Db::new(Arc::clone(&store) as _);
    {
        let world = World::on(db.clone(), START).await;
        let lines: Vec<(i64, &str)> = (0..3_000).map(|n| (n, "x")).collect();
        world.append(GROUP, "s", &lines).await;
        world.append("other", "s", &[(0, "kept")]).await;
        world.append("other", "gone", &lines).await;
        world.ok("DeleteLogGroup", json!({"logGroupName": GROUP})).await;
        world.ok("DeleteLogStream", json!({"logGroupName": "other", "logStreamName": "gone"})).await;
        store.allow(2);
        world.logs.reclaim_deleted().await.unwrap_err();
        store.allow(usize::MAX);
    }
    assert_eq!((rows(&db, 0x0503).await, rows(&db, 0x0505).await), (1 + 2 * 3_000 - 2 * 1_000, 2), "cut short");
    let world = World::on(db.clone(), START + 1_000).await;
    world.logs.reclaim_deleted().await.unwrap();
    let mut counts = Vec::new();
    for kind in [0x0500, 0x0501, 0x0502, 0x0503, 0x0504, 0x0505, 0x0506] {
        counts.push(rows(&db, kind).await);
    }
    assert_eq!(counts, [1, 1, 1, 1, 1, 0, 0]);
    assert_eq!(world.logs.reclaim_deleted().await.unwrap(), 0);
}

#[tokio::test]
async fn a_store_that_fails_is_said_and_forgotten() {
    let store = Failing::new();
    let world = World::on(Db::new(Arc::clone(&store) as _), START).await;
    world.append(GROUP, "s", &[(0, "a")]).await;
    store.allow(0);
    let put =
        json!({"logGroupName": GROUP, "logStreamName": "s", "logEvents": [{"timestamp": START, "message": "lost"}]});
    let at = json!({"logGroupName": GROUP, "logStreamName": "new"});
    let message = "The service cannot complete the request.";
    for (operation, input) in [
        ("PutLogEvents", put),
        ("CreateLogStream", at),
        ("DeleteLogStream", json!({"logGroupName": GROUP, "logStreamName": "s"})),
        ("PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": 1})),
        ("DeleteLogGroup", json!({"logGroupName": GROUP})),
        ("CreateLogGroup", json!({"logGroupName": "new"})),
    ] {
        world.refused(operation, input, "ServiceUnavailableException", message).await;
    }
    store.allow(usize::MAX);
    world.append(GROUP, "s", &[(0, "b")]).await;
    assert_eq!(world.search(json!({})).await, ["a", "b"], "memory believes only what was committed");
    let groups = world.ok("DescribeLogGroups", json!({})).await;
    assert_eq!(groups["logGroups"].as_array().unwrap().len(), 1);
    assert_eq!(groups["logGroups"][0].get("retentionInDays"), None);
    assert_eq!(groups["logGroups"][0]["storedBytes"], 2 * 27);
}
