//! From a publication to its subscribers.

use serde_json::{Value, json};

use crate::world::{ACCOUNT, World, queue};

#[tokio::test]
async fn a_queue_gets_the_notification_and_a_raw_one_the_text() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    w.raw(&topic, "raw").await;
    let own = w.subscribe(&topic, "sqs", &queue("full"), json!({})).await;
    let attributes = json!({"kind": {"DataType": "String", "StringValue": "x"}, "bytes": {"DataType": "Binary", "BinaryValue": "aGk="}});
    let published = w
        .ok(
            "Publish",
            json!({"TopicArn": topic, "Message": "hello \"there\"", "Subject": "S", "MessageAttributes": attributes}),
        )
        .await;
    let mut queued = w.queued().await;
    queued.sort_by(|a, b| a.queue.cmp(&b.queue));
    let [full, raw] = &queued[..] else { panic!("{queued:?}") };
    assert_eq!(raw.body, "hello \"there\"");
    assert_eq!(raw.attribute("message-attribute/kind/String"), Some("x"));
    assert_eq!(raw.attribute("message-attribute/bytes/Binary"), Some("aGk="));
    assert!(!full.attributes.iter().any(|(name, _)| name.starts_with("message-attribute/")));
    let notification: Value = serde_json::from_str(&full.body).unwrap();
    assert_eq!(notification["Type"], "Notification");
    assert_eq!(notification["MessageId"], published["MessageId"]);
    assert_eq!(notification["TopicArn"], topic);
    assert_eq!(notification["Subject"], "S");
    assert_eq!(notification["Message"], "hello \"there\"");
    assert_eq!(notification["Timestamp"], "2026-03-06T12:00:00.000Z");
    assert_eq!(notification["SignatureVersion"], "1");
    assert_eq!(notification["MessageAttributes"]["kind"], json!({"Type": "String", "Value": "x"}));
    assert_eq!(notification["MessageAttributes"]["bytes"], json!({"Type": "Binary", "Value": "aGk="}));
    let url = notification["UnsubscribeURL"].as_str().unwrap();
    assert_eq!(url, format!("http://127.0.0.1:4566/?Action=Unsubscribe&SubscriptionArn={own}"));
    assert!(full.body.starts_with("{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : "), "{}", full.body);
}

#[tokio::test]
async fn a_function_gets_a_record() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let own = w.subscribe(&topic, "lambda", &format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"), json!({})).await;
    w.publish(&topic, "hello").await;
    w.settle().await;
    let events = w.functions.0.lock().clone();
    let record = &events[0]["Records"][0];
    assert_eq!((&record["EventSource"], &record["EventVersion"]), (&json!("aws:sns"), &json!("1.0")));
    assert_eq!(record["EventSubscriptionArn"], own);
    let sns = &record["Sns"];
    assert_eq!((&sns["Message"], &sns["Subject"]), (&json!("hello"), &Value::Null));
    assert_eq!(sns["MessageAttributes"], json!({}));
    assert!(sns["SigningCertUrl"].as_str().unwrap().starts_with("http://127.0.0.1:4566/SimpleNotificationService-"));
}

#[tokio::test]
async fn each_protocol_may_get_a_text_of_its_own() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    w.raw(&topic, "q").await;
    w.subscribe(&topic, "lambda", &format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"), json!({})).await;
    let texts = json!({"default": "for all", "sqs": "for queues", "email": "for nobody here", "http": 5});
    w.ok("Publish", json!({"TopicArn": topic, "Message": texts.to_string(), "MessageStructure": "json"})).await;
    w.settle().await;
    assert_eq!(w.queued().await[0].body, "for queues");
    assert_eq!(w.functions.0.lock()[0]["Records"][0]["Sns"]["Message"], "for all");
    for (message, expect) in [
        ("{\"sqs\":\"x\"}", "Message Structure - No default entry in JSON message body"),
        ("{\"default\":1}", "Message Structure - No default entry in JSON message body"),
        ("nonsense", "Message Structure - JSON message body failed to parse"),
        ("[]", "Message Structure - JSON message body failed to parse"),
    ] {
        let refused =
            w.refused("Publish", json!({"TopicArn": topic, "Message": message, "MessageStructure": "json"})).await;
        assert_eq!(refused, format!("InvalidParameter: Invalid parameter: {expect}"), "{message}");
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let big = "x".repeat(256 * 1_024 + 1);
    for (input, expect) in [
        (json!({"Message": ""}), "Invalid parameter: Empty message"),
        (json!({"Message": big}), "Invalid parameter: Message too long"),
        (json!({"Message": "x", "Subject": ""}), "Invalid parameter: Subject"),
        (json!({"Message": "x", "Subject": "s".repeat(101)}), "Invalid parameter: Subject"),
        (json!({"Message": "x", "Subject": "a\nb"}), "Invalid parameter: Subject"),
        (
            json!({"Message": "x", "MessageStructure": "xml"}),
            "Invalid parameter: Invalid message structure. Must be json",
        ),
        (
            json!({"Message": "x", "MessageDeduplicationId": "1"}),
            "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not \
             valid for this topic type",
        ),
        (
            json!({"Message": "x", "PhoneNumber": "+49123"}),
            "Invalid parameter: PhoneNumber Reason: SMS is not supported by this server",
        ),
    ] {
        let mut input = input;
        input["TopicArn"] = topic.clone().into();
        assert_eq!(w.refused("Publish", input).await, format!("InvalidParameter: {expect}"));
    }
    assert_eq!(
        w.refused("Publish", json!({"Message": "x"})).await,
        "InvalidParameter: Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter"
    );
    let attribute = json!({"a": {"DataType": "Number", "StringValue": "x"}});
    assert_eq!(
        w.refused("Publish", json!({"TopicArn": topic, "Message": "x", "MessageAttributes": attribute})).await,
        "ParameterValueInvalid: Could not cast message attribute 'a' value to number."
    );
    let fits = "x".repeat(256 * 1_024 - 11);
    let attribute = json!({"abcd": {"DataType": "String", "StringValue": "y"}});
    w.ok("Publish", json!({"TopicArn": topic, "Message": fits, "MessageAttributes": attribute})).await;
    w.refused("Publish", json!({"TopicArn": topic, "Message": format!("{fits}x"), "MessageAttributes": attribute}))
        .await;
}

#[tokio::test]
async fn a_batch_reports_each_message() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    w.raw(&topic, "q").await;
    let entries = json!([{"Id": "1", "Message": "one"}, {"Id": "2", "Message": ""}, {"Id": "3", "Message": "three"}]);
    let out = w.ok("PublishBatch", json!({"TopicArn": topic, "PublishBatchRequestEntries": entries})).await;
    assert_eq!(out["Successful"].as_array().unwrap().len(), 2);
    assert_eq!(
        out["Failed"],
        json!([{"Id": "2", "Code": "InvalidParameter", "Message": "Invalid parameter: Empty message", "SenderFault": true}])
    );
    let bodies: Vec<String> = w.queued().await.into_iter().map(|m| m.body).collect();
    assert_eq!(bodies, ["one", "three"]);
    let of = |ids: &[&str]| ids.iter().map(|id| json!({"Id": id, "Message": "x"})).collect::<Vec<_>>();
    let eleven: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
    for (entries, code) in [
        (of(&[]), "EmptyBatchRequest"),
        (of(&eleven), "TooManyEntriesInBatchRequest"),
        (of(&["a", "a"]), "BatchEntryIdsNotDistinct"),
        (of(&["a b"]), "InvalidBatchEntryId"),
        (
            vec![
                json!({"Id": "1", "Message": "x".repeat(200_000)}),
                json!({"Id": "2", "Message": "x".repeat(100_000)}),
            ],
            "BatchRequestTooLong",
        ),
    ] {
        let refused =
            w.refused("PublishBatch", json!({"TopicArn": topic, "PublishBatchRequestEntries": entries})).await;
        assert!(refused.starts_with(&format!("{code}: ")), "{refused}");
    }
    assert!(w.queued().await.is_empty());
}

#[tokio::test]
async fn what_was_published_is_in_the_queue_after_a_restart() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    w.raw(&topic, "q").await;
    w.publish(&topic, "before").await;
    let w = w.restart(7).await;
    w.publish(&topic, "after").await;
    let bodies: Vec<String> = w.queued().await.into_iter().map(|m| m.body).collect();
    assert_eq!(bodies, ["before", "after"]);
}

#[tokio::test]
async fn what_cannot_be_delivered_goes_to_the_dead_letters() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let dead = json!({"RawMessageDelivery": "true", "RedrivePolicy": format!("{{\"deadLetterTargetArn\":\"{}\"}}", queue("dead"))});
    w.subscribe(&topic, "sqs", &queue("gone"), dead).await;
    w.publish(&topic, "lost and found").await;
    let queued = w.queued().await;
    assert_eq!((queued[0].queue.as_str(), queued[0].body.as_str()), ("dead", "lost and found"));
}

#[tokio::test]
async fn more_subscriptions_than_one_transaction_takes_all_get_the_message_once() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    for n in 0..1_150 {
        w.raw(&topic, &format!("q{n:04}")).await;
    }
    w.publish(&topic, "to everybody").await;
    let first = w.queued().await;
    assert_eq!(first.len(), cauce_sns::FAN_OUT_MAX, "the rest comes after the commit");
    // The program ends before the rest was sent.
    let w = w.restart(9).await;
    w.settle().await;
    let mut queues: Vec<String> = first.into_iter().chain(w.queued().await).map(|m| m.queue).collect();
    queues.sort();
    let expect: Vec<String> = (0..1_150).map(|n| format!("q{n:04}")).collect();
    assert_eq!(queues, expect);
}

#[tokio::test]
async fn another_service_publishes_only_if_the_topic_lets_it() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    w.raw(&topic, "q").await;
    w.send("events.amazonaws.com", &topic, "{\"detail\":1}", Some(&queue("dead"))).await;
    let refused = w.queued().await;
    assert_eq!(refused[0].queue, "dead");
    assert!(
        refused[0]
            .attribute("message-attribute/ERROR_MESSAGE/String")
            .unwrap()
            .contains("not authorized to perform: sns:Publish")
    );
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic,
    }]});
    let set = json!({"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy.to_string()});
    w.ok("SetTopicAttributes", set).await;
    w.send("events.amazonaws.com", &topic, "{\"detail\":1}", None).await;
    let queued = w.queued().await;
    assert_eq!((queued[0].queue.as_str(), queued[0].body.as_str()), ("q", "{\"detail\":1}"));
    let none = format!("arn:aws:sns:us-east-1:{ACCOUNT}:none");
    w.send("events.amazonaws.com", &none, "x", Some(&queue("dead"))).await;
    assert_eq!(w.queued().await[0].attribute("message-attribute/ERROR_CODE/String"), Some("NO_RESOURCE"));
}

#[tokio::test]
async fn nobody_else_sends_to_a_subscription() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let own = w.raw(&topic, "q").await;
    w.send("events.amazonaws.com", &own, "x", Some(&queue("dead"))).await;
    assert_eq!(w.queued().await[0].attribute("message-attribute/ERROR_CODE/String"), Some("NO_RESOURCE"));
}
