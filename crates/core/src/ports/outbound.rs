//! Requests to servers elsewhere: subscriptions by HTTP, HTTP integrations.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// A request to any server.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// Besides `Host` and `Content-Length`, which are made.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// How long the whole exchange may take.
    pub timeout: Duration,
    /// The longest answer that is taken, in bytes.
    pub body_bytes_max: usize,
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpFailure {
    /// The request cannot be sent at all: the URL is no URL.
    Invalid(String),
    /// The server was not reached, or went away.
    Unreachable(String),
    /// It took longer than allowed.
    Timeout,
    /// The answer is longer than allowed.
    TooLarge,
}

/// Sends requests to servers elsewhere. Redirects are not followed; certificates are checked.
#[async_trait]
pub trait Http: Send + Sync + 'static {
    /// Sends the request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`HttpFailure`] if there is no answer.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure>;
}
