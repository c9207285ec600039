//! FIFO topics.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{World, queue};

async fn publish(w: &World, topic: &str, text: &str, group: &str, deduplication: Option<&str>) -> Value {
    let mut input = json!({"TopicArn": topic, "Message": text, "MessageGroupId": group});
    if let Some(id) = deduplication {
        input["MessageDeduplicationId"] = id.into();
    }
    w.ok("Publish", input).await
}

#[tokio::test]
async fn order_group_and_deduplication_id_reach_the_queue() {
    let w = World::new().await;
    let topic = w.topic("a.fifo").await;
    w.raw(&topic, "q.fifo").await;
    let mut numbers = Vec::new();
    for n in 0..20 {
        let out = publish(&w, &topic, &n.to_string(), "g", Some(&format!("d{n}"))).await;
        numbers.push(out["SequenceNumber"].as_str().unwrap().to_owned());
    }
    assert!(numbers.is_sorted() && numbers.iter().all(|number| number.len() == 20), "{numbers:?}");
    let queued = w.queued().await;
    let bodies: Vec<String> = queued.iter().map(|m| m.body.clone()).collect();
    assert_eq!(bodies, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(queued[3].attribute("message-group-id"), Some("g"));
    assert_eq!(queued[3].attribute("message-deduplication-id"), Some("d3"));
}

#[tokio::test]
async fn a_repetition_within_five_minutes_is_answered_and_not_sent() {
    let w = World::new().await;
    let topic = w.topic("a.fifo").await;
    w.raw(&topic, "q.fifo").await;
    let first = publish(&w, &topic, "one", "g", Some("d")).await;
    w.clock.advance(Duration::from_secs(299));
    assert_eq!(publish(&w, &topic, "two", "other", Some("d")).await, first);
    let w = w.restart(5).await;
    assert_eq!(publish(&w, &topic, "three", "g", Some("d")).await, first);
    w.clock.advance(Duration::from_secs(1));
    assert_ne!(publish(&w, &topic, "four", "g", Some("d")).await, first);
    let bodies: Vec<String> = w.queued().await.into_iter().map(|m| m.body).collect();
    assert_eq!(bodies, ["one", "four"]);
}

#[tokio::test]
async fn ids_that_are_over_do_not_pile_up() {
    let w = World::new().await;
    let topic = w.topic("a.fifo").await;
    for n in 0..100 {
        publish(&w, &topic, "x", "g", Some(&n.to_string())).await;
    }
    w.clock.advance(Duration::from_secs(301));
    for n in 100..150 {
        publish(&w, &topic, "x", "g", Some(&n.to_string())).await;
    }
    let range = cauce_store::Key::new(cauce_store::Kind::new(0x0907)).prefix_range();
    let rows = w.db.begin().snapshot_range(cauce_store::RangeReq::new(range, 1_000)).await.unwrap();
    assert_eq!(rows.len(), 50);
}

#[tokio::test]
async fn texts_tell_messages_apart_where_the_topic_says_so() {
    let w = World::new().await;
    let topic = w.topic("a.fifo").await;
    w.raw(&topic, "q.fifo").await;
    assert_eq!(
        w.refused("Publish", json!({"TopicArn": topic, "Message": "x", "MessageGroupId": "g"})).await,
        "InvalidParameter: Invalid parameter: The topic should either have ContentBasedDeduplication enabled or \
         MessageDeduplicationId provided explicitly"
    );
    assert_eq!(
        w.refused("Publish", json!({"TopicArn": topic, "Message": "x"})).await,
        "InvalidParameter: Invalid parameter: The MessageGroupId parameter is required for FIFO topics"
    );
    let set = |name: &str, value: &str| json!({"TopicArn": topic, "AttributeName": name, "AttributeValue": value});
    w.ok("SetTopicAttributes", set("ContentBasedDeduplication", "true")).await;
    for text in ["x", "x", "y"] {
        publish(&w, &topic, text, "g", None).await;
    }
    publish(&w, &topic, "x", "h", None).await;
    assert_eq!(w.queued().await.len(), 2);
    w.ok("SetTopicAttributes", set("FifoThroughputScope", "MessageGroup")).await;
    publish(&w, &topic, "x", "h", None).await;
    publish(&w, &topic, "x", "i", None).await;
    publish(&w, &topic, "x", "i", None).await;
    assert_eq!(w.queued().await.len(), 2, "each group remembers its own");
    for id in ["", "a b", &"x".repeat(129)] {
        w.refused("Publish", json!({"TopicArn": topic, "Message": "x", "MessageGroupId": id})).await;
    }
}

#[tokio::test]
async fn a_fifo_topic_has_a_hundred_subscriptions() {
    let w = World::new().await;
    let topic = w.topic("a.fifo").await;
    for n in 0..100 {
        w.raw(&topic, &format!("q{n}.fifo")).await;
    }
    let one_more = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue("more.fifo")});
    assert!(w.refused("Subscribe", one_more).await.starts_with("SubscriptionLimitExceeded: "));
    // What is too much for one transaction is refused as a whole, not sent in part.
    let big = json!({"TopicArn": topic, "Message": "x".repeat(100_000), "MessageGroupId": "g", "MessageDeduplicationId": "d"});
    assert!(w.refused("Publish", big).await.contains("Message too long"));
    assert!(w.queued().await.is_empty());
    let entries: Vec<Value> = (0..4)
        .map(|n| json!({"Id": n.to_string(), "Message": "y".repeat(50_000), "MessageGroupId": "g", "MessageDeduplicationId": n.to_string()}))
        .collect();
    let out = w.ok("PublishBatch", json!({"TopicArn": topic, "PublishBatchRequestEntries": entries})).await;
    assert_eq!(out["Successful"].as_array().unwrap().len(), 4, "{out}");
    assert_eq!(w.queued().await.len(), 400);
}

#[tokio::test]
async fn dead_letters_keep_their_group() {
    let w = World::new().await;
    let topic = w.topic("a.fifo").await;
    let dead = format!("{{\"deadLetterTargetArn\":\"{}\"}}", queue("dead.fifo"));
    w.subscribe(&topic, "sqs", &queue("gone.fifo"), json!({"RedrivePolicy": dead})).await;
    publish(&w, &topic, "x", "g", Some("d")).await;
    let dead = w.queued().await;
    assert_eq!((dead[0].queue.as_str(), dead[0].attribute("message-group-id")), ("dead.fifo", Some("g")));
    assert_eq!(dead[0].attribute("message-deduplication-id"), Some("d"));
    let plain = json!({"RedrivePolicy": format!("{{\"deadLetterTargetArn\":\"{}\"}}", queue("dead"))});
    let input = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue("q.fifo"), "Attributes": plain});
    assert!(w.refused("Subscribe", input).await.contains("must use a FIFO queue as DLQ"));
}

#[tokio::test]
async fn a_queue_that_is_no_fifo_queue_may_listen_too() {
    let w = World::new().await;
    let topic = w.topic("a.fifo").await;
    w.subscribe(&topic, "sqs", &queue("plain"), json!({})).await;
    let out = publish(&w, &topic, "x", "g", Some("d")).await;
    let notification: Value = serde_json::from_str(&w.queued().await[0].body).unwrap();
    assert_eq!(notification["SequenceNumber"], out["SequenceNumber"]);
    assert!(notification.get("Signature").is_none(), "messages of FIFO topics are not signed");
}
