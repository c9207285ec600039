//! Random operations on a table with indexes, against a model that is a plain map, on one store whose service starts again
//! now and then.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use std::collections::BTreeMap;

use cauce_store::Db;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use world::World;

type Place = (u8, i16);
type Model = BTreeMap<Place, Value>;

#[derive(Clone, Debug)]
enum Step {
    Put { at: Place, g: Option<u8>, l: Option<i16>, x: u8, only_new: bool },
    Set { at: Place, g: Option<u8>, x: u8 },
    Remove { at: Place, name: &'static str },
    Delete { at: Place },
    Batch { puts: Vec<(Place, u8)>, deletes: Vec<Place> },
    Transact { puts: Vec<(Place, u8)>, check: Place },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = || (0u8..3, -3i16..3);
    let g = || proptest::option::of(0u8..3);
    let step = prop_oneof![
        5 => (place(), g(), proptest::option::of(-4i16..4), 0u8..9, proptest::bool::weighted(0.2))
            .prop_map(|(at, g, l, x, only_new)| Step::Put { at, g, l, x, only_new }),
        3 => (place(), g(), 0u8..9).prop_map(|(at, g, x)| Step::Set { at, g, x }),
        2 => (place(), prop_oneof![Just("g"), Just("l"), Just("x")]).prop_map(|(at, name)| Step::Remove { at, name }),
        2 => place().prop_map(|at| Step::Delete { at }),
        1 => (
            proptest::collection::btree_map(place(), 0u8..9, 1..6),
            proptest::collection::btree_set(place(), 0..4),
        )
            .prop_map(|(puts, deletes)| Step::Batch {
                deletes: deletes.into_iter().filter(|at| !puts.contains_key(at)).collect(),
                puts: puts.into_iter().collect(),
            }),
        1 => (proptest::collection::btree_map(place(), 0u8..9, 1..5), place()).prop_map(|(mut puts, check)| {
            puts.remove(&check);
            Step::Transact { puts: puts.into_iter().collect(), check }
        }),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

fn key(at: Place) -> Value {
    json!({ "id": { "S": format!("p{}", at.0) }, "n": { "N": at.1.to_string() } })
}

fn item(at: Place, more: Value) -> Value {
    let mut item = key(at);
    item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    item
}

fn attributes(g: Option<u8>, l: Option<i16>, x: u8) -> Value {
    let mut more = json!({ "x": { "N": x.to_string() }, "shown": { "S": "s" } });
    let more_object = more.as_object_mut().unwrap();
    more_object.extend(g.map(|g| ("g".to_owned(), json!({ "S": format!("g{g}") }))));
    more_object.extend(l.map(|l| ("l".to_owned(), json!({ "N": l.to_string() }))));
    more
}

async fn take(world: &mut World, db: &Db, model: &mut Model, step: Step) {
    match step {
        Step::Put { at, g, l, x, only_new } => {
            let item = item(at, attributes(g, l, x));
            let mut input = json!({ "TableName": "table", "Item": item, "ReturnValues": "ALL_OLD" });
            if only_new {
                input["ConditionExpression"] = "attribute_not_exists(id)".into();
            }
            let answer = world.call("PutItem", input).await;
            if only_new && model.contains_key(&at) {
                assert_eq!(answer.unwrap_err().code(), "ConditionalCheckFailedException");
                return;
            }
            let old = model.insert(at, item);
            assert_eq!(answer.unwrap().get("Attributes"), old.as_ref());
        }
        Step::Set { at, g, x } => {
            let mut values = json!({ ":x": { "N": x.to_string() } });
            let mut expression = "SET x = :x".to_owned();
            if let Some(g) = g {
                values[":g"] = json!({ "S": format!("g{g}") });
                expression.push_str(", g = :g");
            }
            let input = json!({
                "TableName": "table", "Key": key(at), "UpdateExpression": expression,
                "ExpressionAttributeValues": values, "ReturnValues": "ALL_NEW",
            });
            let answer = world.ok("UpdateItem", input).await;
            let item = model.entry(at).or_insert_with(|| key(at));
            item["x"] = values[":x"].clone();
            if let Some(g) = values.get(":g") {
                item["g"] = g.clone();
            }
            assert_eq!(answer["Attributes"], *item);
        }
        Step::Remove { at, name } => {
            let input = json!({ "TableName": "table", "Key": key(at), "UpdateExpression": format!("REMOVE {name}") });
            world.ok("UpdateItem", input).await;
            if let Some(item) = model.get_mut(&at) {
                item.as_object_mut().unwrap().remove(name);
            }
        }
        Step::Delete { at } => {
            let input = json!({ "TableName": "table", "Key": key(at), "ReturnValues": "ALL_OLD" });
            let answer = world.ok("DeleteItem", input).await;
            assert_eq!(answer.get("Attributes"), model.remove(&at).as_ref());
        }
        Step::Batch { puts, deletes } => {
            let put = |(at, x): &(Place, u8)| json!({ "PutRequest": { "Item": item(*at, attributes(Some(x % 3), None, *x)) } });
            let delete = |at: &Place| json!({ "DeleteRequest": { "Key": key(*at) } });
            let writes: Vec<Value> = puts.iter().map(put).chain(deletes.iter().map(delete)).collect();
            world.ok("BatchWriteItem", json!({ "RequestItems": { "table": writes } })).await;
            for (at, x) in puts {
                model.insert(at, item(at, attributes(Some(x % 3), None, x)));
            }
            deletes.iter().for_each(|at| drop(model.remove(at)));
        }
        Step::Transact { puts, check } => {
            let put = |(at, x): &(Place, u8)| json!({ "Put": { "TableName": "table", "Item": item(*at, attributes(Some(x % 3), None, *x)) } });
            let mut actions: Vec<Value> = puts.iter().map(put).collect();
            actions.push(json!({ "ConditionCheck": {
                "TableName": "table", "Key": key(check), "ConditionExpression": "attribute_exists(g)",
            } }));
            let answer = world.call("TransactWriteItems", json!({ "TransactItems": actions })).await;
            if model.get(&check).is_some_and(|item| item.get("g").is_some()) {
                answer.unwrap();
                model.extend(puts.into_iter().map(|(at, x)| (at, item(at, attributes(Some(x % 3), None, x)))));
            } else {
                assert_eq!(answer.unwrap_err().code(), "TransactionCanceledException");
            }
        }
        Step::Restart => *world = World::on(db).await,
    }
}

/// What a scan of the table or an index finds, by the places of the items.
async fn scan(world: &World, index: Option<&str>) -> Model {
    let mut found = Model::new();
    let mut start = None;
    loop {
        let mut input = json!({ "TableName": "table", "Limit": 4 });
        input.as_object_mut().unwrap().extend(index.map(|index| ("IndexName".to_owned(), index.into())));
        input.as_object_mut().unwrap().extend(start.map(|start| ("ExclusiveStartKey".to_owned(), start)));
        let page = world.ok("Scan", input).await;
        for item in page["Items"].as_array().unwrap() {
            let place = item["id"]["S"].as_str().unwrap().trim_start_matches('p').parse().unwrap();
            let place = (place, item["n"]["N"].as_str().unwrap().parse().unwrap());
            assert!(found.insert(place, item.clone()).is_none(), "an item came twice");
        }
        match page.get("LastEvaluatedKey") {
            Some(last) => start = Some(last.clone()),
            None => return found,
        }
    }
}

async fn compare(world: &World, model: &Model) {
    assert_eq!(scan(world, None).await, *model);
    let having = |name: &str| -> Model {
        model.iter().filter(|(_, item)| item.get(name).is_some()).map(|(at, item)| (*at, item.clone())).collect()
    };
    assert_eq!(scan(world, Some("by-g")).await, having("g"));
    let mut shown = having("l");
    shown.values_mut().for_each(|item| drop(item.as_object_mut().unwrap().remove("x")));
    shown.values_mut().for_each(|item| drop(item.as_object_mut().unwrap().remove("g")));
    assert_eq!(scan(world, Some("by-l")).await, shown);
    for p in 0..3u8 {
        let input = json!({
            "TableName": "table", "KeyConditionExpression": "id = :id AND n BETWEEN :from AND :to",
            "ExpressionAttributeValues": {
                ":id": { "S": format!("p{p}") }, ":from": { "N": "-2" }, ":to": { "N": "1" },
            },
        });
        let items: Vec<Value> = model.range((p, -2)..=(p, 1)).map(|(_, item)| item.clone()).collect();
        assert_eq!(world.ok("Query", input).await["Items"], json!(items));
        let statement = format!("SELECT * FROM \"table\" WHERE id = 'p{p}' AND n BETWEEN -2 AND 1");
        assert_eq!(world.ok("ExecuteStatement", json!({ "Statement": statement })).await["Items"], json!(items));
    }
    let table = world.ok("DescribeTable", json!({ "TableName": "table" })).await["Table"].clone();
    assert_eq!(table["ItemCount"], model.len());
    assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"], having("g").len());
    assert_eq!(table["LocalSecondaryIndexes"][0]["ItemCount"], having("l").len());
    if model.is_empty() {
        assert_eq!(table["TableSizeBytes"], 0);
    }
}

fn create() -> Value {
    let key = |names: &[&str]| -> Vec<Value> {
        let kinds = ["HASH", "RANGE"];
        names.iter().zip(kinds).map(|(name, kind)| json!({ "AttributeName": name, "KeyType": kind })).collect()
    };
    let kind = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    json!({
        "TableName": "table", "BillingMode": "PAY_PER_REQUEST", "KeySchema": key(&["id", "n"]),
        "AttributeDefinitions": [kind("id", "S"), kind("n", "N"), kind("g", "S"), kind("l", "N")],
        "GlobalSecondaryIndexes": [
            { "IndexName": "by-g", "KeySchema": key(&["g", "n"]), "Projection": { "ProjectionType": "ALL" } },
        ],
        "LocalSecondaryIndexes": [{
            "IndexName": "by-l", "KeySchema": key(&["id", "l"]),
            "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": ["shown"] },
        }],
    })
}

#[test]
fn a_table_is_what_the_model_is() {
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runner
        .run(&steps(), |steps| {
            runtime.block_on(async {
                let db = Db::memory();
                let mut world = World::on(&db).await;
                let mut model = Model::new();
                world.ok("CreateTable", create()).await;
                for step in steps {
                    take(&mut world, &db, &mut model, step).await;
                }
                compare(&world, &model).await;
            });
            Ok(())
        })
        .unwrap();
}
