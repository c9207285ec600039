//! Which keys belong to which usage plans.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::{RangeReq, Tx, decode_row};
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::{Deserialize, Serialize};

use crate::api_key::API_KEYS_MAX;
use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{ApiKey, ApiStage, UsagePlanKey};
use crate::page::{Page, Wanted};
use crate::service::{ApiGateway, Located, at};
use crate::usage_plan::PLANS_PER_KEY_MAX;

/// Keys of one usage plan: the clearing of a plan is one commit.
pub(crate) const KEYS_PER_PLAN_MAX: usize = 5_000;

/// The one type of keys that plans have.
const KEY_TYPE: &str = "API_KEY";

/// AWS: *CreateUsagePlanKey*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateUsagePlanKey {
    pub(crate) plan_id: String,
    pub(crate) key_id: Option<String>,
    pub(crate) key_type: Option<String>,
}

impl Input for CreateUsagePlanKey {
    fn validate(&self, v: &mut Violations) {
        v.within("createUsagePlanKeyInput", |v| {
            v.required("keyId", self.key_id.as_ref());
            v.required("keyType", self.key_type.as_ref());
        });
    }
}

impl Located for CreateUsagePlanKey {
    fn location(&self) -> String {
        format!("/usageplans/{}/keys", self.plan_id)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneUsagePlanKey {
    plan_id: String,
    key_id: String,
}

impl Input for OneUsagePlanKey {}

impl Located for OneUsagePlanKey {
    fn location(&self) -> String {
        format!("/usageplans/{}/keys/{}", self.plan_id, self.key_id)
    }
}

/// AWS: *GetUsagePlanKeys*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetUsagePlanKeys {
    plan_id: String,
    position: Option<String>,
    limit: Option<i64>,
    name: Option<String>,
}

impl Input for GetUsagePlanKeys {}

impl Located for GetUsagePlanKeys {
    fn location(&self) -> String {
        format!("/usageplans/{}/keys", self.plan_id)
    }
}

/// AWS: *UsagePlanKey*: the key as the plan shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PlanKeyShown {
    pub(crate) id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

fn shown(row: UsagePlanKey, key: ApiKey) -> PlanKeyShown {
    PlanKeyShown { id: row.id, kind: row.kind, value: key.value, name: key.name }
}

impl ApiGateway {
    pub(crate) async fn create_usage_plan_key(
        self: Arc<Self>,
        call: Call,
        input: CreateUsagePlanKey,
    ) -> Result<PlanKeyShown, Error> {
        if input.key_type.as_deref() != Some(KEY_TYPE) {
            return Err(Error::bad(format!("Usage plan key type must be one of: [{KEY_TYPE}]")));
        }
        let (place, id) = (Place::of(&call), input.key_id.unwrap_or_default());
        self.db
            .transact(async |tx| {
                let made = self.join_plan(&tx, &place, &input.plan_id, &id).await?;
                self.grants_change(&tx, &place);
                Ok(made)
            })
            .await
    }

    /// Puts a key into a plan.
    pub(crate) async fn join_plan(&self, tx: &Tx, place: &Place, plan: &str, id: &str) -> Result<PlanKeyShown, Error> {
        let wanted = self.usage_plan(tx, place, plan).await?;
        let key = self.api_key(tx, place, id).await?;
        if tx.get(&keys::plan_key(place, plan, id)).await?.is_some() {
            return Err(Error::conflict("Usage Plan Key already exists"));
        }
        let others = tx.range(RangeReq::new(keys::key_plans(place, id), PLANS_PER_KEY_MAX)).await?;
        if others.len() >= PLANS_PER_KEY_MAX {
            return Err(Error::limit("usage plans of an API key", PLANS_PER_KEY_MAX));
        }
        // One key at one stage must mean one plan.
        for row in others {
            let other = self.usage_plan(tx, place, &keys::plan_of(&row.key)?).await?;
            let same = |stage: &&ApiStage| {
                wanted.api_stages.iter().any(|have| have.api_id == stage.api_id && have.stage == stage.stage)
            };
            if let Some(stage) = other.api_stages.iter().find(same) {
                let (api, stage, other) = (&stage.api_id, &stage.stage, &other.id);
                return Err(Error::conflict(format!(
                    "API Key {id} is already associated with the API Stage {api}:{stage} through the usage plan {other}"
                )));
            }
        }
        let count = tx.snapshot_range(RangeReq::new(keys::plan_keys(place, plan), KEYS_PER_PLAN_MAX)).await?;
        if count.len() >= KEYS_PER_PLAN_MAX {
            return Err(Error::limit("keys of a usage plan", KEYS_PER_PLAN_MAX));
        }
        let row = UsagePlanKey { id: id.to_owned(), kind: KEY_TYPE.to_owned() };
        tx.set_record(keys::plan_key(place, plan, id), &row)?;
        tx.set(keys::key_plan(place, id, plan), bytes::Bytes::new());
        Ok(shown(row, key))
    }

    pub(crate) async fn plan_key(&self, tx: &Tx, place: &Place, plan: &str, id: &str) -> Result<PlanKeyShown, Error> {
        self.usage_plan(tx, place, plan).await?;
        let row = tx.get_record::<UsagePlanKey>(&keys::plan_key(place, plan, id)).await?;
        let row = row.ok_or_else(|| Error::missing("Invalid Usage Plan Key identifier specified"))?;
        Ok(shown(row, self.api_key(tx, place, id).await?))
    }

    pub(crate) async fn get_usage_plan_key(
        self: Arc<Self>,
        call: Call,
        input: OneUsagePlanKey,
    ) -> Result<PlanKeyShown, Error> {
        self.plan_key(&self.db.begin(), &Place::of(&call), &input.plan_id, &input.key_id).await
    }

    pub(crate) async fn get_usage_plan_keys(
        self: Arc<Self>,
        call: Call,
        input: GetUsagePlanKeys,
    ) -> Result<Page<PlanKeyShown>, Error> {
        let (place, tx) = (Place::of(&call), self.db.begin());
        self.usage_plan(&tx, &place, &input.plan_id).await?;
        let rows = tx.range(RangeReq::new(keys::plan_keys(&place, &input.plan_id), API_KEYS_MAX)).await?;
        let mut all = Vec::new();
        for row in &rows {
            let row: UsagePlanKey = decode_row(row)?;
            let key = self.api_key(&tx, &place, &row.id).await?;
            all.push(shown(row, key));
        }
        let named = |key: &PlanKeyShown, start: &String| key.name.as_deref().unwrap_or_default().starts_with(start);
        all.retain(|key| input.name.as_ref().is_none_or(|start| named(key, start)));
        let wanted = Wanted { position: input.position, limit: input.limit };
        wanted.page(all.iter().map(|key| (key.id.as_str(), key.clone())))
    }

    pub(crate) async fn delete_usage_plan_key(
        self: Arc<Self>,
        call: Call,
        input: OneUsagePlanKey,
    ) -> Result<(), Error> {
        self.drop_usage_plan_key(&call, &input.plan_id, &input.key_id).await
    }

    /// Takes a key out of a plan.
    pub(crate) async fn drop_usage_plan_key(self: &Arc<Self>, call: &Call, plan: &str, id: &str) -> Result<(), Error> {
        let place = Place::of(call);
        self.db
            .transact(async |tx| {
                self.plan_key(&tx, &place, plan, id).await?;
                tx.clear(keys::plan_key(&place, plan, id));
                tx.clear(keys::key_plan(&place, id, plan));
                self.grants_change(&tx, &place);
                Ok(())
            })
            .await
    }

    /// Takes every key out of a plan.
    pub(crate) async fn drop_plan_keys(&self, tx: &Tx, place: &Place, plan: &str) -> Result<(), Error> {
        for row in tx.range(RangeReq::new(keys::plan_keys(place, plan), KEYS_PER_PLAN_MAX)).await? {
            let key: UsagePlanKey = decode_row(&row)?;
            tx.clear(keys::key_plan(place, &key.id, plan));
            tx.clear(row.key);
        }
        Ok(())
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    use ApiGateway as G;
    const ALL: &str = "/usageplans/{planId}/keys";
    const ONE: &str = "/usageplans/{planId}/keys/{keyId}";
    api.operation(at(Operation::new("CreateUsagePlanKey", G::create_usage_plan_key), HttpMethod::POST, ALL, 201))
        .operation(
            at(Operation::new("GetUsagePlanKeys", G::get_usage_plan_keys), HttpMethod::GET, ALL, 200)
                .query("position", "position")
                .query("limit", "limit")
                .query("name", "name"),
        )
        .operation(at(Operation::new("GetUsagePlanKey", G::get_usage_plan_key), HttpMethod::GET, ONE, 200))
        .operation(at(Operation::new("DeleteUsagePlanKey", G::delete_usage_plan_key), HttpMethod::DELETE, ONE, 202))
}
