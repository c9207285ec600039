//! CreateTable, DescribeTable, ListTables, DeleteTable.

use std::sync::Arc;

use cauce_core::{Call, Tag, Violations};
use cauce_store::RangeReq;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backup::check_arrived;
use crate::description::{TableDescription, Totals};
use crate::error::Error;
use crate::history::Past;
use crate::keys::{self, TableId};
use crate::model::{BillingMode, Dropped, Scope, TABLE_ITSELF, Table};
use crate::policy::{self, TablePolicy};
use crate::request::{table_id, validate_name, validate_table};
use crate::schema::{self, AttributeDefinition, IndexWish, KeySchemaElement, ThroughputWish};
use crate::service::DynamoDb;
use crate::stream::{StreamSpecification, ViewType, begin_stream, end_stream};
use crate::tags;

/// How many tables an account may have in a region.
pub const TABLES_MAX: usize = 2_500;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateTable {
    pub(crate) table_name: String,
    attribute_definitions: Option<Vec<AttributeDefinition>>,
    key_schema: Vec<KeySchemaElement>,
    local_secondary_indexes: Option<Vec<IndexWish>>,
    global_secondary_indexes: Option<Vec<IndexWish>>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<ThroughputWish>,
    stream_specification: Option<StreamSpecification>,
    #[serde(rename = "SSESpecification")]
    sse_specification: Option<Encryption>,
    pub(crate) tags: Option<Vec<Tag>>,
    table_class: Option<String>,
    deletion_protection_enabled: Option<bool>,
    resource_policy: Option<String>,
    on_demand_throughput: Option<Value>,
    warm_throughput: Option<Value>,
}

#[derive(Deserialize)]
pub(crate) struct Encryption {
    #[serde(rename = "KMSMasterKeyId")]
    pub(crate) key: Option<String>,
}

/// The constraints that CreateTable and UpdateTable share.
pub(crate) fn validate_choices(v: &mut Violations, billing: Option<&String>, class: Option<&String>) {
    if let Some(billing) = billing {
        v.one_of("billingMode", billing, &["PROVISIONED", "PAY_PER_REQUEST"]);
    }
    if let Some(class) = class {
        v.one_of("tableClass", class, &["STANDARD", "STANDARD_INFREQUENT_ACCESS"]);
    }
}

impl Input for CreateTable {
    fn validate(&self, v: &mut Violations) {
        validate_name(v, "tableName", &self.table_name);
        schema::validate_definitions(v, self.attribute_definitions.as_deref().unwrap_or_default());
        schema::validate_key_schema(v, &self.key_schema);
        let indexes = [
            ("localSecondaryIndexes", &self.local_secondary_indexes),
            ("globalSecondaryIndexes", &self.global_secondary_indexes),
        ];
        for (name, indexes) in indexes {
            for (n, index) in indexes.iter().flatten().enumerate() {
                v.within(format!("{name}.{}.member", n + 1), |v| schema::validate_index_wish(v, index));
            }
        }
        schema::validate_throughput(v, self.provisioned_throughput.as_ref());
        validate_choices(v, self.billing_mode.as_ref(), self.table_class.as_ref());
        StreamSpecification::validate(self.stream_specification.as_ref(), v);
        Tag::validate(v, self.tags.as_deref().unwrap_or_default());
    }
}

/// What names one table.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedTable {
    pub(crate) table_name: String,
}

impl Input for NamedTable {
    fn validate(&self, v: &mut Violations) {
        validate_table(v, &self.table_name);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTables {
    exclusive_start_table_name: Option<String>,
    limit: Option<i64>,
}

/// The most names of a page.
const LIST_MAX: usize = 100;

impl Input for ListTables {
    fn validate(&self, v: &mut Violations) {
        if let Some(limit) = self.limit {
            v.range("limit", limit, 1, 100);
        }
        if let Some(name) = &self.exclusive_start_table_name {
            validate_name(v, "exclusiveStartTableName", name);
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTablesOutput {
    table_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_table_name: Option<String>,
}

/// The answer of what makes, changes or removes a table.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableChanged {
    pub(crate) table_description: TableDescription,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeTableOutput {
    table: TableDescription,
}

/// Refuses what this server does not do.
pub(crate) fn refuse_unsupported(encryption: Option<&Encryption>) -> Result<(), Error> {
    if encryption.is_some_and(|encryption| encryption.key.is_some()) {
        return Err(Error::invalid("SSESpecification: customer managed keys are not supported by this server"));
    }
    Ok(())
}

impl CreateTable {
    /// The table that is wished, but for its number and the moment.
    pub(crate) fn table(&self, name: &str) -> Result<Table, Error> {
        refuse_unsupported(self.sse_specification.as_ref())?;
        let refused = [
            ("OnDemandThroughput", self.on_demand_throughput.is_some()),
            ("WarmThroughput", self.warm_throughput.is_some()),
        ];
        if let Some((name, _)) = refused.into_iter().find(|(_, given)| *given) {
            return Err(Error::invalid(format!("{name} is not supported by this server")));
        }
        let billing = match self.billing_mode.as_deref() {
            Some("PAY_PER_REQUEST") => BillingMode::PayPerRequest,
            _ => BillingMode::Provisioned,
        };
        let throughput = schema::throughput(self.provisioned_throughput.as_ref(), billing, None)?;
        let attributes = schema::definitions(self.attribute_definitions.as_deref().unwrap_or_default())?;
        let key = schema::key_schema(&self.key_schema, &attributes, false)?;
        let mut indexes = Vec::new();
        let wishes = [(Scope::Local, &self.local_secondary_indexes), (Scope::Global, &self.global_secondary_indexes)];
        for (scope, wishes) in wishes {
            if wishes.as_ref().is_some_and(Vec::is_empty) {
                return Err(Error::values(format!("List of {scope:?}SecondaryIndexes is empty")));
            }
            if scope == Scope::Local && wishes.is_some() && key.range.is_none() {
                return Err(Error::values(
                    "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
                ));
            }
            for wish in wishes.iter().flatten() {
                let id = u32::try_from(indexes.len()).unwrap_or(u32::MAX).saturating_add(1);
                let mut index = schema::index(wish, scope, &key, &attributes, id)?;
                if scope == Scope::Global {
                    let name = Some(index.name.as_str());
                    index.throughput = schema::throughput(wish.provisioned_throughput.as_ref(), billing, name)?;
                }
                indexes.push(index);
            }
        }
        schema::check_indexes(&indexes)?;
        schema::check_all_used(&attributes, &key, indexes.iter().map(|index| &index.key))?;
        let tags = tags::to_map(self.tags.as_deref().unwrap_or_default())?;
        Ok(Table {
            number: 0,
            name: name.to_owned(),
            uuid: String::new(),
            created: cauce_core::Timestamp::EPOCH,
            key,
            attributes,
            last_index: u32::try_from(indexes.len()).unwrap_or(u32::MAX),
            indexes,
            billing,
            on_demand_since: None,
            throughput,
            throughput_raised: None,
            throughput_lowered: None,
            table_class: self.table_class.clone(),
            deletion_protection: self.deletion_protection_enabled.unwrap_or(false),
            tags,
            ttl_attribute: None,
            ttl_queue: 0,
            stream: None,
            latest_stream: None,
            policy: None,
            past: Past::default(),
        })
    }
}

impl DynamoDb {
    pub(crate) async fn create_table(self: Arc<Self>, call: Call, input: CreateTable) -> Result<TableChanged, Error> {
        let id = table_id(&call, &input.table_name)?;
        let mut wished = input.table(&id.name)?;
        wished.created = self.env.now();
        if let Some(document) = input.resource_policy.clone() {
            policy::check(&self, &document)?;
            let revision = wished.created.as_micros().to_string();
            wished.policy = Some(TablePolicy { document, revision });
        }
        wished.uuid = self.env.entropy().uuid();
        wished.on_demand_since = (wished.billing == BillingMode::PayPerRequest).then_some(wished.created);
        let view = input.stream_specification.as_ref().map_or(Ok(None), StreamSpecification::view)?;
        let table = self.db.transact(async |tx| self.create_in(&tx, &id, wished.clone(), view).await).await?;
        // So that policies can be told of the first request to it; whoever was faster and deleted it is no concern of ours.
        match self.definition(&id).await {
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(TableChanged { table_description: TableDescription::of(&id, &table, "CREATING", |_| Totals::default()) })
    }

    pub(crate) async fn create_in(
        &self,
        tx: &cauce_store::Tx,
        id: &TableId,
        mut table: Table,
        view: Option<ViewType>,
    ) -> Result<Table, Error> {
        let key = keys::table(id);
        if tx.get(&key).await?.is_some() {
            return Err(Error::InUse(format!("Table already exists: {}", id.name)));
        }
        let all = keys::tables(id.account, &id.region);
        if tx.snapshot_range(RangeReq::new(all, TABLES_MAX)).await?.len() >= TABLES_MAX {
            return Err(Error::Limit(format!(
                "Subscriber limit exceeded: There is a limit of {TABLES_MAX} tables per subscriber"
            )));
        }
        table.number = keys::draw_number(tx).await?;
        if let Some(view) = view {
            let created = table.created;
            begin_stream(tx, id, &mut table, view, created).await?;
        }
        tx.set_record(key, &table)?;
        Ok(table)
    }

    pub(crate) async fn describe_table(
        self: Arc<Self>,
        call: Call,
        input: NamedTable,
    ) -> Result<DescribeTableOutput, Error> {
        let id = table_id(&call, &input.table_name)?;
        let arriving = self.definition(&id).await?.past.arriving;
        Ok(DescribeTableOutput { table: self.describe(&id, if arriving { "CREATING" } else { "ACTIVE" }).await? })
    }

    /// The description of a table as it is now.
    pub(crate) async fn describe(&self, id: &TableId, status: &'static str) -> Result<TableDescription, Error> {
        let table = self.definition(id).await?;
        let rows = self.db.range(RangeReq::new(keys::totals(table.number), TOTALS_MAX)).await?.rows;
        let total = |key: &bytes::Bytes| {
            let row = rows.iter().find(|row| row.key == *key);
            row.and_then(|row| row.val.as_ref().try_into().ok()).map_or(0, i64::from_be_bytes).max(0)
        };
        Ok(TableDescription::of(id, &table, status, |index| Totals {
            items: total(&keys::item_count(table.number, index)),
            bytes: total(&keys::byte_count(table.number, index)),
        }))
    }

    /// The definition of a table, for operations that say which one is missing.
    pub(crate) async fn definition(&self, id: &TableId) -> Result<Arc<Table>, Error> {
        self.catalog.any(&self.db, &keys::table(id)).await.map_err(|error| named(error, id))
    }

    pub(crate) async fn list_tables(self: Arc<Self>, call: Call, input: ListTables) -> Result<ListTablesOutput, Error> {
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIST_MAX).clamp(1, LIST_MAX);
        let mut range = RangeReq::new(keys::tables(call.account, &call.region), limit);
        if let Some(name) = input.exclusive_start_table_name {
            range = range.after(&keys::table(&TableId { account: call.account, region: call.region, name }));
        }
        let page = self.db.range(range).await?;
        let name = |row: &cauce_store::Row| keys::read_table(&row.key).map(|id| id.name);
        let names: Vec<String> =
            page.rows.iter().map(name).collect::<Result<_, _>>().map_err(cauce_core::ServiceError::internal)?;
        let last_evaluated_table_name = names.last().filter(|_| page.more).cloned();
        Ok(ListTablesOutput { table_names: names, last_evaluated_table_name })
    }

    /// Forgets a table; what it had is removed in the background.
    pub(crate) fn drop_table(
        &self,
        tx: &cauce_store::Tx,
        table_key: &bytes::Bytes,
        table: &Table,
    ) -> Result<(), Error> {
        tx.clear(table_key.clone());
        tx.clear(keys::kept_history(table.number));
        tx.clear_range(keys::totals(table.number));
        table.indexes.iter().for_each(|index| tx.clear(keys::backfill(table.number, index.id)));
        Ok(tx.set_record(keys::dropped(table.number, TABLE_ITSELF), &Dropped { name: table.name.clone() })?)
    }

    pub(crate) async fn delete_table(self: Arc<Self>, call: Call, input: NamedTable) -> Result<TableChanged, Error> {
        let id = table_id(&call, &input.table_name)?;
        let (table_key, now) = (keys::table(&id), self.env.now());
        let table = self
            .db
            .transact(async |tx| {
                let table = tx.get_record::<Table>(&table_key).await?.ok_or_else(|| named(Error::NoTable, &id))?;
                check_arrived(&table)?;
                if table.deletion_protection {
                    return Err(Error::invalid(
                        "Resource cannot be deleted as it is currently protected against deletion. Disable deletion \
                         protection first.",
                    ));
                }
                if !table.past.copies.is_empty() {
                    return Err(Error::InUse(format!(
                        "Attempt to change a resource which is still in use: Table is being copied to a backup or another \
                         table: {}",
                        id.name
                    )));
                }
                self.drop_table(&tx, &table_key, &table)?;
                tx.clear(keys::expiring(table.number, table.ttl_queue));
                end_stream(&tx, &id, &mut table.clone(), now).await?;
                Ok(table)
            })
            .await?;
        self.work.notify_one();
        Ok(TableChanged { table_description: TableDescription::of(&id, &table, "DELETING", |_| Totals::default()) })
    }
}

/// The most counters of a table: two for itself, two for each index that there may be.
const TOTALS_MAX: usize = 2 * (1 + schema::LOCAL_INDEXES_MAX + schema::GLOBAL_INDEXES_MAX);

/// Says which table is not there.
pub(crate) fn named(error: Error, id: &TableId) -> Error {
    match error {
        Error::NoTable => Error::NotFound(format!("Table: {}", id.name)),
        other => other,
    }
}
