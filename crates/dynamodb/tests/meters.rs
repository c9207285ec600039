//! What is measured is what was done.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use std::sync::Arc;

use cauce_core::ports::{KeptMetrics, Metrics};
use cauce_store::Db;
use serde_json::{Value, json};
use world::World;

/// A world that is measured, with two tables.
async fn measured() -> (World, KeptMetrics) {
    let world = World::on(&Db::memory()).await;
    let kept = KeptMetrics::default();
    let metrics: Arc<dyn Metrics> = Arc::new(kept.clone());
    world.tables.measure(&metrics);
    for name in ["one", "two"] {
        world
            .ok(
                "CreateTable",
                json!({
                    "TableName": name,
                    "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
                    "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
                    "BillingMode": "PAY_PER_REQUEST",
                    "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
                }),
            )
            .await;
    }
    (world, kept)
}

fn item(key: &str, bytes: usize) -> Value {
    json!({"k": {"S": key}, "v": {"S": "x".repeat(bytes)}})
}

fn key(key: &str) -> Value {
    json!({"k": {"S": key}})
}

/// The sum of a metric of a table since the last time.
fn sum(kept: &KeptMetrics, name: &str, table: &str) -> f64 {
    kept.take(name, &[("TableName", table)]).sum()
}

/// How often an operation on a table has succeeded since the last time.
fn succeeded(kept: &KeptMetrics, operation: &str, table: &str) -> f64 {
    kept.take("SuccessfulRequestLatency", &[("TableName", table), ("Operation", operation)]).count()
}

const READ: &str = "ConsumedReadCapacityUnits";
const WRITTEN: &str = "ConsumedWriteCapacityUnits";
const CONDITIONS: &str = "ConditionalCheckFailedRequests";

fn user_errors(kept: &KeptMetrics) -> f64 {
    kept.take("UserErrors", &[]).sum()
}

#[tokio::test]
async fn every_table_of_a_request_is_measured() {
    let (world, kept) = measured().await;
    let put = |name: &str, bytes| json!([{"PutRequest": {"Item": item(name, bytes)}}]);
    world.ok("BatchWriteItem", json!({"RequestItems": {"one": put("a", 100), "two": put("b", 1_500)}})).await;
    let keys = json!({"Keys": [key("a"), key("b")]});
    world.ok("BatchGetItem", json!({"RequestItems": {"one": keys, "two": keys}})).await;
    let put = |name: &str| json!({"Put": {"TableName": name, "Item": item("c", 10)}});
    world.ok("TransactWriteItems", json!({"TransactItems": [put("one"), put("two")]})).await;
    let get = |name: &str| json!({"Get": {"TableName": name, "Key": key("c")}});
    world.ok("TransactGetItems", json!({"TransactItems": [get("one"), get("two")]})).await;
    for (table, written) in [("one", 1.0), ("two", 2.0)] {
        for operation in ["BatchWriteItem", "BatchGetItem", "TransactWriteItems", "TransactGetItems"] {
            assert_eq!(succeeded(&kept, operation, table), 1.0, "{operation} {table}");
        }
        // A transaction costs twice; two items are read for half a unit each.
        assert_eq!((sum(&kept, WRITTEN, table), sum(&kept, READ, table)), (written + 2.0, 1.0 + 2.0), "{table}");
    }
    assert_eq!(user_errors(&kept), 0.0);
}

#[tokio::test]
async fn a_condition_that_fails_is_paid_for_by_the_item_that_is_there() {
    let (world, kept) = measured().await;
    world.ok("PutItem", json!({"TableName": "one", "Item": item("a", 2_500)})).await;
    assert_eq!(sum(&kept, WRITTEN, "one"), 3.0);
    for (name, there, units) in [("a", false, 3.0), ("none", true, 1.0)] {
        let test = if there { "attribute_exists(k)" } else { "attribute_not_exists(k)" };
        let common = json!({"TableName": "one", "ConditionExpression": test});
        for (operation, member, value) in
            [("PutItem", "Item", item(name, 1)), ("DeleteItem", "Key", key(name)), ("UpdateItem", "Key", key(name))]
        {
            let mut input = common.clone();
            input[member] = value;
            let error = world.call(operation, input).await.unwrap_err();
            assert_eq!(error.code(), "ConditionalCheckFailedException");
            assert_eq!((sum(&kept, WRITTEN, "one"), sum(&kept, CONDITIONS, "one")), (units, 1.0), "{operation} {name}");
        }
    }
    assert_eq!((user_errors(&kept), succeeded(&kept, "PutItem", "one")), (0.0, 1.0));
}

#[tokio::test]
async fn statements_are_measured() {
    let (world, kept) = measured().await;
    let run = async |text: &str| {
        let input = json!({"Statement": text, "ReturnConsumedCapacity": "TOTAL"});
        let answer = world.ok("ExecuteStatement", input).await;
        answer["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap()
    };
    let long = "x".repeat(1_500);
    for n in 0..3 {
        assert_eq!(run(&format!("INSERT INTO \"one\" VALUE {{'k': '{n}', 'v': '{long}'}}")).await, 2.0);
    }
    assert_eq!(sum(&kept, WRITTEN, "one"), 6.0);
    assert_eq!(run("UPDATE \"one\" SET w = 1 WHERE k = '0'").await, 2.0);
    assert_eq!(run("DELETE FROM \"one\" WHERE k = '2'").await, 2.0);
    assert_eq!(sum(&kept, WRITTEN, "one"), 4.0);
    // Of what is read of two items, 3 KB together, one is returned.
    assert_eq!(run("SELECT * FROM \"one\" WHERE w = 1").await, 0.5);
    let returned = kept.take("ReturnedItemCount", &[("TableName", "one"), ("Operation", "ExecuteStatement")]);
    assert_eq!((sum(&kept, READ, "one"), returned.sum(), returned.count()), (0.5, 1.0, 1.0));
    assert_eq!(succeeded(&kept, "ExecuteStatement", "one"), 6.0);
    // What fails costs too; a second item under a key is an error of the user's.
    let refused = |text: &'static str| world.call("ExecuteStatement", json!({"Statement": text}));
    assert_eq!(
        refused("UPDATE \"one\" SET w = 1 WHERE k = '0' AND w = 2").await.unwrap_err().code(),
        "ConditionalCheckFailedException"
    );
    assert_eq!((sum(&kept, WRITTEN, "one"), sum(&kept, CONDITIONS, "one"), user_errors(&kept)), (2.0, 1.0, 0.0));
    assert_eq!(refused("INSERT INTO \"one\" VALUE {'k': '0'}").await.unwrap_err().code(), "DuplicateItemException");
    assert_eq!((sum(&kept, WRITTEN, "one"), sum(&kept, CONDITIONS, "one"), user_errors(&kept)), (2.0, 0.0, 1.0));
    assert_eq!(succeeded(&kept, "ExecuteStatement", "one"), 0.0);
}

#[tokio::test]
async fn batches_and_transactions_of_statements_are_measured() {
    let (world, kept) = measured().await;
    let insert = |table: &str| json!({"Statement": format!("INSERT INTO \"{table}\" VALUE {{'k': 'a'}}")});
    world.ok("ExecuteTransaction", json!({"TransactStatements": [insert("one"), insert("two")]})).await;
    for table in ["one", "two"] {
        assert_eq!((sum(&kept, WRITTEN, table), succeeded(&kept, "ExecuteTransaction", table)), (2.0, 1.0), "{table}");
    }
    let read = json!({"Statement": "SELECT * FROM \"two\" WHERE k = 'a'"});
    world.ok("ExecuteTransaction", json!({"TransactStatements": [read]})).await;
    assert_eq!((sum(&kept, READ, "two"), succeeded(&kept, "ExecuteTransaction", "two")), (2.0, 1.0));
    let failing = json!({"Statement": "UPDATE \"two\" SET w = 1 WHERE k = 'none'"});
    let missing = json!({"Statement": "DELETE FROM \"three\" WHERE k = 'a'"});
    let good = json!({"Statement": "DELETE FROM \"one\" WHERE k = 'a'"});
    world.ok("BatchExecuteStatement", json!({"Statements": [good, failing, missing]})).await;
    assert_eq!(
        (sum(&kept, WRITTEN, "one"), sum(&kept, WRITTEN, "two"), sum(&kept, CONDITIONS, "two")),
        (1.0, 1.0, 1.0)
    );
    for (table, times) in [("one", 1.0), ("two", 1.0), ("three", 0.0)] {
        assert_eq!(succeeded(&kept, "BatchExecuteStatement", table), times, "{table}");
    }
    world.ok("BatchExecuteStatement", json!({"Statements": [read, read]})).await;
    assert_eq!((sum(&kept, READ, "two"), succeeded(&kept, "BatchExecuteStatement", "two")), (1.0, 1.0));
}

#[tokio::test]
async fn a_canceled_transaction_is_an_error_of_the_users() {
    let (world, kept) = measured().await;
    let check = json!({"TableName": "one", "Key": key("a"), "ConditionExpression": "attribute_exists(k)"});
    let error =
        world.call("TransactWriteItems", json!({"TransactItems": [{"ConditionCheck": check}]})).await.unwrap_err();
    assert_eq!(error.code(), "TransactionCanceledException");
    assert_eq!(
        (user_errors(&kept), sum(&kept, CONDITIONS, "one"), sum(&kept, "TransactionConflict", "one")),
        (1.0, 0.0, 0.0)
    );
    assert_eq!(succeeded(&kept, "TransactWriteItems", "one"), 0.0);
}

#[tokio::test]
async fn what_is_read_of_a_stream_is_measured() {
    let (world, kept) = measured().await;
    world.ok("PutItem", json!({"TableName": "one", "Item": item("abc", 100)})).await;
    world.ok("PutItem", json!({"TableName": "one", "Item": item("def", 100)})).await;
    let stream = world.ok("DescribeTable", json!({"TableName": "one"})).await["Table"]["LatestStreamArn"].clone();
    let shards = world.ok("DescribeStream", json!({"StreamArn": stream})).await;
    let mut bytes = 0;
    for shard in shards["StreamDescription"]["Shards"].as_array().unwrap() {
        let input = json!({"StreamArn": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
        let iterator = world.ok("GetShardIterator", input).await["ShardIterator"].clone();
        let answer = world.ok("GetRecords", json!({"ShardIterator": iterator})).await;
        let records = answer["Records"].as_array().unwrap();
        bytes += records.iter().map(|record| record["dynamodb"]["SizeBytes"].as_u64().unwrap()).sum::<u64>();
    }
    let label = stream.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let of = |name| kept.take(name, &[("TableName", "one"), ("StreamLabel", &label), ("Operation", "GetRecords")]);
    assert!(bytes > 0);
    assert_eq!((of("ReturnedRecordsCount").sum(), of("ReturnedBytes").sum() as u64), (2.0, bytes));
    let shards = shards["StreamDescription"]["Shards"].as_array().unwrap().len();
    assert_eq!(of("SuccessfulRequestLatency").count() as usize, shards);
    assert!(world.call("GetRecords", json!({"ShardIterator": "nothing"})).await.is_err());
    assert_eq!(user_errors(&kept), 1.0);
}
