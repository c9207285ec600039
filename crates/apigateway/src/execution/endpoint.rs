//! What the execution log tells of a backend.

use std::time::Duration;

use super::execution_log::{body, shown};
use super::request::Request;
use crate::vtl::Pairs;

/// The line for a function that has not let the API in.
pub(super) const NO_PERMISSION: &str =
    "Execution failed due to configuration error: Invalid permissions on Lambda function";
/// The line for a role that does not let API Gateway in.
pub(super) const NO_ROLE: &str =
    "Execution failed due to configuration error: API Gateway does not have permission to assume the provided role";

/// The URL that the URI of an integration stands for.
fn url(uri: &str) -> Option<String> {
    let mut parts = uri.strip_prefix("arn:aws:apigateway:")?.splitn(3, ':');
    let (region, service, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let host = format!("https://{service}.{region}.amazonaws.com");
    match rest.split_once('/')? {
        ("path", path) => Some(format!("{host}/{path}")),
        (_, operation) => Some(format!("{host}/?Action={operation}")),
    }
}

/// Tells what goes to a backend, before it goes.
pub(super) fn tell_request(request: &Request, uri: &str, headers: impl FnOnce() -> Pairs, payload: &[u8]) {
    let url = || url(uri).unwrap_or_else(|| uri.to_owned());
    request.log.data(|| format!("Endpoint request URI: {}", url()));
    request.log.data(|| format!("Endpoint request headers: {}", shown(&headers())));
    request.log.data(|| format!("Endpoint request body after transformations: {}", body(payload)));
    request.log.info(|| format!("Sending request to {}", url()));
}

/// Tells what a backend answered.
pub(super) fn tell_response(
    request: &Request,
    status: u16,
    took: Duration,
    headers: impl FnOnce() -> Pairs,
    payload: &[u8],
) {
    request.log.info(|| format!("Received response. Status: {status}, Integration latency: {} ms", took.as_millis()));
    request.log.data(|| format!("Endpoint response headers: {}", shown(&headers())));
    request.log.data(|| format!("Endpoint response body before transformations: {}", body(payload)));
}

#[cfg(test)]
mod tests {
    #[test]
    fn uris_stand_for_urls() {
        let check = |uri: &str, expect: Option<&str>| assert_eq!(super::url(uri).as_deref(), expect, "{uri}");
        let function = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:f/invocations";
        check(function, Some("https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/arn:f/invocations"));
        check("arn:aws:apigateway:us-east-1:s3:path/b/k", Some("https://s3.us-east-1.amazonaws.com/b/k"));
        check(
            "arn:aws:apigateway:eu-west-1:sns:action/Publish",
            Some("https://sns.eu-west-1.amazonaws.com/?Action=Publish"),
        );
        check("http://example.com/", None);
    }
}
