//! Endpoints by HTTP: the question whether they want messages, deliveries and their repetition, links.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::ports::HttpRequest;
use cauce_core::{Account, Call, Principal};
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

/// A call of somebody who is not the owner.
fn stranger(w: &World, principal: Principal) -> Call {
    Call { principal: Arc::new(principal), ..w.call() }
}

async fn counts(w: &World, topic: &str) -> [String; 3] {
    let shown = w.ok("GetTopicAttributes", json!({"TopicArn": topic})).await;
    let listed = w.ok("ListSubscriptionsByTopic", json!({"TopicArn": topic})).await;
    let attribute = |name: &str| shown["Attributes"][name].as_str().unwrap().to_owned();
    let count = listed["Subscriptions"].as_array().unwrap().len();
    [attribute("SubscriptionsConfirmed"), attribute("SubscriptionsPending"), count.to_string()]
}

#[tokio::test]
async fn an_endpoint_is_told_of_the_end_and_can_take_it_back() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let own = confirmed(&w, &topic, json!({"FilterPolicy": r#"{"k":["v"]}"#})).await;
    let input = json!({"SubscriptionArn": own});
    w.call_as(stranger(&w, Principal::Anonymous), "Unsubscribe", input.clone()).await.unwrap();
    assert_eq!(counts(&w, &topic).await, ["0", "0", "0"]);
    let told = requests(&w).await;
    assert_eq!((told.len(), told[0].url.as_str()), (1, "http://example.com/hook"));
    assert_eq!(header(&told[0], "x-amz-sns-message-type"), Some("UnsubscribeConfirmation"));
    assert_eq!(header(&told[0], "x-amz-sns-subscription-arn"), Some(own.as_str()));
    let news: Value = serde_json::from_slice(&told[0].body).unwrap();
    assert_eq!((&news["Type"], &news["TopicArn"]), (&json!("UnsubscribeConfirmation"), &json!(topic)));
    assert_eq!(header(&told[0], "x-amz-sns-message-id"), news["MessageId"].as_str());
    let said = news["Message"].as_str().unwrap();
    assert!(said.starts_with(&format!("You have chosen to deactivate subscription {own}.\n")), "{said}");
    let token = news["Token"].as_str().unwrap();
    assert!(news["SubscribeURL"].as_str().unwrap().ends_with(&format!("&Token={token}")));
    for wrong in [token.replace('a', "b"), token.repeat(2)] {
        let refused = w.refused("ConfirmSubscription", json!({"TopicArn": topic, "Token": wrong})).await;
        assert_eq!(refused, "InvalidParameter: Invalid parameter: Token", "{wrong}");
    }
    let confirm = json!({"TopicArn": topic, "Token": token});
    let back = w.ok("ConfirmSubscription", confirm.clone()).await;
    assert_eq!(back["SubscriptionArn"], own);
    assert_eq!(w.ok("ConfirmSubscription", confirm.clone()).await, back, "twice is once");
    assert_eq!(counts(&w, &topic).await, ["1", "0", "1"]);
    let shown = w.ok("GetSubscriptionAttributes", input.clone()).await;
    assert_eq!(shown["Attributes"]["FilterPolicy"], r#"{"k":["v"]}"#);
    // Whoever owns it knows what he does.
    w.ok("Unsubscribe", input).await;
    assert!(requests(&w).await.is_empty());
    let refused = w.refused("ConfirmSubscription", confirm).await;
    assert_eq!(refused, "InvalidParameter: Invalid parameter: Token");
}

#[tokio::test]
async fn what_has_ended_is_restored_within_two_days_and_only_while_its_place_is_free() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let end = async |own: &str| {
        let other = Principal::Root { account: Account::new(111_111_111_111).unwrap(), access_key_id: String::new() };
        w.call_as(stranger(&w, other), "Unsubscribe", json!({"SubscriptionArn": own})).await.unwrap();
        let news: Value = serde_json::from_slice(&requests(&w).await[0].body).unwrap();
        json!({"TopicArn": topic, "Token": news["Token"]})
    };
    let confirm = end(&confirmed(&w, &topic, json!({})).await).await;
    let taken = confirmed(&w, &topic, json!({})).await;
    let refused = w.refused("ConfirmSubscription", confirm).await;
    assert_eq!(refused, "InvalidParameter: Invalid parameter: Token");
    let confirm = end(&taken).await;
    w.clock.advance(cauce_sns::TOKEN_LASTS + Duration::from_secs(1));
    let refused = w.refused("ConfirmSubscription", confirm).await;
    assert_eq!(refused, "InvalidParameter: Invalid parameter: Token");
}

#[tokio::test]
async fn what_nobody_confirms_in_two_days_is_removed() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    confirmed(&w, &topic, json!({})).await;
    w.subscribe(&topic, "http", "http://example.com/late", json!({"FilterPolicy": r#"{"k":["v"]}"#})).await;
    w.clock.advance(Duration::from_secs(60));
    w.subscribe(&topic, "http", "http://example.com/later", json!({})).await;
    let asked = requests(&w).await;
    let question: Value = serde_json::from_slice(&asked[1].body).unwrap();
    let sweeps = tokio::spawn(cauce_sns::run_sweeps(Arc::clone(&w.sns)));
    w.clock.advance(cauce_sns::TOKEN_LASTS - Duration::from_secs(60));
    w.settle().await;
    assert_eq!(counts(&w, &topic).await, ["1", "2", "3"]);
    w.clock.advance(cauce_sns::SWEEP_EVERY);
    w.settle().await;
    assert_eq!(counts(&w, &topic).await, ["1", "1", "2"]);
    // The last moment is early enough; what was confirmed stays for ever.
    w.ok("ConfirmSubscription", json!({"TopicArn": topic, "Token": question["Token"]})).await;
    w.clock.advance(3 * cauce_sns::TOKEN_LASTS);
    w.settle().await;
    assert_eq!(counts(&w, &topic).await, ["2", "0", "2"]);
    // It may be subscribed anew, as if it had never been there.
    w.subscribe(&topic, "http", "http://example.com/late", json!({})).await;
    assert_eq!(requests(&w).await.len(), 1);
    sweeps.abort();
}

#[tokio::test]
async fn who_subscribes_again_after_the_token_s_end_gets_another_one() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    let ask = async || {
        let own = w.subscribe(&topic, "http", "http://example.com/hook", json!({})).await;
        let question: Value = serde_json::from_slice(&requests(&w).await[0].body).unwrap();
        (own, question["Token"].clone())
    };
    let (first, again) = (ask().await, ask().await);
    assert_eq!(first, again);
    w.clock.advance(cauce_sns::TOKEN_LASTS + Duration::from_secs(1));
    let (own, token) = ask().await;
    assert_ne!((&own, &token), (&first.0, &first.1));
    let confirmed = w.ok("ConfirmSubscription", json!({"TopicArn": topic, "Token": token})).await;
    assert_eq!(confirmed["SubscriptionArn"], own);
    assert_eq!(counts(&w, &topic).await, ["1", "0", "1"]);
}

#[tokio::test]
async fn an_endpoint_gets_no_more_a_second_than_it_wants_and_others_do_not_wait() {
    let w = World::new().await;
    let topic = w.topic("a").await;
    confirmed(&w, &topic, json!({"DeliveryPolicy": r#"{"throttlePolicy":{"maxReceivesPerSecond":4}}"#})).await;
    w.subscribe(&topic, "http", "http://example.com/free", json!({})).await;
    let asked: Value = serde_json::from_slice(&requests(&w).await[0].body).unwrap();
    w.ok("ConfirmSubscription", json!({"TopicArn": topic, "Token": asked["Token"]})).await;
    for n in 0..6 {
        w.publish(&topic, &n.to_string()).await;
    }
    let of = |all: &[HttpRequest], end: &str| all.iter().filter(|request| request.url.ends_with(end)).count();
    let first = requests(&w).await;
    assert_eq!((of(&first, "hook"), of(&first, "free")), (1, 6));
    for _ in 0..3 {
        w.clock.advance(Duration::from_millis(250));
        assert_eq!(of(&requests(&w).await, "hook"), 1);
    }
    // Nor is there more after a restart, or when everything was sent meanwhile.
    let w = w.restart(3).await;
    let mut rest = of(&requests(&w).await, "hook");
    for _ in 0..8 {
        w.clock.advance(Duration::from_millis(250));
        let sent = of(&requests(&w).await, "hook");
        assert!(sent <= 1);
        rest += sent;
    }
    assert_eq!(rest, 2);
}
