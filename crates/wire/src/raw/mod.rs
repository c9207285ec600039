//! Services that speak HTTP themselves: S3, and whatever is not an AWS operation at all.

mod body;
mod payload;

use async_trait::async_trait;
use cauce_core::Call;
use http::request::Parts;
use http::{HeaderMap, Method, Response, Uri};

pub use body::Body;
pub use payload::Payload;
pub(crate) use payload::PayloadMode;

/// What is known of a request before anything is verified.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path and query, as they came.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// A request whose signature, if it has one, has been verified.
#[derive(Debug)]
pub struct RawRequest {
    /// Method, URI and headers, as they came.
    pub head: Parts,
    /// The body, to be read piece by piece.
    pub payload: Payload,
}

/// A service that gets requests as they are, with a body that streams both ways, and authorizes them itself.
#[async_trait]
pub trait RawService: Send + Sync + 'static {
    /// The service in the scope of signatures, for example `s3`. Its errors are S3's XML.
    fn signing_name(&self) -> &'static str;

    /// Whether an unsigned request is this service's; it then comes with [`cauce_core::Principal::Anonymous`].
    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool;

    /// Answers a request. Nothing may be made durable before [`Payload::next`] has returned `None`.
    async fn serve(&self, call: Call, request: RawRequest) -> Response<Body>;
}
