//! Integrations with other services: any operation of any of them, as a session of the integration's role.
//!
//! | URI | |
//! |---|---|
//! | `arn:aws:apigateway:REGION:SERVICE:action/OPERATION` | the operation, with the body in JSON, or with parameters as a form |
//! | `arn:aws:apigateway:REGION:SERVICE:path/PATH` | a request to the path, as a client of the service would send it |

use bytes::Bytes;
use cauce_core::ports::ServiceRequest;

use crate::deployed::DeployedStage;
use crate::vtl::Pairs;

use super::answer::Answer;
use super::failure::Failure;
use super::integration::{request_body, respond};
use super::mapping::{BackendAnswer, parameters};
use super::plan::PlannedIntegration;
use super::request::{Request, value};
use super::upstream::{fill, with_query};
use super::{Gateway, endpoint};

/// The versions of the services whose operations are forms.
const FORMS: [(&str, &str); 6] = [
    ("iam", "2010-05-08"),
    ("monitoring", "2010-08-01"),
    ("sns", "2010-03-31"),
    ("sqs", "2012-11-05"),
    ("sts", "2011-06-15"),
    ("cloudformation", "2010-05-15"),
];

/// What a URI asks of which service.
#[derive(Debug, PartialEq, Eq)]
enum Asked<'u> {
    Operation { service: &'u str, operation: &'u str },
    Path { service: &'u str, path: &'u str },
}

fn asked(uri: &str) -> Option<Asked<'_>> {
    let mut parts = uri.strip_prefix("arn:aws:apigateway:")?.splitn(3, ':');
    let (_region, service, rest) = (parts.next()?, parts.next()?, parts.next()?);
    // A bucket or an account may stand before the service.
    let service = service.rsplit('.').next().unwrap_or(service);
    match rest.split_once('/')? {
        ("action", operation) => Some(Asked::Operation { service, operation }),
        ("path", path) => Some(Asked::Path { service, path }),
        _ => None,
    }
}

/// Performs an operation of another service.
pub(super) async fn perform(
    gateway: &Gateway,
    request: &mut Request,
    integration: &PlannedIntegration,
    deployed: &DeployedStage,
) -> Result<Answer, Failure> {
    let mapped = request_body(request, integration, deployed)?;
    let parameters = parameters(request, integration, &mapped.overrides);
    let uri = fill(&integration.uri, &parameters.path);
    let role = integration.credentials.as_deref();
    let role = role.ok_or_else(|| Failure::configuration("the integration has no credentials"))?;
    let call = super::function::call_as(gateway, request, role).await;
    let call = call.map_err(|why| Failure::internal().because(why).told(endpoint::NO_ROLE))?;
    let shown = with_query(uri.clone(), &parameters.query);
    endpoint::tell_request(request, &shown, || parameters.headers.clone(), &mapped.body);
    let (services, begun) = (&gateway.control.ports.services, gateway.control.env.now());
    let answered = match asked(&uri).ok_or_else(|| Failure::configuration(format!("{uri} names no operation")))? {
        Asked::Operation { service, operation } => match FORMS.iter().find(|(known, _)| *known == service) {
            Some((_, version)) => {
                let body = form(operation, version, &parameters.query, &mapped.body);
                services.request(&call, form_request(service, "/", body)).await
            }
            None => {
                let body = if mapped.body.is_empty() { Bytes::from_static(b"{}") } else { mapped.body };
                services.operation(&call, service, operation, body).await
            }
        },
        Asked::Path { service, path } => {
            let mut headers = parameters.headers;
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
            }
            let is_form = |(name, value): &(String, String)| {
                name.eq_ignore_ascii_case("content-type") && value.starts_with("application/x-www-form-urlencoded")
            };
            // Forms carry the version of the API, which templates usually leave out.
            let version = FORMS.iter().find(|(known, _)| *known == service).map(|(_, version)| *version);
            let body = match version.filter(|_| headers.iter().any(is_form)) {
                Some(version) if !contains(&mapped.body, b"Version=") => {
                    [&mapped.body[..], b"&Version=", version.as_bytes()].concat().into()
                }
                _ => mapped.body,
            };
            // As a client would send it: S3 takes no body whose length it does not know.
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
            headers.push(("Content-Length".to_owned(), body.len().to_string()));
            let asked = ServiceRequest {
                service: service.to_owned(),
                method: integration.http_method.clone(),
                path_and_query: with_query(format!("/{path}"), &parameters.query),
                headers,
                body,
            };
            services.request(&call, asked).await
        }
    };
    let took = gateway.control.env.now().since(begun);
    endpoint::tell_response(request, answered.status, took, || answered.headers.clone(), &answered.body);
    request.integration_id = value(&answered.headers, "x-amzn-requestid").map(str::to_owned);
    request.integration_status = Some(answered.status);
    let status = answered.status.to_string();
    let backend = BackendAnswer { headers: answered.headers, body: answered.body };
    respond(request, integration, deployed, Some(&status), backend)
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

fn form_request(service: &str, path: &str, body: Bytes) -> ServiceRequest {
    ServiceRequest {
        service: service.to_owned(),
        method: "POST".to_owned(),
        path_and_query: path.to_owned(),
        headers: vec![("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned())],
        body,
    }
}

/// The operation with the parameters of the query string, and with the body where that is a form itself.
fn form(operation: &str, version: &str, query: &Pairs, body: &[u8]) -> Bytes {
    let named: Pairs = [("Action", operation), ("Version", version)].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    let form = with_query(String::new(), &[named, query.clone()].concat());
    let form = form.trim_start_matches('?').to_owned();
    match body.first() {
        Some(first) if first.is_ascii_alphabetic() && body.contains(&b'=') => {
            [form.as_bytes(), b"&", body].concat().into()
        }
        _ => form.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked, form};

    #[test]
    fn uris_name_operations_and_paths() {
        let operation = Asked::Operation { service: "dynamodb", operation: "PutItem" };
        assert_eq!(asked("arn:aws:apigateway:us-east-1:dynamodb:action/PutItem"), Some(operation));
        let path = Asked::Path { service: "sqs", path: "000000000000/q" };
        assert_eq!(asked("arn:aws:apigateway:us-east-1:sqs:path/000000000000/q"), Some(path));
        let path = Asked::Path { service: "s3", path: "k" };
        assert_eq!(asked("arn:aws:apigateway:us-east-1:bucket.s3:path/k"), Some(path));
        for bad in ["", "http://x", "arn:aws:apigateway:us-east-1:sqs", "arn:aws:apigateway:us-east-1:sqs:verb/x"] {
            assert_eq!(asked(bad), None, "{bad}");
        }
    }

    #[test]
    fn operations_are_written_as_forms() {
        let query = vec![("Message".to_owned(), "a b".to_owned())];
        assert_eq!(form("Publish", "1", &query, b""), "Action=Publish&Version=1&Message=a%20b");
        assert_eq!(form("Publish", "1", &query, b"{}"), "Action=Publish&Version=1&Message=a%20b");
        assert_eq!(form("Publish", "1", &Vec::new(), b"A=1"), "Action=Publish&Version=1&A=1");
    }
}
