//! The event of a proxied request, written once, from the request to bytes.
//!
//! AWS: API Gateway Developer Guide, "Input format of a Lambda function for proxy integration"; AWS Lambda payload version 1.0.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::deployed::DeployedStage;
use crate::model::Texts;
use crate::vtl::Pairs;

use super::binary;
use super::request::{Request, grouped};

/// Names with their last values.
struct Single<'a>(&'a Pairs);

/// Names with all their values.
struct Multi<'a>(&'a Pairs);

impl Serialize for Single<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let groups = grouped(self.0);
        let mut map = serializer.serialize_map(Some(groups.len()))?;
        for (name, values) in &groups {
            map.serialize_entry(name, values.last().unwrap_or(&""))?;
        }
        map.end()
    }
}

impl Serialize for Multi<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let groups: BTreeMap<&str, Vec<&str>> = grouped(self.0);
        groups.serialize(serializer)
    }
}

fn some(pairs: &Pairs) -> Option<&Pairs> {
    (!pairs.is_empty()).then_some(pairs)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method_arn: Option<&'a str>,
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    headers: Option<Single<'a>>,
    multi_value_headers: Option<Multi<'a>>,
    query_string_parameters: Option<Single<'a>>,
    multi_value_query_string_parameters: Option<Multi<'a>>,
    path_parameters: Option<Single<'a>>,
    stage_variables: Option<&'a Texts>,
    request_context: RequestContext<'a>,
    #[serde(flatten)]
    body: Option<EventBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventBody<'a> {
    body: Option<std::borrow::Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    resource_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Map<String, Value>>,
    resource_path: &'a str,
    http_method: &'a str,
    extended_request_id: &'a str,
    request_time: String,
    path: &'a str,
    account_id: String,
    protocol: &'static str,
    stage: &'a str,
    domain_prefix: &'a str,
    request_time_epoch: i64,
    request_id: &'a str,
    identity: Map<String, Value>,
    domain_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    deployment_id: &'a str,
    api_id: &'a str,
}

fn event<'a>(request: &'a Request, deployed: &'a DeployedStage) -> Event<'a> {
    let variables = &deployed.stage.variables;
    Event {
        kind: None,
        method_arn: None,
        resource: &request.resource_path,
        path: &request.path,
        http_method: request.method.as_str(),
        headers: some(&request.headers).map(Single),
        multi_value_headers: some(&request.headers).map(Multi),
        query_string_parameters: some(&request.query).map(Single),
        multi_value_query_string_parameters: some(&request.query).map(Multi),
        path_parameters: some(&request.path_parameters).map(Single),
        stage_variables: (!variables.is_empty()).then_some(variables),
        request_context: RequestContext {
            resource_id: &request.resource_id,
            authorizer: request.authorized.as_ref().map(|authorized| &authorized.context),
            resource_path: &request.resource_path,
            http_method: request.method.as_str(),
            extended_request_id: &request.extended_id,
            request_time: request.time(),
            path: &request.full_path,
            account_id: request.call.account.to_string(),
            protocol: "HTTP/1.1",
            stage: &request.stage,
            domain_prefix: request.domain.split('.').next().unwrap_or(""),
            request_time_epoch: request.call.received.as_millis(),
            request_id: request.call.request_id.as_str(),
            identity: request.identity(),
            domain_name: &request.domain,
            deployment_id: &request.deployment_id,
            api_id: &request.api_id,
        },
        body: None,
    }
}

fn bytes(event: &Event<'_>, capacity: usize) -> Bytes {
    let mut out = Vec::with_capacity(capacity);
    // Texts, numbers and maps of them always have a JSON form.
    if let Err(error) = serde_json::to_writer(&mut out, event) {
        tracing::error!(%error, "an event could not be written");
    }
    out.into()
}

/// The event for a function that answers the request.
pub(super) fn for_function(request: &Request, deployed: &DeployedStage) -> Bytes {
    let media_types = &deployed.snapshot.api.binary_media_types;
    let is_binary = !request.body.is_empty() && binary::is_binary(media_types, &request.media_type());
    let body = match (request.body.is_empty(), is_binary) {
        (true, _) => None,
        (false, true) => Some(STANDARD.encode(&request.body).into()),
        (false, false) => Some(String::from_utf8_lossy(&request.body)),
    };
    let mut event = event(request, deployed);
    event.body = Some(EventBody { body, is_base64_encoded: is_binary });
    bytes(&event, 2_048 + request.body.len() + request.body.len() / 2)
}

/// The event for an authorizer of the type REQUEST.
pub(super) fn for_authorizer(request: &Request, deployed: &DeployedStage) -> Bytes {
    let arn = request.arn(&request.path);
    let mut event = event(request, deployed);
    event.kind = Some("REQUEST");
    event.method_arn = Some(arn.as_str());
    bytes(&event, 2_048)
}
