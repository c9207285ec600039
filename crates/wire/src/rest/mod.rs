//! REST-JSON: paths, members from labels, queries and headers, and the requests and answers that operations may read and
//! write themselves where a payload is no JSON structure.
//!
//! Smithy 2.0 documentation, *AWS REST JSON 1 protocol*.

mod bind;
pub(crate) mod route;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

pub(crate) use bind::document;

/// A request of a REST operation, for [`crate::Operation::decode`].
#[derive(Clone, Debug)]
pub struct RestRequest {
    pub(crate) method: Method,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl RestRequest {
    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The value of a label of the path template, percent-decoded.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
    }

    /// The first value of a query parameter, percent-decoded.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Every value of a query parameter, in order.
    pub fn query_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A header's value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The whole body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

/// An answer of a REST operation, for [`crate::Operation::encode`].
#[derive(Clone, Debug)]
pub struct RestResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl RestResponse {
    /// An answer with this status (500 if it is no HTTP status) and body.
    pub fn new(status: u16, body: impl Into<Bytes>) -> RestResponse {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        RestResponse { status, headers: HeaderMap::new(), body: body.into() }
    }

    /// An answer in JSON; an empty body has no content type.
    pub(crate) fn json(status: u16, body: Bytes) -> RestResponse {
        let has_body = !body.is_empty();
        let response = RestResponse::new(status, body);
        if has_body { response.header(http::header::CONTENT_TYPE, "application/json") } else { response }
    }

    /// The same answer with a header; left out if `value` cannot stand in a header (control characters).
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> RestResponse {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}
