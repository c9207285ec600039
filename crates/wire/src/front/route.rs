//! Which service and operation a request is for, decided from its head alone.

use std::collections::HashMap;
use std::sync::Arc;

use cauce_core::ServiceError;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};

use super::answer::{RPC_V2_CBOR, Style, X_PROTOCOL};
use crate::api::{Api, unknown_operation};
use crate::raw::{RawService, RequestHead};
use crate::rest::route::{Labels, Routes};
use crate::served::Served;
use crate::sigv4::Refusal;
use crate::{JsonVersion, Protocol, ServiceInfo};

/// A service with its operations, ready to be found.
pub(super) struct Mounted {
    pub(super) info: &'static ServiceInfo,
    operations: HashMap<&'static str, Arc<dyn Served>>,
    routes: Routes<(Arc<dyn Served>, u16)>,
    pub(super) body_bytes_max: Option<usize>,
    /// The parameter for which the path of a form stands.
    pub(super) query_path: Option<&'static str>,
}

impl Mounted {
    pub(super) fn new<S>(api: Api<S>) -> Mounted {
        let routes = api.operations.values().flat_map(|served| {
            served
                .routes()
                .iter()
                .map(|route| (route.method.clone(), route.template, (Arc::clone(served), route.status)))
        });
        Mounted {
            info: api.info,
            routes: Routes::new(routes.collect::<Vec<_>>()),
            body_bytes_max: api.body_bytes_max,
            query_path: api.query_path,
            operations: api.operations.into_iter().collect(),
        }
    }

    fn query(&self) -> Option<(&'static str, &'static str)> {
        self.info.protocols.iter().find_map(|p| match p {
            Protocol::Query { version, xmlns } => Some((*version, *xmlns)),
            _ => None,
        })
    }

    fn speaks_rest(&self) -> bool {
        self.info.protocols.contains(&Protocol::RestJson)
    }

    /// The operation that a form names.
    ///
    /// # Errors
    /// 400 `InvalidAction`.
    pub(super) fn action(&self, action: &str, version: Option<&str>) -> Result<&Arc<dyn Served>, ServiceError> {
        let known = self.query().map(|(version, _)| version);
        if version != known {
            let version = version.unwrap_or("NO_VERSION_SPECIFIED");
            let message = format!("Could not find operation {action} for version {version}");
            return Err(ServiceError::new(400, "InvalidAction", message));
        }
        self.operations.get(action).ok_or_else(|| {
            let message = format!("The action {action} is not valid for this web service.");
            ServiceError::new(400, "InvalidAction", message)
        })
    }
}

/// Everything that is served.
#[derive(Default)]
pub(super) struct Services {
    pub(super) apis: Vec<Mounted>,
    pub(super) raws: Vec<Arc<dyn RawService>>,
}

/// What a request is for.
pub(super) enum Target<'s> {
    Json { api: &'s Mounted, served: &'s Arc<dyn Served> },
    Cbor { api: &'s Mounted, served: &'s Arc<dyn Served> },
    Query { api: &'s Mounted, xmlns: &'static str },
    Rest { api: &'s Mounted, served: &'s Arc<dyn Served>, labels: Labels, status: u16 },
    Raw(&'s Arc<dyn RawService>),
}

/// A refusal with the form it is to be told in.
pub(super) struct Refused {
    pub(super) style: Style,
    pub(super) error: Box<ServiceError>,
}

fn refused(style: Style, error: ServiceError) -> Refused {
    Refused { style, error: Box::new(error) }
}

/// The parts of a head that decide.
pub(super) struct Route<'a> {
    pub(super) head: RequestHead<'a>,
    pub(super) query: &'a str,
    /// The service in the scope of the signature, if there is one; `s3` for signatures of version 2.
    pub(super) signed_for: Option<&'a str>,
}

impl Services {
    /// Decides.
    ///
    /// # Errors
    /// The operation is unknown, or nobody takes an unsigned request like this one.
    pub(super) fn find(&self, route: &Route<'_>) -> Result<(Target<'_>, Style), Refused> {
        let headers = route.head.headers;
        let raw = route.signed_for.is_none().then(|| self.unsigned(&route.head)).flatten();
        if let Some(raw) = raw {
            return Ok((Target::Raw(raw), Style::raw(raw.style())));
        }
        if let Some(target) = headers.get("x-amz-target") {
            return self.find_json(headers, target.to_str().unwrap_or(""), route.head.method);
        }
        if headers.get(X_PROTOCOL).is_some_and(|protocol| protocol.as_bytes() == RPC_V2_CBOR.as_bytes()) {
            return self.find_cbor(&route.head);
        }
        let Some(service) = route.signed_for else {
            let style = guess(route, "");
            return Err(refused(style, Refusal::Missing.into_error(style.dialect())));
        };
        self.find_signed(route, service)
    }

    /// The operation by its name.
    pub(super) fn operation(&self, service: &str, operation: &str) -> Option<(&Mounted, &Arc<dyn Served>)> {
        let mut apis = self.apis.iter().filter(|api| api.info.signing_name == service);
        apis.find_map(|api| Some((api, api.operations.get(operation)?)))
    }

    /// The raw service that takes a request which no AWS signature accompanies.
    pub(super) fn unsigned(&self, head: &RequestHead<'_>) -> Option<&Arc<dyn RawService>> {
        self.raws.iter().find(|raw| raw.takes_unsigned(head))
    }

    fn find_json(&self, headers: &HeaderMap, target: &str, method: &Method) -> Result<(Target<'_>, Style), Refused> {
        let (prefix, operation) = target.rsplit_once('.').unwrap_or(("", target));
        let found = self.apis.iter().find_map(|api| {
            api.info.protocols.iter().find_map(|protocol| match protocol {
                Protocol::Json { version, target_prefix } if *target_prefix == prefix => Some((api, *version)),
                _ => None,
            })
        });
        let style = json_style(headers, found.map_or(JsonVersion::V1_1, |(_, version)| version));
        let Some((api, _)) = found else {
            let message = format!("The target {target} names no service that is known here.");
            return Err(refused(style, ServiceError::new(400, "UnknownOperationException", message)));
        };
        match api.operations.get(operation).filter(|_| method == Method::POST) {
            Some(served) => Ok((Target::Json { api, served }, style)),
            None => Err(refused(style, unknown_operation(operation, api.info.signing_name))),
        }
    }

    /// The operation that the path names.
    fn find_cbor(&self, head: &RequestHead<'_>) -> Result<(Target<'_>, Style), Refused> {
        let style = Style::Cbor { query_mode: in_query_mode(head.headers) };
        let path = head.uri.path();
        let named = path.strip_prefix("/service/").and_then(|path| path.split_once("/operation/"));
        let (service, operation) = named.unwrap_or(("", path));
        let speaks = |api: &&Mounted| {
            let mut protocols = api.info.protocols.iter();
            protocols.any(|protocol| matches!(protocol, Protocol::Cbor { service: known } if *known == service))
        };
        let Some(api) = self.apis.iter().find(speaks) else {
            let message = format!("The path {path} names no service that is known here.");
            return Err(refused(style, ServiceError::new(404, "UnknownOperationException", message)));
        };
        match api.operations.get(operation).filter(|_| *head.method == Method::POST) {
            Some(served) => Ok((Target::Cbor { api, served }, style)),
            None => Err(refused(style, unknown_operation(operation, api.info.signing_name).with_status(404))),
        }
    }

    fn find_signed(&self, route: &Route<'_>, service: &str) -> Result<(Target<'_>, Style), Refused> {
        if let Some(raw) = self.raws.iter().find(|raw| raw.signing_name() == service) {
            return Ok((Target::Raw(raw), Style::raw(raw.style())));
        }
        let apis = || self.apis.iter().filter(|api| api.info.signing_name == service);
        let is_form = is_form(route);
        for api in apis() {
            if let Some((_, xmlns)) = api.query().filter(|_| is_form) {
                return Ok((Target::Query { api, xmlns }, Style::Query { xmlns }));
            }
            if let Some(found) = api.find_rest(route) {
                return Ok(found);
            }
        }
        let path = route.head.uri.path();
        let Some(api) = apis().next() else {
            let style = guess(route, service);
            let message = format!("The service {service} is not known here.");
            return Err(refused(style, ServiceError::new(404, "UnknownOperationException", message)));
        };
        if api.speaks_rest() {
            let error = unknown_operation(&format!("{} {path}", route.head.method), service).with_status(404);
            return Err(refused(Style::RestJson, error));
        }
        if let Some((_, xmlns)) = api.query() {
            let message = "The request is missing an action or a required parameter.";
            return Err(refused(Style::Query { xmlns }, ServiceError::new(400, "MissingAction", message)));
        }
        let style = json_style(route.head.headers, JsonVersion::V1_1);
        let message = "The request has no X-Amz-Target header.";
        Err(refused(style, ServiceError::new(400, "UnknownOperationException", message)))
    }
}

impl Mounted {
    fn find_rest(&self, route: &Route<'_>) -> Option<(Target<'_>, Style)> {
        if !self.speaks_rest() {
            return None;
        }
        let ((served, status), labels) = self.routes.find(route.head.method, route.head.uri.path(), route.query)?;
        Some((Target::Rest { api: self, served, labels, status: *status }, Style::RestJson))
    }
}

/// The style of a request that nobody takes.
fn guess(route: &Route<'_>, service: &str) -> Style {
    let content_type = route.head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    if service == "s3" {
        Style::RestXml
    } else if content_type.starts_with("application/x-amz-json") {
        json_style(route.head.headers, JsonVersion::V1_1)
    } else if is_form(route) {
        Style::Query { xmlns: "https://webservices.amazon.com/" }
    } else {
        Style::RestJson
    }
}

/// A form in the body, or an action in the query.
fn is_form(route: &Route<'_>) -> bool {
    let content_type = route.head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    (*route.head.method == Method::POST && content_type.starts_with("application/x-www-form-urlencoded"))
        || route.query.split('&').any(|pair| pair.starts_with("Action="))
}

/// The answer has the version of the request.
fn json_style(headers: &HeaderMap, version: JsonVersion) -> Style {
    let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let asked = [JsonVersion::V1_0, JsonVersion::V1_1].into_iter().find(|v| content_type.starts_with(v.content_type()));
    Style::Json { content_type: asked.unwrap_or(version).content_type(), query_mode: in_query_mode(headers) }
}

/// Whether the client wants the codes of the query protocol that the service has spoken before.
fn in_query_mode(headers: &HeaderMap) -> bool {
    headers.get("x-amzn-query-mode").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"true"))
}
