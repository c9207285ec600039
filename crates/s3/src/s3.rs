//! The service: its state, and the way of a request from HTTP to an operation and back.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::ports::Identity;
use cauce_core::{Call, Env, ServiceError};
use cauce_store::{Bytes, Db};
use http::{HeaderMap, Method, Response, StatusCode};
use sha2::Digest as _;

use crate::access::{Question, authorize, context};
use crate::address::{Target, target};
use crate::bodies::Bodies;
use crate::bucket::check_owner;
use crate::error::{Result, S3Error};
use crate::meters::{Meters, Watch};
use crate::model::Bucket;
use crate::operation::{Operation, operation};
use crate::query::Query;
use crate::request::{Body, Payload, Reply, Request};
use crate::xml::Writer;

/// How S3 is set up.
#[derive(Clone, Debug)]
pub struct S3Options {
    /// The folder for the bodies of objects; made if it is missing. Nobody else may write to it.
    pub dir: PathBuf,
}

/// Amazon S3: buckets and objects. See the crate's documentation.
pub struct S3 {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) identity: Arc<dyn Identity>,
    pub(crate) bodies: Bodies,
    pub(crate) meters: Meters,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("S3")
    }
}

impl S3 {
    /// Opens the service over a store and a folder, and removes the bodies that a crash has left in the folder.
    ///
    /// # Errors
    /// `InternalError` if the folder or the store cannot be read.
    pub async fn open(
        db: Db,
        env: Env,
        identity: Arc<dyn Identity>,
        options: S3Options,
    ) -> std::result::Result<Arc<S3>, ServiceError> {
        let bodies = Bodies::open(&options.dir, &db).await?;
        Ok(Arc::new(S3 { db, env, identity, bodies, meters: Meters::new() }))
    }

    /// Answers a request whose caller is known. `uri` is the path and query as sent, still percent-encoded. Never fails: an
    /// error is an answer too.
    pub async fn respond(
        &self,
        call: Call,
        method: &Method,
        uri: &str,
        headers: HeaderMap,
        body: Body,
    ) -> Response<Payload> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let mut watch = Watch::default();
        let outcome = match read_request(call.clone(), path, query, headers) {
            Ok(request) => {
                let outcome = self.perform(method, &request, body, &mut watch).await;
                tracing::debug!(request = %call.request_id, %method, path, ok = outcome.is_ok(), "s3");
                outcome
            }
            Err(error) => Err(error),
        };
        let mut reply = outcome.unwrap_or_else(|error| error_reply(&call, path, error));
        if method == Method::HEAD || reply.status == StatusCode::NOT_MODIFIED || reply.status == StatusCode::NO_CONTENT
        {
            reply.payload = Payload::Whole(Bytes::new());
        }
        let id = call.request_id.as_str();
        reply.set("x-amz-request-id", id);
        reply.set("x-amz-id-2", &extended_id(id));
        watch.answered(call.received, &self.env, &mut reply);
        let mut response = Response::new(reply.payload);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        response
    }

    async fn perform(&self, method: &Method, request: &Request, body: Body, watch: &mut Watch) -> Result<Reply> {
        let wanted = operation(method, &request.target, &request.query, &request.headers)?;
        match wanted {
            Operation::ListBuckets => return self.list_buckets(request).await,
            Operation::CreateBucket => return self.create_bucket(request, body).await,
            _ => {}
        }
        let bucket = self.bucket(request.bucket()).await?;
        *watch = self.watch(&bucket, request);
        watch.began(wanted, method, request);
        check_owner(request, &bucket, &request.call)?;
        self.authorize_operation(wanted, request, &bucket).await?;
        match &request.target {
            Target::Object(..) => self.perform_on_object(wanted, request, bucket, body).await,
            _ => self.perform_on_bucket(wanted, request, &bucket, body).await,
        }
    }

    async fn authorize_operation(&self, wanted: Operation, request: &Request, bucket: &Bucket) -> Result<()> {
        // Each object of a batch is asked about on its own.
        if wanted == Operation::DeleteObjects {
            return Ok(());
        }
        let versioned = request.query.has("versionId");
        let action = if versioned { wanted.version_action() } else { wanted.action() };
        let key = Some(request.key()).filter(|key| !key.is_empty());
        let question = Question { action, key, context: context(wanted, request) };
        authorize(&*self.identity, &request.call, bucket, question).await?;
        if request.headers.contains_key("x-amz-tagging") {
            let question = Question::new("s3:PutObjectTagging", key);
            authorize(&*self.identity, &request.call, bucket, question).await?;
        }
        Ok(())
    }

    async fn perform_on_object(
        &self,
        wanted: Operation,
        request: &Request,
        bucket: Bucket,
        body: Body,
    ) -> Result<Reply> {
        match wanted {
            Operation::GetObject => self.get_object(request, &bucket, true).await,
            Operation::HeadObject => self.get_object(request, &bucket, false).await,
            Operation::PutObject => self.put_object(request, bucket, body).await,
            Operation::CopyObject => self.copy_object(request, bucket).await,
            Operation::DeleteObject => self.delete_object(request).await,
            Operation::GetObjectTagging => self.get_object_tagging(request, &bucket).await,
            Operation::PutObjectTagging => self.put_object_tagging(request, Some(body)).await,
            Operation::DeleteObjectTagging => self.put_object_tagging(request, None).await,
            Operation::GetObjectAcl => self.version(request, &bucket).await.map(|_| self.get_acl(&bucket)),
            Operation::PutObjectAcl => {
                self.version(request, &bucket).await?;
                self.put_acl(request, &bucket, body).await
            }
            Operation::CreateMultipartUpload => self.create_upload(request, &bucket).await,
            Operation::UploadPart => self.upload_part(request, &bucket, body).await,
            Operation::UploadPartCopy => self.upload_part_copy(request, &bucket).await,
            Operation::CompleteMultipartUpload => self.complete_upload(request, &bucket, body).await,
            Operation::AbortMultipartUpload => self.abort_upload(request).await,
            Operation::ListParts => self.list_parts(request, &bucket).await,
            other => Err(misrouted(other)),
        }
    }

    async fn perform_on_bucket(
        &self,
        wanted: Operation,
        request: &Request,
        bucket: &Bucket,
        body: Body,
    ) -> Result<Reply> {
        match wanted {
            Operation::HeadBucket => Ok(self.head_bucket(bucket)),
            Operation::DeleteBucket => self.delete_bucket(&bucket.name).await.map(|()| Reply::no_content()),
            Operation::GetBucketLocation => Ok(self.get_location(bucket)),
            Operation::GetBucketVersioning => Ok(self.get_versioning(bucket)),
            Operation::PutBucketVersioning => self.put_versioning(request, body).await,
            Operation::GetBucketEncryption => Ok(self.get_encryption(bucket)),
            Operation::PutBucketEncryption => self.put_encryption(request, body).await,
            Operation::DeleteBucketEncryption => self.delete_encryption(request).await,
            Operation::GetPublicAccessBlock => self.get_public_access_block(bucket),
            Operation::PutPublicAccessBlock => self.put_public_access_block(request, body).await,
            Operation::DeletePublicAccessBlock => self.delete_public_access_block(request).await,
            Operation::GetBucketOwnershipControls => self.get_ownership(bucket),
            Operation::PutBucketOwnershipControls => self.put_ownership(request, body).await,
            Operation::DeleteBucketOwnershipControls => self.delete_ownership(request).await,
            Operation::GetBucketTagging => self.get_tagging(bucket),
            Operation::PutBucketTagging => self.put_tagging(request, body).await,
            Operation::DeleteBucketTagging => self.delete_tagging(request).await,
            Operation::GetBucketPolicy => self.get_policy(bucket),
            Operation::GetBucketPolicyStatus => self.get_policy_status(bucket),
            Operation::PutBucketPolicy => self.put_policy(request, body).await,
            Operation::DeleteBucketPolicy => self.delete_policy(request).await,
            Operation::GetBucketLifecycleConfiguration => self.get_lifecycle(bucket),
            Operation::PutBucketLifecycleConfiguration => self.put_lifecycle(request, body).await,
            Operation::DeleteBucketLifecycle => self.delete_lifecycle(request).await,
            Operation::GetBucketMetricsConfiguration => self.get_metrics(request, bucket),
            Operation::ListBucketMetricsConfigurations => Ok(self.list_metrics(request, bucket)),
            Operation::PutBucketMetricsConfiguration => self.put_metrics(request, body).await,
            Operation::DeleteBucketMetricsConfiguration => self.delete_metrics(request).await,
            Operation::GetBucketAcl => Ok(self.get_acl(bucket)),
            Operation::PutBucketAcl => self.put_acl(request, bucket, body).await,
            Operation::ListObjects => self.list_objects(request, bucket).await,
            Operation::ListObjectsV2 => self.list_objects_v2(request, bucket).await,
            Operation::ListObjectVersions => self.list_object_versions(request, bucket).await,
            Operation::ListMultipartUploads => self.list_uploads(request, bucket).await,
            Operation::DeleteObjects => self.delete_objects(request, bucket, body).await,
            other => Err(misrouted(other)),
        }
    }
}

/// An operation on the one kind of target that was asked of the other: an error of this program.
fn misrouted(operation: Operation) -> S3Error {
    S3Error::internal(std::io::Error::other(format!("{} does not belong here", operation.name())))
}

fn read_request(call: Call, path: &str, query: &str, headers: HeaderMap) -> Result<Request> {
    let target = target(&call.host, path)?;
    let query = Query::parse(query)?;
    Ok(Request { call, target, query, headers, path: path.to_owned() })
}

/// The answer to a refused request.
fn error_reply(call: &Call, path: &str, error: S3Error) -> Reply {
    let headers = error.headers();
    let error = ServiceError::from(error);
    if let Some(cause) = error.cause() {
        tracing::error!(request = %call.request_id, cause, "s3 failed");
    }
    let mut reply = render_error(&error, path, call.request_id.as_str());
    for (name, value) in headers {
        reply.set(name, &value);
    }
    reply
}

/// An error as S3 writes it.
fn render_error(error: &ServiceError, resource: &str, request_id: &str) -> Reply {
    let mut writer = Writer::bare("Error");
    writer.text("Code", error.query_code()).text("Message", error.message());
    for (name, value) in error.fields() {
        match value.as_str() {
            Some(text) => writer.text(name, text),
            None => writer.text(name, value),
        };
    }
    writer.text("Resource", resource).text("RequestId", request_id).text("HostId", extended_id(request_id));
    let mut reply = Reply::xml(writer.finish());
    reply.status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
}

/// The second id of a request, which S3 has besides the one that all services have.
fn extended_id(request_id: &str) -> String {
    STANDARD.encode(sha2::Sha256::digest(request_id))
}
