//! The way of samples into the store: one lane, one commit at a time, and each takes along all that came meanwhile.
//!
//! Points are merged here, in the owner's memory, so that however many clients put samples of one metric at one time, none of them
//! waits for more than the commit under way and none ever conflicts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cauce_core::Distribution;
use cauce_store::{Bytes, StoreError};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::error::MetricsError;
use super::keys;
use super::name::MetricName;
use super::point;
use super::registry::{Known, MetricRecord};
use super::service::Metrics;
use super::tier::Tier;
use super::unit::Unit;

/// How many samples one commit gathers, beyond those of the first who waits. A point's row has at most about twelve kilobytes, so
/// this stays below the bytes of a commit.
const COMMIT_SAMPLES_MAX: usize = 1_000;

/// Samples of one metric at one time.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) metric: Arc<MetricName>,
    pub(crate) at_s: i64,
    /// Whether seconds are told apart.
    pub(crate) fine: bool,
    pub(crate) unit: Unit,
    pub(crate) distribution: Distribution,
}

impl Sample {
    /// How much memory it takes, in bytes, more or less.
    pub(crate) fn weight(&self) -> usize {
        let values = match self.distribution.spread() {
            cauce_core::Spread::Exact(values) => values.len() * 16,
            cauce_core::Spread::Buckets { buckets, .. } => buckets.len() * 16,
            cauce_core::Spread::Unknown => 0,
        };
        self.metric.weight() + values + 96
    }

    /// The tier and the point in which it lies.
    fn place(&self, now_s: i64) -> (Tier, i64) {
        let tier = match self.fine && self.at_s >= Tier::Second.kept_from(now_s) {
            true => Tier::Second,
            false => Tier::Minute,
        };
        (tier, tier.point_of(self.at_s))
    }
}

/// Samples of one caller on their way.
pub(crate) struct Waiting {
    pub(crate) samples: Vec<Sample>,
    /// Told once the samples are durable.
    pub(crate) answer: oneshot::Sender<Result<(), MetricsError>>,
    /// The caller's share of what may wait.
    pub(crate) _permit: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Whether a task is under way that will come back for more.
    flushing: bool,
}

/// What waits.
#[derive(Default)]
pub(crate) struct Lane(Mutex<Queue>);

impl Lane {
    /// What goes into the next commit; `None`, and the end of the task, if nothing waits.
    fn take(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.0.lock();
        let (mut batch, mut samples) = (Vec::new(), 0);
        while let Some(next) = queue.waiting.front() {
            samples += next.samples.len();
            if !batch.is_empty() && samples > COMMIT_SAMPLES_MAX {
                break;
            }
            batch.extend(queue.waiting.pop_front());
        }
        queue.flushing = !batch.is_empty();
        queue.flushing.then_some(batch)
    }
}

/// Lets the next sample begin a new task should this one end by a panic: else all would wait for it for ever.
struct Flushing<'l>(&'l Lane);

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.0.lock().flushing = false;
    }
}

/// What a commit changes.
#[derive(Default)]
struct Change {
    points: BTreeMap<Bytes, Distribution>,
    records: BTreeMap<u64, MetricRecord>,
    fresh: BTreeMap<Arc<MetricName>, Arc<Known>>,
    /// The metrics that have a record in it.
    touched: BTreeMap<u64, Arc<Known>>,
}

impl Metrics {
    /// Puts samples in line, and sees to it that somebody commits them. A caller that goes away changes nothing.
    pub(crate) fn enqueue(self: &Arc<Self>, waiting: Waiting) {
        let mut queue = self.lane.0.lock();
        queue.waiting.push_back(waiting);
        if !queue.flushing {
            queue.flushing = true;
            tokio::spawn(Arc::clone(self).flush_lane());
        }
    }

    async fn flush_lane(self: Arc<Self>) {
        let unlucky = Flushing(&self.lane);
        while let Some(batch) = self.lane.take() {
            self.commit(batch).await;
        }
        std::mem::forget(unlucky);
    }

    /// Stores a batch and answers everybody in it.
    async fn commit(&self, batch: Vec<Waiting>) {
        let now_s = self.env.now().as_secs();
        let mut change = Change::default();
        let mut waiting = Vec::with_capacity(batch.len());
        for caller in batch {
            match self.include(&mut change, &caller.samples, now_s) {
                Ok(()) => waiting.push(caller.answer),
                // Whoever has gone away does not want to know.
                Err(refusal) => drop(caller.answer.send(Err(refusal))),
            }
        }
        let stored = self.store(&change).await.map_err(MetricsError::Store);
        match &stored {
            Ok(()) => self.remember(change),
            Err(cause) => tracing::warn!(%cause, "metrics were not stored"),
        }
        for answer in waiting {
            // As above.
            drop(answer.send(stored.clone()));
        }
    }

    /// Merges a caller's samples into a change: all of them, or none if there is no room for their metrics.
    fn include(&self, change: &mut Change, samples: &[Sample], now_s: i64) -> Result<(), MetricsError> {
        let is_new = |name: &MetricName| !change.fresh.contains_key(name) && self.registry.get(name).is_none();
        let new: std::collections::BTreeSet<&MetricName> =
            samples.iter().map(|sample| &*sample.metric).filter(|name| is_new(name)).collect();
        let max = self.options.metrics_max;
        if !new.is_empty() && self.registry.len() + change.fresh.len() + new.len() > max {
            return Err(MetricsError::TooManyMetrics { max });
        }
        for sample in samples {
            let known = match self.registry.get(&sample.metric) {
                Some(known) => known,
                None => {
                    let fresh = || Arc::new(Known::new(self.env.entropy().u64()));
                    Arc::clone(change.fresh.entry(Arc::clone(&sample.metric)).or_insert_with(fresh))
                }
            };
            if let Some(mut record) = known.touched(&sample.metric, now_s, sample.fine) {
                if let Some(before) = change.records.get(&known.id) {
                    record.merge(before);
                }
                change.records.insert(known.id, record);
                change.touched.insert(known.id, Arc::clone(&known));
            }
            let (tier, at_s) = sample.place(now_s);
            let key = keys::point(known.id, tier, at_s, sample.unit);
            change.points.entry(key).or_default().merge(&sample.distribution);
        }
        Ok(())
    }

    async fn store(&self, change: &Change) -> Result<(), StoreError> {
        if change.points.is_empty() {
            return Ok(());
        }
        let keys: Vec<Bytes> = change.points.keys().cloned().collect();
        self.db
            .transact(async |tx| {
                let rows = tx.get_many(&keys).await?;
                for ((key, added), row) in change.points.iter().zip(rows) {
                    let merged = match row {
                        None => point::encode(added),
                        Some(row) => {
                            let mut known = read_point(key, &row)?;
                            known.merge(added);
                            point::encode(&known)
                        }
                    };
                    tx.set(key.clone(), merged);
                }
                for (id, record) in &change.records {
                    tx.set_record(keys::metric(*id), record)?;
                }
                self.fence(&tx)
            })
            .await
    }

    fn remember(&self, change: Change) {
        for (id, known) in &change.touched {
            if let Some(record) = change.records.get(id) {
                known.wrote(record);
            }
        }
        for (name, known) in change.fresh {
            self.registry.add(Arc::unwrap_or_clone(name), known);
        }
    }
}

/// The distribution of a row.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub(crate) fn read_point(key: &Bytes, row: &[u8]) -> Result<Distribution, StoreError> {
    point::decode(row).map_err(|error| StoreError::Corrupt { key: key.clone(), reason: error.to_string() })
}
