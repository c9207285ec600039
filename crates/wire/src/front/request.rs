//! One request, from its head to its answer.

use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cauce_core::ports::AccessKey;
use cauce_core::{Account, Call, Principal, Region, RequestId, ServiceError, Timestamp, Trace};
use futures_util::FutureExt as _;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;

use super::answer::{self, Style};
use super::route::{Mounted, Refused, Route, Target};
use super::{Shared, intake};
use crate::RestRequest;
use crate::query::form;
use crate::raw::{Body, Payload as RawPayload, PayloadMode, RawRequest, RawService, RawStyle, RequestHead};
use crate::served::{Payload, Served};
use crate::sigv4::canonical::PathStyle;
use crate::sigv4::chunked::ChunkSigner;
use crate::sigv4::sigv2::PresignedV2;
use crate::sigv4::{Dialect, PayloadHash, Presented, Refusal, SignedRequest, SigningKey, check_key};

/// What is known of a request from its arrival.
struct Arrival<'a> {
    parts: &'a Parts,
    id: &'a RequestId,
    peer: Option<IpAddr>,
    received: Timestamp,
}

impl Arrival<'_> {
    fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or("")
    }

    /// The `Host` header, or the authority of an absolute request target.
    fn host(&self) -> &str {
        let header = self.parts.headers.get(http::header::HOST).and_then(|v| v.to_str().ok());
        header.or_else(|| self.parts.uri.authority().map(http::uri::Authority::as_str)).unwrap_or("")
    }
}

/// Answers a request; a handler that panics costs its caller a 500.
pub(super) async fn answer(shared: &Shared, request: Request<Incoming>, peer: Option<IpAddr>) -> Response<Body> {
    let id = RequestId::random(shared.env.entropy());
    let (parts, body) = request.into_parts();
    // Both are shared and not copied; a refusal has to name them when the rest of the head may have gone to a service.
    let (uri, target) = (parts.uri.clone(), parts.headers.get("x-amz-target").cloned());
    let refused = match respond(shared, parts, body, &id, peer).await {
        Ok(response) => return response,
        Err(refused) => refused,
    };
    let target = target.as_ref().and_then(|v| v.to_str().ok()).unwrap_or("");
    log(&id, uri.path(), target, &refused.error);
    answer::failure(refused.style, &id, &refused.error, uri.path())
}

/// What a handler that panicked said.
#[derive(Debug, thiserror::Error)]
#[error("panic: {0}")]
struct Panicked(String);

/// What `work` gives, or 500 if it panics.
pub(super) async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, ServiceError> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let message = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        let message = message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        ServiceError::internal(Panicked(message))
    })
}

fn log(id: &RequestId, path: &str, target: &str, error: &ServiceError) {
    let cause = error.cause().map(tracing::field::display);
    let (status, code, message) = (error.status(), error.code(), error.message());
    if status >= 500 {
        tracing::error!(request_id = %id, path, target, status, code, message, cause, "request failed");
    } else {
        tracing::debug!(request_id = %id, path, target, status, code, message, cause, "request refused");
    }
}

async fn respond(
    shared: &Shared,
    parts: Parts,
    body: Incoming,
    id: &RequestId,
    peer: Option<IpAddr>,
) -> Result<Response<Body>, Refused> {
    check_head(&parts, shared.options.head_bytes_max)?;
    let arrival = Arrival { parts: &parts, id, peer, received: shared.env.now() };
    let head = RequestHead { method: &parts.method, uri: &parts.uri, headers: &parts.headers };
    let foreign = has_foreign_authorization(&head)
        && shared.services.unsigned(&head).is_some_and(|r| r.style() == RawStyle::Http);
    let found = if foreign { Ok(None) } else { Presented::find(&parts.headers, arrival.query()) };
    let v2 = PresignedV2::find(arrival.query());
    let presented = found.as_ref().ok().and_then(Option::as_ref);
    // A broken signature is refused in the form of the service it seems to be for.
    let guessed = found.is_err().then(|| Presented::guess_service(&parts.headers, arrival.query())).flatten();
    let signed_for = match (presented, &v2) {
        (Some(presented), _) => presented.scope().map(|scope| scope.service),
        (None, Some(_)) => Some("s3"),
        (None, None) => guessed.as_deref(),
    };
    let route = shared.services.find(&Route { head, query: arrival.query(), signed_for });
    if let Err(refusal) = &found {
        let style = route.as_ref().map_or_else(|refused| refused.style, |(_, style)| *style);
        return Err(Refused { style, error: Box::new(refusal.clone().into_error(style.dialect())) });
    }
    let (target, style) = route?;
    let refused = |error: ServiceError| Refused { style, error: Box::new(error) };
    if let Target::Raw(raw) = target {
        let (raw, signature) = (Arc::clone(raw), RawSignature { presented, v2: v2.as_ref() });
        let verified = verify_raw(shared, &arrival, &*raw, &signature, body).await.map_err(refused)?;
        return serve_raw(raw, parts, verified, id).await.map_err(refused);
    }
    let presented = presented.ok_or_else(|| refused(Refusal::Missing.into_error(style.dialect())))?;
    let operation = Operation { target, presented, arrival: &arrival, style };
    operation.perform(shared, body).await.map_err(refused)
}

/// Whether there is an `Authorization` header that says something else than an AWS signature.
fn has_foreign_authorization(head: &RequestHead<'_>) -> bool {
    head.headers.get(http::header::AUTHORIZATION).is_some_and(|value| !value.as_bytes().starts_with(b"AWS"))
}

/// The HTTP implementation stops reading a head that is too large, unless the last read brought all of the rest.
fn check_head(parts: &Parts, bytes_max: usize) -> Result<(), Refused> {
    // Each header line has a colon, a space and a line end besides.
    let headers: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if headers + target <= bytes_max {
        return Ok(());
    }
    let message = "Your request header section exceeds the maximum allowed request header section size.";
    let error = ServiceError::new(431, "RequestHeaderSectionTooLarge", message);
    Err(Refused { style: Style::RestJson, error: Box::new(error) })
}

/// A request for an operation of an [`crate::Api`].
struct Operation<'a> {
    target: Target<'a>,
    presented: &'a Presented<'a>,
    arrival: &'a Arrival<'a>,
    style: Style,
}

impl Operation<'_> {
    fn api(&self) -> Option<&Mounted> {
        match &self.target {
            Target::Json { api, .. }
            | Target::Cbor { api, .. }
            | Target::Query { api, .. }
            | Target::Rest { api, .. } => Some(api),
            Target::Raw(_) => None,
        }
    }

    async fn perform(self, shared: &Shared, body: Incoming) -> Result<Response<Body>, ServiceError> {
        let Some(api) = self.api() else { return Err(Refusal::Missing.into_error(self.style.dialect())) };
        let dialect = self.style.dialect();
        let (parts, now) = (self.arrival.parts, self.arrival.received);
        // Whoever has no key that could sign this does not get to make us hold a body.
        let service = api.info.signing_name;
        self.presented.check(&parts.headers, service, now).map_err(|r| r.into_error(dialect))?;
        let key = find_key(shared, self.presented, now).await?.map_err(|r| r.into_error(dialect))?;

        let (name, own_max) = match &self.target {
            Target::Json { served, .. } | Target::Cbor { served, .. } | Target::Rest { served, .. } => {
                (served.name(), served.body_bytes_max())
            }
            Target::Query { .. } | Target::Raw(_) => ("requested", None),
        };
        let bytes_max = own_max.or(api.body_bytes_max).unwrap_or(shared.options.body_bytes_max);
        let taken = intake::take(body, name, bytes_max, shared.options.body_ms_max, &shared.room).await?;

        let signed = signed_request(self.arrival, PathStyle::Normalized, PayloadHash::Body(&taken.body));
        self.presented.verify(&signed, &key.secret, &shared.keys).map_err(|r| r.into_error(dialect))?;

        let packed = parts.headers.get(http::header::CONTENT_ENCODING).is_some_and(|v| v.as_bytes() == b"gzip");
        let body = if packed { intake::unpack(&taken.body, name, bytes_max)? } else { taken.body.clone() };
        let (served, payload) = payload(&self.target, parts, body)?;
        let region = self.presented.scope().map(|scope| scope.region).unwrap_or_default();
        let call = call(shared, self.arrival, key.principal, region, served.answer_s_max());
        let encoded = guarded(Arc::clone(served).serve(Arc::clone(&shared.identity), call, payload)).await??;
        Ok(answer::success(self.style, self.arrival.id, encoded))
    }
}

/// The operation, which a form names only in its body, and what is to be decoded.
pub(super) fn payload<'t>(
    target: &'t Target<'_>,
    parts: &Parts,
    body: Bytes,
) -> Result<(&'t Arc<dyn Served>, Payload), ServiceError> {
    let query = parts.uri.query().unwrap_or("");
    match target {
        Target::Json { served, .. } => Ok((served, Payload::Json(body))),
        Target::Cbor { served, .. } => Ok((served, Payload::Cbor(body))),
        Target::Rest { served, labels, status, .. } => {
            let request = RestRequest {
                method: parts.method.clone(),
                labels: labels.clone(),
                query: rest_query(query)?,
                headers: parts.headers.clone(),
                body,
            };
            Ok((served, Payload::Rest { request, status: *status }))
        }
        Target::Query { api, xmlns } => {
            let form = match (query.contains("Action="), body.is_empty()) {
                (true, true) => Bytes::copy_from_slice(query.as_bytes()),
                _ => body,
            };
            let served = {
                let action = form_value(&form, b"Action")?.ok_or_else(|| {
                    let message = "The request is missing an action or a required parameter.";
                    ServiceError::new(400, "MissingAction", message)
                })?;
                api.action(&action, form_value(&form, b"Version")?.as_deref())?
            };
            let form = with_path(form, api.query_path, parts)?;
            Ok((served, Payload::Form { form, xmlns }))
        }
        // Those are served apart.
        Target::Raw(_) => Err(Refusal::Missing.into_error(Dialect::Rest)),
    }
}

/// The form with the URL of the request as the parameter for which it stands, if it stands for one that is not given.
fn with_path(form: Bytes, parameter: Option<&'static str>, parts: &Parts) -> Result<Bytes, ServiceError> {
    let path = parts.uri.path();
    let Some(parameter) = parameter.filter(|_| path != "/") else { return Ok(form) };
    if form_value(&form, parameter.as_bytes())?.is_some() {
        return Ok(form);
    }
    let host = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let mut whole = form.to_vec();
    // Host and path are the client's own bytes; a form reads no other special characters than these in a value.
    let url = format!("http://{host}{path}").replace('&', "%26").replace('+', "%2B");
    whole.extend_from_slice(format!("&{parameter}={url}").as_bytes());
    Ok(whole.into())
}

fn form_value<'f>(form: &'f [u8], name: &[u8]) -> Result<Option<Cow<'f, str>>, ServiceError> {
    let value = |pair: &'f [u8]| pair.strip_prefix(name)?.strip_prefix(b"=");
    form.split(|&b| b == b'&').find_map(value).map(form::decode).transpose()
}

fn rest_query(query: &str) -> Result<Vec<(String, String)>, ServiceError> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-"))
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| {
            let decode = |text: &str| form::decode(text.as_bytes()).map(Cow::into_owned);
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// The key that a signature names, if it may sign now.
async fn find_key(
    shared: &Shared,
    presented: &Presented<'_>,
    now: Timestamp,
) -> Result<Result<AccessKey, Refusal>, ServiceError> {
    let Some(scope) = presented.scope() else { return Ok(Err(Refusal::UnknownKey)) };
    let token = presented.token.as_deref();
    let Some(key) = shared.identity.presented_key(scope.access_key_id, token).await? else {
        return Ok(Err(Refusal::UnknownKey));
    };
    Ok(check_key(&key, token, now).map(|()| key))
}

fn call(shared: &Shared, arrival: &Arrival<'_>, principal: Principal, region: &str, answer_s_max: u32) -> Call {
    let entropy = shared.env.entropy();
    let trace = arrival.parts.headers.get("x-amzn-trace-id").and_then(|v| v.to_str().ok());
    let trace = trace.and_then(|header| Trace::from_header(header, entropy));
    Call {
        account: principal.account().unwrap_or(Account::DEFAULT),
        region: Region::new(region).unwrap_or_default(),
        principal: Arc::new(principal),
        request_id: arrival.id.clone(),
        trace: trace.unwrap_or_else(|| Trace::start(arrival.received, entropy)),
        received: arrival.received,
        deadline: arrival.received + Duration::from_secs(u64::from(answer_s_max)),
        source_ip: arrival.peer,
        host: arrival.host().into(),
        // Nobody listens in between a process and its own machine, so what policies demand of TLS is met there.
        secure: arrival.peer.is_some_and(|ip| ip.to_canonical().is_loopback()),
    }
}

/// The signature of a raw request, of either version.
struct RawSignature<'a> {
    presented: Option<&'a Presented<'a>>,
    v2: Option<&'a PresignedV2<'a>>,
}

/// A raw request that may be served, with the room that its body takes if it was read beforehand.
struct VerifiedRaw<'r> {
    call: Call,
    payload: RawPayload,
    _room: Option<intake::Taken<'r>>,
}

async fn verify_raw<'s>(
    shared: &'s Shared,
    arrival: &Arrival<'_>,
    raw: &dyn RawService,
    signature: &RawSignature<'_>,
    body: Incoming,
) -> Result<VerifiedRaw<'s>, ServiceError> {
    let (parts, now) = (arrival.parts, arrival.received);
    let dialect = Style::raw(raw.style()).dialect();
    let seconds = crate::ANSWER_S_MAX;
    let streamed = |call: Call, mode: PayloadMode, body: Incoming| {
        let payload = RawPayload::new(body, &parts.headers, mode)?;
        Ok(VerifiedRaw { call, payload, _room: None })
    };
    if let Some(presented) = signature.presented {
        presented.check(&parts.headers, raw.signing_name(), now).map_err(|r| r.into_error(dialect))?;
        let key = find_key(shared, presented, now).await?.map_err(|r| r.into_error(dialect))?;
        let region = presented.scope().map(|scope| scope.region).unwrap_or_default();
        let call = call(shared, arrival, key.principal.clone(), region, seconds);
        let claimed = parts.headers.get("x-amz-content-sha256").and_then(|v| v.to_str().ok());
        if raw.style() == RawStyle::Http {
            let bytes_max = raw.body_bytes_max().unwrap_or(shared.options.body_bytes_max);
            return verify_whole(shared, arrival, presented, &key, call, body, bytes_max).await;
        }
        let claim = PayloadHash::Claimed(claimed_hash(presented, claimed)?);
        let signed = signed_request(arrival, PathStyle::Verbatim, claim);
        let signing_key = presented.verify(&signed, &key.secret, &shared.keys).map_err(|r| r.into_error(dialect))?;
        let mode = payload_mode(presented, claimed, signing_key)?;
        return streamed(call, mode, body);
    }
    if let Some(v2) = signature.v2 {
        let token = v2.token.as_deref();
        let key = shared.identity.presented_key(&v2.access_key_id, token).await?;
        let key = key.ok_or_else(|| Refusal::UnknownKey.into_error(dialect))?;
        check_key(&key, token, now).map_err(|r| r.into_error(dialect))?;
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        v2.verify(method, path, &parts.headers, &key.secret, now).map_err(|r| r.into_error(dialect))?;
        return streamed(call(shared, arrival, key.principal, "", seconds), unsigned_mode(arrival), body);
    }
    let call = call(shared, arrival, Principal::Anonymous, "", seconds);
    if raw.style() == RawStyle::Http {
        return take_unsigned(shared, arrival, raw, call, body).await;
    }
    streamed(call, unsigned_mode(arrival), body)
}

/// Takes in the body of a request without a signature, where it does not stream: it counts and must come in time like any other.
async fn take_unsigned<'s>(
    shared: &'s Shared,
    arrival: &Arrival<'_>,
    raw: &dyn RawService,
    call: Call,
    body: Incoming,
) -> Result<VerifiedRaw<'s>, ServiceError> {
    let options = &shared.options;
    let bytes_max = raw.body_bytes_max().unwrap_or(options.body_bytes_max);
    let taken = match intake::take(body, "requested", bytes_max, options.body_ms_max, &shared.room).await {
        Ok(taken) => taken,
        // The service says so in its own words.
        Err(error) if error.status() == 413 => {
            return Ok(VerifiedRaw { call, payload: RawPayload::too_large(bytes_max), _room: None });
        }
        Err(error) => return Err(error),
    };
    let whole = http_body_util::Full::new(taken.body.clone());
    let payload = RawPayload::new(whole, &arrival.parts.headers, unsigned_mode(arrival))?;
    Ok(VerifiedRaw { call, payload, _room: Some(taken) })
}

/// Verifies a request whose signature covers its body and says nothing else of it.
async fn verify_whole<'s>(
    shared: &'s Shared,
    arrival: &Arrival<'_>,
    presented: &Presented<'_>,
    key: &AccessKey,
    call: Call,
    body: Incoming,
    bytes_max: usize,
) -> Result<VerifiedRaw<'s>, ServiceError> {
    let (options, dialect) = (&shared.options, Dialect::Rest);
    let taken = intake::take(body, "requested", bytes_max, options.body_ms_max, &shared.room).await?;
    let signed = signed_request(arrival, PathStyle::Normalized, PayloadHash::Body(&taken.body));
    presented.verify(&signed, &key.secret, &shared.keys).map_err(|r| r.into_error(dialect))?;
    let whole = http_body_util::Full::new(taken.body.clone());
    let payload = RawPayload::new(whole, &arrival.parts.headers, PayloadMode::Unsigned)?;
    Ok(VerifiedRaw { call, payload, _room: Some(taken) })
}

fn signed_request<'a>(arrival: &'a Arrival<'_>, path_style: PathStyle, payload: PayloadHash<'a>) -> SignedRequest<'a> {
    SignedRequest {
        method: arrival.parts.method.as_str(),
        path: arrival.parts.uri.path(),
        path_style,
        query: arrival.query(),
        headers: &arrival.parts.headers,
        host: arrival.host(),
        payload,
    }
}

/// What the last line of the canonical request is: the header's word, which a header signature must have.
fn claimed_hash<'a>(presented: &Presented<'_>, claimed: Option<&'a str>) -> Result<&'a str, ServiceError> {
    match (presented.carrier, claimed) {
        (_, Some(claimed)) => Ok(claimed),
        (crate::sigv4::Carrier::Query { .. }, None) => Ok("UNSIGNED-PAYLOAD"),
        (crate::sigv4::Carrier::Header, None) => {
            let message = "Missing required header for this request: x-amz-content-sha256";
            Err(ServiceError::new(400, "InvalidRequest", message))
        }
    }
}

fn unsigned_mode(arrival: &Arrival<'_>) -> PayloadMode {
    match arrival.parts.headers.get("x-amz-content-sha256").map(|v| v.as_bytes()) {
        Some(b"STREAMING-UNSIGNED-PAYLOAD-TRAILER") => PayloadMode::Chunked(None),
        _ => PayloadMode::Unsigned,
    }
}

/// How the body is framed and vouched for, by what the verified `x-amz-content-sha256` says.
fn payload_mode(
    presented: &Presented<'_>,
    claimed: Option<&str>,
    key: SigningKey,
) -> Result<PayloadMode, ServiceError> {
    match claimed {
        None | Some("UNSIGNED-PAYLOAD") => Ok(PayloadMode::Unsigned),
        Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") => Ok(PayloadMode::Chunked(None)),
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD" | "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") => {
            Ok(PayloadMode::Chunked(Some(ChunkSigner {
                key,
                date: presented.date.clone().into_owned(),
                scope: presented.scope_text().to_owned(),
                previous: presented.signature.clone().into_owned(),
            })))
        }
        Some(hash) if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(PayloadMode::Hashed(hash.to_ascii_lowercase()))
        }
        Some(_) => {
            let message = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                           STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 \
                           value.";
            Err(ServiceError::new(400, "InvalidArgument", message))
        }
    }
}

async fn serve_raw(
    raw: Arc<dyn RawService>,
    head: Parts,
    verified: VerifiedRaw<'_>,
    id: &RequestId,
) -> Result<Response<Body>, ServiceError> {
    let VerifiedRaw { call, payload, _room } = verified;
    let mut response = guarded(raw.serve(call, RawRequest { head, payload })).await?;
    answer::put_request_id(response.headers_mut(), id);
    Ok(response)
}
