//! Reading and deleting objects, and their tags.

use cauce_core::{Call, ServiceError};
use cauce_store::ReadReq;
use http::StatusCode;

use crate::access::{Question, authorize};
use crate::bodies::{BodyRow, Span};
use crate::conditions::{Conditions, Verdict, http_date};
use crate::error::{Plain, Result, S3Error};
use crate::keys;
use crate::model::{Bucket, Object, ObjectBody, Part, Parts, Version};
use crate::put::{current_etag, quoted, show_checksum};
use crate::range::{ByteRange, parse_range};
use crate::request::{Body, ByteStream, Payload, Reply, Request};
use crate::s3::S3;
use crate::tags::{OBJECT_TAGS_MAX, check_no_system_tags, check_tags, parse_tagging, write_tagging};
use crate::version::{Removed, parse_upload, pieces};

/// How often a read begins anew because the object was replaced while its bytes were being opened.
const READ_ATTEMPTS_MAX: u32 = 8;

/// Query parameters of GetObject that replace headers of its answer.
const OVERRIDES: [(&str, &str); 6] = [
    ("response-content-type", "content-type"),
    ("response-content-language", "content-language"),
    ("response-expires", "expires"),
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
];

/// The part of an object that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    Range(ByteRange),
    /// A part of a multipart object, or all of another; with the number of parts there are.
    Part(ByteRange, Option<usize>),
}

impl S3 {
    /// GetObject, and HeadObject, which answers the same without the bytes.
    pub(crate) async fn get_object(&self, request: &Request, bucket: &Bucket, bytes_too: bool) -> Result<Reply> {
        crate::description::refuse_not_built(&request.headers)?;
        let id = request.version_id()?;
        let found = self
            .read_stable(bucket, request.key(), id, async |version: Version, parts: Vec<Part>| {
                self.answer_version(request, bucket, version, &parts, bytes_too).await
            })
            .await;
        match found {
            // Whoever may not list a bucket may not learn that something is not in it either.
            Err(S3Error::NoSuchKey { key }) => {
                let question = Question::new("s3:ListBucket", None);
                let may_list = authorize(&*self.identity, &request.call, bucket, question).await;
                Err(may_list.err().unwrap_or(S3Error::NoSuchKey { key }))
            }
            other => other,
        }
    }

    async fn answer_version(
        &self,
        request: &Request,
        bucket: &Bucket,
        version: Version,
        parts: &[Part],
        bytes_too: bool,
    ) -> Result<Option<Reply>> {
        let Some(object) = version.object() else {
            return Err(S3Error::DeleteMarker {
                key: request.key().to_owned(),
                version: version.shown_id().to_owned(),
                named: request.query.has("versionId"),
                modified: http_date(version.modified),
            });
        };
        let shown_id = bucket.versioning.map(|_| version.shown_id());
        match Conditions::of_request(&request.headers).read_verdict(&object.etag, version.modified) {
            Verdict::Failed(condition) => return Err(S3Error::PreconditionFailed { condition }),
            Verdict::NotModified => {
                let reply = Reply::new(StatusCode::NOT_MODIFIED)
                    .header("etag", quoted(&object.etag))
                    .header("last-modified", http_date(version.modified))
                    .maybe("x-amz-version-id", shown_id);
                return Ok(Some(reply));
            }
            Verdict::Go => {}
        }
        let extent = extent(request, object, parts)?;
        let (status, range) = match extent {
            Extent::Whole => (StatusCode::OK, None),
            Extent::Range(range) | Extent::Part(range, _) => (StatusCode::PARTIAL_CONTENT, Some(range)),
        };
        let mut reply = object.description.show(Reply::new(status));
        for (parameter, header) in OVERRIDES {
            if let Some(value) = request.query.get(parameter) {
                reply.set(header, value);
            }
        }
        reply = reply
            .header("etag", quoted(&object.etag))
            .header("last-modified", http_date(version.modified))
            .header("accept-ranges", "bytes")
            .maybe("x-amz-version-id", shown_id)
            .maybe("x-amz-tagging-count", Some(version.tags.len()).filter(|n| *n > 0).map(|n| n.to_string()));
        let bytes = range.map_or(object.bytes, ByteRange::len);
        reply.set("content-length", &bytes.to_string());
        if let Some(range) = range {
            // An empty object has no byte that a range could name.
            if range.len() > 0 {
                let text = format!("bytes {}-{}/{}", range.start, range.end - 1, object.bytes);
                reply.set("content-range", &text);
            }
        } else if request.header("x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED")) {
            // The checksum is of the whole, so a part does not carry it.
            reply = show_checksum(object.checksum.as_ref(), reply);
        }
        if let Extent::Part(_, Some(count)) = extent {
            reply.set("x-amz-mp-parts-count", &count.to_string());
        }
        if bytes_too {
            let Some(stream) = self.flow(object, parts, range).await? else { return Ok(None) };
            reply.payload = Payload::Stream(stream);
        }
        Ok(Some(reply))
    }

    /// Finds a version with its parts and lets `open` open it, again if `open` says that its bytes have gone meanwhile.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, those of `open`; `SlowDown` if the object is replaced faster than it can be opened.
    pub(crate) async fn read_stable<T, F, Fut>(
        &self,
        bucket: &Bucket,
        key: &str,
        id: Option<&str>,
        open: F,
    ) -> Result<T>
    where
        F: Fn(Version, Vec<Part>) -> Fut,
        Fut: Future<Output = Result<Option<T>>>,
    {
        for _ in 0..READ_ATTEMPTS_MAX {
            let (version, parts) = self
                .db
                .transact(async |tx| {
                    let version = self.versions(&tx, bucket, key).find(id).await?;
                    let parts = match version.object().map(|object| &object.body) {
                        Some(ObjectBody::Parts { upload, .. }) => {
                            let row = keys::parts(parse_upload(upload)?);
                            tx.get_record::<Parts>(&row).await?.unwrap_or_default().0
                        }
                        _ => Vec::new(),
                    };
                    Ok::<_, S3Error>((version, parts))
                })
                .await?;
            if let Some(opened) = open(version, parts).await? {
                return Ok(opened);
            }
        }
        Err(Plain::SlowDown.into())
    }

    /// The bytes of an object, or of a range of it; `None` if they have gone meanwhile.
    pub(crate) async fn flow(
        &self,
        object: &Object,
        parts: &[Part],
        range: Option<ByteRange>,
    ) -> Result<Option<ByteStream>> {
        let wanted = range.unwrap_or(ByteRange { start: 0, end: object.bytes });
        let mut cuts = Vec::new();
        let mut at = 0;
        for (id, bytes) in pieces(object, parts) {
            let (start, end) = (wanted.start.max(at), wanted.end.min(at + bytes));
            if start < end {
                cuts.push((id, start - at, end - start));
            }
            at += bytes;
        }
        let gets = cuts.iter().map(|(id, ..)| keys::body(*id)).collect();
        let rows = self.db.read(ReadReq { gets, ranges: Vec::new() }).await?.gets;
        let mut spans = Vec::with_capacity(cuts.len());
        for ((id, start, bytes), row) in cuts.into_iter().zip(rows) {
            let Some(row) = row else { return Ok(None) };
            spans.push(Span { id, row: cauce_store::decode_row::<BodyRow>(&row)?, start, bytes });
        }
        self.bodies.outflow(spans).await
    }

    /// DeleteObject.
    pub(crate) async fn delete_object(&self, request: &Request) -> Result<Reply> {
        let conditions = Conditions::of_request(&request.headers);
        conditions.check_known_on_write()?;
        let id = request.version_id()?;
        let removed = self.remove(request.bucket(), request.key(), id, &conditions).await?;
        let reply = Reply::no_content().maybe("x-amz-version-id", removed.version_id.as_deref());
        Ok(reply.maybe("x-amz-delete-marker", removed.marker.then_some("true")))
    }

    /// Removes an object or one version of it.
    pub(crate) async fn remove(
        &self,
        bucket: &str,
        key: &str,
        id: Option<&str>,
        conditions: &Conditions,
    ) -> Result<Removed> {
        let now = self.env.now();
        self.db
            .transact(async |tx| {
                let bucket = self.bucket_in(&tx, bucket).await?;
                let versions = self.versions(&tx, &bucket, key);
                let current = versions.current().await?;
                conditions.check_write(key, current_etag(current.as_ref()))?;
                match id {
                    Some(id) => versions.delete_version(current, id).await,
                    None => versions.delete(current, now).await,
                }
            })
            .await
    }

    /// GetObjectTagging.
    pub(crate) async fn get_object_tagging(&self, request: &Request, bucket: &Bucket) -> Result<Reply> {
        let version = self.version(request, bucket).await?;
        let reply = Reply::xml(write_tagging(&version.tags));
        Ok(reply.maybe("x-amz-version-id", bucket.versioning.map(|_| version.shown_id())))
    }

    /// PutObjectTagging, and DeleteObjectTagging, which puts none.
    pub(crate) async fn put_object_tagging(&self, request: &Request, body: Option<Body>) -> Result<Reply> {
        let tags = match body {
            Some(body) => parse_tagging(&request.document(body, "Tagging").await?)?,
            None => Vec::new(),
        };
        check_tags(&tags, OBJECT_TAGS_MAX, "Object")?;
        check_no_system_tags(&tags)?;
        let id = request.version_id()?;
        let (shown, deletes) = self
            .db
            .transact(async |tx| {
                let bucket = self.bucket_in(&tx, request.bucket()).await?;
                let versions = self.versions(&tx, &bucket, request.key());
                let mut version = refuse_marker(request, versions.find(id).await?)?;
                version.tags.clone_from(&tags);
                let shown = bucket.versioning.map(|_| version.shown_id().to_owned());
                versions.rewrite(version).await?;
                Ok::<_, S3Error>((shown, tags.is_empty()))
            })
            .await?;
        let reply = if deletes { Reply::no_content() } else { Reply::ok() };
        Ok(reply.maybe("x-amz-version-id", shown))
    }

    /// The version that a request names; not a delete marker.
    pub(crate) async fn version(&self, request: &Request, bucket: &Bucket) -> Result<Version> {
        let id = request.version_id()?;
        let read = self.db.transact(async |tx| self.versions(&tx, bucket, request.key()).find(id).await);
        refuse_marker(request, read.await?)
    }

    /// The whole of an object of at most `bytes_max`, for a caller inside the program.
    pub(crate) async fn read_whole(
        &self,
        call: &Call,
        (bucket, key): (&str, &str),
        id: Option<&str>,
        bytes_max: usize,
    ) -> Result<bytes::Bytes> {
        let bucket = self.bucket(bucket).await?;
        let action = if id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        authorize(&*self.identity, call, &bucket, Question::new(action, Some(key))).await?;
        let stream = self
            .read_stable(&bucket, key, id, async |version: Version, parts: Vec<Part>| {
                let Some(object) = version.object() else { return Err(S3Error::no_such_key(key)) };
                let bytes_max = bytes_max as u64;
                if object.bytes > bytes_max {
                    return Err(S3Error::EntityTooLarge { bytes: object.bytes, bytes_max });
                }
                self.flow(object, &parts, None).await
            })
            .await?;
        Body::new(stream, crate::request::Trailers::default()).read_all().await.map_err(S3Error::Service)
    }
}

fn refuse_marker(request: &Request, version: Version) -> Result<Version> {
    if version.object().is_some() {
        return Ok(version);
    }
    if request.query.has("versionId") {
        return Err(S3Error::MethodNotAllowed { method: "GET".to_owned(), resource_type: "DeleteMarker" });
    }
    Err(S3Error::no_such_key(request.key()))
}

/// Which part of `object` a request asks for.
fn extent(request: &Request, object: &Object, parts: &[Part]) -> Result<Extent> {
    let range = request.header("range");
    let Some(number) = request.query.get("partNumber") else {
        let range = range.map_or(Ok(None), |range| parse_range(range, object.bytes));
        return Ok(range?.map_or(Extent::Whole, Extent::Range));
    };
    if range.is_some() {
        return Err(S3Error::request("Cannot specify both Range header and partNumber query parameter"));
    }
    let invalid =
        || S3Error::argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", number);
    let number: usize = number.parse().ok().filter(|n| (1..=10_000).contains(n)).ok_or_else(invalid)?;
    let ObjectBody::Parts { count, .. } = object.body else {
        let whole = ByteRange { start: 0, end: object.bytes };
        return if number == 1 { Ok(Extent::Part(whole, None)) } else { Err(Plain::InvalidPartNumber.into()) };
    };
    // Parts are counted as they were numbered when the upload was completed.
    let mut start = 0;
    for part in parts {
        if usize::from(part.number) == number {
            return Ok(Extent::Part(ByteRange { start, end: start + part.bytes }, Some(count)));
        }
        start += part.bytes;
    }
    Err(Plain::InvalidPartNumber.into())
}

impl Body {
    /// All of it; whoever made it has bounded it.
    async fn read_all(mut self) -> std::result::Result<bytes::Bytes, ServiceError> {
        use futures_util::StreamExt as _;
        let mut whole = bytes::BytesMut::new();
        while let Some(part) = self.stream.next().await {
            whole.extend_from_slice(&part?);
        }
        Ok(whole.freeze())
    }
}
