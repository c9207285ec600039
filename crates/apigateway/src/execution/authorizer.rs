//! Who may call a method: nobody asked, IAM, or a function that decides and whose word is kept for a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cauce_core::Timestamp;
use cauce_core::ports::Invocation;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::deployed::DeployedStage;
use crate::model::{AuthorizationType, AuthorizerType};

use super::Gateway;
use super::execution_log::masked;
use super::failure::{Failure, Kind};
use super::function::{function_arn, function_headers};
use super::plan::{Plan, PlannedAuthorizer, PlannedMethod};
use super::request::Request;
use super::source::RequestSource;
use super::{endpoint, execution_log, permission, proxy_event};

/// How many decisions are kept; with one more, those that have ended are dropped, or all.
const DECISIONS_MAX: usize = 10_000;
/// How long a decision is kept where the authorizer does not say, in seconds.
const TTL_S_DEFAULT: i64 = 300;
/// How long it is kept at most.
const TTL_S_MAX: i64 = 3_600;

/// What an authorizer has decided.
#[derive(Debug)]
pub(super) struct Authorized {
    /// `principalId` and what it returned besides, as texts.
    pub(super) context: Map<String, Value>,
    /// The API key of the caller, where the API takes it from here.
    pub(super) usage_key: Option<String>,
    policy: String,
}

/// The decisions that are still good.
#[derive(Default)]
pub(super) struct Authorizations {
    kept: Mutex<HashMap<Claim, (Timestamp, Arc<Authorized>)>>,
}

/// What a decision was about. A deployment has decisions of its own, since its authorizer may be another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Claim {
    api: String,
    stage: String,
    deployment: String,
    authorizer: String,
    identity: Vec<String>,
}

impl Authorizations {
    fn find(&self, claim: &Claim, now: Timestamp) -> Option<Arc<Authorized>> {
        let kept = self.kept.lock();
        kept.get(claim).filter(|(until, _)| *until > now).map(|(_, authorized)| Arc::clone(authorized))
    }

    fn keep(&self, claim: Claim, now: Timestamp, until: Timestamp, authorized: Arc<Authorized>) {
        let mut kept = self.kept.lock();
        if kept.len() >= DECISIONS_MAX {
            kept.retain(|_, (until, _)| *until > now);
            if kept.len() >= DECISIONS_MAX {
                kept.clear();
            }
        }
        kept.insert(claim, (until, authorized));
    }
}

/// Refuses whoever may not call the method.
pub(super) async fn authorize(
    gateway: &Gateway,
    request: &mut Request,
    method: &PlannedMethod,
    plan: &Plan,
    deployed: &DeployedStage,
) -> Result<(), Failure> {
    match method.authorization {
        AuthorizationType::None => Ok(()),
        AuthorizationType::AwsIam => permission::check_caller(gateway, request, plan).await,
        AuthorizationType::CognitoUserPools => {
            Err(Failure::new(Kind::AuthorizerConfigurationError).because("user pools are not served"))
        }
        AuthorizationType::Custom => {
            let authorizer = method.authorizer_id.as_ref().and_then(|id| plan.authorizers.get(id));
            let missing = || Failure::new(Kind::AuthorizerConfigurationError).because("the authorizer is gone");
            let authorized = decide(gateway, request, authorizer.ok_or_else(missing)?, deployed).await?;
            request.authorized = Some(Arc::clone(&authorized));
            permission::check_returned(gateway, request, &authorized.policy).await
        }
    }
}

async fn decide(
    gateway: &Gateway,
    request: &Request,
    authorizer: &PlannedAuthorizer,
    deployed: &DeployedStage,
) -> Result<Arc<Authorized>, Failure> {
    let model = &authorizer.model;
    let ttl_s = model.authorizer_result_ttl_in_seconds.unwrap_or(TTL_S_DEFAULT).clamp(0, TTL_S_MAX);
    let identity = identity(request, authorizer, deployed)?;
    let claim = Claim {
        api: request.api_id.clone(),
        stage: request.stage.clone(),
        deployment: request.deployment_id.clone(),
        authorizer: model.id.clone(),
        identity,
    };
    // Without an identity there is nothing to tell callers apart by.
    let keeps = ttl_s > 0 && !claim.identity.is_empty();
    let now = gateway.control.env.now();
    if let Some(known) = keeps.then(|| gateway.authorizations.find(&claim, now)).flatten() {
        return Ok(known);
    }
    let answer = ask(gateway, request, authorizer, deployed, &claim.identity).await?;
    let authorized = Arc::new(read(gateway, request, &answer)?);
    if keeps {
        let until = now + Duration::from_secs(ttl_s.unsigned_abs());
        gateway.authorizations.keep(claim, now, until, Arc::clone(&authorized));
    }
    Ok(authorized)
}

/// The values of the identity sources; refuses a request that lacks one of them.
pub(super) fn identity(
    request: &Request,
    authorizer: &PlannedAuthorizer,
    deployed: &DeployedStage,
) -> Result<Vec<String>, Failure> {
    let mut values = Vec::with_capacity(authorizer.sources.len());
    for source in &authorizer.sources {
        let value = if let Some(name) = source.strip_prefix("method.request.") {
            RequestSource::parse(name).and_then(|source| source.value(request))
        } else if let Some(name) = source.strip_prefix("context.") {
            super::mapping::context_value(&request.context(), name)
        } else {
            source.strip_prefix("stageVariables.").and_then(|name| deployed.stage.variables.get(name).cloned())
        };
        let value = value.filter(|value| !value.is_empty());
        values.push(value.ok_or_else(|| Failure::new(Kind::Unauthorized))?);
    }
    match &authorizer.validation {
        Some(Ok(pattern)) if authorizer.model.kind == AuthorizerType::Token => {
            let fits = values.first().is_some_and(|token| pattern.is_match(token));
            if fits { Ok(values) } else { Err(Failure::new(Kind::Unauthorized)) }
        }
        Some(Err(why)) => Err(Failure::new(Kind::AuthorizerConfigurationError).because(why.as_str())),
        _ => Ok(values),
    }
}

/// What the authorizer's function answers.
pub(super) async fn ask(
    gateway: &Gateway,
    request: &Request,
    authorizer: &PlannedAuthorizer,
    deployed: &DeployedStage,
    identity: &[String],
) -> Result<Value, Failure> {
    let model = &authorizer.model;
    let id = request.call.request_id.as_str();
    request.log.info(|| format!("Starting authorizer: {} for request: {id}", model.id));
    request.log.data(|| {
        let identity = identity.join(", ");
        format!("Incoming identity: {}", if request.is_test { identity } else { masked(&identity) })
    });
    let function = function_arn(&authorizer.uri);
    let function = function.ok_or_else(|| wrong(format!("{} names no function", authorizer.uri)))?;
    let payload: Bytes = match model.kind {
        AuthorizerType::Token => json!({
            "type": "TOKEN",
            "methodArn": request.arn(&request.path).as_str(),
            "authorizationToken": identity.first(),
        })
        .to_string()
        .into(),
        AuthorizerType::Request => proxy_event::for_authorizer(request, deployed),
        AuthorizerType::CognitoUserPools => return Err(wrong("user pools are not served".to_owned())),
    };
    let source = request.call.arn("execute-api", &format!("{}/authorizers/{}", request.api_id, model.id));
    let call = match &model.authorizer_credentials {
        Some(role) => super::function::call_as(gateway, request, role).await.map_err(wrong)?,
        None => gateway.own_call(request, &source),
    };
    endpoint::tell_request(request, &authorizer.uri, || function_headers(request, &call, &source), &payload);
    let functions = &gateway.control.ports.functions;
    functions
        .authorize(&call, &function)
        .await
        .map_err(|error| wrong(format!("{error:?}")).told(endpoint::NO_PERMISSION))?;
    let invocation = Invocation { function, payload, log_tail: false };
    let outcome = functions.invoke(&call, invocation).await;
    let outcome = outcome.map_err(|error| Failure::new(Kind::AuthorizerFailure).because(format!("{error:?}")))?;
    request.log.data(|| format!("Authorizer result body before parsing: {}", execution_log::body(&outcome.payload)));
    let answer: Value = serde_json::from_slice(&outcome.payload).unwrap_or(Value::Null);
    if outcome.error.is_some() {
        // How a function says that the token is no good.
        if answer.get("errorMessage").and_then(Value::as_str) == Some("Unauthorized") {
            return Err(Failure::new(Kind::Unauthorized));
        }
        return Err(Failure::new(Kind::AuthorizerFailure).because(answer.to_string()));
    }
    Ok(answer)
}

/// An authorizer that cannot work.
fn wrong(cause: String) -> Failure {
    Failure::new(Kind::AuthorizerConfigurationError).because(cause)
}

/// Reads what an authorizer answered, or says that it is no answer.
pub(super) fn read(gateway: &Gateway, request: &Request, answer: &Value) -> Result<Authorized, Failure> {
    let read = parse(gateway, answer);
    let authorized = read.ok_or_else(|| wrong(format!("the authorizer answered {answer}")))?;
    request.log.info(|| {
        let principal = authorized.context.get("principalId").and_then(Value::as_str).unwrap_or("");
        format!("Using valid authorizer policy for principal: {}", masked(principal))
    });
    request.log.info(|| "Successfully completed authorizer execution".to_owned());
    Ok(authorized)
}

/// Reads `{principalId, policyDocument, context, usageIdentifierKey}`; the values of the context are simple ones.
fn parse(gateway: &Gateway, answer: &Value) -> Option<Authorized> {
    let mut context = Map::new();
    for (name, value) in answer.get("context").and_then(Value::as_object).into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Null => continue,
            Value::Array(_) | Value::Object(_) => return None,
        };
        context.insert(name.clone(), Value::from(text));
    }
    let principal = answer.get("principalId").and_then(Value::as_str)?;
    context.insert("principalId".to_owned(), Value::from(principal));
    let policy = permission::returned(gateway, answer.get("policyDocument")?)?;
    let usage_key = answer.get("usageIdentifierKey").and_then(Value::as_str).map(str::to_owned);
    Some(Authorized { context, usage_key, policy })
}
