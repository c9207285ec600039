//! One page of a query or scan.
//!
//! AWS: Developer Guide, *Querying tables in DynamoDB* and *Scanning tables in DynamoDB*.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::ServiceError;
use cauce_store::{RangeReq, RangeResp, Row, View};
use serde::Serialize;

use crate::capacity::{ConsumedCapacity, Kind, Rate, Spent, Wanted, read_units};
use crate::change::item_of;
use crate::error::Error;
use crate::expression::{Condition, Projection};
use crate::key::NO_MATCH;
use crate::keys::{self, Rows, TableId};
use crate::model::{Index, Projection as Projected, Scope, Table};
use crate::service::DynamoDb;
use crate::value::{Given, Item, decode_item, item_size_bytes};

/// How many bytes of items a page looks at before it ends. AWS: 1 MB.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// How many rows are read at once.
const ROWS_MAX: usize = 10_000;

/// How many bytes one read of the store asks for at least, however little is left of the page: rows are a little longer than
/// the items in them are counted, and should not need one read each at the end.
const READ_BYTES_MIN: usize = 64 * 1024;

/// What of the items is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Select {
    All,
    Projected,
    Specific,
    Count,
}

/// The values of `Select`, in the order in which AWS lists them.
pub(crate) const SELECTS: [&str; 4] = ["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"];

/// The parameter by which a request names attributes, if it does.
pub(crate) fn projection_parameter(text: Option<&String>, attributes: Option<&Vec<String>>) -> Option<&'static str> {
    text.map(|_| "ProjectionExpression").or(attributes.map(|_| "AttributesToGet"))
}

impl Select {
    /// What a request selects, which must go with its other parameters.
    pub(crate) fn of(text: Option<&str>, index: bool, projection: Option<&'static str>) -> Result<Select, Error> {
        match (text, projection) {
            (Some("ALL_PROJECTED_ATTRIBUTES"), _) if !index => {
                Err(Error::invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"))
            }
            (Some("COUNT"), Some(parameter)) => {
                Err(Error::invalid(format!("Cannot specify the {parameter} when choosing to get only the Count")))
            }
            (Some(text @ ("ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES")), Some(parameter)) => {
                Err(Error::invalid(format!("Cannot specify the {parameter} when choosing to get {text}")))
            }
            (Some("SPECIFIC_ATTRIBUTES"), None) => Err(Error::invalid(
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
            )),
            (_, Some(_)) => Ok(Select::Specific),
            (Some("COUNT"), _) => Ok(Select::Count),
            (Some("ALL_ATTRIBUTES"), _) => Ok(Select::All),
            (Some(_), _) => Ok(Select::Projected),
            (None, None) => Ok(if index { Select::Projected } else { Select::All }),
        }
    }
}

/// What is read, apart from where.
pub(crate) struct Reading {
    pub(crate) filter: Option<Condition>,
    pub(crate) projection: Option<Projection>,
    pub(crate) select: Select,
    pub(crate) limit: Option<usize>,
    pub(crate) consistent: Option<bool>,
    pub(crate) capacity: Wanted,
}

impl Reading {
    /// Refuses paths into keys.
    pub(crate) fn check_paths(&self, table: &Table) -> Result<(), Error> {
        table.check_paths(self.projection.iter().flat_map(Projection::paths))?;
        table.check_paths(self.filter.iter().flat_map(Condition::paths))
    }
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Query,
    Scan,
}

const STARTING_KEY_INVALID: &str = "The provided starting key is invalid";

/// `ExclusiveStartKey`, if its values are any.
pub(crate) fn starting_key(given: Given<Item>) -> Result<Item, Error> {
    given.checked().map_err(|error| Error::invalid(format!("{STARTING_KEY_INVALID}: {error}")))
}

/// A table, or one of its indexes.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) id: &'a TableId,
    pub(crate) table: &'a Arc<Table>,
    pub(crate) index: Option<&'a Index>,
}

impl<'a> Source<'a> {
    /// The source that a request names.
    pub(crate) fn of(
        id: &'a TableId,
        table: &'a Arc<Table>,
        index: Option<&str>,
        consistent: Option<bool>,
    ) -> Result<Source<'a>, Error> {
        let Some(name) = index else { return Ok(Source { id, table, index: None }) };
        let Some(index) = table.index(name) else {
            return Err(Error::invalid(format!("The table does not have the specified index: {name}")));
        };
        if index.scope == Scope::Global && consistent == Some(true) {
            return Err(Error::invalid("Consistent reads are not supported on global secondary indexes"));
        }
        if index.backfilling {
            return Err(Error::invalid(format!("Cannot read from backfilling global secondary index: {name}")));
        }
        Ok(Source { id, table, index: Some(index) })
    }

    pub(crate) fn rows(self) -> Rows {
        match self.index {
            Some(index) => self.table.entries(index),
            None => self.table.items(),
        }
    }

    /// The key by which it is sorted.
    pub(crate) fn key(self) -> &'a crate::model::KeySchema {
        self.index.map_or(&self.table.key, |index| &index.key)
    }

    /// The attributes that name a row.
    fn position(self, item: &Item) -> Item {
        let mut position = self.table.key.attributes_of(item);
        position.extend(self.key().attributes_of(item));
        position
    }

    /// The row that a request starts behind. What is wrong with it is said in other words for a query than for a scan.
    pub(crate) fn start(self, key: &Item, reader: Reader) -> Result<Bytes, Error> {
        let of_table_scan = reader == Reader::Scan && self.index.is_none();
        let refuse = |what: &str| Error::invalid(format!("{STARTING_KEY_INVALID}: {what}"));
        let attributes = self.table.key.attributes().chain(self.key().attributes());
        let names: BTreeSet<&str> = attributes.map(|attribute| attribute.name.as_str()).collect();
        if key.len() != names.len() || names.iter().any(|name| !key.contains_key(*name)) {
            return Err(if of_table_scan { refuse(NO_MATCH) } else { Error::invalid(STARTING_KEY_INVALID) });
        }
        match self.index {
            Some(index) => index.entry_key(self.table, key).ok_or_else(|| Error::invalid(NO_MATCH)),
            None => {
                let named = self.table.key.named(key);
                let named = named.map_err(|error| if of_table_scan { refuse(&error.to_string()) } else { error })?;
                Ok(keys::item(self.table.number, &named))
            }
        }
    }

    /// Whether the answer needs attributes that entries do not carry; a global index refuses that.
    fn lacks(self, reading: &Reading) -> Result<bool, Error> {
        let Some(index) = self.index else { return Ok(false) };
        if index.projection == Projected::All {
            return Ok(false);
        }
        if reading.select == Select::All {
            return match index.scope {
                Scope::Local => Ok(true),
                Scope::Global => Err(Error::values(format!(
                    "Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its projection \
                     type is not ALL",
                    index.name
                ))),
            };
        }
        let wanted = reading.projection.iter().flat_map(Projection::paths).map(|path| path.attribute.as_str());
        let lacking: Vec<&str> = wanted.filter(|name| !index.shows(self.table, name)).collect();
        match (index.scope, lacking.is_empty()) {
            (_, true) => Ok(false),
            (Scope::Local, false) => Ok(true),
            (Scope::Global, false) => Err(Error::values(format!(
                "Global secondary index {} does not project [{}]",
                index.name,
                lacking.join(", ")
            ))),
        }
    }
}

/// The answer of a query or scan.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Page {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) items: Option<Vec<Item>>,
    pub(crate) count: usize,
    pub(crate) scanned_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_evaluated_key: Option<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumed_capacity: Option<ConsumedCapacity>,
    /// How many bytes it has looked at.
    #[serde(skip)]
    pub(crate) bytes: usize,
    /// What it has cost, for whoever measures.
    #[serde(skip)]
    pub(crate) spent: Spent,
}

/// A page while it grows.
struct Growing<'a> {
    source: Source<'a>,
    reading: &'a Reading,
    page: Page,
    /// The units of items fetched from the table for an index that lacks attributes.
    fetched: f64,
    last: Option<Item>,
}

impl Growing<'_> {
    fn full(&self) -> bool {
        self.page.bytes >= PAGE_BYTES_MAX || self.reading.limit.is_some_and(|limit| self.page.scanned_count >= limit)
    }

    /// Takes a row in: `item` as it is stored, `whole` as the table has it.
    fn take(&mut self, item: Item, whole: Option<Item>) {
        self.page.bytes += item_size_bytes(&item);
        self.page.scanned_count += 1;
        self.last = Some(self.source.position(&item));
        let item = whole.unwrap_or(item);
        if self.reading.filter.as_ref().is_some_and(|filter| !filter.matches(&item)) {
            return;
        }
        self.page.count += 1;
        if let Some(items) = &mut self.page.items {
            items.push(match &self.reading.projection {
                Some(projection) => projection.project(&item),
                None => item,
            });
        }
    }

    fn finish(mut self, more: bool) -> Page {
        let limited = self.reading.limit.is_some_and(|limit| self.page.scanned_count >= limit);
        self.page.last_evaluated_key = self.last.take().filter(|_| more || limited);
        let units = read_units(self.page.bytes, Rate::of(self.reading.consistent));
        let mut spent = Spent::on_table(self.fetched);
        match self.source.index {
            Some(index) => spent.add_index(index, units),
            None => spent.table += units,
        }
        self.page.consumed_capacity = spent.tell(&self.source.id.name, self.reading.capacity, Kind::Plain);
        self.page.spent = spent;
        self.page
    }
}

impl DynamoDb {
    /// Reads a page of `range`; `None` if the table is no longer the one that `source` says.
    pub(crate) async fn page(
        &self,
        source: Source<'_>,
        range: RangeReq,
        reading: &Reading,
    ) -> Result<Option<Page>, Error> {
        let view = match source.lacks(reading)? {
            true => Some(self.db.view().await?),
            false => None,
        };
        let items = (reading.select != Select::Count).then(Vec::new);
        let page = Page { items, ..Page::default() };
        let mut growing = Growing { source, reading, page, fetched: 0.0, last: None };
        let mut rest = range;
        loop {
            let wanted = reading.limit.map_or(ROWS_MAX, |limit| limit - growing.page.scanned_count);
            rest.limit = wanted.min(ROWS_MAX);
            rest.bytes_max = (PAGE_BYTES_MAX - growing.page.bytes).max(READ_BYTES_MIN);
            let Some(rows) = self.rows(source, &rest, view.as_ref()).await? else { return Ok(None) };
            let read = rows.rows.len();
            let mut taken = 0;
            for row in &rows.rows {
                let item = decode_item(&row.val).map_err(ServiceError::internal)?;
                let whole = match &view {
                    Some(view) => whole(view, source.table, &item).await?,
                    None => None,
                };
                if let Some(whole) = &whole {
                    growing.fetched += read_units(item_size_bytes(whole), Rate::of(reading.consistent));
                }
                growing.take(item, whole);
                taken += 1;
                if growing.full() {
                    break;
                }
            }
            if taken < read || growing.full() || !rows.more {
                return Ok(Some(growing.finish(taken < read || rows.more)));
            }
            let Some(Row { key, .. }) = rows.rows.last() else { return Ok(Some(growing.finish(false))) };
            rest = rest.after(key);
        }
    }

    async fn rows(
        &self,
        source: Source<'_>,
        range: &RangeReq,
        view: Option<&View>,
    ) -> Result<Option<RangeResp>, Error> {
        let key = keys::table(source.id);
        let Some(view) = view else {
            return self.catalog.read_range(&self.db, &key, source.table, range.clone()).await;
        };
        let current = self.catalog.decode(&key, view.get(&key).await?.as_ref())?;
        if !Arc::ptr_eq(&current, source.table) {
            return Ok(None);
        }
        Ok(Some(view.range(range.clone()).await?))
    }
}

/// The item that an entry shows a part of.
async fn whole(view: &View, table: &Table, entry: &Item) -> Result<Option<Item>, Error> {
    let Some(key) = table.key.key_of(entry) else { return Ok(None) };
    item_of(view.get(&keys::item(table.number, &key)).await?.as_ref())
}

/// Refuses conditions of a filter, given in `parameter`, on the key of what is read.
pub(crate) fn check_filter(parameter: &str, filter: Option<&Condition>, source: Source<'_>) -> Result<(), Error> {
    let mut paths = filter.into_iter().flat_map(Condition::paths);
    match paths.find(|path| source.key().has(&path.attribute)) {
        Some(path) => Err(Error::invalid(format!(
            "{parameter} can only contain non-primary key attributes: Primary key attribute: {}",
            path.attribute
        ))),
        None => Ok(()),
    }
}
