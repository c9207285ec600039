//! What services have recorded since the program began, as Prometheus reads it: text exposition format 0.0.4.
//!
//! `AWS/Lambda` `Invocations` in `Count` is the counter `cauce_aws_lambda_invocations_total`; what is measured in another unit is
//! a summary without quantiles, `cauce_aws_lambda_duration_milliseconds_sum` and `..._count`; what is looked at now and then is a
//! gauge without an ending. Dimensions are labels, beside `account` and `region`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use cauce_core::Distribution;

use super::name::MetricName;
use super::service::Metrics;
use super::unit::Unit;

/// The content type of [`Metrics::exposition`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What was recorded of a metric since the program began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Total {
    count: f64,
    sum: f64,
    /// The largest value of the last second that had one.
    last: f64,
}

impl Total {
    pub(crate) fn add(&mut self, samples: &Distribution) {
        self.count += samples.count();
        self.sum += samples.sum();
        self.last = samples.max();
    }
}

/// What kind of figure a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Summary,
}

fn kind(name: &str, unit: Unit) -> Kind {
    if name.starts_with("Approximate") || name.ends_with("ConcurrentExecutions") {
        Kind::Gauge
    } else if unit.name() == "Count" {
        Kind::Counter
    } else {
        Kind::Summary
    }
}

/// A name in small letters with underscores: `ConsumedReadCapacityUnits` is `consumed_read_capacity_units`.
fn snake(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before_small = false;
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() {
            out.push('_');
        } else {
            if c.is_ascii_uppercase() && before_small {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        }
        before_small = c.is_ascii_lowercase();
    }
    out
}

fn family(name: &MetricName, unit: Unit) -> (String, Kind) {
    let kind = kind(&name.name, unit);
    // An acronym before the name of the service is one word.
    let namespace = name.namespace.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let base = format!("cauce_{namespace}_{}", snake(&name.name));
    let named = match (kind, unit.name()) {
        (Kind::Counter, _) => format!("{base}_total"),
        (_, "Count" | "None") => base,
        (_, unit) => format!("{base}_{}", snake(unit)),
    };
    (named, kind)
}

fn labels(name: &MetricName) -> String {
    let mut out = format!("account=\"{}\",region=\"{}\"", name.account, name.region);
    for dimension in &name.dimensions {
        let value = dimension.value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        // Writing to a string cannot fail.
        let _ = write!(out, ",{}=\"{value}\"", snake(&dimension.name));
    }
    out
}

/// A number as Prometheus reads it: whole ones without a fraction.
fn number(n: f64) -> String {
    format!("{n}")
}

/// The whole text of some totals.
fn text(totals: &BTreeMap<(Arc<MetricName>, Unit), Total>) -> String {
    let mut families: BTreeMap<String, (Kind, Vec<String>)> = BTreeMap::new();
    for ((name, unit), total) in totals {
        let (family, kind) = family(name, *unit);
        let labels = labels(name);
        let lines = &mut families.entry(family.clone()).or_insert((kind, Vec::new())).1;
        match kind {
            Kind::Counter => lines.push(format!("{family}{{{labels}}} {}", number(total.sum))),
            Kind::Gauge => lines.push(format!("{family}{{{labels}}} {}", number(total.last))),
            Kind::Summary => {
                lines.push(format!("{family}_sum{{{labels}}} {}", number(total.sum)));
                lines.push(format!("{family}_count{{{labels}}} {}", number(total.count)));
            }
        }
    }
    let mut out = String::new();
    for (family, (kind, lines)) in families {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        let _ = writeln!(out, "# TYPE {family} {kind}");
        for line in lines {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

impl Metrics {
    /// What services have recorded since the program began, but for the last second, as Prometheus reads it.
    pub fn exposition(&self) -> String {
        text(&self.recorder.totals())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use cauce_core::{Account, Distribution, Region};

    use super::{Total, text};
    use crate::metrics::name::{Dimension, MetricName};
    use crate::metrics::unit::Unit;

    #[test]
    fn prometheus_reads_it() {
        let mut totals = BTreeMap::new();
        let mut put = |namespace: &str, name: &str, unit: &str, value: &str, samples: &[f64]| {
            let dimensions = vec![Dimension { name: "QueueName".to_owned(), value: value.to_owned() }];
            let name = MetricName::new(Account::DEFAULT, &Region::default(), namespace, name, dimensions);
            let mut total = Total::default();
            samples.iter().for_each(|value| total.add(&Distribution::of(*value, 1.0)));
            totals.insert((Arc::new(name), Unit::named(unit).unwrap()), total);
        };
        put("AWS/SQS", "NumberOfMessagesSent", "Count", "q", &[1.0, 2.0]);
        put("AWS/SQS", "NumberOfMessagesSent", "Count", "a\"b\\", &[1.5]);
        put("AWS/SQS", "SentMessageSize", "Bytes", "q", &[10.0, 20.0]);
        put("AWS/SQS", "ApproximateAgeOfOldestMessage", "Seconds", "q", &[7.0, 3.0]);
        put("AWS/ApiGateway", "4XXError", "Count", "q", &[1.0]);
        let place = "account=\"000000000000\",region=\"us-east-1\",queue_name=";
        let expect = format!(
            "# TYPE cauce_aws_apigateway_4xxerror_total counter\n\
             cauce_aws_apigateway_4xxerror_total{{{place}\"q\"}} 1\n\
             # TYPE cauce_aws_sqs_approximate_age_of_oldest_message_seconds gauge\n\
             cauce_aws_sqs_approximate_age_of_oldest_message_seconds{{{place}\"q\"}} 3\n\
             # TYPE cauce_aws_sqs_number_of_messages_sent_total counter\n\
             cauce_aws_sqs_number_of_messages_sent_total{{{place}\"a\\\"b\\\\\"}} 1.5\n\
             cauce_aws_sqs_number_of_messages_sent_total{{{place}\"q\"}} 3\n\
             # TYPE cauce_aws_sqs_sent_message_size_bytes summary\n\
             cauce_aws_sqs_sent_message_size_bytes_sum{{{place}\"q\"}} 30\n\
             cauce_aws_sqs_sent_message_size_bytes_count{{{place}\"q\"}} 2\n"
        );
        assert_eq!(text(&totals), expect);
    }
}
