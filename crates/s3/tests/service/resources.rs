//! The resource types, and the port for other services.

use std::sync::Arc;

use crate::harness::{Harness, call};
use cauce_core::ports::Objects as _;
use cauce_core::{CreateRequest, DeleteRequest, Provisioned, ResourceType, ServiceError, UpdateRequest};
use serde_json::{Map, Value, json};

const STACK: &str = "arn:aws:cloudformation:us-east-1:000000000000:stack/st/1";

fn types(h: &Harness) -> (Arc<dyn ResourceType>, Arc<dyn ResourceType>) {
    let mut types = cauce_s3::resource_types(&h.s3).into_iter();
    (types.next().unwrap(), types.next().unwrap())
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

async fn create(of: &Arc<dyn ResourceType>, id: &str, properties: Value) -> Result<Provisioned, ServiceError> {
    let request = CreateRequest {
        stack_id: STACK.to_owned(),
        logical_id: id.to_owned(),
        generated_name: format!("st-{}-abc", id.to_lowercase()),
        properties: object(properties),
    };
    of.create(&call(), request).await
}

#[tokio::test]
async fn the_bucket_of_sam_is_made_changed_and_removed() {
    let h = Harness::new().await;
    let (buckets, policies) = types(&h);
    let properties = json!({
        "VersioningConfiguration": {"Status": "Enabled"},
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]},
        "PublicAccessBlockConfiguration": {"BlockPublicAcls": "true", "BlockPublicPolicy": "true", "IgnorePublicAcls": "true", "RestrictPublicBuckets": "true"},
        "Tags": [{"Key": "ManagedStackSource", "Value": "AwsSamCli"}],
    });
    let made = create(&buckets, "Source", properties.clone()).await.unwrap();
    assert_eq!(made.physical_id, "st-source-abc");
    assert_eq!(made.attributes["Arn"], "arn:aws:s3:::st-source-abc");
    assert_eq!(made.attributes["RegionalDomainName"], "st-source-abc.s3.us-east-1.amazonaws.com");
    // Repeated after a crash.
    assert_eq!(create(&buckets, "Source", properties.clone()).await.unwrap(), made);
    assert_eq!(h.ok("GET /st-source-abc?versioning", b"").await.element("Status"), "Enabled");
    let tags = h.ok("GET /st-source-abc?tagging", b"").await;
    assert_eq!(tags.elements("Value"), [STACK, "st", "Source", "AwsSamCli"]);
    let policy = json!({"Bucket": "st-source-abc", "PolicyDocument": {"Statement": [{"Action": ["s3:*"], "Effect": "Deny",
        "Resource": ["arn:aws:s3:::st-source-abc", "arn:aws:s3:::st-source-abc/*"], "Principal": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}});
    let made_policy = create(&policies, "Policy", policy.clone()).await.unwrap();
    assert!(h.ok("GET /st-source-abc?policy", b"").await.text().contains("SecureTransport"));
    assert!(create(&policies, "Another", policy.clone()).await.is_err());

    let update = UpdateRequest {
        stack_id: STACK.to_owned(),
        logical_id: "Source".to_owned(),
        physical_id: made.physical_id.clone(),
        previous: object(properties),
        properties: Map::new(),
    };
    buckets.update(&call(), update).await.unwrap();
    assert_eq!(h.ok("GET /st-source-abc?versioning", b"").await.element("Status"), "Suspended");

    let gone = |physical_id: &str| DeleteRequest {
        stack_id: STACK.to_owned(),
        physical_id: physical_id.to_owned(),
        properties: Map::new(),
    };
    for _ in 0..2 {
        policies.delete(&call(), gone(&made_policy.physical_id)).await.unwrap();
    }
    h.refused("GET /st-source-abc?policy", b"", 404, "NoSuchBucketPolicy").await;
    h.ok("PUT /st-source-abc/k", b"x").await;
    let error = buckets.delete(&call(), gone(&made.physical_id)).await.unwrap_err();
    assert_eq!(error.code(), "BucketNotEmpty");
    h.ok("DELETE /st-source-abc/k?versionId=null", b"").await;
    for _ in 0..2 {
        buckets.delete(&call(), gone(&made.physical_id)).await.unwrap();
    }
}

#[tokio::test]
async fn what_belongs_to_others_is_not_taken() {
    let h = Harness::new().await;
    let (buckets, _) = types(&h);
    h.ok("PUT /taken", b"").await;
    let error = create(&buckets, "B", json!({"BucketName": "taken"})).await.unwrap_err();
    assert_eq!(error.code(), "BucketAlreadyOwnedByYou");
    create(&buckets, "C", json!({"BucketName": "mine"})).await.unwrap();
    let error = create(&buckets, "D", json!({"BucketName": "mine"})).await.unwrap_err();
    assert_eq!(error.code(), "BucketAlreadyOwnedByYou");
    h.policies.denied.lock().push("s3:PutBucketVersioning".to_owned());
    let versioned = json!({"BucketName": "b03", "VersioningConfiguration": {"Status": "Enabled"}});
    assert_eq!(create(&buckets, "E", versioned).await.unwrap_err().code(), "AccessDenied");
    h.refused("GET /b03", b"", 404, "NoSuchBucket").await;
}

#[tokio::test]
async fn other_services_read_whole_objects() {
    let h = Harness::with_bucket().await;
    let body = vec![3; 300_000];
    h.ok("PUT /b01/k", &body).await;
    let read = async |key: &str, version: Option<&str>, max: usize| {
        h.s3.read(&call(), "b01", key, version, max).await.map_err(|e| e.code().to_owned())
    };
    assert!(read("k", None, 300_000).await.unwrap() == body);
    assert!(read("k", Some("null"), 300_000).await.unwrap() == body);
    assert_eq!(read("k", None, 299_999).await.unwrap_err(), "EntityTooLarge");
    assert_eq!(read("none", None, 1).await.unwrap_err(), "NoSuchKey");
    h.policies.denied.lock().push("s3:GetObject".to_owned());
    assert_eq!(read("k", None, 300_000).await.unwrap_err(), "AccessDenied");
}
