//! Writing objects: PutObject and CopyObject.

use std::sync::Arc;

use cauce_core::Timestamp;
use http::StatusCode;

use crate::access::{Question, authorize};
use crate::bodies::{BodyId, Kept};
use crate::checksum::{Algorithm, Checksum};
use crate::conditions::{Conditions, Verdict};
use crate::copy_source::CopySource;
use crate::description::{describe, header_tags};
use crate::error::{Plain, Result, S3Error};
use crate::integrity::{Promise, computed, wanted_algorithm};
use crate::model::{Bucket, Content, Object, ObjectBody, Tag, Version};
use crate::request::{Body, Reply, Request};
use crate::s3::S3;
use crate::version::Versions;
use crate::xml::Writer;

/// The largest object or part that one request may carry, and the largest source of a copy, in bytes.
pub(crate) const PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// What a write puts in place.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) object: Object,
    pub(crate) tags: Vec<Tag>,
    pub(crate) conditions: Conditions,
}

impl S3 {
    /// PutObject.
    pub(crate) async fn put_object(&self, request: &Request, bucket: Bucket, mut body: Body) -> Result<Reply> {
        let conditions = Conditions::of_request(&request.headers);
        conditions.check_known_on_write()?;
        let description = describe(request, &bucket)?;
        let tags = header_tags(request)?;
        let promise = Promise::of(request, &body)?;
        let algorithm = promise.algorithm().or(wanted_algorithm(&request.headers, "x-amz-sdk-checksum-algorithm")?);
        let algorithm = algorithm.unwrap_or(Algorithm::Crc64Nvme);
        let promised_bytes = promised_bytes(request)?;
        self.check_write_early(request, &bucket, &conditions).await?;

        let id = BodyId::random(self.env.entropy());
        let digests = promise.digests([algorithm]);
        let mut received = self.bodies.receive(id, &mut body.stream, digests, PUT_BYTES_MAX).await?;
        if received.bytes != promised_bytes {
            return Err(Plain::IncompleteBody.into());
        }
        let trailers = std::mem::take(&mut *body.trailers.lock());
        promise.check(&mut received, &trailers)?;
        let object = Object {
            bytes: received.bytes,
            etag: hex::encode(received.md5),
            checksum: computed(&received, algorithm),
            body: ObjectBody::Whole(id),
            description,
        };
        let kept = self.bodies.keep(id, received).await?;
        let version = self.place(request, Write { object, tags, conditions }, kept).await?;
        Ok(self.written(&bucket, &version, Reply::ok()))
    }

    /// CopyObject.
    pub(crate) async fn copy_object(&self, request: &Request, bucket: Bucket) -> Result<Reply> {
        let source = CopySource::of(request)?;
        let conditions = Conditions::of_request(&request.headers);
        conditions.check_known_on_write()?;
        let copies = |name: &str| match request.header(name) {
            None | Some("COPY") => Ok(true),
            Some("REPLACE") => Ok(false),
            Some(other) => {
                let message =
                    format!("Unknown {} directive.", if name.contains("tag") { "tagging" } else { "metadata" });
                Err(S3Error::argument(message, name, other))
            }
        };
        let (copies_metadata, copies_tags) = (copies("x-amz-metadata-directive")?, copies("x-amz-tagging-directive")?);
        let found = self.open_copy_source(request, &source).await?;
        let mut description = describe(request, &bucket)?;
        let itself = source.bucket == request.bucket() && source.key == request.key() && source.version.is_none();
        let changes = !copies_metadata
            || ["x-amz-server-side-encryption", "x-amz-storage-class", "x-amz-checksum-algorithm"]
                .iter()
                .any(|name| request.headers.contains_key(*name));
        if itself && !changes {
            return Err(S3Error::request(
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes.",
            ));
        }
        if copies_metadata {
            description.headers = found.object.description.headers.clone();
            description.metadata = found.object.description.metadata.clone();
        }
        let tags = if copies_tags { found.version.tags.clone() } else { header_tags(request)? };
        if copies_tags && !tags.is_empty() {
            let question = Question::new("s3:GetObjectTagging", Some(&source.key));
            authorize(&*self.identity, &request.call, &self.bucket(&source.bucket).await?, question).await?;
            let question = Question::new("s3:PutObjectTagging", Some(request.key()));
            authorize(&*self.identity, &request.call, &bucket, question).await?;
        }
        if found.object.bytes > PUT_BYTES_MAX {
            let message = format!(
                "The specified copy source is larger than the maximum allowable size for a copy source: {PUT_BYTES_MAX}"
            );
            return Err(S3Error::request(message));
        }
        let wanted = wanted_algorithm(&request.headers, "x-amz-checksum-algorithm")?;
        let algorithm = wanted.or(found.object.checksum.as_ref().map(|checksum| checksum.algorithm));
        let algorithm = algorithm.unwrap_or(Algorithm::Crc64Nvme);

        let id = BodyId::random(self.env.entropy());
        let mut stream = found.stream;
        let digests = crate::bodies::Digests::new(false, [algorithm]);
        let received = self.bodies.receive(id, &mut stream, digests, PUT_BYTES_MAX).await?;
        let object = Object {
            bytes: received.bytes,
            etag: hex::encode(received.md5),
            checksum: computed(&received, algorithm),
            body: ObjectBody::Whole(id),
            description,
        };
        let kept = self.bodies.keep(id, received).await?;
        let version = self.place(request, Write { object, tags, conditions }, kept).await?;
        let mut reply = Reply::xml(copy_result("CopyObjectResult", &version));
        reply = reply.maybe("x-amz-copy-source-version-id", found.version.id.as_deref());
        let shown = bucket.versioning.map(|_| version.shown_id());
        let reply = reply.maybe("x-amz-version-id", shown);
        Ok(version.object().map_or(Reply::ok(), |object| object.description.encryption.show(reply)))
    }

    /// Refuses a write whose conditions fail already, before its bytes are taken in.
    pub(crate) async fn check_write_early(
        &self,
        request: &Request,
        bucket: &Bucket,
        conditions: &Conditions,
    ) -> Result<()> {
        let current: Option<Version> = self.db.get(&crate::keys::current(&bucket.name, request.key())).await?;
        conditions.check_write(request.key(), current_etag(current.as_ref()))
    }

    /// Puts a version in place whose bytes are durable; if that is refused, the bytes go.
    pub(crate) async fn place(&self, request: &Request, write: Write, kept: Kept) -> Result<Version> {
        let now = self.env.now();
        let write = Arc::new(write);
        let placed = self
            .db
            .transact(async |tx| {
                let bucket = self.bucket_in(&tx, request.bucket()).await?;
                let versions = self.versions(&tx, &bucket, request.key());
                let current = versions.current().await?;
                write.conditions.check_write(request.key(), current_etag(current.as_ref()))?;
                kept.refer(&tx)?;
                let content = Content::Object(Box::new(write.object.clone()));
                versions.put(current, content, write.tags.clone(), now).await
            })
            .await;
        if placed.as_ref().is_err_and(is_final) {
            self.bodies.discard(&kept).await;
        }
        placed
    }

    /// One object's versions within a transaction.
    pub(crate) fn versions<'a>(&'a self, tx: &'a cauce_store::Tx, bucket: &'a Bucket, key: &'a str) -> Versions<'a> {
        Versions { tx, bodies: &self.bodies, env: &self.env, bucket, key }
    }

    /// What an answer says of a version just written.
    pub(crate) fn written(&self, bucket: &Bucket, version: &Version, reply: Reply) -> Reply {
        let Some(object) = version.object() else { return reply };
        let reply = reply.header("etag", quoted(&object.etag));
        let reply = show_checksum(object.checksum.as_ref(), reply);
        let reply = reply.maybe("x-amz-version-id", bucket.versioning.map(|_| version.shown_id()));
        object.description.encryption.show(reply)
    }

    /// The conditions a copy puts on its source.
    pub(crate) fn check_copy_source(&self, request: &Request, version: &Version, object: &Object) -> Result<()> {
        match Conditions::of_copy_source(&request.headers).read_verdict(&object.etag, version.modified) {
            Verdict::Failed(condition) => Err(S3Error::PreconditionFailed { condition }),
            Verdict::Go | Verdict::NotModified => Ok(()),
        }
    }
}

/// Whether it is certain that the commit was not applied. A store that cannot be reached may have applied it all the same; then
/// the bytes stay, and the next start finds out.
pub(crate) fn is_final(error: &S3Error) -> bool {
    !matches!(error, S3Error::Service(error) if error.status() == StatusCode::INTERNAL_SERVER_ERROR.as_u16())
}

/// How many bytes the body has, framing apart, as its headers say.
///
/// # Errors
/// `MissingContentLength`, `EntityTooLarge`.
pub(crate) fn promised_bytes(request: &Request) -> Result<u64> {
    let decoded = request.header("x-amz-decoded-content-length");
    let text = decoded.or_else(|| request.header("content-length")).ok_or(Plain::MissingContentLength)?;
    let bytes: u64 = text.trim().parse().map_err(|_| Plain::MissingContentLength)?;
    if bytes > PUT_BYTES_MAX {
        return Err(S3Error::EntityTooLarge { bytes, bytes_max: PUT_BYTES_MAX });
    }
    Ok(bytes)
}

/// The tag of the current object, none if there is only a delete marker.
pub(crate) fn current_etag(current: Option<&Version>) -> Option<&str> {
    current.and_then(Version::object).map(|object| object.etag.as_str())
}

/// An entity tag as it stands in headers and documents.
pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// Puts a checksum into an answer.
pub(crate) fn show_checksum(checksum: Option<&Checksum>, reply: Reply) -> Reply {
    match checksum {
        Some(checksum) => reply
            .header(checksum.algorithm.header(), &checksum.text)
            .header("x-amz-checksum-type", checksum.kind.name()),
        None => reply,
    }
}

/// The document that answers a copy.
pub(crate) fn copy_result(root: &'static str, version: &Version) -> String {
    let etag = version.object().map(|object| object.etag.clone()).unwrap_or_default();
    let checksum = version.object().and_then(|object| object.checksum.clone());
    write_copy_result(root, &etag, version.modified, checksum.as_ref())
}

/// The same for a part.
pub(crate) fn write_copy_result(
    root: &'static str,
    etag: &str,
    modified: Timestamp,
    checksum: Option<&Checksum>,
) -> String {
    let mut writer = Writer::new(root);
    writer.text("LastModified", modified.iso_millis()).text("ETag", quoted(etag));
    if let Some(checksum) = checksum {
        writer.text(checksum.algorithm.element(), &checksum.text).text("ChecksumType", checksum.kind.name());
    }
    writer.finish()
}
