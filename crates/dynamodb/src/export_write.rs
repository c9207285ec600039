//! The writing of exports, in the background: files of items, then the manifests that name them.
//!
//! A file is written before the transaction that goes on to the next one, under a name that follows from its number: what is
//! written again after a crash is the same object.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cauce_core::ServiceError;
use cauce_store::{RangeReq, Record, Tx};
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bucket::{Bucket, BucketError, encoded};
use crate::error::Error;
use crate::export::{Export, ExportStatus};
use crate::history::Origin;
use crate::keys::{self, ExportId};
use crate::model::Table;
use crate::service::DynamoDb;
use crate::value::item_size_bytes;

/// How many bytes of items one file has, unless one item alone is larger.
const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How many items one file has.
const FILE_ITEMS_MAX: usize = 20_000;

/// How many exports are gone on with in turn.
const EXPORTS_MAX: usize = 16;

/// How many files are read at once for the manifest.
const FILES_READ_MAX: usize = 1_000;

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    key: String,
    items: u64,
    md5: String,
    etag: String,
}

impl Record for File {
    const VERSION: u8 = 1;
}

/// Where an object of an export stands in its bucket.
pub(crate) fn key_of(export: &Export, id: &ExportId, name: &str) -> String {
    let own = format!("AWSDynamoDB/{}/{name}", id.id);
    export.prefix.as_ref().map_or(own.clone(), |prefix| format!("{}/{own}", prefix.trim_end_matches('/')))
}

impl DynamoDb {
    /// One step of each export; whether there was any.
    pub(crate) async fn export_some(&self) -> Result<bool, Error> {
        let running = self.db.range(RangeReq::new(keys::running_exports(), EXPORTS_MAX)).await?.rows;
        let mut any = false;
        for row in &running {
            let Some(export) = self.db.get::<Export>(&row.val).await? else { continue };
            let id = keys::read_export(&row.val).map_err(ServiceError::internal)?;
            match self.export_step(&row.val, &id, &export).await? {
                Ok(()) => any = true,
                Err(why) if why.passing => tracing::warn!(why.message, "an export waits"),
                Err(why) => {
                    let end = self.env.now();
                    let status = ExportStatus::Failed { end, code: why.code, message: why.message };
                    self.end_export(&row.val, &export, status).await?;
                    any = true;
                }
            }
        }
        Ok(any)
    }

    /// Writes the next file, or what ends the export.
    async fn export_step(&self, key: &Bytes, id: &ExportId, export: &Export) -> Result<Result<(), BucketError>, Error> {
        if export.files == 0
            && export.from.is_empty()
            && let Err(why) = self.put_object(export, id, "_started", Bytes::new()).await
        {
            return Ok(Err(why));
        }
        let origin = Origin::Table { number: export.table, at: export.at };
        let piece = self.piece(&origin, &export.from, FILE_ITEMS_MAX, FILE_BYTES_MAX).await?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let mut bytes = 0;
        for (_, item) in &piece.items {
            bytes += item_size_bytes(item);
            serde_json::to_writer(&mut encoder, &json!({ "Item": item })).map_err(ServiceError::internal)?;
            encoder.write_all(b"\n").map_err(ServiceError::internal)?;
        }
        let body = Bytes::from(encoder.finish().map_err(ServiceError::internal)?);
        let name = format!("data/{:08}-{}.json.gz", export.files, id.id.rsplit('-').next().unwrap_or_default());
        let md5 = STANDARD.encode(Md5::digest(&body));
        let etag = match self.put_object(export, id, &name, body).await {
            Ok(etag) => etag,
            Err(why) => return Ok(Err(why)),
        };
        let items = u64::try_from(piece.items.len()).unwrap_or(u64::MAX);
        let file = File { key: key_of(export, id, &name), items, md5, etag };
        let next = Export {
            items: export.items + items,
            bytes: export.bytes + u64::try_from(bytes).unwrap_or(u64::MAX),
            files: export.files.saturating_add(1),
            from: piece.next.as_ref().map(|next| next.to_vec()).unwrap_or_default(),
            ..export.clone()
        };
        self.db
            .transact(async |tx| {
                if tx.get_record::<Export>(key).await?.as_ref() == Some(export) {
                    tx.set_record(keys::export_file(export.number, export.files), &file)?;
                    tx.set_record(key.clone(), &next)?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        match piece.next {
            Some(_) => Ok(Ok(())),
            None => self.finish_export(key, id, &next).await,
        }
    }

    /// Writes the manifests.
    async fn finish_export(
        &self,
        key: &Bytes,
        id: &ExportId,
        export: &Export,
    ) -> Result<Result<(), BucketError>, Error> {
        let end = self.env.now();
        let mut files = Vec::new();
        let mut range = RangeReq::new(keys::export_files(export.number), FILES_READ_MAX);
        loop {
            let page = self.db.range(range.clone()).await?;
            for row in &page.rows {
                let Some(file) = self.db.get::<File>(&row.key).await? else { continue };
                let line = json!({
                    "itemCount": file.items, "md5Checksum": file.md5, "etag": file.etag, "dataFileS3Key": file.key,
                });
                files.extend_from_slice(line.to_string().as_bytes());
                files.push(b'\n');
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                _ => break,
            }
        }
        let summary = summary(export, id, end).to_string().into_bytes();
        for (name, body) in [("manifest-files", files), ("manifest-summary", summary)] {
            let md5 = STANDARD.encode(Md5::digest(&body));
            for (name, body) in [(format!("{name}.json"), body), (format!("{name}.md5"), md5.into_bytes())] {
                if let Err(why) = self.put_object(export, id, &name, body.into()).await {
                    return Ok(Err(why));
                }
            }
        }
        self.end_export(key, export, ExportStatus::Completed { end }).await?;
        Ok(Ok(()))
    }

    async fn end_export(&self, key: &Bytes, export: &Export, status: ExportStatus) -> Result<(), Error> {
        self.db
            .transact(async |tx| {
                let Some(mut current) = tx.get_record::<Export>(key).await? else { return Ok(()) };
                current.status = status.clone();
                tx.set_record(key.clone(), &current)?;
                tx.clear(keys::running_export(export.number));
                tx.clear_range(keys::export_files(export.number));
                release(&tx, export).await
            })
            .await
    }

    /// Puts an object, and returns its entity tag.
    async fn put_object(&self, export: &Export, id: &ExportId, name: &str, body: Bytes) -> Result<String, BucketError> {
        let bucket =
            Bucket { account: id.account, region: &id.region, principal: &export.principal, name: &export.bucket };
        let path = format!("/{}", encoded(&key_of(export, id, name), true));
        let headers = vec![("content-length".to_owned(), body.len().to_string())];
        let answer = self.ask_bucket(&bucket, "PUT", path, headers, body).await?;
        let tag = answer.headers.iter().find(|(header, _)| header == "etag");
        Ok(tag.map(|(_, tag)| tag.trim_matches('"').to_owned()).unwrap_or_default())
    }
}

/// The table need not remember the moment any more.
async fn release(tx: &Tx, export: &Export) -> Result<(), Error> {
    let Some(key) = tx.get(&keys::kept_history(export.table)).await? else { return Ok(()) };
    if let Some(mut table) = tx.get_record::<Table>(&key).await?.filter(|table| table.number == export.table) {
        table.past.copies.remove(&export.number);
        tx.set_record(key, &table)?;
    }
    Ok(())
}

/// AWS: Developer Guide, *DynamoDB table export output format*.
fn summary(export: &Export, id: &ExportId, end: cauce_core::Timestamp) -> Value {
    json!({
        "version": "2023-08-01",
        "exportArn": export.arn(id),
        "startTime": export.start.iso_millis(),
        "endTime": end.iso_millis(),
        "tableArn": export.table_arn,
        "tableId": export.table_uuid,
        "exportTime": export.at.iso_millis(),
        "s3Bucket": export.bucket,
        "s3Prefix": export.prefix,
        "s3SseAlgorithm": "AES256",
        "s3SseKmsKeyId": null,
        "manifestFilesS3Key": key_of(export, id, "manifest-files.json"),
        "billedSizeBytes": export.bytes,
        "itemCount": export.items,
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
    })
}
