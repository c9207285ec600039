//! The answer to a request, before it is one of HTTP.

use bytes::Bytes;
use cauce_wire::Body;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::vtl::Pairs;

/// Headers of backends that API Gateway shows under another name.
///
/// AWS: API Gateway Developer Guide, "Amazon API Gateway important notes".
const REMAPPED: [&str; 4] = ["authorization", "date", "server", "www-authenticate"];

/// Status, headers and body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Pairs,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn new(status: u16, body: impl Into<Bytes>) -> Answer {
        Answer { status, headers: Pairs::new(), body: body.into() }
    }

    /// Sets a header; the last word counts.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.add(name, value);
    }

    /// Adds a value to a header.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// The same, for what a backend says.
    pub(super) fn add_from_backend(&mut self, name: &str, value: &str) {
        match REMAPPED.iter().any(|remapped| name.eq_ignore_ascii_case(remapped)) {
            true => self.add(&format!("x-amzn-Remapped-{name}"), value),
            false => self.add(name, value),
        }
    }

    pub(super) fn headers(&self) -> &Pairs {
        &self.headers
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// As HTTP; what cannot be a header is left out.
    pub(super) fn into_response(self, is_head: bool) -> Response<Body> {
        let mut response = Response::new(if is_head { Body::empty() } else { Body::full(self.body) });
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.reserve(self.headers.len() + 4);
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name.as_str());
            // Text beyond ASCII goes out as the bytes that it is.
            let value = HeaderValue::from_bytes(value.as_bytes());
            let (Ok(name), Ok(value)) = (name, value) else { continue };
            if ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
                headers.append(name, value);
            }
        }
        if !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        response
    }
}
