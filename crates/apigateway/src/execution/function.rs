//! Integrations with functions.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cauce_core::ports::{Invocation, InvocationOutcome};
use cauce_core::{Arn, Call};
use serde::Deserialize;
use serde_json::Value;

use crate::deployed::DeployedStage;
use crate::vtl::Pairs;

use super::answer::Answer;
use super::binary::accepts_binary;
use super::failure::Failure;
use super::plan::PlannedIntegration;
use super::request::Request;
use super::{Gateway, endpoint, proxy_event};

/// The function in `arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/FUNCTION/invocations`.
pub(super) fn function_arn(uri: &str) -> Option<Arn> {
    let (_, rest) = uri.split_once(":lambda:path/")?;
    rest.split_once("/functions/")?.1.strip_suffix("/invocations")?.parse().ok()
}

/// A call as a session of a role; the reason if there is none.
pub(super) async fn call_as(gateway: &Gateway, request: &Request, role: &str) -> Result<Call, String> {
    let mut call = request.call.clone();
    call.trace = call.trace.child(gateway.control.env.entropy());
    // `arn:aws:iam::*:user/*` stands for whoever calls.
    if role.contains(":user/*") {
        return Ok(call);
    }
    let role: Arn = role.parse().map_err(|error| format!("{role}: {error}"))?;
    let identity = &gateway.control.ports.identity;
    let session = identity.session(&role, "apigateway.amazonaws.com", "BackplaneAssumeRoleSession").await;
    call.principal = Arc::new(session.map_err(|error| format!("{error:?}"))?);
    Ok(call)
}

/// The headers of a request to a function, as logs show them. The request stays within the program, so nothing signs it.
pub(super) fn function_headers(request: &Request, call: &Call, source: &Arn) -> Pairs {
    let at = jiff::Timestamp::from_second(call.received.as_secs()).unwrap_or_default();
    let api = &request.api_id;
    [
        ("x-amzn-lambda-integration-tag", request.call.request_id.as_str().to_owned()),
        ("X-Amz-Date", at.strftime("%Y%m%dT%H%M%SZ").to_string()),
        ("x-amzn-apigateway-api-id", api.clone()),
        ("Accept", "application/json".to_owned()),
        ("User-Agent", format!("AmazonAPIGateway_{api}")),
        ("Host", format!("lambda.{}.amazonaws.com", call.region)),
        ("X-Amzn-Trace-Id", format!("Root={}", call.trace.root)),
        ("X-Amz-Source-Arn", source.to_string()),
        ("Content-Type", "application/json".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Invokes the integration's function.
pub(super) async fn invoke(
    gateway: &Gateway,
    request: &mut Request,
    integration: &PlannedIntegration,
    payload: Bytes,
) -> Result<InvocationOutcome, Failure> {
    let refused = |cause: String| Failure::internal().because(cause);
    let none = || Failure::configuration(format!("{} names no function", integration.uri));
    let function = integration.function.clone().ok_or_else(none)?;
    let source = request.arn(&request.resource_path);
    let call = match &integration.credentials {
        Some(role) => call_as(gateway, request, role).await.map_err(|why| refused(why).told(endpoint::NO_ROLE))?,
        None => gateway.own_call(request, &source),
    };
    endpoint::tell_request(request, &integration.uri, || function_headers(request, &call, &source), &payload);
    let functions = Arc::clone(&gateway.control.ports.functions);
    functions
        .authorize(&call, &function)
        .await
        .map_err(|error| refused(format!("{error:?}")).told(endpoint::NO_PERMISSION))?;
    let (id, trace, begun) = (call.request_id.clone(), call.trace.root, gateway.control.env.now());
    request.integration_id = Some(id.as_str().to_owned());
    let invocation = Invocation { function, payload, log_tail: false };
    // A function that has begun goes on, also when nobody waits for it any more.
    let task = tokio::spawn(async move { functions.invoke(&call, invocation).await });
    let outcome = match task.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => {
            let status = error.status();
            let line = format!("Lambda invocation failed with status: {status}. Lambda request id: {id}");
            return Err(refused(format!("{error:?}")).told(line));
        }
        Err(error) => return Err(refused(error.to_string())),
    };
    let took = gateway.control.env.now().since(begun);
    let headers = || -> Pairs {
        [
            ("Content-Type", "application/json".to_owned()),
            ("Content-Length", outcome.payload.len().to_string()),
            ("x-amzn-RequestId", id.to_string()),
            ("X-Amz-Executed-Version", outcome.executed_version.clone()),
            ("X-Amzn-Trace-Id", format!("Root={trace}")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    };
    endpoint::tell_response(request, 200, took, headers, &outcome.payload);
    Ok(outcome)
}

/// A proxied request: the function gets all of it, and its answer is the answer.
pub(super) async fn proxy(
    gateway: &Gateway,
    request: &mut Request,
    integration: &PlannedIntegration,
    deployed: &DeployedStage,
) -> Result<Answer, Failure> {
    let payload = proxy_event::for_function(request, deployed);
    let outcome = invoke(gateway, request, integration, payload).await?;
    request.integration_status = Some(200);
    if outcome.error.is_some() {
        let text = String::from_utf8_lossy(&outcome.payload);
        let answer: Value = serde_json::from_slice(&outcome.payload).unwrap_or(Value::Null);
        let why = answer.get("errorMessage").and_then(Value::as_str).unwrap_or("Unhandled error");
        let id = request.integration_id.as_deref().unwrap_or("");
        return Err(Failure::malformed(format!("the function failed: {text}")).told(format!(
            "Lambda execution failed with status 200 due to customer function error: {why}. Lambda request id: {id}"
        )));
    }
    // An array would be read as the members of the answer in their order.
    let is_object = outcome.payload.trim_ascii_start().starts_with(b"{");
    let answer: ProxyAnswer = match serde_json::from_slice(&outcome.payload) {
        Ok(answer) if is_object => answer,
        Ok(_) => return Err(Failure::malformed("malformed Lambda proxy response: no object")),
        Err(error) => return Err(Failure::malformed(format!("malformed Lambda proxy response: {error}"))),
    };
    answer.into_answer(request, deployed)
}

/// What a proxied function answers. Anything else is malformed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProxyAnswer {
    #[serde(default)]
    status_code: Option<Value>,
    #[serde(default)]
    headers: Option<serde_json::Map<String, Value>>,
    #[serde(default)]
    multi_value_headers: Option<serde_json::Map<String, Value>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

impl ProxyAnswer {
    fn into_answer(self, request: &Request, deployed: &DeployedStage) -> Result<Answer, Failure> {
        let malformed = || Failure::malformed("malformed Lambda proxy response");
        let status = match &self.status_code {
            None | Some(Value::Null) => Some(200),
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        let status = status.filter(|status| (100..600).contains(status)).and_then(|status| u16::try_from(status).ok());
        let mut body: Bytes = self.body.unwrap_or_default().into();
        let takes_bytes = accepts_binary(&deployed.snapshot.api.binary_media_types, request);
        if self.is_base64_encoded == Some(true) && takes_bytes {
            body = STANDARD.decode(&body).map_err(|_| malformed())?.into();
        }
        let mut answer = Answer::new(status.ok_or_else(malformed)?, body);
        let multi = values(self.multi_value_headers, true).ok_or_else(malformed)?;
        for (name, value) in values(self.headers, false).ok_or_else(malformed)? {
            // Several values of a header win over one.
            if !multi.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                answer.add_from_backend(&name, &value);
            }
        }
        for (name, value) in &multi {
            answer.add_from_backend(name, value);
        }
        Ok(answer)
    }
}

/// The headers of an answer; `None` for what cannot be the value of one.
fn values(headers: Option<serde_json::Map<String, Value>>, several: bool) -> Option<Pairs> {
    let mut pairs = Pairs::new();
    for (name, value) in headers.into_iter().flatten() {
        let values = match value {
            Value::Array(values) if several => values,
            Value::Array(_) => return None,
            one => vec![one],
        };
        for value in values {
            match value {
                Value::String(text) => pairs.push((name.clone(), text)),
                Value::Number(_) | Value::Bool(_) => pairs.push((name.clone(), value.to_string())),
                Value::Null => {}
                Value::Array(_) | Value::Object(_) => return None,
            }
        }
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    #[test]
    fn uris_name_functions() {
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f:live";
        let uri = format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations");
        assert_eq!(super::function_arn(&uri).map(|arn| arn.to_string()).as_deref(), Some(arn));
        for bad in ["", arn, "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations"] {
            assert_eq!(super::function_arn(bad), None, "{bad}");
        }
    }
}
