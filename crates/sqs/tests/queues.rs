//! Queues through their operations, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use std::time::Duration;

use cauce_core::Arn;
use cauce_delivery::{Effect, Policy, dead_letters, message};
use cauce_sqs::SqsOptions;
use serde_json::{Value, json};
use world::{World, bodies};

#[tokio::test]
async fn a_message_is_received_hidden_and_deleted() {
    let w = World::new().await;
    let url = w.queue("q", json!({ "VisibilityTimeout": "30" })).await;
    let sent = w.send(&url, "hello").await;
    assert_eq!(sent["MD5OfMessageBody"], "5d41402abc4b2a76b9719d911017c592");
    let first = w.receive(&url).await;
    assert_eq!(bodies(&first), ["hello"]);
    assert_eq!(first[0]["MessageId"], sent["MessageId"]);
    assert_eq!(w.receive(&url).await, [Value::Null; 0]);
    assert_eq!(w.counts(&url).await, [0, 1, 0]);
    w.advance(30);
    let second = w.receive(&url).await;
    assert_eq!(second[0]["Attributes"]["ApproximateReceiveCount"], "2");
    // The handle of the first reception deletes nothing.
    w.delete(&url, &first[0]).await;
    w.advance(30);
    let third = w.receive(&url).await;
    w.delete(&url, &third[0]).await;
    w.advance(43_200);
    assert_eq!((w.receive(&url).await.len(), w.counts(&url).await), (0, [0, 0, 0]));
}

#[tokio::test]
async fn what_was_answered_outlives_the_process() {
    let w = World::new().await;
    let url = w.queue("q", json!({})).await;
    for body in ["a", "b", "c", "d"] {
        w.send(&url, body).await;
    }
    let received = w.receive_with(&url, json!({ "MaxNumberOfMessages": 3 })).await;
    w.delete(&url, &received[0]).await;
    let handle = received[1]["ReceiptHandle"].clone();
    w.must("ChangeMessageVisibility", json!({ "QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 300 }))
        .await;
    let w = w.restart(2).await;
    assert_eq!(w.counts(&url).await, [1, 2, 0]);
    assert_eq!(bodies(&w.receive(&url).await), ["d"]);
    w.advance(30);
    let again = w.receive(&url).await;
    assert_eq!(bodies(&again), ["c", "d"]);
    assert_eq!(again[0]["Attributes"]["ApproximateReceiveCount"], "2");
    // The receipt of before still holds.
    w.delete(&url, &received[1]).await;
    w.advance(300);
    assert_eq!(bodies(&w.receive(&url).await), ["c", "d"]);
}

#[tokio::test]
async fn a_reception_waits_and_is_woken_at_once() {
    let w = std::sync::Arc::new(World::new().await);
    let url = w.queue("q", json!({})).await;
    let waiting = {
        let (w, url) = (w.clone(), url.clone());
        tokio::spawn(async move { w.receive_with(&url, json!({ "WaitTimeSeconds": 20 })).await })
    };
    tokio::task::yield_now().await;
    w.send(&url, "x").await;
    assert_eq!(bodies(&waiting.await.unwrap()), ["x"]);
    // A delayed message ends the wait when it is due, and the end of the wait is the end of it.
    let waiting = {
        let (w, url) = (w.clone(), url.clone());
        tokio::spawn(async move { w.receive_with(&url, json!({ "WaitTimeSeconds": 20 })).await })
    };
    tokio::task::yield_now().await;
    w.must("SendMessage", json!({ "QueueUrl": url, "MessageBody": "later", "DelaySeconds": 5 })).await;
    assert_eq!(w.counts(&url).await, [0, 1, 1]);
    w.advance(4);
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    w.advance(1);
    assert_eq!(bodies(&waiting.await.unwrap()), ["later"]);
    let waiting = {
        let (w, url) = (w.clone(), url.clone());
        tokio::spawn(async move { w.receive_with(&url, json!({ "WaitTimeSeconds": 20 })).await })
    };
    tokio::task::yield_now().await;
    w.advance(20);
    assert_eq!(waiting.await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_standard_queue_full_of_messages_in_flight_says_so_to_whoever_does_not_wait() {
    let w = std::sync::Arc::new(World::with(SqsOptions { in_flight_max: 3, ..SqsOptions::default() }).await);
    let url = w.queue("q", json!({})).await;
    for n in 0..5 {
        w.send(&url, &n.to_string()).await;
    }
    let first = w.receive(&url).await;
    assert_eq!(bodies(&first), ["0", "1", "2"]);
    let (code, said) = w.refused("ReceiveMessage", json!({ "QueueUrl": url })).await;
    assert_eq!((code.as_str(), said.contains('3')), ("OverLimit", true));
    // The one that waits is told nothing, and served as soon as there is room.
    let wait = || {
        let (w, url) = (w.clone(), url.clone());
        tokio::spawn(async move { w.receive_with(&url, json!({ "WaitTimeSeconds": 20 })).await })
    };
    let waiting = wait();
    tokio::task::yield_now().await;
    w.delete(&url, &first[0]).await;
    assert_eq!(bodies(&waiting.await.unwrap()), ["3"]);
    let waiting = wait();
    tokio::task::yield_now().await;
    w.advance(20);
    assert_eq!(waiting.await.unwrap(), [Value::Null; 0]);
    // What becomes visible makes room too, while somebody waits and when nobody does.
    let waiting = wait();
    tokio::task::yield_now().await;
    w.advance(10);
    assert_eq!(bodies(&waiting.await.unwrap()), ["1"]);
    w.advance(30);
    assert_eq!(bodies(&w.receive(&url).await), ["1", "2", "3"]);
    assert_eq!(w.counts(&url).await, [1, 3, 0]);
}

#[tokio::test]
async fn a_fifo_queue_full_of_messages_in_flight_says_nothing() {
    let w = World::with(SqsOptions { in_flight_fifo_max: 2, ..SqsOptions::default() }).await;
    let url = w.queue("q.fifo", json!({ "FifoQueue": "true" })).await;
    for group in ["a", "b", "c"] {
        w.send_to_group(&url, group, group).await;
    }
    let first = w.receive(&url).await;
    assert_eq!(bodies(&first), ["a", "b"]);
    assert_eq!(w.receive(&url).await, [Value::Null; 0]);
    let w = w.restart(2).await;
    assert_eq!(w.receive(&url).await, [Value::Null; 0]);
    w.delete(&url, &first[1]).await;
    assert_eq!(bodies(&w.receive(&url).await), ["c"]);
}

#[tokio::test]
async fn a_fifo_queue_keeps_the_order_of_groups_and_drops_what_was_sent_before() {
    let w = World::new().await;
    let url = w.queue("q.fifo", json!({ "FifoQueue": "true" })).await;
    let first = w.send_to_group(&url, "a", "1").await;
    w.send_to_group(&url, "a", "2").await;
    w.send_to_group(&url, "b", "3").await;
    let again = w.send_to_group(&url, "a", "1").await;
    assert_eq!((&again["MessageId"], &again["SequenceNumber"]), (&first["MessageId"], &first["SequenceNumber"]));
    let one = w.receive_with(&url, json!({ "MaxNumberOfMessages": 1 })).await;
    assert_eq!(bodies(&one), ["1"]);
    assert_eq!(bodies(&w.receive(&url).await), ["3"]);
    let w = w.restart(2).await;
    assert_eq!(w.receive(&url).await.len(), 0);
    w.delete(&url, &one[0]).await;
    assert_eq!(bodies(&w.receive(&url).await), ["2"]);
    w.advance(30);
    // Too late to delete: others may have it.
    let input = json!({ "QueueUrl": url, "ReceiptHandle": one[0]["ReceiptHandle"] });
    w.must("DeleteMessage", input).await;
    assert_eq!(bodies(&w.receive(&url).await), ["2", "3"]);
    w.advance(271);
    assert_ne!(w.send_to_group(&url, "a", "1").await["MessageId"], first["MessageId"]);
}

#[tokio::test]
async fn what_is_received_too_often_goes_to_the_dead_letter_queue() {
    let w = World::new().await;
    let dead = w.queue("dead", json!({})).await;
    let arn = w.attribute(&dead, "QueueArn").await;
    let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 2 }).to_string();
    let url = w.queue("q", json!({ "RedrivePolicy": policy, "VisibilityTimeout": "10" })).await;
    let sent = w.send(&url, "x").await;
    for _ in 0..2 {
        assert_eq!(bodies(&w.receive(&url).await), ["x"]);
        w.advance(10);
    }
    let w = w.restart(2).await;
    assert_eq!(w.receive(&url).await.len(), 0);
    let found = w.receive(&dead).await;
    assert_eq!(found[0]["MessageId"], sent["MessageId"]);
    assert_eq!(found[0]["Attributes"]["DeadLetterQueueSourceArn"], w.attribute(&url, "QueueArn").await);
    assert_eq!((w.counts(&url).await, w.counts(&dead).await), ([0, 0, 0], [0, 1, 0]));
}

#[tokio::test]
async fn purged_and_deleted_queues_leave_nothing_behind() {
    let w = World::new().await;
    let url = w.queue("q", json!({})).await;
    w.send(&url, "x").await;
    let received = w.receive(&url).await;
    w.send(&url, "y").await;
    w.must("PurgeQueue", json!({ "QueueUrl": url })).await;
    assert_eq!(w.counts(&url).await, [0, 0, 0]);
    w.delete(&url, &received[0]).await;
    assert_eq!(
        w.refused("PurgeQueue", json!({ "QueueUrl": url })).await.0,
        "AWS.SimpleQueueService.PurgeQueueInProgress"
    );
    w.send(&url, "z").await;
    w.must("DeleteQueue", json!({ "QueueUrl": url })).await;
    let (code, said) = w.refused("SendMessage", json!({ "QueueUrl": url, "MessageBody": "x" })).await;
    assert_eq!(
        (code.as_str(), said.as_str()),
        ("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
    );
    let sweeper = tokio::spawn(cauce_sqs::run_sweeps(w.sqs.clone()));
    let all = cauce_store::RangeReq::new((vec![8].into(), vec![9].into()), 100);
    while !w.db.range(all.clone()).await.unwrap().rows.is_empty() {
        tokio::task::yield_now().await;
    }
    sweeper.abort();
}

#[tokio::test]
async fn messages_expire() {
    let w = World::new().await;
    let url = w.queue("q", json!({ "MessageRetentionPeriod": "60" })).await;
    w.send(&url, "old").await;
    w.advance(59);
    w.send(&url, "new").await;
    w.advance(1);
    assert_eq!(bodies(&w.receive(&url).await), ["new"]);
    assert_eq!(w.counts(&url).await, [0, 1, 0]);
}

fn effect(w: &World, queue: &str, attributes: Vec<(String, String)>) -> Effect {
    let rule: Arn = "arn:aws:events:us-east-1:000000000000:rule/r".parse().unwrap();
    Effect {
        target: queue.parse().unwrap(),
        cause: "test".into(),
        service: "events.amazonaws.com".into(),
        source: Some(rule),
        account: w.call().account,
        region: w.call().region,
        trace: w.call().trace,
        policy: Policy::eventbridge(),
        attributes,
        hops: 0,
        payload: "payload".into(),
    }
}

#[tokio::test]
async fn an_effect_is_in_the_queue_when_its_cause_is_committed() {
    let w = World::new().await;
    let url = w.queue("q", json!({})).await;
    let arn = w.attribute(&url, "QueueArn").await;
    let attributes = vec![
        message::attribute("text", "String.label", "v"),
        message::attribute("bytes", "Binary", "AP8="),
        ("target-id".to_owned(), "1".to_owned()),
    ];
    let effect = effect(&w, &arn, attributes);
    // Without a policy that lets the rule in, it is refused.
    w.db.transact(async |tx| w.delivery.send(&tx, effect.clone()).await).await.unwrap();
    let refused = dead_letters(&w.db).await.unwrap();
    assert_eq!((refused.len(), refused[0].code.as_str()), (1, "AccessDeniedException"));
    let policy =
        json!({ "Statement": [{ "Principal": { "Service": "events.amazonaws.com" }, "Condition": effect.source }] });
    let set = json!({ "QueueUrl": url, "Attributes": { "Policy": policy.to_string() } });
    w.must("SetQueueAttributes", set).await;
    let failed =
        w.db.transact(async |tx| {
            w.delivery.send(&tx, effect.clone()).await?;
            Err::<(), _>(cauce_core::ServiceError::validation("the cause fails"))
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(w.receive(&url).await.len(), 0);
    w.db.transact(async |tx| w.delivery.send(&tx, effect.clone()).await).await.unwrap();
    let found = w.receive(&url).await;
    assert_eq!(bodies(&found), ["payload"]);
    assert_eq!(found[0]["MessageAttributes"]["text"], json!({ "DataType": "String.label", "StringValue": "v" }));
    assert_eq!(found[0]["MessageAttributes"]["bytes"], json!({ "DataType": "Binary", "BinaryValue": "AP8=" }));
}

#[tokio::test]
async fn many_senders_and_receivers_lose_and_double_nothing() {
    let w = std::sync::Arc::new(World::new().await);
    let url = w.queue("q", json!({ "VisibilityTimeout": "600" })).await;
    let senders: Vec<_> = (0..20)
        .map(|sender| {
            let (w, url) = (w.clone(), url.clone());
            tokio::spawn(async move {
                for n in 0..50 {
                    w.send(&url, &format!("{sender}-{n}")).await;
                }
            })
        })
        .collect();
    let receivers: Vec<_> = (0..10)
        .map(|_| {
            let (w, url) = (w.clone(), url.clone());
            tokio::spawn(async move {
                let mut all = Vec::new();
                loop {
                    let found = w.receive_with(&url, json!({ "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20 })).await;
                    if found.is_empty() {
                        return all;
                    }
                    for message in &found {
                        w.delete(&url, message).await;
                    }
                    all.extend(found.iter().map(|message| message["Body"].as_str().unwrap().to_owned()));
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    while w.counts(&url).await != [0, 0, 0] {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    w.clock.advance(Duration::from_secs(20));
    let mut all = Vec::new();
    for receiver in receivers {
        w.clock.advance(Duration::from_secs(20));
        all.extend(receiver.await.unwrap());
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 1_000);
}

#[tokio::test]
async fn a_poller_inside_the_program_has_what_a_client_has() {
    use cauce_core::ports::{Poll, Queues as _};
    let w = World::new().await;
    let url = w.queue("q", json!({ "VisibilityTimeout": "45" })).await;
    let arn: Arn = w.attribute(&url, "QueueArn").await.parse().unwrap();
    let poller = cauce_sqs::QueuePoller::new(w.sqs.clone());
    let call = w.call();
    let facts = poller.facts(&call, &arn).await.unwrap();
    assert_eq!((facts.visibility_timeout, facts.fifo), (Duration::from_secs(45), false));
    for n in 0..30 {
        let attributes = json!({ "n": { "DataType": "Number", "StringValue": n.to_string() } });
        let input = json!({ "QueueUrl": url, "MessageBody": n.to_string(), "MessageAttributes": attributes });
        w.must("SendMessage", input).await;
    }
    let poll = Poll { queue: arn.clone(), messages_max: 100, wait: Duration::ZERO, visibility_timeout: None };
    let found = poller.poll(&call, poll.clone()).await.unwrap();
    assert_eq!(found.len(), 30);
    assert_eq!(found[7].message_attributes["n"]["stringValue"], "7");
    let handles: Vec<String> = found.iter().map(|message| message.receipt_handle.clone()).collect();
    poller.delete(&call, &arn, &handles[..20]).await.unwrap();
    poller.hide(&call, &arn, &handles[..25], Duration::ZERO).await.unwrap();
    assert_eq!(w.counts(&url).await, [5, 5, 0]);
    assert_eq!(poller.poll(&call, poll.clone()).await.unwrap().len(), 5);
    // Who is not let in by a policy polls nothing.
    let mut stranger = w.call();
    let name = "other.amazonaws.com".to_owned();
    stranger.principal =
        std::sync::Arc::new(cauce_core::Principal::Service { name, account: call.account, source: None });
    assert_eq!(poller.poll(&stranger, poll).await.unwrap_err().code(), "AccessDeniedException");
    assert!(poller.delete(&stranger, &arn, &handles[25..]).await.is_err());
    assert!(poller.delete(&call, &arn, &["garbage".to_owned()]).await.is_err());
    let none: Arn = "arn:aws:sqs:us-east-1:000000000000:none".parse().unwrap();
    assert_eq!(poller.facts(&call, &none).await.unwrap_err().code(), "QueueDoesNotExist");
}

#[tokio::test]
async fn a_move_of_messages_goes_on_after_a_restart() {
    let w = World::new().await;
    let dead = w.queue("dead", json!({})).await;
    let arn = w.attribute(&dead, "QueueArn").await;
    let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 1 }).to_string();
    let url = w.queue("q", json!({ "RedrivePolicy": policy })).await;
    let destination = w.attribute(&url, "QueueArn").await;
    for n in 0..25 {
        w.send(&dead, &n.to_string()).await;
    }
    let task = json!({ "SourceArn": arn, "DestinationArn": destination, "MaxNumberOfMessagesPerSecond": 1 });
    w.must("StartMessageMoveTask", task.clone()).await;
    let (code, _) = w.refused("StartMessageMoveTask", task).await;
    assert_eq!(code, "AWS.SimpleQueueService.UnsupportedOperation");
    let w = w.restart(2).await;
    cauce_sqs::resume_moves(&w.sqs).await.unwrap();
    let list = json!({ "SourceArn": arn });
    for _ in 0..10_000 {
        w.advance(1);
        tokio::task::yield_now().await;
        if w.must("ListMessageMoveTasks", list.clone()).await["Results"][0]["Status"] == "COMPLETED" {
            break;
        }
    }
    assert_eq!((w.counts(&dead).await, w.counts(&url).await), ([0, 0, 0], [25, 0, 0]));
}
