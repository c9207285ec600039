//! The CloudFormation resource types of S3.
//!
//! AWS: CloudFormation Template Reference, "AWS::S3::Bucket" and "AWS::S3::BucketPolicy".

mod bucket;
mod bucket_policy;
mod properties;

use std::sync::Arc;

use cauce_core::ResourceType;

use crate::s3::S3;

/// The resource types of S3, for `cloudformation`.
pub fn resource_types(s3: &Arc<S3>) -> Vec<Arc<dyn ResourceType>> {
    vec![Arc::new(bucket::BucketType(Arc::clone(s3))), Arc::new(bucket_policy::BucketPolicyType(Arc::clone(s3)))]
}
