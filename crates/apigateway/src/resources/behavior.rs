//! `AWS::ApiGateway::GatewayResponse` and `AWS::ApiGateway::Account`

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value};

use super::properties::get;
use super::{or_gone, provisioned};
use crate::gateway_response::{PutGatewayResponse, set_response};
use crate::openapi::{text, texts};
use crate::service::ApiGateway;

pub(super) struct GatewayResponseType(pub(super) Arc<ApiGateway>);

static RESPONSE: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::GatewayResponse",
    properties: &[
        Property::optional("ResponseParameters"),
        Property::optional("ResponseTemplates"),
        Property::required("ResponseType").replaces(),
        Property::required("RestApiId").replaces(),
        Property::optional("StatusCode"),
    ],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["Id"],
};

impl GatewayResponseType {
    async fn put(&self, call: &Call, properties: &Map<String, Value>, id: &str) -> Result<Provisioned, ServiceError> {
        let (api, kind) = (get(properties, "RestApiId"), get(properties, "ResponseType"));
        self.0.may(call, "PUT", &format!("/restapis/{api}/gatewayresponses/{kind}")).await?;
        let input = PutGatewayResponse {
            rest_api_id: api.to_owned(),
            response_type: kind.to_owned(),
            status_code: text(properties.get("StatusCode")),
            response_parameters: Some(texts(properties.get("ResponseParameters"))),
            response_templates: Some(texts(properties.get("ResponseTemplates"))),
        };
        self.0.change_definition(call, api, |definition| set_response(definition, input.clone())).await?;
        Ok(provisioned(id, &[("Id", id)]))
    }
}

#[async_trait]
impl ResourceType for GatewayResponseType {
    fn schema(&self) -> &'static ResourceSchema {
        &RESPONSE
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.properties, &request.generated_name).await
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.properties, &request.physical_id).await
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let (api, kind) = (get(&request.properties, "RestApiId"), get(&request.properties, "ResponseType"));
        self.0.may(call, "DELETE", &format!("/restapis/{api}/gatewayresponses/{kind}")).await?;
        or_gone(
            self.0
                .change_definition(call, api, |definition| {
                    definition.gateway_responses.remove(kind);
                    Ok(())
                })
                .await,
        )
    }
}

pub(super) struct AccountType(pub(super) Arc<ApiGateway>);

static ACCOUNT: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::Account",
    properties: &[Property::optional("CloudWatchRoleArn")],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["Id"],
};

impl AccountType {
    async fn put(&self, call: &Call, properties: &Map<String, Value>, id: &str) -> Result<Provisioned, ServiceError> {
        self.0.may(call, "PATCH", "/account").await?;
        self.0.set_account(call, text(properties.get("CloudWatchRoleArn")).filter(|arn| !arn.is_empty())).await?;
        Ok(provisioned(id, &[("Id", id)]))
    }
}

#[async_trait]
impl ResourceType for AccountType {
    fn schema(&self) -> &'static ResourceSchema {
        &ACCOUNT
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.properties, &request.generated_name).await
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.properties, &request.physical_id).await
    }

    /// The account stays as it is: other stacks rely on its role too.
    async fn delete(&self, _: &Call, _: DeleteRequest) -> Result<(), ServiceError> {
        Ok(())
    }
}
