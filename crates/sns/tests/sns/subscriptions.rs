//! Subscribing, what is known of subscriptions, ending them.

use serde_json::json;

use crate::world::{ACCOUNT, World, queue};

#[tokio::test]
async fn queues_and_functions_are_subscribed_at_once() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let subscribed = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue("q")});
    let one = w.ok("Subscribe", subscribed.clone()).await;
    assert_eq!(w.ok("Subscribe", subscribed).await, one, "the same endpoint is the same subscription");
    assert_eq!(
        w.refused("Subscribe", json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue("q"), "Attributes": {"RawMessageDelivery": "true"}})).await,
        "InvalidParameter: Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
    );
    let listed = w.ok("ListSubscriptionsByTopic", json!({"TopicArn": topic})).await;
    let expect = json!([{
        "SubscriptionArn": one["SubscriptionArn"], "Owner": ACCOUNT, "Protocol": "sqs", "Endpoint": queue("q"), "TopicArn": topic,
    }]);
    assert_eq!(listed["Subscriptions"], expect);
    assert_eq!(w.ok("ListSubscriptions", json!({})).await["Subscriptions"], expect);
    let shown = w.ok("GetSubscriptionAttributes", json!({"SubscriptionArn": one["SubscriptionArn"]})).await;
    assert_eq!(shown["Attributes"]["PendingConfirmation"], "false");
    assert_eq!(shown["Attributes"]["ConfirmationWasAuthenticated"], "true");
    assert_eq!(shown["Attributes"]["SubscriptionPrincipal"], format!("arn:aws:iam::{ACCOUNT}:root"));
    w.ok("Unsubscribe", json!({"SubscriptionArn": one["SubscriptionArn"]})).await;
    w.ok("Unsubscribe", json!({"SubscriptionArn": one["SubscriptionArn"]})).await;
    assert_eq!(
        w.refused("GetSubscriptionAttributes", json!({"SubscriptionArn": one["SubscriptionArn"]})).await,
        "NotFound: Subscription does not exist"
    );
    w.publish(&topic, "nobody").await;
    assert!(w.queued().await.is_empty());
}

#[tokio::test]
async fn what_is_no_subscriber_is_refused() {
    let w = World::new().await;
    let (topic, fifo) = (w.topic("a").await, w.topic("a.fifo").await);
    let function = format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:f");
    for (topic, protocol, endpoint, expect) in [
        (&topic, "carrier-pigeon", "x", "Amazon SNS does not support this protocol string: carrier-pigeon"),
        (&topic, "email", "a@example.com", "Protocol Reason: email is not supported by this server"),
        (&topic, "sms", "+123", "Protocol Reason: sms is not supported by this server"),
        (&topic, "sqs", "http://queue", "SQS endpoint ARN"),
        (&topic, "sqs", &function, "SQS endpoint ARN"),
        (&topic, "lambda", &queue("q"), "Lambda endpoint ARN"),
        (&topic, "http", "https://a/", "Endpoint must match the specified protocol"),
        (&topic, "https", "a", "Endpoint must match the specified protocol"),
        (&topic, "http", "http://", "Endpoint"),
        (&topic, "sqs", "", "Endpoint Reason: no value for required parameter"),
        (
            &topic,
            "sqs",
            &queue("q.fifo"),
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
        ),
        (&fifo, "lambda", &function, "Invalid parameter: Endpoint Reason: Please use FIFO SQS queue"),
        (&fifo, "http", "http://a/", "Invalid parameter: Endpoint Reason: Please use FIFO SQS queue"),
    ] {
        let refused =
            w.refused("Subscribe", json!({"TopicArn": topic, "Protocol": protocol, "Endpoint": endpoint})).await;
        assert_eq!(refused, format!("InvalidParameter: Invalid parameter: {expect}"), "{protocol} {endpoint}");
    }
    let none = format!("arn:aws:sns:us-east-1:{ACCOUNT}:none");
    let refused = w.refused("Subscribe", json!({"TopicArn": none, "Protocol": "sqs", "Endpoint": queue("q")})).await;
    assert_eq!(refused, "NotFound: Topic does not exist");
    assert_eq!(
        w.refused("Unsubscribe", json!({"SubscriptionArn": topic})).await,
        "InvalidParameter: Invalid parameter: SubscriptionId"
    );
    assert_eq!(
        w.refused("Unsubscribe", json!({"SubscriptionArn": "x:y"})).await,
        "InvalidParameter: Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 2"
    );
}

#[tokio::test]
async fn attributes_are_checked_by_both_operations() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let own = w.subscribe(&topic, "sqs", &queue("q"), json!({})).await;
    for (name, value, expect) in [
        ("Colour", "red", "AttributeName"),
        ("RawMessageDelivery", "yes", "RawMessageDelivery: Invalid value [yes]. Must be true or false."),
        (
            "FilterPolicyScope",
            "Both",
            "FilterPolicyScope: Invalid value [Both]. Please use either MessageBody or MessageAttributes",
        ),
        ("FilterPolicy", "{", "FilterPolicy: failed to parse JSON."),
        ("RedrivePolicy", "{", "RedrivePolicy: failed to parse JSON."),
        ("RedrivePolicy", r#"{"deadLetterTargetArn":"x"}"#, "RedrivePolicy: deadLetterTargetArn is an invalid arn"),
        ("DeliveryPolicy", "{}", "DeliveryPolicy: Delivery protocol [sqs] does not support delivery policies."),
    ] {
        let set = json!({"SubscriptionArn": own, "AttributeName": name, "AttributeValue": value});
        let refused = w.refused("SetSubscriptionAttributes", set).await;
        assert_eq!(refused, format!("InvalidParameter: Invalid parameter: {expect}"));
        let subscribe =
            json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue("other"), "Attributes": {name: value}});
        let refused = w.refused("Subscribe", subscribe).await;
        assert_eq!(refused, format!("InvalidParameter: Invalid parameter: Attributes Reason: {expect}"));
    }
    let set = async |name: &str, value: &str| {
        w.ok(
            "SetSubscriptionAttributes",
            json!({"SubscriptionArn": own, "AttributeName": name, "AttributeValue": value}),
        )
        .await
    };
    set("FilterPolicy", r#"{"a":["x"]}"#).await;
    let dead = format!(r#"{{"deadLetterTargetArn":"{}"}}"#, queue("dead"));
    set("RedrivePolicy", &dead).await;
    let shown = w.ok("GetSubscriptionAttributes", json!({"SubscriptionArn": own})).await["Attributes"].clone();
    assert_eq!(shown["FilterPolicyScope"], "MessageAttributes");
    assert_eq!(shown["RedrivePolicy"], dead);
    set("FilterPolicy", "").await;
    let shown = w.ok("GetSubscriptionAttributes", json!({"SubscriptionArn": own})).await["Attributes"].clone();
    assert!(shown.get("FilterPolicy").is_none() && shown.get("FilterPolicyScope").is_none());
}

#[tokio::test]
async fn lists_come_in_pages() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    for n in 0..205 {
        w.raw(&topic, &format!("q{n}")).await;
    }
    let mut seen = Vec::new();
    let mut token = json!(null);
    loop {
        let page = w.ok("ListSubscriptionsByTopic", json!({"TopicArn": topic, "NextToken": token})).await;
        seen.push(page["Subscriptions"].as_array().unwrap().len());
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(seen, [100, 100, 5]);
    let refused = w.refused("ListSubscriptionsByTopic", json!({"TopicArn": topic, "NextToken": "nonsense"})).await;
    assert_eq!(refused, "InvalidParameter: Invalid parameter: NextToken");
}

#[tokio::test]
async fn a_topic_has_at_most_200_filter_policies() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let policy = json!({"FilterPolicy": "{\"a\":[\"x\"]}"});
    for n in 0..200 {
        w.subscribe(&topic, "sqs", &queue(&format!("q{n}")), policy.clone()).await;
    }
    let one_more = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue("more"), "Attributes": policy});
    assert!(w.refused("Subscribe", one_more).await.starts_with("FilterPolicyLimitExceeded: "));
}
