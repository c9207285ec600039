//! ListObjects and ListObjectsV2.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cauce_store::{Bytes, RangeReq, decode_row};

use super::{Filling, Offered, Page, ROWS_AT_ONCE};
use crate::error::{Result, S3Error};
use crate::keys;
use crate::model::{Bucket, Version};
use crate::put::quoted;
use crate::request::{Reply, Request};
use crate::s3::S3;
use crate::xml::Writer;

/// An object on a page.
struct Entry {
    key: String,
    version: Version,
}

impl S3 {
    /// ListObjects.
    pub(crate) async fn list_objects(&self, request: &Request, bucket: &Bucket) -> Result<Reply> {
        let page = Page::of(request, "max-keys")?;
        let marker = request.query.get("marker").unwrap_or_default();
        let filling = self.fill_objects(bucket, &page, marker).await?;
        let mut writer = Writer::new("ListBucketResult");
        writer.text("Name", &bucket.name);
        page.write_echo(&mut writer);
        writer.text("Marker", page.show(marker)).text("MaxKeys", page.entries_max);
        writer.text("IsTruncated", filling.truncated);
        // Without a delimiter the last key says the same, so S3 leaves it out.
        let next = last(&filling).filter(|_| filling.truncated && !page.delimiter.is_empty());
        writer.maybe("NextMarker", next.map(|next| page.show(next)));
        write_entries(&mut writer, &filling, bucket, true);
        Ok(Reply::xml(writer.finish()).header("x-amz-bucket-region", bucket.region.as_str()))
    }

    /// ListObjectsV2.
    pub(crate) async fn list_objects_v2(&self, request: &Request, bucket: &Bucket) -> Result<Reply> {
        let page = Page::of(request, "max-keys")?;
        let start_after = request.query.get("start-after");
        let token = request.query.get("continuation-token");
        let after = match token {
            Some(token) => read_token(token)?,
            None => start_after.unwrap_or_default().to_owned(),
        };
        let owner = request.query.get("fetch-owner") == Some("true");
        let filling = self.fill_objects(bucket, &page, &after).await?;
        let mut writer = Writer::new("ListBucketResult");
        writer.text("Name", &bucket.name);
        page.write_echo(&mut writer);
        writer.text("MaxKeys", page.entries_max);
        writer.text("KeyCount", filling.entries.len() + filling.prefixes.len());
        writer.text("IsTruncated", filling.truncated);
        writer.maybe("StartAfter", start_after.map(|text| page.show(text)));
        writer.maybe("ContinuationToken", token);
        writer.maybe("NextContinuationToken", last(&filling).filter(|_| filling.truncated).map(write_token));
        write_entries(&mut writer, &filling, bucket, owner);
        Ok(Reply::xml(writer.finish()).header("x-amz-bucket-region", bucket.region.as_str()))
    }

    /// The objects after `after`, as many as the page takes.
    async fn fill_objects<'p>(&self, bucket: &Bucket, page: &'p Page, after: &str) -> Result<Filling<'p, Entry>> {
        let mut filling = Filling::new(page);
        let mut rest = RangeReq::new(keys::currents(&bucket.name, &page.prefix), ROWS_AT_ONCE);
        skip_to(&mut rest, after_start(bucket, page, after));
        if page.entries_max == 0 || rest.start >= rest.end {
            return Ok(filling);
        }
        loop {
            let rows = self.db.range(rest.clone()).await?;
            let mut next = rows.rows.last().map(|row| rest.clone().after(&row.key));
            let mut skipped: Option<String> = None;
            for row in rows.rows {
                let Some(key) = keys::object_key(&row.key) else { continue };
                if key.as_str() <= after || skipped.as_ref().is_some_and(|prefix| key.starts_with(prefix.as_str())) {
                    continue;
                }
                skipped = None;
                let version: Version = decode_row(&row)?;
                if version.object().is_none() {
                    continue;
                }
                match filling.offer(&key, after, Entry { key: key.clone(), version }) {
                    Offered::Taken => {}
                    Offered::RolledUp(prefix) => skipped = Some(prefix),
                    Offered::Full => return Ok(filling),
                }
            }
            if let (Some(prefix), Some(next)) = (&skipped, &mut next) {
                // Whatever else rolls up into the same prefix is passed over unread.
                skip_to(next, keys::currents(&bucket.name, prefix).1);
            }
            match next {
                Some(next) if rows.more && next.start < next.end => rest = next,
                _ => return Ok(filling),
            }
        }
    }
}

/// The first row that may be on a page which begins after `after`.
fn after_start(bucket: &Bucket, page: &Page, after: &str) -> Bytes {
    let in_prefix = page.common_prefix(after).is_some_and(|prefix| prefix == after);
    let (start, end) = keys::currents(&bucket.name, after);
    if in_prefix { end } else { start }
}

fn skip_to(range: &mut RangeReq, start: Bytes) {
    if start > range.start {
        range.start = start;
    }
}

/// Where the next page begins: after the last key or common prefix of this one, whichever is later.
fn last<'f>(filling: &'f Filling<'_, Entry>) -> Option<&'f str> {
    let key = filling.entries.last().map(|entry| entry.key.as_str());
    key.max(filling.prefixes.last().map(String::as_str))
}

fn write_entries(writer: &mut Writer, filling: &Filling<'_, Entry>, bucket: &Bucket, owner: bool) {
    let page = filling.page;
    for Entry { key, version } in &filling.entries {
        let Some(object) = version.object() else { continue };
        writer.within("Contents", |w| {
            w.text("Key", page.show(key)).text("LastModified", version.modified.iso_millis());
            w.text("ETag", quoted(&object.etag));
            if let Some(checksum) = &object.checksum {
                w.text("ChecksumAlgorithm", checksum.algorithm.name()).text("ChecksumType", checksum.kind.name());
            }
            w.text("Size", object.bytes);
            if owner {
                w.around("Owner", "ID", crate::bucket::owner_id(bucket.account));
            }
            w.text("StorageClass", object.description.storage_class.as_deref().unwrap_or("STANDARD"));
        });
    }
    page.write_common_prefixes(writer, &filling.prefixes);
}

fn write_token(after: &str) -> String {
    URL_SAFE_NO_PAD.encode(after)
}

fn read_token(token: &str) -> Result<String> {
    let invalid = || S3Error::argument("The continuation token provided is incorrect", "continuation-token", token);
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    String::from_utf8(bytes).ok().filter(|after| !after.is_empty()).ok_or_else(invalid)
}
