//! Parts of an API: `AWS::ApiGateway::Authorizer`, `AWS::ApiGateway::Model`, `AWS::ApiGateway::RequestValidator`

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value};

use super::properties::{document, get, lower, read};
use super::{or_gone, own_id, provisioned};
use crate::authorizer::{CreateAuthorizer, add_authorizer, new_authorizer, remove_authorizer, replace_authorizer};
use crate::body_model::{OneModel, add_model, check_schema};
use crate::error::Error;
use crate::model::{Authorizer, Model, RequestValidator};
use crate::request_validator::{CreateRequestValidator, add_validator, remove_validator};
use crate::rest_api::check_description;
use crate::service::ApiGateway;

pub(super) struct AuthorizerResource(pub(super) Arc<ApiGateway>);

static AUTHORIZER: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::Authorizer",
    properties: &[
        Property::optional("AuthType"),
        Property::optional("AuthorizerCredentials"),
        Property::optional("AuthorizerResultTtlInSeconds"),
        Property::optional("AuthorizerUri"),
        Property::optional("IdentitySource"),
        Property::optional("IdentityValidationExpression"),
        Property::required("Name"),
        Property::optional("ProviderARNs"),
        Property::required("RestApiId").replaces(),
        Property::required("Type"),
    ],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["AuthorizerId"],
};

fn authorizer(id: &str, properties: &Map<String, Value>) -> Result<Authorizer, ServiceError> {
    Ok(new_authorizer(id.to_owned(), read::<CreateAuthorizer>(lower(properties))?))
}

#[async_trait]
impl ResourceType for AuthorizerResource {
    fn schema(&self) -> &'static ResourceSchema {
        &AUTHORIZER
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let api = get(&request.properties, "RestApiId");
        self.0.may(call, "POST", &format!("/restapis/{api}/authorizers")).await?;
        let wanted = authorizer(&own_id(&request, 6), &request.properties)?;
        let made = self
            .0
            .change_definition(call, api, |definition| match definition.authorizers.get(&wanted.id) {
                Some(made) => Ok(made.clone()),
                None => add_authorizer(definition, wanted.clone()),
            })
            .await?;
        Ok(provisioned(&made.id, &[("AuthorizerId", &made.id)]))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let (api, id) = (get(&request.properties, "RestApiId"), &request.physical_id);
        self.0.may(call, "PATCH", &format!("/restapis/{api}/authorizers/{id}")).await?;
        let wanted = authorizer(id, &request.properties)?;
        self.0.change_definition(call, api, |definition| replace_authorizer(definition, wanted.clone())).await?;
        Ok(provisioned(id, &[("AuthorizerId", id)]))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let (api, id) = (get(&request.properties, "RestApiId"), &request.physical_id);
        self.0.may(call, "DELETE", &format!("/restapis/{api}/authorizers/{id}")).await?;
        or_gone(self.0.change_definition(call, api, |definition| remove_authorizer(definition, id)).await)
    }
}

pub(super) struct ModelType(pub(super) Arc<ApiGateway>);

static MODEL: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::Model",
    properties: &[
        Property::optional("ContentType").replaces(),
        Property::optional("Description"),
        Property::optional("Name").replaces(),
        Property::required("RestApiId").replaces(),
        Property::optional("Schema"),
    ],
    name_property: Some("Name"),
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &[],
};

#[async_trait]
impl ResourceType for ModelType {
    fn schema(&self) -> &'static ResourceSchema {
        &MODEL
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let api = get(&request.properties, "RestApiId");
        self.0.may(call, "POST", &format!("/restapis/{api}/models")).await?;
        let own = |name: &str| request.properties.get(name).and_then(Value::as_str).map(str::to_owned);
        // A made-up name has hyphens, which the name of a model may not have.
        let made_up = || request.generated_name.chars().filter(char::is_ascii_alphanumeric).collect();
        let wanted = Model {
            id: own_id(&request, 6),
            name: own("Name").unwrap_or_else(made_up),
            description: own("Description"),
            schema: document(&request.properties, "Schema"),
            content_type: own("ContentType").unwrap_or_else(|| "application/json".to_owned()),
        };
        let made = self
            .0
            .change_definition(call, api, |definition| match definition.models.get(&wanted.name) {
                Some(made) if made.id == wanted.id => Ok(made.clone()),
                _ => add_model(definition, wanted.clone()),
            })
            .await?;
        Ok(provisioned(&made.name, &[]))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let (api, name) = (get(&request.properties, "RestApiId"), &request.physical_id);
        self.0.may(call, "PATCH", &format!("/restapis/{api}/models/{name}")).await?;
        let schema = document(&request.properties, "Schema");
        let description = request.properties.get("Description").and_then(Value::as_str).map(str::to_owned);
        check_description(description.as_deref())?;
        self.0
            .change_definition(call, api, |definition| {
                schema.as_deref().map_or(Ok(()), |schema| check_schema(definition, schema))?;
                let missing = || Error::missing(format!("Invalid model name specified: {name}"));
                let model = definition.models.get_mut(name).ok_or_else(missing)?;
                (model.schema, model.description) = (schema.clone(), description.clone());
                Ok(())
            })
            .await?;
        Ok(provisioned(name, &[]))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let (api, name) = (get(&request.properties, "RestApiId"), &request.physical_id);
        self.0.may(call, "DELETE", &format!("/restapis/{api}/models/{name}")).await?;
        or_gone(Arc::clone(&self.0).delete_model(call.clone(), OneModel::new(api, name)).await)
    }
}

pub(super) struct RequestValidatorType(pub(super) Arc<ApiGateway>);

static VALIDATOR: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::RequestValidator",
    properties: &[
        Property::optional("Name").replaces(),
        Property::required("RestApiId").replaces(),
        Property::optional("ValidateRequestBody"),
        Property::optional("ValidateRequestParameters"),
    ],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["RequestValidatorId"],
};

fn validator(id: &str, properties: &Map<String, Value>) -> Result<RequestValidator, ServiceError> {
    Ok(read::<CreateRequestValidator>(lower(properties))?.validator(id.to_owned()))
}

#[async_trait]
impl ResourceType for RequestValidatorType {
    fn schema(&self) -> &'static ResourceSchema {
        &VALIDATOR
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let api = get(&request.properties, "RestApiId");
        self.0.may(call, "POST", &format!("/restapis/{api}/requestvalidators")).await?;
        let wanted = validator(&own_id(&request, 6), &request.properties)?;
        let made = self
            .0
            .change_definition(call, api, |definition| match definition.request_validators.get(&wanted.id) {
                Some(made) => Ok(made.clone()),
                None => add_validator(definition, wanted.clone()),
            })
            .await?;
        Ok(provisioned(&made.id, &[("RequestValidatorId", &made.id)]))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let (api, id) = (get(&request.properties, "RestApiId"), &request.physical_id);
        self.0.may(call, "PATCH", &format!("/restapis/{api}/requestvalidators/{id}")).await?;
        let wanted = validator(id, &request.properties)?;
        self.0
            .change_definition(call, api, |definition| {
                let missing = || Error::missing("Invalid Request Validator identifier specified");
                *definition.request_validators.get_mut(id).ok_or_else(missing)? = wanted.clone();
                Ok(())
            })
            .await?;
        Ok(provisioned(id, &[("RequestValidatorId", id)]))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let (api, id) = (get(&request.properties, "RestApiId"), &request.physical_id);
        self.0.may(call, "DELETE", &format!("/restapis/{api}/requestvalidators/{id}")).await?;
        or_gone(self.0.change_definition(call, api, |definition| remove_validator(definition, id)).await)
    }
}
