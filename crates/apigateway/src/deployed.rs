//! What the execution plane reads of the control plane: deployed stages and the grants of API keys, in memory.
//!
//! A cached answer is dropped by the commit that changes it, before that commit is answered: a request that comes after the
//! answer of a change sees the change.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use cauce_core::{Account, Region};
use cauce_store::{RangeReq, Tx};
use parking_lot::RwLock;

use crate::error::Error;
use crate::execution::Plan;
use crate::keys::{self, Place};
use crate::model::{ApiKey, ApiOwner, Snapshot, Stage, UsagePlan};
use crate::service::ApiGateway;
use crate::usage_plan::PLANS_PER_KEY_MAX;

/// How many stages, and how many grants, are kept in memory; with one more, all are read anew.
const CACHED_MAX: usize = 4_096;

/// A stage with everything that it takes to serve it. Never changes: a change makes another one.
#[derive(Debug)]
pub(crate) struct DeployedStage {
    pub(crate) place: Place,
    pub(crate) api_id: String,
    pub(crate) stage: Stage,
    pub(crate) snapshot: Arc<Snapshot>,
    /// Compiled by the first request.
    pub(crate) plan: OnceLock<Plan>,
}

/// An API key and the usage plan by which it may call a stage.
#[derive(Debug)]
pub(crate) struct KeyGrant {
    pub(crate) key: ApiKey,
    /// None if no plan of the key is for the stage.
    pub(crate) plan: Option<UsagePlan>,
}

/// A cache whose entries are only kept if nothing has changed while they were read.
pub(crate) struct Cache<K, V>(RwLock<Cached<K, V>>);

struct Cached<K, V> {
    changes: u64,
    entries: HashMap<K, Arc<V>>,
}

impl<K: Eq + Hash, V> Default for Cache<K, V> {
    fn default() -> Cache<K, V> {
        Cache(RwLock::new(Cached { changes: 0, entries: HashMap::new() }))
    }
}

impl<K: Eq + Hash, V> Cache<K, V> {
    /// The entry, or the number of changes so far, for [`Cache::keep`].
    fn find<Q>(&self, key: &Q) -> Result<Arc<V>, u64>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let cached = self.0.read();
        cached.entries.get(key).cloned().ok_or(cached.changes)
    }

    fn keep(&self, changes: u64, key: K, value: V) -> Arc<V> {
        let value = Arc::new(value);
        let mut cached = self.0.write();
        if cached.changes == changes {
            if cached.entries.len() >= CACHED_MAX {
                cached.entries.clear();
            }
            cached.entries.insert(key, Arc::clone(&value));
        }
        value
    }

    /// Drops what `stale` names.
    fn drop_where(&self, stale: impl Fn(&K) -> bool) {
        let mut cached = self.0.write();
        cached.changes += 1;
        cached.entries.retain(|key, _| !stale(key));
    }
}

/// A stage of an API.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StageId {
    pub(crate) api: String,
    pub(crate) stage: String,
}

/// A value that claims to be an API key, at a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    pub(crate) place: Place,
    pub(crate) at: StageId,
    pub(crate) value: String,
}

impl ApiGateway {
    /// The stage of an API, if both exist. Without a read of the store once it is known.
    pub(crate) async fn deployed(&self, id: &StageId) -> Result<Option<Arc<DeployedStage>>, Error> {
        let changes = match self.stages.find(id) {
            Ok(found) => return Ok(Some(found)),
            Err(changes) => changes,
        };
        let tx = self.db.begin();
        let Some(owner) = tx.get_record::<ApiOwner>(&keys::owner(&id.api)).await? else { return Ok(None) };
        let Some(stage) = tx.get_record::<Stage>(&keys::stage(&id.api, &id.stage)).await? else { return Ok(None) };
        let snapshot = keys::snapshot(&id.api, &stage.deployment_id);
        let Some(snapshot) = tx.get_record::<Snapshot>(&snapshot).await? else { return Ok(None) };
        let (Some(account), Ok(region)) = (Account::new(owner.account), Region::new(&owner.region)) else {
            return Ok(None);
        };
        let place = Place { account, region };
        let deployed =
            DeployedStage { place, api_id: id.api.clone(), stage, snapshot: Arc::new(snapshot), plan: OnceLock::new() };
        Ok(Some(self.stages.keep(changes, id.clone(), deployed)))
    }

    /// The key with the claimed value and the plan by which it may call the stage; none if no key has this value.
    pub(crate) async fn grant(&self, claim: &Claim) -> Result<Option<Arc<KeyGrant>>, Error> {
        let changes = match self.grants.find(claim) {
            Ok(found) => return Ok(Some(found)),
            Err(changes) => changes,
        };
        let (tx, place) = (self.db.begin(), &claim.place);
        let Some(id) = tx.get(&keys::api_key_value(place, &claim.value)).await? else { return Ok(None) };
        let id = String::from_utf8_lossy(&id).into_owned();
        let Some(key) = tx.get_record::<ApiKey>(&keys::api_key(place, &id)).await? else { return Ok(None) };
        let mut grant = KeyGrant { key, plan: None };
        for row in tx.range(RangeReq::new(keys::key_plans(place, &id), PLANS_PER_KEY_MAX)).await? {
            let plan = keys::usage_plan(place, &keys::plan_of(&row.key)?);
            let Some(plan) = tx.get_record::<UsagePlan>(&plan).await? else { continue };
            let at = &claim.at;
            if plan.api_stages.iter().any(|stage| stage.api_id == at.api && stage.stage == at.stage) {
                grant.plan = Some(plan);
                break;
            }
        }
        Ok(Some(self.grants.keep(changes, claim.clone(), grant)))
    }

    /// Once `tx` is durable, every stage of the API is read anew.
    pub(crate) fn api_changes(self: &Arc<Self>, tx: &Tx, api: &str) {
        let (gateway, api) = (Arc::clone(self), api.to_owned());
        tx.on_commit(move || gateway.stages.drop_where(|id| id.api == api));
    }

    /// Once `tx` is durable, every grant of this place is read anew.
    pub(crate) fn grants_change(self: &Arc<Self>, tx: &Tx, place: &Place) {
        let (gateway, place) = (Arc::clone(self), place.clone());
        tx.on_commit(move || gateway.grants.drop_where(|claim| claim.place == place));
    }
}
