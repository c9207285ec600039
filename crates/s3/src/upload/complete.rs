//! CompleteMultipartUpload.

use std::collections::HashSet;
use std::sync::Arc;

use sha2::Digest as _;

use super::{PARTS_MAX, request_upload_id, show_completed_checksum, upload_parts};
use crate::bodies::BodyId;
use crate::checksum::{Algorithm, Checksum, ChecksumKind, decode, of_parts};
use crate::conditions::Conditions;
use crate::error::{Plain, Result, S3Error};
use crate::ids::UploadId;
use crate::keys;
use crate::model::{Bucket, Content, Object, ObjectBody, Part, Parts, Upload, Version};
use crate::put::{current_etag, quoted};
use crate::request::{Body, Reply, Request};
use crate::s3::S3;
use crate::xml::{Element, Writer};

/// The smallest part but the last, in bytes.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// The largest object that parts may make, in bytes.
const OBJECT_BYTES_MAX: u64 = 50 * 1024 * 1024 * 1024 * 1024;

/// A part as the client lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    number: u16,
    etag: String,
    checksum: Option<(Algorithm, String)>,
}

/// What the headers promise of the whole object.
#[derive(Clone, Debug, Default)]
struct Promised {
    checksum: Option<(Algorithm, Vec<u8>)>,
    bytes: Option<u64>,
}

impl S3 {
    /// CompleteMultipartUpload.
    pub(crate) async fn complete_upload(&self, request: &Request, bucket: &Bucket, body: Body) -> Result<Reply> {
        let id = request_upload_id(request)?;
        let conditions = Conditions::of_request(&request.headers);
        conditions.check_known_on_write()?;
        let listed = read_listed(&body.read().await?)?;
        let promised = promised(request)?;
        let now = self.env.now();
        let (listed, promised) = (Arc::new(listed), Arc::new(promised));
        let version = self
            .db
            .transact(async |tx| {
                let bucket = self.bucket_in(&tx, request.bucket()).await?;
                let versions = self.versions(&tx, &bucket, request.key());
                let current = versions.current().await?;
                let row = keys::upload(&bucket.name, request.key(), id);
                let Some(upload) = tx.get_record::<Upload>(&row).await? else {
                    // The same completion again, after its answer was lost.
                    return current.filter(|version| made_by(version, id)).ok_or_else(|| Plain::NoSuchUpload.into());
                };
                conditions.check_write(request.key(), current_etag(current.as_ref()))?;
                let stored = upload_parts(&tx, id).await?;
                let (object, parts) = assemble(id, &upload, &stored, &listed, &promised)?;
                let chosen: HashSet<BodyId> = parts.iter().map(|part| part.body).collect();
                let left: Vec<BodyId> = stored.iter().map(|p| p.body).filter(|body| !chosen.contains(body)).collect();
                self.bodies.forget(&tx, left);
                tx.clear_range(keys::parts_of(id));
                tx.clear(row);
                tx.set_record(keys::parts(id), &Parts(parts))?;
                versions.put(current, Content::Object(Box::new(object)), upload.tags, now).await
            })
            .await?;
        Ok(self.completed(request, bucket, &version))
    }

    fn completed(&self, request: &Request, bucket: &Bucket, version: &Version) -> Reply {
        let Some(object) = version.object() else { return Reply::ok() };
        let mut writer = Writer::new("CompleteMultipartUploadResult");
        writer.text("Location", format!("http://{}{}", request.call.host, request.path));
        writer.text("Bucket", &bucket.name).text("Key", request.key()).text("ETag", quoted(&object.etag));
        show_completed_checksum(&mut writer, object.checksum.as_ref());
        let reply = Reply::xml(writer.finish());
        let reply = reply.maybe("x-amz-version-id", bucket.versioning.map(|_| version.shown_id()));
        object.description.encryption.show(reply)
    }
}

fn made_by(version: &Version, id: UploadId) -> bool {
    let body = version.object().map(|object| &object.body);
    matches!(body, Some(ObjectBody::Parts { upload, .. }) if *upload == id.text())
}

/// The object that the listed parts make, and those parts.
fn assemble(
    id: UploadId,
    upload: &Upload,
    stored: &[Part],
    listed: &[Listed],
    promised: &Promised,
) -> Result<(Object, Vec<Part>)> {
    let mut parts: Vec<Part> = Vec::with_capacity(listed.len());
    for wanted in listed {
        if parts.last().is_some_and(|before| before.number >= wanted.number) {
            return Err(Plain::InvalidPartOrder.into());
        }
        let at = stored.binary_search_by_key(&wanted.number, |part| part.number).map_err(|_| Plain::InvalidPart)?;
        let part = stored.get(at).ok_or(Plain::InvalidPart)?;
        if part.etag != wanted.etag || !same_checksum(part, wanted) {
            return Err(Plain::InvalidPart.into());
        }
        parts.push(part.clone());
    }
    let (_, but_last) = parts.split_last().ok_or(Plain::MalformedXml)?;
    if let Some(small) = but_last.iter().find(|part| part.bytes < PART_BYTES_MIN) {
        return Err(too_small(small));
    }
    let bytes = parts.iter().map(|part| part.bytes).sum();
    if bytes > OBJECT_BYTES_MAX {
        return Err(S3Error::EntityTooLarge { bytes, bytes_max: OBJECT_BYTES_MAX });
    }
    if let Some(expected) = promised.bytes.filter(|expected| *expected != bytes) {
        return Err(S3Error::request(format!(
            "The provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: {bytes}"
        )));
    }
    let checksum = whole_checksum(upload, &parts);
    if let (Some((algorithm, digest)), Some(checksum)) = (&promised.checksum, &checksum)
        && checksum.kind == ChecksumKind::FullObject
        && (checksum.algorithm != *algorithm || checksum.digest().as_ref() != Some(digest))
    {
        return Err(S3Error::BadChecksum { algorithm: algorithm.name() });
    }
    let object = Object {
        bytes,
        etag: etag_of_parts(&parts),
        checksum,
        body: ObjectBody::Parts { upload: id.text(), count: parts.len() },
        description: upload.description.clone(),
    };
    Ok((object, parts))
}

fn same_checksum(part: &Part, wanted: &Listed) -> bool {
    let Some((algorithm, text)) = &wanted.checksum else { return true };
    // A checksum of an algorithm that was not kept cannot be compared, and says nothing the tag does not.
    part.checksum.as_ref().is_none_or(|kept| kept.algorithm != *algorithm || kept.text == *text)
}

fn too_small(part: &Part) -> S3Error {
    let error = cauce_core::ServiceError::from(S3Error::from(Plain::EntityTooSmall));
    S3Error::Service(
        error
            .with_field("ProposedSize", part.bytes)
            .with_field("MinSizeAllowed", PART_BYTES_MIN)
            .with_field("PartNumber", part.number)
            .with_field("ETag", part.etag.clone()),
    )
}

/// The MD5 of the parts' MD5s, and how many there are.
fn etag_of_parts(parts: &[Part]) -> String {
    let mut md5 = md5::Md5::new();
    for part in parts {
        md5.update(hex::decode(&part.etag).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(md5.finalize()), parts.len())
}

/// The checksum that was asked for when the upload began, else a CRC-64/NVME of the whole, as S3 does.
fn whole_checksum(upload: &Upload, parts: &[Part]) -> Option<Checksum> {
    let asked = upload.checksum;
    let (algorithm, kind) = asked.unwrap_or((Algorithm::Crc64Nvme, ChecksumKind::FullObject));
    let digests: Option<Vec<(Vec<u8>, u64)>> = parts
        .iter()
        .map(|part| {
            let kept = if asked.is_some() { &part.checksum } else { &part.crc64nvme };
            kept.as_ref().filter(|kept| kept.algorithm == algorithm)?.digest().map(|digest| (digest, part.bytes))
        })
        .collect();
    of_parts(algorithm, kind, &digests?)
}

fn promised(request: &Request) -> Result<Promised> {
    let mut promised = Promised::default();
    for algorithm in Algorithm::ALL {
        let Some(text) = request.header(algorithm.header()) else { continue };
        // A composite checksum ends in the number of parts; it follows from the parts' own, so only its form matters.
        let plain = text.split_once('-').map_or(text, |(digest, _)| digest);
        let invalid = || S3Error::request(format!("Value for {} header is invalid.", algorithm.header()));
        promised.checksum = Some((algorithm, decode(algorithm, plain).ok_or_else(invalid)?));
    }
    if let Some(text) = request.header("x-amz-mp-object-size") {
        let invalid =
            |_| S3Error::argument("Value for x-amz-mp-object-size header is invalid.", "x-amz-mp-object-size", text);
        promised.bytes = Some(text.trim().parse().map_err(invalid)?);
    }
    Ok(promised)
}

fn read_listed(document: &[u8]) -> Result<Vec<Listed>> {
    if document.is_empty() {
        return Err(S3Error::request("You must specify at least one part"));
    }
    let root = Element::parse(document, "CompleteMultipartUpload")?;
    root.only(&["Part"])?;
    if root.children.is_empty() || root.children.len() > usize::from(PARTS_MAX) {
        return Err(Plain::MalformedXml.into());
    }
    root.children.iter().map(read_part).collect()
}

fn read_part(element: &Element) -> Result<Listed> {
    let number = element.required("PartNumber")?.trim().parse().map_err(|_| Plain::MalformedXml)?;
    if !(1..=PARTS_MAX).contains(&number) {
        let message = format!("PartNumber must be >= 1 and <= {PARTS_MAX}");
        return Err(S3Error::argument(message, "PartNumber", number.to_string()));
    }
    let etag = element.required("ETag")?.trim().trim_matches('"').to_owned();
    let mut checksum = None;
    for algorithm in Algorithm::ALL {
        if let Some(text) = element.text_of(algorithm.element())? {
            checksum = Some((algorithm, text.trim().to_owned()));
        }
    }
    Ok(Listed { number, etag, checksum })
}
