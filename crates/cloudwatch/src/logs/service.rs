//! The service: what it holds, and how its parts reach it.

use std::sync::Arc;

use cauce_core::ports::MeterSets;
use cauce_core::{Account, Call, Env, Region};
use cauce_store::{Db, Owner, StoreError};
use tokio::sync::{Notify, Semaphore, oneshot};

use super::embedded::LogMeters;
use super::error::LogsError;
use super::lane::{Committer, Lane, Lanes, NewEvent, Refusal, Waiting};
use super::model::Group;
use super::open_group::{GroupName, Slot, Slots};
use crate::metrics::Metrics;

/// What one unit of [`LogsOptions::waiting_kib_max`] stands for, in bytes.
const KIB: usize = 1_024;

/// What may be set.
#[derive(Clone, Debug)]
pub struct LogsOptions {
    /// The text of events that may wait for their commit at one time, in KiB; whoever adds more waits until there is room.
    pub waiting_kib_max: u32,
    /// How often expired events are looked for, in seconds. Readers never see an event that has expired, swept or not.
    pub sweep_every_s: u64,
    /// Where the metrics that are embedded in events go, and the service's own; without it there are none.
    pub metrics: Option<Arc<Metrics>>,
}

impl Default for LogsOptions {
    fn default() -> LogsOptions {
        LogsOptions { waiting_kib_max: 64 * 1_024, sweep_every_s: 3_600, metrics: None }
    }
}

/// CloudWatch Logs: groups, streams and events of every account and region.
pub struct Logs {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) owner: Owner,
    pub(crate) options: LogsOptions,
    pub(crate) slots: Slots,
    pub(crate) lanes: Lanes,
    pub(crate) committer: Committer,
    room: Arc<Semaphore>,
    pub(crate) meters: Option<MeterSets<LogMeters>>,
    /// Rung when something was deleted whose events are to be removed.
    pub(crate) reclaim: Notify,
}

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Logs {
    /// The service on this store. Nothing is read until it is asked for; [`Logs::worker`] removes what has expired or was
    /// deleted.
    pub fn open(db: Db, env: Env, owner: Owner, options: LogsOptions) -> Arc<Logs> {
        let committer = Committer { db: db.clone(), env: env.clone(), owner: owner.clone() };
        let room = Arc::new(Semaphore::new(options.waiting_kib_max.max(1) as usize));
        let (slots, lanes, reclaim) = (Slots::default(), Lanes::default(), Notify::new());
        let meters = options.metrics.clone().map(LogMeters::sets);
        Arc::new(Logs { db, env, owner, options, slots, lanes, committer, room, meters, reclaim })
    }

    /// The slot of a group of the caller's account and region.
    pub(crate) fn slot(&self, call: &Call, name: &str) -> Arc<Slot> {
        self.slots.slot(&GroupName::new(call.account, &call.region, name))
    }

    pub(crate) fn slot_of(&self, account: Account, region: &Region, name: &str) -> Arc<Slot> {
        self.slots.slot(&GroupName::new(account, region, name))
    }

    /// A group as it is now.
    pub(crate) async fn group(&self, slot: &Slot) -> Result<Arc<Group>, LogsError> {
        slot.in_use(&self.db).await?.group().map(Arc::clone).ok_or(LogsError::GroupNotFound)
    }

    /// Adds events to a stream, and returns when they are durable: the last one's sequence number.
    pub(crate) async fn add(
        &self,
        slot: &Arc<Slot>,
        lane: &Arc<Lane>,
        events: Arc<[NewEvent]>,
        create: bool,
    ) -> Result<u64, Refusal> {
        let bytes: usize = events.iter().map(|event| event.text.len()).sum();
        let wanted = u32::try_from(bytes / KIB + 1).unwrap_or(u32::MAX).min(self.options.waiting_kib_max.max(1));
        let closed = || Refusal::Store(StoreError::Unavailable("the log service has ended".to_owned()));
        let permit = Arc::clone(&self.room).acquire_many_owned(wanted).await.map_err(|_| closed())?;
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { events: Arc::clone(&events), create, answer, permit };
        self.committer.enqueue(slot, lane, waiting);
        let stored = answered.await.unwrap_or_else(|_| Err(closed()))?;
        self.measure(&slot.name, &events).await?;
        Ok(stored)
    }
}
