//! PutItem, GetItem, UpdateItem, DeleteItem.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::access::{self, Context, Expressions, Told, Touched};
use crate::capacity::{ConsumedCapacity, Kind, Rate, Spent, Wanted, read_units};
use crate::change::{self, Action, Change, Refusal};
use crate::error::Error;
use crate::expression::{
    ConditionalOperator, ExpressionKind, LegacyConditions, LegacyUpdate, Placeholders, Projection, legacy_conditions,
    legacy_updates, parse_condition, parse_update, refuse_mixed,
};
use crate::keys::{self, TableId};
use crate::meters::Units;
use crate::model::Table;
use crate::request::{self, Names, Values, table_id};
use crate::service::DynamoDb;
use crate::value::{Given, Item, item_size_bytes};

/// The expressions of an update, both of which use values.
const UPDATE_EXPRESSIONS: [&str; 2] = ["UpdateExpression", "ConditionExpression"];

/// The values of `ReturnValues`, in the order in which AWS lists them.
const RETURN_VALUES: [&str; 5] = ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutItem {
    pub(crate) table_name: String,
    item: Given<Item>,
    condition_expression: Option<String>,
    expression_attribute_names: Names,
    expression_attribute_values: Values,
    return_values: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
    expected: Option<LegacyConditions>,
    conditional_operator: Option<ConditionalOperator>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateItem {
    pub(crate) table_name: String,
    key: Given<Item>,
    update_expression: Option<String>,
    condition_expression: Option<String>,
    expression_attribute_names: Names,
    expression_attribute_values: Values,
    return_values: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
    attribute_updates: Option<BTreeMap<String, LegacyUpdate>>,
    expected: Option<LegacyConditions>,
    conditional_operator: Option<ConditionalOperator>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteItem {
    pub(crate) table_name: String,
    key: Given<Item>,
    condition_expression: Option<String>,
    expression_attribute_names: Names,
    expression_attribute_values: Values,
    return_values: Option<String>,
    return_values_on_condition_check_failure: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
    expected: Option<LegacyConditions>,
    conditional_operator: Option<ConditionalOperator>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetItem {
    pub(crate) table_name: String,
    key: Given<Item>,
    projection_expression: Option<String>,
    expression_attribute_names: Names,
    consistent_read: Option<bool>,
    return_consumed_capacity: Option<String>,
    attributes_to_get: Option<Vec<String>>,
}

/// The constraints of putting and deleting, in the order in which AWS tells of them.
macro_rules! write_input {
    ($($input:ty),*) => {$(
        impl Input for $input {
            fn validate(&self, v: &mut Violations) {
                validate_values(v, self.return_values.as_deref());
                request::validate_capacity(v, self.return_consumed_capacity.as_deref());
                request::validate_metrics(v, self.return_item_collection_metrics.as_deref());
                request::validate_on_failure(v, self.return_values_on_condition_check_failure.as_deref());
                request::validate_table(v, &self.table_name);
            }
        }
    )*};
}
write_input!(PutItem, DeleteItem);

/// The order in which AWS tells of them is another.
impl Input for UpdateItem {
    fn validate(&self, v: &mut Violations) {
        request::validate_capacity(v, self.return_consumed_capacity.as_deref());
        request::validate_table(v, &self.table_name);
        request::validate_metrics(v, self.return_item_collection_metrics.as_deref());
        validate_values(v, self.return_values.as_deref());
        request::validate_on_failure(v, self.return_values_on_condition_check_failure.as_deref());
    }
}

fn validate_values(v: &mut Violations, wanted: Option<&str>) {
    if let Some(wanted) = wanted {
        v.one_of("returnValues", wanted, &RETURN_VALUES);
    }
}

impl Input for GetItem {
    fn validate(&self, v: &mut Violations) {
        request::validate_capacity(v, self.return_consumed_capacity.as_deref());
        request::validate_table(v, &self.table_name);
        request::validate_attributes(v, self.attributes_to_get.as_ref());
    }
}

/// What policies are told of the choices of a write.
fn choices<'a>(values: Option<&'a str>, capacity: Option<&'a str>) -> [(&'static str, Option<&'a str>); 2] {
    let of = |given: Option<&'a str>| Some(given.unwrap_or("NONE"));
    [("dynamodb:ReturnValues", of(values)), ("dynamodb:ReturnConsumedCapacity", of(capacity))]
}

macro_rules! told_write {
    ($($input:ty: $item:ident, $update:expr, $updated:expr);*) => {$(
        impl Told for $input {
            fn context(&self, tables: &DynamoDb, call: &Call) -> Context {
                let update: fn(&$input) -> Option<&str> = $update;
                let expressions = Expressions {
                    condition: self.condition_expression.as_deref(),
                    update: update(self),
                    names: Some(&self.expression_attribute_names),
                    values: Some(&self.expression_attribute_values),
                    ..Expressions::default()
                };
                let touched = |_: &str, hash: Option<&str>| {
                    let updated: fn(&$input) -> Vec<&String> = $updated;
                    let expected = self.expected.iter().flat_map(|expected| expected.keys());
                    let touched = Touched::default().item(&self.$item).expressions(&expressions, hash);
                    touched.names(expected).names(updated(self))
                };
                let choices = choices(self.return_values.as_deref(), self.return_consumed_capacity.as_deref());
                tables.context(call, [(self.table_name.as_str(), None)], touched, &choices)
            }
        }
    )*};
}
told_write!(
    PutItem: item, |_| None, |_| Vec::new();
    UpdateItem: key,
        |input| input.update_expression.as_deref(),
        |input| input.attribute_updates.iter().flat_map(|updates| updates.keys()).collect();
    DeleteItem: key, |_| None, |_| Vec::new()
);

impl Told for GetItem {
    fn context(&self, tables: &DynamoDb, call: &Call) -> Context {
        let projection = self.projection_expression.as_deref();
        let expressions =
            Expressions { projection, names: Some(&self.expression_attribute_names), ..Expressions::default() };
        let touched = |_: &str, hash: Option<&str>| {
            let touched = Touched::default().item(&self.key).expressions(&expressions, hash);
            touched.names(self.attributes_to_get.iter().flatten())
        };
        let selected = access::select(None, projection.is_some() || self.attributes_to_get.is_some(), false);
        let capacity = self.return_consumed_capacity.as_deref().unwrap_or("NONE");
        let choices = [("dynamodb:Select", Some(selected)), ("dynamodb:ReturnConsumedCapacity", Some(capacity))];
        tables.context(call, [(self.table_name.as_str(), None)], touched, &choices)
    }
}

/// The answer of a write.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct WriteOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<ConsumedCapacity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_collection_metrics: Option<ItemCollectionMetrics>,
}

/// AWS: API Reference, *ItemCollectionMetrics*.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ItemCollectionMetrics {
    item_collection_key: Item,
    #[serde(rename = "SizeEstimateRangeGB")]
    size_estimate_range_gb: [f64; 2],
}

impl ItemCollectionMetrics {
    /// Those of the collection that a change belongs to. Collections are not limited here, and not measured.
    pub(crate) fn of(table: &Table, change: &Change) -> Option<ItemCollectionMetrics> {
        table.has_local_indexes().then(|| ItemCollectionMetrics {
            item_collection_key: change.partition(table),
            size_estimate_range_gb: [0.0, 1.0],
        })
    }
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetItemOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<ConsumedCapacity>,
}

/// What the caller of a write wants to hear of it.
struct Answer {
    values: Option<String>,
    old_on_failure: bool,
    capacity: Wanted,
    metrics: bool,
}

impl Answer {
    fn of(values: Option<String>, on_failure: Option<&str>, capacity: Option<&str>, metrics: Option<&str>) -> Answer {
        Answer {
            values,
            old_on_failure: on_failure == Some("ALL_OLD"),
            capacity: Wanted::of(capacity),
            metrics: metrics == Some("SIZE"),
        }
    }

    /// Only updates have something to say but what was there before.
    fn only_old(&self) -> Result<(), Error> {
        match self.values.as_deref() {
            None | Some("NONE" | "ALL_OLD") => Ok(()),
            Some(_) => Err(Error::invalid("ReturnValues can only be ALL_OLD or NONE")),
        }
    }

    fn attributes(&self, change: &Change, old: Option<Item>, decision: change::Decision) -> Option<Item> {
        let attributes = match self.values.as_deref() {
            Some("ALL_OLD") => old,
            Some("ALL_NEW") => decision.new,
            Some("UPDATED_OLD") => old.map(|old| change.updated(&old)),
            Some("UPDATED_NEW") => decision.new.map(|new| change.updated(&new)),
            _ => None,
        };
        attributes.filter(|attributes| !attributes.is_empty())
    }
}

/// What the caller of any write wants to hear.
macro_rules! answer_of {
    ($input:ident) => {
        Answer::of(
            $input.return_values,
            $input.return_values_on_condition_check_failure.as_deref(),
            $input.return_consumed_capacity.as_deref(),
            $input.return_item_collection_metrics.as_deref(),
        )
    };
}

impl DynamoDb {
    pub(crate) async fn put_item(self: Arc<Self>, call: Call, input: PutItem) -> Result<WriteOutput, Error> {
        let id = table_id(&call, &input.table_name)?;
        let answer = answer_of!(input);
        let (names, values) = (input.expression_attribute_names, input.expression_attribute_values);
        let (text, expected) = (input.condition_expression.as_deref(), (input.expected, input.conditional_operator));
        request::check_parameters(text, &names, &values, &expected)?;
        let item = input.item.checked()?;
        answer.only_old()?;
        let condition = request::condition(text, names, values, expected)?;
        self.change_item(&id, Change { action: Action::Put(Arc::new(item)), condition }, answer).await
    }

    pub(crate) async fn delete_item(self: Arc<Self>, call: Call, input: DeleteItem) -> Result<WriteOutput, Error> {
        let id = table_id(&call, &input.table_name)?;
        let answer = answer_of!(input);
        let (names, values) = (input.expression_attribute_names, input.expression_attribute_values);
        let (text, expected) = (input.condition_expression.as_deref(), (input.expected, input.conditional_operator));
        request::check_parameters(text, &names, &values, &expected)?;
        let key = input.key.checked()?;
        answer.only_old()?;
        let condition = request::condition(text, names, values, expected)?;
        self.change_item(&id, Change { action: Action::Delete { key }, condition }, answer).await
    }

    pub(crate) async fn update_item(self: Arc<Self>, call: Call, input: UpdateItem) -> Result<WriteOutput, Error> {
        let id = table_id(&call, &input.table_name)?;
        let answer = answer_of!(input);
        let legacy = [
            ("AttributeUpdates", input.attribute_updates.is_some()),
            ("Expected", input.expected.is_some()),
            ("ConditionalOperator", input.conditional_operator.is_some()),
        ];
        let expressions = [
            ("UpdateExpression", input.update_expression.is_some()),
            ("ConditionExpression", input.condition_expression.is_some()),
        ];
        refuse_mixed(&legacy, &expressions)?;
        let (names, values) = (input.expression_attribute_names, input.expression_attribute_values);
        if expressions.iter().all(|(_, given)| !given) {
            Placeholders::refuse(names.as_ref(), values.as_ref(), &UPDATE_EXPRESSIONS)?;
        }
        let key = input.key.checked()?;
        let change = if legacy.iter().any(|(_, given)| *given) {
            let update = legacy_updates(input.attribute_updates.unwrap_or_default())?;
            let condition = legacy_conditions(input.expected, input.conditional_operator)?;
            Change { action: Action::Update { key, update }, condition }
        } else {
            let (update, condition) = (input.update_expression.as_deref(), input.condition_expression.as_deref());
            update_change(key, update, condition, names, values)?
        };
        self.change_item(&id, change, answer).await
    }

    /// Changes one item, in one transaction.
    async fn change_item(&self, id: &TableId, change: Change, answer: Answer) -> Result<WriteOutput, Error> {
        let table_key = keys::table(id);
        let changed =
            self.db.transact(async |tx| self.change_in(&tx, &table_key, &change, answer.old_on_failure).await).await;
        let (table, old, decision, spent) = changed.inspect_err(|error| self.refused(id, error))?;
        self.spent(id, Units::Written, &spent);
        Ok(WriteOutput {
            attributes: answer.attributes(&change, old, decision),
            consumed_capacity: spent.tell(&id.name, answer.capacity, Kind::Plain),
            item_collection_metrics: ItemCollectionMetrics::of(&table, &change).filter(|_| answer.metrics),
        })
    }

    pub(crate) async fn change_in(
        &self,
        tx: &cauce_store::Tx,
        table_key: &Bytes,
        change: &Change,
        old_on_failure: bool,
    ) -> Result<(Arc<Table>, Option<Item>, change::Decision, Spent), Error> {
        let seen = self.catalog.load(tx, table_key, |table| Ok(vec![change.row_key(table)?])).await?;
        let table = seen.table;
        let old = change::item_of(seen.rows.first().and_then(Option::as_ref))?;
        let decision = match change.decide(&table, old.as_ref()) {
            Ok(decision) => decision,
            Err(Refusal::Condition) => {
                let bytes = old.as_ref().map_or(0, item_size_bytes);
                return Err(Error::ConditionFailed { item: old.filter(|_| old_on_failure), bytes });
            }
            Err(Refusal::Invalid(error)) => return Err(error),
        };
        let row_key = change.row_key(&table)?;
        let spent = self.write_decided(tx, &table, &row_key, (old.as_ref(), self.moment()), &decision).await?;
        Ok((table, old, decision, spent))
    }

    pub(crate) async fn get_item(self: Arc<Self>, call: Call, input: GetItem) -> Result<GetItemOutput, Error> {
        let id = table_id(&call, &input.table_name)?;
        let key = input.key.checked()?;
        let projection = request::projection_or_attributes(
            input.projection_expression.as_deref(),
            input.expression_attribute_names,
            input.attributes_to_get,
        )?;
        let wanted = |table: &Table| {
            let named = table.key.named(&key)?;
            table.check_paths(projection.iter().flat_map(Projection::paths))?;
            Ok(vec![keys::item(table.number, &named)])
        };
        let seen = self.catalog.read(&self.db, &keys::table(&id), wanted).await?;
        let item = change::item_of(seen.rows.first().and_then(Option::as_ref))?;
        let bytes = item.as_ref().map_or(0, item_size_bytes);
        let spent = Spent::on_table(read_units(bytes, Rate::of(input.consistent_read)));
        self.spent(&id, Units::Read, &spent);
        let wanted = Wanted::of(input.return_consumed_capacity.as_deref());
        Ok(GetItemOutput {
            item: match projection {
                Some(projection) => item.map(|item| projection.project(&item)),
                None => item,
            },
            consumed_capacity: spent.tell(&id.name, wanted, Kind::Plain),
        })
    }
}

/// The change of an update's expressions.
pub(crate) fn update_change(
    key: Item,
    update: Option<&str>,
    condition: Option<&str>,
    names: Names,
    values: Values,
) -> Result<Change, Error> {
    let mut placeholders = Placeholders::new(names, values)?;
    let update = update.map(|text| parse_update(text, &mut placeholders)).transpose()?;
    let condition =
        condition.map(|text| parse_condition(ExpressionKind::Condition, text, &mut placeholders)).transpose()?;
    placeholders.finish()?;
    Ok(Change { action: Action::Update { key, update }, condition })
}
