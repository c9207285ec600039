//! UpdateTable: throughput, billing, protection, and global indexes that come and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use cauce_core::{Call, Timestamp, Violations};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::backup::check_arrived;
use crate::error::Error;
use crate::keys::{self, TableId};
use crate::model::{Backfill, BillingMode, Dropped, KeyAttribute, Scope, Table, Throughput};
use crate::request::{table_id, validate_name, validate_table};
use crate::schema::{self, AttributeDefinition, IndexWish, ThroughputWish};
use crate::service::DynamoDb;
use crate::stream::{StreamSpecification, update_stream};
use crate::table::{Encryption, TableChanged, named, refuse_unsupported, validate_choices};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateTable {
    pub(crate) table_name: String,
    attribute_definitions: Option<Vec<AttributeDefinition>>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<ThroughputWish>,
    global_secondary_index_updates: Option<Vec<IndexUpdate>>,
    stream_specification: Option<StreamSpecification>,
    #[serde(rename = "SSESpecification")]
    sse_specification: Option<Encryption>,
    table_class: Option<String>,
    deletion_protection_enabled: Option<bool>,
    replica_updates: Option<IgnoredAny>,
    multi_region_consistency: Option<IgnoredAny>,
    global_table_witness_updates: Option<IgnoredAny>,
    on_demand_throughput: Option<IgnoredAny>,
    warm_throughput: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexUpdate {
    update: Option<IndexThroughput>,
    create: Option<IndexWish>,
    delete: Option<NamedIndex>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexThroughput {
    index_name: String,
    provisioned_throughput: Option<ThroughputWish>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NamedIndex {
    index_name: String,
}

impl Input for UpdateTable {
    fn validate(&self, v: &mut Violations) {
        validate_table(v, &self.table_name);
        schema::validate_definitions(v, self.attribute_definitions.as_deref().unwrap_or_default());
        schema::validate_throughput(v, self.provisioned_throughput.as_ref());
        validate_choices(v, self.billing_mode.as_ref(), self.table_class.as_ref());
        StreamSpecification::validate(self.stream_specification.as_ref(), v);
        for (n, update) in self.global_secondary_index_updates.iter().flatten().enumerate() {
            v.within(format!("globalSecondaryIndexUpdates.{}.member", n + 1), |v| {
                if let Some(create) = &update.create {
                    v.within("create", |v| schema::validate_index_wish(v, create));
                }
                if let Some(update) = &update.update {
                    v.within("update", |v| {
                        validate_name(v, "indexName", &update.index_name);
                        schema::validate_throughput(v, update.provisioned_throughput.as_ref());
                    });
                }
                if let Some(delete) = &update.delete {
                    v.within("delete", |v| validate_name(v, "indexName", &delete.index_name));
                }
            });
        }
    }
}

impl UpdateTable {
    fn check(&self) -> Result<(), Error> {
        refuse_unsupported(self.sse_specification.as_ref())?;
        let refused = [
            ("ReplicaUpdates", &self.replica_updates),
            ("MultiRegionConsistency", &self.multi_region_consistency),
            ("GlobalTableWitnessUpdates", &self.global_table_witness_updates),
            ("OnDemandThroughput", &self.on_demand_throughput),
            ("WarmThroughput", &self.warm_throughput),
        ];
        if let Some((name, _)) = refused.into_iter().find(|(_, given)| given.is_some()) {
            return Err(Error::invalid(format!("{name} is not supported by this server")));
        }
        let nothing = self.billing_mode.is_none()
            && self.provisioned_throughput.is_none()
            && self.global_secondary_index_updates.as_ref().is_none_or(Vec::is_empty)
            && self.stream_specification.is_none()
            && self.sse_specification.is_none()
            && self.table_class.is_none()
            && self.deletion_protection_enabled.is_none();
        if nothing {
            return Err(Error::invalid(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
                 SSESpecification or ReplicaUpdates is required",
            ));
        }
        self.check_index_updates()
    }

    /// Each index has one update, of one kind.
    fn check_index_updates(&self) -> Result<(), Error> {
        let mut names = BTreeSet::new();
        for update in self.global_secondary_index_updates.iter().flatten() {
            let of_update = update.update.as_ref().map(|update| &update.index_name);
            let of_create = update.create.as_ref().map(|create| &create.index_name);
            let of_delete = update.delete.as_ref().map(|delete| &delete.index_name);
            let Some(name) = of_update.or(of_create).or(of_delete) else {
                return Err(Error::values(
                    "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, \
                     GlobalSecondaryIndexUpdate.Delete must not be null",
                ));
            };
            if !names.insert(name) {
                return Err(Error::values(format!(
                    "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
                )));
            }
        }
        Ok(())
    }

    /// What the index updates and the rest make of a table, and the jobs that follow.
    fn apply(&self, table: &mut Table, now: Timestamp) -> Result<Vec<Job>, Error> {
        self.apply_billing(table, now)?;
        if let Some(protected) = self.deletion_protection_enabled {
            table.deletion_protection = protected;
        }
        if let Some(class) = &self.table_class {
            table.table_class = Some(class.clone());
        }
        let defined = schema::definitions(self.attribute_definitions.as_deref().unwrap_or_default())?;
        let mut jobs = Vec::new();
        for update in self.global_secondary_index_updates.iter().flatten() {
            match (&update.create, &update.delete, &update.update) {
                (Some(create), None, None) => jobs.push(create_index(table, create, &defined)?),
                (None, Some(delete), None) => jobs.push(delete_index(table, &delete.index_name)?),
                (None, None, Some(update)) => update_index(table, update)?,
                _ => {
                    return Err(Error::values(
                        "Only one of UpdateGlobalSecondaryIndexAction, CreateGlobalSecondaryIndexAction or \
                         DeleteGlobalSecondaryIndexAction may be specified in a GlobalSecondaryIndexUpdate",
                    ));
                }
            }
        }
        if jobs.len() > 1 {
            return Err(Error::Limit(
                "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
                    .to_owned(),
            ));
        }
        schema::check_indexes(&table.indexes)?;
        schema::check_all_used(&defined, &table.key, table.indexes.iter().map(|index| &index.key))?;
        let used = |attribute: &KeyAttribute| {
            table.key.has(&attribute.name) || table.indexes.iter().any(|index| index.key.has(&attribute.name))
        };
        let kept: Vec<KeyAttribute> = table.attributes.iter().filter(|attribute| used(attribute)).cloned().collect();
        table.attributes = kept;
        Ok(jobs)
    }

    fn apply_billing(&self, table: &mut Table, now: Timestamp) -> Result<(), Error> {
        let wish = self.provisioned_throughput.as_ref();
        let before = table.billing;
        match self.billing_mode.as_deref() {
            Some("PAY_PER_REQUEST") => {
                schema::throughput(wish, BillingMode::PayPerRequest, None)?;
                table.billing = BillingMode::PayPerRequest;
                table.throughput = Throughput::default();
                table.indexes.iter_mut().for_each(|index| index.throughput = Throughput::default());
                if before == BillingMode::Provisioned {
                    table.on_demand_since = Some(now);
                }
                return Ok(());
            }
            Some(_) => table.billing = BillingMode::Provisioned,
            None if wish.is_none() => return Ok(()),
            None => {}
        }
        let wished = schema::throughput(wish, table.billing, None)?;
        if before == table.billing && wished == table.throughput && self.global_secondary_index_updates.is_none() {
            return Err(Error::invalid(format!(
                "The provisioned throughput for the table will not change. The requested value equals the current value. \
                 Current ReadCapacityUnits provisioned for the table: {}. Requested ReadCapacityUnits: {}. Current \
                 WriteCapacityUnits provisioned for the table: {}. Requested WriteCapacityUnits: {}. Refer to the Amazon \
                 DynamoDB Developer Guide for current limits and how to request higher limits.",
                table.throughput.read, wished.read, table.throughput.write, wished.write
            )));
        }
        if wished.read > table.throughput.read || wished.write > table.throughput.write {
            table.throughput_raised = Some(now);
        }
        if wished.read < table.throughput.read || wished.write < table.throughput.write {
            table.throughput_lowered = Some(now);
        }
        table.throughput = wished;
        Ok(())
    }
}

/// What an index update leaves to the background.
enum Job {
    Fill(u32),
    Remove(u32),
}

fn no_index(name: &str) -> Error {
    Error::NotFound(format!("Index: {name}"))
}

fn create_index(table: &mut Table, wish: &IndexWish, defined: &[KeyAttribute]) -> Result<Job, Error> {
    let name = &wish.index_name;
    if table.index(name).is_some() {
        return Err(Error::invalid(format!("Attempting to create an index which already exists: {name}")));
    }
    if let Some(other) =
        defined.iter().find(|new| table.attributes.iter().any(|old| old.name == new.name && old != *new))
    {
        return Err(Error::values(format!(
            "Attribute {} has another type in the AttributeDefinitions of the table",
            other.name
        )));
    }
    let mut attributes = table.attributes.clone();
    attributes.extend(defined.iter().filter(|new| !table.attributes.contains(new)).cloned());
    let id = table.last_index.saturating_add(1);
    let mut index = schema::index(wish, Scope::Global, &table.key, defined, id)?;
    index.throughput = schema::throughput(wish.provisioned_throughput.as_ref(), table.billing, Some(name))?;
    index.backfilling = true;
    table.attributes = attributes;
    table.last_index = id;
    table.indexes.push(index);
    Ok(Job::Fill(id))
}

fn delete_index(table: &mut Table, name: &str) -> Result<Job, Error> {
    let global = |index: &crate::model::Index| index.name == name && index.scope == Scope::Global;
    let at = table.indexes.iter().position(global).ok_or_else(|| no_index(name))?;
    Ok(Job::Remove(table.indexes.remove(at).id))
}

fn update_index(table: &mut Table, update: &IndexThroughput) -> Result<(), Error> {
    let name = &update.index_name;
    let throughput = schema::throughput(update.provisioned_throughput.as_ref(), table.billing, Some(name))?;
    let index = table.indexes.iter_mut().find(|index| index.name == *name && index.scope == Scope::Global);
    index.ok_or_else(|| no_index(name))?.throughput = throughput;
    Ok(())
}

impl DynamoDb {
    pub(crate) async fn update_table(self: Arc<Self>, call: Call, input: UpdateTable) -> Result<TableChanged, Error> {
        let id = table_id(&call, &input.table_name)?;
        input.check()?;
        let now = self.env.now();
        let updated = self.db.transact(async |tx| self.update_in(&tx, &id, &input, now).await).await;
        updated.map_err(|error| named(error, &id))?;
        self.work.notify_one();
        Ok(TableChanged { table_description: self.describe(&id, "UPDATING").await? })
    }

    async fn update_in(&self, tx: &Tx, id: &TableId, input: &UpdateTable, now: Timestamp) -> Result<(), Error> {
        let key = keys::table(id);
        let mut table = tx.get_record::<Table>(&key).await?.ok_or(Error::NoTable)?;
        check_arrived(&table)?;
        let building = table.indexes.iter().any(|index| index.backfilling);
        let jobs = input.apply(&mut table, now)?;
        if let Some(wish) = &input.stream_specification {
            update_stream(tx, id, &mut table, wish, now).await?;
        }
        for job in jobs {
            match job {
                Job::Fill(_) if building => {
                    return Err(Error::Limit(
                        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
                            .to_owned(),
                    ));
                }
                Job::Fill(index) => {
                    let job = Backfill { table_key: key.to_vec(), last: None };
                    tx.set_record(keys::backfill(table.number, index), &job)?;
                }
                Job::Remove(index) => {
                    tx.clear(keys::backfill(table.number, index));
                    tx.clear(keys::item_count(table.number, index));
                    tx.clear(keys::byte_count(table.number, index));
                    tx.set_record(keys::dropped(table.number, index), &Dropped { name: id.name.clone() })?;
                }
            }
        }
        Ok(tx.set_record(key, &table)?)
    }
}
