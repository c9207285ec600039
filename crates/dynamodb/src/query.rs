//! Query.

use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, Violations};
use cauce_store::RangeReq;
use cauce_wire::Input;
use serde::Deserialize;

use crate::access::{Context, Expressions, ReadTold, Told};
use crate::capacity::Wanted;
use crate::error::Error;
use crate::expression::{
    Condition, ConditionalOperator, ExpressionKind, KeyCondition, KeyTest, LegacyConditions, Placeholders, Projection,
    legacy_conditions, legacy_key_conditions, legacy_projection, parse_condition, parse_key_condition,
    parse_projection, refuse_mixed,
};
use crate::key::{PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX};
use crate::keys;
use crate::model::KeyAttribute;
use crate::read::{Page, Reader, Reading, SELECTS, Select, Source, check_filter, projection_parameter, starting_key};
use crate::request::{self, Names, Values, table_id, validate_name, validate_table};
use crate::service::DynamoDb;
use crate::value::{AttributeValue, Given, Item};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Query {
    pub(crate) table_name: String,
    pub(crate) index_name: Option<String>,
    select: Option<String>,
    limit: Option<i64>,
    consistent_read: Option<bool>,
    scan_index_forward: Option<bool>,
    exclusive_start_key: Option<Given<Item>>,
    return_consumed_capacity: Option<String>,
    projection_expression: Option<String>,
    filter_expression: Option<String>,
    key_condition_expression: Option<String>,
    expression_attribute_names: Names,
    expression_attribute_values: Values,
    key_conditions: Option<LegacyConditions>,
    query_filter: Option<LegacyConditions>,
    attributes_to_get: Option<Vec<String>>,
    conditional_operator: Option<ConditionalOperator>,
}

/// The constraints that queries and scans share, in the order in which AWS tells of them.
pub(crate) fn validate_read(
    v: &mut Violations,
    (table, index): (&str, Option<&str>),
    (select, limit): (Option<&str>, Option<i64>),
    capacity: Option<&str>,
) {
    if let Some(limit) = limit {
        v.range("limit", limit, 1, i64::from(i32::MAX));
    }
    request::validate_capacity(v, capacity);
    if let Some(select) = select {
        v.one_of("select", select, &SELECTS);
    }
    validate_table(v, table);
    if let Some(index) = index {
        validate_name(v, "indexName", index);
    }
}

impl Input for Query {
    fn validate(&self, v: &mut Violations) {
        validate_read(
            v,
            (&self.table_name, self.index_name.as_deref()),
            (self.select.as_deref(), self.limit),
            self.return_consumed_capacity.as_deref(),
        );
        request::validate_attributes(v, self.attributes_to_get.as_ref());
        request::validate_filter(v, "queryFilter", self.query_filter.as_ref());
        request::validate_filter(v, "keyConditions", self.key_conditions.as_ref());
    }
}

/// The expressions of a query that use values.
const VALUED: [&str; 2] = ["FilterExpression", "KeyConditionExpression"];

/// What a query asks of keys, of items, and what it takes of them.
type Conditions = (KeyCondition, Option<Condition>, Option<Projection>);

impl Query {
    /// Refuses expressions beside the parameters of the time before.
    fn refuse_mixed(&self) -> Result<(), Error> {
        let legacy = [
            ("AttributesToGet", self.attributes_to_get.is_some()),
            ("QueryFilter", self.query_filter.is_some()),
            ("ConditionalOperator", self.conditional_operator.is_some()),
            // Beside other expressions, it is welcome.
            ("KeyConditions", self.key_conditions.is_some() && self.key_condition_expression.is_some()),
        ];
        let expressions = [
            ("ProjectionExpression", self.projection_expression.is_some()),
            ("FilterExpression", self.filter_expression.is_some()),
            ("KeyConditionExpression", self.key_condition_expression.is_some()),
        ];
        Ok(refuse_mixed(&legacy, &expressions)?)
    }

    fn conditions(self) -> Result<Conditions, Error> {
        let (names, values) = (self.expression_attribute_names, self.expression_attribute_values);
        let key = self.key_condition_expression.as_deref();
        let (filter, projection) = (self.filter_expression.as_deref(), self.projection_expression.as_deref());
        if key.or(filter).is_none() {
            match projection {
                None => Placeholders::refuse(names.as_ref(), values.as_ref(), &VALUED)?,
                Some(_) => Placeholders::refuse_values(values.as_ref(), &VALUED)?,
            }
        }
        let old_filter = legacy_conditions(self.query_filter, self.conditional_operator)?;
        let old_projection = self.attributes_to_get.map(legacy_projection).transpose()?;
        if key.is_none() && self.key_conditions.is_none() {
            return Err(Error::invalid(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
            ));
        }
        let mut placeholders = Placeholders::new(names, values)?;
        let key = key.map(|text| parse_key_condition(text, &mut placeholders)).transpose()?;
        let filter = filter.map(|text| parse_condition(ExpressionKind::Filter, text, &mut placeholders)).transpose()?;
        let projection = projection.map(|text| parse_projection(text, &mut placeholders)).transpose()?;
        placeholders.finish()?;
        let key = match key {
            Some(key) => key,
            None => legacy_key_conditions(self.key_conditions.unwrap_or_default())?,
        };
        Ok((key, filter.or(old_filter), projection.or(old_projection)))
    }
}

impl Told for Query {
    fn context(&self, tables: &DynamoDb, call: &Call) -> Context {
        let expressions = Expressions {
            key_condition: self.key_condition_expression.as_deref(),
            filter: self.filter_expression.as_deref(),
            projection: self.projection_expression.as_deref(),
            names: Some(&self.expression_attribute_names),
            values: Some(&self.expression_attribute_values),
            ..Expressions::default()
        };
        let read = ReadTold {
            source: (&self.table_name, self.index_name.as_deref()),
            select: self.select.as_deref(),
            capacity: self.return_consumed_capacity.as_deref(),
            key_conditions: self.key_conditions.as_ref(),
            filter: self.query_filter.as_ref(),
            attributes: self.attributes_to_get.as_ref(),
            expressions,
        };
        tables.read_context(call, &read)
    }
}

impl DynamoDb {
    pub(crate) async fn query(self: Arc<Self>, call: Call, mut input: Query) -> Result<Page, Error> {
        let id = table_id(&call, &input.table_name)?;
        input.refuse_mixed()?;
        let start = input.exclusive_start_key.take().map(starting_key).transpose()?;
        let projection = projection_parameter(input.projection_expression.as_ref(), input.attributes_to_get.as_ref());
        let select = Select::of(input.select.as_deref(), input.index_name.is_some(), projection)?;
        let filter_parameter = if input.query_filter.is_some() { "QueryFilter" } else { "Filter Expression" };
        let (limit, consistent) = (input.limit, input.consistent_read);
        let capacity = Wanted::of(input.return_consumed_capacity.as_deref());
        let (index, backward) = (input.index_name.clone(), input.scan_index_forward == Some(false));
        let (key_condition, filter, projection) = input.conditions()?;
        let reading = Reading {
            filter,
            projection,
            select,
            limit: limit.and_then(|limit| usize::try_from(limit).ok()),
            consistent,
            capacity,
        };
        loop {
            let table = self.catalog.table(&self.db, &keys::table(&id)).await?;
            let source = Source::of(&id, &table, index.as_deref(), consistent)?;
            let range = query_range(source, key_condition.clone(), start.as_ref(), backward)?;
            check_filter(filter_parameter, reading.filter.as_ref(), source)?;
            reading.check_paths(&table)?;
            if let Some(page) = self.page(source, range, &reading).await? {
                self.paged(&id, "Query", page.count, &page.spent);
                return Ok(page);
            }
        }
    }
}

/// The rows that a query reads.
pub(crate) fn query_range(
    source: Source<'_>,
    condition: KeyCondition,
    start: Option<&Item>,
    backward: bool,
) -> Result<RangeReq, Error> {
    let key = source.key();
    let typed = |attribute: &'_ KeyAttribute| attribute.kind.value_type();
    let sort = key.range.as_ref().map(|range| (range.name.as_str(), typed(range)));
    let (hash, test) = condition.on((&key.hash.name, typed(&key.hash)), sort)?;
    let hash_bytes = hash.key_bytes().ok_or_else(|| Error::invalid("Query key condition not supported"))?;
    if hash_bytes.len() > PARTITION_KEY_BYTES_MAX {
        return Err(Error::values(format!(
            "Size of hashkey has exceeded the maximum size limit of{PARTITION_KEY_BYTES_MAX} bytes"
        )));
    }
    let (first, end) = sort_range(source, &hash_bytes, test.clone())?;
    let mut range = RangeReq::new((first, end), 0);
    range.reverse = backward;
    let Some(start) = start else { return Ok(range) };
    let row = source.start(start, Reader::Query)?;
    let sort_value = key.range.as_ref().and_then(|range| start.get(&range.name));
    let message = match (test, sort_value) {
        (Some(test), Some(value)) if !test.holds(value) => {
            "The provided starting key does not match the range key predicate"
        }
        _ if start.get(&key.hash.name) == Some(&hash) => return Ok(range.after(&row)),
        (Some(_), Some(_)) => "The query can return at most one row and cannot be restarted",
        _ => "The provided starting key is outside query boundaries based on provided conditions",
    };
    Err(Error::invalid(message))
}

/// The part of a partition that a test of the sort key names.
fn sort_range(source: Source<'_>, hash: &[u8], test: Option<KeyTest>) -> Result<(Bytes, Bytes), Error> {
    let partition = || source.rows().partition(hash);
    let (first, end) = partition().all();
    let bytes = |value: &AttributeValue| {
        let bytes = value.key_bytes().ok_or_else(|| Error::invalid("Query key condition not supported"))?.into_owned();
        if bytes.len() > SORT_KEY_BYTES_MAX {
            return Err(Error::values(format!(
                "Aggregated size of all range keys has exceeded the size limit of {SORT_KEY_BYTES_MAX} bytes"
            )));
        }
        Ok(bytes)
    };
    Ok(match test {
        None => (first, end),
        Some(KeyTest::Equal(value)) => {
            let value = bytes(&value)?;
            (partition().at(&value), partition().behind(&value))
        }
        Some(KeyTest::Less(value)) => (first, partition().at(&bytes(&value)?)),
        Some(KeyTest::LessOrEqual(value)) => (first, partition().behind(&bytes(&value)?)),
        Some(KeyTest::Greater(value)) => (partition().behind(&bytes(&value)?), end),
        Some(KeyTest::GreaterOrEqual(value)) => (partition().at(&bytes(&value)?), end),
        Some(KeyTest::Between(lower, upper)) => (partition().at(&bytes(&lower)?), partition().behind(&bytes(&upper)?)),
        Some(KeyTest::BeginsWith(value)) => partition().beginning_with(&bytes(&value)?),
    })
}
