//! Tags of log groups.

use std::collections::BTreeMap;

use serde_json::json;

use crate::harness::World;

const ARN: &str = "arn:aws:logs:us-east-1:000000000000:log-group:g";

#[tokio::test]
async fn tags_are_put_listed_and_removed_in_both_forms() {
    let world = World::new().await;
    world.ok("CreateLogGroup", json!({"logGroupName": "g", "tags": {"a": "1"}})).await;
    world.ok("TagResource", json!({"resourceArn": ARN, "tags": {"b": "2", "a": "x"}})).await;
    world.ok("TagLogGroup", json!({"logGroupName": "g", "tags": {"c ü": "3"}})).await;
    let all = json!({"tags": {"a": "x", "b": "2", "c ü": "3"}});
    assert_eq!(world.ok("ListTagsForResource", json!({"resourceArn": ARN})).await, all);
    assert_eq!(world.ok("ListTagsLogGroup", json!({"logGroupName": "g"})).await, all);
    world.ok("UntagResource", json!({"resourceArn": ARN, "tagKeys": ["a", "nonesuch"]})).await;
    world.ok("UntagLogGroup", json!({"logGroupName": "g", "tags": ["b"]})).await;
    assert_eq!(world.ok("ListTagsForResource", json!({"resourceArn": ARN})).await, json!({"tags": {"c ü": "3"}}));
}

#[tokio::test]
async fn there_is_room_for_fifty() {
    let world = World::new().await;
    world.ok("CreateLogGroup", json!({"logGroupName": "g"})).await;
    let tags: BTreeMap<String, String> = (0..50).map(|n| (format!("k{n}"), String::new())).collect();
    world.ok("TagResource", json!({"resourceArn": ARN, "tags": tags})).await;
    world.ok("TagResource", json!({"resourceArn": ARN, "tags": {"k0": "again"}})).await;
    let message = "A resource can have at most 50 tags; it would have 51.";
    let one_more = json!({"resourceArn": ARN, "tags": {"one more": ""}});
    world.refused("TagResource", one_more, "TooManyTagsException", message).await;
}
