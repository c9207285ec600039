//! `PutMetricData`.

use std::sync::Arc;

use cauce_core::{Call, Distribution, Timestamp, Violations};
use cauce_wire::Input;
use serde::Deserialize;

use super::error::MetricsError;
use super::input::{self, DimensionInput, Number};
use super::lane::Sample;
use super::name::MetricName;
use super::service::Metrics;
use super::unit::Unit;

/// The most metrics of one request.
const PUT_METRICS_MAX: usize = 1_000;
/// The most values of one metric in one request.
const VALUES_MAX: usize = 150;
/// How old a sample may be, in seconds.
const AGE_S_MAX: i64 = 14 * 24 * 3_600;
/// How far ahead of the clock a sample may be, in seconds.
const AHEAD_S_MAX: i64 = 2 * 3_600;
/// The largest value, either way: 2^360.
const VALUE_EXPONENT_MAX: i32 = 360;
/// Metrics of one request whose violations are listed.
const VIOLATIONS_MAX: usize = 10;

/// The request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutMetricData {
    pub(crate) namespace: Option<String>,
    metric_data: Option<Vec<MetricDatum>>,
    entity_metric_data: Option<Vec<serde::de::IgnoredAny>>,
}

/// One metric's part of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDatum {
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<DimensionInput>,
    timestamp: Option<Timestamp>,
    value: Option<Number>,
    statistic_values: Option<StatisticSet>,
    values: Option<Vec<Number>>,
    counts: Option<Vec<Number>>,
    unit: Option<String>,
    storage_resolution: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatisticSet {
    sample_count: Option<Number>,
    sum: Option<Number>,
    minimum: Option<Number>,
    maximum: Option<Number>,
}

impl Input for PutMetricData {
    fn validate(&self, v: &mut Violations) {
        if let Some(namespace) = &self.namespace {
            input::namespace(v, "namespace", namespace);
        }
        let is_bad = |datum: &MetricDatum| {
            let mut found = Violations::new();
            datum.validate(&mut found);
            !found.is_empty()
        };
        let bad = self.metric_data.iter().flatten().enumerate().filter(|(_, datum)| is_bad(datum));
        for (at, datum) in bad.take(VIOLATIONS_MAX) {
            v.within(format!("metricData.{}.member", at + 1), |v| datum.validate(v));
        }
    }
}

impl MetricDatum {
    fn validate(&self, v: &mut Violations) {
        if let Some(name) = &self.metric_name {
            v.length("metricName", name, 1, input::NAME_CHARS_MAX);
        }
        input::dimensions(v, &self.dimensions);
        input::unit(v, self.unit.as_deref());
        if let Some(resolution) = self.storage_resolution {
            v.range("storageResolution", resolution, 1, i64::from(i32::MAX));
        }
    }

    /// The samples of it. `path` is where it is.
    fn distribution(&self, path: &str) -> Result<Distribution, MetricsError> {
        let place = |part: &str| format!("{path}{part}");
        let values = self.values.as_deref().filter(|values| !values.is_empty());
        if self.value.is_some() && self.statistic_values.is_some() {
            let message = MetricsError::exclusive(&place("Value"), &place("StatisticValues"));
            return Err(MetricsError::Combination(message));
        }
        if self.value.is_some() && values.is_some() {
            return Err(MetricsError::value(MetricsError::exclusive(&place("Value"), &place("Values"))));
        }
        let mut all = Distribution::default();
        if let Some(value) = self.value {
            all.add(in_range(value, &place("Value"))?, 1.0);
        }
        if let Some(set) = &self.statistic_values {
            all.merge(&set.distribution(&place("StatisticValues."))?);
        }
        if let Some(values) = values {
            add_values(&mut all, values, self.counts.as_deref(), path)?;
        } else if self.counts.as_ref().is_some_and(|counts| !counts.is_empty()) {
            return Err(MetricsError::required(&place("Values")));
        }
        if self.value.is_none() && self.statistic_values.is_none() && values.is_none() {
            return Err(MetricsError::Missing("At least one of the parameters must be specified.".to_owned()));
        }
        Ok(all)
    }

    fn at_s(&self, path: &str, now: Timestamp) -> Result<i64, MetricsError> {
        let at_s = self.timestamp.unwrap_or(now).as_secs();
        let refused =
            |what: &str| Err(MetricsError::value(format!("The parameter {path}Timestamp must specify a time {what}.")));
        match at_s - now.as_secs() {
            ahead if ahead > AHEAD_S_MAX => refused("no more than two hours in the future"),
            ahead if ahead < -AGE_S_MAX => refused("within the past two weeks"),
            _ => Ok(at_s),
        }
    }
}

fn add_values(
    all: &mut Distribution,
    values: &[Number],
    counts: Option<&[Number]>,
    path: &str,
) -> Result<(), MetricsError> {
    let counts = counts.filter(|counts| !counts.is_empty());
    for (part, length) in [("Values", values.len()), ("Counts", counts.map_or(0, <[Number]>::len))] {
        if length > VALUES_MAX {
            return Err(MetricsError::collection(&format!("{path}{part}"), VALUES_MAX));
        }
    }
    if counts.is_some_and(|counts| counts.len() != values.len()) {
        let message = format!("The parameters {path}Values and {path}Counts must be of the same size.");
        return Err(MetricsError::value(message));
    }
    for (at, value) in values.iter().enumerate() {
        let value = in_range(*value, &format!("{path}Values"))?;
        let times = match counts.and_then(|counts| counts.get(at)) {
            None => 1.0,
            Some(times) if times.0 < 0.0 => return Err(MetricsError::invalid(times, &format!("{path}Counts"))),
            Some(times) => in_range(*times, &format!("{path}Counts"))?,
        };
        all.add(value, times);
    }
    Ok(())
}

impl StatisticSet {
    fn distribution(&self, path: &str) -> Result<Distribution, MetricsError> {
        let part = |name: &str, value: Option<Number>| {
            let place = format!("{path}{name}");
            in_range(value.ok_or_else(|| MetricsError::required(&place))?, &place)
        };
        let (count, sum) = (part("SampleCount", self.sample_count)?, part("Sum", self.sum)?);
        let (min, max) = (part("Minimum", self.minimum)?, part("Maximum", self.maximum)?);
        if count <= 0.0 {
            return Err(MetricsError::invalid(Number(count), &format!("{path}SampleCount")));
        }
        if min > max {
            let message = format!("The parameter {path}Minimum must be less than or equal to {path}Maximum.");
            return Err(MetricsError::value(message));
        }
        Ok(Distribution::of_statistics(count, sum, min, max))
    }
}

/// A number that is one, and not too large.
fn in_range(number: Number, place: &str) -> Result<f64, MetricsError> {
    match number.0 {
        n if n.is_finite() && n.abs() <= 2f64.powi(VALUE_EXPONENT_MAX) => Ok(n),
        _ => Err(MetricsError::invalid(number, place)),
    }
}

/// Whether it is for AWS alone to put metrics there.
fn is_reserved(namespace: &str) -> bool {
    namespace.starts_with("AWS/")
}

impl PutMetricData {
    fn samples(&self, call: &Call, now: Timestamp) -> Result<Vec<Sample>, MetricsError> {
        let namespace = self.namespace.as_deref().ok_or_else(|| MetricsError::required("Namespace"))?;
        if is_reserved(namespace) {
            return Err(MetricsError::invalid("AWS/", "Namespace"));
        }
        if !input::is_printable(namespace) {
            return Err(MetricsError::invalid(namespace, "Namespace"));
        }
        if self.entity_metric_data.as_ref().is_some_and(|data| !data.is_empty()) {
            let message = "The parameter EntityMetricData is not supported.";
            return Err(MetricsError::Unsupported(message.to_owned()));
        }
        let data = self.metric_data.as_deref().filter(|data| !data.is_empty());
        let data = data.ok_or_else(|| MetricsError::required("MetricData"))?;
        if data.len() > PUT_METRICS_MAX {
            return Err(MetricsError::collection("MetricData", PUT_METRICS_MAX));
        }
        let mut samples = Vec::with_capacity(data.len());
        for (at, datum) in data.iter().enumerate() {
            let path = format!("MetricData.member.{}.", at + 1);
            let place = || format!("{path}MetricName");
            let name = datum.metric_name.as_deref().ok_or_else(|| MetricsError::required(&place()))?;
            if !input::is_printable(name) {
                return Err(MetricsError::invalid(name, &place()));
            }
            let dimensions = input::checked_dimensions(&path, &datum.dimensions)?;
            let distribution = datum.distribution(&path)?;
            let fine = match datum.storage_resolution {
                None | Some(60) => false,
                Some(1) => true,
                Some(other) => return Err(MetricsError::invalid(other, &format!("{path}StorageResolution"))),
            };
            let metric = MetricName::new(call.account, &call.region, namespace, name, dimensions);
            samples.push(Sample {
                metric: Arc::new(metric),
                at_s: datum.at_s(&path, now)?,
                fine,
                unit: datum.unit.as_deref().and_then(Unit::named).unwrap_or(Unit::NONE),
                distribution,
            });
        }
        Ok(samples)
    }
}

impl Metrics {
    /// `PutMetricData`.
    pub(crate) async fn put_metric_data(self: Arc<Self>, call: Call, input: PutMetricData) -> Result<(), MetricsError> {
        let samples = input.samples(&call, self.env.now())?;
        self.add(samples).await
    }
}
