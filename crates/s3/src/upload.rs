//! Multipart uploads.
//!
//! The parts of a completed upload stay the bodies they are: completing moves no bytes.
//!
//! AWS: S3 User Guide, "Uploading and copying objects using multipart upload".

mod complete;

use cauce_store::{RangeReq, Tx, decode_row};

use crate::bodies::{BodyId, Digests, Received};
use crate::checksum::{Algorithm, Checksum, ChecksumKind};
use crate::copy_source::CopySource;
use crate::description::{describe, header_tags};
use crate::error::{Plain, Result, S3Error};
use crate::ids::UploadId;
use crate::integrity::{Promise, computed, wanted_algorithm};
use crate::keys;
use crate::model::{Bucket, Part, Upload};
use crate::put::{PUT_BYTES_MAX, is_final, promised_bytes, quoted, write_copy_result};
use crate::range::{ByteRange, parse_range};
use crate::request::{Body, Reply, Request};
use crate::s3::S3;
use crate::xml::Writer;

/// How many parts an upload may have; they are numbered from 1.
pub(crate) const PARTS_MAX: u16 = 10_000;

impl S3 {
    /// CreateMultipartUpload.
    pub(crate) async fn create_upload(&self, request: &Request, bucket: &Bucket) -> Result<Reply> {
        let description = describe(request, bucket)?;
        let tags = header_tags(request)?;
        let checksum = wanted_checksum(request)?;
        let now = self.env.now();
        let id = UploadId::new(now, self.env.entropy());
        let upload = Upload { initiated: now, description, tags, checksum };
        self.db
            .transact(async |tx| {
                let bucket = self.bucket_in(&tx, request.bucket()).await?;
                Ok::<_, S3Error>(tx.set_record(keys::upload(&bucket.name, request.key(), id), &upload)?)
            })
            .await?;
        let mut writer = Writer::new("InitiateMultipartUploadResult");
        writer.text("Bucket", &bucket.name).text("Key", request.key()).text("UploadId", id.text());
        let mut reply = Reply::xml(writer.finish());
        if let Some((algorithm, kind)) = checksum {
            reply =
                reply.header("x-amz-checksum-algorithm", algorithm.name()).header("x-amz-checksum-type", kind.name());
        }
        Ok(upload.description.encryption.show(reply))
    }

    /// UploadPart.
    pub(crate) async fn upload_part(&self, request: &Request, bucket: &Bucket, mut body: Body) -> Result<Reply> {
        let (id, number) = (request_upload_id(request)?, part_number(request)?);
        let upload = self.upload(bucket, request.key(), id).await?;
        let promise = Promise::of(request, &body)?;
        let wanted = promise.algorithm().or(wanted_algorithm(&request.headers, "x-amz-sdk-checksum-algorithm")?);
        let of_upload = upload.checksum.map(|(algorithm, _)| algorithm);
        if let (Some(wanted), Some(expected)) = (wanted, of_upload)
            && wanted != expected
        {
            return Err(S3Error::request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                expected.name().to_lowercase(),
                wanted.name().to_lowercase()
            )));
        }
        let promised_bytes = promised_bytes(request)?;
        let body_id = BodyId::random(self.env.entropy());
        let algorithm = of_upload.or(wanted).unwrap_or(Algorithm::Crc64Nvme);
        let digests = promise.digests([algorithm, Algorithm::Crc64Nvme]);
        let mut received = self.bodies.receive(body_id, &mut body.stream, digests, PUT_BYTES_MAX).await?;
        if received.bytes != promised_bytes {
            return Err(Plain::IncompleteBody.into());
        }
        let trailers = std::mem::take(&mut *body.trailers.lock());
        promise.check(&mut received, &trailers)?;
        let part = self.keep_part(request, (id, number), body_id, received, algorithm).await?;
        let reply = Reply::ok().header("etag", quoted(&part.etag));
        let reply = match &part.checksum {
            Some(checksum) => reply.header(checksum.algorithm.header(), &checksum.text),
            None => reply,
        };
        Ok(upload.description.encryption.show(reply))
    }

    /// UploadPartCopy.
    pub(crate) async fn upload_part_copy(&self, request: &Request, bucket: &Bucket) -> Result<Reply> {
        let (id, number) = (request_upload_id(request)?, part_number(request)?);
        let upload = self.upload(bucket, request.key(), id).await?;
        let source = CopySource::of(request)?;
        let mut found = self.open_copy_range(request, &source, |bytes| copy_range(request, bytes)).await?;
        let algorithm = upload.checksum.map_or(Algorithm::Crc64Nvme, |(algorithm, _)| algorithm);
        let body_id = BodyId::random(self.env.entropy());
        let digests = Digests::new(false, unique([algorithm, Algorithm::Crc64Nvme]));
        let received = self.bodies.receive(body_id, &mut found.stream, digests, PUT_BYTES_MAX).await?;
        let part = self.keep_part(request, (id, number), body_id, received, algorithm).await?;
        let document = write_copy_result("CopyPartResult", &part.etag, part.modified, part.checksum.as_ref());
        let reply = Reply::xml(document).maybe("x-amz-copy-source-version-id", found.version.id.as_deref());
        Ok(upload.description.encryption.show(reply))
    }

    /// Makes a part that has come in one of the upload's, in place of an earlier one by its number.
    async fn keep_part(
        &self,
        request: &Request,
        (id, number): (UploadId, u16),
        body: BodyId,
        received: Received,
        algorithm: Algorithm,
    ) -> Result<Part> {
        let part = Part {
            number,
            bytes: received.bytes,
            etag: hex::encode(received.md5),
            modified: self.env.now(),
            body,
            checksum: computed(&received, algorithm),
            crc64nvme: computed(&received, Algorithm::Crc64Nvme),
        };
        let kept = self.bodies.keep(body, received).await?;
        let done = self
            .db
            .transact(async |tx| {
                let bucket = self.bucket_in(&tx, request.bucket()).await?;
                let upload: Option<Upload> = tx.get_record(&keys::upload(&bucket.name, request.key(), id)).await?;
                upload.ok_or(Plain::NoSuchUpload)?;
                let row = keys::part(id, number);
                if let Some(earlier) = tx.get_record::<Part>(&row).await? {
                    self.bodies.forget(&tx, vec![earlier.body]);
                }
                kept.refer(&tx)?;
                Ok::<_, S3Error>(tx.set_record(row, &part)?)
            })
            .await;
        if done.as_ref().is_err_and(is_final) {
            self.bodies.discard(&kept).await;
        }
        done.map(|()| part)
    }

    /// AbortMultipartUpload.
    pub(crate) async fn abort_upload(&self, request: &Request) -> Result<Reply> {
        let id = request_upload_id(request)?;
        self.abort(request.bucket(), request.key(), id).await?;
        Ok(Reply::no_content())
    }

    /// Drops an upload with its parts.
    pub(crate) async fn abort(&self, bucket: &str, key: &str, id: UploadId) -> Result<()> {
        self.db
            .transact(async |tx| {
                let row = keys::upload(bucket, key, id);
                tx.get_record::<Upload>(&row).await?.ok_or(Plain::NoSuchUpload)?;
                let parts = upload_parts(&tx, id).await?;
                self.bodies.forget(&tx, parts.iter().map(|part| part.body).collect());
                tx.clear_range(keys::parts_of(id));
                tx.clear(row);
                Ok(())
            })
            .await
    }

    /// The upload by that id.
    ///
    /// # Errors
    /// `NoSuchUpload`.
    pub(crate) async fn upload(&self, bucket: &Bucket, key: &str, id: UploadId) -> Result<Upload> {
        let upload: Option<Upload> = self.db.get(&keys::upload(&bucket.name, key, id)).await?;
        Ok(upload.ok_or(Plain::NoSuchUpload)?)
    }
}

/// All parts of an upload, in their order.
async fn upload_parts(tx: &Tx, id: UploadId) -> Result<Vec<Part>> {
    let rows = tx.range(RangeReq::new(keys::parts_of(id), usize::from(PARTS_MAX))).await?;
    Ok(rows.iter().map(decode_row::<Part>).collect::<std::result::Result<_, _>>()?)
}

/// The upload that a request names.
///
/// # Errors
/// `NoSuchUpload` if its id is none.
pub(crate) fn request_upload_id(request: &Request) -> Result<UploadId> {
    let id = request.query.get("uploadId").and_then(UploadId::parse);
    Ok(id.ok_or(Plain::NoSuchUpload)?)
}

fn part_number(request: &Request) -> Result<u16> {
    let text = request.query.get("partNumber").unwrap_or_default();
    let number = text.parse().ok().filter(|number| (1..=PARTS_MAX).contains(number));
    let message = format!("Part number must be an integer between 1 and {PARTS_MAX}, inclusive");
    number.ok_or_else(|| S3Error::argument(message, "partNumber", text))
}

/// The checksum that a new upload shall have.
fn wanted_checksum(request: &Request) -> Result<Option<(Algorithm, ChecksumKind)>> {
    let algorithm = wanted_algorithm(&request.headers, "x-amz-checksum-algorithm")?;
    let kind = request.header("x-amz-checksum-type");
    let Some(algorithm) = algorithm else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(S3Error::request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let Some(text) = kind else { return Ok(Some((algorithm, algorithm.multipart_kind()))) };
    let kind = ChecksumKind::by_name(text)
        .ok_or_else(|| S3Error::request("Value for x-amz-checksum-type header is invalid."))?;
    if algorithm.allows(kind) {
        return Ok(Some((algorithm, kind)));
    }
    let (kind, algorithm) = (kind.name(), algorithm.name().to_lowercase());
    Err(S3Error::request(format!("The {kind} checksum type cannot be used with the {algorithm} checksum algorithm.")))
}

/// The range of the source that a part copies.
fn copy_range(request: &Request, bytes: u64) -> Result<Option<ByteRange>> {
    let Some(text) = request.header("x-amz-copy-source-range") else {
        if bytes > PUT_BYTES_MAX {
            return Err(S3Error::EntityTooLarge { bytes, bytes_max: PUT_BYTES_MAX });
        }
        return Ok(None);
    };
    let invalid = || {
        let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                       zero-based offsets of the first and last bytes to copy";
        S3Error::argument(message, "x-amz-copy-source-range", text)
    };
    // Unlike a read, a copy must name bytes that are there.
    let last = text.rsplit_once('-').and_then(|(_, last)| last.parse::<u64>().ok()).ok_or_else(invalid)?;
    if last >= bytes {
        let message = format!("Range specified is not valid for source object of size: {bytes}");
        return Err(S3Error::argument(message, "x-amz-copy-source-range", text));
    }
    parse_range(text, bytes)?.filter(|_| !text.contains("=-")).map(Some).ok_or_else(invalid)
}

fn unique<const N: usize>(algorithms: [Algorithm; N]) -> Vec<Algorithm> {
    let mut unique = algorithms.to_vec();
    unique.dedup();
    unique
}

/// What an answer says of a completed object's checksum.
fn show_completed_checksum(writer: &mut Writer, checksum: Option<&Checksum>) {
    if let Some(checksum) = checksum {
        writer.text(checksum.algorithm.element(), &checksum.text).text("ChecksumType", checksum.kind.name());
    }
}
