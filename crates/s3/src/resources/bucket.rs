//! `AWS::S3::Bucket`.

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Arn, Call, CreateRequest, DeleteRequest, Partition, Property, Provisioned, ResourceSchema, ResourceType,
    ServiceError, UpdateRequest,
};
use serde_json::{Map, Value, json};

use super::properties::{Configuration, text};
use crate::access::{Question, authorize, authorize_new};
use crate::bucket::{NewBucket, check_bucket_name};
use crate::error::{Result, S3Error};
use crate::model::{Bucket, StackOwner, Tag, Versioning};
use crate::s3::S3;

pub(super) struct BucketType(pub(super) Arc<S3>);

const SCHEMA: ResourceSchema = ResourceSchema {
    type_name: "AWS::S3::Bucket",
    properties: &[
        Property::optional("BucketName").replaces(),
        Property::optional("AccessControl"),
        Property::optional("BucketEncryption"),
        Property::optional("LifecycleConfiguration"),
        Property::optional("OwnershipControls"),
        Property::optional("PublicAccessBlockConfiguration"),
        Property::optional("Tags"),
        Property::optional("VersioningConfiguration"),
    ],
    name_property: Some("BucketName"),
    name_chars_max: 63,
    name_lower_case: true,
    attributes: &["Arn", "DomainName", "DualStackDomainName", "RegionalDomainName"],
};

/// Properties and the action that setting each needs.
const ACTIONS: [(&str, &str); 6] = [
    ("BucketEncryption", "s3:PutEncryptionConfiguration"),
    ("LifecycleConfiguration", "s3:PutLifecycleConfiguration"),
    ("OwnershipControls", "s3:PutBucketOwnershipControls"),
    ("PublicAccessBlockConfiguration", "s3:PutBucketPublicAccessBlock"),
    ("Tags", "s3:PutBucketTagging"),
    ("VersioningConfiguration", "s3:PutBucketVersioning"),
];

impl BucketType {
    async fn make(&self, call: &Call, request: CreateRequest) -> Result<Provisioned> {
        let s3 = &self.0;
        let name = match request.properties.get("BucketName") {
            Some(name) => text(name, "BucketName")?,
            None => request.generated_name.clone(),
        };
        check_bucket_name(&name)?;
        let configuration = Configuration::read(&request.properties)?;
        let arn = Arn::s3(&name);
        let given = ACTIONS.iter().filter(|(property, _)| request.properties.contains_key(*property));
        for action in std::iter::once("s3:CreateBucket").chain(given.map(|(_, action)| *action)) {
            authorize_new(&*s3.identity, call, action, arn.as_str()).await?;
        }
        let owner = StackOwner { stack_id: request.stack_id.clone(), logical_id: request.logical_id.clone() };
        let system = system_tags(&request.stack_id, &request.logical_id);
        let new = NewBucket {
            name,
            account: call.account,
            region: call.region.clone(),
            ownership: configuration.ownership,
            tags: Vec::new(),
            stack: Some(owner),
        };
        let made = s3.make_bucket(&new, |bucket| configure(bucket, &configuration, &system)).await?;
        Ok(provisioned(&made))
    }

    async fn change(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned> {
        let s3 = &self.0;
        let bucket = s3.bucket(&request.physical_id).await?;
        let configuration = Configuration::read(&request.properties)?;
        for (property, action) in ACTIONS {
            if request.previous.get(property) != request.properties.get(property) {
                authorize(&*s3.identity, call, &bucket, Question::new(action, None)).await?;
            }
        }
        let system = system_tags(&request.stack_id, &request.logical_id);
        s3.change_bucket(&request.physical_id, |bucket| {
            configure(bucket, &configuration, &system);
            Ok(())
        })
        .await?;
        Ok(provisioned(&bucket))
    }

    async fn remove(&self, call: &Call, request: DeleteRequest) -> Result<()> {
        let s3 = &self.0;
        let bucket = match s3.bucket(&request.physical_id).await {
            Err(S3Error::NoSuchBucket { .. }) => return Ok(()),
            other => other?,
        };
        authorize(&*s3.identity, call, &bucket, Question::new("s3:DeleteBucket", None)).await?;
        match s3.delete_bucket(&bucket.name).await {
            Err(S3Error::NoSuchBucket { .. }) => Ok(()),
            other => other,
        }
    }
}

/// Sets a bucket up as a template has it.
fn configure(bucket: &mut Bucket, configuration: &Configuration, system: &[Tag]) {
    // Versioning once on can only be suspended, so a template that no longer speaks of it suspends it.
    bucket.versioning = configuration.versioning.or(bucket.versioning.map(|_| Versioning::Suspended));
    bucket.encryption = configuration.encryption.clone();
    bucket.public_access_block = Some(configuration.public_access_block);
    bucket.ownership = Some(configuration.ownership);
    bucket.lifecycle.clone_from(&configuration.lifecycle);
    bucket.tags = system.iter().chain(&configuration.tags).cloned().collect();
}

/// The tags by which AWS marks what a stack has made.
fn system_tags(stack_id: &str, logical_id: &str) -> Vec<Tag> {
    // arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/ID
    let stack_name = stack_id.split('/').nth(1).unwrap_or(stack_id);
    let tag = |key: &str, value: &str| Tag { key: format!("aws:cloudformation:{key}"), value: value.to_owned() };
    vec![tag("stack-id", stack_id), tag("stack-name", stack_name), tag("logical-id", logical_id)]
}

fn provisioned(bucket: &Bucket) -> Provisioned {
    let (name, region, suffix) = (&bucket.name, &bucket.region, Partition::URL_SUFFIX);
    let attributes = Map::from_iter([
        ("Arn".to_owned(), Value::from(Arn::s3(name).as_str())),
        ("DomainName".to_owned(), json!(format!("{name}.s3.{suffix}"))),
        ("DualStackDomainName".to_owned(), json!(format!("{name}.s3.dualstack.{region}.{suffix}"))),
        ("RegionalDomainName".to_owned(), json!(format!("{name}.s3.{region}.{suffix}"))),
    ]);
    Provisioned { physical_id: name.clone(), attributes }
}

#[async_trait]
impl ResourceType for BucketType {
    fn schema(&self) -> &'static ResourceSchema {
        &SCHEMA
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> std::result::Result<Provisioned, ServiceError> {
        Ok(self.make(call, request).await?)
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> std::result::Result<Provisioned, ServiceError> {
        Ok(self.change(call, request).await?)
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> std::result::Result<(), ServiceError> {
        Ok(self.remove(call, request).await?)
    }
}
