//! What readers see: the state after the last durable batch, and the views that hold on to earlier ones.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use cauce_core::{Clock, Timestamp};
use parking_lot::{Mutex, RwLock};

use super::index::IndexSnapshot;
use crate::contract::{Limits, ReadReq, ReadResp, Snapshot, View};
use crate::error::StoreError;
use crate::state::answer;

/// How many views may live at once. Each keeps pages of the index from being used again.
pub const VIEWS_MAX: usize = 64;

/// The latest state that is durable.
pub(super) struct Published {
    latest: RwLock<Result<Arc<IndexSnapshot>, StoreError>>,
    views: Mutex<Vec<Weak<HeldView>>>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

impl Published {
    pub(super) fn new(snapshot: IndexSnapshot, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self { latest: RwLock::new(Ok(Arc::new(snapshot))), views: Mutex::default(), clock, limits }
    }

    /// Lets readers see a newer state.
    pub(super) fn replace(&self, snapshot: IndexSnapshot) {
        let before = std::mem::replace(&mut *self.latest.write(), Ok(Arc::new(snapshot)));
        // Outside the lock: the last one to let go of a snapshot gives its pages back.
        drop(before);
    }

    /// Lets nobody read any more.
    pub(super) fn close(&self, why: &str) {
        let before = std::mem::replace(&mut *self.latest.write(), Err(StoreError::Unavailable(why.to_owned())));
        drop(before);
        for view in self.views.lock().drain(..).filter_map(|view| view.upgrade()) {
            view.end();
        }
    }

    pub(super) fn read(&self, req: &ReadReq) -> Result<ReadResp, StoreError> {
        let latest = self.latest.read().clone()?;
        answer(&*latest, req, &self.limits)
    }

    /// Holds on to the latest state.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if [`VIEWS_MAX`] live already.
    pub(super) fn view(&self) -> Result<View, StoreError> {
        let latest = self.latest.read().clone()?;
        self.end_views();
        let mut views = self.views.lock();
        if views.len() >= VIEWS_MAX {
            return Err(StoreError::TooLarge { limit: VIEWS_MAX, value: views.len() + 1, what: "views at once" });
        }
        let view = Arc::new(HeldView {
            snapshot: Mutex::new(Some(latest)),
            ends: self.clock.now() + self.limits.view_lives,
            clock: Arc::clone(&self.clock),
            limits: self.limits,
        });
        views.push(Arc::downgrade(&view));
        Ok(View::new(view))
    }

    /// Takes their state from the views that have outlived their deadline.
    pub(super) fn end_views(&self) {
        let now = self.clock.now();
        self.views.lock().retain(|view| match view.upgrade() {
            Some(view) if now <= view.ends => true,
            Some(view) => {
                view.end();
                false
            }
            None => false,
        });
    }
}

struct HeldView {
    snapshot: Mutex<Option<Arc<IndexSnapshot>>>,
    ends: Timestamp,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

impl HeldView {
    fn end(&self) {
        *self.snapshot.lock() = None;
    }
}

#[async_trait]
impl Snapshot for HeldView {
    async fn read(&self, req: ReadReq) -> Result<ReadResp, StoreError> {
        if self.clock.now() > self.ends {
            self.end();
        }
        let snapshot = self.snapshot.lock().clone().ok_or(StoreError::ViewExpired)?;
        answer(&*snapshot, &req, &self.limits)
    }
}
