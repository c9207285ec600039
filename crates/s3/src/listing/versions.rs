//! ListObjectVersions.

use std::collections::VecDeque;

use cauce_store::{Bytes, Db, RangeReq, decode_row};

use super::{Filling, Offered, Page, ROWS_AT_ONCE};
use crate::error::{Result, S3Error};
use crate::ids::version_sequence;
use crate::keys;
use crate::model::{Bucket, Version};
use crate::put::quoted;
use crate::request::{Reply, Request};
use crate::s3::S3;
use crate::version::check_version_id;
use crate::xml::Writer;

/// A version on a page.
struct Entry {
    key: String,
    version: Version,
    latest: bool,
}

/// Rows of one kind, read ahead a page at a time.
struct Cursor {
    rest: Option<RangeReq>,
    ahead: VecDeque<(String, Version)>,
}

impl Cursor {
    fn new(range: (Bytes, Bytes), start: Bytes) -> Cursor {
        let mut rest = RangeReq::new(range, ROWS_AT_ONCE);
        if start > rest.start {
            rest.start = start;
        }
        Cursor { rest: Some(rest), ahead: VecDeque::new() }
    }

    /// The key of the next row.
    async fn peek(&mut self, db: &Db) -> Result<Option<&str>> {
        while self.ahead.is_empty() {
            let Some(rest) = self.rest.take().filter(|rest| rest.start < rest.end) else { break };
            let rows = db.range(rest.clone()).await?;
            self.rest = rows.rows.last().filter(|_| rows.more).map(|row| rest.after(&row.key));
            for row in &rows.rows {
                if let Some(key) = keys::object_key(&row.key) {
                    self.ahead.push_back((key, decode_row(row)?));
                }
            }
        }
        Ok(self.ahead.front().map(|(key, _)| key.as_str()))
    }

    /// Passes over all rows before `start`.
    fn skip_to(&mut self, start: &Bytes, is_before: impl Fn(&str) -> bool) {
        while self.ahead.front().is_some_and(|(key, _)| is_before(key)) {
            self.ahead.pop_front();
        }
        if let Some(rest) = &mut self.rest
            && rest.start < *start
        {
            rest.start = start.clone();
        }
    }
}

/// Where a page begins: after this key, or after this version of it.
struct Start {
    key: String,
    /// Versions of that key with a smaller sequence are on the page.
    sequence: Option<u64>,
}

impl S3 {
    /// ListObjectVersions.
    pub(crate) async fn list_object_versions(&self, request: &Request, bucket: &Bucket) -> Result<Reply> {
        let page = Page::of(request, "max-keys")?;
        let key_marker = request.query.get("key-marker").unwrap_or_default();
        let id_marker = request.query.get("version-id-marker").filter(|id| !id.is_empty());
        if id_marker.is_some() && key_marker.is_empty() {
            let message = "A version-id marker cannot be specified without a key marker.";
            return Err(S3Error::argument(message, "version-id-marker", id_marker.unwrap_or_default()));
        }
        let sequence = match id_marker {
            Some(id) => Some(self.marked_sequence(bucket, key_marker, id).await?),
            None => None,
        };
        let start = Start { key: key_marker.to_owned(), sequence };
        let filling = self.fill_versions(bucket, &page, &start).await?;

        let mut writer = Writer::new("ListVersionsResult");
        writer.text("Name", &bucket.name);
        page.write_echo(&mut writer);
        writer.text("KeyMarker", page.show(key_marker)).text("VersionIdMarker", id_marker.unwrap_or_default());
        writer.text("MaxKeys", page.entries_max).text("IsTruncated", filling.truncated);
        if filling.truncated {
            let entry = filling.entries.last();
            let prefix = filling.prefixes.last();
            match (entry, prefix) {
                (Some(entry), prefix) if prefix.is_none_or(|prefix| *prefix < entry.key) => {
                    writer.text("NextKeyMarker", page.show(&entry.key));
                    writer.text("NextVersionIdMarker", entry.version.shown_id());
                }
                (_, prefix) => {
                    writer.maybe("NextKeyMarker", prefix.map(|prefix| page.show(prefix)));
                }
            }
        }
        for entry in &filling.entries {
            write_entry(&mut writer, &page, entry, bucket);
        }
        page.write_common_prefixes(&mut writer, &filling.prefixes);
        Ok(Reply::xml(writer.finish()))
    }

    /// The sequence number of the version by that id, which need not exist any more.
    async fn marked_sequence(&self, bucket: &Bucket, key: &str, id: &str) -> Result<u64> {
        check_version_id(id)?;
        if let Some(sequence) = version_sequence(id) {
            return Ok(sequence);
        }
        let current: Option<Version> = self.db.get(&keys::current(&bucket.name, key)).await?;
        let null = current.and_then(|version| match version.id {
            None => Some(version.sequence),
            Some(_) => version.older_null,
        });
        // A null version that has gone: nothing of that key is left to show.
        Ok(null.unwrap_or(0))
    }

    async fn fill_versions<'p>(&self, bucket: &Bucket, page: &'p Page, start: &Start) -> Result<Filling<'p, Entry>> {
        let mut filling = Filling::new(page);
        if page.entries_max == 0 {
            return Ok(filling);
        }
        let (name, prefix) = (&bucket.name, &page.prefix);
        let mut currents = Cursor::new(keys::currents(name, prefix), keys::currents(name, &start.key).0);
        let mut olders = Cursor::new(keys::olders(name, prefix), keys::olders(name, &start.key).0);
        loop {
            let current = currents.peek(&self.db).await?.map(str::to_owned);
            let older = olders.peek(&self.db).await?.map(str::to_owned);
            let latest = match (&current, &older) {
                (None, None) => return Ok(filling),
                (Some(current), Some(older)) => current <= older,
                (current, None) => current.is_some(),
                (None, Some(_)) => false,
            };
            let cursor = if latest { &mut currents } else { &mut olders };
            let Some((key, version)) = cursor.ahead.pop_front() else { return Ok(filling) };
            let before = key < start.key
                || (key == start.key && start.sequence.is_none_or(|sequence| version.sequence >= sequence));
            if before {
                continue;
            }
            match filling.offer(&key, &start.key, Entry { key: key.clone(), version, latest }) {
                Offered::Taken => {}
                Offered::Full => return Ok(filling),
                Offered::RolledUp(common) => {
                    let is_before = |key: &str| key.starts_with(common.as_str());
                    currents.skip_to(&keys::currents(name, &common).1, is_before);
                    olders.skip_to(&keys::olders(name, &common).1, is_before);
                }
            }
        }
    }
}

fn write_entry(writer: &mut Writer, page: &Page, entry: &Entry, bucket: &Bucket) {
    let object = entry.version.object();
    writer.within(if object.is_some() { "Version" } else { "DeleteMarker" }, |w| {
        w.text("Key", page.show(&entry.key)).text("VersionId", entry.version.shown_id());
        w.text("IsLatest", entry.latest).text("LastModified", entry.version.modified.iso_millis());
        if let Some(object) = object {
            w.text("ETag", quoted(&object.etag));
            if let Some(checksum) = &object.checksum {
                w.text("ChecksumAlgorithm", checksum.algorithm.name()).text("ChecksumType", checksum.kind.name());
            }
            w.text("Size", object.bytes);
            w.text("StorageClass", object.description.storage_class.as_deref().unwrap_or("STANDARD"));
        }
        w.around("Owner", "ID", crate::bucket::owner_id(bucket.account));
    });
}
