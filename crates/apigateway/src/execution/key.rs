//! API keys, and the usage plans that they are in.

use std::sync::Arc;

use crate::deployed::{Claim, DeployedStage, StageId};
use crate::model::ApiKeySource;

use super::Gateway;
use super::failure::{Failure, Kind};
use super::plan::PlannedMethod;
use super::request::Request;
use super::throttle;

/// Refuses a request without a good key where the method asks for one, and counts it in the key's usage plan.
pub(super) async fn check(
    gateway: &Gateway,
    request: &mut Request,
    method: &PlannedMethod,
    deployed: &DeployedStage,
) -> Result<(), Failure> {
    if !method.api_key_required {
        return Ok(());
    }
    let value = match deployed.snapshot.api.api_key_source {
        ApiKeySource::Header => request.header("x-api-key").map(str::to_owned),
        ApiKeySource::Authorizer => request.authorized.as_ref().and_then(|authorized| authorized.usage_key.clone()),
    };
    let refused = || Failure::new(Kind::InvalidApiKey);
    let claim = Claim {
        place: deployed.place.clone(),
        at: StageId { api: request.api_id.clone(), stage: request.stage.clone() },
        value: value.ok_or_else(refused)?,
    };
    let grant = gateway.control.grant(&claim).await.map_err(|error| Failure::internal().because(error.to_string()))?;
    let grant = grant.filter(|grant| grant.key.enabled).ok_or_else(refused)?;
    request.key = Some(Arc::clone(&grant));
    let plan = grant.plan.as_ref().ok_or_else(refused)?;
    throttle::check_plan(gateway, request, method, plan, &grant.key.id)?;
    let Some(quota) = &plan.quota else { return Ok(()) };
    let counted = gateway.control.count_request(&claim.place, plan, quota, &grant.key.id).await;
    match counted {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::new(Kind::QuotaExceeded)),
        Err(error) => Err(Failure::internal().because(error.to_string())),
    }
}
