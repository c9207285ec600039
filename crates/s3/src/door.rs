//! How requests come in from the front door and answers go out.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::Call;
use cauce_wire::{RawRequest, RawService, RawStyle, RequestHead};
use futures_util::{TryStreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Method, Response};
use parking_lot::Mutex;

use crate::address::is_s3_host;
use crate::request::{Body, Payload, Trailers};
use crate::s3::S3;

#[async_trait]
impl RawService for S3 {
    fn signing_name(&self) -> &'static str {
        "s3"
    }

    fn style(&self) -> RawStyle {
        RawStyle::S3
    }

    /// Unsigned requests are this service's if the host says so: a path alone could be anybody's.
    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool {
        let host = head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        host.or(head.uri.authority().map(http::uri::Authority::as_str)).is_some_and(is_s3_host)
    }

    async fn serve(&self, call: Call, request: RawRequest) -> Response<cauce_wire::Body> {
        let RawRequest { head, payload } = request;
        let uri = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let query = head.uri.query().unwrap_or_default();
        let completes = head.method == Method::POST && query.split('&').any(|pair| pair.starts_with("uploadId="));
        // The checksum in the headers of a completion is that of the object, not of the list of parts in its body.
        let payload = if completes { payload.without_checksums() } else { payload };
        let response = self.respond(call, &head.method, uri, head.headers, verified_body(payload)).await;
        response.map(|payload| match payload {
            Payload::Whole(bytes) => cauce_wire::Body::full(bytes),
            Payload::Stream(stream) => cauce_wire::Body::stream(stream.map_err(io::Error::other), None),
        })
    }
}

/// A body that the front door compares with what its headers and trailers promise before it ends.
fn verified_body(payload: cauce_wire::Payload) -> Body {
    let trailers: Trailers = Arc::new(Mutex::new(HeaderMap::new()));
    let state = (payload, Arc::clone(&trailers));
    let stream = stream::unfold(state, |(mut payload, trailers)| async move {
        let Some(piece) = payload.next().await else {
            let mut trailers = trailers.lock();
            for (name, value) in payload.checksums() {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    trailers.insert(name, value);
                }
            }
            return None;
        };
        Some((piece, (payload, trailers)))
    });
    Body::new(Box::pin(stream), trailers).verified()
}
