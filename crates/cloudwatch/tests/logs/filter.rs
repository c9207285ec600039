//! `FilterLogEvents`: streams interleaved, filtered and paged, and what `aws logs tail --follow` relies on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::{GROUP, START, World, merged, text};

#[tokio::test]
async fn events_of_all_streams_are_interleaved_by_time() {
    let world = World::with_stream().await;
    for n in 0..40_i64 {
        world.append(GROUP, &format!("t{}", n % 7), &[(n, &n.to_string()), (n, &format!("{n}b"))]).await;
    }
    let expect: Vec<String> = (0..40).flat_map(|n| [n.to_string(), format!("{n}b")]).collect();
    assert_eq!(world.search(json!({})).await, expect);
    for limit in [1, 3, 80, 10_000] {
        assert_eq!(world.search(json!({"limit": limit})).await, expect, "limit {limit}");
    }
    let page = world.ok("FilterLogEvents", json!({"logGroupName": GROUP, "limit": 80})).await;
    assert_eq!(page.get("nextToken"), None, "a page that holds everything is the last");
    let event = &page["events"][0];
    assert_eq!(
        (event["logStreamName"].as_str(), event["timestamp"].as_i64(), event["message"].as_str()),
        (Some("t0"), Some(START), Some("0"))
    );
    assert_eq!(event["eventId"].as_str().unwrap().len(), 56);
}

#[tokio::test]
async fn events_of_one_millisecond_come_in_the_order_of_arrival() {
    let world = World::with_stream().await;
    for n in 0..30 {
        world.append(GROUP, &format!("t{}", n % 3), &[(0, &n.to_string())]).await;
        world.clock.advance(std::time::Duration::from_micros(100));
    }
    let expect: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    for limit in [1, 4, 100] {
        assert_eq!(world.search(json!({"limit": limit})).await, expect);
    }
}

#[tokio::test]
async fn streams_are_chosen_by_name_or_prefix() {
    let world = World::with_stream().await;
    for (n, stream) in ["a/1", "a/2", "b/1"].into_iter().enumerate() {
        world.append(GROUP, stream, &[(n as i64, stream)]).await;
    }
    assert_eq!(world.search(json!({"logStreamNames": ["b/1", "a/1", "b/1"]})).await, ["a/1", "b/1"]);
    assert_eq!(world.search(json!({"logStreamNamePrefix": "a/"})).await, ["a/1", "a/2"]);
    assert_eq!(world.search(json!({"logStreamNamePrefix": "z"})).await, Vec::<String>::new());
    assert_eq!(world.search(json!({"logStreamNames": ["s"]})).await, Vec::<String>::new());
    let gone = "The specified log stream does not exist.";
    let none = json!({"logGroupName": GROUP, "logStreamNames": ["s", "nonesuch"]});
    world.refused("FilterLogEvents", none, "ResourceNotFoundException", gone).await;
}

#[tokio::test]
async fn both_ends_of_the_time_are_included() {
    let world = World::with_stream().await;
    world.put("s", &[(0, "a"), (1, "b"), (2, "c"), (3, "d")]).await;
    let between =
        async |start: i64, end: i64| world.search(json!({"startTime": START + start, "endTime": START + end})).await;
    assert_eq!(between(1, 2).await, ["b", "c"]);
    assert_eq!(between(3, 3).await, ["d"]);
    assert_eq!(between(2, 1).await, Vec::<String>::new());
    assert_eq!(world.search(json!({"startTime": START + 3})).await, ["d"]);
    assert_eq!(world.search(json!({"endTime": START})).await, ["a"]);
    assert_eq!(world.search(json!({"endTime": i64::MAX})).await.len(), 4);
}

#[tokio::test]
async fn patterns_choose_events() {
    let world = World::with_stream().await;
    world
        .put(
            "s",
            &[(0, "ERROR one"), (1, "INFO two"), (2, r#"{"level": "ERROR", "ms": 120}"#), (3, "ERROR three 404 x")],
        )
        .await;
    let matching = async |pattern: &str| world.search(json!({"filterPattern": pattern})).await;
    assert_eq!(matching("ERROR -three").await, ["ERROR one", r#"{"level": "ERROR", "ms": 120}"#]);
    assert_eq!(matching("{ $.level = ERR* && $.ms > 100 }").await, [r#"{"level": "ERROR", "ms": 120}"#]);
    assert_eq!(matching("[level = ERROR, word, code = 4*, ...]").await, ["ERROR three 404 x"]);
    assert_eq!(matching("%t[wh]%").await, ["INFO two", "ERROR three 404 x"]);
    assert_eq!(matching("").await.len(), 4);
}

/// More streams than are merged at once, so that a search walks quarters of an hour.
#[tokio::test]
async fn a_group_of_many_streams_is_searched_in_order_too() {
    let world = World::with_stream().await;
    let quarter = 900_000;
    let mut expect = BTreeMap::new();
    for n in 0..250_i64 {
        // Each stream lives in three quarters of an hour with gaps between; streams overlap.
        for part in 0..3 {
            let at = (n % 50) * quarter / 10 + part * 3 * quarter - 30 * quarter;
            let message = format!("{n}.{part}");
            world.append(GROUP, &format!("{}/{n}", n % 2), &[(at, &message)]).await;
            expect.insert((at, part, n), message);
        }
    }
    let all = world.search(json!({})).await;
    assert_eq!(all.len(), 750);
    assert_eq!(all.iter().collect::<BTreeSet<_>>(), expect.values().collect::<BTreeSet<_>>());
    assert_eq!(world.search(json!({"limit": 11})).await, all, "pages change nothing");
    let odd: Vec<String> =
        all.iter().filter(|m| m.split('.').next().unwrap().parse::<u32>().unwrap() % 2 == 1).cloned().collect();
    assert_eq!(world.search(json!({"logStreamNamePrefix": "1/", "limit": 100})).await, odd);
    assert_eq!(world.search(json!({"logStreamNames": ["1/7"]})).await, ["7.0", "7.1", "7.2"]);
    let from = START - 30 * quarter;
    let window = world.search(json!({"startTime": from, "endTime": from + quarter - 1})).await;
    let within: Vec<&String> = expect.range(..(-29 * quarter, 0, 0)).map(|(_, m)| m).collect();
    assert_eq!(window.iter().collect::<BTreeSet<_>>(), within.into_iter().collect::<BTreeSet<_>>());
    world.ok("DeleteLogStream", json!({"logGroupName": GROUP, "logStreamName": "1/7"})).await;
    assert_eq!(world.search(json!({})).await.len(), 747, "a deleted stream is not seen, reclaimed or not");
    world.logs.reclaim_deleted().await.unwrap();
    assert_eq!(world.search(json!({})).await.len(), 747);
}

#[tokio::test]
async fn what_is_read_ahead_is_bounded_and_nothing_is_lost() {
    let world = World::with_stream().await;
    let long = "x".repeat(60_000);
    // 60 streams whose first rows alone are more than is kept ahead, and neighbours in time lie in different streams.
    for round in 0..10_i64 {
        for n in 0..60_i64 {
            world.append(GROUP, &format!("t{n}"), &[(round * 60 + n, &long)]).await;
        }
    }
    let (mut ids, mut times, mut input) = (BTreeSet::new(), Vec::new(), json!({"logGroupName": GROUP}));
    loop {
        let page = world.ok("FilterLogEvents", input.clone()).await;
        for event in page["events"].as_array().unwrap() {
            assert!(ids.insert(text(&event["eventId"])));
            times.push(event["timestamp"].as_i64().unwrap() - START);
        }
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(times, (0..600).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_search_that_finds_little_pauses_and_goes_on() {
    let world = World::with_stream().await;
    let long = "y".repeat(100_000);
    for n in 0..12 {
        world.append(GROUP, "s", &[(n, long.as_str())]).await;
    }
    world.append(GROUP, "s", &[(20, "needle")]).await;
    // Costly: each byte takes hundreds of steps, so one request looks at a part only.
    let pattern = "%z{200}z{200}|needle%";
    let page = world.ok("FilterLogEvents", json!({"logGroupName": GROUP, "filterPattern": pattern})).await;
    assert_eq!(page["events"], json!([]));
    assert!(page["nextToken"].is_string());
    assert_eq!(world.search(json!({"filterPattern": pattern})).await, ["needle"]);
}

#[tokio::test]
async fn a_search_for_a_rare_prefix_pauses_and_goes_on() {
    let world = World::with_stream().await;
    // One event in each of many quarters of an hour: far more rows than one request looks through.
    let wide: Vec<(i64, &str)> = (0..9_000).map(|n| ((n - 9_000) * 900_000, "wide")).collect();
    for n in 0..6 {
        world.append(GROUP, &format!("a/{n}"), &wide).await;
    }
    for n in 0..120 {
        world.append(GROUP, &format!("z/{n}"), &[(n, "rare")]).await;
    }
    let rare = json!({"logStreamNamePrefix": "z/"});
    let page = world.ok("FilterLogEvents", merged(json!({"logGroupName": GROUP}), &rare)).await;
    assert_eq!(page["events"], json!([]));
    assert!(page["nextToken"].is_string());
    assert_eq!(world.search(rare).await.len(), 120);
}

/// The loop of `aws logs tail --follow`: all pages, then again from the newest timestamp on, leaving out ids seen at it.
struct Tail {
    start: Option<i64>,
    seen: BTreeSet<String>,
}

impl Tail {
    async fn poll(&mut self, world: &World) -> Vec<String> {
        let mut input = merged(
            json!({"logGroupName": GROUP, "limit": 3}),
            &match self.start {
                Some(start) => json!({"startTime": start}),
                None => json!({}),
            },
        );
        let mut fresh = Vec::new();
        loop {
            let page = world.ok("FilterLogEvents", input.clone()).await;
            for event in page["events"].as_array().unwrap() {
                if self.seen.insert(text(&event["eventId"])) {
                    fresh.push(text(&event["message"]));
                }
                self.start = self.start.max(event["timestamp"].as_i64());
            }
            match page.get("nextToken") {
                Some(token) => input["nextToken"] = token.clone(),
                None => return fresh,
            }
        }
    }
}

#[tokio::test]
async fn a_follower_sees_every_event_once() {
    let world = World::with_stream().await;
    let mut tail = Tail { start: None, seen: BTreeSet::new() };
    assert_eq!(tail.poll(&world).await, Vec::<String>::new());
    world.put("s", &[(0, "a"), (0, "b"), (1, "c"), (1, "d"), (1, "e")]).await;
    assert_eq!(tail.poll(&world).await, ["a", "b", "c", "d", "e"]);
    assert_eq!(tail.poll(&world).await, Vec::<String>::new());
    // At the newest timestamp, in a stream that sorts before.
    world.append(GROUP, "a", &[(1, "late")]).await;
    world.put("s", &[(1, "f"), (2, "g")]).await;
    let fresh: BTreeSet<String> = tail.poll(&world).await.into_iter().collect();
    assert_eq!(fresh, ["f", "g", "late"].map(str::to_owned).into());
    assert_eq!(tail.poll(&world).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_events_id_is_the_same_however_it_is_found() {
    let world = World::with_stream().await;
    world.put("s", &[(0, "a"), (0, "b"), (1, "c")]).await;
    let ids = async |input: Value| {
        let page = world.ok("FilterLogEvents", merged(json!({"logGroupName": GROUP}), &input)).await;
        let events = page["events"].as_array().unwrap().clone();
        events.iter().map(|e| (text(&e["message"]), text(&e["eventId"]))).collect::<BTreeMap<_, _>>()
    };
    let all = ids(json!({})).await;
    world.append(GROUP, "other", &[(0, "x")]).await;
    for input in
        [json!({"filterPattern": "b"}), json!({"logStreamNames": ["s"]}), json!({"startTime": START + 1}), json!({})]
    {
        for (message, id) in ids(input).await {
            assert!(all.get(&message).is_none_or(|known| *known == id), "{message}");
        }
    }
}
