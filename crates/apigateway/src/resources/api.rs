//! `AWS::ApiGateway::RestApi` and `AWS::ApiGateway::Resource`

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value};

use super::properties::{document, get, lower, read};
use super::{or_gone, own_id, provisioned};
use crate::error::Error;
use crate::import::{Mode, merged};
use crate::keys::{self, Place};
use crate::model::RestApi;
use crate::openapi::{document as open_api, facts};
use crate::resource::{add_resource, remove_resource};
use crate::rest_api::{CreateRestApi, OneApi};
use crate::service::{ApiGateway, set_definition};

pub(super) struct RestApiType(pub(super) Arc<ApiGateway>);

static REST_API: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::RestApi",
    properties: &[
        Property::optional("ApiKeySourceType"),
        Property::optional("BinaryMediaTypes"),
        Property::optional("Body"),
        Property::optional("CloneFrom").replaces(),
        Property::optional("Description"),
        Property::optional("DisableExecuteApiEndpoint"),
        Property::optional("EndpointConfiguration"),
        Property::optional("FailOnWarnings"),
        Property::optional("MinimumCompressionSize"),
        Property::optional("Mode"),
        Property::optional("Name"),
        Property::optional("Parameters"),
        Property::optional("Policy"),
        Property::optional("Tags"),
    ],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["RestApiId", "RootResourceId"],
};

fn wishes(properties: &Map<String, Value>) -> Result<CreateRestApi, ServiceError> {
    let mut members = lower(properties);
    // SAM's templates write the slash of a media type as `~1`.
    for one in members.get_mut("binaryMediaTypes").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(text) = one.as_str().filter(|text| text.contains("~1")) {
            *one = text.replace("~1", "/").into();
        }
    }
    for name in ["body", "failOnWarnings", "mode", "parameters"] {
        members.remove(name);
    }
    if let Some(source) = members.remove("apiKeySourceType") {
        members.insert("apiKeySource".to_owned(), source);
    }
    if let Some(policy) = document(properties, "Policy") {
        members.insert("policy".to_owned(), policy.into());
    }
    read(members)
}

fn shown(api: &RestApi) -> Provisioned {
    provisioned(&api.id, &[("RestApiId", &api.id), ("RootResourceId", &api.root_resource_id)])
}

fn body(properties: &Map<String, Value>) -> Result<Option<Value>, ServiceError> {
    match properties.get("Body") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(body) => Ok(Some(body)),
            Err(_) => Err(Error::bad("Invalid OpenAPI input. It must be JSON").into()),
        },
        Some(body) => Ok(Some(body.clone())),
    }
}

#[async_trait]
impl ResourceType for RestApiType {
    fn schema(&self) -> &'static ResourceSchema {
        &REST_API
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.0.may(call, "POST", "/restapis").await?;
        let id = own_id(&request, 10);
        if let Some(made) = self.0.db.get::<RestApi>(&keys::api(&Place::of(call), &id)).await.map_err(Error::from)? {
            return Ok(shown(&made));
        }
        let (wishes, body) = (wishes(&request.properties)?, body(&request.properties)?);
        Ok(shown(&self.0.make_api_from(call, id, &wishes, body.as_ref()).await?))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let (place, id) = (Place::of(call), &request.physical_id);
        self.0.may(call, "PATCH", &format!("/restapis/{id}")).await?;
        let (mut wishes, body) = (wishes(&request.properties)?, body(&request.properties)?);
        if body.is_some() {
            self.0.may(call, "PUT", &format!("/restapis/{id}")).await?;
        }
        let document = body.as_ref().map(open_api).transpose()?;
        if let Some(document) = document {
            wishes = merged(wishes, facts(document))?;
        }
        let mode = if get(&request.properties, "Mode") == "merge" { Mode::Merge } else { Mode::Overwrite };
        let gateway = &self.0;
        let changed = gateway
            .db
            .transact(async |tx| {
                let old = gateway.api(&tx, &place, id).await?;
                let new = gateway.new_api(&place, id.clone(), &wishes)?;
                let (created_date, root_resource_id) = (old.created_date, old.root_resource_id);
                let api = RestApi { created_date, root_resource_id, ..new };
                if let Some(document) = document {
                    let mut definition = gateway.definition(&tx, &place, id).await?;
                    gateway.take_document(id, &mut definition, &api.root_resource_id, document, mode)?;
                    set_definition(&tx, id, &definition)?;
                }
                tx.set_record(keys::api(&place, id), &api)?;
                Ok::<_, Error>(api)
            })
            .await?;
        Ok(shown(&changed))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.0.may(call, "DELETE", &format!("/restapis/{}", request.physical_id)).await?;
        let input = OneApi { rest_api_id: request.physical_id, patch_operations: Vec::new() };
        or_gone(Arc::clone(&self.0).delete_rest_api(call.clone(), input).await)
    }
}

pub(super) struct ResourcePathType(pub(super) Arc<ApiGateway>);

static RESOURCE: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::Resource",
    properties: &[
        Property::required("ParentId").replaces(),
        Property::required("PathPart").replaces(),
        Property::required("RestApiId").replaces(),
    ],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["ResourceId"],
};

#[async_trait]
impl ResourceType for ResourcePathType {
    fn schema(&self) -> &'static ResourceSchema {
        &RESOURCE
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let get = |name| get(&request.properties, name);
        let (api, parent, part) = (get("RestApiId"), get("ParentId"), get("PathPart"));
        self.0.may(call, "POST", &format!("/restapis/{api}/resources/{parent}")).await?;
        let id = own_id(&request, 10);
        let made = self
            .0
            .change_definition(call, api, |definition| match definition.resources.get(&id) {
                Some(made) => Ok(made.clone()),
                None => add_resource(definition, &id, parent, part),
            })
            .await?;
        Ok(provisioned(&made.id, &[("ResourceId", &made.id)]))
    }

    async fn update(&self, _: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        Ok(provisioned(&request.physical_id, &[("ResourceId", &request.physical_id)]))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let (api, id) = (get(&request.properties, "RestApiId"), &request.physical_id);
        self.0.may(call, "DELETE", &format!("/restapis/{api}/resources/{id}")).await?;
        or_gone(self.0.change_definition(call, api, |definition| remove_resource(definition, id)).await)
    }
}
