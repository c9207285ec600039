//! `PutLogEvents`, and lines from inside the program.

use serde_json::json;

use crate::harness::{GROUP, START, World, merged, texts};

const DAY: i64 = 86_400_000;

#[tokio::test]
async fn what_is_too_old_or_new_is_left_out_and_said() {
    let world = World::with_stream().await;
    let hour = 3_600_000;
    let put = world.put("s", &[(-15 * DAY, "old"), (-hour, "a"), (0, "b"), (hour, "c"), (3 * hour, "new")]).await;
    assert_eq!(put["rejectedLogEventsInfo"], json!({"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 4}));
    assert_eq!(world.search(json!({})).await, ["a", "b", "c"]);
    world.ok("PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": 1})).await;
    let put = world.put("s", &[(-2 * DAY, "expired"), (1, "d")]).await;
    assert_eq!(put["rejectedLogEventsInfo"], json!({"expiredLogEventEndIndex": 1}));
    let put = world.put("s", &[(-20 * DAY, "x"), (-2 * DAY, "y")]).await;
    assert_eq!(put["rejectedLogEventsInfo"], json!({"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2}));
    assert_eq!(put["nextSequenceToken"].as_str().unwrap().len(), 56);
    let put = world.put("s", &[(2, "e")]).await;
    assert_eq!(put.get("rejectedLogEventsInfo"), None);
    assert_eq!(world.search(json!({})).await, ["a", "b", "d", "e", "c"]);
}

#[tokio::test]
async fn a_sequence_token_is_answered_and_never_asked_for() {
    let world = World::with_stream().await;
    let first = world.put("s", &[(0, "a")]).await;
    let second = world.put("s", &[(0, "b")]).await;
    assert!(second["nextSequenceToken"].as_str() > first["nextSequenceToken"].as_str());
    let event =
        json!({"logGroupName": GROUP, "logStreamName": "s", "logEvents": [{"timestamp": START, "message": "c"}]});
    for token in ["nonsense", "49039859552319287892130137283"] {
        world.ok("PutLogEvents", merged(event.clone(), &json!({"sequenceToken": token}))).await;
    }
    assert_eq!(world.search(json!({})).await, ["a", "b", "c", "c"]);
}

#[tokio::test]
async fn ten_thousand_events_are_one_request() {
    let world = World::with_stream().await;
    let events: Vec<_> = (0..10_000).map(|n| json!({"timestamp": START + n / 3, "message": format!("{n}")})).collect();
    let put = json!({"logGroupName": GROUP, "logStreamName": "s", "logEvents": events});
    world.ok("PutLogEvents", put).await;
    let page = world.ok("FilterLogEvents", json!({"logGroupName": GROUP})).await;
    assert_eq!(texts(&page["events"], "message"), (0..10_000).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(page.get("nextToken"), None);
    // A quarter of an hour each: the most rows that a request can ask for.
    world.stream("wide").await;
    let day = 86_400_000;
    let events: Vec<_> = (0..10_000).map(|n| json!({"timestamp": START - day + n * 8_640, "message": "w"})).collect();
    world.ok("PutLogEvents", json!({"logGroupName": GROUP, "logStreamName": "wide", "logEvents": events})).await;
    assert_eq!(world.search(json!({"logStreamNames": ["wide"]})).await.len(), 10_000);
}

#[tokio::test]
async fn appending_makes_what_is_missing() {
    let world = World::new().await;
    world.append(GROUP, "2026/11/22/[$LATEST]ab", &[(0, "one"), (0, ""), (1, "two")]).await;
    assert_eq!(world.search(json!({})).await, ["one", "\n", "two"]);
    world.append(GROUP, "x", &[]).await;
    world.ok("DeleteLogGroup", json!({"logGroupName": GROUP})).await;
    world.append(GROUP, "x", &[(5, "after")]).await;
    assert_eq!(world.search(json!({})).await, ["after"]);
    let streams = world.ok("DescribeLogStreams", json!({"logGroupName": GROUP})).await;
    assert_eq!(texts(&streams["logStreams"], "logStreamName"), ["x"]);
}

#[tokio::test]
async fn a_batch_of_any_size_is_stored_whole_and_in_order() {
    let world = World::new().await;
    let long = "x".repeat(300_000);
    let mut lines: Vec<(i64, &str)> = vec![(0, long.as_str()); 12];
    lines.extend(vec![(1, "short"); 9_000]);
    // More quarters of an hour than one commit could hold beside the rows.
    lines.extend((0..9_000).map(|n| (n * 900_000, "wide")));
    world.append(GROUP, "big", &lines).await;
    let found = world.search(json!({})).await;
    assert_eq!(found.len(), 12 + 18_000);
    assert_eq!(found.iter().filter(|text| text.as_str() == "short").count(), 9_000);
    let huge = "ü".repeat(900_000);
    world.append(GROUP, "huge", &[(0, huge.as_str())]).await;
    assert_eq!(world.search(json!({"logStreamNames": ["huge"]})).await.concat(), huge);
}
