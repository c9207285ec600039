//! Many writers at once, and a restart on the engine that writes to disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_store::{Db, EmbeddedOptions};
use serde_json::json;

use crate::harness::{GROUP, START, World, text};

/// Writes `rounds` batches of two lines to each of `streams` streams from `writers` tasks a stream.
async fn write_all(world: &Arc<World>, streams: usize, writers: usize, rounds: usize) {
    let mut tasks = Vec::new();
    for stream in 0..streams {
        for writer in 0..writers {
            let world = Arc::clone(world);
            tasks.push(tokio::spawn(async move {
                for round in 0..rounds {
                    let (a, b) = (format!("{stream} {writer} {round} a"), format!("{stream} {writer} {round} b"));
                    world.append(GROUP, &format!("s{stream}"), &[(7, &a), (7, &b)]).await;
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Every line is there once, and each writer's in the order written.
async fn check_all(world: &World, streams: usize, writers: usize, rounds: usize) {
    let mut by_writer: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for message in world.search(json!({"limit": 777})).await {
        let words: Vec<&str> = message.split(' ').collect();
        by_writer.entry((words[0].to_owned(), words[1].to_owned())).or_default().push(words[2..].join(" "));
    }
    let expect: Vec<String> = (0..rounds).flat_map(|round| [format!("{round} a"), format!("{round} b")]).collect();
    assert_eq!(by_writer.len(), streams * writers);
    for (writer, lines) in by_writer {
        assert_eq!(lines, expect, "{writer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_lose_nothing_and_keep_their_order() {
    let world = Arc::new(World::new().await);
    write_all(&world, 8, 4, 30).await;
    check_all(&world, 8, 4, 30).await;
    let groups = world.ok("DescribeLogGroups", json!({})).await;
    let bytes: i64 = world.search(json!({})).await.iter().map(|message| message.len() as i64 + 26).sum();
    assert_eq!(groups["logGroups"][0]["storedBytes"], bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_follows_one_stream_misses_nothing_of_one_millisecond() {
    let world = Arc::new(World::new().await);
    world.append(GROUP, "s0", &[(7, "0 first 0")]).await;
    let writing = tokio::spawn({
        let world = Arc::clone(&world);
        async move { write_all(&world, 1, 8, 50).await }
    });
    // All events have one timestamp, so only the order of commits decides whether a token skips one.
    let mut input = json!({"logGroupName": GROUP, "logStreamName": "s0", "startFromHead": true});
    let mut seen = 0;
    loop {
        let ended = writing.is_finished();
        let page = world.ok("GetLogEvents", input.clone()).await;
        seen += page["events"].as_array().unwrap().len();
        let done = ended && Some(&page["nextForwardToken"]) == input.get("nextToken");
        input["nextToken"] = page["nextForwardToken"].clone();
        if done {
            break;
        }
    }
    writing.await.unwrap();
    assert_eq!(seen, 1 + 8 * 50 * 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_acknowledged_while_groups_come_and_go_is_in_a_group_that_lives() {
    let world = Arc::new(World::new().await);
    let deleting = tokio::spawn({
        let world = Arc::clone(&world);
        async move {
            for _ in 0..40 {
                // Gone already, or not made yet, is as good.
                let _ = world.try_do("DeleteLogGroup", json!({"logGroupName": GROUP})).await;
                tokio::task::yield_now().await;
            }
        }
    });
    let mut after = None;
    for n in 0..200 {
        let ended = deleting.is_finished();
        world.append(GROUP, "s", &[(n, &n.to_string())]).await;
        if ended && after.is_none() {
            after = Some(n);
        }
    }
    deleting.await.unwrap();
    world.append(GROUP, "s", &[(200, "200")]).await;
    let found = world.search(json!({})).await;
    let from = after.map_or(200, |n: i64| n);
    let expect: Vec<String> = (from..=200).map(|n| n.to_string()).collect();
    assert!(found.ends_with(&expect), "{found:?}");
    world.logs.reclaim_deleted().await.unwrap();
    assert_eq!(world.search(json!({})).await, found, "only what was deleted is reclaimed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Db::open(dir.path(), EmbeddedOptions::default()).unwrap();
    let (first_id, token);
    {
        let world = Arc::new(World::on(open(), START).await);
        write_all(&world, 4, 4, 10).await;
        world.ok("PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": 30})).await;
        let page = world.ok("FilterLogEvents", json!({"logGroupName": GROUP, "limit": 5})).await;
        (first_id, token) = (text(&page["events"][0]["eventId"]), page["nextToken"].clone());
    }
    // The clock stands where it stood, as after a quick restart: numbers must go on all the same.
    let world = Arc::new(World::on(open(), START).await);
    check_all(&world, 4, 4, 10).await;
    let page = world.ok("FilterLogEvents", json!({"logGroupName": GROUP})).await;
    assert_eq!(text(&page["events"][0]["eventId"]), first_id);
    let rest = world.ok("FilterLogEvents", json!({"logGroupName": GROUP, "nextToken": token})).await;
    assert_eq!(rest["events"].as_array().unwrap().len(), 4 * 4 * 10 * 2 - 5);
    let before = world.search(json!({"logStreamNames": ["s0"]})).await;
    world.append(GROUP, "s0", &[(7, "0 x 0")]).await;
    let after = world.search(json!({"logStreamNames": ["s0"]})).await;
    assert_eq!(after.split_last().unwrap(), (&"0 x 0".to_owned(), before.as_slice()));
    let groups = world.ok("DescribeLogGroups", json!({})).await;
    assert_eq!(groups["logGroups"][0]["retentionInDays"], 30);
}
