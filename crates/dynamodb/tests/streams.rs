//! Streams: what is recorded, in which order, how long it is kept, and that no reader passes a record by.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::ports::{StreamRead, Streams as _};
use cauce_core::{Account, Call, Env, Region, SeededEntropy, SystemClock, Trace};
use cauce_dynamodb::{DynamoDbOptions, ITERATOR_LASTS, STREAM_RETENTION, StreamFeed};
use cauce_store::{Db, Key, Kind, RangeReq};
use serde_json::{Value, json};

use world::World;

const STREAM: u16 = 0x0A10;
const RECORD: u16 = 0x0A11;
const TRIMMED: u16 = 0x0A12;

async fn rows(db: &Db, kind: u16) -> usize {
    db.range(RangeReq::new(Key::new(Kind::new(kind)).prefix_range(), 20_000)).await.unwrap().rows.len()
}

async fn until(done: impl AsyncFn() -> bool) {
    for _ in 0..2_000 {
        if done().await {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the worker does not get there");
}

fn key(id: &str) -> Value {
    json!({ "id": { "S": id } })
}

/// Makes a table with a stream, and returns the stream's ARN.
async fn table(world: &World, name: &str, view: &str) -> String {
    let created = world
        .ok(
            "CreateTable",
            json!({
                "TableName": name, "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
                "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
                "StreamSpecification": { "StreamEnabled": true, "StreamViewType": view },
            }),
        )
        .await;
    created["TableDescription"]["LatestStreamArn"].as_str().unwrap().to_owned()
}

async fn put(world: &World, name: &str, id: &str, n: u64) {
    let item = json!({ "id": { "S": id }, "n": { "N": n.to_string() } });
    world.ok("PutItem", json!({ "TableName": name, "Item": item })).await;
}

async fn shards(world: &World, arn: &str) -> Vec<String> {
    let described = world.ok("DescribeStream", json!({ "StreamArn": arn })).await;
    let shards = described["StreamDescription"]["Shards"].as_array().unwrap().clone();
    shards.iter().map(|shard| shard["ShardId"].as_str().unwrap().to_owned()).collect()
}

async fn iterator(world: &World, arn: &str, shard: &str, kind: &str) -> String {
    let wish = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": kind });
    world.ok("GetShardIterator", wish).await["ShardIterator"].as_str().unwrap().to_owned()
}

/// All records of a stream, shard by shard.
async fn records(world: &World, arn: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for shard in shards(world, arn).await {
        let mut next = Some(iterator(world, arn, &shard, "TRIM_HORIZON").await);
        while let Some(iterator) = next {
            let page = world.ok("GetRecords", json!({ "ShardIterator": iterator })).await;
            let records = page["Records"].as_array().unwrap().clone();
            next = page["NextShardIterator"].as_str().filter(|_| !records.is_empty()).map(str::to_owned);
            found.extend(records);
        }
    }
    found
}

#[tokio::test]
async fn all_ways_to_write_are_recorded_once_and_what_changes_nothing_is_not() {
    let world = World::on(&Db::memory()).await;
    let arn = table(&world, "tab", "NEW_AND_OLD_IMAGES").await;
    put(&world, "tab", "a", 1).await;
    put(&world, "tab", "a", 1).await;
    put(&world, "tab", "a", 2).await;
    let set = json!({ ":n": { "N": "3" } });
    let update = json!({
        "TableName": "tab", "Key": key("a"), "UpdateExpression": "SET n = :n", "ExpressionAttributeValues": set,
    });
    world.ok("UpdateItem", update.clone()).await;
    world.ok("UpdateItem", update).await;
    world.ok("DeleteItem", json!({ "TableName": "tab", "Key": key("a") })).await;
    world.ok("DeleteItem", json!({ "TableName": "tab", "Key": key("a") })).await;
    let batch = json!({ "tab": [{ "PutRequest": { "Item": key("b") } }, { "DeleteRequest": { "Key": key("none") } }] });
    world.ok("BatchWriteItem", json!({ "RequestItems": batch })).await;
    let steps = json!([
        { "Put": { "TableName": "tab", "Item": key("c") } },
        { "Delete": { "TableName": "tab", "Key": key("b") } },
        { "ConditionCheck": { "TableName": "tab", "Key": key("d"), "ConditionExpression": "attribute_not_exists(id)" } },
    ]);
    world.ok("TransactWriteItems", json!({ "TransactItems": steps })).await;
    let refused = json!({ "TableName": "tab", "Item": key("c"), "ConditionExpression": "attribute_not_exists(id)" });
    world.call("PutItem", refused).await.unwrap_err();

    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records(&world, &arn).await {
        let change = &record["dynamodb"];
        let n = |image: &str| change[image]["n"]["N"].as_str().unwrap_or("-").to_owned();
        let told = format!("{} {} {}", record["eventName"].as_str().unwrap(), n("OldImage"), n("NewImage"));
        seen.entry(change["Keys"]["id"]["S"].as_str().unwrap().to_owned()).or_default().push(told);
    }
    assert_eq!(seen["a"], ["INSERT - 1", "MODIFY 1 2", "MODIFY 2 3", "REMOVE 3 -"]);
    assert_eq!(seen["b"], ["INSERT - -", "REMOVE - -"]);
    assert_eq!(seen["c"], ["INSERT - -"]);
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn iterators_outlive_a_restart_but_not_their_quarter_of_an_hour() {
    let db = Db::memory();
    let world = World::on(&db).await;
    let arn = table(&world, "tab", "KEYS_ONLY").await;
    put(&world, "tab", "a", 1).await;
    let shards = shards(&world, &arn).await;
    let mut latest = Vec::new();
    for shard in &shards {
        latest.push(iterator(&world, &arn, shard, "LATEST").await);
    }
    let world = World::on(&db).await;
    put(&world, "tab", "a", 2).await;
    let mut found = Vec::new();
    for iterator in &latest {
        let page = world.ok("GetRecords", json!({ "ShardIterator": iterator })).await;
        found.extend(page["Records"].as_array().unwrap().clone());
    }
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0]["eventName"], found[0]["dynamodb"].get("NewImage")), (&json!("MODIFY"), None));
    world.clock.advance(ITERATOR_LASTS);
    world.ok("GetRecords", json!({ "ShardIterator": latest[0] })).await;
    world.clock.advance(Duration::from_secs(1));
    let refused = world.call("GetRecords", json!({ "ShardIterator": latest[0] })).await.unwrap_err();
    assert_eq!(refused.code(), "ExpiredIteratorException");
}

#[tokio::test]
async fn records_are_kept_for_a_day_and_so_is_a_stream_that_has_ended() {
    records_and_streams_are_kept_for(STREAM_RETENTION).await;
}

#[tokio::test]
async fn records_are_kept_for_longer_where_that_is_set() {
    records_and_streams_are_kept_for(7 * STREAM_RETENTION).await;
}

async fn records_and_streams_are_kept_for(stream_retention: Duration) {
    let db = Db::memory();
    let world = World::with(DynamoDbOptions { stream_retention }, &db).await;
    let arn = table(&world, "tab", "NEW_IMAGE").await;
    for n in 0..1_200 {
        put(&world, "tab", &format!("i{n}"), n).await;
    }
    let first = records(&world, &arn).await.remove(0);
    world.clock.advance(stream_retention - Duration::from_secs(60));
    put(&world, "tab", "late", 1).await;
    world.ok("DeleteTable", json!({ "TableName": "tab" })).await;
    world.clock.advance(Duration::from_secs(61));
    let worker = tokio::spawn(cauce_dynamodb::run(Arc::clone(&world.tables)));
    until(async || rows(&db, RECORD).await == 1).await;
    let described = world.ok("DescribeStream", json!({ "StreamArn": arn })).await;
    assert_eq!(described["StreamDescription"]["StreamStatus"], "DISABLED");
    let left = records(&world, &arn).await;
    assert_eq!((left.len(), &left[0]["dynamodb"]["Keys"]["id"]["S"]), (1, &json!("late")));
    let shard = shards(&world, &arn).await.remove(0);
    let old = json!({
        "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "AT_SEQUENCE_NUMBER",
        "SequenceNumber": first["dynamodb"]["SequenceNumber"],
    });
    assert_eq!(world.call("GetShardIterator", old).await.unwrap_err().code(), "TrimmedDataAccessException");
    world.clock.advance(stream_retention);
    until(async || rows(&db, STREAM).await == 0).await;
    worker.abort();
    assert_eq!((rows(&db, RECORD).await, rows(&db, TRIMMED).await), (0, 0));
    let refused = world.call("DescribeStream", json!({ "StreamArn": arn })).await.unwrap_err();
    assert_eq!(refused.message(), format!("Requested resource not found: Stream: {arn} not found"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_follower_beside_many_writers_sees_every_change_in_order() {
    const WRITERS: usize = 8;
    const WRITES: u64 = 60;
    let db = Db::memory();
    let world = Arc::new(World::on(&db).await);
    let arn = table(&world, "tab", "NEW_IMAGE").await;
    let feed = Arc::new(StreamFeed::new(Arc::clone(&world.tables)));
    let shards = u16::try_from(shards(&world, &arn).await.len()).unwrap();
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    for shard in 0..shards {
        let (feed, arn, told) = (Arc::clone(&feed), arn.clone(), told.clone());
        tokio::spawn(async move {
            let env = Env::new(SystemClock, SeededEntropy::new(u64::from(shard)));
            let trace = Trace::start(env.now(), env.entropy());
            let call = Call::from_service(&env, "test", None, Account::DEFAULT, Region::default(), trace);
            let mut after = 0;
            loop {
                let wait = Duration::from_secs(60);
                let stream = arn.parse().unwrap();
                let read = StreamRead { stream, shard, after, records_max: 7, wait };
                for record in feed.read(&call, read).await.unwrap().records {
                    assert!(record.position > after, "positions only grow");
                    after = record.position;
                    let seen: Value = serde_json::from_str(&record.json).unwrap();
                    assert_eq!(seen["eventSourceARN"], arn.as_str());
                    let _ = told.send(seen["dynamodb"]["NewImage"].clone());
                }
            }
        });
    }
    // Two writers an item, so that they are in each other's way and some transactions are made again.
    for writer in 0..WRITERS {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            for _ in 0..WRITES {
                let update = json!({
                    "TableName": "tab", "Key": key(&format!("i{}", writer / 2)), "UpdateExpression": "ADD n :one",
                    "ExpressionAttributeValues": { ":one": { "N": "1" } },
                });
                world.ok("UpdateItem", update).await;
            }
        });
    }
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..WRITERS as u64 * WRITES {
        let image = heard.recv().await.unwrap();
        let n: u64 = image["n"]["N"].as_str().unwrap().parse().unwrap();
        let before = last.insert(image["id"]["S"].as_str().unwrap().to_owned(), n).unwrap_or(0);
        assert_eq!(n, before + 1, "{image}");
    }
    assert!(last.values().all(|n| *n == 2 * WRITES));
}
