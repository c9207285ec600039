//! Request validators.
//!
//! AWS: API Gateway Developer Guide, "Request validation for REST APIs in API Gateway".

use std::sync::Arc;

use cauce_core::Call;
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::Deserialize;

use crate::error::Error;
use crate::model::{Definition, RequestValidator};
use crate::page::{Page, Wanted};
use crate::patch::{PatchOperation, REPLACE, Supported, apply};
use crate::service::{ApiGateway, ListOfApi, Located, at, list};

/// Request validators of an API.
pub(crate) const VALIDATORS_MAX: usize = 100;

/// AWS: *CreateRequestValidator*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateRequestValidator {
    rest_api_id: String,
    name: Option<String>,
    validate_request_body: Option<bool>,
    validate_request_parameters: Option<bool>,
}

impl Input for CreateRequestValidator {}

impl CreateRequestValidator {
    /// The validator that is described.
    pub(crate) fn validator(self, id: String) -> RequestValidator {
        RequestValidator {
            id,
            name: self.name,
            validate_request_body: self.validate_request_body.unwrap_or(false),
            validate_request_parameters: self.validate_request_parameters.unwrap_or(false),
        }
    }
}

impl Located for CreateRequestValidator {
    fn location(&self) -> String {
        format!("/restapis/{}/requestvalidators", self.rest_api_id)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneRequestValidator {
    rest_api_id: String,
    validator_id: String,
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

impl Input for OneRequestValidator {}

impl Located for OneRequestValidator {
    fn location(&self) -> String {
        format!("/restapis/{}/requestvalidators/{}", self.rest_api_id, self.validator_id)
    }
}

fn no_validator() -> Error {
    Error::missing("Invalid Request Validator identifier specified")
}

/// Adds a validator, or refuses it.
pub(crate) fn add_validator(
    definition: &mut Definition,
    validator: RequestValidator,
) -> Result<RequestValidator, Error> {
    if definition.request_validators.len() >= VALIDATORS_MAX {
        return Err(Error::limit("request validators", VALIDATORS_MAX));
    }
    definition.request_validators.insert(validator.id.clone(), validator.clone());
    Ok(validator)
}

/// Removes a validator that no method uses.
pub(crate) fn remove_validator(definition: &mut Definition, id: &str) -> Result<(), Error> {
    if !definition.request_validators.contains_key(id) {
        return Err(no_validator());
    }
    let mut methods = definition.resources.values().flat_map(|r| r.resource_methods.values().map(move |m| (r, m)));
    if let Some((resource, method)) = methods.find(|(_, m)| m.request_validator_id.as_deref() == Some(id)) {
        let (resource, method) = (&resource.id, &method.http_method);
        return Err(Error::conflict(format!(
            "Cannot delete request validator '{id}', is referenced in method {resource}/{method}"
        )));
    }
    definition.request_validators.remove(id);
    Ok(())
}

const PATCHES: Supported =
    &[("/name", REPLACE), ("/validateRequestBody", REPLACE), ("/validateRequestParameters", REPLACE)];

impl ApiGateway {
    pub(crate) async fn create_request_validator(
        self: Arc<Self>,
        call: Call,
        input: CreateRequestValidator,
    ) -> Result<RequestValidator, Error> {
        let api = input.rest_api_id.clone();
        let validator = input.validator(self.new_short_id());
        self.change_definition(&call, &api, |definition| add_validator(definition, validator.clone())).await
    }

    pub(crate) async fn get_request_validator(
        self: Arc<Self>,
        call: Call,
        input: OneRequestValidator,
    ) -> Result<RequestValidator, Error> {
        let mut definition = self.read_definition(&call, &input.rest_api_id).await?;
        definition.request_validators.remove(&input.validator_id).ok_or_else(no_validator)
    }

    pub(crate) async fn get_request_validators(
        self: Arc<Self>,
        call: Call,
        input: ListOfApi,
    ) -> Result<Page<RequestValidator>, Error> {
        let definition = self.read_definition(&call, &input.rest_api_id).await?;
        let all = definition.request_validators.iter();
        Wanted::new(input.position.as_ref(), input.limit).page(all.map(|(id, one)| (id.as_str(), one.clone())))
    }

    pub(crate) async fn update_request_validator(
        self: Arc<Self>,
        call: Call,
        input: OneRequestValidator,
    ) -> Result<RequestValidator, Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let validator = definition.request_validators.get_mut(&input.validator_id).ok_or_else(no_validator)?;
            apply(validator, &input.patch_operations, PATCHES, |validator, patch| {
                match patch.template {
                    "/name" => validator.name = patch.optional(),
                    "/validateRequestBody" => validator.validate_request_body = patch.flag()?,
                    _ => validator.validate_request_parameters = patch.flag()?,
                }
                Ok(())
            })?;
            Ok(validator.clone())
        })
        .await
    }

    pub(crate) async fn delete_request_validator(
        self: Arc<Self>,
        call: Call,
        input: OneRequestValidator,
    ) -> Result<(), Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| {
            remove_validator(definition, &input.validator_id)
        })
        .await
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    use ApiGateway as G;
    const ALL: &str = "/restapis/{restApiId}/requestvalidators";
    const ONE: &str = "/restapis/{restApiId}/requestvalidators/{validatorId}";
    let new = Operation::new("CreateRequestValidator", G::create_request_validator);
    api.operation(at(new, HttpMethod::POST, ALL, 201))
        .operation(list(Operation::new("GetRequestValidators", G::get_request_validators), "requestvalidators", ALL))
        .operation(at(Operation::new("GetRequestValidator", G::get_request_validator), HttpMethod::GET, ONE, 200))
        .operation(at(
            Operation::new("UpdateRequestValidator", G::update_request_validator),
            HttpMethod::PATCH,
            ONE,
            200,
        ))
        .operation(at(
            Operation::new("DeleteRequestValidator", G::delete_request_validator),
            HttpMethod::DELETE,
            ONE,
            202,
        ))
}
