//! All metrics, in memory: who they are and when they last had a sample.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use cauce_core::{Account, Region};
use cauce_store::{Db, RangeReq, Record, StoreError, decode_row};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use super::keys;
use super::name::{Dimension, MetricName};

/// Rows read at a time at the start.
const PAGE_ROWS: usize = 5_000;
/// How finely the last sample of a metric is remembered, in seconds: each change of it writes a row.
pub(crate) const ACTIVE_STEP_S: i64 = 15 * 60;

/// A metric as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MetricRecord {
    account: u64,
    region: String,
    namespace: String,
    name: String,
    dimensions: Vec<Dimension>,
    /// Whether it has ever been stored with a resolution of a second.
    fine: bool,
    /// When it last had a sample, rounded down to [`ACTIVE_STEP_S`].
    active_s: i64,
}

impl Record for MetricRecord {
    const VERSION: u8 = 1;
}

impl MetricRecord {
    /// Takes over what another one of the same metric says beyond this.
    pub(crate) fn merge(&mut self, other: &MetricRecord) {
        self.fine |= other.fine;
        self.active_s = self.active_s.max(other.active_s);
    }
}

/// What is known of a metric.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) id: u64,
    fine: AtomicBool,
    active_s: AtomicI64,
}

impl Known {
    pub(crate) fn new(id: u64) -> Known {
        Known { id, fine: AtomicBool::new(false), active_s: AtomicI64::new(i64::MIN) }
    }

    /// Whether it has ever been stored with a resolution of a second.
    pub(crate) fn is_fine(&self) -> bool {
        self.fine.load(Ordering::Relaxed)
    }

    /// When it last had a sample, rounded down.
    pub(crate) fn active_s(&self) -> i64 {
        self.active_s.load(Ordering::Relaxed)
    }

    /// The row that must be written because of samples at `now_s`, `fine` or not; none if the present one says it all.
    pub(crate) fn touched(&self, name: &MetricName, now_s: i64, fine: bool) -> Option<MetricRecord> {
        let active_s = now_s - now_s.rem_euclid(ACTIVE_STEP_S);
        if active_s <= self.active_s() && (self.is_fine() || !fine) {
            return None;
        }
        Some(MetricRecord {
            account: name.account.number(),
            region: name.region.as_str().to_owned(),
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            dimensions: name.dimensions.clone(),
            fine: fine || self.is_fine(),
            active_s: active_s.max(self.active_s()),
        })
    }

    /// Remembers a row that was written.
    pub(crate) fn wrote(&self, record: &MetricRecord) {
        self.fine.fetch_or(record.fine, Ordering::Relaxed);
        self.active_s.fetch_max(record.active_s, Ordering::Relaxed);
    }
}

/// All metrics. Only the lane adds, only the roll-up removes.
#[derive(Debug, Default)]
pub(crate) struct Registry(RwLock<BTreeMap<MetricName, Arc<Known>>>);

impl Registry {
    /// Reads all metrics.
    pub(crate) async fn load(db: &Db) -> Result<Registry, StoreError> {
        let mut known = BTreeMap::new();
        let mut request = RangeReq::new(keys::all_metrics(), PAGE_ROWS);
        loop {
            let page = db.range(request.clone()).await?;
            for row in &page.rows {
                let record: MetricRecord = decode_row(row)?;
                let corrupt = |reason: String| StoreError::Corrupt { key: row.key.clone(), reason };
                let id = keys::read_metric(&row.key).map_err(|error| corrupt(error.to_string()))?;
                let account = Account::new(record.account).ok_or_else(|| corrupt("no account".to_owned()))?;
                let region = Region::new(&record.region).map_err(|error| corrupt(error.to_string()))?;
                let facts = Known::new(id);
                facts.wrote(&record);
                let name =
                    MetricName::new(account, &region, &record.namespace, &record.name, record.dimensions.clone());
                known.insert(name, Arc::new(facts));
            }
            match page.rows.last() {
                Some(last) if page.more => request = request.after(&last.key),
                _ => return Ok(Registry(RwLock::new(known))),
            }
        }
    }

    pub(crate) fn get(&self, name: &MetricName) -> Option<Arc<Known>> {
        self.0.read().get(name).map(Arc::clone)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().len()
    }

    pub(crate) fn add(&self, name: MetricName, known: Arc<Known>) {
        self.0.write().insert(name, known);
    }

    pub(crate) fn remove(&self, name: &MetricName) {
        self.0.write().remove(name);
    }

    /// Every metric.
    pub(crate) fn all(&self) -> Vec<(MetricName, Arc<Known>)> {
        self.0.read().iter().map(|(name, known)| (name.clone(), Arc::clone(known))).collect()
    }

    /// The metrics of an account and region, and of a namespace if one is given, that come after `after`, which `choose` picks;
    /// at most `max`.
    pub(crate) fn list(
        &self,
        (account, region): (Account, &Region),
        namespace: Option<&str>,
        after: Option<&MetricName>,
        max: usize,
        choose: impl Fn(&MetricName, &Known) -> bool,
    ) -> Vec<(MetricName, Arc<Known>)> {
        let first = MetricName::new(account, region, namespace.unwrap_or(""), "", Vec::new());
        let start = match after {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(&first),
        };
        let known = self.0.read();
        let of_place = known.range((start, Bound::Unbounded)).take_while(|(name, _)| {
            name.account == account
                && name.region == *region
                && namespace.is_none_or(|namespace| name.namespace == namespace)
        });
        let chosen = of_place.filter(|(name, known)| choose(name, known)).take(max);
        chosen.map(|(name, known)| (name.clone(), Arc::clone(known))).collect()
    }
}
