//! What services record themselves: meters, emptied once a second into the lane that `PutMetricData` uses.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::ports::{Meter, Metric, Metrics as MetricsPort};
use cauce_core::{Distribution, Timestamp};
use parking_lot::Mutex;

use super::exposition::Total;
use super::lane::Sample;
use super::name::{Dimension, MetricName};
use super::service::Metrics;
use super::unit::Unit;

/// How often meters are emptied, in microseconds: at whole seconds, so that what is taken belongs to the second before.
const FLUSH_EVERY_US: i64 = 1_000_000;
/// Samples that one commit takes.
const FLUSH_SAMPLES_MAX: usize = 1_000;

/// A meter and what it measures.
struct Metered {
    metric: Arc<MetricName>,
    unit: Unit,
    meter: Meter,
}

/// All meters in use, and what was recorded since the program began.
#[derive(Default)]
pub(crate) struct Recorder {
    meters: Mutex<Vec<Metered>>,
    totals: Mutex<Totals>,
}

type Totals = BTreeMap<(Arc<MetricName>, Unit), Total>;

impl Recorder {
    /// What was recorded since the last time. Meters that nobody holds any more go.
    fn take(&self, at_s: i64, max: usize) -> Vec<Sample> {
        let mut samples = Vec::new();
        self.meters.lock().retain(|metered| {
            // Whether it is idle is asked first: what is recorded afterwards nobody can record.
            let idle = metered.meter.is_idle();
            let distribution = metered.meter.take();
            if !distribution.is_empty() {
                samples.push(sample(metered, at_s, distribution));
            }
            !idle
        });
        let mut totals = self.totals.lock();
        for sample in &samples {
            totals.entry((Arc::clone(&sample.metric), sample.unit)).or_default().add(&sample.distribution);
        }
        // As many as there can be meters, whatever has come and gone.
        while totals.len() > max {
            totals.pop_first();
        }
        samples
    }

    /// What was recorded since the program began, but for what has not been taken yet.
    pub(crate) fn totals(&self) -> Totals {
        self.totals.lock().clone()
    }
}

fn sample(metered: &Metered, at_s: i64, distribution: Distribution) -> Sample {
    Sample { metric: Arc::clone(&metered.metric), at_s, fine: false, unit: metered.unit, distribution }
}

impl MetricsPort for Metrics {
    /// Beyond as many meters as there may be metrics, what is recorded is lost, with a warning in the log.
    fn meter(&self, metric: Metric) -> Meter {
        let meter = Meter::default();
        let dimensions = metric.dimensions.into_iter().map(|(name, value)| Dimension { name, value }).collect();
        let name = MetricName::new(metric.account, &metric.region, &metric.namespace, &metric.name, dimensions);
        let unit = Unit::named(metric.unit).unwrap_or(Unit::NONE);
        let mut meters = self.recorder.meters.lock();
        if meters.len() < self.options.metrics_max {
            meters.push(Metered { metric: Arc::new(name), unit, meter: meter.clone() });
        } else {
            tracing::warn!(metric = %name.name, max = self.options.metrics_max, "no room for another meter");
        }
        meter
    }
}

impl Metrics {
    /// Stores what services have recorded, as of `at`; returns when it is durable, or the log says why not.
    pub async fn flush(self: &Arc<Self>, at: Timestamp) {
        let samples = self.recorder.take(at.as_secs(), self.options.metrics_max);
        for part in samples.chunks(FLUSH_SAMPLES_MAX) {
            if let Err(cause) = self.add(part.to_vec()).await {
                tracing::warn!(%cause, samples = part.len(), "metrics of services are lost");
            }
        }
    }

    /// Stores once a second what services have recorded, until `shutdown` completes, and then once more.
    pub async fn flusher(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        tokio::pin!(shutdown);
        loop {
            let now = self.env.now();
            let left_us = FLUSH_EVERY_US - now.as_micros().rem_euclid(FLUSH_EVERY_US);
            let pause = Duration::from_micros(left_us.unsigned_abs());
            let ended = tokio::select! {
                biased;
                () = &mut shutdown => true,
                () = self.env.sleep(pause) => false,
            };
            // What is taken at the turn of a second was recorded before it.
            let second = Timestamp::from_secs(self.env.now().as_secs() - 1);
            self.flush(if ended { self.env.now() } else { second }).await;
            if ended {
                return;
            }
        }
    }
}
