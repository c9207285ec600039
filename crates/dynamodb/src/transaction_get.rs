//! TransactGetItems: up to a hundred items at one instant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, Violations};
use cauce_store::ReadReq;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::access::{Expressions, Touched};
use crate::capacity::{ConsumedCapacity, Kind, Rate, Spent, Wanted, read_units};
use crate::change::item_of;
use crate::error::{CancellationReason, Error};
use crate::expression::Projection;
use crate::keys::{self, TableId};
use crate::meters::Units;
use crate::model::{Table, table_arn};
use crate::request::{self, Names, projection_or_attributes, table_id, table_resource, validate_table};
use crate::service::DynamoDb;
use crate::transaction::{TRANSACTION_MAX, validation};
use crate::value::{Given, Item, item_size_bytes};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TransactGetItems {
    transact_items: Vec<TransactGetItem>,
    return_consumed_capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TransactGetItem {
    get: Get,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Get {
    table_name: String,
    key: Given<Item>,
    projection_expression: Option<String>,
    expression_attribute_names: Names,
}

impl Input for TransactGetItems {
    fn validate(&self, v: &mut Violations) {
        v.count("transactItems", self.transact_items.len(), 1, TRANSACTION_MAX);
        for (n, item) in self.transact_items.iter().enumerate() {
            v.within(format!("transactItems.{}.member.get", n + 1), |v| validate_table(v, &item.get.table_name));
        }
        request::validate_capacity(v, self.return_consumed_capacity.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TransactGetOutput {
    responses: Vec<Response>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Response {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) item: Option<Item>,
}

/// An item that is wanted.
pub(crate) struct Wish {
    pub(crate) id: TableId,
    pub(crate) table_key: Bytes,
    pub(crate) key: Item,
    pub(crate) projection: Option<Projection>,
}

/// The tables that a transaction reads, each once.
pub(crate) fn resources(call: &Call, input: &TransactGetItems) -> Vec<String> {
    let names: BTreeSet<&str> = input.transact_items.iter().map(|item| item.get.table_name.as_str()).collect();
    names.into_iter().flat_map(|name| table_resource(call, name)).collect()
}

fn wish(call: &Call, get: Get) -> Result<Wish, Error> {
    let id = table_id(call, &get.table_name)?;
    let projection =
        projection_or_attributes(get.projection_expression.as_deref(), get.expression_attribute_names, None)?;
    Ok(Wish { table_key: keys::table(&id), id, key: get.key.checked()?, projection })
}

impl DynamoDb {
    pub(crate) async fn transact_get_items(
        self: Arc<Self>,
        call: Call,
        input: TransactGetItems,
    ) -> Result<TransactGetOutput, Error> {
        let wanted = Wanted::of(input.return_consumed_capacity.as_deref());
        self.may_get(&call, &input.transact_items).await?;
        let wishes = input.transact_items.into_iter().map(|item| wish(&call, item.get));
        let wishes: Vec<Wish> = wishes.collect::<Result<_, _>>()?;
        let (responses, spent) = self.get_at_once(&wishes).await?;
        let told = spent.iter().filter_map(|(id, spent)| spent.tell(&id.name, wanted, Kind::TransactionRead));
        let consumed_capacity = (wanted != Wanted::None).then(|| told.collect());
        Ok(TransactGetOutput { responses, consumed_capacity })
    }

    /// The items at one snapshot, and what they cost by table.
    pub(crate) async fn get_at_once(
        &self,
        wishes: &[Wish],
    ) -> Result<(Vec<Response>, BTreeMap<TableId, Spent>), Error> {
        let rows = loop {
            if let Some(rows) = self.rows_at_once(wishes).await? {
                break rows;
            }
        };
        let mut spent: BTreeMap<TableId, Spent> = BTreeMap::new();
        let mut responses = Vec::with_capacity(wishes.len());
        for (wish, row) in wishes.iter().zip(&rows) {
            let item = item_of(row.as_ref())?;
            let units = read_units(item.as_ref().map_or(0, item_size_bytes), Rate::Transactional);
            spent.entry(wish.id.clone()).or_default().add(&Spent::on_table(units));
            let item = match &wish.projection {
                Some(projection) => item.map(|item| projection.project(&item)),
                None => item,
            };
            responses.push(Response { item });
        }
        spent.iter().for_each(|(id, spent)| self.spent(id, Units::Read, spent));
        Ok((responses, spent))
    }

    /// Asks policies about each table.
    async fn may_get(&self, call: &Call, items: &[TransactGetItem]) -> Result<(), Error> {
        for name in items.iter().map(|item| item.get.table_name.as_str()).collect::<BTreeSet<_>>() {
            let touched = |_: &str, hash: Option<&str>| {
                let same = items.iter().map(|item| &item.get).filter(|get| get.table_name == name);
                same.fold(Touched::default(), |touched, get| {
                    let expressions = Expressions {
                        projection: get.projection_expression.as_deref(),
                        names: Some(&get.expression_attribute_names),
                        ..Expressions::default()
                    };
                    touched.item(&get.key).expressions(&expressions, hash)
                })
            };
            let context = self.context(call, [(name, None)], touched, &[]);
            self.may(call, "dynamodb:GetItem", &table_arn(&table_id(call, name)?), context).await?;
        }
        Ok(())
    }

    /// The rows of all wishes at one snapshot; `None` if a table has changed since its key was looked at.
    async fn rows_at_once(&self, wishes: &[Wish]) -> Result<Option<Vec<Option<Bytes>>>, Error> {
        let mut tables: BTreeMap<&Bytes, Arc<Table>> = BTreeMap::new();
        for wish in wishes {
            if !tables.contains_key(&wish.table_key) {
                tables.insert(&wish.table_key, self.catalog.table(&self.db, &wish.table_key).await?);
            }
        }
        let mut gets: Vec<Bytes> = tables.keys().copied().cloned().collect();
        let mut once = BTreeSet::new();
        let mut reasons = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let table = tables.get(&wish.table_key).ok_or(Error::NoTable)?;
            let named = table.key.named(&wish.key);
            let fits = table.check_paths(wish.projection.iter().flat_map(Projection::paths));
            match named.and_then(|key| fits.map(|()| key)) {
                Ok(key) => {
                    gets.push(keys::item(table.number, &key));
                    once.extend(gets.last().cloned());
                    reasons.push(CancellationReason::NONE);
                }
                Err(error) => reasons.push(validation(error)?),
            }
        }
        if reasons.iter().any(|reason| *reason != CancellationReason::NONE) {
            return Err(Error::Canceled(reasons));
        }
        if once.len() < wishes.len() {
            return Err(Error::invalid("Transaction request cannot include multiple operations on one item"));
        }
        let mut rows = self.db.read(ReadReq { gets, ranges: Vec::new() }).await?.gets;
        let items = rows.split_off(tables.len());
        for ((key, table), row) in tables.iter().zip(&rows) {
            let now = self.catalog.decode(key, row.as_ref().map(|row| &row.val))?;
            if !Arc::ptr_eq(&now, table) {
                return Ok(None);
            }
        }
        Ok(Some(items.into_iter().map(|row| row.map(|row| row.val)).collect()))
    }
}
