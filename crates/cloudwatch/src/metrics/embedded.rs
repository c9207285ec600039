//! Embedded metrics: log events that say of themselves which of their members are metrics. AWS: *CloudWatch User Guide*,
//! "Specification: Embedded metric format".

use std::sync::Arc;

use cauce_core::{Account, Distribution, Region};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::MetricsError;
use super::input::{DIMENSION_VALUE_CHARS_MAX, DIMENSIONS_MAX, NAME_CHARS_MAX, is_printable};
use super::lane::Sample;
use super::name::{Dimension, MetricName};
use super::service::Metrics;
use super::unit::Unit;

/// The longest event that is looked into, in bytes.
const EVENT_BYTES_MAX: usize = 1_048_576;
/// The most metrics of one directive.
const METRICS_MAX: usize = 100;
/// The most directives of one event, and the most sets of dimensions of one directive.
const SETS_MAX: usize = 100;
/// The most values of one metric.
const VALUES_MAX: usize = 100;
/// The most samples of one event.
const SAMPLES_MAX: usize = 1_000;
/// How old a sample may be, in seconds.
const AGE_S_MAX: i64 = 14 * 24 * 3_600;
/// How far ahead of the clock a sample may be, in seconds.
const AHEAD_S_MAX: i64 = 2 * 3_600;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: String,
    dimensions: Vec<Vec<String>>,
    metrics: Vec<Definition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: String,
    unit: Option<String>,
    storage_resolution: Option<i64>,
}

impl Metrics {
    /// Stores the metrics that are embedded in log events; returns when they are durable.
    ///
    /// # Errors
    /// [`MetricsError::TooManyMetrics`], or the store refuses.
    pub(crate) async fn add_embedded(
        self: &Arc<Self>,
        account: Account,
        region: &Region,
        texts: impl Iterator<Item = &str>,
    ) -> Result<(), MetricsError> {
        let now_s = self.env.now().as_secs();
        let mut samples = Vec::new();
        for text in texts {
            samples.extend(self::samples(account, region, text, now_s));
            if samples.len() >= SAMPLES_MAX {
                self.add(std::mem::take(&mut samples)).await?;
            }
        }
        self.add(samples).await
    }
}

/// The samples in a log event. An event that is no such document, or breaks its rules, has none; it stays a log event.
pub(crate) fn samples(account: Account, region: &Region, text: &str, now_s: i64) -> Vec<Sample> {
    // Nearly all events end here.
    if !text.starts_with('{')
        || text.len() > EVENT_BYTES_MAX
        || memchr::memmem::find(text.as_bytes(), b"\"_aws\"").is_none()
    {
        return Vec::new();
    }
    let Ok(mut members) = serde_json::from_str::<Map<String, Value>>(text) else { return Vec::new() };
    let metadata = members.remove("_aws").map(serde_json::from_value::<Metadata>);
    let Some(Ok(metadata)) = metadata else { return Vec::new() };
    let at_s = metadata.timestamp.div_euclid(1_000);
    if metadata.cloud_watch_metrics.len() > SETS_MAX || at_s < now_s - AGE_S_MAX || at_s > now_s + AHEAD_S_MAX {
        return Vec::new();
    }
    let mut samples = Vec::new();
    for directive in &metadata.cloud_watch_metrics {
        samples.extend(directive.samples(account, region, &members, at_s).unwrap_or_default());
    }
    samples.truncate(SAMPLES_MAX);
    samples
}

impl Directive {
    /// None if the directive breaks a rule.
    fn samples(
        &self,
        account: Account,
        region: &Region,
        members: &Map<String, Value>,
        at_s: i64,
    ) -> Option<Vec<Sample>> {
        let is_name = |name: &str| is_printable(name) && name.len() <= NAME_CHARS_MAX;
        let of_aws = self.namespace.starts_with("AWS/") || self.namespace.starts_with(':');
        if of_aws || !is_name(&self.namespace) || self.metrics.len() > METRICS_MAX || self.dimensions.len() > SETS_MAX {
            return None;
        }
        let sets = self.dimensions.iter().map(|names| dimensions(names, members)).collect::<Option<Vec<_>>>()?;
        let mut samples = Vec::new();
        for definition in &self.metrics {
            let unit = match definition.unit.as_deref() {
                None => Unit::NONE,
                Some(name) => Unit::named(name)?,
            };
            let fine = match definition.storage_resolution {
                None | Some(60) => false,
                Some(1) => true,
                Some(_) => return None,
            };
            if !is_name(&definition.name) {
                return None;
            }
            let Some(distribution) = members.get(&definition.name).and_then(values) else { continue };
            for set in &sets {
                let metric = MetricName::new(account, region, &self.namespace, &definition.name, set.clone());
                let distribution = distribution.clone();
                samples.push(Sample { metric: Arc::new(metric), at_s, fine, unit, distribution });
            }
        }
        Some(samples)
    }
}

/// The dimensions that a set names, with the values that the event has of them.
fn dimensions(names: &[String], members: &Map<String, Value>) -> Option<Vec<Dimension>> {
    if names.len() > DIMENSIONS_MAX {
        return None;
    }
    let mut dimensions: Vec<Dimension> = Vec::with_capacity(names.len());
    for name in names {
        let value = members.get(name).and_then(Value::as_str)?;
        let good = is_printable(name) && is_printable(value) && value.len() <= DIMENSION_VALUE_CHARS_MAX;
        if !good || name.len() > NAME_CHARS_MAX || dimensions.iter().any(|known| known.name == *name) {
            return None;
        }
        dimensions.push(Dimension { name: name.clone(), value: value.to_owned() });
    }
    Some(dimensions)
}

/// A number, or a list of them.
fn values(value: &Value) -> Option<Distribution> {
    let mut distribution = Distribution::default();
    match value {
        Value::Number(number) => distribution.add(number.as_f64()?, 1.0),
        Value::Array(list) if (1..=VALUES_MAX).contains(&list.len()) => {
            for value in list {
                distribution.add(value.as_f64()?, 1.0);
            }
        }
        _ => return None,
    }
    (!distribution.is_empty()).then_some(distribution)
}

#[cfg(test)]
mod tests {
    use cauce_core::{Account, Region};
    use proptest::prelude::proptest;
    use serde_json::json;

    use super::samples;

    const NOW: i64 = 1_800_000_000;

    /// Name, values of dimensions, sum, count, unit, whether it is of high resolution.
    type Shown = (String, Vec<String>, f64, f64, &'static str, bool);

    fn read(text: &str) -> Vec<Shown> {
        let read = samples(Account::DEFAULT, &Region::default(), text, NOW);
        read.into_iter()
            .map(|sample| {
                assert_eq!(sample.at_s, NOW);
                let dimensions = sample.metric.dimensions.iter().map(|d| format!("{}={}", d.name, d.value)).collect();
                let name = format!("{}:{}", sample.metric.namespace, sample.metric.name);
                let (count, sum) = (sample.distribution.count(), sample.distribution.sum());
                (name, dimensions, count, sum, sample.unit.name(), sample.fine)
            })
            .collect()
    }

    fn event(directive: serde_json::Value) -> String {
        json!({
            "_aws": { "Timestamp": NOW * 1_000, "CloudWatchMetrics": [directive] },
            "service": "orders", "kind": "put", "ms": 12.5, "sizes": [1, 2, 3], "note": "x",
        })
        .to_string()
    }

    #[test]
    fn events_have_metrics() {
        let text = event(json!({
            "Namespace": "shop",
            "Dimensions": [["service"], ["service", "kind"], []],
            "Metrics": [{ "Name": "ms", "Unit": "Milliseconds" }, { "Name": "absent" }],
        }));
        let metric = |dimensions: &[&str]| {
            let dimensions = dimensions.iter().map(|d| (*d).to_owned()).collect();
            ("shop:ms".to_owned(), dimensions, 1.0, 12.5, "Milliseconds", false)
        };
        let expect = [metric(&["service=orders"]), metric(&["kind=put", "service=orders"]), metric(&[])];
        assert_eq!(read(&text), expect);
        let text = event(json!({
            "Namespace": "shop", "Dimensions": [[]], "Metrics": [{ "Name": "sizes", "StorageResolution": 1 }],
        }));
        assert_eq!(read(&text), [("shop:sizes".to_owned(), vec![], 3.0, 6.0, "None", true)]);
    }

    #[test]
    fn what_breaks_the_rules_has_none() {
        let good = json!({ "Namespace": "n", "Dimensions": [[]], "Metrics": [{ "Name": "ms" }] });
        assert_eq!(read(&event(good.clone())).len(), 1);
        let with = |name: &str, value: serde_json::Value| {
            let mut bad = good.clone();
            bad[name] = value;
            event(bad)
        };
        for bad in [
            with("Namespace", json!("AWS/Lambda")),
            with("Namespace", json!("")),
            with("Namespace", json!(5)),
            with("Dimensions", json!([["absent"]])),
            with("Dimensions", json!([["ms"]])),
            with("Dimensions", json!([vec!["service"; 31]])),
            with("Dimensions", json!("service")),
            with("Metrics", json!([{ "Name": "note" }])),
            with("Metrics", json!([{ "Name": "ms", "Unit": "Furlongs" }])),
            with("Metrics", json!([{ "Name": "ms", "StorageResolution": 7 }])),
            with("Metrics", json!(vec![json!({ "Name": "ms" }); 101])),
            event(good.clone()).replace("1800000000000", "1"),
            event(good.clone()).replace("_aws", "aws"),
            format!("x{}", event(good.clone())),
            event(good.clone()).replace('}', ""),
        ] {
            assert_eq!(read(&bad), [], "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_event_makes_it_fail_badly(text in "\\{\"_aws\":[ -~]{0,60}") {
            let _ = read(&text);
        }
    }
}
