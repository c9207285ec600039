//! BatchGetItem.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, Violations};
use cauce_store::ReadReq;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::access::{self, Context, Expressions, Told, Touched};
use crate::capacity::{ConsumedCapacity, Kind, Rate, Spent, Wanted, read_units};
use crate::change::item_of;
use crate::error::Error;
use crate::expression::Projection;
use crate::keys::{self, TableId};
use crate::meters::Units;
use crate::model::Table;
use crate::request::{self, Names, projection_or_attributes, table_id, table_resource, validate_table};
use crate::service::DynamoDb;
use crate::value::{Given, Item, item_size_bytes};

/// How many items one BatchGetItem reads.
pub const BATCH_GET_MAX: usize = 100;

/// How many bytes of items one BatchGetItem answers; the keys of the rest are `UnprocessedKeys`.
pub const BATCH_GET_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchGetItem {
    request_items: BTreeMap<String, KeysAndAttributes>,
    return_consumed_capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeysAndAttributes {
    keys: Vec<Given<Item>>,
    consistent_read: Option<bool>,
    projection_expression: Option<String>,
    expression_attribute_names: Names,
    attributes_to_get: Option<Vec<String>>,
}

impl Input for BatchGetItem {
    fn validate(&self, v: &mut Violations) {
        for (table, wanted) in &self.request_items {
            validate_table(v, table);
            v.count(&format!("requestItems.{table}.member.keys"), wanted.keys.len(), 1, BATCH_GET_MAX);
        }
        request::validate_capacity(v, self.return_consumed_capacity.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchGetOutput {
    responses: BTreeMap<String, Vec<Item>>,
    unprocessed_keys: BTreeMap<String, Unprocessed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Unprocessed {
    keys: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consistent_read: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    projection_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression_attribute_names: Names,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes_to_get: Option<Vec<String>>,
}

pub(crate) fn resources(call: &Call, input: &BatchGetItem) -> Vec<String> {
    input.request_items.keys().flat_map(|name| table_resource(call, name)).collect()
}

impl Told for BatchGetItem {
    fn context(&self, tables: &DynamoDb, call: &Call) -> Context {
        let touched = |name: &str, hash: Option<&str>| {
            let Some(wanted) = self.request_items.get(name) else { return Touched::default() };
            let expressions = Expressions {
                projection: wanted.projection_expression.as_deref(),
                names: Some(&wanted.expression_attribute_names),
                ..Expressions::default()
            };
            let touched = wanted.keys.iter().fold(Touched::default(), Touched::item).expressions(&expressions, hash);
            touched.names(wanted.attributes_to_get.iter().flatten())
        };
        let projected = self
            .request_items
            .values()
            .all(|wanted| wanted.projection_expression.is_some() || wanted.attributes_to_get.is_some());
        let capacity = self.return_consumed_capacity.as_deref().unwrap_or("NONE");
        let choices = [
            ("dynamodb:Select", Some(access::select(None, projected, false))),
            ("dynamodb:ReturnConsumedCapacity", Some(capacity)),
        ];
        tables.context(call, self.request_items.keys().map(|name| (name.as_str(), None)), touched, &choices)
    }
}

/// What is wanted of one table.
struct Wish {
    name: String,
    id: TableId,
    table_key: Bytes,
    keys: Vec<Item>,
    consistent: Option<bool>,
    projection: Option<Projection>,
    projection_text: Option<String>,
    names: Names,
    attributes: Option<Vec<String>>,
}

fn wishes(call: &Call, items: BTreeMap<String, KeysAndAttributes>) -> Result<Vec<Wish>, Error> {
    if items.is_empty() {
        return Err(Error::invalid("The requestItems parameter is required for BatchGetItem"));
    }
    let mut wishes = Vec::with_capacity(items.len());
    let mut count = 0;
    for (name, wanted) in items {
        let id = table_id(call, &name)?;
        let table_key = keys::table(&id);
        count += wanted.keys.len();
        if count > BATCH_GET_MAX {
            return Err(Error::invalid("Too many items requested for the BatchGetItem call"));
        }
        let keys = wanted.keys.into_iter().map(Given::checked).collect::<Result<_, _>>()?;
        let (projection_text, names) = (wanted.projection_expression, wanted.expression_attribute_names);
        let attributes = wanted.attributes_to_get;
        let projection = projection_or_attributes(projection_text.as_deref(), names.clone(), attributes.clone())?;
        let consistent = wanted.consistent_read;
        wishes.push(Wish { name, id, table_key, keys, consistent, projection, projection_text, names, attributes });
    }
    Ok(wishes)
}

/// The keys of rows, each once.
pub(crate) fn rows_once(table: &Table, items: &[Item], rows: &mut BTreeSet<Bytes>) -> Result<Vec<Bytes>, Error> {
    let mut keys = Vec::with_capacity(items.len());
    for item in items {
        let row = keys::item(table.number, &table.key.named(item)?);
        if !rows.insert(row.clone()) {
            return Err(Error::invalid("Provided list of item keys contains duplicates"));
        }
        keys.push(row);
    }
    Ok(keys)
}

impl DynamoDb {
    pub(crate) async fn batch_get_item(
        self: Arc<Self>,
        call: Call,
        input: BatchGetItem,
    ) -> Result<BatchGetOutput, Error> {
        let wanted = Wanted::of(input.return_consumed_capacity.as_deref());
        let wishes = wishes(&call, input.request_items)?;
        let rows = self.batch_rows(&wishes).await?;
        let mut rows = rows.into_iter();
        let mut answer = BatchGetOutput {
            responses: BTreeMap::new(),
            unprocessed_keys: BTreeMap::new(),
            consumed_capacity: (wanted != Wanted::None).then(Vec::new),
        };
        let mut bytes = 0;
        for wish in wishes {
            let mut units = 0.0;
            let mut found = Vec::new();
            let mut left = Vec::new();
            for (key, row) in wish.keys.into_iter().zip(&mut rows) {
                if bytes >= BATCH_GET_BYTES_MAX {
                    left.push(key);
                    continue;
                }
                let item = item_of(row.as_ref())?;
                let size = item.as_ref().map_or(0, item_size_bytes);
                bytes += size;
                units += read_units(size, Rate::of(wish.consistent));
                found.extend(item.map(|item| match &wish.projection {
                    Some(projection) => projection.project(&item),
                    None => item,
                }));
            }
            let spent = Spent::on_table(units);
            self.spent(&wish.id, Units::Read, &spent);
            if let Some(consumed) = &mut answer.consumed_capacity {
                consumed.extend(spent.tell(&wish.name, wanted, Kind::Plain));
            }
            if !left.is_empty() {
                let unprocessed = Unprocessed {
                    keys: left,
                    consistent_read: wish.consistent,
                    projection_expression: wish.projection_text,
                    expression_attribute_names: wish.names,
                    attributes_to_get: wish.attributes,
                };
                answer.unprocessed_keys.insert(wish.name.clone(), unprocessed);
            }
            answer.responses.insert(wish.name, found);
        }
        Ok(answer)
    }

    /// The rows of all wishes in their order, at one snapshot.
    async fn batch_rows(&self, wishes: &[Wish]) -> Result<Vec<Option<Bytes>>, Error> {
        loop {
            let mut gets: Vec<Bytes> = wishes.iter().map(|wish| wish.table_key.clone()).collect();
            let mut tables = Vec::with_capacity(wishes.len());
            let mut once = BTreeSet::new();
            for wish in wishes {
                let table = self.catalog.table(&self.db, &wish.table_key).await?;
                table.check_paths(wish.projection.iter().flat_map(Projection::paths))?;
                gets.extend(rows_once(&table, &wish.keys, &mut once)?);
                tables.push(table);
            }
            let mut rows = self.db.read(ReadReq { gets, ranges: Vec::new() }).await?.gets;
            let items = rows.split_off(wishes.len());
            let mut current = true;
            for ((wish, row), table) in wishes.iter().zip(&rows).zip(&tables) {
                let now = self.catalog.decode(&wish.table_key, row.as_ref().map(|row| &row.val))?;
                current &= Arc::ptr_eq(&now, table);
            }
            if current {
                return Ok(items.into_iter().map(|row| row.map(|row| row.val)).collect());
            }
        }
    }
}
