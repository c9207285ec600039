//! Topics, their attributes, permissions and tags.

use serde_json::{Value, json};

use crate::world::{ACCOUNT, World, queue};

fn arn(name: &str) -> String {
    format!("arn:aws:sns:us-east-1:{ACCOUNT}:{name}")
}

#[tokio::test]
async fn a_topic_is_made_once_and_found_again() {
    let w = World::new().await;
    let (one, again) = (w.topic("a").await, w.topic("a").await);
    assert_eq!((&one, &again), (&arn("a"), &one));
    w.ok("CreateTopic", json!({"Name": "b", "Attributes": {"DisplayName": "B"}, "Tags": [{"Key": "k", "Value": "v"}]}))
        .await;
    assert_eq!(
        w.refused("CreateTopic", json!({"Name": "b", "Attributes": {"DisplayName": "C"}})).await,
        "InvalidParameter: Invalid parameter: Attributes Reason: Topic already exists with different attributes"
    );
    assert_eq!(
        w.refused("CreateTopic", json!({"Name": "b", "Tags": [{"Key": "k", "Value": "w"}]})).await,
        "InvalidParameter: Invalid parameter: Tags Reason: Topic already exists with different tags"
    );
    let listed = w.ok("ListTopics", json!({})).await;
    assert_eq!(listed["Topics"], json!([{"TopicArn": arn("a")}, {"TopicArn": arn("b")}]));
    w.ok("DeleteTopic", json!({"TopicArn": one})).await;
    w.ok("DeleteTopic", json!({"TopicArn": one})).await;
    assert_eq!(w.refused("GetTopicAttributes", json!({"TopicArn": one})).await, "NotFound: Topic does not exist");
}

#[tokio::test]
async fn names_and_arns_are_refused_in_the_words_of_aws() {
    let w = World::new().await;
    for name in ["", "a b", "a.b", "a.fifo", &"x".repeat(257)] {
        let refused = w.refused("CreateTopic", json!({"Name": name})).await;
        assert_eq!(refused, "InvalidParameter: Invalid parameter: Topic Name", "{name}");
    }
    let fifo = w.refused("CreateTopic", json!({"Name": "a", "Attributes": {"FifoTopic": "true"}})).await;
    assert!(fifo.contains("Fifo Topic names must end with .fifo"), "{fifo}");
    assert_eq!(
        w.refused("GetTopicAttributes", json!({"TopicArn": "x"})).await,
        "InvalidParameter: Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"
    );
    for wrong in
        ["arn:aws:sqs:us-east-1:000000000000:a", "arn:aws:sns:eu-west-1:000000000000:a", "arn:aws:sns:us-east-1::a"]
    {
        let refused = w.refused("GetTopicAttributes", json!({"TopicArn": wrong})).await;
        assert_eq!(refused, "InvalidParameter: Invalid parameter: TopicArn", "{wrong}");
    }
}

#[tokio::test]
async fn attributes_are_checked_kept_and_shown() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let shown = async || w.ok("GetTopicAttributes", json!({"TopicArn": topic})).await["Attributes"].clone();
    let first = shown().await;
    assert_eq!(first["Owner"], ACCOUNT);
    assert_eq!(first["SubscriptionsConfirmed"], "0");
    let policy: Value = serde_json::from_str(first["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(policy["Id"], "__default_policy_ID");
    assert!(first["EffectiveDeliveryPolicy"].as_str().unwrap().contains("\"numRetries\":3"));
    assert!(first.get("FifoTopic").is_none());
    let set = async |name: &str, value: &str| {
        w.try_call("SetTopicAttributes", json!({"TopicArn": topic, "AttributeName": name, "AttributeValue": value}))
            .await
    };
    set("DisplayName", "Orders").await.unwrap();
    set("SignatureVersion", "2").await.unwrap();
    set("DeliveryPolicy", r#"{"http":{"defaultHealthyRetryPolicy":{"numRetries":5}}}"#).await.unwrap();
    let second = shown().await;
    assert_eq!((&second["DisplayName"], &second["SignatureVersion"]), (&json!("Orders"), &json!("2")));
    assert!(second["EffectiveDeliveryPolicy"].as_str().unwrap().contains("\"numRetries\":5"));
    set("DeliveryPolicy", "").await.unwrap();
    assert!(shown().await.get("DeliveryPolicy").is_none());
    for (name, value) in [
        ("Colour", "red"),
        ("FifoTopic", "true"),
        ("TopicArn", "x"),
        ("SignatureVersion", "3"),
        ("TracingConfig", "On"),
        ("ContentBasedDeduplication", "true"),
        ("FifoThroughputScope", "Topic"),
        ("DisplayName", &"x".repeat(101)),
        ("DeliveryPolicy", "{"),
        ("Policy", "no policy"),
        ("Policy", r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}"#),
        ("SQSSuccessFeedbackSampleRate", "101"),
        ("ArchivePolicy", "{}"),
    ] {
        let refused = set(name, value).await.expect_err(name).to_string();
        assert!(refused.starts_with("InvalidParameter: Invalid parameter: "), "{name}: {refused}");
    }
}

#[tokio::test]
async fn permissions_become_statements() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let add = |label: &str, account: &str, action: &str| json!({"TopicArn": topic, "Label": label, "AWSAccountId": [account], "ActionName": [action]});
    w.ok("AddPermission", add("one", "111111111111", "Publish")).await;
    let shown = w.ok("GetTopicAttributes", json!({"TopicArn": topic})).await;
    let policy: Value = serde_json::from_str(shown["Attributes"]["Policy"].as_str().unwrap()).unwrap();
    let expect = json!({
        "Sid": "one", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "SNS:Publish",
        "Resource": topic,
    });
    assert_eq!(policy["Statement"][1], expect);
    assert_eq!(
        w.refused("AddPermission", add("one", "111111111111", "Publish")).await,
        "InvalidParameter: Invalid parameter: Statement already exists"
    );
    assert_eq!(
        w.refused("AddPermission", add("two", "111111111111", "Explode")).await,
        "InvalidParameter: Invalid parameter: Policy statement action out of service scope!"
    );
    w.refused("AddPermission", add("two", "1", "Publish")).await;
    w.refused("AddPermission", add("", "111111111111", "Publish")).await;
    w.ok("RemovePermission", json!({"TopicArn": topic, "Label": "one"})).await;
    w.refused("RemovePermission", json!({"TopicArn": topic, "Label": "one"})).await;
}

#[tokio::test]
async fn tags_are_kept_within_their_limits() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let tags =
        |from: usize, to: usize| (from..to).map(|n| json!({"Key": format!("k{n}"), "Value": "v"})).collect::<Vec<_>>();
    w.ok("TagResource", json!({"ResourceArn": topic, "Tags": tags(0, 50)})).await;
    assert_eq!(
        w.refused("TagResource", json!({"ResourceArn": topic, "Tags": tags(50, 51)})).await,
        "TagLimitExceeded: Could not complete request: tag quota of per resource exceeded"
    );
    w.ok("UntagResource", json!({"ResourceArn": topic, "TagKeys": ["k0"]})).await;
    let listed = w.ok("ListTagsForResource", json!({"ResourceArn": topic})).await;
    assert_eq!(listed["Tags"].as_array().unwrap().len(), 49);
    assert_eq!(
        w.refused(
            "TagResource",
            json!({"ResourceArn": topic, "Tags": [{"Key": "k", "Value": ""}, {"Key": "k", "Value": ""}]})
        )
        .await,
        "InvalidParameter: Invalid parameter: Duplicated keys are not allowed."
    );
    assert_eq!(
        w.refused("ListTagsForResource", json!({"ResourceArn": arn("none")})).await,
        "ResourceNotFound: Resource does not exist"
    );
}

#[tokio::test]
async fn a_topic_made_anew_has_none_of_the_old_subscriptions() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    w.raw(&topic, "q").await;
    w.publish(&topic, "one").await;
    w.ok("DeleteTopic", json!({"TopicArn": topic})).await;
    assert_eq!(
        w.refused("Publish", json!({"TopicArn": topic, "Message": "x"})).await,
        "NotFound: Topic does not exist"
    );
    w.topic("a").await;
    w.publish(&topic, "two").await;
    assert_eq!(w.queued().await.iter().map(|m| m.body.as_str()).collect::<Vec<_>>(), ["one"]);
    let subscribed = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue("q")});
    w.ok("Subscribe", subscribed).await;
    let shown = w.ok("GetTopicAttributes", json!({"TopicArn": topic})).await;
    assert_eq!(shown["Attributes"]["SubscriptionsConfirmed"], "1");
}
