//! Usage plans: how much the holders of keys may ask of stages.
//!
//! AWS: API Gateway Developer Guide, "Usage plans and API keys for REST APIs".

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::{RangeReq, Tx, decode_row};
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::Deserialize;

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{ApiStage, QuotaPeriod, QuotaSettings, Stage, Texts, ThrottleSettings, UsagePlan};
use crate::page::{Page, Wanted};
use crate::patch::{ADD_REMOVE, ADD_REMOVE_REPLACE, Op, Patch, PatchOperation, REPLACE, Supported, apply};
use crate::rest_api::check_description;
use crate::service::{ApiGateway, Located, at};
use crate::tag::check_tags;

/// Usage plans of an account in a region. AWS: 300.
pub(crate) const USAGE_PLANS_MAX: usize = 300;
/// How many usage plans a key may belong to. AWS: 10.
pub(crate) const PLANS_PER_KEY_MAX: usize = 10;
/// How many stages a plan may be for.
pub(crate) const STAGES_PER_PLAN_MAX: usize = 500;

/// AWS: *CreateUsagePlan*.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateUsagePlan {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) api_stages: Option<Vec<ApiStage>>,
    pub(crate) throttle: Option<ThrottleSettings>,
    pub(crate) quota: Option<QuotaSettings>,
    pub(crate) tags: Option<Texts>,
}

impl Input for CreateUsagePlan {
    fn validate(&self, v: &mut Violations) {
        v.within("createUsagePlanInput", |v| v.required("name", self.name.as_ref()));
    }
}

impl Located for CreateUsagePlan {
    fn location(&self) -> String {
        "/usageplans".to_owned()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneUsagePlan {
    plan_id: String,
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

impl Input for OneUsagePlan {}

impl Located for OneUsagePlan {
    fn location(&self) -> String {
        format!("/usageplans/{}", self.plan_id)
    }
}

/// AWS: *GetUsagePlans*.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GetUsagePlans {
    position: Option<String>,
    limit: Option<i64>,
    key_id: Option<String>,
}

impl Input for GetUsagePlans {}

impl Located for GetUsagePlans {
    fn location(&self) -> String {
        "/usageplans".to_owned()
    }
}

pub(crate) fn no_plan() -> Error {
    Error::missing("Invalid Usage Plan ID specified")
}

fn check_throttle(throttle: Option<ThrottleSettings>) -> Result<(), Error> {
    match throttle {
        Some(limits) if limits.burst_limit < 0 || limits.rate_limit < 0.0 => {
            Err(Error::bad("Usage Plan throttle limits must not be negative"))
        }
        _ => Ok(()),
    }
}

fn check_quota(quota: Option<QuotaSettings>) -> Result<(), Error> {
    let Some(quota) = quota else { return Ok(()) };
    if quota.limit < 1 {
        return Err(Error::bad("Usage Plan quota limit must be greater than zero"));
    }
    let (most, words) = match quota.period {
        QuotaPeriod::Day => (0, "zero in the DAY period"),
        QuotaPeriod::Week => (6, "between zero and six inclusive in the WEEK period"),
        QuotaPeriod::Month => (27, "between zero and 27 inclusive in the MONTH period"),
    };
    if (0..=most).contains(&quota.offset) {
        return Ok(());
    }
    Err(Error::bad(format!("Usage Plan quota offset must be {words}")))
}

impl ApiGateway {
    async fn check_plan(&self, tx: &Tx, place: &Place, plan: &UsagePlan) -> Result<(), Error> {
        check_description(plan.description.as_deref())?;
        check_throttle(plan.throttle)?;
        check_quota(plan.quota)?;
        if plan.name.as_deref().is_none_or(|name| name.trim().is_empty()) {
            return Err(Error::bad("Usage plan name must not be empty"));
        }
        if plan.api_stages.len() > STAGES_PER_PLAN_MAX {
            return Err(Error::limit("stages of a usage plan", STAGES_PER_PLAN_MAX));
        }
        for (n, stage) in plan.api_stages.iter().enumerate() {
            let (api, name) = (&stage.api_id, &stage.stage);
            if plan.api_stages.iter().take(n).any(|other| other.api_id == *api && other.stage == *name) {
                return Err(Error::conflict(format!(
                    "API Stage {api}:{name} is already associated with the usage plan"
                )));
            }
            let known = tx.get(&keys::api(place, api)).await?.is_some();
            if !known || tx.get_record::<Stage>(&keys::stage(api, name)).await?.is_none() {
                return Err(Error::missing(format!("API Stage not found: {api}:{name}")));
            }
            stage.throttle.values().try_for_each(|throttle| check_throttle(Some(*throttle)))?;
        }
        Ok(())
    }

    pub(crate) async fn create_usage_plan(
        self: Arc<Self>,
        call: Call,
        input: CreateUsagePlan,
    ) -> Result<UsagePlan, Error> {
        let id = self.new_short_id();
        check_tags(&input.tags.clone().unwrap_or_default())?;
        self.make_usage_plan(&call, id, &input).await
    }

    /// Makes a usage plan under this id.
    pub(crate) async fn make_usage_plan(
        self: &Arc<Self>,
        call: &Call,
        id: String,
        input: &CreateUsagePlan,
    ) -> Result<UsagePlan, Error> {
        let plan = UsagePlan {
            id,
            name: input.name.clone(),
            description: input.description.clone(),
            api_stages: input.api_stages.clone().unwrap_or_default(),
            throttle: input.throttle,
            quota: input.quota,
            product_code: None,
            tags: input.tags.clone().unwrap_or_default(),
        };
        let place = Place::of(call);
        self.db
            .transact(async |tx| {
                self.check_plan(&tx, &place, &plan).await?;
                let all = RangeReq::new(keys::usage_plans(&place), USAGE_PLANS_MAX);
                if tx.snapshot_range(all).await?.len() >= USAGE_PLANS_MAX {
                    return Err(Error::limit("usage plans", USAGE_PLANS_MAX));
                }
                if tx.get(&keys::usage_plan(&place, &plan.id)).await?.is_some() {
                    return Err(Error::conflict(format!("The usage plan identifier {} is taken", plan.id)));
                }
                tx.set_record(keys::usage_plan(&place, &plan.id), &plan)?;
                Ok(())
            })
            .await?;
        Ok(plan)
    }

    pub(crate) async fn usage_plan(&self, tx: &Tx, place: &Place, id: &str) -> Result<UsagePlan, Error> {
        tx.get_record::<UsagePlan>(&keys::usage_plan(place, id)).await?.ok_or_else(no_plan)
    }

    pub(crate) async fn get_usage_plan(self: Arc<Self>, call: Call, input: OneUsagePlan) -> Result<UsagePlan, Error> {
        self.usage_plan(&self.db.begin(), &Place::of(&call), &input.plan_id).await
    }

    pub(crate) async fn get_usage_plans(
        self: Arc<Self>,
        call: Call,
        input: GetUsagePlans,
    ) -> Result<Page<UsagePlan>, Error> {
        let (place, tx) = (Place::of(&call), self.db.begin());
        let mut all = Vec::new();
        match &input.key_id {
            Some(key) => {
                for row in tx.range(RangeReq::new(keys::key_plans(&place, key), PLANS_PER_KEY_MAX)).await? {
                    all.push(self.usage_plan(&tx, &place, &keys::plan_of(&row.key)?).await?);
                }
            }
            None => {
                let rows = tx.range(RangeReq::new(keys::usage_plans(&place), USAGE_PLANS_MAX)).await?;
                all = rows.iter().map(decode_row).collect::<Result<_, _>>()?;
            }
        }
        let wanted = Wanted { position: input.position, limit: input.limit };
        wanted.page(all.iter().map(|plan| (plan.id.as_str(), plan.clone())))
    }

    pub(crate) async fn update_usage_plan(
        self: Arc<Self>,
        call: Call,
        input: OneUsagePlan,
    ) -> Result<UsagePlan, Error> {
        self.change_usage_plan(&call, &input.plan_id, |plan| apply(plan, &input.patch_operations, PATCHES, patch_plan))
            .await
    }

    /// Changes a plan.
    pub(crate) async fn change_usage_plan(
        self: &Arc<Self>,
        call: &Call,
        id: &str,
        change: impl Fn(&mut UsagePlan) -> Result<(), Error>,
    ) -> Result<UsagePlan, Error> {
        let place = Place::of(call);
        self.db
            .transact(async |tx| {
                let mut plan = self.usage_plan(&tx, &place, id).await?;
                let before = plan.api_stages.clone();
                change(&mut plan)?;
                // A stage that has gone does not stand in the way of other changes.
                let mut added = plan.clone();
                added.api_stages.retain(|stage| !before.contains(stage));
                self.check_plan(&tx, &place, &added).await?;
                tx.set_record(keys::usage_plan(&place, id), &plan)?;
                self.grants_change(&tx, &place);
                Ok(plan)
            })
            .await
    }

    pub(crate) async fn delete_usage_plan(self: Arc<Self>, call: Call, input: OneUsagePlan) -> Result<(), Error> {
        self.drop_usage_plan(&call, &input.plan_id, false).await
    }

    /// Removes a plan with its keys' places in it; one that is for stages only `with_stages`.
    pub(crate) async fn drop_usage_plan(
        self: &Arc<Self>,
        call: &Call,
        id: &str,
        with_stages: bool,
    ) -> Result<(), Error> {
        let place = Place::of(call);
        self.db
            .transact(async |tx| {
                let plan = self.usage_plan(&tx, &place, id).await?;
                if !with_stages && !plan.api_stages.is_empty() {
                    return Err(Error::bad(format!(
                        "Cannot delete Usage Plan {id} because there are API Stages associated with it"
                    )));
                }
                self.drop_plan_keys(&tx, &place, id).await?;
                tx.clear(keys::usage_plan(&place, id));
                self.grants_change(&tx, &place);
                Ok(())
            })
            .await
    }
}

/// The stage that `API:STAGE` names.
fn stage_named<'a>(plan: &'a mut UsagePlan, text: &str) -> Result<&'a mut ApiStage, Error> {
    let missing = || Error::missing(format!("API Stage not found: {text}"));
    let (api, name) = text.split_once(':').ok_or_else(missing)?;
    plan.api_stages.iter_mut().find(|stage| stage.api_id == api && stage.stage == name).ok_or_else(missing)
}

fn patch_stages(plan: &mut UsagePlan, patch: &Patch<'_>) -> Result<(), Error> {
    let value = patch.text()?;
    if patch.op == Op::Remove {
        let stage = stage_named(plan, &value)?.clone();
        plan.api_stages.retain(|have| *have != stage);
        return Ok(());
    }
    let Some((api, stage)) = value.split_once(':') else {
        return Err(Error::bad(format!("Invalid API Stage specified: {value}. It must be API:STAGE")));
    };
    if stage_named(plan, &value).is_ok() {
        return Err(Error::conflict(format!("API Stage {value} is already associated with the usage plan")));
    }
    plan.api_stages.push(ApiStage { api_id: api.to_owned(), stage: stage.to_owned(), throttle: Default::default() });
    Ok(())
}

const NO_THROTTLE: ThrottleSettings = ThrottleSettings { burst_limit: 0, rate_limit: 0.0 };

fn patch_plan(plan: &mut UsagePlan, patch: &Patch<'_>) -> Result<(), Error> {
    let no_quota = QuotaSettings { limit: 0, offset: 0, period: QuotaPeriod::Month };
    match patch.template {
        "/name" => plan.name = Some(patch.text()?),
        "/description" => plan.description = patch.optional(),
        "/productCode" => plan.product_code = patch.optional(),
        "/apiStages" => patch_stages(plan, patch)?,
        "/throttle" => plan.throttle = None,
        "/throttle/burstLimit" => plan.throttle.get_or_insert(NO_THROTTLE).burst_limit = patch.number()?,
        "/throttle/rateLimit" => plan.throttle.get_or_insert(NO_THROTTLE).rate_limit = patch.decimal()?,
        "/quota" => plan.quota = None,
        "/quota/limit" => plan.quota.get_or_insert(no_quota).limit = patch.number()?,
        "/quota/offset" => plan.quota.get_or_insert(no_quota).offset = patch.number()?,
        "/quota/period" => plan.quota.get_or_insert(no_quota).period = patch.one_of(&["DAY", "WEEK", "MONTH"])?,
        "/apiStages/*/throttle" => stage_named(plan, patch.name())?.throttle.clear(),
        path => {
            let method = format!("{}/{}", patch.second_name(), patch.third_name());
            let stage = stage_named(plan, patch.name())?;
            if path == "/apiStages/*/throttle/*/*" {
                stage.throttle.remove(&method);
                return Ok(());
            }
            let throttle = stage.throttle.entry(method).or_insert(NO_THROTTLE);
            if path.ends_with("burstLimit") {
                throttle.burst_limit = patch.number()?;
            } else {
                throttle.rate_limit = patch.decimal()?;
            }
        }
    }
    Ok(())
}

const REMOVE: &[Op] = &[Op::Remove];

const PATCHES: Supported = &[
    ("/apiStages", ADD_REMOVE),
    ("/apiStages/*/throttle", REMOVE),
    ("/apiStages/*/throttle/*/*", REMOVE),
    ("/apiStages/*/throttle/*/*/burstLimit", ADD_REMOVE_REPLACE),
    ("/apiStages/*/throttle/*/*/rateLimit", ADD_REMOVE_REPLACE),
    ("/description", REPLACE),
    ("/name", REPLACE),
    ("/productCode", REPLACE),
    ("/quota", REMOVE),
    ("/quota/limit", REPLACE),
    ("/quota/offset", REPLACE),
    ("/quota/period", REPLACE),
    ("/throttle", REMOVE),
    ("/throttle/burstLimit", REPLACE),
    ("/throttle/rateLimit", REPLACE),
];

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    use ApiGateway as G;
    const ALL: &str = "/usageplans";
    const ONE: &str = "/usageplans/{planId}";
    api.operation(at(Operation::new("CreateUsagePlan", G::create_usage_plan), HttpMethod::POST, ALL, 201))
        .operation(
            at(Operation::new("GetUsagePlans", G::get_usage_plans), HttpMethod::GET, ALL, 200)
                .query("position", "position")
                .query("limit", "limit")
                .query("keyId", "keyId"),
        )
        .operation(at(Operation::new("GetUsagePlan", G::get_usage_plan), HttpMethod::GET, ONE, 200))
        .operation(at(Operation::new("UpdateUsagePlan", G::update_usage_plan), HttpMethod::PATCH, ONE, 200))
        .operation(at(Operation::new("DeleteUsagePlan", G::delete_usage_plan), HttpMethod::DELETE, ONE, 202))
}
