//! `AWS::Lambda::Permission`, `::Version`, `::Alias` and `::EventInvokeConfig`.

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{
    Call, CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, ServiceError,
    UpdateRequest,
};
use serde_json::{Map, Value, json};

use super::{or_gone, pick, plain, read, text};
use crate::alias::{AliasInput, AliasShown};
use crate::event_invoke::EventInvokeInput;
use crate::permission::AddPermissionInput;
use crate::service::Lambda;
use crate::version::PublishVersionInput;

fn function_name(properties: &Map<String, Value>) -> Result<&str, ServiceError> {
    text(properties, "FunctionName").ok_or_else(|| ServiceError::validation("Property FunctionName must be a string"))
}

fn provisioned(physical_id: &str, attributes: &[(&str, &str)]) -> Provisioned {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
    Provisioned { physical_id: physical_id.to_owned(), attributes }
}

pub(super) struct PermissionType(pub(super) Arc<Lambda>);

static PERMISSION: ResourceSchema = ResourceSchema {
    type_name: "AWS::Lambda::Permission",
    properties: &[
        Property::required("FunctionName").replaces(),
        Property::required("Action").replaces(),
        Property::required("Principal").replaces(),
        Property::optional("SourceArn").replaces(),
        Property::optional("SourceAccount").replaces(),
        Property::optional("EventSourceToken").replaces(),
        Property::optional("PrincipalOrgID").replaces(),
        Property::optional("FunctionUrlAuthType").replaces(),
        Property::optional("InvokedViaFunctionUrl").replaces(),
    ],
    name_property: None,
    name_chars_max: 100,
    name_lower_case: false,
    attributes: &["Id"],
};

impl PermissionType {
    async fn add(&self, call: &Call, id: &str, properties: &Map<String, Value>) -> Result<Provisioned, ServiceError> {
        let mut input = properties.clone();
        if let Some(via) = input.get_mut("InvokedViaFunctionUrl") {
            *via = plain(via);
        }
        input.insert("StatementId".to_owned(), id.into());
        let input: AddPermissionInput = read(Value::Object(input))?;
        self.0.may(call, "lambda:AddPermission", &input.function_name).await?;
        let added = Arc::clone(&self.0).add_permission(call.clone(), input).await.map_err(ServiceError::from);
        match added {
            // Made before a crash, for this place: nobody else has this id.
            Err(error) if error.code() == "ResourceConflictException" => {}
            other => drop(other?),
        }
        Ok(provisioned(id, &[("Id", id)]))
    }
}

#[async_trait]
impl ResourceType for PermissionType {
    fn schema(&self) -> &'static ResourceSchema {
        &PERMISSION
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.add(call, &request.generated_name, &request.properties).await
    }

    async fn update(&self, _call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        // Every property replaces.
        Ok(provisioned(&request.physical_id, &[("Id", &request.physical_id)]))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let function = function_name(&request.properties)?;
        self.0.may(call, "lambda:RemovePermission", function).await?;
        let input = read(json!({ "FunctionName": function, "StatementId": request.physical_id }))?;
        or_gone(Arc::clone(&self.0).remove_permission(call.clone(), input).await.map_err(Into::into))
    }
}

pub(super) struct VersionType(pub(super) Arc<Lambda>);

static VERSION: ResourceSchema = ResourceSchema {
    type_name: "AWS::Lambda::Version",
    properties: &[
        Property::required("FunctionName").replaces(),
        Property::optional("CodeSha256").replaces(),
        Property::optional("Description").replaces(),
    ],
    name_property: None,
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &["Version", "FunctionArn"],
};

#[async_trait]
impl ResourceType for VersionType {
    fn schema(&self) -> &'static ResourceSchema {
        &VERSION
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let input: PublishVersionInput = read(Value::Object(request.properties))?;
        self.0.may(call, "lambda:PublishVersion", &input.function_name).await?;
        let made = Arc::clone(&self.0).publish_version(call.clone(), input).await?;
        Ok(version(&made.function_arn))
    }

    async fn update(&self, _call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        Ok(version(&request.physical_id))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        self.0.may(call, "lambda:DeleteFunction", &request.physical_id).await?;
        let input = read(json!({ "FunctionName": request.physical_id }))?;
        or_gone(Arc::clone(&self.0).delete_function(call.clone(), input).await.map_err(Into::into))
    }
}

fn version(arn: &str) -> Provisioned {
    let number = arn.rsplit(':').next().unwrap_or_default();
    provisioned(arn, &[("Version", number), ("FunctionArn", arn)])
}

pub(super) struct AliasType(pub(super) Arc<Lambda>);

static ALIAS: ResourceSchema = ResourceSchema {
    type_name: "AWS::Lambda::Alias",
    properties: &[
        Property::required("FunctionName").replaces(),
        Property::required("Name").replaces(),
        Property::required("FunctionVersion"),
        Property::optional("Description"),
        Property::optional("RoutingConfig"),
    ],
    name_property: Some("Name"),
    name_chars_max: 128,
    name_lower_case: false,
    attributes: &["AliasArn"],
};

/// The input of the API, which has the weights as a map where the template has a list.
fn alias_input(properties: &Map<String, Value>) -> Result<AliasInput, ServiceError> {
    let mut input = pick(properties, &["FunctionName", "Name", "Description"], &[]);
    if let Some(version) = properties.get("FunctionVersion") {
        // A version may come as a number.
        let version = version.as_str().map_or_else(|| version.to_string(), str::to_owned);
        input.insert("FunctionVersion".to_owned(), version.into());
    }
    input.entry("Description").or_insert_with(|| "".into());
    let list =
        properties.get("RoutingConfig").and_then(|r| r.get("AdditionalVersionWeights")).and_then(Value::as_array);
    let weight = |entry: &Value| {
        let weight = entry.get("FunctionWeight")?;
        let weight = weight.as_f64().or_else(|| weight.as_str()?.parse().ok())?;
        Some((entry.get("FunctionVersion")?.as_str()?.to_owned(), json!(weight)))
    };
    let weights: Map<String, Value> = list.into_iter().flatten().filter_map(weight).collect();
    input.insert("RoutingConfig".to_owned(), json!({ "AdditionalVersionWeights": weights }));
    read(Value::Object(input))
}

fn alias(shown: &AliasShown) -> Provisioned {
    provisioned(&shown.alias_arn, &[("AliasArn", &shown.alias_arn)])
}

#[async_trait]
impl ResourceType for AliasType {
    fn schema(&self) -> &'static ResourceSchema {
        &ALIAS
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        let input = alias_input(&request.properties)?;
        self.0.may(call, "lambda:CreateAlias", &input.function_name).await?;
        // An alias has no tags, so one that is there with just these values is taken for our own of before a crash.
        let name = json!({ "FunctionName": input.function_name, "Name": input.name });
        let version = input.function_version.clone().unwrap_or_default();
        match Arc::clone(&self.0).create_alias(call.clone(), input).await.map_err(ServiceError::from) {
            Ok(made) => Ok(alias(&made)),
            Err(error) if error.code() == "ResourceConflictException" => {
                let found = Arc::clone(&self.0).get_alias(call.clone(), read(name)?).await?;
                if found.function_version == version { Ok(alias(&found)) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        let input = alias_input(&request.properties)?;
        self.0.may(call, "lambda:UpdateAlias", &input.function_name).await?;
        Ok(alias(&Arc::clone(&self.0).update_alias(call.clone(), input).await?))
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let function = function_name(&request.properties)?;
        self.0.may(call, "lambda:DeleteAlias", function).await?;
        let name = request.physical_id.rsplit(':').next().unwrap_or_default();
        let input = read(json!({ "FunctionName": function, "Name": name }))?;
        or_gone(Arc::clone(&self.0).delete_alias(call.clone(), input).await.map_err(Into::into))
    }
}

pub(super) struct EventInvokeType(pub(super) Arc<Lambda>);

static EVENT_INVOKE: ResourceSchema = ResourceSchema {
    type_name: "AWS::Lambda::EventInvokeConfig",
    properties: &[
        Property::required("FunctionName").replaces(),
        Property::required("Qualifier").replaces(),
        Property::optional("MaximumRetryAttempts"),
        Property::optional("MaximumEventAgeInSeconds"),
        Property::optional("DestinationConfig"),
    ],
    name_property: None,
    name_chars_max: 64,
    name_lower_case: false,
    attributes: &[],
};

impl EventInvokeType {
    async fn put(&self, call: &Call, id: &str, properties: &Map<String, Value>) -> Result<Provisioned, ServiceError> {
        let mut input = properties.clone();
        for number in ["MaximumRetryAttempts", "MaximumEventAgeInSeconds"] {
            if let Some(value) = input.get_mut(number) {
                *value = plain(value);
            }
        }
        let input: EventInvokeInput = read(Value::Object(input))?;
        self.0.may(call, "lambda:PutFunctionEventInvokeConfig", &input.function_name).await?;
        Arc::clone(&self.0).put_event_invoke(call.clone(), input).await?;
        Ok(provisioned(id, &[]))
    }
}

#[async_trait]
impl ResourceType for EventInvokeType {
    fn schema(&self) -> &'static ResourceSchema {
        &EVENT_INVOKE
    }

    async fn create(&self, call: &Call, request: CreateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.generated_name, &request.properties).await
    }

    async fn update(&self, call: &Call, request: UpdateRequest) -> Result<Provisioned, ServiceError> {
        self.put(call, &request.physical_id, &request.properties).await
    }

    async fn delete(&self, call: &Call, request: DeleteRequest) -> Result<(), ServiceError> {
        let function = function_name(&request.properties)?;
        self.0.may(call, "lambda:DeleteFunctionEventInvokeConfig", function).await?;
        let qualifier = text(&request.properties, "Qualifier");
        let input = read(json!({ "FunctionName": function, "Qualifier": qualifier }))?;
        or_gone(Arc::clone(&self.0).delete_event_invoke(call.clone(), input).await.map_err(Into::into))
    }
}
