//! ListMultipartUploads and ListParts.

use cauce_store::{RangeReq, decode_row};

use super::{Filling, Offered, PAGE_ENTRIES_MAX, Page, ROWS_AT_ONCE};
use crate::error::{Result, S3Error};
use crate::ids::UploadId;
use crate::keys;
use crate::model::{Bucket, Part, Upload};
use crate::put::quoted;
use crate::request::{Reply, Request};
use crate::s3::S3;
use crate::upload::request_upload_id;
use crate::xml::Writer;

/// An upload on a page.
struct Entry {
    key: String,
    id: UploadId,
    upload: Upload,
}

impl S3 {
    /// ListMultipartUploads.
    pub(crate) async fn list_uploads(&self, request: &Request, bucket: &Bucket) -> Result<Reply> {
        let page = Page::of(request, "max-uploads")?;
        let key_marker = request.query.get("key-marker").unwrap_or_default();
        // Without a key marker S3 ignores the upload marker.
        let id_marker = request.query.get("upload-id-marker").filter(|id| !id.is_empty() && !key_marker.is_empty());
        let after = match id_marker {
            Some(text) => Some(
                UploadId::parse(text)
                    .ok_or_else(|| S3Error::argument("Invalid uploadId marker", "upload-id-marker", text))?,
            ),
            None => None,
        };
        let filling = self.fill_uploads(bucket, &page, key_marker, after).await?;
        let mut writer = Writer::new("ListMultipartUploadsResult");
        writer.text("Bucket", &bucket.name);
        writer.text("KeyMarker", page.show(key_marker)).text("UploadIdMarker", id_marker.unwrap_or_default());
        page.write_echo(&mut writer);
        writer.text("MaxUploads", page.entries_max).text("IsTruncated", filling.truncated);
        if filling.truncated {
            match (filling.entries.last(), filling.prefixes.last()) {
                (Some(entry), prefix) if prefix.is_none_or(|prefix| *prefix < entry.key) => {
                    writer.text("NextKeyMarker", page.show(&entry.key)).text("NextUploadIdMarker", entry.id.text());
                }
                (_, prefix) => {
                    writer.maybe("NextKeyMarker", prefix.map(|prefix| page.show(prefix)));
                }
            }
        }
        for Entry { key, id, upload } in &filling.entries {
            writer.within("Upload", |w| {
                w.text("Key", page.show(key)).text("UploadId", id.text());
                w.text("Initiated", upload.initiated.iso_millis());
                w.text("StorageClass", upload.description.storage_class.as_deref().unwrap_or("STANDARD"));
                if let Some((algorithm, kind)) = upload.checksum {
                    w.text("ChecksumAlgorithm", algorithm.name()).text("ChecksumType", kind.name());
                }
                let owner = crate::bucket::owner_id(bucket.account);
                w.around("Initiator", "ID", &owner).around("Owner", "ID", &owner);
            });
        }
        page.write_common_prefixes(&mut writer, &filling.prefixes);
        Ok(Reply::xml(writer.finish()))
    }

    async fn fill_uploads<'p>(
        &self,
        bucket: &Bucket,
        page: &'p Page,
        key_marker: &str,
        after: Option<UploadId>,
    ) -> Result<Filling<'p, Entry>> {
        let mut filling = Filling::new(page);
        let mut rest = RangeReq::new(keys::uploads(&bucket.name, &page.prefix), ROWS_AT_ONCE);
        let start = keys::uploads(&bucket.name, key_marker).0;
        rest.start = rest.start.max(start);
        while page.entries_max > 0 && rest.start < rest.end {
            let rows = self.db.range(rest.clone()).await?;
            for row in &rows.rows {
                let Some((key, id)) = keys::upload_parts(&row.key) else { continue };
                let before = key.as_str() < key_marker
                    || (key == key_marker && !key_marker.is_empty() && after.is_none_or(|after| id.0 <= after.0));
                if before {
                    continue;
                }
                let upload: Upload = decode_row(row)?;
                // Several uploads to one key follow each other, so a page may begin within a key but not within a prefix.
                if filling.offer(&key, key_marker, Entry { key: key.clone(), id, upload }) == Offered::Full {
                    return Ok(filling);
                }
            }
            match rows.rows.last() {
                Some(row) if rows.more => rest = rest.after(&row.key),
                _ => break,
            }
        }
        Ok(filling)
    }

    /// ListParts.
    pub(crate) async fn list_parts(&self, request: &Request, bucket: &Bucket) -> Result<Reply> {
        let id = request_upload_id(request)?;
        let page = Page::of(request, "max-parts")?;
        let marker = request.query.get("part-number-marker").filter(|text| !text.is_empty());
        let marker: u16 = match marker {
            None => 0,
            Some(text) => text.parse().map_err(|_| {
                let message = "Argument part-number-marker must be an integer between 0 and 2147483647";
                S3Error::argument(message, "part-number-marker", text)
            })?,
        };
        let upload = self.upload(bucket, request.key(), id).await?;
        let mut range = RangeReq::new(keys::parts_of(id), page.entries_max.min(PAGE_ENTRIES_MAX) + 1);
        range.start = keys::part(id, marker.saturating_add(1));
        let rows = self.db.range(range).await?.rows;
        let mut parts = rows.iter().map(decode_row::<Part>).collect::<std::result::Result<Vec<_>, _>>()?;
        let truncated = parts.len() > page.entries_max && page.entries_max > 0;
        parts.truncate(page.entries_max);

        let mut writer = Writer::new("ListPartsResult");
        writer.text("Bucket", &bucket.name).text("Key", page.show(request.key())).text("UploadId", id.text());
        let owner = crate::bucket::owner_id(bucket.account);
        writer.around("Initiator", "ID", &owner).around("Owner", "ID", &owner);
        writer.text("StorageClass", upload.description.storage_class.as_deref().unwrap_or("STANDARD"));
        writer.text("PartNumberMarker", marker);
        writer.maybe("NextPartNumberMarker", parts.last().map(|part| part.number));
        writer.text("MaxParts", page.entries_max).text("IsTruncated", truncated);
        if let Some((algorithm, kind)) = upload.checksum {
            writer.text("ChecksumAlgorithm", algorithm.name()).text("ChecksumType", kind.name());
        }
        for part in &parts {
            writer.within("Part", |w| {
                w.text("PartNumber", part.number).text("LastModified", part.modified.iso_millis());
                w.text("ETag", quoted(&part.etag)).text("Size", part.bytes);
                if let Some(checksum) = &part.checksum {
                    w.text(checksum.algorithm.element(), &checksum.text);
                }
            });
        }
        Ok(Reply::xml(writer.finish()))
    }
}
