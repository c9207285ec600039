//! What is measured of functions. AWS: Lambda Developer Guide, *Types of metrics for Lambda functions*.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cauce_core::Arn;
use cauce_core::ports::{Meter, MeterSets, Metrics};

use crate::name::{FunctionName, FunctionRef};
use crate::service::Lambda;

/// The meters of all functions, once [`Lambda::measure`] has said where they are read.
pub(crate) type Meters = OnceLock<MeterSets<FunctionMeters>>;

/// One metric of a function: of all functions, of the function, and of what was invoked of it (`name` or `name:qualifier`).
#[derive(Debug)]
struct Levels(Vec<Meter>);

impl Levels {
    fn record(&self, value: f64) {
        self.0.iter().for_each(|meter| meter.record(value));
    }

    fn record_ms(&self, took: Duration) {
        self.0.iter().for_each(|meter| meter.record_ms(took));
    }

    fn record_flag(&self, happened: bool) {
        self.0.iter().for_each(|meter| meter.record_flag(happened));
    }
}

/// The meters of what is invoked.
#[derive(Debug)]
pub(crate) struct FunctionMeters {
    invocations: Levels,
    errors: Levels,
    throttles: Levels,
    duration_ms: Levels,
    concurrent: Levels,
    events_received: Levels,
    events_dropped: Levels,
    iterator_age_ms: Levels,
    event_age_ms: Levels,
    dead_letter_errors: Levels,
    destination_failures: Levels,
}

impl FunctionMeters {
    /// An invocation has run for so long, and may have failed.
    pub(crate) fn invoked(&self, duration: Duration, failed: bool) {
        self.invocations.record(1.0);
        self.errors.record_flag(failed);
        self.duration_ms.record_ms(duration);
    }

    /// There was no room for an invocation.
    pub(crate) fn throttled(&self) {
        self.throttles.record(1.0);
    }

    /// So many are under way.
    pub(crate) fn running(&self, count: u32) {
        self.concurrent.record(f64::from(count));
    }

    /// An event was taken for later.
    pub(crate) fn received(&self) {
        self.events_received.record(1.0);
    }

    /// A batch of a stream was sent whose last record is so old.
    pub(crate) fn followed(&self, age: Duration) {
        self.iterator_age_ms.record_ms(age);
    }

    /// An event has been tried, so long after it was taken.
    pub(crate) fn waited(&self, age: Duration) {
        self.event_age_ms.record_ms(age);
    }

    /// An event was given up.
    pub(crate) fn dropped(&self) {
        self.events_dropped.record(1.0);
    }
}

impl Lambda {
    /// Says where what is measured of functions is recorded; without it, nothing is.
    pub fn measure(&self, metrics: Arc<dyn Metrics>) {
        let sets = MeterSets::new(metrics, "AWS/Lambda", |maker, resource| {
            let function = resource.split(':').next().unwrap_or_default();
            let levels = |name: &str, unit: &'static str| {
                let all = maker.meter(name, unit, &[]);
                let own = maker.meter(name, unit, &[("FunctionName", function)]);
                let invoked = maker.meter(name, unit, &[("FunctionName", function), ("Resource", resource)]);
                Levels(vec![all, own, invoked])
            };
            FunctionMeters {
                invocations: levels("Invocations", "Count"),
                errors: levels("Errors", "Count"),
                throttles: levels("Throttles", "Count"),
                duration_ms: levels("Duration", "Milliseconds"),
                concurrent: levels("ConcurrentExecutions", "Count"),
                events_received: levels("AsyncEventsReceived", "Count"),
                events_dropped: levels("AsyncEventsDropped", "Count"),
                iterator_age_ms: levels("IteratorAge", "Milliseconds"),
                event_age_ms: levels("AsyncEventAge", "Milliseconds"),
                dead_letter_errors: levels("DeadLetterErrors", "Count"),
                destination_failures: levels("DestinationDeliveryFailures", "Count"),
            }
        });
        if self.meters.set(sets).is_err() {
            tracing::error!("where functions are measured was said twice");
        }
    }

    /// Counts that what followed from an event could not be delivered: to the function's dead-letter queue, or to its destination.
    pub fn undelivered(&self, function: &Arn, letter: bool) {
        if let Some(meters) = self.meters_of(function.as_str()) {
            let failed = if letter { &meters.dead_letter_errors } else { &meters.destination_failures };
            failed.record(1.0);
        }
    }

    /// The meters of what an ARN invokes.
    pub(crate) fn meters_of(&self, invoked: &str) -> Option<Arc<FunctionMeters>> {
        let meters = self.meters.get()?;
        let arn: Arn = invoked.parse().ok()?;
        let FunctionName { account, region, .. } = FunctionRef::from_arn(&arn)?.function;
        Some(meters.of(account, &region, arn.resource().strip_prefix("function:")?))
    }
}
