//! Functions: invoked with the list of events, and waited for or not.

use bytes::Bytes;
use cauce_core::ports::{Invocation, ServiceRequest};
use cauce_core::{Arn, Call};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Kind, Prepared};
use crate::flow::Flow;
use crate::payload::{Sent, Trouble, list};

/// Invokes a function and waits for its answer.
pub(crate) async fn invoke(flow: &Flow, call: &Call, function: &Arn, payload: Bytes) -> Result<Bytes, Trouble> {
    let service = Kind::Function.service();
    let functions = &flow.pipes.ports.functions;
    functions.authorize(call, function).await.map_err(|error| Trouble::refused(service, &error))?;
    let invocation = Invocation { function: function.clone(), payload, log_tail: false };
    let outcome = functions.invoke(call, invocation).await.map_err(|error| Trouble::refused(service, &error))?;
    match outcome.error {
        None => Ok(outcome.payload),
        Some(_) => Err(Trouble::own(service, String::from_utf8_lossy(&outcome.payload))),
    }
}

pub(super) async fn send(flow: &Flow, call: &Call, events: &[Prepared]) -> Result<Sent, Trouble> {
    let target = &flow.pipe.target;
    let payload = list(events.iter().map(|event| event.input.as_str()));
    let parameters = flow.pipe.target_parameters.as_ref().and_then(|own| own.lambda_function_parameters.as_ref());
    let kind = parameters.and_then(|parameters| parameters.invocation_type.as_deref());
    if kind != Some("FIRE_AND_FORGET") {
        let answer = invoke(flow, call, target, payload).await?;
        return Ok(Sent { answer, ..Sent::default() });
    }
    let named = utf8_percent_encode(target.as_str(), NON_ALPHANUMERIC);
    let request = ServiceRequest {
        service: Kind::Function.service().to_owned(),
        method: "POST".to_owned(),
        path_and_query: format!("/2015-03-31/functions/{named}/invocations"),
        headers: vec![("X-Amz-Invocation-Type".to_owned(), "Event".to_owned())],
        body: payload,
    };
    let answer = flow.pipes.ports.services.request(call, request).await;
    match answer.status {
        200..300 => Ok(Sent::default()),
        _ => Err(Trouble::answered(Kind::Function.service(), &answer)),
    }
}
