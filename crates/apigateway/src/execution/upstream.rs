//! Integrations with servers elsewhere.

use std::time::Duration;

use cauce_core::ports::{HttpFailure, HttpRequest, HttpResponse};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::deployed::DeployedStage;
use crate::vtl::Pairs;

use super::answer::Answer;
use super::failure::{Failure, Kind};
use super::integration::{request_body, respond};
use super::mapping::{BackendAnswer, Parameters, parameters};
use super::plan::PlannedIntegration;
use super::request::Request;
use super::{BODY_BYTES_MAX, Gateway, endpoint};

/// What stays as it is in a query string.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What stays as it is in a path.
const PATH: &AsciiSet = &QUERY.remove(b'/');
/// Headers that are made for the exchange with the backend, not handed on.
const MADE: [&str; 2] = ["host", "content-length"];

/// HTTP_PROXY: everything is handed on, and the answer is the answer.
pub(super) async fn proxy(
    gateway: &Gateway,
    request: &mut Request,
    integration: &PlannedIntegration,
) -> Result<Answer, Failure> {
    let mapped = parameters(request, integration, &crate::vtl::Overrides::default());
    let overridden = |pairs: &Pairs, name: &str| pairs.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let mut headers: Pairs =
        request.headers.iter().filter(|(name, _)| !overridden(&mapped.headers, name)).cloned().collect();
    headers.extend(mapped.headers.iter().cloned());
    let mut query: Pairs = request.query.iter().filter(|(name, _)| !overridden(&mapped.query, name)).cloned().collect();
    query.extend(mapped.query.iter().cloned());
    let all = Parameters { headers, query, path: mapped.path };
    let body = request.body.clone();
    let answered = send(gateway, request, integration, all, body).await?;
    let mut answer = Answer::new(answered.status, answered.body);
    for (name, value) in &answered.headers {
        answer.add_from_backend(name, value);
    }
    Ok(answer)
}

/// HTTP: through parameters and templates, both ways.
pub(super) async fn mapped(
    gateway: &Gateway,
    request: &mut Request,
    integration: &PlannedIntegration,
    deployed: &DeployedStage,
) -> Result<Answer, Failure> {
    let mapped = request_body(request, integration, deployed)?;
    let mut all = parameters(request, integration, &mapped.overrides);
    if !all.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        all.headers.push(("Content-Type".to_owned(), request.media_type()));
    }
    let answered = send(gateway, request, integration, all, mapped.body).await?;
    let status = answered.status.to_string();
    let backend = BackendAnswer { headers: answered.headers, body: answered.body };
    respond(request, integration, deployed, Some(&status), backend)
}

async fn send(
    gateway: &Gateway,
    request: &mut Request,
    integration: &PlannedIntegration,
    parameters: Parameters,
    body: bytes::Bytes,
) -> Result<HttpResponse, Failure> {
    let url = with_query(fill(&integration.uri, &parameters.path), &parameters.query);
    let method = match integration.http_method.as_str() {
        "" | "ANY" => request.method.to_string(),
        method => method.to_owned(),
    };
    let made = |name: &str| MADE.iter().any(|made| name.eq_ignore_ascii_case(made));
    let outbound = HttpRequest {
        method,
        url,
        headers: parameters.headers.into_iter().filter(|(name, _)| !made(name)).collect(),
        body,
        timeout: Duration::from_millis(integration.timeout_ms),
        body_bytes_max: BODY_BYTES_MAX,
    };
    endpoint::tell_request(request, &outbound.url, || outbound.headers.clone(), &outbound.body);
    let begun = gateway.control.env.now();
    match gateway.control.ports.http.send(outbound).await {
        Ok(answered) => {
            let took = gateway.control.env.now().since(begun);
            endpoint::tell_response(request, answered.status, took, || answered.headers.clone(), &answered.body);
            request.integration_status = Some(answered.status);
            Ok(answered)
        }
        Err(HttpFailure::Timeout) => Err(Failure::new(Kind::IntegrationTimeout)),
        Err(HttpFailure::Unreachable(why)) => Err(Failure::new(Kind::IntegrationFailure).because(why)),
        Err(HttpFailure::TooLarge) => Err(Failure::internal().because("the backend's answer exceeds 10 MiB")),
        Err(HttpFailure::Invalid(why)) => Err(Failure::configuration(format!("Invalid endpoint address: {why}"))),
    }
}

/// A URL or path with `{name}` filled in.
pub(super) fn fill(text: &str, path: &Pairs) -> String {
    let mut filled = text.to_owned();
    for (name, value) in path {
        let value = utf8_percent_encode(value, PATH).to_string();
        filled = filled.replace(&format!("{{{name}}}"), &value);
    }
    filled
}

/// A URL or path with more parameters in its query string.
pub(super) fn with_query(mut url: String, query: &Pairs) -> String {
    for (name, value) in query {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.extend(utf8_percent_encode(name, QUERY));
        url.push('=');
        url.extend(utf8_percent_encode(value, QUERY));
    }
    url
}

#[cfg(test)]
mod tests {
    use crate::vtl::Pairs;

    #[test]
    fn urls_are_filled_in() {
        let pairs = |list: &[(&str, &str)]| -> Pairs { list.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect() };
        let check = |url: &str, path: &[(&str, &str)], query: &[(&str, &str)], expect: &str| {
            assert_eq!(super::with_query(super::fill(url, &pairs(path)), &pairs(query)), expect);
        };
        check("http://h/{a}/{b}", &[("a", "x y"), ("b", "p/q")], &[], "http://h/x%20y/p/q");
        check("http://h/", &[], &[("q", "a&b"), ("r", "")], "http://h/?q=a%26b&r=");
        check("http://h/?z=1", &[], &[("q", "1")], "http://h/?z=1&q=1");
    }
}
