//! What a request asks for, found right.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use cauce_core::Call;
use regex_lite::Regex;

use super::super::math::{self, Expression, Query, Search};
use super::{
    GetMetricData, MathError, MetricDataQuery, MetricName, MetricStat, MetricsError, PERIOD_DEFAULT_S, QUERIES_MAX,
    RESULT_POINTS_MAX, Statistic, Unit, checked_dimensions, is_period, label, refused,
};

const ID_PATTERN: &str = "^[a-z][a-zA-Z0-9_]*$";
static ID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(ID_PATTERN).ok());

/// A query.
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) label: Option<String>,
    pub(super) returned: bool,
    pub(super) source: Source,
    /// Whether it may have many series.
    pub(super) many: bool,
    period_s: Option<i64>,
}

/// Where its points come from.
pub(super) enum Source {
    Metric { metric: MetricName, statistic: Statistic, text: String, period_s: i64, unit: Option<Unit> },
    Expression(Expression),
}

/// A whole request.
pub(super) struct Question {
    pub(super) queries: Vec<Asked>,
    pub(super) start_s: i64,
    pub(super) end_s: i64,
    pub(super) descending: bool,
    pub(super) points_max: usize,
    pub(super) offset_s: i64,
    pub(super) token: Option<String>,
    /// What makes this request another than others, for tokens.
    pub(super) fingerprint: u64,
}

impl Question {
    pub(super) fn read(call: &Call, input: &GetMetricData) -> Result<Question, MetricsError> {
        let (start, end) = (input.start_time, input.end_time);
        if start > end {
            return Err(MetricsError::validation("The parameter EndTime must be greater than StartTime."));
        }
        if start == end {
            return Err(MetricsError::validation("The parameter StartTime must not equal parameter EndTime."));
        }
        let given = &input.metric_data_queries;
        if given.is_empty() {
            return Err(MetricsError::validation("The parameter MetricDataQueries is required."));
        }
        if given.len() > QUERIES_MAX {
            let message = format!("The collection MetricDataQueries must not have a size greater than {QUERIES_MAX}.");
            return Err(MetricsError::validation(message));
        }
        let queries = given.iter().enumerate().map(|(at, query)| Asked::read(call, query, at + 1));
        let queries = queries.collect::<Result<Vec<_>, _>>()?;
        let ids: BTreeSet<&str> = queries.iter().map(|query| query.id.as_str()).collect();
        if ids.len() < queries.len() {
            let message = "The values for parameter id in MetricDataQueries are not unique.";
            return Err(MetricsError::validation(message));
        }
        if !queries.iter().any(|query| query.returned) {
            let message = "At least one of the MetricDataQueries must have ReturnData set to true.";
            return Err(MetricsError::validation(message));
        }
        let points_max = match input.max_datapoints {
            None => RESULT_POINTS_MAX,
            Some(max) => {
                usize::try_from(max).ok().filter(|max| (1..=RESULT_POINTS_MAX).contains(max)).ok_or_else(|| {
                    MetricsError::validation(format!("The value {max} for parameter MaxDatapoints is invalid."))
                })?
            }
        };
        let timezone = input.label_options.as_ref().and_then(|options| options.timezone.as_deref());
        let offset_s = match timezone {
            None => 0,
            Some(text) => label::offset_s(text).ok_or_else(|| {
                MetricsError::validation(format!("The value {text} for parameter LabelOptions.Timezone is invalid."))
            })?,
        };
        // A part of a second counts as its whole.
        let end_s = if end.as_micros() % 1_000_000 == 0 { end.as_secs() } else { end.as_secs().saturating_add(1) };
        let descending = input.scan_by.as_deref() != Some("TimestampAscending");
        let mut fingerprint = std::hash::DefaultHasher::new();
        let parts = (format!("{given:?}"), start.as_micros(), end.as_micros(), descending);
        std::hash::Hash::hash(&parts, &mut fingerprint);
        Ok(Question {
            queries,
            start_s: start.as_secs(),
            end_s,
            descending,
            points_max,
            offset_s,
            token: input.next_token.clone(),
            fingerprint: std::hash::Hasher::finish(&fingerprint),
        })
    }

    /// The period of what has none of its own: the shortest there is.
    pub(super) fn period_s(&self) -> i64 {
        self.queries.iter().filter_map(|query| query.period_s).min().unwrap_or(PERIOD_DEFAULT_S)
    }

    /// The searches of all expressions.
    pub(super) fn searches(&self) -> Result<Vec<(Query, Search)>, MetricsError> {
        let mut searches = Vec::new();
        for query in &self.queries {
            let Source::Expression(expression) = &query.source else { continue };
            for parts in expression.calls("SEARCH") {
                let read = || -> Result<(Query, Search), MathError> {
                    let search = Query::read(parts)?;
                    let parsed = Search::parse(&search.text)?;
                    Ok((search, parsed))
                };
                searches.push(read().map_err(|error| refused(&query.id, &error))?);
            }
        }
        Ok(searches)
    }
}

impl Asked {
    fn read(call: &Call, query: &MetricDataQuery, number: usize) -> Result<Asked, MetricsError> {
        let path = format!("MetricDataQueries.member.{number}.");
        if !ID.as_ref().is_some_and(|pattern| pattern.is_match(&query.id)) {
            let message = format!(
                "The value {} for parameter {path}Id is not matching the expected pattern {ID_PATTERN}.",
                query.id
            );
            return Err(MetricsError::validation(message));
        }
        if query.account_id.as_ref().is_some_and(|account| *account != call.account.to_string()) {
            return Err(MetricsError::Unsupported("Metrics of other accounts are not supported.".to_owned()));
        }
        let period = query.period.map(|period| checked_period(period, &format!("{path}Period"))).transpose()?;
        let source = match (&query.metric_stat, query.expression.as_deref()) {
            (Some(_), Some(_)) => {
                let both = MetricsError::exclusive(&format!("{path}Expression"), &format!("{path}MetricStat"));
                return Err(MetricsError::validation(both));
            }
            (None, None) => {
                let message = format!("The parameter {path}Expression or {path}MetricStat is required.");
                return Err(MetricsError::validation(message));
            }
            (Some(stat), None) => metric(call, stat, &format!("{path}MetricStat."))?,
            (None, Some(text)) => Source::Expression(expression(&query.id, text)?),
        };
        let period_s = match &source {
            Source::Metric { period_s, .. } => Some(*period_s),
            Source::Expression(_) => period,
        };
        let many = match &source {
            Source::Metric { .. } => false,
            Source::Expression(expression) => {
                !expression.calls("SEARCH").is_empty() || !expression.calls("METRICS").is_empty()
            }
        };
        let returned = query.return_data.unwrap_or(true);
        Ok(Asked { id: query.id.clone(), label: query.label.clone(), returned, source, many, period_s })
    }
}

fn checked_period(period_s: i64, path: &str) -> Result<i64, MetricsError> {
    if is_period(period_s) {
        return Ok(period_s);
    }
    let message = format!("The parameter {path} must be a value in the set [1, 5, 10, 20, 30] or a multiple of 60.");
    Err(MetricsError::validation(message))
}

fn metric(call: &Call, stat: &MetricStat, path: &str) -> Result<Source, MetricsError> {
    let required = |part: &str| MetricsError::validation(format!("The parameter {path}Metric.{part} is required."));
    let namespace = stat.metric.namespace.as_deref().ok_or_else(|| required("Namespace"))?;
    let name = stat.metric.metric_name.as_deref().ok_or_else(|| required("MetricName"))?;
    let dimensions = checked_dimensions(&format!("{path}Metric."), &stat.metric.dimensions);
    let dimensions = dimensions.map_err(|error| MetricsError::validation(error.to_string()))?;
    let period_s = checked_period(stat.period, &format!("{path}Period"))?;
    let statistic = Statistic::parse(&stat.stat).ok_or_else(|| {
        MetricsError::validation(format!("The value {} for parameter {path}Stat is not supported.", stat.stat))
    })?;
    Ok(Source::Metric {
        metric: MetricName::new(call.account, &call.region, namespace, name, dimensions),
        statistic,
        text: stat.stat.clone(),
        period_s,
        unit: stat.unit.as_deref().and_then(Unit::named),
    })
}

fn expression(id: &str, text: &str) -> Result<Expression, MetricsError> {
    if text.trim_start().get(..7).is_some_and(|start| start.eq_ignore_ascii_case("SELECT ")) {
        return Err(MetricsError::Unsupported("Metrics Insights queries are not supported.".to_owned()));
    }
    math::parse(text).map_err(|error| refused(id, &error))
}
