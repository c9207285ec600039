//! Items that expire: when, and what is left of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use std::sync::Arc;
use std::time::Duration;

use cauce_core::ports::{KeptMetrics, Metrics};
use cauce_dynamodb::EXPIRED_AGO_MAX;
use cauce_store::{Db, Key, Kind, RangeReq, StoreError};
use serde_json::{Value, json};

use world::World;

const TABLE: u16 = 0x0A01;
const EXPIRING: u16 = 0x0A18;
const EXPIRY: u16 = 0x0A19;
/// When the clock of a world starts, in seconds.
const START_S: i64 = 1_800_000_000;

async fn rows(db: &Db, kind: u16) -> usize {
    db.range(RangeReq::new(Key::new(Kind::new(kind)).prefix_range(), 20_000)).await.unwrap().rows.len()
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..4_000 {
        if done().await {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the worker does not get there");
}

async fn table(world: &World, name: &str) {
    let create = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
    });
    world.ok("CreateTable", create).await;
}

async fn expire(world: &World, name: &str, enabled: bool) {
    let wish = json!({ "Enabled": enabled, "AttributeName": "ends" });
    world.ok("UpdateTimeToLive", json!({ "TableName": name, "TimeToLiveSpecification": wish })).await;
}

async fn put(world: &World, name: &str, id: &str, ends: Value) {
    let item = json!({ "id": { "S": id }, "ends": ends });
    world.ok("PutItem", json!({ "TableName": name, "Item": item })).await;
}

fn second(second: i64) -> Value {
    json!({ "N": (START_S + second).to_string() })
}

async fn ids(world: &World, name: &str) -> Vec<String> {
    let scan = world.ok("Scan", json!({ "TableName": name })).await;
    let items = scan["Items"].as_array().unwrap();
    let mut ids: Vec<String> = items.iter().map(|item| item["id"]["S"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn items_go_in_their_second_those_that_were_there_before_as_well() {
    let db = Db::memory();
    let world = World::on(&db).await;
    let kept = KeptMetrics::default();
    let metrics: Arc<dyn Metrics> = Arc::new(kept.clone());
    world.tables.measure(&metrics);
    table(&world, "tab").await;
    for n in 0..250 {
        put(&world, "tab", &format!("old{n}"), second(5)).await;
    }
    put(&world, "tab", "text", json!({ "S": START_S.to_string() })).await;
    put(&world, "tab", "ancient", second(-i64::try_from(EXPIRED_AGO_MAX.as_secs()).unwrap() - 1)).await;
    let worker = tokio::spawn(cauce_dynamodb::run(Arc::clone(&world.tables)));
    expire(&world, "tab", true).await;
    put(&world, "tab", "soon", second(2)).await;
    put(&world, "tab", "moved", second(2)).await;
    put(&world, "tab", "moved", second(9)).await;
    put(&world, "tab", "gone", second(2)).await;
    world.ok("DeleteItem", json!({ "TableName": "tab", "Key": { "id": { "S": "gone" } } })).await;
    until(async || rows(&db, EXPIRY).await == 252).await;
    world.clock.advance(Duration::from_secs(2));
    until(async || rows(&db, EXPIRY).await == 251).await;
    assert_eq!(ids(&world, "tab").await.len(), 253);
    world.clock.advance(Duration::from_secs(3));
    until(async || rows(&db, EXPIRY).await == 1).await;
    assert_eq!(ids(&world, "tab").await, ["ancient", "moved", "text"]);
    // What is put with a moment that has passed goes at once.
    put(&world, "tab", "late", second(1)).await;
    until(async || ids(&world, "tab").await.len() == 3).await;
    world.clock.advance(Duration::from_secs(4));
    until(async || rows(&db, EXPIRY).await == 0).await;
    assert_eq!(ids(&world, "tab").await, ["ancient", "text"]);
    // What was taken away by the time is counted, and neither what was deleted before nor what was moved.
    let mut deleted = 0.0;
    until(async || {
        deleted += kept.take("TimeToLiveDeletedItemCount", &[("TableName", "tab")]).sum();
        deleted == 253.0
    })
    .await;
    worker.abort();
}

#[tokio::test]
async fn nothing_expires_where_it_was_switched_off_and_nothing_is_left_of_it() {
    let db = Db::memory();
    let world = World::on(&db).await;
    for name in ["off", "gone", "again"] {
        table(&world, name).await;
        expire(&world, name, true).await;
        put(&world, name, "a", second(10)).await;
    }
    expire(&world, "off", false).await;
    expire(&world, "again", false).await;
    expire(&world, "again", true).await;
    world.ok("DeleteTable", json!({ "TableName": "gone" })).await;
    let worker = tokio::spawn(cauce_dynamodb::run(Arc::clone(&world.tables)));
    until(async || (rows(&db, EXPIRY).await, rows(&db, EXPIRING).await) == (1, 1)).await;
    world.clock.advance(Duration::from_secs(10));
    until(async || rows(&db, EXPIRY).await == 0).await;
    worker.abort();
    assert_eq!((ids(&world, "off").await, ids(&world, "again").await), (vec!["a".to_owned()], Vec::new()));
}

#[tokio::test]
async fn a_table_whose_setting_was_only_kept_gets_a_queue() {
    let db = Db::memory();
    let world = World::on(&db).await;
    table(&world, "tab").await;
    put(&world, "tab", "a", second(1)).await;
    let row = db.range(RangeReq::new(Key::new(Kind::new(TABLE)).prefix_range(), 1)).await.unwrap().rows.remove(0);
    let text = std::str::from_utf8(&row.val[1..]).unwrap();
    let mut table: Value = serde_json::from_str(text).unwrap();
    table["ttl_attribute"] = json!("ends");
    for member in ["ttl_queue", "stream", "latest_stream"] {
        table.as_object_mut().unwrap().remove(member).unwrap();
    }
    let old = [&row.val[..1], table.to_string().as_bytes()].concat();
    let write = db.transact(async |tx| {
        tx.set(row.key.clone(), old.clone());
        Ok::<_, StoreError>(())
    });
    write.await.unwrap();
    let world = World::on(&db).await;
    let worker = tokio::spawn(cauce_dynamodb::run(Arc::clone(&world.tables)));
    world.clock.advance(Duration::from_secs(1));
    until(async || ids(&world, "tab").await.is_empty()).await;
    worker.abort();
}
