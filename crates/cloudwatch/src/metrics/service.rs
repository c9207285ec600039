//! The service: what it holds, and how its parts reach it.

use std::sync::Arc;

use cauce_core::{Call, Env};
use cauce_store::{Db, Owner, StoreError};
use tokio::sync::{Semaphore, oneshot};

use super::error::MetricsError;
use super::keys;
use super::lane::{Lane, Sample, Waiting};
use super::name::MetricName;
use super::recorder::Recorder;
use super::registry::Registry;

/// What one unit of [`MetricsOptions::waiting_kib_max`] stands for, in bytes.
const KIB: usize = 1_024;

/// What may be set.
#[derive(Clone, Debug)]
pub struct MetricsOptions {
    /// The most metrics that are kept; each takes about a kilobyte of memory. Beyond them new ones are refused.
    pub metrics_max: usize,
    /// The samples that may wait for their commit at one time, in KiB; whoever adds more waits until there is room.
    pub waiting_kib_max: u32,
    /// How often points are rolled up and removed, in seconds. Readers do not notice whether it has been done.
    pub roll_up_every_s: u64,
}

impl Default for MetricsOptions {
    fn default() -> MetricsOptions {
        MetricsOptions { metrics_max: 100_000, waiting_kib_max: 32 * 1_024, roll_up_every_s: 900 }
    }
}

/// CloudWatch metrics of every account and region.
pub struct Metrics {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) owner: Owner,
    pub(crate) options: MetricsOptions,
    pub(crate) registry: Registry,
    pub(crate) lane: Lane,
    pub(crate) recorder: Recorder,
    room: Arc<Semaphore>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Metrics {
    /// The service on this store. [`Metrics::flusher`] and [`Metrics::worker`] are to be run beside it.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn open(db: Db, env: Env, owner: Owner, options: MetricsOptions) -> Result<Arc<Metrics>, StoreError> {
        let registry = Registry::load(&db).await?;
        let room = Arc::new(Semaphore::new(options.waiting_kib_max.max(1) as usize));
        let (lane, recorder) = (Lane::default(), Recorder::default());
        Ok(Arc::new(Metrics { db, env, owner, options, registry, lane, recorder, room }))
    }

    /// A metric of the caller's account and region.
    pub(crate) fn name(
        &self,
        call: &Call,
        namespace: &str,
        name: &str,
        dimensions: Vec<super::name::Dimension>,
    ) -> MetricName {
        MetricName::new(call.account, &call.region, namespace, name, dimensions)
    }

    /// Adds samples, and returns when they are durable.
    ///
    /// # Errors
    /// [`MetricsError::TooManyMetrics`], or the store refuses.
    pub(crate) async fn add(self: &Arc<Self>, samples: Vec<Sample>) -> Result<(), MetricsError> {
        if samples.is_empty() {
            return Ok(());
        }
        let bytes: usize = samples.iter().map(Sample::weight).sum();
        let wanted = u32::try_from(bytes / KIB + 1).unwrap_or(u32::MAX).min(self.options.waiting_kib_max.max(1));
        let closed = || MetricsError::Store(StoreError::Unavailable("metrics have ended".to_owned()));
        let permit = Arc::clone(&self.room).acquire_many_owned(wanted).await.map_err(|_| closed())?;
        let (answer, answered) = oneshot::channel();
        self.enqueue(Waiting { samples, answer, _permit: permit });
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Makes a commit fail if another node has taken over the metrics.
    pub(crate) fn fence(&self, tx: &cauce_store::Tx) -> Result<(), StoreError> {
        let (all, _) = keys::all_metrics();
        self.owner.owned_for(&all).ok_or(StoreError::Fenced)?.fence(tx);
        Ok(())
    }
}
