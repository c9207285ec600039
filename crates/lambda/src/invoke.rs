//! Invoking a function and waiting for its answer, or handing the event to the delivery engine.
//!
//! AWS: Lambda API, *Invoke*.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cauce_core::ports::{Access, FunctionError, Functions, Invocation, InvocationOutcome};
use cauce_core::{Arn, Blob, Call, ServiceError, Trace, Violations};
use cauce_delivery::lineage::{Fate, Step};
use cauce_wire::{HeaderName, Input, RestRequest, RestResponse};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::flight::{Flown, LogWish, fly};
use crate::model::Deployment;
use crate::name::{FunctionRef, check_name, check_qualifier};
use crate::sandbox::{Plan, Work};
use crate::service::Lambda;

/// The largest payload of a synchronous invocation, in bytes. AWS: Lambda quotas, "Invocation payload".
pub const PAYLOAD_BYTES_MAX: usize = 6 * 1_024 * 1_024;

/// The largest payload of an asynchronous invocation, in bytes. AWS: the same.
pub const EVENT_BYTES_MAX: usize = 1_024 * 1_024;

/// The deepest payload, in nested arrays and objects: what AWS's own reader of JSON takes.
const DEPTH_MAX: usize = 1_000;

/// The largest client context, in bytes of base64. AWS: Lambda API, *Invoke*.
const CONTEXT_BYTES_MAX: usize = 3_583;

/// AWS: *Invoke*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InvokeInput {
    pub(crate) function_name: String,
    pub(crate) qualifier: Option<String>,
    pub(crate) invocation_type: Option<String>,
    pub(crate) log_type: Option<String>,
    pub(crate) client_context: Option<String>,
    pub(crate) payload: Option<Blob>,
}

impl Input for InvokeInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        check_qualifier(v, self.qualifier.as_deref());
        if let Some(kind) = &self.invocation_type {
            v.one_of("InvocationType", kind, &["Event", "RequestResponse", "DryRun"]);
        }
        if let Some(kind) = &self.log_type {
            v.one_of("LogType", kind, &["None", "Tail"]);
        }
    }
}

/// AWS: *Invoke*, response; all but the payload travels in headers.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InvokeOutput {
    pub(crate) status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function_error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log_result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) executed_version: Option<String>,
    pub(crate) payload: Blob,
}

/// Reads the input of *Invoke* from the request, whose body is the payload itself.
pub(crate) fn decode_invoke(request: &RestRequest) -> Result<InvokeInput, ServiceError> {
    let text = |value: Option<&str>| value.map(str::to_owned);
    Ok(InvokeInput {
        function_name: request.label("FunctionName").unwrap_or_default().to_owned(),
        qualifier: text(request.query("Qualifier")),
        invocation_type: text(request.header("x-amz-invocation-type")),
        log_type: text(request.header("x-amz-log-type")),
        client_context: text(request.header("x-amz-client-context")),
        payload: Some(Blob(request.body().clone())),
    })
}

/// Writes the answer of *Invoke*.
pub(crate) fn encode_invoke(output: InvokeOutput) -> RestResponse {
    let mut response = RestResponse::new(output.status_code, output.payload.0);
    let headers = [
        ("x-amz-function-error", output.function_error),
        ("x-amz-log-result", output.log_result.as_deref()),
        ("x-amz-executed-version", output.executed_version.as_deref()),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            response = response.header(HeaderName::from_static(name), value);
        }
    }
    if output.status_code == 200 {
        response = response.header(HeaderName::from_static("content-type"), "application/json");
    }
    response
}

/// What may be wrong with a payload.
fn check_payload(payload: &Bytes, kind: &str) -> Result<(), Error> {
    let most = if kind == "Event" { EVENT_BYTES_MAX } else { PAYLOAD_BYTES_MAX };
    if payload.len() > most {
        return Err(Error::TooLarge(format!(
            "{} byte payload is too large for the {kind} invocation type (limit {most} bytes)",
            payload.len()
        )));
    }
    let unreadable = |cause: String| {
        Err(Error::InvalidContent(format!(
            "Could not parse request body into json: Could not parse payload into json: {cause}"
        )))
    };
    // Checked, never rewritten: the function gets the bytes as they came.
    if payload.is_empty() {
        return Ok(());
    }
    if let Err(cause) = serde_json::from_slice::<IgnoredAny>(payload) {
        return unreadable(cause.to_string());
    }
    let depth = depth(payload);
    if depth > DEPTH_MAX {
        return unreadable(format!("Document nesting depth ({depth}) exceeds the maximum allowed ({DEPTH_MAX})"));
    }
    Ok(())
}

/// How deep arrays and objects of a valid JSON document are nested.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The JSON of a client context.
fn context(encoded: Option<&str>) -> Result<Option<String>, Error> {
    let Some(encoded) = encoded.filter(|e| !e.is_empty()) else { return Ok(None) };
    let invalid = || Error::InvalidContent("Client context must be a valid Base64-encoded JSON object.".to_owned());
    if encoded.len() > CONTEXT_BYTES_MAX {
        return Err(Error::TooLarge(format!(
            "{} byte client context is too large (limit {CONTEXT_BYTES_MAX} bytes)",
            encoded.len()
        )));
    }
    let decoded = STANDARD.decode(encoded).map_err(|_| invalid())?;
    let value: serde_json::Value = serde_json::from_slice(&decoded).map_err(|_| invalid())?;
    // Printed anew so that it fits on the one line of a header.
    Ok(Some(value.to_string()))
}

impl Lambda {
    pub(crate) async fn invoke_function(
        self: Arc<Self>,
        call: Call,
        input: InvokeInput,
    ) -> Result<InvokeOutput, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, input.qualifier.as_deref())?;
        let kind = input.invocation_type.as_deref().unwrap_or("RequestResponse");
        let payload = input.payload.unwrap_or_default().0;
        check_payload(&payload, kind)?;
        let client_context = context(input.client_context.as_deref())?;
        let deployment = self.deployment(&reference).await?;
        let nothing = |status_code| InvokeOutput {
            status_code,
            function_error: None,
            log_result: None,
            executed_version: None,
            payload: Blob::default(),
        };
        match kind {
            "DryRun" => Ok(nothing(204)),
            "Event" => {
                self.send_event(&call, &reference, payload, client_context).await?;
                Ok(nothing(202))
            }
            _ => {
                let (trace, began) =
                    (Trace { parent: call.trace.parent, ..call.trace.child(self.env.entropy()) }, self.env.now());
                let work = Work {
                    request_id: call.request_id.to_string(),
                    payload,
                    invoked_arn: reference.arn().to_string(),
                    trace: trace.header(),
                    client_context,
                };
                let wish = LogWish { tail: input.log_type.as_deref() == Some("Tail"), written: false };
                let (plan, flown) = self.run(&deployment, work, wish).await?;
                self.ports.delivery.note(Step {
                    trace,
                    at: began,
                    ended: Some(self.env.now()),
                    what: "lambda:Invoke".to_owned(),
                    to: reference.arn().to_string(),
                    request_id: Some(call.request_id.clone()),
                    fate: Fate::Done,
                    detail: flown.error.map_or_else(String::new, |error| error_name(error).to_owned()),
                });
                let tail = match flown.tail {
                    Some(tail) => tail.await.ok(),
                    None => None,
                };
                Ok(InvokeOutput {
                    status_code: 200,
                    function_error: flown.error.map(error_name),
                    log_result: tail.map(|tail| STANDARD.encode(tail)),
                    executed_version: Some(plan.version.clone()),
                    payload: Blob(flown.payload),
                })
            }
        }
    }

    /// Runs one invocation of a deployment in a sandbox.
    pub(crate) async fn run(
        &self,
        deployment: &Deployment,
        mut work: Work,
        wish: LogWish,
    ) -> Result<(Arc<Plan>, Flown), Error> {
        let draw = if deployment.plans.len() > 1 { fraction(self.env.entropy().u64()) } else { 1.0 };
        let Some(plan) = deployment.choose(draw) else {
            return Err(Error::NotFound("Function not found".to_owned()));
        };
        if work.payload.is_empty() {
            work.payload = Bytes::from_static(b"{}");
        }
        let meters = self.meters_of(&work.invoked_arn);
        let permit = match self.fleet.admit(&plan.function, deployment.reserved_concurrency) {
            Ok(permit) => permit,
            Err(throttle) => {
                if let Some(meters) = &meters {
                    meters.throttled();
                }
                return Err(throttle.into());
            }
        };
        if let Some(meters) = &meters {
            meters.running(self.fleet.running(&plan.function));
        }
        let flown = fly(&self.fleet, Arc::clone(plan), permit, work, wish).await?;
        if let Some(meters) = &meters {
            meters.invoked(flown.duration, flown.error.is_some());
        }
        Ok((Arc::clone(plan), flown))
    }
}

/// A number from 0 to below 1.
fn fraction(random: u64) -> f64 {
    // 53 bits are what a float holds exactly.
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

fn error_name(error: FunctionError) -> &'static str {
    match error {
        FunctionError::Handled => "Handled",
        FunctionError::Unhandled => "Unhandled",
    }
}

impl Lambda {
    async fn invoke_arn(&self, call: &Call, invocation: Invocation) -> Result<InvocationOutcome, ServiceError> {
        let arn = &invocation.function;
        let Some(reference) = FunctionRef::from_arn(arn) else {
            return Err(Error::NotFound(format!("Function not found: {arn}")).into());
        };
        check_payload(&invocation.payload, "RequestResponse")?;
        let deployment = self.deployment(&reference).await?;
        let work = Work {
            request_id: call.request_id.to_string(),
            payload: invocation.payload,
            invoked_arn: arn.to_string(),
            trace: call.trace.child(self.env.entropy()).header(),
            client_context: None,
        };
        let (plan, flown) = self.run(&deployment, work, LogWish { tail: invocation.log_tail, written: false }).await?;
        let log_tail = match flown.tail {
            Some(tail) => tail.await.unwrap_or_default(),
            None => Bytes::new(),
        };
        Ok(InvocationOutcome {
            payload: flown.payload,
            error: flown.error,
            executed_version: plan.version.clone(),
            log_tail,
        })
    }
}

#[async_trait]
impl Functions for Lambda {
    async fn authorize(&self, call: &Call, function: &Arn) -> Result<(), ServiceError> {
        let Some(reference) = FunctionRef::from_arn(function) else { return Err(Error::no_function(function).into()) };
        let deployment = self.deployment(&reference).await?;
        let access = Access {
            action: "lambda:InvokeFunction",
            resource: function.as_str(),
            resource_policy: deployment.policy.as_deref(),
            context: Vec::new(),
        };
        self.ports.identity.authorize(call, &access).await
    }

    async fn invoke(&self, call: &Call, invocation: Invocation) -> Result<InvocationOutcome, ServiceError> {
        self.invoke_arn(call, invocation).await
    }
}
