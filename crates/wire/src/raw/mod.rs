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

/// What clients of a raw service sign, and how they are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawStyle {
    /// S3's: the path is signed as it came, a header names the hash of the body or how it is framed, errors are XML.
    S3,
    /// Everybody else's: the path is signed normalized, the body is hashed where no header names its hash, errors are JSON. An
    /// `Authorization` header that is no AWS signature is the service's own business.
    Http,
}

/// A service that gets requests as they are, with a body that streams both ways, and authorizes them itself.
#[async_trait]
pub trait RawService: Send + Sync + 'static {
    /// The service in the scope of signatures, for example `s3`.
    fn signing_name(&self) -> &'static str;

    /// How its clients sign and are refused.
    fn style(&self) -> RawStyle;

    /// Whether a request without an AWS signature is this service's; it then comes with [`cauce_core::Principal::Anonymous`].
    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool;

    /// The largest body that is read whole before the request is served, in bytes, where it is not the front door's
    /// [`crate::FrontOptions::body_bytes_max`]. Only [`RawStyle::Http`] reads so.
    fn body_bytes_max(&self) -> Option<usize> {
        None
    }

    /// Answers a request. Nothing may be made durable before [`Payload::next`] has returned `None`.
    async fn serve(&self, call: Call, request: RawRequest) -> Response<Body>;
}
