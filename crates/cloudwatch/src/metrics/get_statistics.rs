//! `GetMetricStatistics`.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Timestamp, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::error::MetricsError;
use super::input::{self, DimensionInput, checked_dimensions};
use super::read::Window;
use super::service::Metrics;
use super::statistic::Statistic;
use super::tier::is_period;
use super::unit::Unit;

/// The most points of an answer.
const POINTS_MAX: i64 = 1_440;
/// The most statistics of one request.
const STATISTICS_MAX: usize = 5;
/// The most extended statistics of one request.
const EXTENDED_STATISTICS_MAX: usize = 10;
const STATISTICS: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];

/// The request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetMetricStatistics {
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<DimensionInput>,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    period: Option<i64>,
    #[serde(default)]
    statistics: Vec<String>,
    #[serde(default)]
    extended_statistics: Vec<String>,
    unit: Option<String>,
}

impl Input for GetMetricStatistics {
    fn validate(&self, v: &mut Violations) {
        if let Some(namespace) = &self.namespace {
            input::namespace(v, "namespace", namespace);
        }
        if let Some(name) = &self.metric_name {
            v.length("metricName", name, 1, input::NAME_CHARS_MAX);
        }
        input::dimensions(v, &self.dimensions);
        if let Some(period) = self.period {
            v.range("period", period, 1, i64::from(i32::MAX));
        }
        v.count("statistics", self.statistics.len(), 0, STATISTICS_MAX);
        v.count("extendedStatistics", self.extended_statistics.len(), 0, EXTENDED_STATISTICS_MAX);
        for (at, statistic) in self.statistics.iter().enumerate().take(STATISTICS_MAX) {
            v.within(format!("statistics.{}", at + 1), |v| v.one_of("member", statistic, &STATISTICS));
        }
        input::unit(v, self.unit.as_deref());
    }
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetMetricStatisticsOutput {
    label: String,
    datapoints: Vec<Datapoint>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Datapoint {
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_count: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum: Option<f64>,
    unit: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extended_statistics: BTreeMap<String, f64>,
}

/// A request that has been found right.
struct Question {
    namespace: String,
    name: String,
    window: Window,
    extended: Vec<(String, Statistic)>,
}

impl GetMetricStatistics {
    fn question(&self, now_s: i64) -> Result<Question, MetricsError> {
        let required = |name: &str| MetricsError::required(name);
        let namespace = self.namespace.clone().ok_or_else(|| required("Namespace"))?;
        let name = self.metric_name.clone().ok_or_else(|| required("MetricName"))?;
        let start_s = self.start_time.ok_or_else(|| required("StartTime"))?.as_secs();
        let end = self.end_time.ok_or_else(|| required("EndTime"))?;
        let period_s = self.period.ok_or_else(|| required("Period"))?;
        // A part of a second counts as its whole.
        let end_s = if end.as_micros() % 1_000_000 == 0 { end.as_secs() } else { end.as_secs().saturating_add(1) };
        if start_s >= end_s {
            let message = "The parameter StartTime must be less than the parameter EndTime.";
            return Err(MetricsError::value(message));
        }
        if !is_period(period_s) {
            let message = "The parameter Period must be a value in the set [1, 5, 10, 20, 30] or a multiple of 60.";
            return Err(MetricsError::value(message));
        }
        if self.statistics.is_empty() && self.extended_statistics.is_empty() {
            let message = "Must specify either Statistics or ExtendedStatistics";
            return Err(MetricsError::Combination(message.to_owned()));
        }
        if !self.statistics.is_empty() && !self.extended_statistics.is_empty() {
            return Err(MetricsError::Combination(MetricsError::exclusive("Statistics", "ExtendedStatistics")));
        }
        let extended = self.extended_statistics.iter().enumerate().map(|(at, text)| {
            let place = at + 1;
            let refused = || {
                let message =
                    format!("The value {text} for parameter ExtendedStatistics.member.{place} is not supported.");
                MetricsError::value(message)
            };
            Statistic::extended(text).map(|statistic| (text.clone(), statistic)).ok_or_else(refused)
        });
        let extended = extended.collect::<Result<Vec<_>, _>>()?;
        let asked = (end_s.saturating_sub(start_s).saturating_sub(1)) / period_s + 1;
        if asked > POINTS_MAX {
            return Err(MetricsError::Combination(too_many_points(asked, POINTS_MAX)));
        }
        Ok(Question { namespace, name, window: Window::new(start_s, end_s, now_s, period_s), extended })
    }
}

/// How AWS says that less is to be asked for.
pub(crate) fn too_many_points(asked: i64, max: i64) -> String {
    format!(
        "You have requested up to {asked} datapoints, which exceeds the limit of {max}. You may reduce the datapoints requested \
         by increasing Period, or decreasing the time range."
    )
}

impl Metrics {
    /// `GetMetricStatistics`.
    pub(crate) async fn get_metric_statistics(
        self: Arc<Self>,
        call: Call,
        input: GetMetricStatistics,
    ) -> Result<GetMetricStatisticsOutput, MetricsError> {
        let question = input.question(self.env.now().as_secs())?;
        let dimensions = checked_dimensions("", &input.dimensions)?;
        let metric = self.name(&call, &question.namespace, &question.name, dimensions);
        let unit = input.unit.as_deref().and_then(Unit::named);
        let periods = match self.registry.get(&metric) {
            Some(known) => self.periods(&known, question.window, unit).await?,
            None => BTreeMap::new(),
        };
        let asked = |name: &str| input.statistics.iter().any(|statistic| statistic == name);
        let datapoints = periods.iter().map(|((at_s, unit), samples)| {
            let value = |name: &str, statistic: Statistic| asked(name).then(|| statistic.of(samples)).flatten();
            let extended = question.extended.iter();
            Datapoint {
                timestamp: Timestamp::from_secs(*at_s),
                sample_count: value("SampleCount", Statistic::SampleCount),
                average: value("Average", Statistic::Average),
                sum: value("Sum", Statistic::Sum),
                minimum: value("Minimum", Statistic::Minimum),
                maximum: value("Maximum", Statistic::Maximum),
                unit: unit.name(),
                extended_statistics: extended
                    .filter_map(|(text, statistic)| Some((text.clone(), statistic.of(samples)?)))
                    .collect(),
            }
        });
        // What has none of the statistics that were asked for is no point.
        let datapoints =
            datapoints.filter(|point| !input.statistics.is_empty() || !point.extended_statistics.is_empty());
        Ok(GetMetricStatisticsOutput { label: question.name, datapoints: datapoints.collect() })
    }
}
