//! What carries stack operations out.

mod commit;
mod plan;
mod run;
mod state;
mod turn;

use std::collections::HashMap;
use std::sync::Arc;

use cauce_core::Env;
use cauce_core::ports::{Identity, Objects};
use cauce_store::{Db, RangeReq, StoreError, decode_row};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::keys;
use crate::limits::SETTLE_WAIT_MAX;
use crate::model::StackRecord;
use crate::ports::{References, StackEvents};
use crate::types::Types;

pub(crate) use commit::{load_exports, status_change};
pub(crate) use run::Place;
pub(crate) use state::{State, append_events, load_resources, stack_event, stack_key};
pub(crate) use turn::{begin_remove, continue_restore};

/// Rows of one read at start-up.
const PAGE_ROWS: usize = 1_000;

/// Everything that an operation needs, and the operations under way.
pub(crate) struct Engine {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) types: Types,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) references: Arc<dyn References>,
    pub(crate) events: Arc<dyn StackEvents>,
    pub(crate) identity: Arc<dyn Identity>,
    runs: Mutex<Runs>,
}

#[derive(Default)]
struct Runs {
    by_stack: HashMap<String, Run>,
    closed: bool,
}

/// An operation under way.
struct Run {
    settled: watch::Receiver<bool>,
    cancel: Arc<Notify>,
    abort: AbortHandle,
    /// Whether another operation has begun before the end of this one was noticed here.
    again: bool,
}

impl Engine {
    pub(crate) fn new(
        db: Db,
        env: Env,
        types: Types,
        objects: Arc<dyn Objects>,
        references: Arc<dyn References>,
        events: Arc<dyn StackEvents>,
        identity: Arc<dyn Identity>,
    ) -> Engine {
        Engine { db, env, types, objects, references, events, identity, runs: Mutex::default() }
    }

    /// Begins to run the operation of a stack, if it is not running.
    pub(crate) fn launch(self: &Arc<Self>, place: Place) {
        let mut runs = self.runs.lock();
        if runs.closed {
            return;
        }
        if let Some(run) = runs.by_stack.get_mut(&place.uuid) {
            run.again = true;
            return;
        }
        let (tell, settled) = watch::channel(false);
        let cancel = Arc::new(Notify::new());
        let uuid = place.uuid.clone();
        let (engine, heard) = (Arc::clone(self), Arc::clone(&cancel));
        // The task asks for the lock that is held here before it ends, so it cannot be over before it is known.
        let task = tokio::spawn(async move {
            loop {
                engine.run(&place, &heard).await;
                let mut runs = engine.runs.lock();
                match runs.by_stack.get_mut(&place.uuid) {
                    Some(run) if run.again => run.again = false,
                    _ => {
                        runs.by_stack.remove(&place.uuid);
                        break;
                    }
                }
            }
            tell.send_replace(true);
        });
        runs.by_stack.insert(uuid, Run { settled, cancel, abort: task.abort_handle(), again: false });
    }

    /// Waits until the operation of a stack is over, a bounded time.
    pub(crate) async fn settled(&self, uuid: &str) {
        let run = self.runs.lock().by_stack.get(uuid).map(|run| run.settled.clone());
        let Some(mut settled) = run else { return };
        tokio::select! {
            _ = settled.wait_for(|over| *over) => {}
            () = self.env.sleep(SETTLE_WAIT_MAX) => {}
        }
    }

    /// Whether the operation of a stack is running here.
    pub(crate) fn is_running(&self, uuid: &str) -> bool {
        self.runs.lock().by_stack.contains_key(uuid)
    }

    /// Wakes the operation of a stack, to look whether it has been cancelled.
    pub(crate) fn wake(&self, uuid: &str) {
        if let Some(run) = self.runs.lock().by_stack.get(uuid) {
            run.cancel.notify_one();
        }
    }

    /// Takes up what was under way when the program ended. Answers how many operations those are.
    pub(crate) async fn resume(self: &Arc<Self>) -> Result<usize, StoreError> {
        let mut found = 0;
        let mut req = RangeReq::new(keys::all_active(), PAGE_ROWS);
        loop {
            let page = self.db.range(req.clone()).await?;
            for row in &page.rows {
                if let Some((account, region, uuid)) = keys::active_stack(&row.key) {
                    found += 1;
                    self.launch(Place { account, region, uuid });
                }
            }
            match page.rows.last() {
                Some(last) if page.more => req = req.after(&last.key),
                _ => break,
            }
        }
        self.forget_deleted().await?;
        Ok(found)
    }

    /// Removes stacks that were deleted long ago.
    async fn forget_deleted(&self) -> Result<(), StoreError> {
        let now = self.env.now();
        let mut req = RangeReq::new(keys::all_stacks(), PAGE_ROWS);
        loop {
            let page = self.db.range(req.clone()).await?;
            for row in &page.rows {
                let stack: StackRecord = decode_row(row)?;
                if !commit::is_forgotten(&stack, now) {
                    continue;
                }
                self.db
                    .transact(async |tx| {
                        tx.clear(stack_key(&stack));
                        tx.clear_range(keys::resources(&stack.uuid));
                        tx.clear_range(keys::events(&stack.uuid));
                        tx.clear_range(keys::templates(&stack.uuid));
                        Ok::<_, StoreError>(())
                    })
                    .await?;
            }
            match page.rows.last() {
                Some(last) if page.more => req = req.after(&last.key),
                _ => return Ok(()),
            }
        }
    }

    /// Ends everything under way, as if the program ended: it is all in the store.
    pub(crate) fn close(&self) {
        let mut runs = self.runs.lock();
        runs.closed = true;
        runs.by_stack.values().for_each(|run| run.abort.abort());
        runs.by_stack.clear();
    }
}
