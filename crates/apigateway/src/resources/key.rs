//! `AWS::ApiGateway::ApiKey`, `AWS::ApiGateway::UsagePlan`, `AWS::ApiGateway::UsagePlanKey`

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value};

use super::properties::{get, lower, read};
use super::{or_gone, own_id, provisioned};
use crate::api_key::CreateApiKey;
use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{ApiKey, UsagePlan};
use crate::service::ApiGateway;
use crate::usage_plan::CreateUsagePlan;
use crate::usage_plan_key::CreateUsagePlanKey;

pub(super) struct ApiKeyType(pub(super) Arc<ApiGateway>);

static API_KEY: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::ApiKey",
    properties: &[
        Property::optional("CustomerId"),
        Property::optional("Description"),
        Property::optional("Enabled"),
        Property::optional("GenerateDistinctId").replaces(),
        Property::optional("Name").replaces(),
        Property::optional("StageKeys"),
        Property::optional("Tags"),
        Property::optional("Value").replaces(),
    ],
    name_property: Some("Name"),
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["APIKeyId"],
};

#[async_trait]
impl ResourceType for ApiKeyType {
    fn schema(&self) -> &'static ResourceSchema {
        &API_KEY
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.0.may(call, "POST", "/apikeys").await?;
        let id = own_id(&request, 10);
        let made = self.0.db.get::<ApiKey>(&keys::api_key(&Place::of(call), &id)).await.map_err(Error::from)?;
        let id = match made {
            Some(made) => made.id,
            None => {
                let mut input: CreateApiKey = read(lower(&request.properties))?;
                input.name = input.name.or(Some(request.generated_name));
                // The id must be this one, so that a repeated request finds the key.
                input.generate_distinct_id = None;
                self.0.make_api_key(call, id, &input).await?.id
            }
        };
        Ok(provisioned(&id, &[("APIKeyId", &id)]))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let id = &request.physical_id;
        self.0.may(call, "PATCH", &format!("/apikeys/{id}")).await?;
        let input: CreateApiKey = read(lower(&request.properties))?;
        self.0
            .change_api_key(call, id, |key| {
                key.description.clone_from(&input.description);
                key.customer_id.clone_from(&input.customer_id);
                key.enabled = input.enabled.unwrap_or(false);
                key.stage_keys = input.stage_names();
                key.tags = input.tags.clone().unwrap_or_default();
                Ok(())
            })
            .await?;
        Ok(provisioned(id, &[("APIKeyId", id)]))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.0.may(call, "DELETE", &format!("/apikeys/{}", request.physical_id)).await?;
        or_gone(self.0.drop_api_key(call, &request.physical_id).await)
    }
}

pub(super) struct UsagePlanType(pub(super) Arc<ApiGateway>);

static USAGE_PLAN: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::UsagePlan",
    properties: &[
        Property::optional("ApiStages"),
        Property::optional("Description"),
        Property::optional("Quota"),
        Property::optional("Tags"),
        Property::optional("Throttle"),
        Property::optional("UsagePlanName"),
    ],
    name_property: Some("UsagePlanName"),
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["Id"],
};

fn plan_wishes(properties: &Map<String, Value>, made_up: &str) -> Result<CreateUsagePlan, ServiceError> {
    let mut members = lower(properties);
    let name = members.remove("usagePlanName").unwrap_or_else(|| made_up.into());
    members.insert("name".to_owned(), name);
    for (stage, wanted) in
        stages(&mut members).zip(properties.get("ApiStages").and_then(Value::as_array).into_iter().flatten())
    {
        // The names of its throttles are paths with methods, which keep their case.
        let throttles = wanted.get("Throttle").and_then(Value::as_object);
        let lowered = throttles.map(|all| {
            let one = |(name, value): (&String, &Value)| {
                (name.clone(), Value::Object(value.as_object().map(lower).unwrap_or_default()))
            };
            Value::Object(all.iter().map(one).collect())
        });
        if let (Some(stage), Some(lowered)) = (stage.as_object_mut(), lowered) {
            stage.insert("throttle".to_owned(), lowered);
        }
    }
    read(members)
}

fn stages(members: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    members.get_mut("apiStages").and_then(Value::as_array_mut).into_iter().flatten()
}

#[async_trait]
impl ResourceType for UsagePlanType {
    fn schema(&self) -> &'static ResourceSchema {
        &USAGE_PLAN
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.0.may(call, "POST", "/usageplans").await?;
        let id = own_id(&request, 6);
        let made = self.0.db.get::<UsagePlan>(&keys::usage_plan(&Place::of(call), &id)).await.map_err(Error::from)?;
        if made.is_none() {
            let input = plan_wishes(&request.properties, &request.generated_name)?;
            self.0.make_usage_plan(call, id.clone(), &input).await?;
        }
        Ok(provisioned(&id, &[("Id", &id)]))
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let id = &request.physical_id;
        self.0.may(call, "PATCH", &format!("/usageplans/{id}")).await?;
        let input = plan_wishes(&request.properties, "")?;
        let named = request.properties.contains_key("UsagePlanName");
        self.0
            .change_usage_plan(call, id, |plan| {
                if named {
                    plan.name.clone_from(&input.name);
                }
                plan.description.clone_from(&input.description);
                plan.api_stages = input.api_stages.clone().unwrap_or_default();
                (plan.throttle, plan.quota) = (input.throttle, input.quota);
                plan.tags = input.tags.clone().unwrap_or_default();
                Ok(())
            })
            .await?;
        Ok(provisioned(id, &[("Id", id)]))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.0.may(call, "DELETE", &format!("/usageplans/{}", request.physical_id)).await?;
        or_gone(self.0.drop_usage_plan(call, &request.physical_id, true).await)
    }
}

pub(super) struct UsagePlanKeyType(pub(super) Arc<ApiGateway>);

static USAGE_PLAN_KEY: ResourceSchema = ResourceSchema {
    type_name: "AWS::ApiGateway::UsagePlanKey",
    properties: &[
        Property::required("KeyId").replaces(),
        Property::required("KeyType").replaces(),
        Property::required("UsagePlanId").replaces(),
    ],
    name_property: None,
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["Id"],
};

#[async_trait]
impl ResourceType for UsagePlanKeyType {
    fn schema(&self) -> &'static ResourceSchema {
        &USAGE_PLAN_KEY
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let get = |name| get(&request.properties, name);
        let (plan, key) = (get("UsagePlanId"), get("KeyId"));
        self.0.may(call, "POST", &format!("/usageplans/{plan}/keys")).await?;
        let place = Place::of(call);
        let there = self.0.db.get_bytes(&keys::plan_key(&place, plan, key)).await.map_err(Error::from)?;
        if there.is_none() {
            let input = CreateUsagePlanKey {
                plan_id: plan.to_owned(),
                key_id: Some(key.to_owned()),
                key_type: Some(get("KeyType").to_owned()),
            };
            Arc::clone(&self.0).create_usage_plan_key(call.clone(), input).await?;
        }
        let id = format!("{key}:{plan}");
        Ok(provisioned(&id, &[("Id", &id)]))
    }

    async fn update(&self, _: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        Ok(provisioned(&request.physical_id, &[("Id", &request.physical_id)]))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let get = |name| get(&request.properties, name);
        let (plan, key) = (get("UsagePlanId"), get("KeyId"));
        self.0.may(call, "DELETE", &format!("/usageplans/{plan}/keys/{key}")).await?;
        or_gone(self.0.drop_usage_plan_key(call, plan, key).await)
    }
}
