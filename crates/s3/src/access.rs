//! Whether the caller may: identity policies and the bucket's own.

use cauce_core::ports::{Access, Identity, Verdict};
use cauce_core::{Arn, Call, Principal};

use crate::error::{Plain, Result, S3Error};
use crate::model::Bucket;
use crate::operation::Operation;
use crate::policy::is_public;
use crate::request::Request;

/// A question to the policies about a bucket or an object in it.
pub(crate) struct Question<'a> {
    pub(crate) action: &'a str,
    /// The object's key; `None` for the bucket itself.
    pub(crate) key: Option<&'a str>,
    pub(crate) context: Vec<(String, Vec<String>)>,
}

impl<'a> Question<'a> {
    /// Without condition keys.
    pub(crate) fn new(action: &'a str, key: Option<&'a str>) -> Question<'a> {
        Question { action, key, context: Vec::new() }
    }
}

/// Refuses what the policies do not allow on `bucket`.
///
/// # Errors
/// `AccessDenied` with AWS's reason.
pub(crate) async fn authorize(
    identity: &dyn Identity,
    call: &Call,
    bucket: &Bucket,
    question: Question<'_>,
) -> Result<()> {
    let policy = bucket.policy.as_deref();
    let stranger = *call.principal == Principal::Anonymous || call.principal.account() != Some(bucket.account);
    if stranger {
        // Nothing but the bucket's own policy can let a stranger in, and that not if it lets in everybody.
        let restricted = bucket.public_access_block.is_some_and(|block| block.restrict_public_buckets);
        if policy.is_none_or(|policy| restricted && is_public(policy)) {
            return Err(Plain::AccessDenied.into());
        }
    }
    let resource = match question.key {
        Some(key) => Arn::s3(&format!("{}/{key}", bucket.name)),
        None => Arn::s3(&bucket.name),
    };
    ask(identity, call, &question, resource.as_str(), policy).await
}

/// Refuses what the policies do not allow on something that is no existing bucket.
///
/// # Errors
/// `AccessDenied` with AWS's reason.
pub(crate) async fn authorize_new(identity: &dyn Identity, call: &Call, action: &str, resource: &str) -> Result<()> {
    ask(identity, call, &Question::new(action, None), resource, None).await
}

async fn ask(
    identity: &dyn Identity,
    call: &Call,
    question: &Question<'_>,
    resource: &str,
    policy: Option<&str>,
) -> Result<()> {
    let action = question.action;
    let access = Access { action, resource, resource_policy: policy, context: question.context.clone() };
    match identity.explain(call, &access).await.map_err(S3Error::Service)? {
        Verdict::Allowed(_) => Ok(()),
        Verdict::Denied(_) if *call.principal == Principal::Anonymous => Err(Plain::AccessDenied.into()),
        Verdict::Denied(why) => {
            let who = &call.principal;
            // S3 puts quotes around the resource, where other services do not.
            let message =
                format!("User: {who} is not authorized to perform: {action} on resource: \"{resource}\" {why}");
            Err(S3Error::Denied { message })
        }
    }
}

/// The condition keys that a request answers. AWS: Service Authorization Reference, "Condition keys for Amazon S3".
pub(crate) fn context(operation: Operation, request: &Request) -> Vec<(String, Vec<String>)> {
    const HEADERS: [&str; 7] = [
        "x-amz-acl",
        "x-amz-content-sha256",
        "x-amz-copy-source",
        "x-amz-metadata-directive",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-storage-class",
    ];
    let mut context = Vec::new();
    let mut add = |name: &str, value: Option<&str>| {
        context.extend(value.map(|value| (format!("s3:{name}"), vec![value.to_owned()])));
    };
    for header in HEADERS {
        add(header, request.header(header));
    }
    add("versionid", request.query.get("versionId"));
    if matches!(operation, Operation::ListObjects | Operation::ListObjectsV2 | Operation::ListObjectVersions) {
        for name in ["prefix", "delimiter", "max-keys"] {
            add(name, request.query.get(name));
        }
    }
    context
}
