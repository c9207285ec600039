//! Groups that are in use, as memory knows them.
//!
//! A slot stands for a name. Whoever adds events to the group holds its lock shared while the commit is under way; whoever makes,
//! changes or deletes the group holds it alone. So nothing is acknowledged into a group that is gone, without any check in the
//! store that many writers could lose to each other.

use std::collections::HashMap;
use std::sync::Arc;

use cauce_core::{Account, Region};
use cauce_store::{Bytes, Db, Owner, StoreError, Tx};
use parking_lot::Mutex;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::keys;
use super::model::Group;

/// How many slots are kept; beyond that the idle ones go.
const SLOTS_MAX: usize = 10_000;

/// What a group is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupName {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) name: Arc<str>,
}

impl GroupName {
    pub(crate) fn new(account: Account, region: &Region, name: &str) -> GroupName {
        GroupName { account, region: region.clone(), name: name.into() }
    }

    /// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`, without the `:*` that the older form of it carries.
    pub(crate) fn arn(&self) -> String {
        cauce_core::Arn::new("logs", &self.region, self.account, &format!("log-group:{}", self.name)).to_string()
    }
}

/// What is known of a group.
#[derive(Debug)]
pub(crate) enum Life {
    /// Nothing yet.
    Unread,
    /// There is none by this name.
    Absent,
    /// There is one.
    Live(Arc<Group>),
}

/// A group's place in memory.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: GroupName,
    pub(crate) key: Bytes,
    life: Arc<RwLock<Life>>,
}

/// The right to use a group until it is dropped; as long as it is held, the group stays.
pub(crate) struct InUse(OwnedRwLockReadGuard<Life>);

impl InUse {
    /// The group, if there is one.
    pub(crate) fn group(&self) -> Option<&Arc<Group>> {
        match &*self.0 {
            Life::Live(group) => Some(group),
            Life::Unread | Life::Absent => None,
        }
    }
}

impl Slot {
    /// Waits until nobody changes the group, and keeps it from being changed.
    pub(crate) async fn in_use(&self, db: &Db) -> Result<InUse, StoreError> {
        loop {
            let life = Arc::clone(&self.life).read_owned().await;
            if !matches!(*life, Life::Unread) {
                return Ok(InUse(life));
            }
            drop(life);
            drop(self.alone(db).await?);
        }
    }

    /// Waits until nobody uses the group. What the holder commits it must write here too.
    pub(crate) async fn alone(&self, db: &Db) -> Result<OwnedRwLockWriteGuard<Life>, StoreError> {
        let mut life = Arc::clone(&self.life).write_owned().await;
        if matches!(*life, Life::Unread) {
            *life = match db.get::<Group>(&self.key).await? {
                Some(group) => Life::Live(Arc::new(group)),
                None => Life::Absent,
            };
        }
        Ok(life)
    }

    /// Makes a commit fail if another node has taken over the group.
    pub(crate) fn fence(&self, owner: &Owner, tx: &Tx) -> Result<(), StoreError> {
        let owned = owner.owned_for(&self.key).ok_or(StoreError::Fenced)?;
        owned.fence(tx);
        Ok(())
    }
}

/// All slots in use.
#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<HashMap<GroupName, Arc<Slot>>>);

impl Slots {
    pub(crate) fn slot(&self, name: &GroupName) -> Arc<Slot> {
        let mut slots = self.0.lock();
        if let Some(slot) = slots.get(name) {
            return Arc::clone(slot);
        }
        if slots.len() >= SLOTS_MAX {
            // All that a slot knows is in the store, and nobody but this map knows an idle one.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        let key = keys::group(name.account, &name.region, &name.name);
        let slot = Arc::new(Slot { name: name.clone(), key, life: Arc::new(RwLock::new(Life::Unread)) });
        slots.insert(name.clone(), Arc::clone(&slot));
        slot
    }
}
