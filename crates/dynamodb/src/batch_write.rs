//! BatchWriteItem: each write is a transaction of its own, and all share a commit where they can.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::access::{Context, Told, Touched};
use crate::capacity::{ConsumedCapacity, Kind, Spent, Wanted};
use crate::change::{Action, Change};
use crate::error::Error;
use crate::item::ItemCollectionMetrics;
use crate::key::NO_MATCH;
use crate::keys::{self, TableId};
use crate::meters::Units;
use crate::model::Table;
use crate::request::{self, table_id, table_resource, validate_table};
use crate::service::DynamoDb;
use crate::value::{Given, Item};

/// How many writes one BatchWriteItem makes.
pub const BATCH_WRITE_MAX: usize = 25;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchWriteItem {
    request_items: BTreeMap<String, Vec<WriteRequest>>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WriteRequest {
    put_request: Option<PutRequest>,
    delete_request: Option<DeleteRequest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRequest {
    item: Given<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteRequest {
    key: Given<Item>,
}

impl Input for BatchWriteItem {
    fn validate(&self, v: &mut Violations) {
        for (table, writes) in &self.request_items {
            validate_table(v, table);
            if !(1..=BATCH_WRITE_MAX).contains(&writes.len()) {
                let shown = if writes.is_empty() { String::new() } else { format!("{} elements", writes.len()) };
                let constraint = format!(
                    "Map value must satisfy constraint: [Member must have length less than or equal to {BATCH_WRITE_MAX}, \
                     Member must have length greater than or equal to 1]"
                );
                v.other("requestItems", Some(&format!("{{{table}=[{shown}]}}")), &constraint);
            }
        }
        request::validate_capacity(v, self.return_consumed_capacity.as_deref());
        request::validate_metrics(v, self.return_item_collection_metrics.as_deref());
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchWriteOutput {
    unprocessed_items: BTreeMap<String, Vec<Unprocessed>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_collection_metrics: Option<BTreeMap<String, Vec<ItemCollectionMetrics>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

/// A write that was not made, as the request had it.
#[derive(Serialize)]
enum Unprocessed {
    PutRequest {
        #[serde(rename = "Item")]
        item: Item,
    },
    DeleteRequest {
        #[serde(rename = "Key")]
        key: Item,
    },
}

pub(crate) fn resources(call: &Call, input: &BatchWriteItem) -> Vec<String> {
    input.request_items.keys().flat_map(|name| table_resource(call, name)).collect()
}

impl Told for BatchWriteItem {
    fn context(&self, tables: &DynamoDb, call: &Call) -> Context {
        let touched = |name: &str, _: Option<&str>| {
            let writes = self.request_items.get(name).into_iter().flatten();
            writes.fold(Touched::default(), |touched, write| {
                let put = write.put_request.as_ref().map(|put| &put.item);
                let delete = write.delete_request.as_ref().map(|delete| &delete.key);
                put.into_iter().chain(delete).fold(touched, Touched::item)
            })
        };
        let choices =
            [("dynamodb:ReturnConsumedCapacity", Some(self.return_consumed_capacity.as_deref().unwrap_or("NONE")))];
        tables.context(call, self.request_items.keys().map(|name| (name.as_str(), None)), touched, &choices)
    }
}

fn change(write: WriteRequest) -> Result<Change, Error> {
    let action = match (write.put_request, write.delete_request) {
        (Some(put), None) => Action::Put(Arc::new(put.item.checked()?)),
        (None, Some(delete)) => Action::Delete { key: delete.key.checked()? },
        // AWS says the same of both and of neither.
        (Some(_), Some(_)) | (None, None) => {
            return Err(Error::invalid(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported \
                 datatypes",
            ));
        }
    };
    Ok(Change { action, condition: None })
}

/// The writes to one table.
struct Writes {
    name: String,
    id: TableId,
    table_key: Bytes,
    changes: Vec<Arc<Change>>,
}

fn writes(call: &Call, items: BTreeMap<String, Vec<WriteRequest>>) -> Result<Vec<Writes>, Error> {
    if items.is_empty() {
        return Err(Error::invalid("The requestItems parameter is required for BatchWriteItem"));
    }
    if items.values().map(Vec::len).sum::<usize>() > BATCH_WRITE_MAX {
        return Err(Error::invalid("Too many items requested for the BatchWriteItem call"));
    }
    let of_table = |(name, writes): (String, Vec<WriteRequest>)| {
        let id = table_id(call, &name)?;
        let table_key = keys::table(&id);
        let changes = writes.into_iter().map(|write| change(write).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Writes { name, id, table_key, changes })
    };
    items.into_iter().map(of_table).collect()
}

/// Refuses all if one is refused, or if two are of one item.
fn check(table: &Table, changes: &[Arc<Change>], once: &mut BTreeSet<Bytes>) -> Result<(), Error> {
    for change in changes {
        // Unlike PutItem, a batch does not say what is wrong with the key of an item.
        if matches!(&change.action, Action::Put(item) if table.key.key_of(item).is_none()) {
            return Err(Error::invalid(NO_MATCH));
        }
        if !once.insert(change.row_key(table)?) {
            return Err(Error::invalid("Provided list of item keys contains duplicates"));
        }
    }
    Ok(())
}

impl DynamoDb {
    pub(crate) async fn batch_write_item(
        self: Arc<Self>,
        call: Call,
        input: BatchWriteItem,
    ) -> Result<BatchWriteOutput, Error> {
        let wanted = Wanted::of(input.return_consumed_capacity.as_deref());
        let metrics = input.return_item_collection_metrics.as_deref() == Some("SIZE");
        let batch = writes(&call, input.request_items)?;
        let mut once = BTreeSet::new();
        let mut tables = Vec::with_capacity(batch.len());
        for writes in &batch {
            let table = self.catalog.table(&self.db, &writes.table_key).await?;
            check(&table, &writes.changes, &mut once)?;
            tables.push(table);
        }
        let mut tasks = JoinSet::new();
        for (n, writes) in batch.iter().enumerate() {
            for change in &writes.changes {
                let (service, change, table_key) = (Arc::clone(&self), Arc::clone(change), writes.table_key.clone());
                tasks.spawn(async move {
                    let written = service
                        .db
                        .transact(async |tx| {
                            Ok::<_, Error>(service.change_in(&tx, &table_key, &change, false).await?.3)
                        })
                        .await;
                    (n, change, written)
                });
            }
        }
        let mut spent = vec![Spent::default(); batch.len()];
        let mut failed: Vec<(usize, Arc<Change>)> = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (n, change, written) = done.map_err(cauce_core::ServiceError::internal)?;
            match (written, spent.get_mut(n)) {
                (Ok(units), Some(sum)) => sum.add(&units),
                (Err(error), _) => {
                    batch.get(n).into_iter().for_each(|writes| self.refused(&writes.id, &error));
                    tracing::warn!(%error, "a write of a batch was not made");
                    failed.push((n, change));
                }
                (Ok(_), None) => {}
            }
        }
        for (writes, spent) in batch.iter().zip(&spent) {
            self.spent(&writes.id, Units::Written, spent);
        }
        Ok(answer(&batch, &tables, &spent, &failed, wanted, metrics))
    }
}

fn answer(
    batch: &[Writes],
    tables: &[Arc<Table>],
    spent: &[Spent],
    failed: &[(usize, Arc<Change>)],
    wanted: Wanted,
    metrics: bool,
) -> BatchWriteOutput {
    let mut unprocessed_items: BTreeMap<String, Vec<Unprocessed>> = BTreeMap::new();
    for (n, change) in failed {
        let Some(writes) = batch.get(*n) else { continue };
        let unprocessed = match &change.action {
            Action::Put(item) => Unprocessed::PutRequest { item: Item::clone(item) },
            Action::Update { key, .. } | Action::Delete { key } | Action::Check { key } => {
                Unprocessed::DeleteRequest { key: key.clone() }
            }
        };
        unprocessed_items.entry(writes.name.clone()).or_default().push(unprocessed);
    }
    let of_table = |(writes, table): (&Writes, &Arc<Table>)| {
        let metrics = writes.changes.iter().filter_map(|change| ItemCollectionMetrics::of(table, change));
        (writes.name.clone(), metrics.collect::<Vec<_>>())
    };
    let item_collection_metrics =
        metrics.then(|| batch.iter().zip(tables).map(of_table).filter(|(_, metrics)| !metrics.is_empty()).collect());
    let consumed = batch.iter().zip(spent).filter_map(|(writes, spent)| spent.tell(&writes.name, wanted, Kind::Plain));
    let consumed_capacity = (wanted != Wanted::None).then(|| consumed.collect());
    BatchWriteOutput { unprocessed_items, item_collection_metrics, consumed_capacity }
}
