//! What CloudFormation drives.

use std::sync::Arc;

use cauce_core::{CreateRequest, DeleteRequest, Provisioned, ResourceType, ServiceError, UpdateRequest};
use cauce_lambda::resource_types;
use serde_json::{Map, Value, json};

use crate::world::{ROLE, World, runtime_zip, zip};

const STACK: &str = "arn:aws:cloudformation:us-east-1:000000000000:stack/s/1";

struct Stack {
    world: World,
}

impl Stack {
    async fn new() -> Stack {
        let world = World::new().await;
        world.objects.0.lock().insert("b/one".into(), runtime_zip().to_vec().into());
        world.objects.0.lock().insert("b/two".into(), zip(&[("bootstrap", b"#!/bin/sh\n")]).into());
        Stack { world }
    }

    fn resource(&self, kind: &str) -> Arc<dyn ResourceType> {
        let all = resource_types(&self.world.lambda);
        all.into_iter().find(|t| t.schema().type_name == format!("AWS::Lambda::{kind}")).unwrap()
    }

    fn properties(&self, kind: &str, properties: Value) -> Map<String, Value> {
        let known = self.resource(kind).schema().properties;
        let properties = properties.as_object().unwrap().clone();
        assert!(properties.keys().all(|k| known.iter().any(|p| p.name == k)), "{properties:?}");
        properties
    }

    async fn create(&self, kind: &str, logical_id: &str, properties: Value) -> Result<Provisioned, ServiceError> {
        let request = CreateRequest {
            stack_id: STACK.into(),
            logical_id: logical_id.into(),
            generated_name: format!("s-{logical_id}-ABC"),
            properties: self.properties(kind, properties),
        };
        self.resource(kind).create(&self.world.call(), request).await
    }

    async fn update(&self, kind: &str, physical_id: &str, from: Value, to: Value) -> Result<Provisioned, ServiceError> {
        let request = UpdateRequest {
            stack_id: STACK.into(),
            logical_id: "L".into(),
            physical_id: physical_id.into(),
            previous: self.properties(kind, from),
            properties: self.properties(kind, to),
        };
        self.resource(kind).update(&self.world.call(), request).await
    }

    async fn delete(&self, kind: &str, physical_id: &str, properties: Value) -> Result<(), ServiceError> {
        let properties = self.properties(kind, properties);
        let request = DeleteRequest { stack_id: STACK.into(), physical_id: physical_id.into(), properties };
        self.resource(kind).delete(&self.world.call(), request).await
    }
}

fn function(key: &str, extra: Value) -> Value {
    let mut properties =
        json!({"Code": {"S3Bucket": "b", "S3Key": key}, "Runtime": "provided.al2023", "Handler": "h", "Role": ROLE});
    properties.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    properties
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_made_once_changed_and_removed() {
    let stack = Stack::new().await;
    let wanted = function(
        "one",
        json!({"Timeout": "7", "Environment": {"Variables": {"NN": 1}}, "Tags": [{"Key": "k", "Value": "v"}],
                                        "ReservedConcurrentExecutions": "3"}),
    );
    let made = stack.create("Function", "L", wanted.clone()).await.unwrap();
    assert_eq!(made.physical_id, "s-L-ABC");
    assert_eq!(made.attributes["Arn"], "arn:aws:lambda:us-east-1:000000000000:function:s-L-ABC");
    assert_eq!(stack.create("Function", "L", wanted.clone()).await.unwrap(), made, "again after a crash");
    let named = function("one", json!({"FunctionName": "s-L-ABC"}));
    assert_eq!(stack.create("Function", "M", named).await.unwrap_err().code(), "ResourceConflictException");
    let got = stack.world.json("GetFunction", json!({"FunctionName": "s-L-ABC"})).await.unwrap();
    assert_eq!(
        (&got["Configuration"]["Timeout"], &got["Configuration"]["Environment"]["Variables"]["NN"]),
        (&json!(7), &json!("1"))
    );
    assert_eq!(got["Concurrency"]["ReservedConcurrentExecutions"], 3);
    assert_eq!((&got["Tags"]["k"], &got["Tags"]["aws:cloudformation:stack-name"]), (&json!("v"), &json!("s")));
    assert_eq!(stack.world.invoke("s-L-ABC", json!(5)).await.0, json!(5));

    stack.update("Function", "s-L-ABC", wanted, function("two", json!({}))).await.unwrap();
    let changed = stack.world.json("GetFunction", json!({"FunctionName": "s-L-ABC"})).await.unwrap();
    assert_ne!(changed["Configuration"]["CodeSha256"], got["Configuration"]["CodeSha256"]);
    assert_eq!(changed["Configuration"]["Timeout"], 3, "what is no longer said goes back to its default");
    assert_eq!((changed["Configuration"].get("Environment"), changed.get("Concurrency")), (None, None));
    assert_eq!(changed["Tags"].get("k"), None);

    stack.delete("Function", "s-L-ABC", function("two", json!({}))).await.unwrap();
    stack.delete("Function", "s-L-ABC", function("two", json!({}))).await.unwrap();
    assert_eq!(
        stack.world.refused("GetFunction", json!({"FunctionName": "s-L-ABC"})).await.0,
        "ResourceNotFoundException"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn source_text_is_refused() {
    let stack = Stack::new().await;
    let error = stack
        .create("Function", "L", function("one", json!({"Code": {"ZipFile": "exports.handler"}})))
        .await
        .unwrap_err();
    assert!(error.message().starts_with("Code.ZipFile is source text"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_types_live_too() {
    let stack = Stack::new().await;
    stack.create("Function", "L", function("one", json!({"FunctionName": "f"}))).await.unwrap();
    let permission =
        json!({"FunctionName": "f", "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"});
    let made = stack.create("Permission", "P", permission.clone()).await.unwrap();
    assert_eq!(stack.create("Permission", "P", permission.clone()).await.unwrap(), made);
    let policy = stack.world.json("GetPolicy", json!({"FunctionName": "f"})).await.unwrap();
    assert!(policy["Policy"].as_str().unwrap().contains(&made.physical_id));
    stack.delete("Permission", &made.physical_id, permission.clone()).await.unwrap();
    stack.delete("Permission", &made.physical_id, permission).await.unwrap();

    let version = stack.create("Version", "V", json!({"FunctionName": "f"})).await.unwrap();
    assert_eq!(version.physical_id, "arn:aws:lambda:us-east-1:000000000000:function:f:1");
    assert_eq!(version.attributes["Version"], "1");
    let alias = json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1"});
    let made = stack.create("Alias", "A", alias.clone()).await.unwrap();
    assert_eq!(made.physical_id, "arn:aws:lambda:us-east-1:000000000000:function:f:live");
    assert_eq!(stack.create("Alias", "A", alias.clone()).await.unwrap(), made);
    let latest = json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "$LATEST"});
    stack.update("Alias", &made.physical_id, alias.clone(), latest).await.unwrap();
    assert_eq!(
        stack.world.json("GetAlias", json!({"FunctionName": "f", "Name": "live"})).await.unwrap()["FunctionVersion"],
        "$LATEST"
    );

    let config = json!({"FunctionName": "f", "Qualifier": "live", "MaximumRetryAttempts": "1"});
    let made_config = stack.create("EventInvokeConfig", "E", config.clone()).await.unwrap();
    let f = json!({"FunctionName": "f", "Qualifier": "live"});
    assert_eq!(stack.world.json("GetFunctionEventInvokeConfig", f).await.unwrap()["MaximumRetryAttempts"], 1);
    for _ in 0..2 {
        stack.delete("EventInvokeConfig", &made_config.physical_id, config.clone()).await.unwrap();
    }
    for _ in 0..2 {
        stack.delete("Alias", &made.physical_id, alias.clone()).await.unwrap();
        stack.delete("Version", &version.physical_id, json!({"FunctionName": "f"})).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_lives_and_dies_with_its_stack() {
    let stack = Stack::new().await;
    stack.world.create("f", json!({})).await;
    stack.world.queues.create("q", std::time::Duration::from_secs(30), false);
    let source = crate::world::queue_arn("q");
    let first = json!({ "FunctionName": "f", "EventSourceArn": source, "BatchSize": "5", "Enabled": "true",
                        "Tags": [{ "Key": "a", "Value": "b" }] });
    let made = stack.create("EventSourceMapping", "M", first.clone()).await.unwrap();
    // The same request again, as after a crash, finds what it made.
    assert_eq!(stack.create("EventSourceMapping", "M", first.clone()).await.unwrap(), made);
    let other = stack.create("EventSourceMapping", "N", first.clone()).await.unwrap_err();
    assert_eq!(other.code(), "ResourceConflictException");
    let uuid = made.physical_id.as_str();
    assert_eq!(made.attributes["Id"], uuid);
    let get = async || stack.world.json("GetEventSourceMapping", json!({ "UUID": uuid })).await;
    assert_eq!(get().await.unwrap()["BatchSize"], 5);
    let second = json!({ "FunctionName": "f", "EventSourceArn": source, "Enabled": false });
    stack.update("EventSourceMapping", uuid, first, second.clone()).await.unwrap();
    let mapping = get().await.unwrap();
    assert_eq!((&mapping["BatchSize"], &mapping["State"] == "Enabled"), (&json!(10), false));
    let arn = &made.attributes["EventSourceMappingArn"];
    assert_eq!(stack.world.json("ListTags", json!({ "Resource": arn })).await.unwrap(), json!({ "Tags": {} }));
    stack.delete("EventSourceMapping", uuid, second.clone()).await.unwrap();
    assert_eq!(get().await.unwrap_err().code(), "ResourceNotFoundException");
    stack.delete("EventSourceMapping", uuid, second).await.unwrap();
}
