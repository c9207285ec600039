//! Log streams: made, listed in both orders, deleted.

use serde_json::{Value, json};

use crate::harness::{GROUP, START, World, merged, texts};

async fn listed(world: &World, input: Value) -> Vec<String> {
    let mut input = merged(json!({"logGroupName": GROUP}), &input);
    let mut names = Vec::new();
    loop {
        let page = world.ok("DescribeLogStreams", input.clone()).await;
        let found = texts(&page["logStreams"], "logStreamName");
        assert!(found.len() <= input["limit"].as_u64().unwrap_or(50) as usize);
        names.extend(found);
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => return names,
        }
    }
}

#[tokio::test]
async fn a_stream_is_described_as_aws_does() {
    let world = World::with_stream().await;
    let streams = world.ok("DescribeLogStreams", json!({"logGroupName": GROUP})).await;
    let arn = format!("arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}:log-stream:s");
    let token = format!("49{:054}", 0);
    let empty = json!({"logStreamName": "s", "creationTime": START, "arn": arn, "storedBytes": 0, "uploadSequenceToken": token});
    assert_eq!(streams, json!({"logStreams": [empty]}));
    world.advance(5);
    world.put("s", &[(10, "b")]).await;
    let put = world.put("s", &[(5, "a"), (20, "c")]).await;
    let streams = world.ok("DescribeLogStreams", json!({"logGroupIdentifier": GROUP})).await;
    let expect = json!({
        "firstEventTimestamp": START + 5, "lastEventTimestamp": START + 20, "lastIngestionTime": START + 5_000,
        "uploadSequenceToken": put["nextSequenceToken"],
    });
    assert_eq!(streams, json!({"logStreams": [merged(empty, &expect)]}));
}

#[tokio::test]
async fn listings_are_in_order_filtered_and_paged() {
    let world = World::with_stream().await;
    for n in 0..60 {
        // The later by name, the earlier by time; some with the same.
        world.append(GROUP, &format!("t/{n:02}"), &[(1_000 - n / 2, "x")]).await;
    }
    let names = listed(&world, json!({})).await;
    assert_eq!((names.len(), names.is_sorted(), names[0].as_str()), (61, true, "s"));
    let names = listed(&world, json!({"descending": true, "limit": 7})).await;
    assert_eq!((names.len(), names[0].as_str(), names[60].as_str()), (61, "t/59", "s"));
    assert!(names.is_sorted_by(|a, b| a > b));
    let names = listed(&world, json!({"logStreamNamePrefix": "t/1", "limit": 3})).await;
    assert_eq!(names, (10..20).map(|n| format!("t/{n}")).collect::<Vec<_>>());
    let names =
        listed(&world, json!({"orderBy": "LogStreamName", "logStreamNamePrefix": "t/1", "descending": true})).await;
    assert_eq!(names[0], "t/19");

    let newest_first = listed(&world, json!({"orderBy": "LastEventTime", "descending": true, "limit": 7})).await;
    assert_eq!((newest_first.len(), newest_first[0].as_str(), newest_first[60].as_str()), (61, "t/01", "s"));
    let mut oldest_first = listed(&world, json!({"orderBy": "LastEventTime", "limit": 50})).await;
    assert_eq!((oldest_first[0].as_str(), oldest_first[1].as_str()), ("s", "t/58"));
    oldest_first.reverse();
    assert_eq!(oldest_first, newest_first);
}

#[tokio::test]
async fn a_stream_made_again_is_another_one() {
    let world = World::with_stream().await;
    world.put("s", &[(0, "old")]).await;
    let at = json!({"logGroupName": GROUP, "logStreamName": "s"});
    let exists = "The specified log stream already exists";
    world.refused("CreateLogStream", at.clone(), "ResourceAlreadyExistsException", exists).await;
    world.ok("DeleteLogStream", at.clone()).await;
    assert_eq!(world.search(json!({})).await, Vec::<String>::new());
    let gone = "The specified log stream does not exist.";
    world.refused("DeleteLogStream", at.clone(), "ResourceNotFoundException", gone).await;
    let put = merged(at.clone(), &json!({"logEvents": [{"timestamp": START, "message": "x"}]}));
    world.refused("PutLogEvents", put, "ResourceNotFoundException", gone).await;
    world.ok("CreateLogStream", at.clone()).await;
    world.put("s", &[(0, "new")]).await;
    assert_eq!(world.search(json!({})).await, ["new"]);
    assert_eq!(world.logs.reclaim_deleted().await.unwrap(), 1);
    assert_eq!(world.search(json!({})).await, ["new"]);
}
