//! Methods of resources, and what they may answer.
//!
//! AWS: API Gateway Developer Guide, "Methods for REST APIs in API Gateway".

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::Deserialize;

use crate::error::Error;
use crate::model::{AuthorizationType, AuthorizerType, Definition, Method, MethodResponse, Texts};
use crate::patch::{
    ADD_REMOVE, ADD_REMOVE_REPLACE, Op, Patch, PatchOperation, REPLACE, REPLACE_REMOVE, Supported, apply,
};
use crate::resource::resource_mut;
use crate::service::{ApiGateway, Located, at};

/// The methods that a resource may have.
pub(crate) const METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"];
/// Parameters of a method or of one of its responses.
pub(crate) const PARAMETERS_MAX: usize = 300;

/// AWS: *PutMethod*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutMethod {
    pub(crate) rest_api_id: String,
    pub(crate) resource_id: String,
    pub(crate) http_method: String,
    pub(crate) authorization_type: Option<String>,
    pub(crate) authorizer_id: Option<String>,
    pub(crate) api_key_required: Option<bool>,
    pub(crate) operation_name: Option<String>,
    pub(crate) request_parameters: Option<BTreeMap<String, bool>>,
    pub(crate) request_models: Option<Texts>,
    pub(crate) request_validator_id: Option<String>,
    pub(crate) authorization_scopes: Option<Vec<String>>,
}

impl Input for PutMethod {
    fn validate(&self, v: &mut Violations) {
        v.within("putMethodInput", |v| v.required("authorizationType", self.authorization_type.as_ref()));
    }
}

impl Located for PutMethod {
    fn location(&self) -> String {
        format!("/restapis/{}/resources/{}/methods/{}", self.rest_api_id, self.resource_id, self.http_method)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneMethod {
    pub(crate) rest_api_id: String,
    pub(crate) resource_id: String,
    pub(crate) http_method: String,
    #[serde(default)]
    pub(crate) patch_operations: Vec<PatchOperation>,
}

impl Input for OneMethod {}

impl Located for OneMethod {
    fn location(&self) -> String {
        format!("/restapis/{}/resources/{}/methods/{}", self.rest_api_id, self.resource_id, self.http_method)
    }
}

/// AWS: *PutMethodResponse*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutMethodResponse {
    pub(crate) rest_api_id: String,
    pub(crate) resource_id: String,
    pub(crate) http_method: String,
    pub(crate) status_code: String,
    pub(crate) response_parameters: Option<BTreeMap<String, bool>>,
    pub(crate) response_models: Option<Texts>,
}

impl Input for PutMethodResponse {}

impl Located for PutMethodResponse {
    fn location(&self) -> String {
        let (api, resource, method) = (&self.rest_api_id, &self.resource_id, &self.http_method);
        format!("/restapis/{api}/resources/{resource}/methods/{method}/responses/{}", self.status_code)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneMethodResponse {
    rest_api_id: String,
    resource_id: String,
    http_method: String,
    status_code: String,
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

impl Input for OneMethodResponse {}

impl Located for OneMethodResponse {
    fn location(&self) -> String {
        let (api, resource, method) = (&self.rest_api_id, &self.resource_id, &self.http_method);
        format!("/restapis/{api}/resources/{resource}/methods/{method}/responses/{}", self.status_code)
    }
}

pub(crate) fn no_method() -> Error {
    Error::missing("Invalid Method identifier specified")
}

pub(crate) fn method_mut<'a>(
    definition: &'a mut Definition,
    resource: &str,
    method: &str,
) -> Result<&'a mut Method, Error> {
    resource_mut(definition, resource)?.resource_methods.get_mut(method).ok_or_else(no_method)
}

pub(crate) fn no_status() -> Error {
    Error::missing("Invalid Response status code specified")
}

/// Refuses what is no status code.
pub(crate) fn check_status(status: &str) -> Result<(), Error> {
    match status.parse::<u16>() {
        Ok(code) if (100..=599).contains(&code) && status.len() == 3 => Ok(()),
        _ => Err(Error::bad(format!("Invalid status code specified: {status}"))),
    }
}

pub(crate) fn invalid_mapping(what: &str) -> Error {
    Error::bad(format!(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression \
         specified: {what}]"
    ))
}

/// Whether `name` can be that of a header or parameter.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'\'' && b != b'"')
}

fn check_request_parameter(name: &str) -> Result<(), Error> {
    let rest = name.strip_prefix("method.request.").ok_or_else(|| invalid_mapping(name))?;
    let (place, parameter) = rest.split_once('.').ok_or_else(|| invalid_mapping(name))?;
    if !is_name(parameter) {
        return Err(invalid_mapping(name));
    }
    match place {
        // A variable that the path does not have can never be there; AWS takes it all the same, so that resources may move.
        "header" | "querystring" | "path" | "multivalueheader" | "multivaluequerystring" => Ok(()),
        _ => Err(invalid_mapping(name)),
    }
}

fn check_models(definition: &Definition, models: &Texts) -> Result<(), Error> {
    match models.values().find(|name| !definition.models.contains_key(*name)) {
        Some(name) => Err(Error::bad(format!("Invalid model identifier specified: {name}"))),
        None => Ok(()),
    }
}

fn authorization_type(text: &str) -> Result<AuthorizationType, Error> {
    serde_json::from_value(text.into()).map_err(|_| {
        Error::bad(format!(
            "Invalid Authorization Type specified: {text}. Valid options are NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS"
        ))
    })
}

/// Refuses a method that cannot be kept: what it refers to must be there, and its authorization must make sense.
pub(crate) fn check_method(definition: &Definition, method: &Method) -> Result<(), Error> {
    use AuthorizationType::{AwsIam, CognitoUserPools, Custom, None as Nobody};
    const NEEDED: &str = "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS \
                          requires a valid authorizer.";
    if method.authorization_type == CognitoUserPools {
        return Err(Error::unsupported("The authorization type COGNITO_USER_POOLS"));
    }
    let authorizer = method.authorizer_id.as_ref().map(|id| definition.authorizers.get(id));
    match (method.authorization_type, authorizer) {
        (Custom, None | Some(None)) => return Err(Error::bad(NEEDED)),
        (Custom, Some(Some(found))) if found.kind == AuthorizerType::CognitoUserPools => {
            return Err(Error::bad(NEEDED));
        }
        (Nobody | AwsIam, Some(_)) => {
            return Err(Error::bad("Authorizer ID cannot be specified unless the authorization type is CUSTOM"));
        }
        _ => {}
    }
    if !method.authorization_scopes.is_empty() {
        return Err(Error::bad("Authorization scopes are only allowed for COGNITO_USER_POOLS authorization"));
    }
    if let Some(id) = &method.request_validator_id
        && !definition.request_validators.contains_key(id)
    {
        return Err(Error::bad("Invalid Request Validator identifier specified"));
    }
    if method.request_parameters.len() > PARAMETERS_MAX {
        return Err(Error::limit("request parameters", PARAMETERS_MAX));
    }
    method.request_parameters.keys().try_for_each(|name| check_request_parameter(name))?;
    check_models(definition, &method.request_models)
}

pub(crate) fn check_method_response(definition: &Definition, response: &MethodResponse) -> Result<(), Error> {
    check_status(&response.status_code)?;
    for name in response.response_parameters.keys() {
        let header = name.strip_prefix("method.response.header.");
        if !header.is_some_and(is_name) {
            return Err(invalid_mapping(name));
        }
    }
    check_models(definition, &response.response_models)
}

/// The method that a request describes.
pub(crate) fn new_method(input: PutMethod) -> Result<Method, Error> {
    if !METHODS.contains(&input.http_method.as_str()) {
        let options = METHODS.join(",");
        return Err(Error::bad(format!("Invalid HttpMethod specified. Valid options are {options}")));
    }
    Ok(Method {
        authorization_type: authorization_type(&input.authorization_type.unwrap_or_default())?,
        http_method: input.http_method,
        authorizer_id: input.authorizer_id.filter(|id| !id.is_empty()),
        api_key_required: input.api_key_required.unwrap_or(false),
        request_validator_id: input.request_validator_id.filter(|id| !id.is_empty()),
        operation_name: input.operation_name,
        request_parameters: input.request_parameters.unwrap_or_default(),
        request_models: input.request_models.unwrap_or_default(),
        method_responses: BTreeMap::new(),
        method_integration: None,
        authorization_scopes: input.authorization_scopes.unwrap_or_default(),
    })
}

/// Adds a method to a resource, or refuses it.
pub(crate) fn add_method(definition: &mut Definition, resource: &str, method: Method) -> Result<Method, Error> {
    resource_mut(definition, resource)?;
    check_method(definition, &method)?;
    let methods = &mut resource_mut(definition, resource)?.resource_methods;
    if methods.contains_key(&method.http_method) {
        return Err(Error::conflict("Method already exists for this resource"));
    }
    methods.insert(method.http_method.clone(), method.clone());
    Ok(method)
}

/// Adds a response to a method, or refuses it.
pub(crate) fn add_method_response(
    definition: &mut Definition,
    resource: &str,
    method: &str,
    response: MethodResponse,
) -> Result<MethodResponse, Error> {
    check_method_response(definition, &response)?;
    let responses = &mut method_mut(definition, resource, method)?.method_responses;
    if responses.contains_key(&response.status_code) {
        return Err(Error::conflict("Response already exists for this resource"));
    }
    responses.insert(response.status_code.clone(), response.clone());
    Ok(response)
}

fn patch_method(method: &mut Method, patch: &Patch<'_>) -> Result<(), Error> {
    match patch.template {
        "/authorizationType" => method.authorization_type = authorization_type(patch.value()?)?,
        "/authorizerId" => method.authorizer_id = patch.optional(),
        "/apiKeyRequired" => method.api_key_required = patch.flag()?,
        "/requestValidatorId" => method.request_validator_id = patch.optional(),
        "/operationName" => method.operation_name = patch.optional(),
        "/requestParameters/*" => patch.put_flag(&mut method.request_parameters)?,
        "/requestModels/*" => patch.put(&mut method.request_models)?,
        _ => {
            let scope = patch.text()?;
            method.authorization_scopes.retain(|have| *have != scope);
            if patch.op == Op::Add {
                method.authorization_scopes.push(scope);
            }
        }
    }
    // An authorizer only means something together with the type that uses it.
    if patch.template == "/authorizationType" && method.authorization_type != AuthorizationType::Custom {
        method.authorizer_id = None;
    }
    Ok(())
}

const PATCHES: Supported = &[
    ("/apiKeyRequired", REPLACE),
    ("/authorizationScopes", ADD_REMOVE),
    ("/authorizationType", REPLACE),
    ("/authorizerId", REPLACE_REMOVE),
    ("/operationName", REPLACE_REMOVE),
    ("/requestModels/*", ADD_REMOVE_REPLACE),
    ("/requestParameters/*", ADD_REMOVE_REPLACE),
    ("/requestValidatorId", REPLACE_REMOVE),
];

const RESPONSE_PATCHES: Supported =
    &[("/responseModels/*", ADD_REMOVE_REPLACE), ("/responseParameters/*", ADD_REMOVE_REPLACE)];

impl ApiGateway {
    pub(crate) async fn put_method(self: Arc<Self>, call: Call, input: PutMethod) -> Result<Method, Error> {
        let (api, resource) = (input.rest_api_id.clone(), input.resource_id.clone());
        let method = new_method(input)?;
        self.change_definition(&call, &api, |definition| add_method(definition, &resource, method.clone())).await
    }

    pub(crate) async fn get_method(self: Arc<Self>, call: Call, input: OneMethod) -> Result<Method, Error> {
        let mut definition = self.read_definition(&call, &input.rest_api_id).await?;
        Ok(method_mut(&mut definition, &input.resource_id, &input.http_method)?.clone())
    }

    pub(crate) async fn update_method(self: Arc<Self>, call: Call, input: OneMethod) -> Result<Method, Error> {
        let (resource, name) = (&input.resource_id, &input.http_method);
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let mut method = method_mut(definition, resource, name)?.clone();
            apply(&mut method, &input.patch_operations, PATCHES, patch_method)?;
            check_method(definition, &method)?;
            *method_mut(definition, resource, name)? = method.clone();
            Ok(method)
        })
        .await
    }

    pub(crate) async fn delete_method(self: Arc<Self>, call: Call, input: OneMethod) -> Result<(), Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let resource = resource_mut(definition, &input.resource_id)?;
            resource.resource_methods.remove(&input.http_method).map(drop).ok_or_else(no_method)
        })
        .await
    }

    pub(crate) async fn put_method_response(
        self: Arc<Self>,
        call: Call,
        input: PutMethodResponse,
    ) -> Result<MethodResponse, Error> {
        let response = MethodResponse {
            status_code: input.status_code,
            response_parameters: input.response_parameters.unwrap_or_default(),
            response_models: input.response_models.unwrap_or_default(),
        };
        self.change_definition(&call, &input.rest_api_id, |definition| {
            add_method_response(definition, &input.resource_id, &input.http_method, response.clone())
        })
        .await
    }

    pub(crate) async fn get_method_response(
        self: Arc<Self>,
        call: Call,
        input: OneMethodResponse,
    ) -> Result<MethodResponse, Error> {
        let mut definition = self.read_definition(&call, &input.rest_api_id).await?;
        let method = method_mut(&mut definition, &input.resource_id, &input.http_method)?;
        method.method_responses.remove(&input.status_code).ok_or_else(no_status)
    }

    pub(crate) async fn update_method_response(
        self: Arc<Self>,
        call: Call,
        input: OneMethodResponse,
    ) -> Result<MethodResponse, Error> {
        let (resource, name, status) = (&input.resource_id, &input.http_method, &input.status_code);
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let method = method_mut(definition, resource, name)?;
            let mut response = method.method_responses.get(status).cloned().ok_or_else(no_status)?;
            apply(&mut response, &input.patch_operations, RESPONSE_PATCHES, |response, patch| match patch.template {
                "/responseModels/*" => patch.put(&mut response.response_models),
                _ => patch.put_flag(&mut response.response_parameters),
            })?;
            check_method_response(definition, &response)?;
            method_mut(definition, resource, name)?.method_responses.insert(status.clone(), response.clone());
            Ok(response)
        })
        .await
    }

    pub(crate) async fn delete_method_response(
        self: Arc<Self>,
        call: Call,
        input: OneMethodResponse,
    ) -> Result<(), Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let method = method_mut(definition, &input.resource_id, &input.http_method)?;
            method.method_responses.remove(&input.status_code).map(drop).ok_or_else(no_status)
        })
        .await
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    use ApiGateway as G;
    const ONE: &str = "/restapis/{restApiId}/resources/{resourceId}/methods/{httpMethod}";
    const RESPONSE: &str = "/restapis/{restApiId}/resources/{resourceId}/methods/{httpMethod}/responses/{statusCode}";
    api.operation(at(Operation::new("PutMethod", G::put_method), HttpMethod::PUT, ONE, 201))
        .operation(at(Operation::new("GetMethod", G::get_method), HttpMethod::GET, ONE, 200))
        .operation(at(Operation::new("UpdateMethod", G::update_method), HttpMethod::PATCH, ONE, 200))
        .operation(at(Operation::new("DeleteMethod", G::delete_method), HttpMethod::DELETE, ONE, 204))
        .operation(at(Operation::new("PutMethodResponse", G::put_method_response), HttpMethod::PUT, RESPONSE, 201))
        .operation(at(Operation::new("GetMethodResponse", G::get_method_response), HttpMethod::GET, RESPONSE, 200))
        .operation(at(
            Operation::new("UpdateMethodResponse", G::update_method_response),
            HttpMethod::PATCH,
            RESPONSE,
            201,
        ))
        .operation(at(
            Operation::new("DeleteMethodResponse", G::delete_method_response),
            HttpMethod::DELETE,
            RESPONSE,
            204,
        ))
}
