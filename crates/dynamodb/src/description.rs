//! Tables as the API describes them.

use cauce_core::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::keys::TableId;
use crate::model::{
    BillingMode, Index, KeySchema, Projection, Scope, TABLE_ITSELF, Table, Throughput, index_arn, table_arn,
};
use crate::schema::{AttributeDefinition, KeySchemaElement, ProjectionWish};
use crate::stream::StreamSpecification;

/// How many items a table or index has, and how many bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) items: i64,
    pub(crate) bytes: i64,
}

/// AWS: API Reference, *TableDescription*.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableDescription {
    attribute_definitions: Vec<AttributeDefinition>,
    table_name: String,
    key_schema: Vec<KeySchemaElement>,
    table_status: &'static str,
    creation_date_time: Timestamp,
    provisioned_throughput: Value,
    table_size_bytes: i64,
    item_count: i64,
    pub(crate) table_arn: String,
    table_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing_mode_summary: Option<BillingModeSummary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    local_secondary_indexes: Vec<IndexDescription>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    global_secondary_indexes: Vec<IndexDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table_class_summary: Option<Value>,
    deletion_protection_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_specification: Option<StreamSpecification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_stream_label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_stream_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restore_summary: Option<Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct BillingModeSummary {
    billing_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_update_to_pay_per_request_date_time: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct IndexDescription {
    index_name: String,
    key_schema: Vec<KeySchemaElement>,
    projection: ProjectionWish,
    #[serde(skip_serializing_if = "Option::is_none")]
    index_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backfilling: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provisioned_throughput: Option<Value>,
    index_size_bytes: i64,
    item_count: i64,
    index_arn: String,
}

pub(crate) fn elements(key: &KeySchema) -> Vec<KeySchemaElement> {
    let kinds = ["HASH", "RANGE"].into_iter();
    let element = |(attribute, kind): (&crate::model::KeyAttribute, &str)| KeySchemaElement {
        attribute_name: attribute.name.clone(),
        key_type: kind.to_owned(),
    };
    key.attributes().zip(kinds).map(element).collect()
}

fn throughput(units: Throughput, raised: Option<Timestamp>, lowered: Option<Timestamp>) -> Value {
    let mut described = json!({
        "NumberOfDecreasesToday": 0, "ReadCapacityUnits": units.read, "WriteCapacityUnits": units.write,
    });
    if let Some(object) = described.as_object_mut() {
        for (name, when) in [("LastIncreaseDateTime", raised), ("LastDecreaseDateTime", lowered)] {
            object.extend(when.map(|when| (name.to_owned(), json!(when))));
        }
    }
    described
}

pub(crate) fn projection(projection: &Projection) -> ProjectionWish {
    let (kind, names) = match projection {
        Projection::All => ("ALL", None),
        Projection::KeysOnly => ("KEYS_ONLY", None),
        Projection::Include(names) => ("INCLUDE", Some(names.iter().cloned().collect())),
    };
    ProjectionWish { projection_type: Some(kind.to_owned()), non_key_attributes: names }
}

fn restored(table: &Table) -> Option<Value> {
    let restored = table.past.restored.as_ref()?;
    let mut summary = json!({
        "SourceTableArn": restored.table,
        "RestoreDateTime": restored.at,
        "RestoreInProgress": table.past.arriving,
    });
    if let (Some(summary), Some(backup)) = (summary.as_object_mut(), &restored.backup) {
        summary.insert("SourceBackupArn".to_owned(), backup.clone().into());
    }
    Some(summary)
}

fn index(id: &TableId, index: &Index, creating: bool, totals: Totals) -> IndexDescription {
    let global = index.scope == Scope::Global;
    IndexDescription {
        index_name: index.name.clone(),
        key_schema: elements(&index.key),
        projection: projection(&index.projection),
        index_status: global.then_some(if creating || index.backfilling { "CREATING" } else { "ACTIVE" }),
        backfilling: index.backfilling.then_some(true),
        provisioned_throughput: global.then(|| throughput(index.throughput, None, None)),
        index_size_bytes: totals.bytes,
        item_count: totals.items,
        index_arn: index_arn(id, &index.name).to_string(),
    }
}

impl TableDescription {
    /// The description of a table in a status; `totals` answers for each index by its number.
    pub(crate) fn of(
        id: &TableId,
        table: &Table,
        status: &'static str,
        totals: impl Fn(u32) -> Totals,
    ) -> TableDescription {
        let creating = status == "CREATING";
        let indexes = |scope| {
            let of_scope = table.indexes.iter().filter(move |index| index.scope == scope);
            of_scope.map(|of_scope| index(id, of_scope, creating, totals(of_scope.id))).collect()
        };
        let own = totals(TABLE_ITSELF);
        let billed = table.billing == BillingMode::PayPerRequest || table.on_demand_since.is_some();
        let definition = |attribute: &crate::model::KeyAttribute| AttributeDefinition {
            attribute_name: attribute.name.clone(),
            attribute_type: attribute.kind.value_type().name().to_owned(),
        };
        TableDescription {
            attribute_definitions: table.attributes.iter().map(definition).collect(),
            table_name: table.name.clone(),
            key_schema: elements(&table.key),
            table_status: status,
            creation_date_time: table.created,
            provisioned_throughput: throughput(table.throughput, table.throughput_raised, table.throughput_lowered),
            table_size_bytes: own.bytes,
            item_count: own.items,
            table_arn: table_arn(id).to_string(),
            table_id: table.uuid.clone(),
            billing_mode_summary: billed.then(|| BillingModeSummary {
                billing_mode: table.billing.name(),
                last_update_to_pay_per_request_date_time: table.on_demand_since,
            }),
            local_secondary_indexes: indexes(Scope::Local),
            global_secondary_indexes: indexes(Scope::Global),
            table_class_summary: table.table_class.as_ref().map(|class| json!({ "TableClass": class })),
            deletion_protection_enabled: table.deletion_protection,
            stream_specification: StreamSpecification::of(table),
            latest_stream_label: table.latest_stream.clone(),
            latest_stream_arn: table.latest_stream_arn(id).map(|arn| arn.to_string()),
            restore_summary: restored(table),
        }
    }
}
