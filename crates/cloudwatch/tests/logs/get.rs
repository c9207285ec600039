//! `GetLogEvents`: pages in both directions, and tokens that say when there is nothing more.

use serde_json::{Value, json};

use crate::harness::{GROUP, START, World, merged, texts};

async fn get(world: &World, input: Value) -> Value {
    world.ok("GetLogEvents", merged(json!({"logGroupName": GROUP, "logStreamName": "s"}), &input)).await
}

fn messages(page: &Value) -> Vec<String> {
    texts(&page["events"], "message")
}

#[tokio::test]
async fn an_event_is_given_as_it_was_put() {
    let world = World::with_stream().await;
    world.advance(3);
    world.put("s", &[(7, "hello\nworld ü")]).await;
    let page = get(&world, json!({})).await;
    let event = json!({"timestamp": START + 7, "message": "hello\nworld ü", "ingestionTime": START + 3_000});
    assert_eq!(page["events"], json!([event]));
    assert!(page["nextForwardToken"].as_str().unwrap().starts_with("f/"));
    assert!(page["nextBackwardToken"].as_str().unwrap().starts_with("b/"));
}

#[tokio::test]
async fn pages_go_forward_from_the_head_to_an_end_that_moves() {
    let world = World::with_stream().await;
    // Several events a millisecond, and pages that end within them.
    for start in [0, 10, 20] {
        let texts: Vec<String> = (start..start + 10).map(|n| n.to_string()).collect();
        let events: Vec<(i64, &str)> = texts.iter().map(|text| (start / 20, text.as_str())).collect();
        world.put("s", &events).await;
    }
    let (mut seen, mut input) = (Vec::new(), json!({"startFromHead": true, "limit": 7}));
    let end = loop {
        let page = get(&world, input.clone()).await;
        seen.extend(messages(&page));
        let token = page["nextForwardToken"].clone();
        if Some(&token) == input.get("nextToken") {
            assert_eq!(messages(&page), Vec::<String>::new());
            break token;
        }
        input["nextToken"] = token;
    };
    assert_eq!(seen, (0..30).map(|n| n.to_string()).collect::<Vec<_>>());
    world.put("s", &[(1, "30")]).await;
    let page = get(&world, json!({"nextToken": end, "startFromHead": true})).await;
    assert_eq!(messages(&page), ["30"]);
    let back = get(&world, json!({"nextToken": page["nextBackwardToken"], "limit": 2})).await;
    assert_eq!(messages(&back), ["28", "29"]);
}

#[tokio::test]
async fn pages_go_backward_from_the_tail_to_the_head() {
    let world = World::with_stream().await;
    for n in 0..30 {
        world.put("s", &[(n / 3, n.to_string().as_str())]).await;
    }
    let (mut seen, mut input) = (Vec::new(), json!({"limit": 7}));
    loop {
        let page = get(&world, input.clone()).await;
        let mut found = messages(&page);
        found.extend(seen);
        seen = found;
        let token = page["nextBackwardToken"].clone();
        if Some(&token) == input.get("nextToken") {
            break;
        }
        input["nextToken"] = token;
    }
    assert_eq!(seen, (0..30).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_start_is_included_and_the_end_is_not() {
    let world = World::with_stream().await;
    world.put("s", &[(0, "a"), (1, "b"), (2, "c"), (3, "d")]).await;
    let check = async |start: Option<i64>, end: Option<i64>, expect: &[&str]| {
        for head in [true, false] {
            let input = json!({"startTime": start.map(|at| START + at), "endTime": end.map(|at| START + at), "startFromHead": head});
            assert_eq!(messages(&get(&world, input).await), expect, "{start:?} {end:?}");
        }
    };
    check(Some(1), Some(3), &["b", "c"]).await;
    check(Some(1), None, &["b", "c", "d"]).await;
    check(None, Some(1), &["a"]).await;
    check(Some(3), Some(3), &[]).await;
    check(Some(4), None, &[]).await;
    check(Some(3), Some(1), &[]).await;
}

#[tokio::test]
async fn an_empty_stream_has_tokens_that_find_what_comes() {
    let world = World::with_stream().await;
    for head in [true, false] {
        let page = get(&world, json!({"startFromHead": head})).await;
        assert_eq!(messages(&page), Vec::<String>::new());
        let again = get(&world, json!({"nextToken": page["nextForwardToken"]})).await;
        assert_eq!(again["nextForwardToken"], page["nextForwardToken"]);
        let back = get(&world, json!({"nextToken": page["nextBackwardToken"]})).await;
        assert_eq!(back["nextBackwardToken"], page["nextBackwardToken"]);
    }
    let never = get(&world, json!({"startTime": i64::MAX})).await;
    get(&world, json!({"nextToken": never["nextForwardToken"]})).await;
    let page = get(&world, json!({})).await;
    world.put("s", &[(-5, "early")]).await;
    assert_eq!(messages(&get(&world, json!({"nextToken": page["nextForwardToken"]})).await), ["early"]);
}

#[tokio::test]
async fn a_page_holds_a_megabyte() {
    let world = World::with_stream().await;
    let long = "x".repeat(400_000);
    for n in 0..5 {
        world.put("s", &[(n, long.as_str())]).await;
    }
    let page = get(&world, json!({"startFromHead": true})).await;
    assert_eq!(messages(&page).len(), 2);
    let next = get(&world, json!({"nextToken": page["nextForwardToken"]})).await;
    assert_eq!(next["events"][0]["timestamp"], START + 2);
    let back = get(&world, json!({})).await;
    assert_eq!(back["events"][1]["timestamp"], START + 4);
    // One event is given however large.
    world.put("s", &[(9, "y".repeat(1_048_550).as_str())]).await;
    assert_eq!(messages(&get(&world, json!({})).await).len(), 1);
}
