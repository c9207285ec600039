//! Requests from inside the program: the way of any other, but for the signature.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cauce_core::ports::{ServiceRequest, ServiceResponse, Services};
use cauce_core::{Call, RequestId, ServiceError};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};

use super::answer::{self, Style};
use super::request::{guarded, payload};
use super::route::{Mounted, Refused, Route, Target};
use super::{Door, Shared};
use crate::JsonVersion;
use crate::api::unknown_operation;
use crate::raw::{Body, Payload, PayloadMode, RawRequest, RequestHead};
use crate::served::{Encoded, Payload as Decodable, Served};

/// The longest answer that a request from inside gets, in bytes; only objects of S3 can be longer.
pub const INSIDE_ANSWER_BYTES_MAX: usize = 10 * 1_024 * 1_024;

#[async_trait]
impl Services for Door {
    async fn request(&self, call: &Call, request: ServiceRequest) -> ServiceResponse {
        let id = RequestId::random(self.shared.env.entropy());
        let answered = match perform(&self.shared, call, &id, request).await {
            Ok(response) => response,
            Err(refused) => answer::failure(refused.style, &id, &refused.error, ""),
        };
        whole(answered, &id).await
    }

    async fn operation(&self, call: &Call, service: &str, operation: &str, input: Bytes) -> ServiceResponse {
        let id = RequestId::random(self.shared.env.entropy());
        let style = Style::Json { content_type: JsonVersion::V1_1.content_type(), query_mode: false };
        let answered = match perform_named(&self.shared, call, &id, (service, operation), input).await {
            Ok(encoded) => answer::success(style, &id, encoded),
            Err(error) => answer::failure(style, &id, &error, ""),
        };
        whole(answered, &id).await
    }

    fn offers(&self, service: &str, operation: &str) -> bool {
        self.shared.services.operation(service, operation).is_some()
    }
}

fn json(error: ServiceError) -> Refused {
    Refused { style: Style::RestJson, error: Box::new(error) }
}

async fn perform(
    shared: &Shared,
    call: &Call,
    id: &RequestId,
    request: ServiceRequest,
) -> Result<Response<Body>, Refused> {
    let (service, body) = (request.service.clone(), request.body.clone());
    let parts = head(&request).map_err(json)?;
    let head = RequestHead { method: &parts.method, uri: &parts.uri, headers: &parts.headers };
    let query = parts.uri.query().unwrap_or("");
    let (target, style) = shared.services.find(&Route { head, query, signed_for: Some(&service) })?;
    let refused = |error: ServiceError| Refused { style, error: Box::new(error) };
    let host = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let call = Call { host: host.unwrap_or(&call.host).into(), ..child(shared, call, id) };
    if let Target::Raw(raw) = target {
        let payload = Payload::new(Full::new(body), &parts.headers, PayloadMode::Unsigned).map_err(refused)?;
        let mut response = guarded(raw.serve(call, RawRequest { head: parts, payload })).await.map_err(refused)?;
        answer::put_request_id(response.headers_mut(), id);
        return Ok(response);
    }
    let length = body.len();
    let (served, payload) = payload(&target, &parts, body).map_err(refused)?;
    let api = match &target {
        Target::Json { api, .. } | Target::Cbor { api, .. } | Target::Query { api, .. } | Target::Rest { api, .. } => {
            Some(*api)
        }
        Target::Raw(_) => None,
    };
    check_length(shared, api, served, length).map_err(refused)?;
    let encoded = serve(shared, served, call, payload).await.map_err(refused)?;
    Ok(answer::success(style, id, encoded))
}

async fn perform_named(
    shared: &Shared,
    call: &Call,
    id: &RequestId,
    (service, operation): (&str, &str),
    input: Bytes,
) -> Result<Encoded, ServiceError> {
    let found = shared.services.operation(service, operation);
    let (api, served) = found.ok_or_else(|| unknown_operation(operation, service))?;
    check_length(shared, Some(api), served, input.len())?;
    serve(shared, served, child(shared, call, id), Decodable::Json(input)).await
}

/// The same caller's next request.
fn child(shared: &Shared, call: &Call, id: &RequestId) -> Call {
    let trace = call.trace.child(shared.env.entropy());
    Call { request_id: id.clone(), trace, received: shared.env.now(), ..call.clone() }
}

async fn serve(
    shared: &Shared,
    served: &Arc<dyn Served>,
    call: Call,
    payload: Decodable,
) -> Result<Encoded, ServiceError> {
    let answered_by = call.received + Duration::from_secs(u64::from(served.answer_s_max()));
    // Whoever asked may be waited for less long than whoever asks this service directly.
    let call = Call { deadline: answered_by.min(call.deadline), ..call };
    guarded(Arc::clone(served).serve(Arc::clone(&shared.identity), call, payload)).await?
}

fn check_length(
    shared: &Shared,
    api: Option<&Mounted>,
    served: &Arc<dyn Served>,
    length: usize,
) -> Result<(), ServiceError> {
    let bytes_max = served.body_bytes_max().or(api.and_then(|api| api.body_bytes_max));
    let bytes_max = bytes_max.unwrap_or(shared.options.body_bytes_max);
    if length <= bytes_max {
        return Ok(());
    }
    let message = format!("Request must be smaller than {bytes_max} bytes, this one has {length}");
    Err(ServiceError::new(413, "RequestEntityTooLargeException", message))
}

/// The head of the request as it would have come over the network.
fn head(request: &ServiceRequest) -> Result<Parts, ServiceError> {
    let invalid = |what: &str| ServiceError::validation(format!("The request's {what} is invalid"));
    let method: Method = request.method.parse().map_err(|_| invalid("method"))?;
    let uri: Uri = request.path_and_query.parse().map_err(|_| invalid("path"))?;
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.method, parts.uri) = (method, uri);
    for (name, value) in &request.headers {
        let name: HeaderName = name.parse().map_err(|_| invalid("header name"))?;
        let value = HeaderValue::from_str(value).map_err(|_| invalid("header value"))?;
        parts.headers.append(name, value);
    }
    Ok(parts)
}

/// The answer with its whole body.
async fn whole(response: Response<Body>, id: &RequestId) -> ServiceResponse {
    let (parts, body) = response.into_parts();
    let (parts, body) = match Limited::new(body, INSIDE_ANSWER_BYTES_MAX).collect().await {
        Ok(body) => (parts, body.to_bytes()),
        Err(cause) => {
            tracing::warn!(request_id = %id, %cause, "an answer could not be taken in whole");
            let message = format!("The answer is longer than {INSIDE_ANSWER_BYTES_MAX} bytes or broke off");
            let error = ServiceError::new(500, "InternalFailure", message);
            let (parts, _) = answer::failure(Style::RestJson, id, &error, "").into_parts();
            (parts, error.message().to_owned().into())
        }
    };
    let headers = parts.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    ServiceResponse { status: parts.status.as_u16(), headers: headers.collect(), body }
}
