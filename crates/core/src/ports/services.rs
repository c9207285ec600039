//! Doing an operation of another service as a client would: asked of the front door, by services whose users name any
//! operation of any service (API Gateway's `AWS` integrations, the universal targets of EventBridge Scheduler).

use async_trait::async_trait;
use bytes::Bytes;

use crate::Call;

/// A request as a client would send it, but for the signature: the caller of the [`Call`] is who asks.
#[derive(Clone, Debug)]
pub struct ServiceRequest {
    /// The service as signatures name it: `sqs`, `dynamodb`, `events`, `states`.
    pub service: String,
    /// `POST`, mostly.
    pub method: String,
    /// For example `/`, or `/2015-03-31/functions/F/invocations?Qualifier=1`.
    pub path_and_query: String,
    /// For example `X-Amz-Target` and `Content-Type`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// The answer, errors included, as a client would get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// Reaches every operation that the program serves, with the same authorization, validation and limits as over the network.
#[async_trait]
pub trait Services: Send + Sync + 'static {
    /// Performs the request as the caller of `call`.
    async fn request(&self, call: &Call, request: ServiceRequest) -> ServiceResponse;

    /// Performs `operation` of `service` as the caller of `call`, with input and answer as JSON whatever the service's own
    /// protocol is.
    async fn operation(&self, call: &Call, service: &str, operation: &str, input: Bytes) -> ServiceResponse;

    /// Whether there is such an operation.
    fn offers(&self, service: &str, operation: &str) -> bool;
}
