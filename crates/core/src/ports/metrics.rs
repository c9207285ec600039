//! Counting what happens: asked of `cloudwatch`, by every service that publishes metrics.
//!
//! A service resolves a [`Meter`] once for each of its resources and records into it: a lock that nobody else holds and a sum, some
//! tens of nanoseconds. Once a second the owner takes what was recorded and makes it durable, so what a kill takes away is at
//! most the last second of the services' own metrics. Recording never waits and never fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::{Account, Distribution, Region};

/// The most resources of one kind, in one account and region, whose meters are remembered; beyond them those not in use are
/// resolved anew.
pub const METER_SETS_MAX: usize = 10_000;

/// The most accounts and regions whose resources are remembered by one service; beyond them all are resolved anew.
pub const METER_PLACES_MAX: usize = 1_000;

/// A metric as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The account it belongs to.
    pub account: Account,
    /// The region.
    pub region: Region,
    /// For example `AWS/Lambda`.
    pub namespace: String,
    /// For example `Invocations`.
    pub name: String,
    /// Names and values.
    pub dimensions: Vec<(String, String)>,
    /// One of the units of CloudWatch, for example `Count`.
    pub unit: &'static str,
}

/// Records samples of one metric. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Distribution>>);

impl Meter {
    /// Records one value.
    pub fn record(&self, value: f64) {
        self.0.lock().add(value, 1.0);
    }

    /// Records a value that occurred so many times.
    pub fn record_times(&self, value: f64, times: f64) {
        self.0.lock().add(value, times);
    }

    /// Records that something happened.
    pub fn count(&self) {
        self.record(1.0);
    }

    /// Records how long something took, in milliseconds.
    pub fn record_ms(&self, took: Duration) {
        self.record(took.as_secs_f64() * 1_000.0);
    }

    /// Records whether something happened, as 1 or 0: the sum is a count, the average a rate.
    pub fn record_flag(&self, happened: bool) {
        self.record(f64::from(u8::from(happened)));
    }

    /// Takes what was recorded since the last time.
    pub fn take(&self) -> Distribution {
        std::mem::take(&mut *self.0.lock())
    }

    /// Whether nobody but the caller can record into it.
    pub fn is_idle(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// Gives out meters.
pub trait Metrics: Send + Sync + 'static {
    /// The meter of a metric: resolve it once, it costs a few allocations.
    fn meter(&self, metric: Metric) -> Meter;
}

/// Meters that nobody reads, for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetrics;

impl Metrics for NoMetrics {
    fn meter(&self, _metric: Metric) -> Meter {
        Meter::default()
    }
}

/// Meters that are read one by one, for tests.
#[derive(Clone, Default)]
pub struct KeptMetrics(Arc<Mutex<Vec<(Metric, Meter)>>>);

impl KeptMetrics {
    /// Takes what was recorded of a metric with exactly these dimensions, in any order; empty if nothing was.
    pub fn take(&self, name: &str, dimensions: &[(&str, &str)]) -> Distribution {
        let mut taken = Distribution::default();
        for (metric, meter) in self.0.lock().iter() {
            let known = |pair: &(&str, &str)| metric.dimensions.contains(&owned(pair));
            if metric.name == name && metric.dimensions.len() == dimensions.len() && dimensions.iter().all(known) {
                taken.merge(&meter.take());
            }
        }
        taken
    }
}

impl Metrics for KeptMetrics {
    fn meter(&self, metric: Metric) -> Meter {
        let meter = Meter::default();
        self.0.lock().push((metric, meter.clone()));
        meter
    }
}

/// Makes the meters of one namespace, account and region, and of a part of what they measure once it is [`within`].
///
/// [`within`]: MeterMaker::within
#[derive(Clone)]
pub struct MeterMaker {
    metrics: Arc<dyn Metrics>,
    namespace: &'static str,
    account: Account,
    region: Region,
    dimensions: Vec<(String, String)>,
}

fn owned(&(name, value): &(&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

impl MeterMaker {
    /// The meter of a metric with these dimensions, after those that all meters of this maker have.
    pub fn meter(&self, name: &str, unit: &'static str, dimensions: &[(&str, &str)]) -> Meter {
        self.metrics.meter(Metric {
            account: self.account,
            region: self.region.clone(),
            namespace: self.namespace.to_owned(),
            name: name.to_owned(),
            dimensions: self.dimensions.iter().cloned().chain(dimensions.iter().map(owned)).collect(),
            unit,
        })
    }

    /// A maker whose meters all have this dimension too.
    #[must_use]
    pub fn within(&self, name: &str, value: &str) -> MeterMaker {
        let mut within = self.clone();
        within.dimensions.push(owned(&(name, value)));
        within
    }
}

/// Makes the meters of a part by its name.
type MakeSet<T> = fn(&MeterMaker, &str) -> T;

/// The meters of the parts of something, resolved when a part is first met. `T` is a structure of [`Meter`]s, and of the parts of
/// that part. To find them again costs no allocation.
pub struct MeterParts<T> {
    maker: MeterMaker,
    make: MakeSet<T>,
    parts: RwLock<HashMap<Box<str>, Arc<T>>>,
}

impl<T> MeterParts<T> {
    /// None yet; `make` makes the meters of a part from its name.
    pub fn new(maker: MeterMaker, make: MakeSet<T>) -> MeterParts<T> {
        MeterParts { maker, make, parts: RwLock::default() }
    }

    /// The meters of a part.
    pub fn of(&self, part: &str) -> Arc<T> {
        if let Some(known) = self.parts.read().get(part) {
            return Arc::clone(known);
        }
        let made = Arc::new((self.make)(&self.maker, part));
        let mut parts = self.parts.write();
        if parts.len() >= METER_SETS_MAX {
            // Their meters live on where they are read until they are empty.
            parts.retain(|_, part| Arc::strong_count(part) > 1);
        }
        // Whoever was faster has made the one that counts.
        Arc::clone(parts.entry(part.into()).or_insert(made))
    }
}

/// The meters of all resources of a kind, by account, region and name.
pub struct MeterSets<T> {
    metrics: Arc<dyn Metrics>,
    namespace: &'static str,
    make: MakeSet<T>,
    places: RwLock<HashMap<(Account, Region), MeterParts<T>>>,
}

impl<T> MeterSets<T> {
    /// No sets yet; `make` makes one from the name of a resource.
    pub fn new(metrics: Arc<dyn Metrics>, namespace: &'static str, make: MakeSet<T>) -> MeterSets<T> {
        MeterSets { metrics, namespace, make, places: RwLock::default() }
    }

    /// The meters of a resource.
    pub fn of(&self, account: Account, region: &Region, resource: &str) -> Arc<T> {
        let place = (account, region.clone());
        if let Some(parts) = self.places.read().get(&place) {
            return parts.of(resource);
        }
        let maker = MeterMaker {
            metrics: Arc::clone(&self.metrics),
            namespace: self.namespace,
            account,
            region: region.clone(),
            dimensions: Vec::new(),
        };
        let mut places = self.places.write();
        if places.len() >= METER_PLACES_MAX {
            places.clear();
        }
        places.entry(place).or_insert_with(|| MeterParts::new(maker, self.make)).of(resource)
    }
}

impl<T> std::fmt::Debug for MeterParts<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeterParts").finish_non_exhaustive()
    }
}

impl<T> std::fmt::Debug for MeterSets<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeterSets").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::{METER_PLACES_MAX, METER_SETS_MAX, Meter, MeterParts, MeterSets, Metric, Metrics};
    use crate::{Account, Region};

    /// Remembers what was asked for.
    #[derive(Default)]
    struct Asked(Mutex<Vec<Metric>>);

    impl Metrics for Asked {
        fn meter(&self, metric: Metric) -> Meter {
            self.0.lock().push(metric);
            Meter::default()
        }
    }

    fn sets(asked: &Arc<Asked>) -> MeterSets<Meter> {
        MeterSets::new(asked.clone(), "AWS/Test", |maker, name| maker.meter("Calls", "Count", &[("Name", name)]))
    }

    #[test]
    fn a_resource_is_resolved_once() {
        let asked = Arc::new(Asked::default());
        let sets = sets(&asked);
        let region = Region::default();
        sets.of(Account::DEFAULT, &region, "a").record(2.0);
        sets.of(Account::DEFAULT, &region, "a").count();
        let taken = sets.of(Account::DEFAULT, &region, "a").take();
        assert_eq!((taken.count(), taken.sum()), (2.0, 3.0));
        assert!(sets.of(Account::DEFAULT, &region, "a").take().is_empty());
        sets.of(Account::DEFAULT, &Region::new("eu-west-1").unwrap(), "a").count();
        let asked = asked.0.lock();
        assert_eq!(asked.len(), 2);
        assert_eq!(
            (asked[0].namespace.as_str(), asked[0].name.as_str(), asked[0].unit),
            ("AWS/Test", "Calls", "Count")
        );
        assert_eq!(asked[0].dimensions, [("Name".to_owned(), "a".to_owned())]);
    }

    #[test]
    fn resources_without_end_are_forgotten() {
        let sets = sets(&Arc::default());
        let region = Region::default();
        let held = sets.of(Account::DEFAULT, &region, "held");
        for number in 0..METER_SETS_MAX + 1 {
            sets.of(Account::DEFAULT, &region, &number.to_string());
        }
        assert!(sets.places.read().values().map(|parts| parts.parts.read().len()).sum::<usize>() < METER_SETS_MAX);
        assert!(Arc::ptr_eq(&held, &sets.of(Account::DEFAULT, &region, "held")));
    }

    #[test]
    fn regions_without_end_are_forgotten() {
        let sets = sets(&Arc::default());
        for number in 0..METER_PLACES_MAX + 1 {
            sets.of(Account::DEFAULT, &Region::new(&format!("r-{number}")).unwrap(), "a").count();
        }
        assert!(sets.places.read().len() <= METER_PLACES_MAX);
    }

    #[test]
    fn parts_have_the_dimensions_of_the_whole() {
        let asked = Arc::new(Asked::default());
        let tables: MeterSets<MeterParts<Meter>> = MeterSets::new(asked.clone(), "AWS/Test", |maker, table| {
            MeterParts::new(maker.within("Table", table), |maker, index| {
                maker.meter("Units", "Count", &[("Index", index)])
            })
        });
        let region = Region::default();
        for index in ["i", "j", "i"] {
            tables.of(Account::DEFAULT, &region, "t").of(index).count();
        }
        assert_eq!(tables.of(Account::DEFAULT, &region, "t").of("i").take().count(), 2.0);
        let asked = asked.0.lock();
        let dimensions: Vec<String> = asked.iter().map(|metric| format!("{:?}", metric.dimensions)).collect();
        assert_eq!(dimensions, [r#"[("Table", "t"), ("Index", "i")]"#, r#"[("Table", "t"), ("Index", "j")]"#]);
    }
}
