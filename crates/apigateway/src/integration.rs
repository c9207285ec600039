//! Integrations: what methods do, and how answers of backends become answers of methods.
//!
//! AWS: API Gateway Developer Guide, "Integrations for REST APIs in API Gateway".

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Arn, Call, Violations};
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::Deserialize;

use crate::error::Error;
use crate::execution::whole;
use crate::mapping::{check_request_mapping, check_response_mapping};
use crate::method::{METHODS, check_status, method_mut, no_status};
use crate::model::{
    ConnectionType, ContentHandling, Definition, Integration, IntegrationResponse, IntegrationType, Method,
    PassthroughBehavior, Texts, TlsConfig,
};
use crate::patch::{
    ADD_REMOVE, ADD_REMOVE_REPLACE, Op, Patch, PatchOperation, REPLACE, REPLACE_REMOVE, Supported, apply,
};
use crate::service::{ApiGateway, Located, at};

/// How long a backend may take, in milliseconds. AWS: 50 to 29,000.
pub(crate) const TIMEOUT_MS_MIN: i64 = 50;
/// As [`TIMEOUT_MS_MIN`].
pub(crate) const TIMEOUT_MS_MAX: i64 = 29_000;
/// The longest mapping template, in bytes. AWS: 300 KB.
pub(crate) const TEMPLATE_BYTES_MAX: usize = 300 * 1024;

/// AWS: *PutIntegration*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutIntegration {
    pub(crate) rest_api_id: String,
    pub(crate) resource_id: String,
    /// The method that is integrated; the body's member `httpMethod` is the backend's.
    pub(crate) method: String,
    #[serde(rename = "type")]
    pub(crate) kind: Option<IntegrationType>,
    pub(crate) http_method: Option<String>,
    pub(crate) uri: Option<String>,
    pub(crate) connection_type: Option<ConnectionType>,
    pub(crate) connection_id: Option<String>,
    pub(crate) credentials: Option<String>,
    pub(crate) request_parameters: Option<Texts>,
    pub(crate) request_templates: Option<Texts>,
    pub(crate) passthrough_behavior: Option<String>,
    pub(crate) cache_namespace: Option<String>,
    pub(crate) cache_key_parameters: Option<Vec<String>>,
    pub(crate) content_handling: Option<ContentHandling>,
    pub(crate) timeout_in_millis: Option<i64>,
    pub(crate) tls_config: Option<TlsConfig>,
    pub(crate) response_transfer_mode: Option<String>,
    pub(crate) integration_target: Option<String>,
}

impl Input for PutIntegration {
    fn validate(&self, v: &mut Violations) {
        v.within("putIntegrationInput", |v| v.required("type", self.kind.as_ref()));
    }
}

impl Located for PutIntegration {
    fn location(&self) -> String {
        format!("/restapis/{}/resources/{}/methods/{}/integration", self.rest_api_id, self.resource_id, self.method)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneIntegration {
    rest_api_id: String,
    resource_id: String,
    method: String,
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

impl Input for OneIntegration {}

impl Located for OneIntegration {
    fn location(&self) -> String {
        format!("/restapis/{}/resources/{}/methods/{}/integration", self.rest_api_id, self.resource_id, self.method)
    }
}

/// AWS: *PutIntegrationResponse*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutIntegrationResponse {
    rest_api_id: String,
    resource_id: String,
    method: String,
    status_code: String,
    selection_pattern: Option<String>,
    response_parameters: Option<Texts>,
    response_templates: Option<Texts>,
    content_handling: Option<ContentHandling>,
}

impl Input for PutIntegrationResponse {}

impl Located for PutIntegrationResponse {
    fn location(&self) -> String {
        let (api, resource, method) = (&self.rest_api_id, &self.resource_id, &self.method);
        format!("/restapis/{api}/resources/{resource}/methods/{method}/integration/responses/{}", self.status_code)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneIntegrationResponse {
    rest_api_id: String,
    resource_id: String,
    method: String,
    status_code: String,
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

impl Input for OneIntegrationResponse {}

impl Located for OneIntegrationResponse {
    fn location(&self) -> String {
        let (api, resource, method) = (&self.rest_api_id, &self.resource_id, &self.method);
        format!("/restapis/{api}/resources/{resource}/methods/{method}/integration/responses/{}", self.status_code)
    }
}

fn no_integration() -> Error {
    Error::missing("Invalid Integration identifier specified")
}

fn passthrough(text: Option<&str>) -> Result<PassthroughBehavior, Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(PassthroughBehavior::default()) };
    let invalid = |_| {
        Error::bad("Invalid passthrough behavior specified. Valid options are WHEN_NO_MATCH, WHEN_NO_TEMPLATES, NEVER")
    };
    serde_json::from_value(text.into()).map_err(invalid)
}

/// The integration that a request describes.
pub(crate) fn new_integration(input: PutIntegration) -> Result<Integration, Error> {
    if input.connection_type == Some(ConnectionType::VpcLink) || input.connection_id.is_some() {
        return Err(Error::unsupported("The connection type VPC_LINK"));
    }
    if input.response_transfer_mode.as_deref().is_some_and(|mode| mode != "BUFFERED") {
        return Err(Error::unsupported("A responseTransferMode other than BUFFERED"));
    }
    if input.integration_target.is_some() {
        return Err(Error::unsupported("integrationTarget"));
    }
    let kind = input.kind.unwrap_or(IntegrationType::Mock);
    let connection_type = matches!(kind, IntegrationType::Http | IntegrationType::HttpProxy);
    Ok(Integration {
        kind,
        http_method: input.http_method.filter(|method| !method.is_empty()),
        uri: input.uri.filter(|uri| !uri.is_empty()),
        connection_type: input.connection_type.or(connection_type.then_some(ConnectionType::Internet)),
        credentials: input.credentials.filter(|credentials| !credentials.is_empty()),
        request_parameters: input.request_parameters.unwrap_or_default(),
        request_templates: input.request_templates.unwrap_or_default(),
        passthrough_behavior: passthrough(input.passthrough_behavior.as_deref())?,
        content_handling: input.content_handling,
        timeout_in_millis: input.timeout_in_millis.unwrap_or(TIMEOUT_MS_MAX),
        cache_namespace: input.cache_namespace.unwrap_or(input.resource_id),
        cache_key_parameters: input.cache_key_parameters.unwrap_or_default(),
        integration_responses: BTreeMap::new(),
        tls_config: input.tls_config,
    })
}

/// The backend of an `AWS` or `AWS_PROXY` integration: `arn:aws:apigateway:REGION:SERVICE:{path|action}/...`.
fn check_aws_uri(kind: IntegrationType, integration: &Integration) -> Result<(), Error> {
    const ARN: &str = "Invalid ARN specified in the request";
    let arn = integration.uri.as_deref().unwrap_or_default().parse::<Arn>().map_err(|_| Error::bad(ARN))?;
    if arn.service() != "apigateway" || arn.account_str().is_empty() {
        return Err(Error::bad(ARN));
    }
    // The service stands where other ARNs have the account.
    let service = arn.account_str();
    let (way, rest) = arn.resource().split_once('/').unwrap_or((arn.resource(), ""));
    if !matches!(way, "path" | "action") || rest.is_empty() {
        return Err(Error::bad("AWS ARN for integration must contain path or action"));
    }
    let is_function = service == "lambda" && way == "path" && rest.ends_with("/invocations");
    if kind == IntegrationType::AwsProxy && !is_function {
        return Err(Error::bad(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
        ));
    }
    if !is_function && service != "lambda" && integration.credentials.is_none() {
        return Err(Error::bad("Role ARN must be specified for AWS integrations"));
    }
    Ok(())
}

fn check_templates(templates: &Texts) -> Result<(), Error> {
    for (media_type, template) in templates {
        if template.len() > TEMPLATE_BYTES_MAX {
            let len = template.len();
            return Err(Error::bad(format!(
                "The template for {media_type} has {len} bytes; the limit is {TEMPLATE_BYTES_MAX}"
            )));
        }
        if media_type != "$default" && !media_type.contains('/') {
            return Err(Error::bad(format!("Invalid content type specified: {media_type}")));
        }
    }
    Ok(())
}

/// Refuses an integration that cannot work for the method.
pub(crate) fn check_integration(method: &Method, integration: &Integration) -> Result<(), Error> {
    let kind = integration.kind;
    if kind != IntegrationType::Mock {
        let Some(backend) = &integration.http_method else {
            return Err(Error::bad("Enumeration value for HttpMethod must be non-empty"));
        };
        if !METHODS.contains(&backend.as_str()) {
            return Err(Error::bad(format!("Invalid HttpMethod specified. Valid options are {}", METHODS.join(","))));
        }
    }
    match kind {
        IntegrationType::Mock => {}
        IntegrationType::Aws | IntegrationType::AwsProxy => check_aws_uri(kind, integration)?,
        IntegrationType::Http | IntegrationType::HttpProxy => {
            let uri = integration.uri.as_deref().unwrap_or_default();
            let rest = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"));
            if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/') || rest.contains(' ')) {
                return Err(Error::bad("Invalid HTTP endpoint specified for URI"));
            }
        }
    }
    if let Some(credentials) = &integration.credentials {
        let role =
            credentials.parse::<Arn>().is_ok_and(|arn| arn.service() == "iam" && arn.resource().starts_with("role/"));
        if !role && credentials != "arn:aws:iam::*:user/*" {
            return Err(Error::bad("Invalid ARN specified in the request"));
        }
    }
    if !(TIMEOUT_MS_MIN..=TIMEOUT_MS_MAX).contains(&integration.timeout_in_millis) {
        return Err(Error::bad(format!("Timeout should be between {TIMEOUT_MS_MIN} ms and {TIMEOUT_MS_MAX} ms")));
    }
    check_templates(&integration.request_templates)?;
    for (to, from) in &integration.request_parameters {
        check_request_mapping(method, to, from)?;
    }
    match integration.cache_key_parameters.iter().find(|name| !method.request_parameters.contains_key(*name)) {
        Some(name) => Err(Error::bad(format!("Invalid cache key parameter specified: {name}"))),
        None => Ok(()),
    }
}

/// Refuses a response that does not fit its method.
pub(crate) fn check_integration_response(method: &Method, response: &IntegrationResponse) -> Result<(), Error> {
    check_status(&response.status_code)?;
    let declared = method.method_responses.get(&response.status_code).ok_or_else(no_status)?;
    check_templates(&response.response_templates)?;
    if let Some(pattern) = &response.selection_pattern {
        whole(pattern).map_err(|_| Error::bad(format!("Invalid selection pattern specified: {pattern}")))?;
    }
    response.response_parameters.iter().try_for_each(|(to, from)| check_response_mapping(declared, to, from))
}

/// Sets a method's integration, or refuses it.
pub(crate) fn set_integration(
    definition: &mut Definition,
    resource: &str,
    method: &str,
    integration: Integration,
) -> Result<Integration, Error> {
    let method = method_mut(definition, resource, method)?;
    check_integration(method, &integration)?;
    method.method_integration = Some(integration.clone());
    Ok(integration)
}

fn integration_mut<'a>(
    definition: &'a mut Definition,
    resource: &str,
    method: &str,
) -> Result<&'a mut Integration, Error> {
    method_mut(definition, resource, method)?.method_integration.as_mut().ok_or_else(no_integration)
}

/// Sets a response of a method's integration, or refuses it.
pub(crate) fn set_integration_response(
    definition: &mut Definition,
    resource: &str,
    method: &str,
    response: IntegrationResponse,
) -> Result<IntegrationResponse, Error> {
    integration_mut(definition, resource, method)?;
    check_integration_response(method_mut(definition, resource, method)?, &response)?;
    let responses = &mut integration_mut(definition, resource, method)?.integration_responses;
    responses.insert(response.status_code.clone(), response.clone());
    Ok(response)
}

fn patch_integration(integration: &mut Integration, patch: &Patch<'_>) -> Result<(), Error> {
    match patch.template {
        "/type" => integration.kind = patch.one_of(&["HTTP", "MOCK", "AWS_PROXY", "HTTP_PROXY", "AWS"])?,
        "/httpMethod" => integration.http_method = patch.optional(),
        "/uri" => integration.uri = patch.optional(),
        "/credentials" => integration.credentials = patch.optional(),
        "/passthroughBehavior" => {
            integration.passthrough_behavior = patch.one_of(&["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"])?;
        }
        "/contentHandling" => {
            integration.content_handling = match patch.optional() {
                Some(_) => Some(patch.one_of(&["CONVERT_TO_BINARY", "CONVERT_TO_TEXT"])?),
                None => None,
            };
        }
        "/timeoutInMillis" => integration.timeout_in_millis = patch.number()?,
        "/cacheNamespace" => integration.cache_namespace = patch.text()?,
        "/connectionType" => match patch.value()? {
            "INTERNET" => integration.connection_type = Some(ConnectionType::Internet),
            _ => return Err(Error::unsupported("The connection type VPC_LINK")),
        },
        "/tlsConfig/insecureSkipVerification" => {
            integration.tls_config = Some(TlsConfig { insecure_skip_verification: patch.flag()? });
        }
        "/requestParameters/*" => patch.put(&mut integration.request_parameters)?,
        "/requestTemplates/*" => patch.put(&mut integration.request_templates)?,
        _ => {
            let name = patch.name().to_owned();
            integration.cache_key_parameters.retain(|have| *have != name);
            if patch.op == Op::Add {
                integration.cache_key_parameters.push(name);
            }
        }
    }
    Ok(())
}

const PATCHES: Supported = &[
    ("/cacheKeyParameters/*", ADD_REMOVE),
    ("/cacheNamespace", REPLACE),
    ("/connectionType", REPLACE),
    ("/contentHandling", REPLACE_REMOVE),
    ("/credentials", REPLACE_REMOVE),
    ("/httpMethod", REPLACE),
    ("/passthroughBehavior", REPLACE),
    ("/requestParameters/*", ADD_REMOVE_REPLACE),
    ("/requestTemplates/*", ADD_REMOVE_REPLACE),
    ("/timeoutInMillis", REPLACE),
    ("/tlsConfig/insecureSkipVerification", REPLACE),
    ("/type", REPLACE),
    ("/uri", REPLACE),
];

const RESPONSE_PATCHES: Supported = &[
    ("/contentHandling", REPLACE_REMOVE),
    ("/responseParameters/*", ADD_REMOVE_REPLACE),
    ("/responseTemplates/*", ADD_REMOVE_REPLACE),
    ("/selectionPattern", REPLACE_REMOVE),
];

fn patch_response(response: &mut IntegrationResponse, patch: &Patch<'_>) -> Result<(), Error> {
    match patch.template {
        "/selectionPattern" => response.selection_pattern = patch.optional(),
        "/contentHandling" => {
            response.content_handling = match patch.optional() {
                Some(_) => Some(patch.one_of(&["CONVERT_TO_BINARY", "CONVERT_TO_TEXT"])?),
                None => None,
            };
        }
        "/responseParameters/*" => patch.put(&mut response.response_parameters)?,
        _ => patch.put(&mut response.response_templates)?,
    }
    Ok(())
}

impl ApiGateway {
    pub(crate) async fn put_integration(
        self: Arc<Self>,
        call: Call,
        input: PutIntegration,
    ) -> Result<Integration, Error> {
        let (api, resource, method) = (input.rest_api_id.clone(), input.resource_id.clone(), input.method.clone());
        let integration = new_integration(input)?;
        self.change_definition(&call, &api, |definition| {
            set_integration(definition, &resource, &method, integration.clone())
        })
        .await
    }

    pub(crate) async fn get_integration(
        self: Arc<Self>,
        call: Call,
        input: OneIntegration,
    ) -> Result<Integration, Error> {
        let mut definition = self.read_definition(&call, &input.rest_api_id).await?;
        Ok(integration_mut(&mut definition, &input.resource_id, &input.method)?.clone())
    }

    pub(crate) async fn update_integration(
        self: Arc<Self>,
        call: Call,
        input: OneIntegration,
    ) -> Result<Integration, Error> {
        let (resource, name) = (&input.resource_id, &input.method);
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let mut integration = integration_mut(definition, resource, name)?.clone();
            apply(&mut integration, &input.patch_operations, PATCHES, patch_integration)?;
            set_integration(definition, resource, name, integration)
        })
        .await
    }

    pub(crate) async fn delete_integration(self: Arc<Self>, call: Call, input: OneIntegration) -> Result<(), Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let method = method_mut(definition, &input.resource_id, &input.method)?;
            method.method_integration.take().map(drop).ok_or_else(no_integration)
        })
        .await
    }

    pub(crate) async fn put_integration_response(
        self: Arc<Self>,
        call: Call,
        input: PutIntegrationResponse,
    ) -> Result<IntegrationResponse, Error> {
        let response = IntegrationResponse {
            status_code: input.status_code,
            selection_pattern: input.selection_pattern,
            response_parameters: input.response_parameters.unwrap_or_default(),
            response_templates: input.response_templates.unwrap_or_default(),
            content_handling: input.content_handling,
        };
        self.change_definition(&call, &input.rest_api_id, |definition| {
            set_integration_response(definition, &input.resource_id, &input.method, response.clone())
        })
        .await
    }

    pub(crate) async fn get_integration_response(
        self: Arc<Self>,
        call: Call,
        input: OneIntegrationResponse,
    ) -> Result<IntegrationResponse, Error> {
        let mut definition = self.read_definition(&call, &input.rest_api_id).await?;
        let integration = integration_mut(&mut definition, &input.resource_id, &input.method)?;
        integration.integration_responses.remove(&input.status_code).ok_or_else(no_status)
    }

    pub(crate) async fn update_integration_response(
        self: Arc<Self>,
        call: Call,
        input: OneIntegrationResponse,
    ) -> Result<IntegrationResponse, Error> {
        let (resource, name) = (&input.resource_id, &input.method);
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let integration = integration_mut(definition, resource, name)?;
            let found = integration.integration_responses.get(&input.status_code).cloned();
            let mut response = found.ok_or_else(no_status)?;
            apply(&mut response, &input.patch_operations, RESPONSE_PATCHES, patch_response)?;
            set_integration_response(definition, resource, name, response)
        })
        .await
    }

    pub(crate) async fn delete_integration_response(
        self: Arc<Self>,
        call: Call,
        input: OneIntegrationResponse,
    ) -> Result<(), Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let integration = integration_mut(definition, &input.resource_id, &input.method)?;
            integration.integration_responses.remove(&input.status_code).map(drop).ok_or_else(no_status)
        })
        .await
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    use ApiGateway as G;
    const ONE: &str = "/restapis/{restApiId}/resources/{resourceId}/methods/{method}/integration";
    const RESPONSE: &str =
        "/restapis/{restApiId}/resources/{resourceId}/methods/{method}/integration/responses/{statusCode}";
    api.operation(at(Operation::new("PutIntegration", G::put_integration), HttpMethod::PUT, ONE, 201))
        .operation(at(Operation::new("GetIntegration", G::get_integration), HttpMethod::GET, ONE, 200))
        .operation(at(Operation::new("UpdateIntegration", G::update_integration), HttpMethod::PATCH, ONE, 200))
        .operation(at(Operation::new("DeleteIntegration", G::delete_integration), HttpMethod::DELETE, ONE, 204))
        .operation(at(
            Operation::new("PutIntegrationResponse", G::put_integration_response),
            HttpMethod::PUT,
            RESPONSE,
            201,
        ))
        .operation(at(
            Operation::new("GetIntegrationResponse", G::get_integration_response),
            HttpMethod::GET,
            RESPONSE,
            200,
        ))
        .operation(at(
            Operation::new("UpdateIntegrationResponse", G::update_integration_response),
            HttpMethod::PATCH,
            RESPONSE,
            200,
        ))
        .operation(at(
            Operation::new("DeleteIntegrationResponse", G::delete_integration_response),
            HttpMethod::DELETE,
            RESPONSE,
            204,
        ))
}
