//! CreateBackup, DescribeBackup, ListBackups, DeleteBackup.
//!
//! A backup is the table at the moment of its creation, whatever is written while it is made.
//!
//! AWS: Developer Guide, *Using on-demand backup and restore for DynamoDB*.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Arn, Call, ServiceError, Timestamp, Violations};
use cauce_store::{RangeReq, Record, Tx};
use cauce_wire::{Api, Input, Operation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::copy::{Copy, Destination};
use crate::description::{elements, projection};
use crate::error::Error;
use crate::history::Origin;
use crate::keys::{self, BackupId, TableId};
use crate::model::{Dropped, Index, Scope, TABLE_ITSELF, Table, table_arn};
use crate::request::{NAME_CHARS, table_id, table_resource, validate_table};
use crate::service::DynamoDb;

/// The most backups of a page. AWS: *ListBackups*.
const LIST_MAX: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BackupStatus {
    Creating,
    Available,
}

/// A backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backup {
    /// Given once, from the same counter as those of tables.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    pub(crate) status: BackupStatus,
    /// The table as it was then.
    pub(crate) table: Table,
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    /// The restores that read it, by the numbers of their copies.
    pub(crate) restores: BTreeSet<u64>,
}

impl Record for Backup {
    const VERSION: u8 = 1;
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateBackup {
    table_name: String,
    backup_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedBackup {
    backup_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListBackups {
    table_name: Option<String>,
    limit: Option<i64>,
    time_range_lower_bound: Option<Timestamp>,
    time_range_upper_bound: Option<Timestamp>,
    exclusive_start_backup_arn: Option<String>,
    backup_type: Option<String>,
}

impl Input for CreateBackup {
    fn validate(&self, v: &mut Violations) {
        validate_table(v, &self.table_name);
        v.length("backupName", &self.backup_name, NAME_CHARS.0, NAME_CHARS.1);
        let chars = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if !self.backup_name.bytes().all(chars) {
            let pattern = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
            v.other("backupName", Some(&self.backup_name), pattern);
        }
    }
}

/// The shortest and the longest ARN of a backup, in characters.
const ARN_CHARS: (usize, usize) = (37, 1_024);

pub(crate) fn validate_backup_arn(v: &mut Violations, arn: &str) {
    v.length("backupArn", arn, ARN_CHARS.0, ARN_CHARS.1);
}

impl Input for NamedBackup {
    fn validate(&self, v: &mut Violations) {
        validate_backup_arn(v, &self.backup_arn);
    }
}

impl Input for ListBackups {
    fn validate(&self, v: &mut Violations) {
        if let Some(limit) = self.limit {
            v.range("limit", limit, 1, 100);
        }
        if let Some(name) = &self.table_name {
            validate_table(v, name);
        }
        if let Some(arn) = &self.exclusive_start_backup_arn {
            v.length("exclusiveStartBackupArn", arn, ARN_CHARS.0, ARN_CHARS.1);
        }
        if let Some(kind) = &self.backup_type {
            v.one_of("backupType", kind, &["USER", "SYSTEM", "AWS_BACKUP", "ALL"]);
        }
    }
}

/// The operations on backups.
pub(crate) fn operations(api: Api<DynamoDb>) -> Api<DynamoDb> {
    api.operation(
        Operation::new("CreateBackup", DynamoDb::create_backup)
            .resource(|call, input: &CreateBackup| table_resource(call, &input.table_name)),
    )
    .operation(
        Operation::new("DescribeBackup", DynamoDb::describe_backup)
            .resource(|_, input: &NamedBackup| vec![input.backup_arn.clone()]),
    )
    .operation(Operation::new("ListBackups", DynamoDb::list_backups))
    .operation(
        Operation::new("DeleteBackup", DynamoDb::delete_backup)
            .resource(|_, input: &NamedBackup| vec![input.backup_arn.clone()]),
    )
}

/// The backup that an ARN names, and its table.
pub(crate) fn backup_id(call: &Call, arn: &str) -> Result<(BackupId, TableId), Error> {
    let missing = || Error::NoBackup(arn.to_owned());
    let parsed: Arn = arn.parse().map_err(|_| Error::invalid(format!("Invalid BackupArn: {arn}")))?;
    let own = parsed.service() == "dynamodb"
        && parsed.account() == Some(call.account)
        && parsed.region() == call.region.as_str();
    let rest = parsed.resource().strip_prefix("table/").filter(|_| own).ok_or_else(missing)?;
    let (table, backup) = rest.split_once("/backup/").ok_or_else(missing)?;
    let id = BackupId { account: call.account, region: call.region.clone(), id: backup.to_owned() };
    Ok((id, TableId { account: call.account, region: call.region.clone(), name: table.to_owned() }))
}

impl Backup {
    fn arn(&self, id: &BackupId) -> String {
        let table = TableId { account: id.account, region: id.region.clone(), name: self.table.name.clone() };
        format!("{}/backup/{}", table_arn(&table), id.id)
    }

    /// AWS: API Reference, *BackupDetails*.
    fn details(&self, id: &BackupId) -> Value {
        json!({
            "BackupArn": self.arn(id),
            "BackupName": self.name,
            "BackupSizeBytes": self.bytes,
            "BackupStatus": self.status_name(),
            "BackupType": "USER",
            "BackupCreationDateTime": self.created,
        })
    }

    fn status_name(&self) -> &'static str {
        match self.status {
            BackupStatus::Creating => "CREATING",
            BackupStatus::Available => "AVAILABLE",
        }
    }

    /// AWS: API Reference, *BackupDescription*.
    fn description(&self, id: &BackupId) -> Value {
        let table = TableId { account: id.account, region: id.region.clone(), name: self.table.name.clone() };
        let throughput =
            |of: crate::model::Throughput| json!({ "ReadCapacityUnits": of.read, "WriteCapacityUnits": of.write });
        let indexes = |scope: Scope| -> Vec<Value> {
            let of_scope = self.table.indexes.iter().filter(|index| index.scope == scope);
            let describe = |index: &Index| {
                let mut described = json!({
                    "IndexName": index.name,
                    "KeySchema": elements(&index.key),
                    "Projection": projection(&index.projection),
                });
                if let Some(described) = described.as_object_mut().filter(|_| scope == Scope::Global) {
                    described.insert("ProvisionedThroughput".to_owned(), throughput(index.throughput));
                }
                described
            };
            of_scope.map(describe).collect()
        };
        let ttl = match &self.table.ttl_attribute {
            Some(name) => json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": name }),
            None => json!({ "TimeToLiveStatus": "DISABLED" }),
        };
        json!({
            "BackupDetails": self.details(id),
            "SourceTableDetails": {
                "TableName": self.table.name,
                "TableId": self.table.uuid,
                "TableArn": table_arn(&table).to_string(),
                "TableSizeBytes": self.bytes,
                "KeySchema": elements(&self.table.key),
                "TableCreationDateTime": self.table.created,
                "ProvisionedThroughput": throughput(self.table.throughput),
                "ItemCount": self.items,
                "BillingMode": self.table.billing.name(),
            },
            "SourceTableFeatureDetails": {
                "LocalSecondaryIndexes": indexes(Scope::Local),
                "GlobalSecondaryIndexes": indexes(Scope::Global),
                "TimeToLiveDescription": ttl,
            },
        })
    }
}

/// Refuses a table that is still being filled.
pub(crate) fn check_arrived(table: &Table) -> Result<(), Error> {
    match table.past.arriving {
        false => Ok(()),
        true => Err(Error::InUse(format!(
            "Attempt to change a resource which is still in use: Table is being created: {}",
            table.name
        ))),
    }
}

impl DynamoDb {
    /// Has a table copied as it is at `at`, and its history kept for as long as that takes. `at` is not before any moment that
    /// was given to a change that is not to be in the copy.
    pub(crate) fn begin_copy(
        &self,
        tx: &Tx,
        source: &Bytes,
        table: &mut Table,
        (number, at): (u64, Timestamp),
        destination: Destination,
    ) -> Result<(), Error> {
        table.past.copies.insert(number, at);
        tx.set_record(source.clone(), table)?;
        tx.set(keys::kept_history(table.number), source.clone());
        let origin = Origin::Table { number: table.number, at };
        let copy = Copy { origin, source: source.to_vec(), destination, from: Vec::new() };
        Ok(tx.set_record(keys::copy(number), &copy)?)
    }

    async fn create_backup(self: Arc<Self>, call: Call, input: CreateBackup) -> Result<Value, Error> {
        let table = table_id(&call, &input.table_name)?;
        let source = keys::table(&table);
        let now = self.env.now();
        let made = self.db.transact(async |tx| {
            let mut table = tx.get_record::<Table>(&source).await?.ok_or(Error::NoTable)?;
            check_arrived(&table)?;
            let number = keys::draw_number(&tx).await?;
            let id = BackupId { account: call.account, region: call.region.clone(), id: keys::dated(now, number) };
            let backup = Backup {
                number,
                name: input.backup_name.clone(),
                created: now,
                status: BackupStatus::Creating,
                table: table.clone(),
                items: 0,
                bytes: 0,
                restores: BTreeSet::new(),
            };
            let key = keys::backup(&id);
            tx.set_record(key.clone(), &backup)?;
            let destination = Destination::Backup(key.to_vec());
            self.begin_copy(&tx, &source, &mut table, (number, self.moment()), destination)?;
            Ok((id, backup))
        });
        let (id, backup) = made.await.map_err(|error| unnamed(error, &table.name))?;
        self.work.notify_one();
        Ok(json!({ "BackupDetails": backup.details(&id) }))
    }

    /// A backup of a table.
    pub(crate) async fn find_backup(&self, call: &Call, arn: &str) -> Result<(BackupId, Backup), Error> {
        let (id, table) = backup_id(call, arn)?;
        let backup = self.db.get::<Backup>(&keys::backup(&id)).await?.filter(|backup| backup.table.name == table.name);
        Ok((id, backup.ok_or_else(|| Error::NoBackup(arn.to_owned()))?))
    }

    async fn describe_backup(self: Arc<Self>, call: Call, input: NamedBackup) -> Result<Value, Error> {
        let (id, backup) = self.find_backup(&call, &input.backup_arn).await?;
        Ok(json!({ "BackupDescription": backup.description(&id) }))
    }

    async fn delete_backup(self: Arc<Self>, call: Call, input: NamedBackup) -> Result<Value, Error> {
        let (id, found) = self.find_backup(&call, &input.backup_arn).await?;
        let key = keys::backup(&id);
        let arn = &input.backup_arn;
        let deleted = self.db.transact(async |tx| {
            let backup = tx.get_record::<Backup>(&key).await?.ok_or_else(|| Error::NoBackup(arn.clone()))?;
            if backup.status == BackupStatus::Creating || !backup.restores.is_empty() {
                return Err(Error::BackupInUse(arn.clone()));
            }
            tx.clear(key.clone());
            let dropped = Dropped { name: found.table.name.clone() };
            tx.set_record(keys::dropped(backup.number, TABLE_ITSELF), &dropped)?;
            Ok(backup)
        });
        let mut description = deleted.await?.description(&id);
        self.work.notify_one();
        if let Some(status) = description.pointer_mut("/BackupDetails/BackupStatus") {
            *status = "DELETED".into();
        }
        Ok(json!({ "BackupDescription": description }))
    }

    async fn list_backups(self: Arc<Self>, call: Call, input: ListBackups) -> Result<Value, Error> {
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIST_MAX).clamp(1, LIST_MAX);
        let table = input.table_name.as_deref().map(|name| table_id(&call, name)).transpose()?;
        let kind = input.backup_type.as_deref().unwrap_or("USER");
        if !matches!(kind, "USER" | "ALL") {
            return Ok(json!({ "BackupSummaries": [] }));
        }
        let wanted = |backup: &Backup| {
            table.as_ref().is_none_or(|table| table.name == backup.table.name)
                && input.time_range_lower_bound.is_none_or(|bound| backup.created >= bound)
                && input.time_range_upper_bound.is_none_or(|bound| backup.created < bound)
        };
        let mut range = RangeReq::new(keys::backups(call.account, &call.region), LIST_MAX);
        if let Some(arn) = &input.exclusive_start_backup_arn {
            range = range.after(&keys::backup(&backup_id(&call, arn)?.0));
        }
        let mut summaries = Vec::new();
        loop {
            let page = self.db.range(range.clone()).await?;
            for row in &page.rows {
                let id = keys::read_backup(&row.key).map_err(ServiceError::internal)?;
                let Some(backup) = self.db.get::<Backup>(&row.key).await?.filter(&wanted) else { continue };
                if summaries.len() == limit {
                    let last = summaries.last().and_then(|last: &Value| last.get("BackupArn")).cloned();
                    return Ok(json!({ "BackupSummaries": summaries, "LastEvaluatedBackupArn": last }));
                }
                summaries.push(summary(&id, &backup));
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                _ => return Ok(json!({ "BackupSummaries": summaries })),
            }
        }
    }
}

/// AWS: API Reference, *BackupSummary*.
fn summary(id: &BackupId, backup: &Backup) -> Value {
    let mut summary = backup.details(id);
    let table = TableId { account: id.account, region: id.region.clone(), name: backup.table.name.clone() };
    if let Some(summary) = summary.as_object_mut() {
        summary.insert("TableName".to_owned(), backup.table.name.clone().into());
        summary.insert("TableId".to_owned(), backup.table.uuid.clone().into());
        summary.insert("TableArn".to_owned(), table_arn(&table).to_string().into());
    }
    summary
}

/// `TableNotFoundException`, as operations on backups say it.
pub(crate) fn unnamed(error: Error, name: &str) -> Error {
    match error {
        Error::NoTable => Error::NoSuchTable(name.to_owned()),
        other => other,
    }
}
