//! Rolling up: points that have become too old for their tier go into the next one, and in the end away.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::Distribution;
use cauce_store::{Bytes, RangeReq, ReadReq, StoreError};

use super::keys;
use super::lane::read_point;
use super::name::MetricName;
use super::point;
use super::registry::{Known, MetricRecord};
use super::service::Metrics;
use super::tier::Tier;

/// Points that one commit rolls up.
const ROLL_UP_POINTS_MAX: usize = 500;
/// Metrics that are looked at in one batch of reads.
const LOOK_METRICS_MAX: usize = 500;
/// How long to wait after the store could not answer, in seconds.
const RETRY_S: u64 = 10;

impl Metrics {
    /// Rolls up and removes what is due, now and then, until `shutdown` completes.
    pub async fn worker(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        tokio::pin!(shutdown);
        loop {
            let done = tokio::select! {
                biased;
                () = &mut shutdown => return,
                done = self.roll_up() => done,
            };
            let pause = match done {
                Ok(()) => self.options.roll_up_every_s,
                Err(cause) => {
                    tracing::warn!(%cause, "metrics could not be rolled up");
                    RETRY_S
                }
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = self.env.sleep(Duration::from_secs(pause)) => {}
            }
        }
    }

    /// Rolls up every metric as far as it is due.
    ///
    /// # Errors
    /// The store cannot answer; what has been done stays done.
    pub async fn roll_up(&self) -> Result<(), StoreError> {
        let now_s = self.env.now().as_secs();
        let metrics = self.registry.all();
        for some in metrics.chunks(LOOK_METRICS_MAX) {
            for tier in Tier::ALL {
                // Whether there is anything to do is one read for many metrics.
                let due = |known: &Known| keys::points_between(known.id, tier, i64::MIN, tier.kept_from(now_s));
                let ranges = some.iter().map(|(_, known)| RangeReq::new(due(known), 1)).collect();
                let found = self.db.read(ReadReq { gets: Vec::new(), ranges }).await?.ranges;
                for ((_, known), found) in some.iter().zip(found) {
                    if !found.rows.is_empty() {
                        self.roll_up_tier(known, tier, now_s).await?;
                    }
                }
            }
            for (name, known) in some {
                if now_s - known.active_s() > Tier::Hour.kept_s() {
                    self.forget(name, known, now_s).await?;
                }
            }
        }
        Ok(())
    }

    async fn roll_up_tier(&self, known: &Known, tier: Tier, now_s: i64) -> Result<(), StoreError> {
        let range = keys::points_between(known.id, tier, i64::MIN, tier.kept_from(now_s));
        let request = RangeReq::new(range, ROLL_UP_POINTS_MAX);
        loop {
            let more = self
                .db
                .transact(async |tx| {
                    let rows = tx.range(request.clone()).await?;
                    let mut into: BTreeMap<Bytes, Distribution> = BTreeMap::new();
                    for row in &rows {
                        tx.clear(row.key.clone());
                        let Some(next) = tier.next() else { continue };
                        let corrupt = |reason: String| StoreError::Corrupt { key: row.key.clone(), reason };
                        let (at_s, unit) = keys::read_point(&row.key).map_err(|error| corrupt(error.to_string()))?;
                        let unit = unit.ok_or_else(|| corrupt("no such unit".to_owned()))?;
                        let key = keys::point(known.id, next, next.point_of(at_s), unit);
                        into.entry(key).or_default().merge(&read_point(&row.key, &row.val)?);
                    }
                    let keys: Vec<Bytes> = into.keys().cloned().collect();
                    let before = tx.get_many(&keys).await?;
                    for ((key, mut merged), before) in into.into_iter().zip(before) {
                        if let Some(before) = before {
                            merged.merge(&read_point(&key, &before)?);
                        }
                        tx.set(key, point::encode(&merged));
                    }
                    self.fence(&tx)?;
                    Ok::<bool, StoreError>(rows.len() == ROLL_UP_POINTS_MAX)
                })
                .await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Removes a metric that has had no samples for so long that none of them is kept.
    async fn forget(&self, name: &MetricName, known: &Known, now_s: i64) -> Result<(), StoreError> {
        let key = keys::metric(known.id);
        self.db
            .transact(async |tx| {
                // Whoever puts a sample meanwhile writes the row.
                if tx.get_record::<MetricRecord>(&key).await?.is_some() {
                    tx.clear(key.clone());
                }
                self.fence(&tx)
            })
            .await?;
        if now_s - known.active_s() > Tier::Hour.kept_s() {
            self.registry.remove(name);
        }
        Ok(())
    }
}
