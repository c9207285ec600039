//! All sandboxes of the server: who may run, which sandbox is reused, which is stopped.
//!
//! AWS: Lambda Developer Guide, *Understanding Lambda function scaling* and *Configuring reserved concurrency*.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::error::Throttle;
use crate::sandbox::{Host, Plan, Sandbox};

/// How often idle sandboxes are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// How long a sandbox's credentials must last beyond the longest invocation it may be given.
const CREDENTIALS_MARGIN: Duration = Duration::from_secs(60);

/// What bounds the fleet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FleetLimits {
    /// Invocations at once, and sandboxes.
    pub(crate) concurrency_max: u32,
    /// How long a sandbox may be idle.
    pub(crate) idle_max: Duration,
}

/// All sandboxes of the server.
pub(crate) struct Fleet {
    pub(crate) host: Arc<Host>,
    limits: FleetLimits,
    state: Mutex<State>,
    /// Invocations under way.
    flights: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    pools: HashMap<Arc<str>, Pool>,
    /// Invocations under way by function.
    running: HashMap<Arc<str>, u32>,
    /// Invocations under way of functions without reserved concurrency.
    unreserved: u32,
    /// The sum of all reserved concurrency.
    reserved: u32,
    /// Sandboxes that exist, idle or not.
    live: u32,
    closed: bool,
}

struct Pool {
    plan: Arc<Plan>,
    idle: Vec<Idle>,
}

struct Idle {
    sandbox: Box<Sandbox>,
    since: Timestamp,
}

/// The right to run one invocation; given back when dropped.
pub(crate) struct Permit {
    fleet: Arc<Fleet>,
    function: Arc<str>,
    reserved: bool,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.fleet.state.lock();
        if let Some(running) = state.running.get_mut(&self.function) {
            *running -= 1;
            if *running == 0 {
                state.running.remove(&self.function);
            }
        }
        if !self.reserved {
            state.unreserved -= 1;
        }
        drop(state);
        self.fleet.flights.send_modify(|n| *n -= 1);
    }
}

/// Decides whether one more invocation may run.
fn admit(running: u32, reserved: Option<u32>, unreserved: u32, unreserved_max: u32) -> Result<(), Throttle> {
    match reserved {
        Some(most) if running >= most => Err(Throttle::Reserved),
        None if unreserved >= unreserved_max => Err(Throttle::Account),
        _ => Ok(()),
    }
}

/// Whether a sandbox may be given another invocation.
fn reusable(sandbox: &Sandbox, now: Timestamp) -> bool {
    sandbox.alive() && sandbox.credentials_end() > now + sandbox.plan().timeout + CREDENTIALS_MARGIN
}

impl Fleet {
    pub(crate) fn new(host: Arc<Host>, limits: FleetLimits) -> Arc<Fleet> {
        let fleet = Arc::new(Fleet { host, limits, state: Mutex::default(), flights: watch::Sender::new(0) });
        let weak = Arc::downgrade(&fleet);
        let env = fleet.host.env.clone();
        tokio::spawn(async move {
            loop {
                env.sleep(SWEEP_EVERY).await;
                let Some(fleet) = weak.upgrade() else { return };
                fleet.sweep();
            }
        });
        fleet
    }

    /// Sets the sum of all reserved concurrency, which is taken from what is left for the others.
    pub(crate) fn set_reserved(&self, sum: u32) {
        self.state.lock().reserved = sum;
    }

    /// The most invocations at once.
    pub(crate) fn concurrency_max(&self) -> u32 {
        self.limits.concurrency_max
    }

    /// How many invocations of a function are under way.
    pub(crate) fn running(&self, function: &Arc<str>) -> u32 {
        self.state.lock().running.get(function).copied().unwrap_or(0)
    }

    /// Completes when an invocation begins or ends: there may be room now.
    pub(crate) async fn landing(&self) {
        // The sender is this fleet's own.
        let _ = self.flights.subscribe().changed().await;
    }

    /// Asks for the right to run one invocation of a function.
    ///
    /// # Errors
    /// [`Throttle`] if its limit is reached, or the server is closing.
    pub(crate) fn admit(self: &Arc<Self>, function: &Arc<str>, reserved: Option<u32>) -> Result<Permit, Throttle> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Throttle::Closing);
        }
        let running = state.running.get(function).copied().unwrap_or(0);
        let unreserved_max = self.limits.concurrency_max.saturating_sub(state.reserved);
        admit(running, reserved, state.unreserved, unreserved_max)?;
        *state.running.entry(Arc::clone(function)).or_default() += 1;
        if reserved.is_none() {
            state.unreserved += 1;
        }
        self.flights.send_modify(|n| *n += 1);
        Ok(Permit { fleet: Arc::clone(self), function: Arc::clone(function), reserved: reserved.is_some() })
    }

    /// A sandbox that waits for work, the one used last, so that the others may come to their idle end.
    pub(crate) fn take_idle(&self, plan: &Arc<Plan>) -> Option<Box<Sandbox>> {
        let now = self.host.env.now();
        let mut state = self.state.lock();
        let pool = state.pools.get_mut(&plan.pool)?;
        let mut stale = Vec::new();
        if !Arc::ptr_eq(&pool.plan, plan) && pool.plan != *plan {
            stale.append(&mut pool.idle);
        }
        let mut found = None;
        while let Some(idle) = pool.idle.pop() {
            if reusable(&idle.sandbox, now) {
                found = Some(idle.sandbox);
                break;
            }
            stale.push(idle);
        }
        state.live -= u32::try_from(stale.len()).unwrap_or(0);
        drop(state);
        found
    }

    /// Makes room for a new sandbox: the one that has been idle longest goes if there are too many.
    pub(crate) fn make_room(&self) -> Result<(), Throttle> {
        let mut state = self.state.lock();
        let victim = if state.live >= self.limits.concurrency_max { state.evict() } else { None };
        if state.live >= self.limits.concurrency_max {
            return Err(Throttle::Account);
        }
        state.live += 1;
        drop(state);
        drop(victim);
        Ok(())
    }

    /// A sandbox that could not be started, or is gone.
    pub(crate) fn lost(&self) {
        self.state.lock().live -= 1;
    }

    /// A sandbox that has answered and may be used again.
    pub(crate) fn give_back(&self, sandbox: Box<Sandbox>) {
        let now = self.host.env.now();
        let mut state = self.state.lock();
        let plan = Arc::clone(sandbox.plan());
        let pool = state.pools.entry(Arc::clone(&plan.pool));
        let pool = pool.or_insert_with(|| Pool { plan: Arc::clone(&plan), idle: Vec::new() });
        let current = Arc::ptr_eq(&pool.plan, &plan) || pool.plan == plan || pool.idle.is_empty();
        let keep = current && reusable(&sandbox, now);
        if keep {
            pool.plan = plan;
            pool.idle.push(Idle { sandbox, since: now });
        }
        if !keep || state.closed {
            let dropped = if keep { state.evict() } else { None };
            if !keep {
                state.live -= 1;
            }
            drop(state);
            drop(dropped);
        }
    }

    /// Stops the idle sandboxes of a function, all versions.
    pub(crate) fn retire(&self, function: &str) {
        let mut state = self.state.lock();
        let mut gone = Vec::new();
        state.pools.retain(|_, pool| {
            let mine = &*pool.plan.function == function;
            if mine {
                gone.append(&mut pool.idle);
            }
            !mine
        });
        state.live -= u32::try_from(gone.len()).unwrap_or(0);
        drop(state);
    }

    /// Stops what has been idle for long or has died.
    fn sweep(&self) {
        let now = self.host.env.now();
        let mut state = self.state.lock();
        let mut gone = Vec::new();
        state.pools.retain(|_, pool| {
            let idle = std::mem::take(&mut pool.idle);
            let (keep, stop): (Vec<Idle>, Vec<Idle>) =
                idle.into_iter().partition(|i| i.sandbox.alive() && now.since(i.since) < self.limits.idle_max);
            pool.idle = keep;
            gone.extend(stop);
            !pool.idle.is_empty()
        });
        state.live -= u32::try_from(gone.len()).unwrap_or(0);
        drop(state);
    }

    /// How many sandboxes exist.
    pub(crate) fn live(&self) -> u32 {
        self.state.lock().live
    }

    /// Takes no more invocations.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Completes when no invocation is under way.
    pub(crate) async fn landed(&self) {
        let mut flights = self.flights.subscribe();
        let _ = flights.wait_for(|n| *n == 0).await;
    }

    /// Stops every sandbox; completes when they are gone and all log lines are handed over.
    pub(crate) async fn clear(&self) {
        self.host.closing.send_replace(true);
        let idle: Vec<Idle> = {
            let mut state = self.state.lock();
            let idle: Vec<Idle> = state.pools.drain().flat_map(|(_, pool)| pool.idle).collect();
            state.live -= u32::try_from(idle.len()).unwrap_or(0);
            idle
        };
        let gone: Vec<watch::Receiver<bool>> = idle.iter().map(|i| i.sandbox.gone()).collect();
        drop(idle);
        for mut gone in gone {
            let _ = gone.wait_for(|gone| *gone).await;
        }
        let mut writers = self.host.writers.subscribe();
        let _ = writers.wait_for(|n| *n == 0).await;
    }
}

impl State {
    /// Takes out the sandbox that has been idle longest.
    fn evict(&mut self) -> Option<Idle> {
        let oldest = self.pools.values_mut().filter(|p| !p.idle.is_empty());
        let pool = oldest.min_by_key(|p| p.idle.first().map(|i| i.since))?;
        self.live -= 1;
        Some(pool.idle.remove(0))
    }
}

#[cfg(test)]
mod tests {
    use super::admit;
    use crate::error::Throttle;

    #[test]
    fn reserved_functions_and_the_others_do_not_take_from_each_other() {
        let check =
            |running, reserved, unreserved, expect| assert_eq!(admit(running, reserved, unreserved, 10), expect);
        check(0, None, 0, Ok(()));
        check(9, None, 9, Ok(()));
        check(0, None, 10, Err(Throttle::Account));
        check(0, Some(0), 0, Err(Throttle::Reserved));
        check(4, Some(5), 10, Ok(()));
        check(5, Some(5), 0, Err(Throttle::Reserved));
    }
}
