//! What policies say: the API's own, IAM's, and those that authorizers return.

use std::sync::Arc;

use cauce_core::ports::{Access, Verdict};
use cauce_core::{Principal, ServiceError};
use serde_json::{Value, json};

use crate::model::AuthorizationType;

use super::Gateway;
use super::failure::{Failure, Kind};
use super::plan::{Plan, PlannedMethod};
use super::request::Request;

/// The one action of the execution plane.
const INVOKE: &str = "execute-api:Invoke";

/// Refuses what the API's resource policy does not allow to the caller, whoever that is. Where IAM decides about the method,
/// the policy is asked together with the caller's own: [`check_caller`].
pub(super) async fn check_api_policy(
    gateway: &Gateway,
    request: &Request,
    method: &PlannedMethod,
    plan: &Plan,
) -> Result<(), Failure> {
    let Some(policy) = &plan.policy else { return Ok(()) };
    if method.authorization == AuthorizationType::AwsIam {
        return Ok(());
    }
    match ask(gateway, request, policy).await? {
        Verdict::Allowed(_) => Ok(()),
        Verdict::Denied(why) => Err(denied(request, "anonymous", &why)),
    }
}

/// Refuses a signed request that neither the caller's policies nor the API's allow.
pub(super) async fn check_caller(gateway: &Gateway, request: &Request, plan: &Plan) -> Result<(), Failure> {
    let principal = &*request.call.principal;
    if matches!(principal, Principal::Anonymous) {
        return Err(Failure::new(Kind::MissingAuthenticationToken));
    }
    let resource = request.arn(&request.path);
    let access = Access {
        action: INVOKE,
        resource: resource.as_str(),
        resource_policy: plan.policy.as_deref(),
        context: Vec::new(),
    };
    let verdict = gateway.control.ports.identity.explain(&request.call, &access).await;
    match verdict.map_err(|error| failed(&error))? {
        Verdict::Allowed(_) => Ok(()),
        Verdict::Denied(why) => Err(denied(request, &principal.to_string(), &why)),
    }
}

fn failed(error: &ServiceError) -> Failure {
    Failure::internal().because(format!("{error:?}"))
}

/// As API Gateway says it: the account is not told to strangers.
fn denied(request: &Request, who: &str, why: &str) -> Failure {
    let account = request.call.account.to_string();
    let hidden = format!("********{}", account.get(8..).unwrap_or(""));
    let resource = request.arn(&request.path).to_string().replacen(&account, &hidden, 1);
    let why = if why.contains("explicit deny") { " with an explicit deny" } else { "" };
    let message = format!("User: {who} is not authorized to perform: {INVOKE} on resource: {resource}{why}");
    Failure::denied(message.clone()).told(message)
}

/// Asks a document alone, as one that is for everybody.
async fn ask(gateway: &Gateway, request: &Request, policy: &str) -> Result<Verdict, Failure> {
    let mut call = request.call.clone();
    call.principal = Arc::new(Principal::Anonymous);
    let resource = request.arn(&request.path);
    let access =
        Access { action: INVOKE, resource: resource.as_str(), resource_policy: Some(policy), context: Vec::new() };
    gateway.control.ports.identity.explain(&call, &access).await.map_err(|error| failed(&error))
}

/// What a policy that an authorizer returned says to the request.
pub(super) async fn check_returned(gateway: &Gateway, request: &Request, policy: &str) -> Result<(), Failure> {
    match ask(gateway, request, policy).await? {
        Verdict::Allowed(_) => Ok(()),
        Verdict::Denied(why) if why.contains("explicit deny") => {
            let message = "User is not authorized to access this resource with an explicit deny";
            Err(Failure::denied(message))
        }
        Verdict::Denied(_) => Err(Failure::denied("User is not authorized to access this resource")),
    }
}

/// A document as an authorizer returns it, which names nobody, as one of a resource that is for everybody; `None` if it is no
/// document that policies can be.
pub(super) fn returned(gateway: &Gateway, document: &Value) -> Option<String> {
    let mut document = document.clone();
    let statements = document.get_mut("Statement")?;
    let statements = match statements {
        Value::Array(statements) => statements.iter_mut().collect::<Vec<_>>(),
        one => vec![one],
    };
    for statement in statements {
        let statement = statement.as_object_mut()?;
        statement.remove("NotPrincipal");
        statement.insert("Principal".to_owned(), json!("*"));
    }
    let text = document.to_string();
    gateway.control.ports.identity.check_resource_policy(&text).ok()?;
    Some(text)
}
