//! ExportTableToPointInTime, DescribeExport, ListExports: a table as it was at a moment, as objects of a bucket.
//!
//! AWS: Developer Guide, *DynamoDB data export to Amazon S3*. Whoever asks for an export is who writes the objects.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cauce_core::{Arn, Call, Principal, ServiceError, Timestamp, Violations};
use cauce_store::{RangeReq, Record, Tx};
use cauce_wire::{Api, Input, Operation};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::backup::unnamed;
use crate::error::Error;
use crate::export_write::key_of;
use crate::keys::{self, ExportId};
use crate::model::{Table, table_arn};
use crate::request::table_id;
use crate::service::DynamoDb;

/// How long a `ClientToken` is remembered.
const TOKEN_LASTS: Duration = Duration::from_secs(8 * 3_600);

/// The most exports of a page, and how many are read at once.
const LIST_MAX: usize = 25;

/// How many exports may be under way at once in an account and region. AWS: *Service, account, and table quotas*.
pub const EXPORTS_MAX: usize = 300;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ExportStatus {
    InProgress,
    Completed { end: Timestamp },
    Failed { end: Timestamp, code: String, message: String },
}

/// An export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Export {
    /// Given once, from the same counter as those of tables.
    pub(crate) number: u64,
    pub(crate) table: u64,
    pub(crate) table_arn: String,
    pub(crate) table_uuid: String,
    pub(crate) bucket: String,
    pub(crate) owner: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) start: Timestamp,
    pub(crate) status: ExportStatus,
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    /// Who has asked for it.
    pub(crate) principal: Principal,
    /// The key parts of the item to go on with.
    pub(crate) from: Vec<u8>,
    /// How many files have been written.
    pub(crate) files: u32,
}

impl Record for Export {
    const VERSION: u8 = 1;
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ExportTable {
    table_arn: String,
    export_time: Option<Timestamp>,
    client_token: Option<String>,
    #[serde(rename = "S3Bucket")]
    bucket: String,
    #[serde(rename = "S3BucketOwner")]
    bucket_owner: Option<String>,
    #[serde(rename = "S3Prefix")]
    prefix: Option<String>,
    #[serde(rename = "S3SseAlgorithm")]
    sse_algorithm: Option<String>,
    #[serde(rename = "S3SseKmsKeyId")]
    sse_key: Option<IgnoredAny>,
    export_format: Option<String>,
    export_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedExport {
    export_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListExports {
    table_arn: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

impl Input for ExportTable {
    fn validate(&self, v: &mut Violations) {
        v.length("tableArn", &self.table_arn, 1, 1_024);
        v.length("s3Bucket", &self.bucket, 1, 255);
        if let Some(prefix) = &self.prefix {
            v.length("s3Prefix", prefix, 0, 1_024);
        }
        if let Some(format) = &self.export_format {
            v.one_of("exportFormat", format, &["DYNAMODB_JSON", "ION"]);
        }
        if let Some(kind) = &self.export_type {
            v.one_of("exportType", kind, &["FULL_EXPORT", "INCREMENTAL_EXPORT"]);
        }
        if let Some(algorithm) = &self.sse_algorithm {
            v.one_of("s3SseAlgorithm", algorithm, &["AES256", "KMS"]);
        }
    }
}

impl Input for NamedExport {
    fn validate(&self, v: &mut Violations) {
        v.length("exportArn", &self.export_arn, 37, 1_024);
    }
}

impl Input for ListExports {
    fn validate(&self, v: &mut Violations) {
        if let Some(results) = self.max_results {
            v.range("maxResults", results, 1, 25);
        }
    }
}

/// The operations on exports.
pub(crate) fn operations(api: Api<DynamoDb>) -> Api<DynamoDb> {
    api.operation(
        Operation::new("ExportTableToPointInTime", DynamoDb::export_table)
            .resource(|_, input: &ExportTable| vec![input.table_arn.clone()]),
    )
    .operation(
        Operation::new("DescribeExport", DynamoDb::describe_export)
            .resource(|_, input: &NamedExport| vec![input.export_arn.clone()]),
    )
    .operation(Operation::new("ListExports", DynamoDb::list_exports))
}

impl ExportTable {
    /// Refuses what this server does not do.
    fn check(&self) -> Result<(), Error> {
        let refused = [
            ("ExportFormat ION", self.export_format.as_deref() == Some("ION")),
            ("ExportType INCREMENTAL_EXPORT", self.export_type.as_deref() == Some("INCREMENTAL_EXPORT")),
            ("S3SseAlgorithm KMS", self.sse_algorithm.as_deref() == Some("KMS") || self.sse_key.is_some()),
        ];
        match refused.into_iter().find(|(_, wished)| *wished) {
            Some((name, _)) => Err(Error::invalid(format!("{name} is not supported by this server"))),
            None => Ok(()),
        }
    }
}

impl Export {
    pub(crate) fn arn(&self, id: &ExportId) -> String {
        format!("{}/export/{}", self.table_arn, id.id)
    }

    fn status_name(&self) -> &'static str {
        match self.status {
            ExportStatus::InProgress => "IN_PROGRESS",
            ExportStatus::Completed { .. } => "COMPLETED",
            ExportStatus::Failed { .. } => "FAILED",
        }
    }

    /// AWS: API Reference, *ExportDescription*.
    fn description(&self, id: &ExportId) -> Value {
        let mut description = json!({
            "ExportArn": self.arn(id),
            "ExportStatus": self.status_name(),
            "StartTime": self.start,
            "TableArn": self.table_arn,
            "TableId": self.table_uuid,
            "ExportTime": self.at,
            "S3Bucket": self.bucket,
            "S3SseAlgorithm": "AES256",
            "ExportFormat": "DYNAMODB_JSON",
            "ExportType": "FULL_EXPORT",
        });
        let Some(object) = description.as_object_mut() else { return description };
        let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
        for (name, text) in [("ClientToken", &self.token), ("S3Prefix", &self.prefix), ("S3BucketOwner", &self.owner)] {
            if let Some(text) = text {
                put(name, text.clone().into());
            }
        }
        match &self.status {
            ExportStatus::InProgress => {}
            ExportStatus::Completed { end } => {
                put("EndTime", json!(end));
                put("ExportManifest", key_of(self, id, "manifest-summary.json").into());
                put("ItemCount", self.items.into());
                put("BilledSizeBytes", self.bytes.into());
            }
            ExportStatus::Failed { end, code, message } => {
                put("EndTime", json!(end));
                put("FailureCode", code.clone().into());
                put("FailureMessage", message.clone().into());
            }
        }
        description
    }

    /// Whether a request asks for the same.
    fn is_of(&self, input: &ExportTable) -> bool {
        self.table_arn == input.table_arn
            && self.bucket == input.bucket
            && self.prefix == input.prefix
            && input.export_time.is_none_or(|at| at == self.at)
    }
}

impl DynamoDb {
    async fn export_table(self: Arc<Self>, call: Call, input: ExportTable) -> Result<Value, Error> {
        input.check()?;
        let arn: Arn = input.table_arn.parse().map_err(|_| Error::invalid("Invalid TableArn"))?;
        let table = table_id(&call, &input.table_arn).map_err(|error| unnamed(error, arn.resource()))?;
        if let Some((id, export)) = self.export_by_token(&call, &input).await? {
            return match export.is_of(&input) {
                true => Ok(json!({ "ExportDescription": export.description(&id) })),
                false => Err(Error::ExportConflict),
            };
        }
        let source = keys::table(&table);
        let now = self.env.now();
        let begun = self.db.transact(async |tx| self.export_in(&tx, &call, &source, &input, now).await).await;
        let (id, export) = begun.map_err(|error| unnamed(error, &table.name))?;
        self.work.notify_one();
        Ok(json!({ "ExportDescription": export.description(&id) }))
    }

    async fn export_in(
        &self,
        tx: &Tx,
        call: &Call,
        source: &Bytes,
        input: &ExportTable,
        now: Timestamp,
    ) -> Result<(ExportId, Export), Error> {
        let mut table = tx.get_record::<Table>(source).await?.ok_or(Error::NoTable)?;
        let recovery = table.past.recovery.ok_or_else(|| Error::NoRecovery(table.name.clone()))?;
        let at = match input.export_time {
            Some(at) if at < recovery.earliest(now) || at > now => return Err(Error::ExportTime),
            Some(at) => {
                self.moments.reach(at);
                at
            }
            None => self.moment(),
        };
        let running = tx.snapshot_range(RangeReq::new(keys::running_exports(), EXPORTS_MAX)).await?;
        if running.len() >= EXPORTS_MAX {
            return Err(Error::Limit(format!("There is a limit of {EXPORTS_MAX} exports that are in progress")));
        }
        let number = keys::draw_number(tx).await?;
        let id = ExportId { account: call.account, region: call.region.clone(), id: keys::dated(now, number) };
        let of = crate::keys::TableId { account: id.account, region: id.region.clone(), name: table.name.clone() };
        let export = Export {
            number,
            table: table.number,
            table_arn: table_arn(&of).to_string(),
            table_uuid: table.uuid.clone(),
            bucket: input.bucket.clone(),
            owner: input.bucket_owner.clone(),
            prefix: input.prefix.clone().filter(|prefix| !prefix.is_empty()),
            token: input.client_token.clone(),
            at,
            start: now,
            status: ExportStatus::InProgress,
            items: 0,
            bytes: 0,
            principal: Principal::clone(&call.principal),
            from: Vec::new(),
            files: 0,
        };
        table.past.copies.insert(number, at);
        tx.set_record(source.clone(), &table)?;
        tx.set(keys::kept_history(table.number), source.clone());
        let key = keys::export(&id);
        tx.set_record(key.clone(), &export)?;
        tx.set(keys::running_export(number), key);
        Ok((id, export))
    }

    /// The export that a token stands for.
    async fn export_by_token(&self, call: &Call, input: &ExportTable) -> Result<Option<(ExportId, Export)>, Error> {
        let Some(token) = &input.client_token else { return Ok(None) };
        let since = Timestamp::from_micros(
            self.env.now().as_micros().saturating_sub(i64::try_from(TOKEN_LASTS.as_micros()).unwrap_or(i64::MAX)),
        );
        // The newest first: older ones than a token lasts need not be looked at.
        let mut range = RangeReq::new(keys::exports(call.account, &call.region), LIST_MAX).reversed();
        loop {
            let page = self.db.range(range.clone()).await?;
            for row in &page.rows {
                let Some(export) = self.db.get::<Export>(&row.key).await? else { continue };
                if export.start < since {
                    return Ok(None);
                }
                if export.token.as_ref() == Some(token) {
                    return Ok(Some((keys::read_export(&row.key).map_err(ServiceError::internal)?, export)));
                }
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                _ => return Ok(None),
            }
        }
    }

    async fn describe_export(self: Arc<Self>, call: Call, input: NamedExport) -> Result<Value, Error> {
        let arn = &input.export_arn;
        let missing = || Error::NoExport(arn.clone());
        let text = arn.split_once("/export/").map(|(_, id)| id.to_owned()).ok_or_else(missing)?;
        let id = ExportId { account: call.account, region: call.region.clone(), id: text };
        let export = self.db.get::<Export>(&keys::export(&id)).await?;
        let export = export.filter(|export| export.arn(&id) == *arn).ok_or_else(missing)?;
        Ok(json!({ "ExportDescription": export.description(&id) }))
    }

    async fn list_exports(self: Arc<Self>, call: Call, input: ListExports) -> Result<Value, Error> {
        let limit =
            input.max_results.and_then(|most| usize::try_from(most).ok()).unwrap_or(LIST_MAX).clamp(1, LIST_MAX);
        let mut range = RangeReq::new(keys::exports(call.account, &call.region), LIST_MAX);
        if let Some(token) = &input.next_token {
            let id = ExportId { account: call.account, region: call.region.clone(), id: token.clone() };
            range = range.after(&keys::export(&id));
        }
        let mut summaries: Vec<Value> = Vec::new();
        let mut last_id = String::new();
        loop {
            let page = self.db.range(range.clone()).await?;
            for row in &page.rows {
                let id = keys::read_export(&row.key).map_err(ServiceError::internal)?;
                let Some(export) = self.db.get::<Export>(&row.key).await? else { continue };
                if input.table_arn.as_ref().is_some_and(|arn| *arn != export.table_arn) {
                    continue;
                }
                if summaries.len() == limit {
                    return Ok(json!({ "ExportSummaries": summaries, "NextToken": last_id }));
                }
                summaries.push(json!({
                    "ExportArn": export.arn(&id),
                    "ExportStatus": export.status_name(),
                    "ExportType": "FULL_EXPORT",
                }));
                last_id = id.id;
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                _ => return Ok(json!({ "ExportSummaries": summaries })),
            }
        }
    }
}
