//! Filter policies: what is documented, and the whole language against a naive reading of it.

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Map, Value, json};

use crate::world::{World, queue};

async fn gets(w: &World, topic: &str, attributes: Value, text: &str) -> bool {
    w.ok("Publish", json!({"TopicArn": topic, "Message": text, "MessageAttributes": attributes})).await;
    !w.queued().await.is_empty()
}

async fn filtered(w: &World, topic: &str, policy: &Value, scope: &str) -> String {
    let attributes =
        json!({"RawMessageDelivery": "true", "FilterPolicy": policy.to_string(), "FilterPolicyScope": scope});
    w.subscribe(topic, "sqs", &queue("q"), attributes).await
}

#[tokio::test]
async fn attributes_are_matched_as_documented() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let policy = json!({
        "store": ["example_corp"],
        "event": [{"anything-but": "order_cancelled"}],
        "customer_interests": ["rugby", "football", "baseball"],
        "price_usd": [{"numeric": [">=", 100]}],
    });
    filtered(&w, &topic, &policy, "MessageAttributes").await;
    let text = |value: &str| json!({"DataType": "String", "StringValue": value});
    let list = |value: Value| json!({"DataType": "String.Array", "StringValue": value.to_string()});
    let number = |value: &str| json!({"DataType": "Number", "StringValue": value});
    let with = |event: &str, interests: Value, price: Value| json!({"store": text("example_corp"), "event": text(event), "customer_interests": list(interests), "price_usd": price});
    assert!(gets(&w, &topic, with("order_placed", json!(["soccer", "rugby", "hockey"]), number("210.75")), "x").await);
    assert!(!gets(&w, &topic, with("order_cancelled", json!(["rugby"]), number("210.75")), "x").await);
    assert!(!gets(&w, &topic, with("order_placed", json!(["soccer"]), number("210.75")), "x").await);
    assert!(!gets(&w, &topic, with("order_placed", json!(["rugby"]), number("99.99")), "x").await);
    assert!(
        !gets(&w, &topic, with("order_placed", json!(["rugby"]), text("210.75")), "x").await,
        "a text is no number"
    );
    assert!(!gets(&w, &topic, json!({}), "x").await);
}

#[tokio::test]
async fn the_body_is_matched_as_it_is_nested() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let policy = json!({"order": {"status": ["paid"], "total": [{"numeric": [">", 10]}]}, "note": [{"exists": false}]});
    let own = filtered(&w, &topic, &policy, "MessageBody").await;
    assert!(gets(&w, &topic, json!({}), r#"{"order":{"status":"paid","total":10.5}}"#).await);
    assert!(!gets(&w, &topic, json!({}), r#"{"order":{"status":"paid","total":10}}"#).await);
    assert!(!gets(&w, &topic, json!({}), r#"{"order":{"status":"paid","total":11},"note":"x"}"#).await);
    for no_object in ["paid", "[]", "{\"order\":", "\"x\""] {
        assert!(!gets(&w, &topic, json!({}), no_object).await, "{no_object}");
    }
    // Each protocol is judged by the text that it gets.
    let texts = json!({"default": "none", "sqs": r#"{"order":{"status":"paid","total":11}}"#}).to_string();
    w.ok("Publish", json!({"TopicArn": topic, "Message": texts, "MessageStructure": "json"})).await;
    assert_eq!(w.queued().await.len(), 1);
    w.ok(
        "SetSubscriptionAttributes",
        json!({"SubscriptionArn": own, "AttributeName": "FilterPolicy", "AttributeValue": "{}"}),
    )
    .await;
    assert!(gets(&w, &topic, json!({}), "anything").await, "an empty policy filters nothing");
}

#[tokio::test]
async fn a_change_holds_for_the_next_message() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let own = filtered(&w, &topic, &json!({"k": ["x"]}), "MessageAttributes").await;
    let attributes = || json!({"k": {"DataType": "String", "StringValue": "y"}});
    assert!(!gets(&w, &topic, attributes(), "m").await);
    let set = json!({"SubscriptionArn": own, "AttributeName": "FilterPolicy", "AttributeValue": "{\"k\":[\"y\"]}"});
    w.ok("SetSubscriptionAttributes", set).await;
    assert!(gets(&w, &topic, attributes(), "m").await);
}

/// One condition, with its meaning for the values of a key: all that it has, none if it is not there.
#[derive(Clone, Debug)]
enum Condition {
    Is(Value),
    NotOneOf(Vec<String>),
    Prefix(String),
    Suffix(String),
    IgnoringCase(String),
    AtLeast(i32),
    Exists(bool),
}

impl Condition {
    fn written(&self) -> Value {
        match self {
            Condition::Is(value) => value.clone(),
            Condition::NotOneOf(texts) => json!({"anything-but": texts}),
            Condition::Prefix(text) => json!({"prefix": text}),
            Condition::Suffix(text) => json!({"suffix": text}),
            Condition::IgnoringCase(text) => json!({"equals-ignore-case": text}),
            Condition::AtLeast(number) => json!({"numeric": [">=", number]}),
            Condition::Exists(there) => json!({"exists": there}),
        }
    }

    fn holds(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else { return matches!(self, Condition::Exists(false)) };
        let text = value.as_str();
        match self {
            Condition::Is(wanted) => wanted == value,
            Condition::NotOneOf(texts) => !text.is_some_and(|text| texts.iter().any(|other| other == text)),
            Condition::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix.as_str())),
            Condition::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix.as_str())),
            Condition::IgnoringCase(other) => text.is_some_and(|text| text.eq_ignore_ascii_case(other)),
            Condition::AtLeast(least) => value.as_i64().is_some_and(|number| number >= i64::from(*least)),
            Condition::Exists(there) => *there,
        }
    }
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "ab", "b", "A", "aB"]).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![word().prop_map(Value::from), (-3..3_i32).prop_map(Value::from)]
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        scalar().prop_map(Condition::Is),
        prop::collection::vec(word(), 1..3).prop_map(Condition::NotOneOf),
        word().prop_map(Condition::Prefix),
        word().prop_map(Condition::Suffix),
        word().prop_map(Condition::IgnoringCase),
        (-3..3_i32).prop_map(Condition::AtLeast),
        any::<bool>().prop_map(Condition::Exists),
    ]
}

/// What a key has: nothing, a value, or a list of values.
fn held() -> impl Strategy<Value = Option<Vec<Value>>> {
    prop_oneof![
        Just(None),
        scalar().prop_map(|value| Some(vec![value])),
        prop::collection::vec(scalar(), 2..4).prop_map(Some),
    ]
}

fn expected(policy: &[Vec<Condition>], message: &[Option<Vec<Value>>]) -> bool {
    policy.iter().zip(message).all(|(conditions, held)| {
        conditions.iter().any(|condition| match held {
            None => condition.holds(None),
            Some(values) => values.iter().any(|value| condition.holds(Some(value))),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn filters_mean_what_a_naive_reader_takes_them_for(
        policy in prop::collection::vec(prop::collection::vec(condition(), 1..4), 1..4),
        message in prop::collection::vec(held(), 3),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (by_attributes, by_body) = runtime.block_on(async {
            let w = World::new().await;
            let written: Map<String, Value> = policy
                .iter()
                .enumerate()
                .map(|(n, conditions)| (format!("k{n}"), conditions.iter().map(Condition::written).collect()))
                .collect();
            let written = Value::Object(written);
            let mut attributes = Map::new();
            let mut body = Map::new();
            for (n, held) in message.iter().enumerate() {
                let Some(values) = held else { continue };
                let attribute = match &values[..] {
                    [Value::String(text)] => json!({"DataType": "String", "StringValue": text}),
                    [number] => json!({"DataType": "Number", "StringValue": number.to_string()}),
                    several => json!({"DataType": "String.Array", "StringValue": Value::from(several).to_string()}),
                };
                attributes.insert(format!("k{n}"), attribute);
                let value = if values.len() == 1 { values[0].clone() } else { Value::from(values.clone()) };
                body.insert(format!("k{n}"), value);
            }
            let one = w.topic("attributes").await;
            filtered(&w, &one, &written, "MessageAttributes").await;
            let other = w.topic("body").await;
            filtered(&w, &other, &written, "MessageBody").await;
            let by_attributes = gets(&w, &one, Value::Object(attributes), "x").await;
            (by_attributes, gets(&w, &other, json!({}), &Value::Object(body).to_string()).await)
        });
        let expect = expected(&policy, &message);
        prop_assert_eq!(by_attributes, expect, "by attributes");
        prop_assert_eq!(by_body, expect, "by body");
    }
}
