//! `AWS::ApiGateway::Method`: a method with its responses and its integration, in one change.

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value};

use super::properties::{flags, get, lower, read};
use super::{or_gone, provisioned};
use crate::error::Error;
use crate::integration::{PutIntegration, check_integration, check_integration_response, new_integration};
use crate::method::{check_method, check_method_response, new_method};
use crate::model::{Definition, Integration, IntegrationResponse, Method, MethodResponse};
use crate::openapi::{text, texts};
use crate::resource::resource_mut;
use crate::service::ApiGateway;

pub(super) struct MethodType(pub(super) Arc<ApiGateway>);

static METHOD: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::Method",
    properties: &[
        Property::optional("ApiKeyRequired"),
        Property::optional("AuthorizationScopes"),
        Property::optional("AuthorizationType"),
        Property::optional("AuthorizerId"),
        Property::required("HttpMethod").replaces(),
        Property::optional("Integration"),
        Property::optional("MethodResponses"),
        Property::optional("OperationName"),
        Property::optional("RequestModels"),
        Property::optional("RequestParameters"),
        Property::optional("RequestValidatorId"),
        Property::required("ResourceId").replaces(),
        Property::required("RestApiId").replaces(),
    ],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &[],
};

/// The members of an integration that a template may name.
const INTEGRATION: [&str; 16] = [
    "CacheKeyParameters",
    "CacheNamespace",
    "ConnectionId",
    "ConnectionType",
    "ContentHandling",
    "Credentials",
    "IntegrationHttpMethod",
    "IntegrationResponses",
    "IntegrationTarget",
    "PassthroughBehavior",
    "RequestParameters",
    "RequestTemplates",
    "ResponseTransferMode",
    "TimeoutInMillis",
    "Type",
    "Uri",
];

fn list(value: Option<&Value>) -> impl Iterator<Item = &Map<String, Value>> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn method_response(properties: &Map<String, Value>) -> Result<MethodResponse, ServiceError> {
    let parameters = flags(properties.get("ResponseParameters"));
    Ok(MethodResponse {
        status_code: text(properties.get("StatusCode")).unwrap_or_default(),
        response_parameters: serde_json::from_value(parameters)
            .map_err(|error| ServiceError::validation(error.to_string()))?,
        response_models: texts(properties.get("ResponseModels")),
    })
}

fn integration_response(properties: &Map<String, Value>) -> Result<IntegrationResponse, ServiceError> {
    let handling = properties.get("ContentHandling").cloned().filter(|value| !value.is_null());
    let handling = handling.map(serde_json::from_value).transpose();
    Ok(IntegrationResponse {
        status_code: text(properties.get("StatusCode")).unwrap_or_default(),
        selection_pattern: text(properties.get("SelectionPattern")).filter(|pattern| !pattern.is_empty()),
        response_parameters: texts(properties.get("ResponseParameters")),
        response_templates: texts(properties.get("ResponseTemplates")),
        content_handling: handling.map_err(|error| ServiceError::validation(error.to_string()))?,
    })
}

fn integration(wanted: &Map<String, Value>, resource: &str) -> Result<Integration, ServiceError> {
    if let Some(unknown) = wanted.keys().find(|name| !INTEGRATION.contains(&name.as_str())) {
        return Err(Error::unsupported(&format!("The property Integration.{unknown}")).into());
    }
    let mut members = lower(wanted);
    members.remove("integrationResponses");
    members.insert(
        "requestParameters".to_owned(),
        serde_json::to_value(texts(wanted.get("RequestParameters"))).unwrap_or_default(),
    );
    if let Some(method) = members.remove("integrationHttpMethod") {
        members.insert("httpMethod".to_owned(), method);
    }
    for (name, value) in [("restApiId", ""), ("resourceId", resource), ("method", "")] {
        members.insert(name.to_owned(), value.into());
    }
    let mut integration = new_integration(read::<PutIntegration>(members)?)?;
    for response in list(wanted.get("IntegrationResponses")) {
        let response = integration_response(response)?;
        integration.integration_responses.insert(response.status_code.clone(), response);
    }
    Ok(integration)
}

/// The whole method that the properties describe.
fn wanted(properties: &Map<String, Value>) -> Result<Method, ServiceError> {
    let mut members = lower(properties);
    for name in ["integration", "methodResponses"] {
        members.remove(name);
    }
    members.insert("requestParameters".to_owned(), flags(properties.get("RequestParameters")));
    members.entry("authorizationType").or_insert_with(|| "NONE".into());
    let mut method = new_method(read(members)?)?;
    for response in list(properties.get("MethodResponses")) {
        let response = method_response(response)?;
        method.method_responses.insert(response.status_code.clone(), response);
    }
    if let Some(wanted) = properties.get("Integration").and_then(Value::as_object) {
        method.method_integration = Some(integration(wanted, get(properties, "ResourceId"))?);
    }
    Ok(method)
}

/// Sets a whole method, or refuses it.
fn set_method(definition: &mut Definition, resource: &str, method: &Method) -> Result<(), Error> {
    check_method(definition, method)?;
    method.method_responses.values().try_for_each(|response| check_method_response(definition, response))?;
    if let Some(integration) = &method.method_integration {
        check_integration(method, integration)?;
        let mut responses = integration.integration_responses.values();
        responses.try_for_each(|response| check_integration_response(method, response))?;
    }
    let methods = &mut resource_mut(definition, resource)?.resource_methods;
    methods.insert(method.http_method.clone(), method.clone());
    Ok(())
}

impl MethodType {
    async fn put(
        &self,
        call: &Call,
        properties: &Map<String, Value>,
        physical_id: &str,
        new: bool,
    ) -> Result<Provisioned, ServiceError> {
        let (api, resource) = (get(properties, "RestApiId"), get(properties, "ResourceId"));
        let method = wanted(properties)?;
        let path = format!("/restapis/{api}/resources/{resource}/methods/{}", method.http_method);
        self.0.may(call, "PUT", &path).await?;
        if method.method_integration.is_some() {
            self.0.may(call, "PUT", &format!("{path}/integration")).await?;
        }
        self.0
            .change_definition(call, api, |definition| {
                let found = resource_mut(definition, resource)?.resource_methods.get(&method.http_method);
                // The same method is there if an earlier run of this very request made it.
                if new && found.is_some_and(|found| *found != method) {
                    return Err(Error::conflict("Method already exists for this resource"));
                }
                set_method(definition, resource, &method)
            })
            .await?;
        Ok(provisioned(physical_id, &[]))
    }
}

#[async_trait]
impl ResourceType for MethodType {
    fn schema(&self) -> &'static ResourceSchema {
        &METHOD
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.properties, &request.generated_name, true).await
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.properties, &request.physical_id, false).await
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let get = |name| get(&request.properties, name);
        let (api, resource, method) = (get("RestApiId"), get("ResourceId"), get("HttpMethod"));
        self.0.may(call, "DELETE", &format!("/restapis/{api}/resources/{resource}/methods/{method}")).await?;
        or_gone(
            self.0
                .change_definition(call, api, |definition| {
                    resource_mut(definition, resource)?.resource_methods.remove(method);
                    Ok(())
                })
                .await,
        )
    }
}
