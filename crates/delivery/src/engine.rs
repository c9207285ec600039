//! The engine: takes effects in transactions, performs them after the commit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use cauce_core::{Arn, Env, Fault, ServiceError, Timestamp};
use cauce_store::{Db, Owner, Partition, RangeReq, Row, RowCodec as _, StoreError, Tx, decode_row};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::attempt::{Attempted, attempt};
use crate::dead_letter::is_letter;
use crate::effect::{Effect, EffectId, HOPS_MAX, PAYLOAD_BYTES_MAX, Pending};
use crate::keys::{self, Place};
use crate::lane::{LANE_BYTES_MAX, LANE_ROWS_MAX, Lane, LaneDepth, Turn, Waiting};
use crate::lineage::{self, Fate, Step};
use crate::policy::Failures;
use crate::target::{Acceptance, Target};

/// The most attempts that are under way at once over all lanes. A lane has its own, far lower, limit, so that one slow target
/// cannot use these up.
pub const ATTEMPTS_MAX: usize = 4_096;

/// How long a row whose change failed is left alone.
const PUT_OFF: Duration = Duration::from_secs(1);

/// How often what is too old is swept.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// The most steps that wait to be noted; beyond it they are left out.
pub const NOTES_MAX: usize = 4_096;

/// The most steps that are noted in one commit.
const NOTES_A_COMMIT: usize = 256;

/// The delivery engine; cheap to clone, all clones are one engine.
#[derive(Clone)]
pub struct Delivery {
    inner: Arc<Inner>,
}

/// How an effect has ended, for whoever counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Whether it was delivered; else it was given up.
    pub delivered: bool,
    /// How often its target was tried or asked, at least once.
    pub attempts: u32,
    /// Whether it carried another one, that was given up, to a dead-letter queue.
    pub letter: bool,
}

/// Told of the end of every effect that has a source.
pub type OnEnd = Arc<dyn Fn(&Arn, End) + Send + Sync>;

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) owner: Owner,
    targets: RwLock<HashMap<&'static str, Arc<dyn Target>>>,
    lanes: Mutex<HashMap<String, Arc<Lane>>>,
    attempts: Arc<Semaphore>,
    /// False until every target is registered, and again at shutdown: rows are kept, nothing is attempted.
    running: AtomicBool,
    stopped: tokio::sync::watch::Sender<bool>,
    notes: mpsc::Sender<Step>,
    on_end: OnceLock<OnEnd>,
    /// Taken by [`Delivery::start`].
    noted: Mutex<Option<mpsc::Receiver<Step>>>,
}

impl Delivery {
    /// An engine on this store. Effects can be sent at once; they are performed after [`Delivery::start`].
    pub fn new(db: Db, env: Env, owner: Owner) -> Delivery {
        let (notes, noted) = mpsc::channel(NOTES_MAX);
        let inner = Inner {
            db,
            env,
            owner,
            targets: RwLock::default(),
            lanes: Mutex::default(),
            attempts: Arc::new(Semaphore::new(ATTEMPTS_MAX)),
            running: AtomicBool::new(false),
            stopped: tokio::sync::watch::Sender::new(false),
            notes,
            on_end: OnceLock::new(),
            noted: Mutex::new(Some(noted)),
        };
        Delivery { inner: Arc::new(inner) }
    }

    /// Names who takes effects on ARNs of `service`.
    pub fn register(&self, service: &'static str, target: Arc<dyn Target>) {
        self.inner.targets.write().insert(service, target);
    }

    /// Names who is told how effects ended, after the commit; the first one stays. What a source sends to itself is no effect of
    /// its own.
    pub fn on_end(&self, told: OnEnd) {
        if self.inner.on_end.set(told).is_err() {
            tracing::error!("who is told of ends was named twice");
        }
    }

    /// Whether anybody takes effects on this ARN.
    pub fn reaches(&self, target: &Arn) -> bool {
        self.inner.target(target).is_some()
    }

    /// Begins to perform effects, those that waited in the store first.
    ///
    /// # Errors
    /// [`StoreError`] if the waiting effects cannot be read.
    pub async fn start(&self) -> Result<(), StoreError> {
        self.inner.running.store(true, Ordering::SeqCst);
        for owned in self.inner.owner.all() {
            self.wake_partition(owned.partition).await?;
        }
        if let Some(noted) = self.inner.noted.lock().take() {
            tokio::spawn(write_notes(self.inner.db.clone(), noted));
        }
        tokio::spawn(sweep(Arc::downgrade(&self.inner), self.inner.stopped.subscribe()));
        Ok(())
    }

    /// Opens the lane of every target that has waiting effects in `partition`, reading one row a lane.
    async fn wake_partition(&self, partition: Partition) -> Result<(), StoreError> {
        let (mut start, end) = keys::partition_range(partition);
        loop {
            let tx = self.inner.db.begin();
            let rows = tx.snapshot_range(RangeReq::new((start, end.clone()), 1)).await?;
            let Some(row) = rows.first() else { return Ok(()) };
            let (target, _) = Place::read(&row.key).map_err(|e| corrupt(row, e))?;
            let target: Arn = target.parse().map_err(|e| corrupt(row, e))?;
            start = keys::lane_range(&target).1;
            self.inner.open_lane(&target, None);
        }
    }

    /// Stops attempting. Attempts under way are abandoned at their next await; their effects stay and are performed again.
    pub fn stop(&self) {
        self.inner.running.store(false, Ordering::SeqCst);
        self.inner.stopped.send_replace(true);
    }

    /// Hands the engine an effect of the transaction `tx`: it happens if and only if `tx` commits.
    ///
    /// # Errors
    /// 4xx if the effect's payload is over [`PAYLOAD_BYTES_MAX`]; 5xx if the store cannot be read.
    /// What the target itself refuses is no error: it is dead-lettered in this transaction.
    pub async fn send(&self, tx: &Tx, effect: Effect) -> Result<(), ServiceError> {
        self.inner.send(tx, effect).await
    }

    /// Records a step that is no part of a transaction, such as a synchronous call, soon after. It is a report and no promise: if
    /// [`NOTES_MAX`] steps wait already, it is left out.
    pub fn note(&self, step: Step) {
        if self.inner.notes.try_send(step).is_err() {
            tracing::debug!("too many steps wait to be noted; one is left out");
        }
    }

    /// How full each lane is, by target ARN.
    pub fn lanes(&self) -> Vec<(String, LaneDepth)> {
        self.inner.lanes.lock().iter().map(|(target, lane)| (target.clone(), lane.depth())).collect()
    }
}

impl Inner {
    pub(crate) fn target(&self, arn: &Arn) -> Option<Arc<dyn Target>> {
        self.targets.read().get(arn.service()).cloned()
    }

    fn fresh_id(&self, now: Timestamp) -> EffectId {
        let at = u128::from(u64::try_from(now.as_micros()).unwrap_or(0));
        EffectId((at << 64) | u128::from(self.env.entropy().u64()))
    }

    pub(crate) async fn send(self: &Arc<Self>, tx: &Tx, effect: Effect) -> Result<(), ServiceError> {
        let size = effect.payload.len();
        if size > PAYLOAD_BYTES_MAX {
            let message = format!("the payload of an effect is at most {PAYLOAD_BYTES_MAX} bytes, this one has {size}");
            return Err(ServiceError::new(413, "RequestEntityTooLargeException", message));
        }
        let now = self.env.now();
        let id = self.fresh_id(now);
        let mut pending =
            Pending { effect, born: now, accepted: false, failures: Failures::default(), last_error: None };
        if pending.effect.hops > HOPS_MAX {
            let reason =
                format!("{} effects led to one another in one transaction, at most {HOPS_MAX} may", HOPS_MAX + 1);
            return self.give_up(tx, id, &pending, "LOOP_DETECTED", &reason).await;
        }
        let Some(target) = self.target(&pending.effect.target) else {
            let reason = format!("nothing here takes effects on {}", pending.effect.target);
            return self.give_up(tx, id, &pending, "NO_RESOURCE", &reason).await;
        };
        match target.accept(tx, &pending.effect).await {
            Ok(Acceptance::Taken) => self.record(tx, &pending, now, Some(now), Fate::Done, ""),
            Ok(Acceptance::Later(policy)) => {
                pending.accepted = true;
                if let Some(policy) = policy {
                    pending.effect.policy = policy;
                }
                self.park(tx, id, now, pending).await
            }
            Err(refusal) if refusal.fault() == Fault::Sender => {
                self.give_up(tx, id, &pending, refusal.code(), refusal.message()).await
            }
            Err(failure) => {
                tracing::warn!(target = %pending.effect.target, ?failure, "a target could not be asked; asking again later");
                pending.last_error = Some((failure.code().to_owned(), failure.message().to_owned()));
                self.park(tx, id, now, pending).await
            }
        }
    }

    /// Writes the row of an effect that is attempted at `due`, and hands it to its lane once the transaction is durable.
    pub(crate) async fn park(
        self: &Arc<Self>,
        tx: &Tx,
        id: EffectId,
        due: Timestamp,
        pending: Pending,
    ) -> Result<(), ServiceError> {
        let place = Place { due, id };
        let row = pending.encode_row().map_err(ServiceError::internal)?;
        tx.set(place.key(&pending.effect.target), row);
        let detail = pending.last_error.as_ref().map_or(String::new(), |(code, reason)| format!("{code}: {reason}"));
        self.record(tx, &pending, pending.born, None, Fate::Waiting, &detail)?;
        let engine = Arc::downgrade(self);
        let waiting = Waiting { place, pending: Arc::new(pending) };
        tx.on_commit(move || {
            if let Some(engine) = engine.upgrade() {
                let target = waiting.pending.effect.target.clone();
                engine.open_lane(&target, Some(waiting));
            }
        });
        Ok(())
    }

    /// Ends an effect that will not be delivered: into its dead-letter queue, or into the engine's own dead letters.
    pub(crate) async fn give_up(
        self: &Arc<Self>,
        tx: &Tx,
        id: EffectId,
        pending: &Pending,
        code: &str,
        reason: &str,
    ) -> Result<(), ServiceError> {
        let now = self.env.now();
        let queue = pending.effect.policy.dead_letter.clone();
        let fate = Fate::DeadLettered {
            code: code.to_owned(),
            reason: reason.to_owned(),
            queue: queue.as_ref().map(ToString::to_string),
        };
        self.record(tx, pending, pending.born, Some(now), fate, "")?;
        match queue {
            Some(queue) => {
                let letter = crate::dead_letter::letter(pending, queue, code, reason, self.env.entropy());
                Box::pin(self.send(tx, letter)).await
            }
            None => {
                crate::dead_letter::keep(tx, now, id, pending, code, reason).map_err(ServiceError::internal)?;
                Ok(())
            }
        }
    }

    pub(crate) fn record(
        &self,
        tx: &Tx,
        pending: &Pending,
        at: Timestamp,
        ended: Option<Timestamp>,
        fate: Fate,
        detail: &str,
    ) -> Result<(), ServiceError> {
        self.tell_end(tx, pending, &fate);
        let step = Step {
            trace: pending.effect.trace,
            at,
            ended,
            what: pending.effect.cause.clone(),
            to: pending.effect.target.to_string(),
            request_id: None,
            fate,
            detail: detail.to_owned(),
        };
        Ok(lineage::record(tx, &step)?)
    }

    /// Tells, once it is durable, that an effect has ended, if it has.
    fn tell_end(&self, tx: &Tx, pending: &Pending, fate: &Fate) {
        let delivered = match fate {
            Fate::Done | Fate::Delivered { .. } => true,
            Fate::DeadLettered { .. } => false,
            Fate::Waiting => return,
        };
        let effect = &pending.effect;
        let (Some(told), Some(source)) = (self.on_end.get(), &effect.source) else { return };
        if effect.target != *source {
            let failed = pending.failures.counted.saturating_add(pending.failures.throttled);
            let attempts = failed.saturating_add(u32::from(delivered)).max(1);
            let (told, source) = (Arc::clone(told), source.clone());
            let end = End { delivered, attempts, letter: is_letter(effect) };
            tx.on_commit(move || told(&source, end));
        }
    }

    /// Finds or opens a target's lane and offers it an effect; without one, the lane looks for its effects in the store.
    fn open_lane(self: &Arc<Self>, target: &Arn, waiting: Option<Waiting>) {
        if !self.running.load(Ordering::SeqCst) {
            return;
        }
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get(target.as_str()) {
            if let Some(waiting) = waiting {
                lane.offer(waiting);
            }
            return;
        }
        let lane = Arc::new(Lane::new(target.clone(), waiting.is_none()));
        if let Some(waiting) = waiting {
            lane.offer(waiting);
        }
        lanes.insert(target.as_str().to_owned(), Arc::clone(&lane));
        tokio::spawn(run_lane(Arc::downgrade(self), lane, self.stopped.subscribe()));
    }

    /// Forgets a lane that has nothing left. Under the same lock as [`Inner::open_lane`], so that no effect is offered to a
    /// lane that is being forgotten.
    fn close_lane(&self, lane: &Lane) -> bool {
        let mut lanes = self.lanes.lock();
        let idle = lane.is_idle();
        if idle {
            lanes.remove(lane.target.as_str());
        }
        idle
    }

    /// Reads as many of a lane's rows as it may hold, page by page, passing over those that it holds already; and whether there
    /// are more.
    async fn read_lane(&self, lane: &Lane) -> Result<(Vec<Waiting>, bool), StoreError> {
        let mut req = RangeReq::new(keys::lane_range(&lane.target), LANE_ROWS_MAX);
        let (mut found, mut bytes) = (Vec::new(), 0);
        loop {
            let page = self.db.range(req.clone()).await?;
            for row in &page.rows {
                let (_, place) = Place::read(&row.key).map_err(|e| corrupt(row, e))?;
                if !lane.holds(&place) {
                    bytes += row.val.len();
                    found.push(Waiting { place, pending: Arc::new(decode_row(row)?) });
                }
            }
            let Some(last) = page.rows.last().filter(|_| page.more) else { return Ok((found, false)) };
            if found.len() >= LANE_ROWS_MAX || bytes >= LANE_BYTES_MAX {
                return Ok((found, true));
            }
            req = req.after(&last.key);
        }
    }
}

fn corrupt(row: &Row, error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt { key: row.key.clone(), reason: error.to_string() }
}

/// Drives one lane until it has nothing left.
async fn run_lane(engine: Weak<Inner>, lane: Arc<Lane>, mut stopped: tokio::sync::watch::Receiver<bool>) {
    let mut attempts: JoinSet<Attempted> = JoinSet::new();
    loop {
        let Some(inner) = engine.upgrade() else { return };
        if *stopped.borrow() {
            return;
        }
        if lane.wants_rows() {
            match inner.read_lane(&lane).await {
                Ok((rows, more)) => lane.refill(rows, more),
                Err(error) => {
                    tracing::error!(target = %lane.target, %error, "a lane cannot be read; trying again");
                    lane.refill(Vec::new(), true);
                    inner.env.sleep(PUT_OFF).await;
                    continue;
                }
            }
        }
        let target = inner.target(&lane.target);
        let limit = target.as_ref().map_or(1, |target| target.concurrency(&lane.target).max(1));
        let wait = loop {
            match lane.turn(inner.env.now(), attempts.len() < limit) {
                Turn::Attempt(waiting) => {
                    let Ok(permit) = Arc::clone(&inner.attempts).acquire_owned().await else { return };
                    if let Some(rest) = target.as_ref().map(|target| target.rest(&waiting.pending.effect)) {
                        lane.rest(inner.env.now() + rest);
                    }
                    attempts.spawn(attempt(Arc::clone(&inner), waiting, permit));
                }
                Turn::Wait(at) => break at,
            }
        };
        if attempts.is_empty() && wait.is_none() && inner.close_lane(&lane) {
            return;
        }
        let timer = wait.map(|at| inner.env.sleep_until(at));
        let env = inner.env.clone();
        drop(inner);
        tokio::select! {
            () = lane.wake.notified() => {}
            Some(ended) = attempts.join_next() => settle_lane(&lane, &env, ended),
            () = async { match timer { Some(timer) => timer.await, None => std::future::pending().await } } => {}
            _ = stopped.changed() => return,
        }
    }
}

fn settle_lane(lane: &Lane, env: &Env, ended: Result<Attempted, tokio::task::JoinError>) {
    match ended {
        Ok(Attempted::Settled(place)) => lane.ended(place),
        Ok(Attempted::PutOff(waiting)) => lane.put_off(waiting, env.now() + PUT_OFF),
        // `attempt` catches a panicking target, so this is a bug of the engine itself; the row is still in the store and is
        // attempted again after the next start.
        Err(error) => tracing::error!(target = %lane.target, %error, "an attempt ended without an outcome"),
    }
}

/// Writes noted steps, as many as have gathered in one commit.
async fn write_notes(db: Db, mut noted: mpsc::Receiver<Step>) {
    let mut steps = Vec::with_capacity(NOTES_A_COMMIT);
    while noted.recv_many(&mut steps, NOTES_A_COMMIT).await > 0 {
        let tx = db.begin();
        let written = async {
            steps.iter().try_for_each(|step| lineage::record(&tx, step))?;
            tx.commit().await
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, steps = steps.len(), "steps of the lineage cannot be noted");
        }
        steps.clear();
    }
}

/// Removes lineage and kept dead letters that are too old, now and then.
async fn sweep(engine: Weak<Inner>, mut stopped: tokio::sync::watch::Receiver<bool>) {
    loop {
        let Some(inner) = engine.upgrade() else { return };
        let now = inner.env.now();
        let swept = async {
            lineage::sweep(&inner.db, now).await?;
            crate::dead_letter::sweep(&inner.db, now).await
        };
        if let Err(error) = swept.await {
            tracing::warn!(%error, "old lineage cannot be swept; trying again later");
        }
        let timer = inner.env.sleep(SWEEP_EVERY);
        drop(inner);
        tokio::select! {
            () = timer => {}
            _ = stopped.changed() => return,
        }
    }
}
