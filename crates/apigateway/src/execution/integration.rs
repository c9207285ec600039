//! What a method does, by the type of its integration.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use crate::deployed::DeployedStage;
use crate::model::{ContentHandling, IntegrationType};
use crate::vtl::Pairs;

use super::answer::Answer;
use super::failure::{Failure, Kind};
use super::mapping::{BackendAnswer, Mapped, map_request, map_response};
use super::plan::PlannedIntegration;
use super::request::Request;
use super::{BODY_BYTES_MAX, Gateway, binary, function, service, upstream};

/// Performs a method's integration.
pub(super) async fn perform(
    gateway: &Gateway,
    request: &mut Request,
    integration: &PlannedIntegration,
    deployed: &DeployedStage,
) -> Result<Answer, Failure> {
    let begun = gateway.control.env.now();
    let answer = match integration.kind {
        IntegrationType::AwsProxy => function::proxy(gateway, request, integration, deployed).await,
        IntegrationType::HttpProxy => upstream::proxy(gateway, request, integration).await,
        IntegrationType::Mock => mock(request, integration, deployed),
        IntegrationType::Aws if integration.function.is_some() => {
            mapped_function(gateway, request, integration, deployed).await
        }
        IntegrationType::Aws => service::perform(gateway, request, integration, deployed).await,
        IntegrationType::Http => upstream::mapped(gateway, request, integration, deployed).await,
    };
    request.integration_ms = u64::try_from(gateway.control.env.now().since(begun).as_millis()).ok();
    let answer = answer?;
    if answer.body.len() > BODY_BYTES_MAX {
        return Err(Failure::internal().because("the answer exceeds the limit of 10 MiB"));
    }
    Ok(answer)
}

/// The body for a backend, with bytes and text turned into each other where the integration says so.
pub(super) fn request_body(
    request: &Request,
    integration: &PlannedIntegration,
    deployed: &DeployedStage,
) -> Result<Mapped, Failure> {
    let is_binary = binary::is_binary(&deployed.snapshot.api.binary_media_types, &request.media_type());
    if is_binary && integration.content_handling != Some(ContentHandling::ConvertToText) {
        return Ok(Mapped { body: request.body.clone(), overrides: crate::vtl::Overrides::default() });
    }
    if is_binary {
        let text = Bytes::from(STANDARD.encode(&request.body));
        return map_request(request, &text, integration, deployed);
    }
    let mut mapped = map_request(request, &request.body, integration, deployed)?;
    if integration.content_handling == Some(ContentHandling::ConvertToBinary) {
        mapped.body = decoded(&mapped.body)?;
    }
    Ok(mapped)
}

fn decoded(body: &[u8]) -> Result<Bytes, Failure> {
    let decoded = STANDARD.decode(body.trim_ascii());
    decoded.map(Bytes::from).map_err(|error| Failure::internal().because(error.to_string()))
}

/// The method's answer to what a backend answered; `selector` is the backend's status or error message, none for success of a
/// function.
pub(super) fn respond(
    request: &Request,
    integration: &PlannedIntegration,
    deployed: &DeployedStage,
    selector: Option<&str>,
    mut backend: BackendAnswer,
) -> Result<Answer, Failure> {
    let chosen = match selector {
        Some(selector) => integration.response_for(selector),
        None => integration.default_response.and_then(|at| integration.responses.get(at)),
    };
    let none = || {
        let status = request.integration_status.unwrap_or_default();
        Failure::configuration(format!(
            "No match for output mapping and no default output mapping configured. Endpoint Response Status Code: {status}"
        ))
    };
    let response = chosen.ok_or_else(none)?;
    match response.content_handling {
        Some(ContentHandling::ConvertToBinary) => backend.body = decoded(&backend.body)?,
        Some(ContentHandling::ConvertToText) => backend.body = STANDARD.encode(&backend.body).into(),
        None => {}
    }
    map_response(request, response, deployed, backend)
}

/// A MOCK integration: the template says with which status the backend would answer.
fn mock(request: &mut Request, integration: &PlannedIntegration, deployed: &DeployedStage) -> Result<Answer, Failure> {
    let mapped = map_request(request, &request.body, integration, deployed)?;
    let said: Option<Value> = serde_json::from_slice(&mapped.body).ok();
    let status = said.as_ref().and_then(|said| said.get("statusCode")).and_then(|status| match status {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    });
    let none = || Failure::configuration("Unable to parse statusCode. It should be an integer and >= 100 and <= 599");
    let status = status.ok_or_else(none)?;
    request.integration_status = u16::try_from(status).ok();
    let backend = BackendAnswer { headers: Pairs::new(), body: Bytes::new() };
    respond(request, integration, deployed, Some(&status.to_string()), backend)
}

/// A function behind templates.
async fn mapped_function(
    gateway: &Gateway,
    request: &mut Request,
    integration: &PlannedIntegration,
    deployed: &DeployedStage,
) -> Result<Answer, Failure> {
    let mapped = request_body(request, integration, deployed)?;
    let payload = if mapped.body.is_empty() { Bytes::from_static(b"{}") } else { mapped.body };
    if serde_json::from_slice::<serde::de::IgnoredAny>(&payload).is_err() {
        let message = "Could not parse request body into json";
        return Err(Failure::with(Kind::Default4xx(400), message));
    }
    let outcome = function::invoke(gateway, request, integration, payload).await?;
    request.integration_status = Some(200);
    let message = outcome.error.map(|_| {
        let answer: Value = serde_json::from_slice(&outcome.payload).unwrap_or(Value::Null);
        answer.get("errorMessage").and_then(Value::as_str).unwrap_or("").to_owned()
    });
    let backend = BackendAnswer { headers: Pairs::new(), body: outcome.payload };
    respond(request, integration, deployed, message.as_deref(), backend)
}
