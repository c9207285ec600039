//! API keys, and the usage plans that they are in.

use std::fmt;
use std::sync::Arc;

use crate::deployed::{Claim, DeployedStage, StageId};
use crate::model::ApiKeySource;

use super::Gateway;
use super::execution_log::masked;
use super::failure::{Failure, Kind};
use super::plan::PlannedMethod;
use super::request::Request;
use super::throttle;

/// `API/STAGE`, as logs name it.
struct Stage<'d>(&'d DeployedStage);

impl fmt::Display for Stage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.api_id, self.0.stage.stage_name)
    }
}

/// Refuses a request without a good key where the method asks for one, and counts it in the key's usage plan.
pub(super) async fn check(
    gateway: &Gateway,
    request: &mut Request,
    method: &PlannedMethod,
    deployed: &DeployedStage,
) -> Result<(), Failure> {
    let at = Stage(deployed);
    let log = |request: &Request, key: &str| {
        let id = request.call.request_id.as_str();
        request.log.info(|| format!("Verifying Usage Plan for request: {id}. API Key: {key} API Stage: {at}"));
    };
    let (path, verb) = (&method.resource_path, &method.verb);
    if !method.api_key_required {
        log(request, "");
        request.log.info(|| {
            format!(
                "API Key  authorized because method '{verb} {path}' does not require API Key. Request will not contribute to \
                 throttle or quota limits"
            )
        });
        request.log.info(|| format!("Usage Plan check succeeded for API Key  and API Stage {at}"));
        return Ok(());
    }
    let value = match deployed.snapshot.api.api_key_source {
        ApiKeySource::Header => request.header("x-api-key").map(str::to_owned),
        ApiKeySource::Authorizer => request.authorized.as_ref().and_then(|authorized| authorized.usage_key.clone()),
    };
    let shown = value.as_deref().map(masked).unwrap_or_default();
    log(request, &shown);
    let refused = || {
        Failure::new(Kind::InvalidApiKey).told(format!(
            "API Key {shown} not authorized because method '{verb} {path}' requires API Key and API Key is not associated with \
             a Usage Plan for API Stage {at}: No Usage Plan found for key and API Stage"
        ))
    };
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
    if let Some(quota) = &plan.quota {
        let counted = gateway.control.count_request(&claim.place, plan, quota, &grant.key.id).await;
        if !counted.map_err(|error| Failure::internal().because(error.to_string()))? {
            let (limit, period, id) = (quota.limit, quota.period.name(), &plan.id);
            return Err(Failure::new(Kind::QuotaExceeded).told(format!(
                "API Key {shown} exceeded quota limit for API Stage {at}: Key quota exhausted for Usage Plan ID {id}. Quota \
                 Limit: {limit} Period: {period}"
            )));
        }
    }
    request.log.info(|| format!("Usage Plan check succeeded for API Key {shown} and API Stage {at}"));
    Ok(())
}
