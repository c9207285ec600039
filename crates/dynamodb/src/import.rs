//! ImportTable, DescribeImport, ListImports: a new table with the items of objects in a bucket.
//!
//! AWS: Developer Guide, *DynamoDB data import from Amazon S3*. Whoever asks for an import is who reads the objects.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cauce_core::{Call, Principal, ServiceError, Timestamp, Violations};
use cauce_store::{RangeReq, Record};
use cauce_wire::{Api, Input, Operation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Error;
use crate::import_read::Format;
use crate::keys::{self, ImportId};
use crate::model::{BillingMode, Table, table_arn};
use crate::request::{table_id, table_resource};
use crate::service::DynamoDb;
use crate::table::CreateTable;

/// How long a `ClientToken` is remembered.
const TOKEN_LASTS: Duration = Duration::from_secs(8 * 3_600);

/// The most imports of a page, and how many are read at once.
const LIST_MAX: usize = 25;

/// How many imports may be under way at once. AWS: *Service, account, and table quotas*.
pub const IMPORTS_MAX: usize = 50;

/// The most names of a header of CSV.
const HEADER_MAX: usize = 255;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ImportStatus {
    InProgress,
    Completed { end: Timestamp },
    Failed { end: Timestamp, code: String, message: String },
}

/// An import.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Import {
    /// That of the table.
    pub(crate) number: u64,
    pub(crate) table_key: Vec<u8>,
    pub(crate) table_arn: String,
    pub(crate) table_uuid: String,
    pub(crate) bucket: String,
    pub(crate) prefix: Option<String>,
    pub(crate) format: Format,
    pub(crate) gzip: bool,
    pub(crate) start: Timestamp,
    pub(crate) status: ImportStatus,
    /// Who has asked for it.
    pub(crate) principal: Principal,
    /// The request, as it was.
    pub(crate) request: Value,
    /// The last object that has been read to its end.
    pub(crate) after: Option<String>,
    /// How many lines of the next one have been taken in.
    pub(crate) lines: u64,
    pub(crate) processed: u64,
    pub(crate) imported: u64,
    pub(crate) errors: u64,
    pub(crate) bytes: u64,
}

impl Record for Import {
    const VERSION: u8 = 1;
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ImportTable {
    client_token: Option<String>,
    #[serde(rename = "S3BucketSource")]
    source: Source,
    input_format: String,
    input_format_options: Option<Options>,
    input_compression_type: Option<String>,
    table_creation_parameters: Value,
}

#[derive(Clone, Deserialize, Serialize)]
struct Source {
    #[serde(rename = "S3Bucket")]
    bucket: String,
    #[serde(rename = "S3BucketOwner", skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(rename = "S3KeyPrefix", skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    csv: Option<Csv>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Csv {
    #[serde(skip_serializing_if = "Option::is_none")]
    delimiter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header_list: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedImport {
    import_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListImports {
    table_arn: Option<String>,
    page_size: Option<i64>,
    next_token: Option<String>,
}

impl Input for ImportTable {
    fn validate(&self, v: &mut Violations) {
        v.within("s3BucketSource", |v| v.length("s3Bucket", &self.source.bucket, 1, 255));
        v.one_of("inputFormat", &self.input_format, &["DYNAMODB_JSON", "ION", "CSV"]);
        if let Some(kind) = &self.input_compression_type {
            v.one_of("inputCompressionType", kind, &["GZIP", "ZSTD", "NONE"]);
        }
        let Some(csv) = self.input_format_options.as_ref().and_then(|options| options.csv.as_ref()) else { return };
        v.within("inputFormatOptions.csv", |v| {
            if let Some(delimiter) = &csv.delimiter {
                v.one_of("delimiter", delimiter, &[",", ";", ":", "|", "\t", " "]);
            }
            if let Some(header) = &csv.header_list {
                v.count("headerList", header.len(), 1, HEADER_MAX);
            }
        });
    }
}

impl Input for NamedImport {
    fn validate(&self, v: &mut Violations) {
        v.length("importArn", &self.import_arn, 37, 1_024);
    }
}

impl Input for ListImports {
    fn validate(&self, v: &mut Violations) {
        if let Some(size) = self.page_size {
            v.range("pageSize", size, 1, 25);
        }
    }
}

/// The operations on imports.
pub(crate) fn operations(api: Api<DynamoDb>) -> Api<DynamoDb> {
    api.operation(Operation::new("ImportTable", DynamoDb::import_table).resource(|call, input: &ImportTable| {
        let name = input.table_creation_parameters.get("TableName").and_then(Value::as_str).unwrap_or("*");
        table_resource(call, name)
    }))
    .operation(
        Operation::new("DescribeImport", DynamoDb::describe_import)
            .resource(|_, input: &NamedImport| vec![input.import_arn.clone()]),
    )
    .operation(Operation::new("ListImports", DynamoDb::list_imports))
}

impl ImportTable {
    fn format(&self) -> Result<Format, Error> {
        let csv = self.input_format_options.as_ref().and_then(|options| options.csv.as_ref());
        match self.input_format.as_str() {
            "ION" => Err(Error::invalid("InputFormat ION is not supported by this server")),
            "CSV" => Ok(Format::Csv {
                delimiter: csv.and_then(|csv| csv.delimiter.as_ref()?.chars().next()).unwrap_or(','),
                header: csv.and_then(|csv| csv.header_list.clone()),
            }),
            _ if csv.is_some() => Err(Error::invalid("InputFormatOptions can only be specified for the CSV format")),
            _ => Ok(Format::Json),
        }
    }

    /// The request as DescribeImport repeats it.
    fn repeated(&self) -> Value {
        let mut request = json!({
            "S3BucketSource": self.source,
            "InputFormat": self.input_format,
            "InputCompressionType": self.input_compression_type.as_deref().unwrap_or("NONE"),
            "TableCreationParameters": self.table_creation_parameters,
        });
        if let Some(request) = request.as_object_mut() {
            let options = self.input_format_options.as_ref().map(|options| json!(options));
            request.extend(options.map(|options| ("InputFormatOptions".to_owned(), options)));
            request.extend(self.client_token.clone().map(|token| ("ClientToken".to_owned(), token.into())));
        }
        request
    }

    fn table(&self) -> Result<CreateTable, Error> {
        let parameters = self.table_creation_parameters.clone();
        let input: CreateTable = serde_json::from_value(parameters)
            .map_err(|error| Error::invalid(format!("TableCreationParameters: {error}")))?;
        let mut violations = Violations::new();
        violations.within("tableCreationParameters", |v| input.validate(v));
        violations.finish()?;
        Ok(input)
    }
}

impl Import {
    fn arn(&self, id: &ImportId) -> String {
        format!("{}/import/{}", self.table_arn, id.id)
    }

    fn status_name(&self) -> &'static str {
        match self.status {
            ImportStatus::InProgress => "IN_PROGRESS",
            ImportStatus::Completed { .. } => "COMPLETED",
            ImportStatus::Failed { .. } => "FAILED",
        }
    }

    /// AWS: API Reference, *ImportTableDescription*.
    fn description(&self, id: &ImportId) -> Value {
        let mut description = self.request.clone();
        let Some(object) = description.as_object_mut() else { return description };
        let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
        put("ImportArn", self.arn(id).into());
        put("ImportStatus", self.status_name().into());
        put("TableArn", self.table_arn.clone().into());
        put("TableId", self.table_uuid.clone().into());
        put("StartTime", json!(self.start));
        put("ErrorCount", self.errors.into());
        put("ProcessedSizeBytes", self.bytes.into());
        put("ProcessedItemCount", self.processed.into());
        put("ImportedItemCount", self.imported.into());
        match &self.status {
            ImportStatus::InProgress => {}
            ImportStatus::Completed { end } => put("EndTime", json!(end)),
            ImportStatus::Failed { end, code, message } => {
                put("EndTime", json!(end));
                put("FailureCode", code.clone().into());
                put("FailureMessage", message.clone().into());
            }
        }
        description
    }

    /// AWS: API Reference, *ImportSummary*.
    fn summary(&self, id: &ImportId) -> Value {
        let mut summary = json!({
            "ImportArn": self.arn(id),
            "ImportStatus": self.status_name(),
            "TableArn": self.table_arn,
            "S3BucketSource": self.request.get("S3BucketSource"),
            "InputFormat": self.request.get("InputFormat"),
            "StartTime": self.start,
        });
        if let (ImportStatus::Completed { end } | ImportStatus::Failed { end, .. }, Some(summary)) =
            (&self.status, summary.as_object_mut())
        {
            summary.insert("EndTime".to_owned(), json!(end));
        }
        summary
    }
}

impl DynamoDb {
    async fn import_table(self: Arc<Self>, call: Call, input: ImportTable) -> Result<Value, Error> {
        let format = input.format()?;
        if input.input_compression_type.as_deref() == Some("ZSTD") {
            return Err(Error::invalid("InputCompressionType ZSTD is not supported by this server"));
        }
        let wish = input.table()?;
        let target = table_id(&call, &wish.table_name)?;
        let request = input.repeated();
        if let Some((id, import)) = self.import_by_token(&call, input.client_token.as_deref()).await? {
            return match import.request == request {
                true => Ok(json!({ "ImportTableDescription": import.description(&id) })),
                false => Err(Error::ImportConflict),
            };
        }
        let now = self.env.now();
        let mut table = wish.table(&target.name)?;
        table.created = now;
        table.uuid = self.env.entropy().uuid();
        table.on_demand_since = (table.billing == BillingMode::PayPerRequest).then_some(now);
        table.past.arriving = true;
        let table_key = keys::table(&target);
        let made = self.db.transact(async |tx| {
            let running = tx.snapshot_range(RangeReq::new(keys::running_imports(), IMPORTS_MAX)).await?;
            if running.len() >= IMPORTS_MAX {
                return Err(Error::Limit(format!("There is a limit of {IMPORTS_MAX} imports that are in progress")));
            }
            let table: Table = self.create_in(&tx, &target, table.clone(), None).await?;
            let id =
                ImportId { account: call.account, region: call.region.clone(), id: keys::dated(now, table.number) };
            let key = keys::import(&id);
            let import = Import {
                number: table.number,
                table_key: table_key.to_vec(),
                table_arn: table_arn(&target).to_string(),
                table_uuid: table.uuid,
                bucket: input.source.bucket.clone(),
                prefix: input.source.prefix.clone(),
                format: format.clone(),
                gzip: input.input_compression_type.as_deref() == Some("GZIP"),
                start: now,
                status: ImportStatus::InProgress,
                principal: Principal::clone(&call.principal),
                request: request.clone(),
                after: None,
                lines: 0,
                processed: 0,
                imported: 0,
                errors: 0,
                bytes: 0,
            };
            tx.set_record(key.clone(), &import)?;
            tx.set(keys::running_import(import.number), key);
            Ok((id, import))
        });
        let (id, import) = made.await?;
        self.imports.notify_one();
        Ok(json!({ "ImportTableDescription": import.description(&id) }))
    }

    /// The import that a token stands for.
    async fn import_by_token(&self, call: &Call, token: Option<&str>) -> Result<Option<(ImportId, Import)>, Error> {
        let Some(token) = token else { return Ok(None) };
        let lasts_us = i64::try_from(TOKEN_LASTS.as_micros()).unwrap_or(i64::MAX);
        let since = Timestamp::from_micros(self.env.now().as_micros().saturating_sub(lasts_us));
        let mut range = RangeReq::new(keys::imports(call.account, &call.region), LIST_MAX).reversed();
        loop {
            let page = self.db.range(range.clone()).await?;
            for row in &page.rows {
                let Some(import) = self.db.get::<Import>(&row.key).await? else { continue };
                if import.start < since {
                    return Ok(None);
                }
                if import.request.get("ClientToken").and_then(Value::as_str) == Some(token) {
                    return Ok(Some((keys::read_import(&row.key).map_err(ServiceError::internal)?, import)));
                }
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                _ => return Ok(None),
            }
        }
    }

    async fn describe_import(self: Arc<Self>, call: Call, input: NamedImport) -> Result<Value, Error> {
        let arn = &input.import_arn;
        let missing = || Error::NoImport(arn.clone());
        let text = arn.split_once("/import/").map(|(_, id)| id.to_owned()).ok_or_else(missing)?;
        let id = ImportId { account: call.account, region: call.region.clone(), id: text };
        let import = self.db.get::<Import>(&keys::import(&id)).await?;
        let import = import.filter(|import| import.arn(&id) == *arn).ok_or_else(missing)?;
        Ok(json!({ "ImportTableDescription": import.description(&id) }))
    }

    async fn list_imports(self: Arc<Self>, call: Call, input: ListImports) -> Result<Value, Error> {
        let limit = input.page_size.and_then(|most| usize::try_from(most).ok()).unwrap_or(LIST_MAX).clamp(1, LIST_MAX);
        let mut range = RangeReq::new(keys::imports(call.account, &call.region), LIST_MAX);
        if let Some(token) = &input.next_token {
            let id = ImportId { account: call.account, region: call.region.clone(), id: token.clone() };
            range = range.after(&keys::import(&id));
        }
        let mut summaries: Vec<Value> = Vec::new();
        let mut last_id = String::new();
        loop {
            let page = self.db.range(range.clone()).await?;
            for row in &page.rows {
                let id = keys::read_import(&row.key).map_err(ServiceError::internal)?;
                let Some(import) = self.db.get::<Import>(&row.key).await? else { continue };
                if input.table_arn.as_ref().is_some_and(|arn| *arn != import.table_arn) {
                    continue;
                }
                if summaries.len() == limit {
                    return Ok(json!({ "ImportSummaryList": summaries, "NextToken": last_id }));
                }
                summaries.push(import.summary(&id));
                last_id = id.id;
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                _ => return Ok(json!({ "ImportSummaryList": summaries })),
            }
        }
    }

    pub(crate) async fn end_import(&self, key: &Bytes, import: &Import, status: ImportStatus) -> Result<(), Error> {
        let table_key = Bytes::from(import.table_key.clone());
        self.db
            .transact(async |tx| {
                let Some(mut current) = tx.get_record::<Import>(key).await? else { return Ok(()) };
                current.status = status.clone();
                tx.set_record(key.clone(), &current)?;
                tx.clear(keys::running_import(import.number));
                let Some(mut table) = tx.get_record::<Table>(&table_key).await? else { return Ok(()) };
                if let ImportStatus::Completed { .. } = &status {
                    table.past.arriving = false;
                    tx.set_record(table_key.clone(), &table)?;
                } else {
                    // What could not be imported is no table.
                    self.drop_table(&tx, &table_key, &table)?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        self.work.notify_one();
        Ok(())
    }
}
