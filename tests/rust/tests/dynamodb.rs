//! DynamoDB with the SDK for Rust: tables, items, expressions, pages, transactions, and what is refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside #[test]")]

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters as _;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, Delete, DeleteRequest, Get, GlobalSecondaryIndex,
    KeySchemaElement, KeyType, KeysAndAttributes, Projection, ProjectionType, Put, PutRequest, ReturnConsumedCapacity,
    ReturnValue, ReturnValuesOnConditionCheckFailure, ScalarAttributeType, Select, TableStatus, TransactGetItem,
    TransactWriteItem, Update, WriteRequest,
};
use clients::Server;

/// How long a table may take to come or go.
const WAIT: Duration = Duration::from_secs(30);

type Item = HashMap<String, AttributeValue>;

fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

fn by_g() -> GlobalSecondaryIndex {
    GlobalSecondaryIndex::builder()
        .index_name("by-g")
        .key_schema(key("g", KeyType::Hash))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap()
}

/// A server with two tables: `plain` with the key `p`, `sorted` with `p` and the number `s`, and the index `by-g`.
async fn tables() -> (Server, Client) {
    let server = Server::start().unwrap();
    let client = Client::new(&server.config().load().await);
    let plain = client.create_table().table_name("plain").key_schema(key("p", KeyType::Hash));
    let plain = plain.attribute_definitions(attribute("p", ScalarAttributeType::S));
    plain.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
    let sorted = client.create_table().table_name("sorted").key_schema(key("p", KeyType::Hash));
    let sorted = sorted.key_schema(key("s", KeyType::Range)).global_secondary_indexes(by_g());
    let sorted = sorted.attribute_definitions(attribute("p", ScalarAttributeType::S));
    let sorted = sorted.attribute_definitions(attribute("s", ScalarAttributeType::N));
    let sorted = sorted.attribute_definitions(attribute("g", ScalarAttributeType::S));
    sorted.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
    for name in ["plain", "sorted"] {
        client.wait_until_table_exists().table_name(name).wait(WAIT).await.unwrap();
    }
    (server, client)
}

/// What differs from what is expected, one a line: every case is run before any fails.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, case: &str, got: T, expected: T) {
        if got != expected {
            self.0.push(format!("{case}:\n    got      {got:?}\n    expected {expected:?}"));
        }
    }

    /// That a request is refused, as invalid, in these words.
    fn invalid<O, E: ProvideErrorMetadata, R>(&mut self, sent: Result<O, SdkError<E, R>>, message: &str) {
        let got = match &sent {
            Ok(_) => (None, None),
            Err(refused) => (refused.code(), refused.message()),
        };
        self.equal(message, got, (Some("ValidationException"), Some(message)));
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        if !self.0.is_empty() && !std::thread::panicking() {
            panic!("{} cases fail:\n  {}", self.0.len(), self.0.join("\n  "));
        }
    }
}

#[tokio::test]
async fn a_table_comes_is_listed_and_goes() {
    let (_server, client) = tables().await;
    let described = client.describe_table().table_name("sorted").send().await.unwrap().table.unwrap();
    assert_eq!(described.table_status, Some(TableStatus::Active));
    assert_eq!(described.global_secondary_indexes.unwrap()[0].index_name.as_deref(), Some("by-g"));
    assert!(described.creation_date_time.is_some());
    let pages = client.list_tables().limit(1).into_paginator().items().send();
    assert_eq!(pages.try_collect().await.unwrap(), ["plain", "sorted"]);
    let again = client.create_table().table_name("plain").key_schema(key("p", KeyType::Hash));
    let again = again.attribute_definitions(attribute("p", ScalarAttributeType::S));
    let refused = again.billing_mode(BillingMode::PayPerRequest).send().await.unwrap_err().into_service_error();
    assert!(refused.is_resource_in_use_exception(), "{refused:?}");
    client.delete_table().table_name("plain").send().await.unwrap();
    client.wait_until_table_not_exists().table_name("plain").wait(WAIT).await.unwrap();
    let refused = client.describe_table().table_name("plain").send().await.unwrap_err().into_service_error();
    assert!(refused.is_resource_not_found_exception(), "{refused:?}");
}

#[tokio::test]
async fn values_come_back_as_they_were_put() {
    let (_server, client) = tables().await;
    let mut faults = Faults::default();
    let values = [
        s("ñ𝄞"),
        s(""),
        n("-12.5"),
        n("99999999999999999999999999999999999999"),
        n("1E-130"),
        AttributeValue::B(Blob::new([0, 255])),
        AttributeValue::B(Blob::new([])),
        AttributeValue::Bool(false),
        AttributeValue::Null(true),
        AttributeValue::L(vec![s("a"), AttributeValue::L(vec![AttributeValue::M(item([("deep", n(1))]))])]),
        AttributeValue::M(Item::new()),
        AttributeValue::Ss(vec!["a".to_owned(), "b".to_owned()]),
        AttributeValue::Ns(vec!["1".to_owned(), "2.5".to_owned()]),
        AttributeValue::Bs(vec![Blob::new([1]), Blob::new([2])]),
    ];
    for (number, value) in values.into_iter().enumerate() {
        let (name, whole) =
            (format!("value {number}"), item([("p", s(format!("value {number}"))), ("v", value.clone())]));
        client.put_item().table_name("plain").set_item(Some(whole.clone())).send().await.unwrap();
        let got = client.get_item().table_name("plain").key("p", s(&name)).consistent_read(true).send().await.unwrap();
        let as_put = match &value {
            AttributeValue::N(text) if text == "1E-130" => {
                item([("p", s(&name)), ("v", n(format!("0.{}1", "0".repeat(129))))])
            }
            _ => whole,
        };
        faults.equal(&name, got.item, Some(as_put.clone()));
        let deleted = client.delete_item().table_name("plain").key("p", s(&name)).condition_expression("v = :v");
        let deleted = deleted.expression_attribute_values(":v", value).return_values(ReturnValue::AllOld).send().await;
        faults.equal(&name, deleted.unwrap().attributes, Some(as_put));
    }
}

#[tokio::test]
async fn updates_change_what_they_name() {
    let (_server, client) = tables().await;
    let mut faults = Faults::default();
    let list = |texts: &[&str]| AttributeValue::L(texts.iter().map(|text| s(*text)).collect());
    let cases = [
        ("SET n = n + :v", n("0.5"), "n", Some(n("1.5"))),
        ("SET n = if_not_exists(absent, :v)", n(7), "n", Some(n(7))),
        ("ADD n :v", n(-3), "n", Some(n(-2))),
        ("ADD absent :v", n(4), "absent", Some(n(4))),
        ("SET l = list_append(:v, l)", list(&["z"]), "l", Some(list(&["z", "a", "b"]))),
        ("SET l[1] = :v", s("c"), "l", Some(list(&["a", "c"]))),
        ("SET m.x = :v", n(1), "m", Some(AttributeValue::M(item([("x", n(1)), ("y", s("z"))])))),
        ("DELETE t :v", AttributeValue::Ss(vec!["red".to_owned()]), "t", None),
    ];
    for (expression, value, name, expected) in cases {
        let whole = item([
            ("p", s(expression)),
            ("n", n(1)),
            ("l", list(&["a", "b"])),
            ("m", AttributeValue::M(item([("y", s("z"))]))),
            ("t", AttributeValue::Ss(vec!["red".to_owned()])),
        ]);
        client.put_item().table_name("plain").set_item(Some(whole)).send().await.unwrap();
        let update = client.update_item().table_name("plain").key("p", s(expression)).update_expression(expression);
        let update = update.expression_attribute_values(":v", value).return_values(ReturnValue::AllNew);
        let new = update.send().await.unwrap().attributes.unwrap();
        faults.equal(expression, new.get(name), expected.as_ref());
    }
}

#[tokio::test]
async fn queries_and_scans_go_page_by_page() {
    let (_server, client) = tables().await;
    let puts = (0..23).map(|number| {
        let even = if number % 2 == 0 { "even" } else { "odd" };
        let whole = item([("p", s("pages")), ("s", n(number)), ("g", s(even))]);
        let put = PutRequest::builder().set_item(Some(whole)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    });
    let written = client.batch_write_item().request_items("sorted", puts.collect()).send().await.unwrap();
    assert_eq!(written.unprocessed_items, Some(HashMap::new()));
    for forward in [true, false] {
        let query = client.query().table_name("sorted").key_condition_expression("p = :p AND s BETWEEN :a AND :b");
        let query = query.expression_attribute_values(":p", s("pages")).expression_attribute_values(":a", n(3));
        let query = query.expression_attribute_values(":b", n(20)).scan_index_forward(forward);
        let found: Vec<Item> = query.into_paginator().page_size(4).items().send().try_collect().await.unwrap();
        let mut expected: Vec<_> = (3..=20).map(n).collect();
        if !forward {
            expected.reverse();
        }
        assert_eq!(found.iter().map(|found| found["s"].clone()).collect::<Vec<_>>(), expected);
    }
    let counted = client.query().table_name("sorted").index_name("by-g").key_condition_expression("g = :g");
    let counted = counted.expression_attribute_values(":g", s("odd")).select(Select::Count).send().await.unwrap();
    assert_eq!((counted.count, counted.items), (11, None));
    let mut scanned = 0;
    for segment in 0..3 {
        let scan = client.scan().table_name("sorted").segment(segment).total_segments(3);
        scanned += scan.into_paginator().page_size(5).items().send().try_collect().await.unwrap().len();
    }
    assert_eq!(scanned, 23);
    let keys = KeysAndAttributes::builder().projection_expression("g");
    let keys = keys.keys(item([("p", s("pages")), ("s", n(1))])).keys(item([("p", s("pages")), ("s", n(99))]));
    let read = client.batch_get_item().request_items("sorted", keys.build().unwrap());
    let read = read.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
    assert_eq!(read.responses.unwrap()["sorted"], [item([("g", s("odd"))])]);
    assert_eq!(read.consumed_capacity.unwrap()[0].capacity_units, Some(1.0));
}

fn put(name: &str, condition: Option<&str>) -> TransactWriteItem {
    let put =
        Put::builder().table_name("plain").item("p", s(name)).set_condition_expression(condition.map(str::to_owned));
    let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

fn count() -> TransactWriteItem {
    let update = Update::builder().table_name("plain").key("p", s("count")).update_expression("ADD n :one");
    let update = update.expression_attribute_values(":one", n(1)).build().unwrap();
    TransactWriteItem::builder().update(update).build()
}

fn delete(name: &str) -> TransactWriteItem {
    let delete = Delete::builder().table_name("plain").key("p", s(name)).build().unwrap();
    TransactWriteItem::builder().delete(delete).build()
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_once() {
    let (_server, client) = tables().await;
    let absent = Some("attribute_not_exists(p)");
    for _ in 0..2 {
        let once = client.transact_write_items().transact_items(put("a", absent)).transact_items(count());
        once.client_request_token("once").send().await.unwrap();
    }
    let other = client.transact_write_items().transact_items(count()).client_request_token("once");
    let refused = other.send().await.unwrap_err().into_service_error();
    assert!(refused.is_idempotent_parameter_mismatch_exception(), "{refused:?}");
    let check = ConditionCheck::builder().table_name("plain").key("p", s("nobody")).condition_expression("n > :n");
    let check = check.expression_attribute_values(":n", n(0)).build().unwrap();
    let check = TransactWriteItem::builder().condition_check(check).build();
    let failing = client.transact_write_items().transact_items(count()).transact_items(put("a", absent));
    let refused = failing.transact_items(check).send().await.unwrap_err().into_service_error();
    assert!(refused.is_transaction_canceled_exception(), "{refused:?}");
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
        canceled,
    ) = refused
    else {
        panic!("another error")
    };
    let reasons = canceled.cancellation_reasons();
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code().unwrap()).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed", "ConditionalCheckFailed"]);
    assert_eq!(reasons[1].item(), Some(&item([("p", s("a"))])));
    let get = |name: &str| {
        let get = Get::builder().table_name("plain").key("p", s(name)).build().unwrap();
        TransactGetItem::builder().get(get).build()
    };
    let read = client.transact_get_items().transact_items(get("count")).transact_items(get("nobody")).send().await;
    let read: Vec<_> = read.unwrap().responses.unwrap().into_iter().map(|response| response.item).collect();
    assert_eq!(read, [Some(item([("p", s("count")), ("n", n(1))])), None]);
}

#[tokio::test]
async fn a_condition_that_fails_shows_the_item() {
    let (_server, client) = tables().await;
    let put =
        || client.put_item().table_name("plain").item("p", s("a")).condition_expression("attribute_not_exists(p)");
    put().send().await.unwrap();
    let again = put().return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let refused = again.send().await.unwrap_err().into_service_error();
    assert_eq!(refused.message(), Some("The conditional request failed"));
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) = refused else {
        panic!("another error: {refused:?}")
    };
    assert_eq!(failed.item, Some(item([("p", s("a"))])));
}

#[tokio::test]
async fn items_that_are_refused() {
    let (_server, client) = tables().await;
    let mut faults = Faults::default();
    let put = |value: AttributeValue| client.put_item().table_name("plain").item("p", s("x")).item("v", value).send();
    let key = |value: AttributeValue| client.put_item().table_name("plain").item("p", value).send();
    let set = |texts: &[&str]| AttributeValue::Ss(texts.iter().map(|text| (*text).to_owned()).collect());
    let invalid = |what: &str| format!("One or more parameter values were invalid: {what}");
    let nothing = client.put_item().table_name("plain").item("v", s("x")).send().await;
    faults.invalid(nothing, &invalid("Missing the key p in the item"));
    faults.invalid(key(n(1)).await, &invalid("Type mismatch for key p expected: S actual: N"));
    let empty = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string \
                 value. Key: p";
    faults.invalid(key(s("")).await, empty);
    let long = invalid("Size of hashkey has exceeded the maximum size limit of2048 bytes");
    faults.invalid(key(s("x".repeat(2_049))).await, &long);
    faults.invalid(put(s("x".repeat(400 << 10))).await, "Item size has exceeded the maximum allowed size");
    faults.invalid(put(n("dog")).await, "The parameter cannot be converted to a numeric value: dog");
    let digits = "Attempting to store more than 38 significant digits in a Number";
    faults.invalid(put(n("1".repeat(39))).await, digits);
    let large = "Number overflow. Attempting to store a number with magnitude larger than supported range";
    faults.invalid(put(n("1e126")).await, large);
    faults.invalid(put(set(&[])).await, &invalid("An string set  may not be empty"));
    faults.invalid(put(set(&["a", "a"])).await, &invalid("Input collection [a, a] contains duplicates."));
    let got = client.get_item().table_name("plain").key("q", s("x")).send().await;
    faults.invalid(got, "The provided key element does not match the schema");
}

#[tokio::test]
async fn expressions_that_are_refused() {
    let (_server, client) = tables().await;
    let mut faults = Faults::default();
    let updates = [
        (
            "SET p = :v",
            "One or more parameter values were invalid: Cannot update attribute p. This attribute is part of the key",
        ),
        (
            "SET a = :w",
            "Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute value: :w",
        ),
        (
            "SET a = :v, a = :v",
            "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of \
                                these paths; path one: [a], path two: [a]",
        ),
        ("SET a = nothing(:v)", "Invalid UpdateExpression: Invalid function name; function: nothing"),
        ("ADD status :v", "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: status"),
        ("", "Invalid UpdateExpression: The expression can not be empty;"),
    ];
    for (expression, message) in updates {
        let update = client.update_item().table_name("plain").key("p", s("x")).update_expression(expression);
        faults.invalid(update.expression_attribute_values(":v", s("x")).send().await, message);
    }
    let unused = client.get_item().table_name("plain").key("p", s("x")).projection_expression("a");
    let unused = unused.expression_attribute_names("#a", "a").send().await;
    faults.invalid(unused, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}");
    let query = |condition: &str| {
        let query = client.query().table_name("sorted").key_condition_expression(condition);
        query.expression_attribute_values(":v", s("x")).send()
    };
    faults.invalid(query("p > :v").await, "Query key condition not supported");
    faults.invalid(query("s = :v").await, "Query condition missed key schema element: p");
    let type_of_s = "One or more parameter values were invalid: Condition parameter type does not match schema type";
    faults.invalid(query("p = :v AND s = :v").await, type_of_s);
    let scan = client.scan().table_name("sorted").total_segments(2).send().await;
    let segment =
        "The Segment parameter is required but was not present in the request when parameter TotalSegments is present";
    faults.invalid(scan, segment);
}

#[tokio::test]
async fn batches_and_transactions_that_are_refused() {
    let (_server, client) = tables().await;
    let mut faults = Faults::default();
    let puts = PutRequest::builder().item("p", s("x")).build().unwrap();
    let put_x = WriteRequest::builder().put_request(puts).build();
    let deletes = DeleteRequest::builder().key("p", s("x")).build().unwrap();
    let delete_x = WriteRequest::builder().delete_request(deletes).build();
    let twice = client.batch_write_item().request_items("plain", vec![put_x, delete_x]).send().await;
    faults.invalid(twice, "Provided list of item keys contains duplicates");
    let none = client.batch_write_item().set_request_items(Some(HashMap::new())).send().await;
    faults.invalid(none, "The requestItems parameter is required for BatchWriteItem");
    let keys = |sort: bool| {
        let key = |number: i32| match sort {
            true => item([("p", s("x")), ("s", n(number))]),
            false => item([("p", s(number.to_string()))]),
        };
        KeysAndAttributes::builder().set_keys(Some((0..51).map(key).collect())).build().unwrap()
    };
    let many = client.batch_get_item().request_items("plain", keys(false)).request_items("sorted", keys(true));
    let many = many.send().await;
    faults.invalid(many, "Too many items requested for the BatchGetItem call");
    let twice = client.transact_write_items().transact_items(put("x", None)).transact_items(delete("x")).send().await;
    faults.invalid(twice, "Transaction request cannot include multiple operations on one item");
    let none = client.transact_write_items().set_transact_items(Some(Vec::new())).send().await;
    let length = "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length \
                  greater than or equal to 1";
    faults.invalid(none, length);
}
