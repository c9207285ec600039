//! Endpoints by HTTP: the question whether they want messages, deliveries and their repetition, links.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::ports::HttpRequest;
use cauce_sns::Site;
use cauce_wire::{RawService as _, RequestHead};
use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};

use crate::world::{World, queue};

fn header<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    request.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

async fn requests(w: &World) -> Vec<HttpRequest> {
    w.settle().await;
    std::mem::take(&mut *w.web.requests.lock())
}

/// A confirmed subscription.
async fn confirmed(w: &World, topic: &str, attributes: Value) -> String {
    let own = w.subscribe(topic, "http", "http://example.com/hook", attributes).await;
    let asked: Value = serde_json::from_slice(&requests(w).await[0].body).unwrap();
    w.ok("ConfirmSubscription", json!({"TopicArn": topic, "Token": asked["Token"]})).await;
    own
}

#[tokio::test]
async fn an_endpoint_gets_messages_once_it_has_confirmed() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let out =
        w.ok("Subscribe", json!({"TopicArn": topic, "Protocol": "http", "Endpoint": "http://example.com/hook"})).await;
    assert_eq!(out["SubscriptionArn"], "pending confirmation");
    let asked = requests(&w).await;
    assert_eq!((asked[0].url.as_str(), asked[0].method.as_str()), ("http://example.com/hook", "POST"));
    assert_eq!(header(&asked[0], "x-amz-sns-message-type"), Some("SubscriptionConfirmation"));
    let question: Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(question["Type"], "SubscriptionConfirmation");
    let url = question["SubscribeURL"].as_str().unwrap();
    let token = question["Token"].as_str().unwrap();
    assert_eq!(url, format!("http://127.0.0.1:4566/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}"));
    w.publish(&topic, "too early").await;
    assert!(requests(&w).await.is_empty());
    let front = token.strip_suffix(char::is_alphanumeric).unwrap();
    let last = if token.ends_with('0') { '1' } else { '0' };
    for wrong in ["", "x", &format!("{front}{last}"), front] {
        let refused = w.refused("ConfirmSubscription", json!({"TopicArn": topic, "Token": wrong})).await;
        assert_eq!(refused, "InvalidParameter: Invalid parameter: Token", "{wrong}");
    }
    let out = w.ok("ConfirmSubscription", json!({"TopicArn": topic, "Token": token})).await;
    let again = w.ok("ConfirmSubscription", json!({"TopicArn": topic, "Token": token})).await;
    assert_eq!(out, again, "confirming twice is confirming once");
    w.publish(&topic, "now").await;
    let sent = requests(&w).await;
    assert_eq!(header(&sent[0], "x-amz-sns-message-type"), Some("Notification"));
    assert_eq!(header(&sent[0], "x-amz-sns-topic-arn"), Some(topic.as_str()));
    assert_eq!(header(&sent[0], "x-amz-sns-subscription-arn"), out["SubscriptionArn"].as_str());
    let body: Value = serde_json::from_slice(&sent[0].body).unwrap();
    assert_eq!(
        (&body["Message"], header(&sent[0], "x-amz-sns-message-id")),
        (&json!("now"), body["MessageId"].as_str())
    );
    let shown = w.ok("GetTopicAttributes", json!({"TopicArn": topic})).await;
    assert_eq!(shown["Attributes"]["SubscriptionsConfirmed"], "1");
    assert_eq!(shown["Attributes"]["SubscriptionsPending"], "0");
}

#[tokio::test]
async fn a_token_is_good_for_two_days() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    w.subscribe(&topic, "http", "http://example.com/hook", json!({})).await;
    let asked: Value = serde_json::from_slice(&requests(&w).await[0].body).unwrap();
    w.clock.advance(cauce_sns::TOKEN_LASTS + Duration::from_secs(1));
    let refused = w.refused("ConfirmSubscription", json!({"TopicArn": topic, "Token": asked["Token"]})).await;
    assert_eq!(refused, "InvalidParameter: Invalid parameter: Token");
}

#[tokio::test]
async fn failures_are_repeated_as_the_policy_says_and_then_given_up() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let attributes = json!({
        "RawMessageDelivery": "true",
        "DeliveryPolicy": r#"{"healthyRetryPolicy":{"numRetries":3,"numNoDelayRetries":1,"minDelayTarget":10,"maxDelayTarget":30},"requestPolicy":{"headerContentType":"application/json"}}"#,
        "RedrivePolicy": format!(r#"{{"deadLetterTargetArn":"{}"}}"#, queue("dead")),
    });
    confirmed(&w, &topic, attributes).await;
    *w.web.statuses.lock() = vec![500, 429, 503];
    w.publish(&topic, "{}").await;
    let first = requests(&w).await;
    assert_eq!(first.len(), 2, "the first repetition follows at once");
    assert_eq!(header(&first[0], "content-type"), Some("application/json"));
    assert_eq!((&first[0].body[..], header(&first[0], "x-amz-sns-rawdelivery")), (&b"{}"[..], Some("true")));
    w.clock.advance(Duration::from_secs(10));
    assert_eq!(requests(&w).await.len(), 1);
    w.clock.advance(Duration::from_secs(29));
    assert_eq!(requests(&w).await.len(), 0);
    assert!(w.queued().await.is_empty());
    w.clock.advance(Duration::from_secs(1));
    assert_eq!(requests(&w).await.len(), 1);
    let dead = w.queued().await;
    assert_eq!((dead[0].queue.as_str(), dead[0].body.as_str()), ("dead", "{}"));
}

#[tokio::test]
async fn what_the_endpoint_refuses_is_not_repeated() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    confirmed(&w, &topic, json!({"RedrivePolicy": format!(r#"{{"deadLetterTargetArn":"{}"}}"#, queue("dead"))})).await;
    *w.web.statuses.lock() = vec![403];
    w.publish(&topic, "x").await;
    assert_eq!(requests(&w).await.len(), 1);
    assert_eq!(w.queued().await.len(), 1);
}

#[tokio::test]
async fn deliveries_survive_a_restart() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    confirmed(&w, &topic, json!({})).await;
    *w.web.statuses.lock() = vec![500];
    w.publish(&topic, "x").await;
    requests(&w).await;
    let w = w.restart(3).await;
    w.clock.advance(Duration::from_secs(20));
    assert_eq!(requests(&w).await.len(), 1);
}

#[tokio::test]
async fn only_the_links_of_sns_are_taken_without_a_signature() {
    let w = World::new().await;
    let site = Site::new(Arc::clone(&w.sns));
    let headers = HeaderMap::new();
    for (method, uri, taken) in [
        (Method::GET, "/?Action=ConfirmSubscription&TopicArn=x&Token=y", true),
        (Method::GET, "/?Action=Unsubscribe&SubscriptionArn=x", true),
        (Method::GET, "/SimpleNotificationService-0.pem", true),
        (Method::GET, "/?Action=Publish&Message=x", false),
        (Method::GET, "/", false),
        (Method::GET, "/bucket?Action=Unsubscribe", false),
        (Method::POST, "/?Action=Unsubscribe&SubscriptionArn=x", false),
        (Method::GET, "/bucket/SimpleNotificationService-0.pem", false),
    ] {
        let parsed: Uri = uri.parse().unwrap();
        let head = RequestHead { method: &method, uri: &parsed, headers: &headers };
        assert_eq!(site.takes_unsigned(&head), taken, "{method} {uri}");
    }
}
