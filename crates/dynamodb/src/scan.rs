//! Scan.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::RangeReq;
use cauce_wire::Input;
use serde::Deserialize;

use crate::access::{Context, Expressions, ReadTold, Told};
use crate::capacity::Wanted;
use crate::error::Error;
use crate::expression::{
    ConditionalOperator, ExpressionKind, LegacyConditions, Placeholders, legacy_conditions, legacy_projection,
    parse_condition, parse_projection, refuse_mixed,
};
use crate::keys;
use crate::query::validate_read;
use crate::read::{Page, Reader, Reading, Select, Source, projection_parameter, starting_key};
use crate::request::{self, Names, Values, table_id};
use crate::service::DynamoDb;
use crate::value::{Given, Item};

/// The expressions of a scan that use values.
const VALUED: [&str; 1] = ["FilterExpression"];

/// The most segments of a parallel scan.
pub const SEGMENTS_MAX: i64 = 1_000_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Scan {
    pub(crate) table_name: String,
    pub(crate) index_name: Option<String>,
    select: Option<String>,
    limit: Option<i64>,
    consistent_read: Option<bool>,
    segment: Option<i64>,
    total_segments: Option<i64>,
    exclusive_start_key: Option<Given<Item>>,
    return_consumed_capacity: Option<String>,
    projection_expression: Option<String>,
    filter_expression: Option<String>,
    expression_attribute_names: Names,
    expression_attribute_values: Values,
    scan_filter: Option<LegacyConditions>,
    attributes_to_get: Option<Vec<String>>,
    conditional_operator: Option<ConditionalOperator>,
}

impl Input for Scan {
    fn validate(&self, v: &mut Violations) {
        validate_read(
            v,
            (&self.table_name, self.index_name.as_deref()),
            (self.select.as_deref(), self.limit),
            self.return_consumed_capacity.as_deref(),
        );
        request::validate_attributes(v, self.attributes_to_get.as_ref());
        request::validate_filter(v, "scanFilter", self.scan_filter.as_ref());
        if let Some(total) = self.total_segments {
            v.range("totalSegments", total, 1, SEGMENTS_MAX);
        }
        if let Some(segment) = self.segment {
            v.range("segment", segment, 0, SEGMENTS_MAX - 1);
        }
    }
}

/// The segment that a request means: which of how many.
fn segment(segment: Option<i64>, total: Option<i64>) -> Result<(u32, u32), Error> {
    match (segment, total) {
        (None, None) => Ok((0, 1)),
        (Some(_), None) => Err(Error::invalid(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        )),
        (None, Some(_)) => Err(Error::invalid(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        )),
        (Some(segment), Some(total)) if segment >= total => Err(Error::invalid(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is not \
             less than TotalSegments: {total}"
        ))),
        (Some(segment), Some(total)) => {
            Ok((u32::try_from(segment).unwrap_or_default(), u32::try_from(total).unwrap_or(1)))
        }
    }
}

impl Told for Scan {
    fn context(&self, tables: &DynamoDb, call: &Call) -> Context {
        let expressions = Expressions {
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
            key_conditions: None,
            filter: self.scan_filter.as_ref(),
            attributes: self.attributes_to_get.as_ref(),
            expressions,
        };
        tables.read_context(call, &read)
    }
}

impl DynamoDb {
    pub(crate) async fn scan(self: Arc<Self>, call: Call, input: Scan) -> Result<Page, Error> {
        let id = table_id(&call, &input.table_name)?;
        let legacy = [
            ("AttributesToGet", input.attributes_to_get.is_some()),
            ("ScanFilter", input.scan_filter.is_some()),
            ("ConditionalOperator", input.conditional_operator.is_some()),
        ];
        let expressions = [
            ("ProjectionExpression", input.projection_expression.is_some()),
            ("FilterExpression", input.filter_expression.is_some()),
        ];
        refuse_mixed(&legacy, &expressions)?;
        let start = input.exclusive_start_key.map(starting_key).transpose()?;
        let (segment, total) = segment(input.segment, input.total_segments)?;
        let projection = projection_parameter(input.projection_expression.as_ref(), input.attributes_to_get.as_ref());
        let select = Select::of(input.select.as_deref(), input.index_name.is_some(), projection)?;
        let (names, values) = (input.expression_attribute_names, input.expression_attribute_values);
        let (filter, projection);
        if expressions.iter().all(|(_, given)| !given) {
            Placeholders::refuse(names.as_ref(), values.as_ref(), &VALUED)?;
            filter = legacy_conditions(input.scan_filter, input.conditional_operator)?;
            projection = input.attributes_to_get.map(legacy_projection).transpose()?;
        } else {
            let text = input.filter_expression.as_deref();
            if text.is_none() {
                Placeholders::refuse_values(values.as_ref(), &VALUED)?;
            }
            let mut placeholders = Placeholders::new(names, values)?;
            filter = text.map(|text| parse_condition(ExpressionKind::Filter, text, &mut placeholders)).transpose()?;
            let text = input.projection_expression.as_deref();
            projection = text.map(|text| parse_projection(text, &mut placeholders)).transpose()?;
            placeholders.finish()?;
        }
        let reading = Reading {
            filter,
            projection,
            select,
            limit: input.limit.and_then(|limit| usize::try_from(limit).ok()),
            consistent: input.consistent_read,
            capacity: Wanted::of(input.return_consumed_capacity.as_deref()),
        };
        loop {
            let table = self.catalog.table(&self.db, &keys::table(&id)).await?;
            let source = Source::of(&id, &table, input.index_name.as_deref(), input.consistent_read)?;
            reading.check_paths(&table)?;
            let mut range = RangeReq::new(source.rows().segment(segment, total), 0);
            if let Some(start) = &start {
                let row = source.start(start, Reader::Scan)?;
                if row < range.start || row >= range.end {
                    return Err(Error::invalid(format!(
                        "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with \
                         correct Segment. TotalSegments: {total} Segment: {segment}"
                    )));
                }
                range = range.after(&row);
            }
            if let Some(page) = self.page(source, range, &reading).await? {
                self.paged(&id, "Scan", page.count, &page.spent);
                return Ok(page);
            }
        }
    }
}
