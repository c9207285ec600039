//! Counting what happens: asked of `cloudwatch`, by every service that publishes metrics.
//!
//! A service resolves a [`Meter`] once for each of its resources and records into it: a lock that nobody else holds and a sum, some
//! tens of nanoseconds. Once a second the owner takes what was recorded and makes it durable, so what a kill takes away is at
//! most the last second of the services' own metrics. Recording never waits and never fails.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::{Account, Distribution, Region};

/// The most resources of one service whose meters are remembered; beyond them those not in use are resolved anew.
pub const METER_SETS_MAX: usize = 10_000;

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

/// Makes the meters of one namespace, account and region.
pub struct MeterMaker<'a> {
    metrics: &'a dyn Metrics,
    namespace: &'static str,
    account: Account,
    region: &'a Region,
}

impl MeterMaker<'_> {
    /// The meter of a metric with these dimensions.
    pub fn meter(&self, name: &str, unit: &'static str, dimensions: &[(&str, &str)]) -> Meter {
        self.metrics.meter(Metric {
            account: self.account,
            region: self.region.clone(),
            namespace: self.namespace.to_owned(),
            name: name.to_owned(),
            dimensions: dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            unit,
        })
    }
}

/// Makes the meters of a resource by its name.
type MakeSet<T> = fn(&MeterMaker<'_>, &str) -> T;
/// Sets by account and region, then by the name of the resource.
type Sets<T> = HashMap<(Account, Region), HashMap<Box<str>, Arc<T>>>;

/// The meters of all resources of a kind, resolved when a resource is first met. `T` is a structure of [`Meter`]s.
pub struct MeterSets<T> {
    metrics: Arc<dyn Metrics>,
    namespace: &'static str,
    make: MakeSet<T>,
    sets: RwLock<Sets<T>>,
}

impl<T> MeterSets<T> {
    /// No sets yet; `make` makes one from the name of a resource.
    pub fn new(metrics: Arc<dyn Metrics>, namespace: &'static str, make: MakeSet<T>) -> MeterSets<T> {
        MeterSets { metrics, namespace, make, sets: RwLock::default() }
    }

    /// The meters of a resource.
    pub fn of(&self, account: Account, region: &Region, resource: &str) -> Arc<T> {
        let place = (account, region.clone());
        if let Some(set) = self.sets.read().get(&place).and_then(|sets| sets.get(resource)) {
            return Arc::clone(set);
        }
        let maker = MeterMaker { metrics: &*self.metrics, namespace: self.namespace, account, region };
        let set = Arc::new((self.make)(&maker, resource));
        let mut sets = self.sets.write();
        if sets.values().map(HashMap::len).sum::<usize>() >= METER_SETS_MAX {
            // Their meters live on where they are read until they are empty.
            sets.values_mut().for_each(|sets| sets.retain(|_, set| Arc::strong_count(set) > 1));
        }
        // Whoever was faster has made the one that counts.
        Arc::clone(sets.entry(place).or_default().entry(resource.into()).or_insert(set))
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

    use super::{METER_SETS_MAX, Meter, MeterSets, Metric, Metrics};
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
        assert!(sets.sets.read().values().map(|sets| sets.len()).sum::<usize>() < METER_SETS_MAX);
        assert!(Arc::ptr_eq(&held, &sets.of(Account::DEFAULT, &region, "held")));
    }
}
