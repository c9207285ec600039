//! `AWS::S3::BucketPolicy`.

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value};

use super::properties::text;
use crate::access::{Question, authorize};
use crate::bucket_config::set_policy;
use crate::error::{Result, S3Error};
use crate::model::{Bucket, StackOwner};
use crate::policy::check_policy;
use crate::s3::S3;

pub(super) struct BucketPolicyType(pub(super) Arc<S3>);

const SCHEMA: ResourceSchema = ResourceSchema {
    type_name: "AWS::S3::BucketPolicy",
    properties: &[Property::required("Bucket").replaces(), Property::required("PolicyDocument")],
    name_property: None,
    name_chars_max: 63,
    name_lower_case: true,
    attributes: &[],
};

impl BucketPolicyType {
    /// Gives the bucket its policy. One that another stack or a user has set is not overwritten.
    async fn put(&self, call: &Call, properties: &Map<String, Value>, owner: StackOwner) -> Result<Provisioned> {
        let s3 = &self.0;
        let name = properties.get("Bucket").map_or(Ok(String::new()), |value| text(value, "Bucket"))?;
        let document = match properties.get("PolicyDocument") {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        let bucket = s3.bucket(&name).await?;
        authorize(&*s3.identity, call, &bucket, Question::new("s3:PutBucketPolicy", None)).await?;
        check_policy(&document, &name)?;
        s3.change_bucket(&name, |bucket| {
            if bucket.policy.is_some() && bucket.policy_stack.as_ref() != Some(&owner) {
                return Err(S3Error::request(format!("The bucket policy already exists on bucket {name}.")));
            }
            set_policy(bucket, &document)?;
            bucket.policy_stack = Some(owner.clone());
            Ok(())
        })
        .await?;
        Ok(Provisioned { physical_id: name, attributes: Map::new() })
    }

    async fn remove(&self, call: &Call, request: DeleteRequest) -> Result<()> {
        let s3 = &self.0;
        let stack_id = request.stack_id;
        let ours = |bucket: &Bucket| bucket.policy_stack.as_ref().is_some_and(|owner| owner.stack_id == stack_id);
        let bucket = match s3.bucket(&request.physical_id).await {
            Err(S3Error::NoSuchBucket { .. }) => return Ok(()),
            other => other?,
        };
        if !ours(&bucket) {
            return Ok(());
        }
        authorize(&*s3.identity, call, &bucket, Question::new("s3:DeleteBucketPolicy", None)).await?;
        let removed = s3.change_bucket(&bucket.name, |bucket| {
            if ours(bucket) {
                bucket.policy = None;
                bucket.policy_stack = None;
            }
            Ok(())
        });
        match removed.await {
            Err(S3Error::NoSuchBucket { .. }) => Ok(()),
            other => other,
        }
    }
}

#[async_trait]
impl ResourceType for BucketPolicyType {
    fn schema(&self) -> &'static ResourceSchema {
        &SCHEMA
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> std::result::Result<Provisioned, ServiceError> {
        let owner = StackOwner { stack_id: request.stack_id, logical_id: request.logical_id };
        Ok(self.put(call, &request.properties, owner).await?)
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> std::result::Result<Provisioned, ServiceError> {
        let owner = StackOwner { stack_id: request.stack_id, logical_id: request.logical_id };
        Ok(self.put(call, &request.properties, owner).await?)
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> std::result::Result<(), ServiceError> {
        Ok(self.remove(call, request).await?)
    }
}
