//! Gateway responses: what is answered where no integration answers.
//!
//! AWS: API Gateway Developer Guide, "Gateway response types for API Gateway".

use std::sync::Arc;

use cauce_core::Call;
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::Deserialize;

use crate::error::Error;
use crate::mapping::invalid_gateway_mapping;
use crate::method::check_status;
use crate::model::{Definition, GatewayResponse, Texts};
use crate::page::{Page, Wanted};
use crate::patch::{ADD_REMOVE_REPLACE, PatchOperation, REPLACE, Supported, apply};
use crate::service::{ApiGateway, ListOfApi, Located, at, list};

/// Every type with its status; `DEFAULT_4XX` and `DEFAULT_5XX` keep that of the error.
pub(crate) const TYPES: [(&str, Option<&str>); 21] = [
    ("ACCESS_DENIED", Some("403")),
    ("API_CONFIGURATION_ERROR", Some("500")),
    ("AUTHORIZER_CONFIGURATION_ERROR", Some("500")),
    ("AUTHORIZER_FAILURE", Some("500")),
    ("BAD_REQUEST_BODY", Some("400")),
    ("BAD_REQUEST_PARAMETERS", Some("400")),
    ("DEFAULT_4XX", None),
    ("DEFAULT_5XX", None),
    ("EXPIRED_TOKEN", Some("403")),
    ("INTEGRATION_FAILURE", Some("504")),
    ("INTEGRATION_TIMEOUT", Some("504")),
    ("INVALID_API_KEY", Some("403")),
    ("INVALID_SIGNATURE", Some("403")),
    ("MISSING_AUTHENTICATION_TOKEN", Some("403")),
    ("QUOTA_EXCEEDED", Some("429")),
    ("REQUEST_TOO_LARGE", Some("413")),
    ("RESOURCE_NOT_FOUND", Some("404")),
    ("THROTTLED", Some("429")),
    ("UNAUTHORIZED", Some("401")),
    ("UNSUPPORTED_MEDIA_TYPE", Some("415")),
    ("WAF_FILTERED", Some("403")),
];

/// The template of a response that nobody has changed.
pub(crate) const DEFAULT_TEMPLATE: &str = r#"{"message":$context.error.messageString}"#;

/// AWS: *PutGatewayResponse*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutGatewayResponse {
    pub(crate) rest_api_id: String,
    pub(crate) response_type: String,
    pub(crate) status_code: Option<String>,
    pub(crate) response_parameters: Option<Texts>,
    pub(crate) response_templates: Option<Texts>,
}

impl Input for PutGatewayResponse {}

impl Located for PutGatewayResponse {
    fn location(&self) -> String {
        format!("/restapis/{}/gatewayresponses/{}", self.rest_api_id, self.response_type)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneGatewayResponse {
    rest_api_id: String,
    response_type: String,
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

impl Input for OneGatewayResponse {}

impl Located for OneGatewayResponse {
    fn location(&self) -> String {
        format!("/restapis/{}/gatewayresponses/{}", self.rest_api_id, self.response_type)
    }
}

/// The response of a type: the API's own, else AWS's.
pub(crate) fn response_of(definition: &Definition, kind: &str) -> Result<GatewayResponse, Error> {
    if let Some(found) = definition.gateway_responses.get(kind) {
        return Ok(found.clone());
    }
    let Some((kind, status)) = TYPES.iter().find(|(name, _)| *name == kind) else {
        return Err(unknown(kind));
    };
    Ok(GatewayResponse {
        response_type: (*kind).to_owned(),
        status_code: status.map(str::to_owned),
        response_parameters: Texts::new(),
        response_templates: Texts::from([("application/json".to_owned(), DEFAULT_TEMPLATE.to_owned())]),
        default_response: true,
    })
}

fn unknown(kind: &str) -> Error {
    let all: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    Error::bad(format!("Invalid gateway response type specified: {kind}. Must be one of: [{}]", all.join(", ")))
}

fn check(response: &GatewayResponse) -> Result<(), Error> {
    if let Some(status) = &response.status_code {
        check_status(status)?;
    }
    response.response_parameters.iter().try_for_each(|(to, from)| match invalid_gateway_mapping(to, from) {
        Some(wrong) => Err(crate::method::invalid_mapping(wrong)),
        None => Ok(()),
    })
}

/// Sets a response, or refuses it.
pub(crate) fn set_response(definition: &mut Definition, input: PutGatewayResponse) -> Result<GatewayResponse, Error> {
    let kind = input.response_type;
    let Some((_, status)) = TYPES.iter().find(|(name, _)| *name == kind) else { return Err(unknown(&kind)) };
    let default = || Texts::from([("application/json".to_owned(), DEFAULT_TEMPLATE.to_owned())]);
    let response = GatewayResponse {
        response_type: kind.clone(),
        status_code: input.status_code.or_else(|| status.map(str::to_owned)),
        response_parameters: input.response_parameters.unwrap_or_default(),
        response_templates: input.response_templates.filter(|all| !all.is_empty()).unwrap_or_else(default),
        default_response: false,
    };
    check(&response)?;
    definition.gateway_responses.insert(kind, response.clone());
    Ok(response)
}

const PATCHES: Supported = &[
    ("/responseParameters/*", ADD_REMOVE_REPLACE),
    ("/responseTemplates/*", ADD_REMOVE_REPLACE),
    ("/statusCode", REPLACE),
];

impl ApiGateway {
    pub(crate) async fn put_gateway_response(
        self: Arc<Self>,
        call: Call,
        input: PutGatewayResponse,
    ) -> Result<GatewayResponse, Error> {
        let api = input.rest_api_id.clone();
        self.change_definition(&call, &api, |definition| set_response(definition, input.clone())).await
    }

    pub(crate) async fn get_gateway_response(
        self: Arc<Self>,
        call: Call,
        input: OneGatewayResponse,
    ) -> Result<GatewayResponse, Error> {
        response_of(&self.read_definition(&call, &input.rest_api_id).await?, &input.response_type)
    }

    pub(crate) async fn get_gateway_responses(
        self: Arc<Self>,
        call: Call,
        input: ListOfApi,
    ) -> Result<Page<GatewayResponse>, Error> {
        let definition = self.read_definition(&call, &input.rest_api_id).await?;
        let all: Vec<GatewayResponse> =
            TYPES.iter().map(|(kind, _)| response_of(&definition, kind)).collect::<Result<_, _>>()?;
        let wanted = Wanted::new(input.position.as_ref(), input.limit);
        wanted.page(all.iter().map(|response| (response.response_type.as_str(), response.clone())))
    }

    pub(crate) async fn update_gateway_response(
        self: Arc<Self>,
        call: Call,
        input: OneGatewayResponse,
    ) -> Result<GatewayResponse, Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let mut response = response_of(definition, &input.response_type)?;
            apply(&mut response, &input.patch_operations, PATCHES, |response, patch| match patch.template {
                "/statusCode" => {
                    response.status_code = Some(patch.text()?);
                    Ok(())
                }
                "/responseParameters/*" => patch.put(&mut response.response_parameters),
                _ => patch.put(&mut response.response_templates),
            })?;
            response.default_response = false;
            check(&response)?;
            definition.gateway_responses.insert(response.response_type.clone(), response.clone());
            Ok(response)
        })
        .await
    }

    pub(crate) async fn delete_gateway_response(
        self: Arc<Self>,
        call: Call,
        input: OneGatewayResponse,
    ) -> Result<(), Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let removed = definition.gateway_responses.remove(&input.response_type);
            removed.map(drop).ok_or_else(|| Error::missing("Gateway response type not defined on api"))
        })
        .await
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    use ApiGateway as G;
    const ALL: &str = "/restapis/{restApiId}/gatewayresponses";
    const ONE: &str = "/restapis/{restApiId}/gatewayresponses/{responseType}";
    api.operation(at(Operation::new("PutGatewayResponse", G::put_gateway_response), HttpMethod::PUT, ONE, 201))
        .operation(list(Operation::new("GetGatewayResponses", G::get_gateway_responses), "gatewayresponses", ALL))
        .operation(at(Operation::new("GetGatewayResponse", G::get_gateway_response), HttpMethod::GET, ONE, 200))
        .operation(at(Operation::new("UpdateGatewayResponse", G::update_gateway_response), HttpMethod::PATCH, ONE, 200))
        .operation(at(
            Operation::new("DeleteGatewayResponse", G::delete_gateway_response),
            HttpMethod::DELETE,
            ONE,
            202,
        ))
}
