//! `GET /metrics`: the figures of all services for Prometheus.
//!
//! Who has no key sees them from this machine only, asked for under one of its loopback names: what is measured names queues,
//! functions and tables, and a page in a browser must not read it through a name of its own that leads here.

use std::sync::Arc;

use async_trait::async_trait;
use cauce_cloudwatch::metrics::{EXPOSITION_CONTENT_TYPE, Metrics};
use cauce_core::Call;
use cauce_wire::{Body, HeaderValue, Method, RawRequest, RawService, RawStyle, RequestHead, StatusCode};
use http::Response;
use http::header::CONTENT_TYPE;

const PATH: &str = "/metrics";

/// The page.
pub(crate) struct Exposition {
    metrics: Arc<Metrics>,
}

impl Exposition {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Exposition {
        Exposition { metrics }
    }
}

/// Whether a `Host` header names this machine itself.
fn is_loopback(host: &str) -> bool {
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(n, _)| n);
    name == "localhost" || name == "[::1]" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[async_trait]
impl RawService for Exposition {
    fn signing_name(&self) -> &'static str {
        "cauce-metrics"
    }

    fn style(&self) -> RawStyle {
        RawStyle::Http
    }

    fn takes_unsigned(&self, head: &RequestHead<'_>) -> bool {
        head.method == Method::GET && head.uri.path() == PATH && !head.headers.contains_key(http::header::AUTHORIZATION)
    }

    async fn serve(&self, call: Call, _request: RawRequest) -> Response<Body> {
        let near = call.source_ip.is_some_and(|ip| ip.to_canonical().is_loopback()) && is_loopback(&call.host);
        let (status, kind, text) = match near {
            true => (StatusCode::OK, EXPOSITION_CONTENT_TYPE, self.metrics.exposition()),
            false => (StatusCode::FORBIDDEN, "text/plain", "The metrics are shown to this machine only.\n".to_owned()),
        };
        let mut response = Response::new(Body::full(text));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn names_of_this_machine() {
        assert!(["127.0.0.1:4566", "localhost", "localhost:1", "127.9.9.9", "[::1]:80"].into_iter().all(is_loopback));
        assert!(
            !["", "evil.example:4566", "10.0.0.1", "localhost.evil.example", "127.0.0.1.nip.io"]
                .into_iter()
                .any(is_loopback)
        );
    }
}
