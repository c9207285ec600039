//! REST APIs of API Gateway: one request an event.
//!
//! AWS: EventBridge User Guide, *Amazon API Gateway targets*: the ARN names the API, the stage, the method and the path, in
//! which each `*` stands for a path parameter.

use bytes::Bytes;
use cauce_core::ports::ServiceRequest;
use cauce_core::{Arn, Call};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Kind, Prepared};
use crate::flow::Flow;
use crate::parameters::HttpParameters;
use crate::payload::Trouble;

/// What is escaped in paths and queries.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Requests a method of a REST API with an event; the body of its answer.
pub(crate) async fn request(
    flow: &Flow,
    call: &Call,
    arn: &Arn,
    parameters: Option<&HttpParameters>,
    event: &Prepared,
) -> Result<Bytes, Trouble> {
    let service = Kind::Gateway.service();
    let none = HttpParameters::default();
    let parameters = parameters.unwrap_or(&none);
    let of = |name: &str, given: &String| Ok(event.parameter(name, Some(given), service)?.unwrap_or_default());
    let mut parts = arn.resource().splitn(4, '/');
    let mut part = || parts.next().unwrap_or_default();
    let (api, stage, method, path) = (part(), part(), part(), part());
    let mut values = parameters.path_parameter_values.iter().flatten();
    let mut target = format!("/_apis/{api}/{stage}");
    for segment in path.split('/') {
        target.push('/');
        match segment {
            "*" => {
                let given = values.next().ok_or_else(|| Trouble::own(service, "A path parameter has no value."))?;
                target.extend(utf8_percent_encode(&of("PathParameterValues", given)?, ESCAPED));
            }
            segment => target.push_str(segment),
        }
    }
    for (n, (key, value)) in parameters.query_string_parameters.iter().flatten().enumerate() {
        let value = of("QueryStringParameters", value)?;
        target.push(if n == 0 { '?' } else { '&' });
        target.extend(utf8_percent_encode(key, ESCAPED));
        target.push('=');
        target.extend(utf8_percent_encode(&value, ESCAPED));
    }
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    for (key, value) in parameters.header_parameters.iter().flatten() {
        headers.push((key.clone(), of("HeaderParameters", value)?));
    }
    let method = if method == "*" { "POST" } else { method };
    // A method without a body gets none.
    let body = if matches!(method, "GET" | "HEAD") { Bytes::new() } else { event.text().into() };
    let request = ServiceRequest {
        service: service.to_owned(),
        method: method.to_owned(),
        path_and_query: target,
        headers,
        body,
    };
    let answer = flow.pipes.ports.services.request(call, request).await;
    match answer.status {
        200..300 => Ok(answer.body),
        _ => Err(Trouble::answered(service, &answer)),
    }
}
