//! The CloudFormation resource types.

use std::sync::Arc;

use cauce_cloudwatch::logs::resource_types;
use cauce_core::ports::Identity;
use cauce_core::{CreateRequest, DeleteRequest, ResourceType, UpdateRequest};
use serde_json::{Map, Value, json};

use crate::harness::World;

fn named(world: &World, name: &str) -> Arc<dyn ResourceType> {
    let identity: Arc<dyn Identity> = Arc::clone(&world.asked) as _;
    resource_types(&world.logs, &identity).into_iter().find(|found| found.schema().type_name == name).unwrap()
}

fn properties(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn create(logical_id: &str, value: Value) -> CreateRequest {
    CreateRequest {
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/st/1".to_owned(),
        logical_id: logical_id.to_owned(),
        generated_name: format!("st-{logical_id}-ABC"),
        properties: properties(value),
    }
}

#[tokio::test]
async fn a_group_lives_through_its_stack() {
    let world = World::new().await;
    let (group, call) = (named(&world, "AWS::Logs::LogGroup"), world.call());
    let settings = json!({"LogGroupName": "/app", "RetentionInDays": "14", "Tags": [{"Key": "a", "Value": "b"}]});
    let made = group.create(&call, create("Logs", settings.clone())).await.unwrap();
    assert_eq!(made.physical_id, "/app");
    assert_eq!(made.attributes["Arn"], "arn:aws:logs:us-east-1:000000000000:log-group:/app:*");
    assert_eq!(group.create(&call, create("Logs", settings.clone())).await.unwrap(), made, "repeated after a crash");
    let other = group.create(&call, create("Other", settings.clone())).await.unwrap_err();
    assert_eq!(other.code(), "ResourceAlreadyExistsException");
    let found = world.ok("DescribeLogGroups", json!({})).await;
    assert_eq!(found["logGroups"][0]["retentionInDays"], 14);

    let update = UpdateRequest {
        stack_id: String::new(),
        logical_id: "Logs".to_owned(),
        physical_id: "/app".to_owned(),
        previous: properties(settings),
        properties: properties(json!({"LogGroupName": "/app", "Tags": [{"Key": "c", "Value": "d"}]})),
    };
    for _ in 0..2 {
        assert_eq!(group.update(&call, update.clone()).await.unwrap(), made);
    }
    let found = world.ok("DescribeLogGroups", json!({})).await;
    assert_eq!(found["logGroups"][0].get("retentionInDays"), None);
    let tags = world.ok("ListTagsLogGroup", json!({"logGroupName": "/app"})).await;
    assert_eq!(
        tags["tags"],
        json!({
            "aws:cloudformation:logical-id": "Logs",
            "aws:cloudformation:stack-id": "arn:aws:cloudformation:us-east-1:000000000000:stack/st/1",
            "c": "d",
        })
    );
    let delete = DeleteRequest { stack_id: String::new(), physical_id: "/app".to_owned(), properties: Map::new() };
    for _ in 0..2 {
        group.delete(&call, delete.clone()).await.unwrap();
    }
    assert_eq!(world.ok("DescribeLogGroups", json!({})).await, json!({"logGroups": []}));
}

#[tokio::test]
async fn a_template_that_aws_refuses_is_refused() {
    let world = World::new().await;
    let (group, call) = (named(&world, "AWS::Logs::LogGroup"), world.call());
    for wrong in [
        json!({"RetentionInDays": 2}),
        json!({"RetentionInDays": "x"}),
        json!({"LogGroupName": "a b"}),
        json!({"LogGroupName": "aws/x"}),
        json!({"LogGroupClass": "GLACIER"}),
        json!({"Tags": {"a": "b"}}),
        json!({"Tags": [{"Key": "a?", "Value": ""}]}),
        json!({"Tags": [{"Key": "aws:a", "Value": ""}]}),
        json!({"DeletionProtectionEnabled": "maybe"}),
    ] {
        let error = group.create(&call, create("Logs", wrong.clone())).await.unwrap_err();
        assert_eq!(error.code(), "InvalidParameterException", "{wrong}");
    }
    let made = group.create(&call, create("Logs", json!({}))).await.unwrap();
    assert_eq!(made.physical_id, "st-Logs-ABC");
}

#[tokio::test]
async fn a_stream_lives_through_its_stack() {
    let world = World::new().await;
    let (stream, call) = (named(&world, "AWS::Logs::LogStream"), world.call());
    let settings = json!({"LogGroupName": "/app"});
    let error = stream.create(&call, create("S", settings.clone())).await.unwrap_err();
    assert_eq!(error.message(), "The specified log group does not exist.");
    world.ok("CreateLogGroup", json!({"logGroupName": "/app"})).await;
    for _ in 0..2 {
        assert_eq!(stream.create(&call, create("S", settings.clone())).await.unwrap().physical_id, "st-S-ABC");
    }
    let taken = json!({"LogGroupName": "/app", "LogStreamName": "st-S-ABC"});
    assert!(stream.create(&call, create("T", taken)).await.is_err(), "another resource's stream");
    let delete =
        DeleteRequest { stack_id: String::new(), physical_id: "st-S-ABC".to_owned(), properties: properties(settings) };
    for _ in 0..2 {
        stream.delete(&call, delete.clone()).await.unwrap();
    }
    assert_eq!(world.ok("DescribeLogStreams", json!({"logGroupName": "/app"})).await, json!({"logStreams": []}));
}

#[tokio::test]
async fn a_stack_may_do_only_what_its_deployer_may() {
    let world = World::new().await;
    let group = named(&world, "AWS::Logs::LogGroup");
    let request = create("G", json!({ "LogGroupName": "g", "RetentionInDays": 7 }));
    let made = group.create(&world.call(), request.clone()).await.unwrap();
    let delete =
        DeleteRequest { stack_id: request.stack_id, physical_id: made.physical_id, properties: request.properties };
    group.delete(&world.call(), delete).await.unwrap();
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:g:*".to_owned();
    let asked: Vec<_> = world.asked.0.lock().iter().map(|(action, _)| action.clone()).collect();
    assert_eq!(asked, ["logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"]);
    assert!(world.asked.0.lock().iter().all(|(_, resource)| *resource == arn));
}
