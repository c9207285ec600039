//! RestoreTableFromBackup, RestoreTableToPointInTime: a new table with the items of a backup, or of another table at a moment.
//!
//! The table is there at once, as `CREATING`; its items arrive in the background, and nobody reads or writes it before all are
//! there. As in AWS it has the settings of the source but for tags, expiry, streams, policies, protection and recovery.

use std::sync::Arc;

use cauce_core::{Arn, Call, Timestamp, Violations};
use cauce_store::{RangeReq, Tx};
use cauce_wire::{Api, Input, Operation};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::backup::{Backup, BackupStatus, backup_id, unnamed, validate_backup_arn};
use crate::copy::{Copy, Destination};
use crate::description::{TableDescription, Totals};
use crate::error::Error;
use crate::history::{Origin, Past, Restored};
use crate::keys::{self, TableId};
use crate::model::{BillingMode, Index, Scope, Table, Throughput, table_arn};
use crate::request::{table_id, table_resource, validate_table};
use crate::schema::{self, IndexWish, ThroughputWish};
use crate::service::DynamoDb;
use crate::table::{Encryption, TABLES_MAX, TableChanged, refuse_unsupported};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RestoreTableFromBackup {
    target_table_name: String,
    backup_arn: String,
    #[serde(flatten)]
    overrides: Overrides,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RestoreTableToPointInTime {
    source_table_arn: Option<String>,
    source_table_name: Option<String>,
    target_table_name: String,
    use_latest_restorable_time: Option<bool>,
    restore_date_time: Option<Timestamp>,
    #[serde(flatten)]
    overrides: Overrides,
}

/// What the new table has otherwise than its source.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Overrides {
    billing_mode_override: Option<String>,
    global_secondary_index_override: Option<Vec<IndexWish>>,
    local_secondary_index_override: Option<Vec<IndexWish>>,
    provisioned_throughput_override: Option<ThroughputWish>,
    on_demand_throughput_override: Option<IgnoredAny>,
    #[serde(rename = "SSESpecificationOverride")]
    sse_specification_override: Option<Encryption>,
}

impl Overrides {
    fn validate(&self, v: &mut Violations) {
        if let Some(billing) = &self.billing_mode_override {
            v.one_of("billingModeOverride", billing, &["PROVISIONED", "PAY_PER_REQUEST"]);
        }
        let indexes = [
            ("globalSecondaryIndexOverride", &self.global_secondary_index_override),
            ("localSecondaryIndexOverride", &self.local_secondary_index_override),
        ];
        for (name, indexes) in indexes {
            for (n, index) in indexes.iter().flatten().enumerate() {
                v.within(format!("{name}.{}.member", n + 1), |v| schema::validate_index_wish(v, index));
            }
        }
        schema::validate_throughput(v, self.provisioned_throughput_override.as_ref());
    }
}

impl Input for RestoreTableFromBackup {
    fn validate(&self, v: &mut Violations) {
        validate_table(v, &self.target_table_name);
        validate_backup_arn(v, &self.backup_arn);
        self.overrides.validate(v);
    }
}

impl Input for RestoreTableToPointInTime {
    fn validate(&self, v: &mut Violations) {
        validate_table(v, &self.target_table_name);
        if let Some(name) = &self.source_table_name {
            validate_table(v, name);
        }
        self.overrides.validate(v);
    }
}

/// The operations that restore. Like those of AWS they need the permission on what is read and on what is made.
pub(crate) fn operations(api: Api<DynamoDb>) -> Api<DynamoDb> {
    api.operation(Operation::new("RestoreTableFromBackup", DynamoDb::restore_from_backup).resource(
        |call, input: &RestoreTableFromBackup| {
            let mut resources = vec![input.backup_arn.clone()];
            resources.extend(table_resource(call, &input.target_table_name));
            resources
        },
    ))
    .operation(Operation::new("RestoreTableToPointInTime", DynamoDb::restore_to_moment).resource(
        |call, input: &RestoreTableToPointInTime| {
            let source = input.source_table_name.as_ref().or(input.source_table_arn.as_ref());
            let mut resources: Vec<String> = source.map(|name| table_resource(call, name)).unwrap_or_default();
            resources.extend(table_resource(call, &input.target_table_name));
            resources
        },
    ))
}

/// The indexes of the source that a list keeps.
fn kept(source: &Table, scope: Scope, wishes: Option<&[IndexWish]>, billing: BillingMode) -> Result<Vec<Index>, Error> {
    let of_scope = source.indexes.iter().filter(|index| index.scope == scope);
    let Some(wishes) = wishes else { return Ok(of_scope.cloned().collect()) };
    let mut indexes = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let mut index = schema::index(wish, scope, &source.key, &source.attributes, 0)?;
        let of_source = source.indexes.iter().find(|of_source| {
            of_source.name == index.name
                && of_source.scope == scope
                && of_source.key == index.key
                && of_source.projection == index.projection
        });
        let Some(of_source) = of_source else {
            return Err(Error::invalid(format!(
                "One or more parameter values were invalid: {scope:?}SecondaryIndexOverride: the index {} is none of the source \
                 table's",
                index.name
            )));
        };
        index.id = of_source.id;
        index.throughput = of_source.throughput;
        if scope == Scope::Global && (wish.provisioned_throughput.is_some() || billing == BillingMode::PayPerRequest) {
            index.throughput = schema::throughput(wish.provisioned_throughput.as_ref(), billing, Some(&index.name))?;
        }
        indexes.push(index);
    }
    Ok(indexes)
}

impl Overrides {
    /// The table that is to be made of `source`, but for its number.
    fn table(
        &self,
        source: &Table,
        name: &str,
        restored: Restored,
        (now, uuid): (Timestamp, String),
    ) -> Result<Table, Error> {
        refuse_unsupported(self.sse_specification_override.as_ref())?;
        if self.on_demand_throughput_override.is_some() {
            return Err(Error::invalid("OnDemandThroughputOverride is not supported by this server"));
        }
        let billing = match self.billing_mode_override.as_deref() {
            Some("PAY_PER_REQUEST") => BillingMode::PayPerRequest,
            Some(_) => BillingMode::Provisioned,
            None => source.billing,
        };
        let throughput = match (&self.provisioned_throughput_override, source.billing == billing) {
            (None, true) => source.throughput,
            (wish, _) => schema::throughput(wish.as_ref(), billing, None)?,
        };
        let mut indexes = kept(source, Scope::Local, self.local_secondary_index_override.as_deref(), billing)?;
        indexes.extend(kept(source, Scope::Global, self.global_secondary_index_override.as_deref(), billing)?);
        schema::check_indexes(&indexes)?;
        for index in &mut indexes {
            // It sees every item arrive.
            index.backfilling = false;
            if billing == BillingMode::PayPerRequest {
                index.throughput = Throughput::default();
            } else if index.scope == Scope::Global && index.throughput == Throughput::default() {
                schema::throughput(None, billing, Some(&index.name))?;
            }
        }
        let used = |name: &str| source.key.has(name) || indexes.iter().any(|index| index.key.has(name));
        let attributes = source.attributes.iter().filter(|attribute| used(&attribute.name)).cloned().collect();
        let past = Past { arriving: true, restored: Some(restored), ..Past::default() };
        Ok(Table {
            number: 0,
            name: name.to_owned(),
            uuid,
            created: now,
            key: source.key.clone(),
            attributes,
            indexes,
            last_index: source.last_index,
            billing,
            on_demand_since: (billing == BillingMode::PayPerRequest).then_some(now),
            throughput,
            throughput_raised: None,
            throughput_lowered: None,
            table_class: source.table_class.clone(),
            deletion_protection: false,
            tags: std::collections::BTreeMap::new(),
            ttl_attribute: None,
            ttl_queue: 0,
            stream: None,
            latest_stream: None,
            policy: None,
            past,
        })
    }
}

/// Refuses a name that a table has.
async fn check_free(tx: &Tx, id: &TableId) -> Result<(), Error> {
    if tx.get(&keys::table(id)).await?.is_some() {
        return Err(Error::TableExists(id.name.clone()));
    }
    let all = RangeReq::new(keys::tables(id.account, &id.region), TABLES_MAX);
    if tx.snapshot_range(all).await?.len() >= TABLES_MAX {
        return Err(Error::Limit(format!(
            "Subscriber limit exceeded: There is a limit of {TABLES_MAX} tables per subscriber"
        )));
    }
    Ok(())
}

impl DynamoDb {
    async fn restore_from_backup(
        self: Arc<Self>,
        call: Call,
        input: RestoreTableFromBackup,
    ) -> Result<TableChanged, Error> {
        let (id, of_table) = backup_id(&call, &input.backup_arn)?;
        let target = table_id(&call, &input.target_table_name)?;
        let source = keys::backup(&id);
        let made = (self.env.now(), self.env.entropy().uuid());
        let missing = || Error::NoBackup(input.backup_arn.clone());
        let table = self
            .db
            .transact(async |tx| {
                let backup = tx.get_record::<Backup>(&source).await?;
                let mut backup = backup.filter(|backup| backup.table.name == of_table.name).ok_or_else(missing)?;
                if backup.status == BackupStatus::Creating {
                    return Err(Error::BackupInUse(input.backup_arn.clone()));
                }
                check_free(&tx, &target).await?;
                let restored = Restored {
                    backup: Some(input.backup_arn.clone()),
                    table: table_arn(&of_table).to_string(),
                    at: backup.created,
                };
                let mut table = input.overrides.table(&backup.table, &target.name, restored, made.clone())?;
                table.number = keys::draw_number(&tx).await?;
                backup.restores.insert(table.number);
                tx.set_record(source.clone(), &backup)?;
                let copy = Copy {
                    origin: Origin::Backup { number: backup.number },
                    source: source.to_vec(),
                    destination: Destination::Table(keys::table(&target).to_vec()),
                    from: Vec::new(),
                };
                tx.set_record(keys::copy(table.number), &copy)?;
                tx.set_record(keys::table(&target), &table)?;
                Ok(table)
            })
            .await?;
        Ok(self.restoring(&target, &table))
    }

    async fn restore_to_moment(
        self: Arc<Self>,
        call: Call,
        input: RestoreTableToPointInTime,
    ) -> Result<TableChanged, Error> {
        let named = input.source_table_name.as_ref().or(input.source_table_arn.as_ref());
        let named = named.ok_or_else(|| {
            Error::invalid("One of SourceTableArn or SourceTableName must be specified in the request")
        })?;
        let source = source_id(&call, named)?;
        let target = table_id(&call, &input.target_table_name)?;
        let latest = input.use_latest_restorable_time == Some(true);
        if latest == input.restore_date_time.is_some() {
            return Err(Error::invalid(
                "Exactly one of UseLatestRestorableTime and RestoreDateTime must be specified in the request",
            ));
        }
        let source_key = keys::table(&source);
        let made = (self.env.now(), self.env.entropy().uuid());
        let restored = self.db.transact(async |tx| {
            let mut from = tx.get_record::<Table>(&source_key).await?.ok_or(Error::NoTable)?;
            let recovery = from.past.recovery.ok_or_else(|| Error::NoRecovery(source.name.clone()))?;
            let at = match input.restore_date_time {
                Some(at) if at < recovery.earliest(made.0) || at > made.0 => return Err(Error::RestoreTime),
                Some(at) => {
                    self.moments.reach(at);
                    at
                }
                None => self.moment(),
            };
            check_free(&tx, &target).await?;
            let restored = Restored { backup: None, table: table_arn(&source).to_string(), at };
            let mut table = input.overrides.table(&from, &target.name, restored, made.clone())?;
            table.number = keys::draw_number(&tx).await?;
            tx.set_record(keys::table(&target), &table)?;
            let destination = Destination::Table(keys::table(&target).to_vec());
            self.begin_copy(&tx, &source_key, &mut from, (table.number, at), destination)?;
            Ok(table)
        });
        let table = restored.await.map_err(|error| unnamed(error, &source.name))?;
        Ok(self.restoring(&target, &table))
    }

    fn restoring(&self, id: &TableId, table: &Table) -> TableChanged {
        self.work.notify_one();
        TableChanged { table_description: TableDescription::of(id, table, "CREATING", |_| Totals::default()) }
    }
}

/// The table that is named, or of which the ARN is given.
fn source_id(call: &Call, named: &str) -> Result<TableId, Error> {
    let missing = |error| match error {
        Error::NoTable => Error::NoSuchTable(named.to_owned()),
        other => other,
    };
    if named.starts_with("arn:") && named.parse::<Arn>().is_err() {
        return Err(Error::invalid(format!("Invalid table ARN: {named}")));
    }
    table_id(call, named).map_err(missing)
}
