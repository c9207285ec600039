//! `GetMetricData`.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cauce_core::{Call, Distribution, Timestamp, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::error::MetricsError;
use super::get_statistics::too_many_points;
use super::input::{self, DimensionInput, checked_dimensions};
use super::label::{self, Properties};
use super::math::{
    self, EXPRESSION_STEPS_MAX, Expression, Grid, MathError, SEARCH_SERIES_MAX, Scope, Searched, Series, Value,
};
use super::name::MetricName;
use super::read::Window;
use super::service::Metrics;
use super::statistic::Statistic;
use super::tier::is_period;
use super::unit::Unit;

mod question;
mod results;

use question::{Asked, Question, Source};
use results::{MetricDataResult, page};

/// The most queries of one request.
pub const QUERIES_MAX: usize = 500;
/// The most points that are asked for, where the start is more than three hours ago, and the most that one answer has.
pub const RESULT_POINTS_MAX: usize = 100_800;
/// The most points that are asked for, where the start is within three hours.
const RECENT_POINTS_MAX: i64 = 180_000;
/// What that means, in seconds.
const RECENT_S: i64 = 3 * 3_600;
/// The longest expression, in characters.
const EXPRESSION_CHARS_MAX: usize = 2_048;
/// The period where no query has one, in seconds.
const PERIOD_DEFAULT_S: i64 = 300;

/// The request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetMetricData {
    metric_data_queries: Vec<MetricDataQuery>,
    start_time: Timestamp,
    end_time: Timestamp,
    next_token: Option<String>,
    scan_by: Option<String>,
    max_datapoints: Option<i64>,
    label_options: Option<LabelOptions>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LabelOptions {
    timezone: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDataQuery {
    id: String,
    metric_stat: Option<MetricStat>,
    expression: Option<String>,
    label: Option<String>,
    return_data: Option<bool>,
    period: Option<i64>,
    account_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricStat {
    metric: MetricInput,
    period: i64,
    stat: String,
    unit: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricInput {
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<DimensionInput>,
}

impl Input for GetMetricData {
    fn validate(&self, v: &mut Violations) {
        for (at, query) in self.metric_data_queries.iter().enumerate().take(QUERIES_MAX) {
            v.within(format!("metricDataQueries.{}.member", at + 1), |v| query.validate(v));
        }
        if let Some(scan_by) = &self.scan_by {
            v.one_of("scanBy", scan_by, &["TimestampDescending", "TimestampAscending"]);
        }
    }
}

impl MetricDataQuery {
    fn validate(&self, v: &mut Violations) {
        v.length("id", &self.id, 1, input::NAME_CHARS_MAX);
        if let Some(expression) = &self.expression {
            v.length("expression", expression, 1, EXPRESSION_CHARS_MAX);
        }
        let Some(stat) = &self.metric_stat else { return };
        v.within("metricStat", |v| {
            v.within("metric", |v| {
                if let Some(namespace) = &stat.metric.namespace {
                    input::namespace(v, "namespace", namespace);
                }
                if let Some(name) = &stat.metric.metric_name {
                    v.length("metricName", name, 1, input::NAME_CHARS_MAX);
                }
                input::dimensions(v, &stat.metric.dimensions);
            });
            v.range("period", stat.period, 1, i64::from(i32::MAX));
            input::unit(v, stat.unit.as_deref());
        });
    }
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetMetricDataOutput {
    metric_data_results: Vec<MetricDataResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    messages: Vec<results::Message>,
}

/// A refusal of an expression, under the id of its query.
fn refused(id: &str, error: &MathError) -> MetricsError {
    MetricsError::validation(format!("Error in expression '{id}': {}", error.0))
}

/// Reads of one request, which together may ask for so many points.
struct Reads {
    points_left: i64,
    points_max: i64,
}

impl Reads {
    fn pay(&mut self, points: i64) -> Result<(), MetricsError> {
        self.points_left -= points;
        if self.points_left < 0 {
            let asked = self.points_max.saturating_sub(self.points_left);
            return Err(MetricsError::validation(too_many_points(asked, self.points_max)));
        }
        Ok(())
    }
}

impl Metrics {
    /// `GetMetricData`.
    pub(crate) async fn get_metric_data(
        self: Arc<Self>,
        call: Call,
        input: GetMetricData,
    ) -> Result<GetMetricDataOutput, MetricsError> {
        let now_s = self.env.now().as_secs();
        let question = Question::read(&call, &input)?;
        let recent = now_s - question.start_s <= RECENT_S;
        let points_max = if recent { RECENT_POINTS_MAX } else { RESULT_POINTS_MAX as i64 };
        let mut reads = Reads { points_left: points_max, points_max };
        let window = |period_s: i64| Window::new(question.start_s, question.end_s, now_s, period_s);
        let mut metrics: Vec<(String, Arc<Series>)> = Vec::new();
        for query in &question.queries {
            let Source::Metric { metric, statistic, text, period_s, unit } = &query.source else { continue };
            reads.pay(window(*period_s).periods())?;
            let series = self.series(metric, (*statistic, text.as_str()), window(*period_s), *unit).await?;
            metrics.push((query.id.clone(), Arc::new(series)));
        }
        let searched = self.search(&call, &question, &mut reads, now_s).await?;
        let period_s = question.period_s();
        let first = window(period_s);
        let grid = Grid { start_s: first.start_s, end_s: first.end_s, period_s };
        let values = values(&question, &metrics, &searched, grid)?;
        let labelled = question.queries.iter().filter(|query| query.returned).map(|query| {
            let value = values.get(&query.id).ok_or_else(|| MetricsError::validation("A query has no value"))?;
            Ok(series_of(query, value)?.into_iter().map(|series| (query, series)).collect::<Vec<_>>())
        });
        let labelled: Vec<(&Asked, Arc<Series>)> = labelled.collect::<Result<Vec<_>, MetricsError>>()?.concat();
        let results = labelled.into_iter().map(|(query, series)| {
            let label = self.label(&call, query, &series, &question);
            MetricDataResult::new(&query.id, label, &series, question.descending)
        });
        let (metric_data_results, next_token) = page(results.collect(), &question)?;
        Ok(GetMetricDataOutput { metric_data_results, next_token, messages: Vec::new() })
    }

    /// A metric's statistic in a window.
    async fn series(
        &self,
        metric: &MetricName,
        (statistic, text): (Statistic, &str),
        window: Window,
        unit: Option<Unit>,
    ) -> Result<Series, MetricsError> {
        let mut points: Vec<(i64, f64)> = Vec::new();
        if let Some(known) = self.registry.get(metric) {
            let mut merged: Vec<(i64, Distribution)> = Vec::new();
            // Units lie side by side, and only a request for one of them tells them apart.
            for ((at_s, _), samples) in self.periods(&known, window, unit).await? {
                match merged.last_mut().filter(|(last_s, _)| *last_s == at_s) {
                    Some((_, before)) => before.merge(&samples),
                    None => merged.push((at_s, samples)),
                }
            }
            points = merged.iter().filter_map(|(at_s, samples)| Some((*at_s, statistic.of(samples)?))).collect();
        }
        let mut series = Series::new(&metric.name, window.period_s, points);
        series.source = Some(Arc::new((metric.clone(), text.to_owned())));
        Ok(series)
    }

    /// What the searches of a request find.
    async fn search(
        &self,
        call: &Call,
        question: &Question,
        reads: &mut Reads,
        now_s: i64,
    ) -> Result<Vec<Searched>, MetricsError> {
        let mut searched: Vec<Searched> = Vec::new();
        for (query, search) in question.searches()? {
            if searched.iter().any(|known| known.query == query) {
                continue;
            }
            let statistic = Statistic::parse(&query.statistic).ok_or_else(|| {
                MetricsError::validation(format!("The value {} for parameter Stat is not supported.", query.statistic))
            })?;
            let period_s = query.period_s.unwrap_or_else(|| question.period_s());
            if !is_period(period_s) {
                return Err(MetricsError::validation(format!("{period_s} is not a valid period")));
            }
            let place = (call.account, &call.region);
            let listed_since = now_s - 14 * 24 * 3_600;
            let found = self.registry.list(place, search.namespace(), None, SEARCH_SERIES_MAX, |name, known| {
                known.active_s() >= listed_since && search.finds(name)
            });
            let mut series = Vec::with_capacity(found.len());
            for (metric, _) in found {
                let window = Window::new(question.start_s, question.end_s, now_s, period_s);
                reads.pay(window.periods())?;
                let mut one = self.series(&metric, (statistic, &query.statistic), window, None).await?;
                // What was found is told apart by its dimensions.
                let dimensions = metric.dimensions.iter().map(|dimension| dimension.value.as_str());
                one.label = dimensions.chain([metric.name.as_str()]).collect::<Vec<_>>().join(" ");
                series.push(Arc::new(one));
            }
            searched.push(Searched { query, series });
        }
        Ok(searched)
    }

    fn label(&self, call: &Call, query: &Asked, series: &Series, question: &Question) -> String {
        let (default, many) = match &query.source {
            Source::Metric { .. } => (series.label.as_str(), false),
            Source::Expression(_) if query.many => (series.label.as_str(), true),
            Source::Expression(_) => (query.id.as_str(), false),
        };
        let Some(label) = &query.label else { return default.to_owned() };
        let property = |name: &str| {
            let source = series.source.as_deref();
            Some(match name {
                "AccountId" => call.account.to_string(),
                "Region" => call.region.to_string(),
                "Period" => series.period_s.to_string(),
                "Namespace" => source?.0.namespace.clone(),
                "MetricName" => source?.0.name.clone(),
                "Stat" => source?.1.clone(),
                other => source?.0.dimension(other.strip_prefix("Dim.")?)?.to_owned(),
            })
        };
        let properties =
            Properties { default, property: &property, offset_s: question.offset_s, now_s: question.end_s };
        let filled = label::fill(label, series, &properties);
        // Of many series under one label, each says which it is, unless the label does so itself.
        if many && !label.contains("${") && !default.is_empty() { format!("{filled} {default}") } else { filled }
    }
}

/// The value of every query.
fn values(
    question: &Question,
    metrics: &[(String, Arc<Series>)],
    searched: &[Searched],
    grid: Grid,
) -> Result<HashMap<String, Value>, MetricsError> {
    let mut values: HashMap<String, Value> =
        metrics.iter().map(|(id, series)| (id.clone(), Value::Series(Arc::clone(series)))).collect();
    let steps = Cell::new(EXPRESSION_STEPS_MAX);
    for (id, expression) in in_order(question)? {
        let scope = Scope { values: &values, metrics, searched, grid, steps: &steps };
        let value = math::evaluate(expression, &scope).map_err(|error| refused(id, &error))?;
        values.insert(id.to_owned(), value);
    }
    Ok(values)
}

/// The expressions, each after those that it names.
fn in_order(question: &Question) -> Result<Vec<(&str, &Expression)>, MetricsError> {
    let expressions = question.queries.iter().filter_map(|query| match &query.source {
        Source::Expression(expression) => Some((query.id.as_str(), expression)),
        Source::Metric { .. } => None,
    });
    let mut waiting: Vec<(&str, &Expression, BTreeSet<&str>)> =
        expressions.map(|(id, expression)| (id, expression, expression.ids())).collect();
    let of_expressions: BTreeSet<&str> = waiting.iter().map(|(id, ..)| *id).collect();
    waiting.iter_mut().for_each(|(_, _, ids)| ids.retain(|id| of_expressions.contains(id)));
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, _, ids)| ids.is_empty());
        if ready.is_empty() {
            let id = rest.first().map_or("", |(id, ..)| *id);
            return Err(refused(id, &MathError::new("The expression refers to itself")));
        }
        let done: BTreeSet<&str> = ready.iter().map(|(id, ..)| *id).collect();
        ordered.extend(ready.into_iter().map(|(id, expression, _)| (id, expression)));
        waiting = rest;
        waiting.iter_mut().for_each(|(_, _, ids)| ids.retain(|id| !done.contains(id)));
    }
    Ok(ordered)
}

/// The series of a query's value.
fn series_of(query: &Asked, value: &Value) -> Result<Vec<Arc<Series>>, MetricsError> {
    match value {
        Value::Series(series) => Ok(vec![Arc::clone(series)]),
        Value::Array(array) => Ok(array.clone()),
        other => {
            let message = format!("The expression must return a time series, but returns {}", other.kind());
            Err(refused(&query.id, &MathError::new(message)))
        }
    }
}
