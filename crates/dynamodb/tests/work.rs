//! What goes on behind the operations, and what is on disk: dropped tables, indexes that are built, tokens, reopening.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use std::sync::Arc;
use std::time::Duration;

use cauce_store::{Db, EmbeddedOptions, Key, Kind, RangeReq};
use serde_json::{Value, json};

use world::World;

fn create(name: &str, index: bool) -> Value {
    let mut table = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
    });
    if index {
        table["AttributeDefinitions"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "AttributeName": "g", "AttributeType": "S" }));
        table["GlobalSecondaryIndexes"] = json!([by_g()]);
    }
    table
}

fn by_g() -> Value {
    json!({
        "IndexName": "by-g", "KeySchema": [{ "AttributeName": "g", "KeyType": "HASH" }],
        "Projection": { "ProjectionType": "ALL" },
    })
}

fn item(n: usize) -> Value {
    json!({ "id": { "S": format!("i{n}") }, "g": { "S": format!("g{}", n % 3) } })
}

async fn fill(world: &World, table: &str, items: usize) {
    for n in 0..items {
        world.ok("PutItem", json!({ "TableName": table, "Item": item(n) })).await;
    }
}

/// How many rows the store has of a kind.
async fn rows(db: &Db, kind: u16) -> usize {
    db.range(RangeReq::new(Key::new(Kind::new(kind)).prefix_range(), 20_000)).await.unwrap().rows.len()
}

const ITEM: u16 = 0x0A03;
const ENTRY: u16 = 0x0A04;
const TOTAL: u16 = 0x0A05;
const DROPPED: u16 = 0x0A06;
const BACKFILL: u16 = 0x0A07;
const TOKEN: u16 = 0x0A08;
const TOKEN_END: u16 = 0x0A09;

/// Lets the worker go on until `done`.
async fn until(world: &World, done: impl AsyncFn() -> bool) {
    for _ in 0..2_000 {
        if done().await {
            return;
        }
        tokio::task::yield_now().await;
    }
    let _ = world;
    panic!("the worker does not get there");
}

#[tokio::test]
async fn a_dropped_table_leaves_nothing_behind_not_even_across_a_restart() {
    let db = Db::memory();
    let world = World::on(&db).await;
    world.ok("CreateTable", create("gone", true)).await;
    world.ok("CreateTable", create("kept", true)).await;
    fill(&world, "gone", 1_500).await;
    fill(&world, "kept", 10).await;
    world.ok("DeleteTable", json!({ "TableName": "gone" })).await;
    assert_eq!((rows(&db, ITEM).await, rows(&db, DROPPED).await), (1_510, 1));
    // Nobody has worked yet; another life of the program does.
    let world = World::on(&db).await;
    let worker = tokio::spawn(cauce_dynamodb::run(Arc::clone(&world.tables)));
    until(&world, async || rows(&db, DROPPED).await == 0).await;
    worker.abort();
    assert_eq!((rows(&db, ITEM).await, rows(&db, ENTRY).await), (10, 10));
    assert_eq!(rows(&db, TOTAL).await, 4, "two counters of the table that is kept, two of its index");
}

#[tokio::test]
async fn an_index_is_exact_although_items_change_while_it_is_built() {
    let db = Db::memory();
    let world = World::on(&db).await;
    world.ok("CreateTable", create("table", false)).await;
    fill(&world, "table", 350).await;
    let update = json!({
        "TableName": "table", "AttributeDefinitions": [{ "AttributeName": "g", "AttributeType": "S" }],
        "GlobalSecondaryIndexUpdates": [{ "Create": by_g() }],
    });
    world.ok("UpdateTable", update).await;
    let scan = json!({ "TableName": "table", "IndexName": "by-g" });
    let refused = world.call("Scan", scan.clone()).await.unwrap_err();
    assert_eq!(refused.message(), "Cannot read from backfilling global secondary index: by-g");
    let worker = tokio::spawn(cauce_dynamodb::run(Arc::clone(&world.tables)));
    // Before, behind and beside what has been added already.
    for n in 0..350 {
        let (table, key) = ("table", json!({ "id": { "S": format!("i{n}") } }));
        match n % 4 {
            0 => drop(world.ok("DeleteItem", json!({ "TableName": table, "Key": key })).await),
            1 => {
                let moved = json!({ "id": { "S": format!("i{n}") }, "g": { "S": "moved" } });
                world.ok("PutItem", json!({ "TableName": table, "Item": moved })).await;
            }
            2 => drop(
                world.ok("UpdateItem", json!({ "TableName": table, "Key": key, "UpdateExpression": "REMOVE g" })).await,
            ),
            _ => {}
        }
        tokio::task::yield_now().await;
    }
    until(&world, async || rows(&db, BACKFILL).await == 0).await;
    worker.abort();
    let found = world.ok("Scan", scan).await;
    let table = world.ok("Scan", json!({ "TableName": "table", "FilterExpression": "attribute_exists(g)" })).await;
    let sorted = |page: &Value| {
        let mut items: Vec<String> = page["Items"].as_array().unwrap().iter().map(Value::to_string).collect();
        items.sort();
        items
    };
    assert_eq!(sorted(&found), sorted(&table));
    let described = world.ok("DescribeTable", json!({ "TableName": "table" })).await;
    assert_eq!(described["Table"]["GlobalSecondaryIndexes"][0]["ItemCount"], found["Count"]);
}

#[tokio::test]
async fn an_index_is_built_over_large_items_and_passes_over_what_it_cannot_take() {
    let db = Db::memory();
    let world = World::on(&db).await;
    world.ok("CreateTable", create("table", false)).await;
    let put = async |id: &str, g: Value, bytes: usize| {
        let item = json!({ "id": { "S": id }, "g": g, "text": { "S": "x".repeat(bytes) } });
        world.ok("PutItem", json!({ "TableName": "table", "Item": item })).await;
    };
    // Together more than one commit takes.
    for n in 0..60 {
        put(&format!("i{n}"), json!({ "S": "g" }), 390_000).await;
    }
    put("number", json!({ "N": "1" }), 1).await;
    put("empty", json!({ "S": "" }), 1).await;
    put("long", json!({ "S": "g".repeat(2_049) }), 1).await;
    let update = json!({
        "TableName": "table", "AttributeDefinitions": [{ "AttributeName": "g", "AttributeType": "S" }],
        "GlobalSecondaryIndexUpdates": [{ "Create": by_g() }],
    });
    world.ok("UpdateTable", update).await;
    let worker = tokio::spawn(cauce_dynamodb::run(Arc::clone(&world.tables)));
    until(&world, async || rows(&db, BACKFILL).await == 0).await;
    worker.abort();
    let described = world.ok("DescribeTable", json!({ "TableName": "table" })).await;
    assert_eq!(described["Table"]["GlobalSecondaryIndexes"][0]["ItemCount"], 60);
    let update = |set: &str| {
        json!({
            "TableName": "table", "Key": { "id": { "S": "number" } }, "UpdateExpression": set,
            "ExpressionAttributeValues": { ":v": { "N": "2" } },
        })
    };
    world.ok("UpdateItem", update("SET aside = :v")).await;
    let refused = world.call("UpdateItem", update("SET g = :v")).await.unwrap_err();
    assert_eq!(
        refused.message(),
        "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g"
    );
}

#[tokio::test]
async fn what_is_too_large_for_a_commit_is_refused_whole() {
    let world = World::on(&Db::memory()).await;
    let mut table = create("table", true);
    let index = |n: usize| {
        let mut index = by_g();
        index["IndexName"] = format!("by-g-{n}").into();
        index
    };
    table["GlobalSecondaryIndexes"] = (0..6).map(index).collect();
    world.ok("CreateTable", table).await;
    let put = |n: usize| {
        let mut large = item(n);
        large["text"] = json!({ "S": "x".repeat(380_000) });
        json!({ "Put": { "TableName": "table", "Item": large } })
    };
    let transaction = json!({ "TransactItems": (0..10).map(put).collect::<Vec<_>>() });
    let refused = world.call("TransactWriteItems", transaction).await.unwrap_err();
    assert_eq!(refused.code(), "ValidationException", "{refused:?}");
    assert!(refused.message().contains("too large for one commit"), "{refused:?}");
    assert_eq!(world.ok("Scan", json!({ "TableName": "table" })).await["Count"], 0);
}

#[tokio::test]
async fn a_token_holds_for_ten_minutes_and_is_forgotten() {
    let db = Db::memory();
    let world = World::on(&db).await;
    world.ok("CreateTable", create("table", false)).await;
    let count = json!({
        "TransactItems": [{ "Update": {
            "TableName": "table", "Key": { "id": { "S": "a" } }, "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": { ":one": { "N": "1" } },
        } }],
        "ClientRequestToken": "token",
    });
    let counted = async || {
        let got = world.ok("GetItem", json!({ "TableName": "table", "Key": { "id": { "S": "a" } } })).await;
        got["Item"]["n"]["N"].as_str().unwrap().to_owned()
    };
    world.ok("TransactWriteItems", count.clone()).await;
    world.clock.advance(Duration::from_secs(599));
    world.ok("TransactWriteItems", count.clone()).await;
    assert_eq!(counted().await, "1");
    world.clock.advance(Duration::from_secs(2));
    world.ok("TransactWriteItems", count.clone()).await;
    assert_eq!(counted().await, "2");
    assert_eq!((rows(&db, TOKEN).await, rows(&db, TOKEN_END).await), (1, 2));
    let worker = tokio::spawn(cauce_dynamodb::run(Arc::clone(&world.tables)));
    until(&world, async || rows(&db, TOKEN_END).await == 1).await;
    assert_eq!(rows(&db, TOKEN).await, 1, "the token was used again and holds");
    worker.abort();
    world.ok("TransactWriteItems", count).await;
    assert_eq!(counted().await, "2");
}

#[tokio::test]
async fn what_was_answered_is_there_when_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Db::open(folder.path(), EmbeddedOptions::default()).unwrap();
    {
        let world = World::on(&open()).await;
        world.ok("CreateTable", create("table", true)).await;
        fill(&world, "table", 20).await;
        world.ok("DeleteItem", json!({ "TableName": "table", "Key": { "id": { "S": "i0" } } })).await;
    }
    let world = World::on(&open()).await;
    let table = world.ok("DescribeTable", json!({ "TableName": "table" })).await["Table"].clone();
    assert_eq!((&table["ItemCount"], &table["GlobalSecondaryIndexes"][0]["ItemCount"]), (&json!(19), &json!(19)));
    for index in [None, Some("by-g")] {
        let mut scan = json!({ "TableName": "table" });
        scan.as_object_mut().unwrap().extend(index.map(|index| ("IndexName".to_owned(), json!(index))));
        assert_eq!(world.ok("Scan", scan).await["Count"], 19);
    }
}

#[tokio::test]
async fn changes_of_one_item_at_once_are_all_counted() {
    let db = Db::memory();
    let world = Arc::new(World::on(&db).await);
    world.ok("CreateTable", create("table", true)).await;
    let tasks: Vec<_> = (0..8)
        .map(|worker| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                for n in 0..25 {
                    let update = json!({
                        "TableName": "table", "Key": { "id": { "S": "a" } }, "UpdateExpression": "ADD n :one SET g = :g",
                        "ExpressionAttributeValues": {
                            ":one": { "N": "1" }, ":g": { "S": format!("g{}", (worker + n) % 3) },
                        },
                    });
                    world.ok("UpdateItem", update).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let found = world.ok("Scan", json!({ "TableName": "table", "IndexName": "by-g" })).await;
    assert_eq!((&found["Count"], &found["Items"][0]["n"]["N"]), (&json!(1), &json!("200")));
}
