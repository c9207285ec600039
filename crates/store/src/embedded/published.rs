//! What readers see: the state after the last durable batch, and the views that hold on to earlier ones.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use cauce_core::{Clock, Timestamp};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::index::IndexSnapshot;
use super::overlay::{Layers, Overlay};
use crate::contract::{Limits, ReadReq, ReadResp, Snapshot, View};
use crate::error::StoreError;
use crate::state::answer;

/// How many views may live at once. Each keeps pages of the index from being used again.
pub const VIEWS_MAX: usize = 64;

/// The latest state that is durable.
pub(super) struct Published {
    latest: RwLock<Latest>,
    views: Mutex<Vec<Weak<HeldView>>>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

/// The layers of that state.
pub(super) struct Latest {
    active: Overlay,
    frozen: Option<Arc<Overlay>>,
    base: Arc<IndexSnapshot>,
    /// Why nothing may be read any more.
    closed: Option<String>,
}

impl Latest {
    pub(super) fn layers(&self) -> Layers<'_> {
        Layers { active: &self.active, frozen: self.frozen.as_deref(), base: &self.base }
    }

    pub(super) fn active(&self) -> &Overlay {
        &self.active
    }

    fn open(&self) -> Result<&Self, StoreError> {
        self.closed.as_ref().map_or(Ok(self), |why| Err(StoreError::Unavailable(why.clone())))
    }
}

impl Published {
    pub(super) fn new(base: IndexSnapshot, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        let latest = Latest { active: Overlay::default(), frozen: None, base: Arc::new(base), closed: None };
        Self { latest: RwLock::new(latest), views: Mutex::default(), clock, limits }
    }

    /// The state, to decide the next batch on. Readers are not kept waiting.
    pub(super) fn latest(&self) -> RwLockReadGuard<'_, Latest> {
        self.latest.read()
    }

    /// Lets readers see a batch.
    pub(super) fn absorb(&self, batch: Overlay) {
        self.latest.write().active.absorb(batch);
    }

    /// Begins a checkpoint: what is returned has to go into the index.
    pub(super) fn freeze(&self) -> Arc<Overlay> {
        let mut latest = self.latest.write();
        let frozen = Arc::new(std::mem::take(&mut latest.active));
        latest.frozen = Some(Arc::clone(&frozen));
        frozen
    }

    /// Ends a checkpoint: `base` holds what was frozen.
    pub(super) fn thaw(&self, base: IndexSnapshot) {
        let mut latest = self.latest.write();
        let before = (latest.frozen.take(), std::mem::replace(&mut latest.base, Arc::new(base)));
        drop(latest);
        // Outside the lock: the last one to let go of them has work to do.
        drop(before);
    }

    /// Lets nobody read any more.
    pub(super) fn close(&self, why: &str) {
        self.latest.write().closed.get_or_insert_with(|| why.to_owned());
        for view in self.views.lock().drain(..).filter_map(|view| view.upgrade()) {
            view.end();
        }
    }

    pub(super) fn read(&self, req: &ReadReq) -> Result<ReadResp, StoreError> {
        answer(&self.latest.read().open()?.layers(), req, &self.limits)
    }

    /// Holds on to the latest state. Copies the keys of the active overlay, so views are not for every request.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if [`VIEWS_MAX`] live already.
    pub(super) fn view(&self) -> Result<View, StoreError> {
        self.end_views();
        let mut views = self.views.lock();
        if views.len() >= VIEWS_MAX {
            return Err(StoreError::TooLarge { limit: VIEWS_MAX, value: views.len() + 1, what: "views at once" });
        }
        let held = {
            let latest = self.latest.read();
            let latest = latest.open()?;
            Held { active: latest.active.clone(), frozen: latest.frozen.clone(), base: Arc::clone(&latest.base) }
        };
        let view = Arc::new(HeldView {
            held: Mutex::new(Some(Arc::new(held))),
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

/// A state that stays as it is.
struct Held {
    active: Overlay,
    frozen: Option<Arc<Overlay>>,
    base: Arc<IndexSnapshot>,
}

struct HeldView {
    held: Mutex<Option<Arc<Held>>>,
    ends: Timestamp,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

impl HeldView {
    fn end(&self) {
        *self.held.lock() = None;
    }
}

#[async_trait]
impl Snapshot for HeldView {
    async fn read(&self, req: ReadReq) -> Result<ReadResp, StoreError> {
        if self.clock.now() > self.ends {
            self.end();
        }
        let held = self.held.lock().clone().ok_or(StoreError::ViewExpired)?;
        let layers = Layers { active: &held.active, frozen: held.frozen.as_deref(), base: &held.base };
        answer(&layers, &req, &self.limits)
    }
}
