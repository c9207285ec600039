//! How deep queues are, as it is measured.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use std::sync::Arc;

use cauce_core::ports::KeptMetrics;
use cauce_sqs::ACTIVE_LASTS;
use serde_json::json;
use world::World;

/// What the next look at the queues finds of one: visible, not visible and delayed messages, and the age of the oldest in seconds.
async fn look(w: &World, name: &str) -> Option<[f64; 4]> {
    let kept = KeptMetrics::default();
    w.sqs.measure(Arc::new(kept.clone()));
    let gauges = tokio::spawn(cauce_sqs::run_gauges(Arc::clone(&w.sqs)));
    // It looks at once, and then sleeps in a time that stands still.
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
    }
    gauges.abort();
    let of = |name: &str, queue: &str| kept.take(name, &[("QueueName", queue)]);
    let visible = of("ApproximateNumberOfMessagesVisible", name);
    (!visible.is_empty()).then(|| {
        assert_eq!(visible.count(), 1.0);
        [
            visible.sum(),
            of("ApproximateNumberOfMessagesNotVisible", name).sum(),
            of("ApproximateNumberOfMessagesDelayed", name).sum(),
            of("ApproximateAgeOfOldestMessage", name).sum(),
        ]
    })
}

#[tokio::test]
async fn queues_that_nobody_has_used_since_the_start_are_measured() {
    let w = World::new().await;
    let url = w.queue("q", json!({ "VisibilityTimeout": "600" })).await;
    w.queue("empty", json!({})).await;
    for body in ["a", "b", "c"] {
        w.send(&url, body).await;
    }
    w.must("SendMessage", json!({ "QueueUrl": url, "MessageBody": "d", "DelaySeconds": 900 })).await;
    assert_eq!(w.receive_with(&url, json!({ "MaxNumberOfMessages": 1 })).await.len(), 1);
    w.advance(20);
    let w = w.restart(2).await;
    assert_eq!(look(&w, "q").await, Some([2.0, 1.0, 1.0, 20.0]));
    let w = w.restart(3).await;
    assert_eq!(look(&w, "empty").await, Some([0.0; 4]));
}

#[tokio::test]
async fn an_empty_queue_that_nobody_uses_goes_to_sleep() {
    let w = World::new().await;
    w.queue("empty", json!({})).await;
    w.advance(ACTIVE_LASTS.as_secs() - 1);
    assert_eq!(look(&w, "empty").await, Some([0.0; 4]));
    let w = World::new().await;
    let url = w.queue("full", json!({})).await;
    w.queue("empty", json!({})).await;
    w.send(&url, "a").await;
    w.advance(ACTIVE_LASTS.as_secs());
    assert_eq!(look(&w, "empty").await, None);
    let w = w.restart(2).await;
    w.advance(ACTIVE_LASTS.as_secs());
    assert_eq!(look(&w, "full").await, Some([1.0, 0.0, 0.0, 2.0 * ACTIVE_LASTS.as_secs_f64()]));
}
