//! Answers, errors among them, in the form of each protocol.

use std::fmt::Write as _;

use bytes::Bytes;
use cauce_core::{Fault, RequestId, ServiceError};
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};

use crate::cbor;
use crate::query::xml;
use crate::raw::{Body, RawStyle};
use crate::served::Encoded;
use crate::sigv4::Dialect;

/// The header that every answer carries.
pub(crate) const REQUEST_ID: &str = "x-amzn-requestid";
const X_REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID);
/// The same id where S3's clients look for it.
const X_S3_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const X_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const X_QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");
/// By which a client says, and the answer confirms, that it speaks RPC v2.
pub(super) const X_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
pub(super) const RPC_V2_CBOR: &str = "rpc-v2-cbor";
const CBOR: &str = "application/cbor";

/// The form of the answers to a request, known before its operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// AWS JSON; `query_mode` where the client wants the code of the older protocol too.
    Json {
        content_type: &'static str,
        query_mode: bool,
    },
    /// RPC v2 CBOR; `query_mode` as in JSON.
    Cbor {
        query_mode: bool,
    },
    RestJson,
    Query {
        xmlns: &'static str,
    },
    /// S3.
    RestXml,
}

impl Style {
    /// The form in which a raw service's errors are told.
    pub(crate) fn raw(style: RawStyle) -> Style {
        match style {
            RawStyle::S3 => Style::RestXml,
            RawStyle::Http => Style::RestJson,
        }
    }

    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Style::Json { .. } | Style::Cbor { .. } => Dialect::Json,
            Style::RestJson => Dialect::Rest,
            Style::Query { .. } => Dialect::Query,
            Style::RestXml => Dialect::S3,
        }
    }
}

fn response(status: StatusCode, id: &RequestId, content_type: Option<&'static str>, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(4);
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    put_request_id(headers, id);
    response
}

/// Puts the id into an answer that somebody else made.
pub(crate) fn put_request_id(headers: &mut HeaderMap, id: &RequestId) {
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(X_REQUEST_ID, id);
    }
}

/// The answer of an operation that succeeded.
pub(crate) fn success(style: Style, id: &RequestId, encoded: Encoded) -> Response<Body> {
    match encoded {
        Encoded::Json(body) => {
            let content_type = match style {
                Style::Json { content_type, .. } => content_type,
                _ => "application/json",
            };
            response(StatusCode::OK, id, Some(content_type), body)
        }
        Encoded::Cbor(body) => {
            let content_type = (!body.is_empty()).then_some(CBOR);
            let mut response = response(StatusCode::OK, id, content_type, body);
            put(&mut response, X_PROTOCOL, RPC_V2_CBOR);
            response
        }
        Encoded::Xml(xml) => response(StatusCode::OK, id, Some("text/xml"), xml.into()),
        Encoded::Rest(rest) => {
            let mut response = Response::new(Body::full(rest.body));
            *response.status_mut() = rest.status;
            *response.headers_mut() = rest.headers;
            put_request_id(response.headers_mut(), id);
            response
        }
    }
}

/// The answer that tells a client what went wrong. `resource` is the path, which S3 repeats.
pub(crate) fn failure(style: Style, id: &RequestId, error: &ServiceError, resource: &str) -> Response<Body> {
    // Whoever lacks permission hears 400 in AWS JSON and 403 everywhere else.
    let status = match style {
        Style::Json { .. } | Style::Cbor { .. } => error.status(),
        _ if error.code() == "AccessDeniedException" => 403,
        _ => error.status(),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match style {
        Style::Json { content_type, query_mode } => {
            let mut response = response(status, id, Some(content_type), json_error(error, true));
            put(&mut response, X_ERROR_TYPE, error.code());
            if query_mode {
                put_query_error(&mut response, error);
            }
            response
        }
        Style::Cbor { query_mode } => {
            let mut response = response(status, id, Some(CBOR), cbor::error(error));
            put(&mut response, X_PROTOCOL, RPC_V2_CBOR);
            if query_mode {
                put_query_error(&mut response, error);
            }
            response
        }
        Style::RestJson => {
            let mut response = response(status, id, Some("application/json"), json_error(error, false));
            put(&mut response, X_ERROR_TYPE, error.code());
            response
        }
        Style::Query { xmlns } => response(status, id, Some("text/xml"), xml::error(error, xmlns, id.as_str()).into()),
        Style::RestXml => {
            let body = xml::rest_error(error, resource, id.as_str());
            let mut response = response(status, id, Some("application/xml"), body.into());
            put(&mut response, X_S3_REQUEST_ID, id.as_str());
            response
        }
    }
}

/// The code of the older protocol, for clients that have promised it to their callers.
fn put_query_error(response: &mut Response<Body>, error: &ServiceError) {
    let fault = match error.fault() {
        Fault::Sender => "Sender",
        Fault::Receiver => "Receiver",
    };
    put(response, X_QUERY_ERROR, &format!("{};{fault}", error.query_code()));
}

fn put(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn json_error(error: &ServiceError, with_type: bool) -> Bytes {
    let mut body = Map::new();
    if with_type {
        body.insert("__type".to_owned(), Value::from(error.code()));
    }
    // Errors of the framework below the services have always been spelt with a capital letter.
    let capital =
        matches!(error.code(), "AccessDeniedException" | "SerializationException" | "UnknownOperationException");
    let fields = error.fields();
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("message")) {
        body.insert(if capital { "Message" } else { "message" }.to_owned(), Value::from(error.message()));
    }
    for (name, value) in fields {
        body.insert((*name).to_owned(), value.clone());
    }
    // A map of texts and values always has a JSON form.
    serde_json::to_vec(&body).unwrap_or_default().into()
}

/// The whole answer, head and body, to what could not be read as a request.
pub(crate) fn refusal(status: u16, id: &RequestId) -> Bytes {
    let (code, message) = match status {
        431 => (
            "RequestHeaderSectionTooLarge",
            "Your request header section exceeds the maximum allowed request header section size.",
        ),
        414 => ("RequestURITooLarge", "Your request URI exceeds the maximum allowed request URI size."),
        503 => ("ServiceUnavailable", "The limit of simultaneous connections has been reached."),
        _ => ("BadRequest", "The bytes received are not an HTTP/1.1 request."),
    };
    let error = ServiceError::new(status, code, message);
    let body = json_error(&error, true);
    let reason = StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error");
    let mut out = String::with_capacity(512);
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "HTTP/1.1 {status} {reason}\r\n{}: application/x-amz-json-1.1\r\n{REQUEST_ID}: {id}\r\n{X_ERROR_TYPE}: {code}\r\n\
         content-length: {}\r\n{}: close\r\n\r\n",
        CONTENT_TYPE,
        body.len(),
        CONNECTION,
    );
    out.push_str(&String::from_utf8_lossy(&body));
    out.into()
}
