//! What can be set on a bucket, read back and removed again.

use std::sync::Arc;

use cauce_core::ServiceError;

use crate::description::encryption_of;
use crate::error::{Plain, Result, S3Error};
use crate::integrity::Promise;
use crate::keys;
use crate::lifecycle::{parse_lifecycle, write_lifecycle};
use crate::model::{Bucket, Encryption, Ownership, PublicAccessBlock, Tag, Versioning};
use crate::policy::{check_policy, is_public};
use crate::request::{Body, Reply, Request};
use crate::s3::S3;
use crate::tags::{BUCKET_TAGS_MAX, check_no_system_tags, check_tags, parse_tagging, write_tagging};
use crate::xml::{Element, Writer};

impl S3 {
    /// Changes a bucket.
    pub(crate) async fn change_bucket(&self, name: &str, change: impl Fn(&mut Bucket) -> Result<()>) -> Result<()> {
        self.db
            .transact(async |tx| {
                let mut bucket = self.bucket_in(&tx, name).await?;
                change(&mut bucket)?;
                Ok(tx.set_record(keys::bucket(name), &bucket)?)
            })
            .await
    }

    /// GetBucketVersioning.
    pub(crate) fn get_versioning(&self, bucket: &Bucket) -> Reply {
        let mut writer = Writer::new("VersioningConfiguration");
        writer.maybe("Status", bucket.versioning.map(Versioning::name));
        Reply::xml(writer.finish())
    }

    /// PutBucketVersioning.
    pub(crate) async fn put_versioning(&self, request: &Request, body: Body) -> Result<Reply> {
        let document = request.document(body, "VersioningConfiguration").await?;
        document.only(&["Status", "MfaDelete"])?;
        if document.text_of("MfaDelete")?.is_some_and(|text| text != "Disabled") {
            return Err(Plain::NotImplemented.into());
        }
        let status = document.text_of("Status")?;
        let Some(status) = status else {
            let message = "The Versioning element must be specified";
            return Err(S3Error::Service(ServiceError::new(400, "IllegalVersioningConfigurationException", message)));
        };
        let versioning = Versioning::by_name(status).ok_or(Plain::MalformedXml)?;
        self.change_bucket(request.bucket(), |bucket| {
            bucket.versioning = Some(versioning);
            Ok(())
        })
        .await?;
        Ok(Reply::ok())
    }

    /// GetBucketEncryption.
    pub(crate) fn get_encryption(&self, bucket: &Bucket) -> Reply {
        let mut writer = Writer::new("ServerSideEncryptionConfiguration");
        writer.within("Rule", |w| {
            w.within("ApplyServerSideEncryptionByDefault", |w| {
                w.text("SSEAlgorithm", &bucket.encryption.algorithm);
                w.maybe("KMSMasterKeyID", bucket.encryption.key.as_deref());
            });
            w.text("BucketKeyEnabled", bucket.encryption.bucket_key);
        });
        Reply::xml(writer.finish())
    }

    /// PutBucketEncryption.
    pub(crate) async fn put_encryption(&self, request: &Request, body: Body) -> Result<Reply> {
        let document = request.document(body, "ServerSideEncryptionConfiguration").await?;
        document.only(&["Rule"])?;
        let rule = document.child("Rule")?.ok_or(Plain::MalformedXml)?;
        rule.only(&["ApplyServerSideEncryptionByDefault", "BucketKeyEnabled", "BlockedEncryptionTypes"])?;
        if rule.child("BlockedEncryptionTypes")?.is_some() {
            return Err(Plain::NotImplemented.into());
        }
        let bucket_key = rule.flag("BucketKeyEnabled")?.unwrap_or(false);
        let encryption = match rule.child("ApplyServerSideEncryptionByDefault")? {
            None => Encryption { bucket_key, ..Encryption::default() },
            Some(default) => {
                default.only(&["SSEAlgorithm", "KMSMasterKeyID"])?;
                let algorithm = default.required("SSEAlgorithm")?;
                if !["AES256", "aws:kms", "aws:kms:dsse"].contains(&algorithm) {
                    return Err(Plain::MalformedXml.into());
                }
                encryption_of(algorithm, default.text_of("KMSMasterKeyID")?, bucket_key)?
            }
        };
        self.set_encryption(request.bucket(), encryption).await?;
        Ok(Reply::ok())
    }

    /// DeleteBucketEncryption: back to what a new bucket has.
    pub(crate) async fn delete_encryption(&self, request: &Request) -> Result<Reply> {
        self.set_encryption(request.bucket(), Encryption::default()).await?;
        Ok(Reply::no_content())
    }

    async fn set_encryption(&self, name: &str, encryption: Encryption) -> Result<()> {
        self.change_bucket(name, |bucket| {
            bucket.encryption = encryption.clone();
            Ok(())
        })
        .await
    }

    /// GetPublicAccessBlock.
    pub(crate) fn get_public_access_block(&self, bucket: &Bucket) -> Result<Reply> {
        let block = bucket.public_access_block.ok_or(Plain::NoSuchPublicAccessBlock)?;
        let mut writer = Writer::new("PublicAccessBlockConfiguration");
        writer.text("BlockPublicAcls", block.block_public_acls).text("IgnorePublicAcls", block.ignore_public_acls);
        writer.text("BlockPublicPolicy", block.block_public_policy);
        writer.text("RestrictPublicBuckets", block.restrict_public_buckets);
        Ok(Reply::xml(writer.finish()))
    }

    /// PutPublicAccessBlock.
    pub(crate) async fn put_public_access_block(&self, request: &Request, body: Body) -> Result<Reply> {
        let document = request.document(body, "PublicAccessBlockConfiguration").await?;
        document.only(&["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"])?;
        let flag = |name: &str| Ok::<_, S3Error>(document.flag(name)?.unwrap_or(false));
        let block = PublicAccessBlock {
            block_public_acls: flag("BlockPublicAcls")?,
            ignore_public_acls: flag("IgnorePublicAcls")?,
            block_public_policy: flag("BlockPublicPolicy")?,
            restrict_public_buckets: flag("RestrictPublicBuckets")?,
        };
        self.set_public_access_block(request.bucket(), Some(block)).await?;
        Ok(Reply::ok())
    }

    /// DeletePublicAccessBlock.
    pub(crate) async fn delete_public_access_block(&self, request: &Request) -> Result<Reply> {
        self.set_public_access_block(request.bucket(), None).await?;
        Ok(Reply::no_content())
    }

    async fn set_public_access_block(&self, name: &str, block: Option<PublicAccessBlock>) -> Result<()> {
        self.change_bucket(name, |bucket| {
            bucket.public_access_block = block;
            Ok(())
        })
        .await
    }

    /// GetBucketOwnershipControls.
    pub(crate) fn get_ownership(&self, bucket: &Bucket) -> Result<Reply> {
        let ownership = bucket.ownership.ok_or(Plain::OwnershipControlsNotFound)?;
        let mut writer = Writer::new("OwnershipControls");
        writer.around("Rule", "ObjectOwnership", ownership.name());
        Ok(Reply::xml(writer.finish()))
    }

    /// PutBucketOwnershipControls.
    pub(crate) async fn put_ownership(&self, request: &Request, body: Body) -> Result<Reply> {
        let document = request.document(body, "OwnershipControls").await?;
        document.only(&["Rule"])?;
        let rule = document.child("Rule")?.ok_or(Plain::MalformedXml)?;
        let ownership = Ownership::by_name(rule.required("ObjectOwnership")?).ok_or(Plain::MalformedXml)?;
        self.set_ownership(request.bucket(), Some(ownership)).await?;
        Ok(Reply::ok())
    }

    /// DeleteBucketOwnershipControls.
    pub(crate) async fn delete_ownership(&self, request: &Request) -> Result<Reply> {
        self.set_ownership(request.bucket(), None).await?;
        Ok(Reply::no_content())
    }

    async fn set_ownership(&self, name: &str, ownership: Option<Ownership>) -> Result<()> {
        self.change_bucket(name, |bucket| {
            bucket.ownership = ownership;
            Ok(())
        })
        .await
    }

    /// GetBucketTagging.
    pub(crate) fn get_tagging(&self, bucket: &Bucket) -> Result<Reply> {
        if bucket.tags.is_empty() {
            return Err(Plain::NoSuchTagSet.into());
        }
        Ok(Reply::xml(write_tagging(&bucket.tags)))
    }

    /// PutBucketTagging.
    pub(crate) async fn put_tagging(&self, request: &Request, body: Body) -> Result<Reply> {
        let tags = parse_tagging(&request.document(body, "Tagging").await?)?;
        check_tags(&tags, BUCKET_TAGS_MAX, "Bucket")?;
        // What a stack has tagged stays; it may be repeated but not changed.
        self.change_bucket(request.bucket(), |bucket| {
            let system: Vec<Tag> = bucket.tags.iter().filter(|tag| tag.key.starts_with("aws:")).cloned().collect();
            let given: Vec<Tag> = tags.iter().filter(|tag| !system.contains(tag)).cloned().collect();
            check_no_system_tags(&given)?;
            bucket.tags = system.into_iter().chain(given).collect();
            Ok(())
        })
        .await?;
        Ok(Reply::no_content())
    }

    /// DeleteBucketTagging.
    pub(crate) async fn delete_tagging(&self, request: &Request) -> Result<Reply> {
        self.change_bucket(request.bucket(), |bucket| {
            bucket.tags.retain(|tag| tag.key.starts_with("aws:"));
            Ok(())
        })
        .await?;
        Ok(Reply::no_content())
    }

    /// GetBucketPolicy: the document as it was given.
    pub(crate) fn get_policy(&self, bucket: &Bucket) -> Result<Reply> {
        let policy = bucket.policy.clone().ok_or_else(|| no_policy(bucket))?;
        Ok(Reply::xml(policy).header("content-type", "application/json"))
    }

    /// GetBucketPolicyStatus.
    pub(crate) fn get_policy_status(&self, bucket: &Bucket) -> Result<Reply> {
        let policy = bucket.policy.as_deref().ok_or_else(|| no_policy(bucket))?;
        let mut writer = Writer::new("PolicyStatus");
        writer.text("IsPublic", is_public(policy));
        Ok(Reply::xml(writer.finish()))
    }

    /// PutBucketPolicy.
    pub(crate) async fn put_policy(&self, request: &Request, body: Body) -> Result<Reply> {
        let promise = Promise::of(request, &body)?;
        let trailers = Arc::clone(&body.trailers);
        let document = body.read().await?;
        promise.check_document(&document, &trailers.lock())?;
        let malformed = |_| S3Error::MalformedPolicy {
            message: "Policies must be valid JSON and the first byte must be '{'".to_owned(),
        };
        let document = String::from_utf8(document.to_vec()).map_err(malformed)?;
        check_policy(&document, request.bucket())?;
        self.change_bucket(request.bucket(), |bucket| set_policy(bucket, &document)).await?;
        Ok(Reply::no_content())
    }

    /// DeleteBucketPolicy.
    pub(crate) async fn delete_policy(&self, request: &Request) -> Result<Reply> {
        self.change_bucket(request.bucket(), |bucket| {
            bucket.policy = None;
            bucket.policy_stack = None;
            Ok(())
        })
        .await?;
        Ok(Reply::no_content())
    }

    /// GetBucketLifecycleConfiguration.
    pub(crate) fn get_lifecycle(&self, bucket: &Bucket) -> Result<Reply> {
        if bucket.lifecycle.is_empty() {
            return Err(Plain::NoSuchLifecycleConfiguration.into());
        }
        Ok(Reply::xml(write_lifecycle(&bucket.lifecycle)))
    }

    /// PutBucketLifecycleConfiguration.
    pub(crate) async fn put_lifecycle(&self, request: &Request, body: Body) -> Result<Reply> {
        let rules = parse_lifecycle(&request.document(body, "LifecycleConfiguration").await?)?;
        self.change_bucket(request.bucket(), |bucket| {
            bucket.lifecycle.clone_from(&rules);
            Ok(())
        })
        .await?;
        Ok(Reply::ok())
    }

    /// DeleteBucketLifecycle.
    pub(crate) async fn delete_lifecycle(&self, request: &Request) -> Result<Reply> {
        self.change_bucket(request.bucket(), |bucket| {
            bucket.lifecycle.clear();
            Ok(())
        })
        .await?;
        Ok(Reply::no_content())
    }

    /// GetBucketAcl and GetObjectAcl: the owner alone, as everywhere where access control lists are off.
    pub(crate) fn get_acl(&self, bucket: &Bucket) -> Reply {
        let owner = crate::bucket::owner_id(bucket.account);
        let mut writer = Writer::new("AccessControlPolicy");
        writer.around("Owner", "ID", &owner);
        writer.within("AccessControlList", |w| {
            w.within("Grant", |w| {
                w.grantee(&owner).text("Permission", "FULL_CONTROL");
            });
        });
        Reply::xml(writer.finish())
    }

    /// PutBucketAcl and PutObjectAcl: `private` changes nothing, all else is refused.
    pub(crate) async fn put_acl(&self, request: &Request, bucket: &Bucket, body: Body) -> Result<Reply> {
        let document = body.read().await?;
        let private = request.header("x-amz-acl") == Some("private");
        let grants = request.headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
        if private && !grants && document.is_empty() {
            return Ok(Reply::ok());
        }
        if !document.is_empty() {
            Element::parse(&document, "AccessControlPolicy")?;
        }
        match bucket.ownership {
            Some(Ownership::BucketOwnerEnforced) => Err(Plain::AclNotSupported.into()),
            None | Some(Ownership::BucketOwnerPreferred | Ownership::ObjectWriter) => Err(Plain::NotImplemented.into()),
        }
    }
}

/// Gives a bucket a policy that has been checked.
///
/// # Errors
/// `AccessDenied` if it lets everybody in and the bucket does not let that happen.
pub(crate) fn set_policy(bucket: &mut Bucket, document: &str) -> Result<()> {
    if bucket.public_access_block.is_some_and(|block| block.block_public_policy) && is_public(document) {
        return Err(Plain::PublicPolicyBlocked.into());
    }
    bucket.policy = Some(document.to_owned());
    Ok(())
}

fn no_policy(bucket: &Bucket) -> S3Error {
    let error = ServiceError::from(S3Error::from(Plain::NoSuchBucketPolicy));
    S3Error::Service(error.with_field("BucketName", bucket.name.as_str()))
}
