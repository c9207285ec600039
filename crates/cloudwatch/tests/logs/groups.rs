//! Log groups: made, listed, changed, deleted.

use serde_json::{Value, json};

use crate::harness::{GROUP, START, World, merged, texts};

#[tokio::test]
async fn a_group_is_described_as_aws_does() {
    let world = World::new().await;
    world.ok("CreateLogGroup", json!({"logGroupName": "g", "tags": {"a": "b"}})).await;
    let groups = world.ok("DescribeLogGroups", json!({})).await;
    assert_eq!(
        groups,
        json!({"logGroups": [{
            "logGroupName": "g", "creationTime": START, "metricFilterCount": 0,
            "arn": "arn:aws:logs:us-east-1:000000000000:log-group:g:*", "storedBytes": 0, "logGroupClass": "STANDARD",
            "logGroupArn": "arn:aws:logs:us-east-1:000000000000:log-group:g", "deletionProtectionEnabled": false,
        }]})
    );
    world.ok("PutRetentionPolicy", json!({"logGroupName": "g", "retentionInDays": 7})).await;
    let groups = world.ok("DescribeLogGroups", json!({"logGroupNamePrefix": "g"})).await;
    assert_eq!(groups["logGroups"][0]["retentionInDays"], 7);
    world.ok("DeleteRetentionPolicy", json!({"logGroupName": "g"})).await;
    let groups = world.ok("DescribeLogGroups", json!({"logGroupIdentifiers": ["g", "none"]})).await;
    assert_eq!(groups["logGroups"][0].get("retentionInDays"), None);
    assert_eq!(groups["logGroups"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn listings_are_in_order_filtered_and_paged() {
    let world = World::new().await;
    for n in (0..70).rev() {
        let class = if n % 2 == 0 { "STANDARD" } else { "INFREQUENT_ACCESS" };
        world.ok("CreateLogGroup", json!({"logGroupName": format!("/app/{n:02}"), "logGroupClass": class})).await;
    }
    world.ok("CreateLogGroup", json!({"logGroupName": "/other"})).await;
    let all = |input: Value| {
        let world = &world;
        async move {
            let (mut names, mut pages, mut input) = (Vec::new(), 0, input);
            loop {
                let page = world.ok("DescribeLogGroups", input.clone()).await;
                names.extend(texts(&page["logGroups"], "logGroupName"));
                pages += 1;
                match page.get("nextToken") {
                    Some(token) => input["nextToken"] = token.clone(),
                    None => return (names, pages),
                }
            }
        }
    };
    let (names, pages) = all(json!({})).await;
    assert_eq!((names.len(), pages, names.is_sorted()), (71, 2, true));
    let (names, pages) = all(json!({"logGroupNamePrefix": "/app/", "limit": 7})).await;
    assert_eq!((names.len(), pages), (70, 10));
    let (names, _) = all(json!({"logGroupNamePattern": "pp/6", "limit": 3})).await;
    assert_eq!((names.len(), names.first().unwrap().as_str()), (10, "/app/60"));
    let (names, _) = all(json!({"logGroupClass": "INFREQUENT_ACCESS"})).await;
    assert_eq!(names.len(), 35);
    assert_eq!(all(json!({"logGroupNamePattern": "PP"})).await.0.len(), 0);
}

#[tokio::test]
async fn stored_bytes_follow_what_is_stored() {
    let world = World::with_stream().await;
    world.put("s", &[(0, "12345"), (1, "1234567890")]).await;
    world.append(GROUP, "t", &[(2, "12")]).await;
    let stored = || async {
        let groups = world.ok("DescribeLogGroups", json!({"logGroupNamePrefix": GROUP})).await;
        groups["logGroups"][0]["storedBytes"].as_i64().unwrap()
    };
    assert_eq!(stored().await, 15 + 2 + 3 * 26);
    world.ok("DeleteLogStream", json!({"logGroupName": GROUP, "logStreamName": "s"})).await;
    assert_eq!(stored().await, 2 + 26);
}

#[tokio::test]
async fn a_group_made_again_is_another_one() {
    let world = World::with_stream().await;
    world.put("s", &[(0, "old")]).await;
    world.ok("DeleteLogGroup", json!({"logGroupName": GROUP})).await;
    let gone = "The specified log group does not exist.";
    let at = json!({"logGroupName": GROUP, "logStreamName": "s"});
    world.refused("GetLogEvents", at.clone(), "ResourceNotFoundException", gone).await;
    world.refused("DeleteLogGroup", json!({"logGroupName": GROUP}), "ResourceNotFoundException", gone).await;
    let put = merged(at.clone(), &json!({"logEvents": [{"timestamp": START, "message": "x"}]}));
    world.refused("PutLogEvents", put, "ResourceNotFoundException", gone).await;

    world.ok("CreateLogGroup", json!({"logGroupName": GROUP})).await;
    assert_eq!(world.search(json!({})).await, Vec::<String>::new());
    let gone = "The specified log stream does not exist.";
    world.refused("GetLogEvents", at, "ResourceNotFoundException", gone).await;
    world.stream("s").await;
    world.put("s", &[(0, "new")]).await;
    assert!(world.logs.reclaim_deleted().await.unwrap() > 0);
    assert_eq!(world.search(json!({})).await, ["new"]);
}

#[tokio::test]
async fn a_protected_group_stays() {
    let world = World::new().await;
    world.ok("CreateLogGroup", json!({"logGroupName": "g", "deletionProtectionEnabled": true})).await;
    let message = "The specified log group is protected from deletion. Disable deletion protection and try again.";
    world.refused("DeleteLogGroup", json!({"logGroupName": "g"}), "ValidationException", message).await;
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:g";
    let off = json!({"logGroupIdentifier": arn, "deletionProtectionEnabled": false});
    world.ok("PutLogGroupDeletionProtection", off).await;
    world.ok("DeleteLogGroup", json!({"logGroupName": "g"})).await;
}

#[tokio::test]
async fn policies_are_asked_about_the_group_and_its_streams() {
    let world = World::with_stream().await;
    world.asked.0.lock().clear();
    world.put("s", &[(0, "x")]).await;
    world.ok("DescribeLogGroups", json!({})).await;
    world.ok("FilterLogEvents", json!({"logGroupIdentifier": GROUP})).await;
    let arn = format!("arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}");
    world.ok("GetLogEvents", json!({"logGroupIdentifier": arn, "logStreamName": "s"})).await;
    world.ok("ListTagsForResource", json!({"resourceArn": arn})).await;
    let expect = [
        ("logs:PutLogEvents", format!("{arn}:log-stream:s")),
        ("logs:DescribeLogGroups", "arn:aws:logs:us-east-1:000000000000:log-group::log-stream:".to_owned()),
        ("logs:FilterLogEvents", format!("{arn}:log-stream:")),
        ("logs:GetLogEvents", format!("{arn}:log-stream:s")),
        ("logs:ListTagsForResource", arn),
    ];
    let asked = world.asked.0.lock().clone();
    assert_eq!(asked, expect.map(|(action, resource)| (action.to_owned(), resource)));
}
