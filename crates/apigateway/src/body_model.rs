//! Models: JSON schemas of request and response bodies.
//!
//! AWS: API Gateway Developer Guide, "Data models for REST APIs".

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_wire::{Api, Input, Operation};
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::model::{Definition, Model};
use crate::page::{Page, Wanted};
use crate::patch::{Patch, PatchOperation, REPLACE, Supported, apply};
use crate::rest_api::check_description;
use crate::service::{ApiGateway, ListOfApi, Located, at, list};

/// Models of an API. AWS: 60.
pub(crate) const MODELS_MAX: usize = 60;
/// The longest schema, in bytes. AWS: 400 KB.
pub(crate) const SCHEMA_BYTES_MAX: usize = 400 * 1024;
/// How deep a schema may nest.
pub(crate) const SCHEMA_DEPTH_MAX: usize = 64;

/// The model that says nothing of a body.
pub(crate) const EMPTY: &str = "Empty";

/// AWS: *CreateModel*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateModel {
    pub(crate) rest_api_id: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) content_type: Option<String>,
}

impl Input for CreateModel {
    fn validate(&self, v: &mut Violations) {
        v.within("createModelInput", |v| {
            v.required("name", self.name.as_ref());
            v.required("contentType", self.content_type.as_ref());
        });
    }
}

impl Located for CreateModel {
    fn location(&self) -> String {
        format!("/restapis/{}/models", self.rest_api_id)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneModel {
    pub(crate) rest_api_id: String,
    pub(crate) model_name: String,
    flatten: Option<bool>,
    #[serde(default)]
    pub(crate) patch_operations: Vec<PatchOperation>,
}

impl OneModel {
    pub(crate) fn new(rest_api_id: &str, model_name: &str) -> OneModel {
        OneModel {
            rest_api_id: rest_api_id.to_owned(),
            model_name: model_name.to_owned(),
            flatten: None,
            patch_operations: Vec::new(),
        }
    }
}

impl Input for OneModel {}

impl Located for OneModel {
    fn location(&self) -> String {
        format!("/restapis/{}/models/{}", self.rest_api_id, self.model_name)
    }
}

pub(crate) fn no_model(name: &str) -> Error {
    Error::missing(format!("Invalid model name specified: {name}"))
}

/// The models that AWS gives every new API.
pub(crate) fn add_defaults(definition: &mut Definition, mut id: impl FnMut() -> String) {
    let error = r#"{
  "$schema" : "http://json-schema.org/draft-04/schema#",
  "title" : "Error Schema",
  "type" : "object",
  "properties" : {
    "message" : { "type" : "string" }
  }
}"#;
    let empty = r#"{
  "$schema": "http://json-schema.org/draft-04/schema#",
  "title" : "Empty Schema",
  "type" : "object"
}"#;
    let defaults = [
        (EMPTY, "This is a default empty schema model", empty),
        ("Error", "This is a default error schema model", error),
    ];
    for (name, description, schema) in defaults {
        let model = Model {
            id: id(),
            name: name.to_owned(),
            description: Some(description.to_owned()),
            schema: Some(schema.to_owned()),
            content_type: "application/json".to_owned(),
        };
        definition.models.insert(name.to_owned(), model);
    }
}

fn invalid(what: &str) -> Error {
    Error::bad(format!("Invalid model specified: Validation Result: warnings : [], errors : [{what}]"))
}

/// The models that a schema refers to, by name.
///
/// AWS writes such a reference as the URL of the model: `https://apigateway.amazonaws.com/restapis/API/models/NAME`.
fn references(schema: &Value, depth: usize, found: &mut Vec<String>) -> Result<(), Error> {
    if depth > SCHEMA_DEPTH_MAX {
        return Err(invalid(&format!("Model schema nests deeper than {SCHEMA_DEPTH_MAX}")));
    }
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                if let (true, Some(reference)) = (name == "$ref", value.as_str()) {
                    let of_aws = reference.strip_prefix("https://apigateway.amazonaws.com/restapis/");
                    if let Some((_, model)) = of_aws.and_then(|rest| rest.split_once("/models/")) {
                        found.push(model.to_owned());
                    }
                }
                references(value, depth + 1, found)?;
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| references(item, depth + 1, found)),
        _ => Ok(()),
    }
}

/// Refuses a schema that is none, or that refers to models that are not there.
pub(crate) fn check_schema(definition: &Definition, schema: &str) -> Result<(), Error> {
    if schema.len() > SCHEMA_BYTES_MAX {
        return Err(invalid(&format!("Model schema is larger than {SCHEMA_BYTES_MAX} bytes")));
    }
    let parsed: Value = serde_json::from_str(schema).map_err(|_| invalid("Invalid model schema specified"))?;
    if !parsed.is_object() {
        return Err(invalid("Invalid model schema specified"));
    }
    let mut found = Vec::new();
    references(&parsed, 0, &mut found)?;
    if let Some(name) = found.iter().find(|name| !definition.models.contains_key(*name)) {
        return Err(invalid(&format!("Invalid model reference specified: {name}")));
    }
    match jsonschema::draft4::meta::validate(&parsed) {
        Ok(()) => Ok(()),
        Err(error) => Err(invalid(&format!("Invalid model schema specified. {error}"))),
    }
}

/// Adds a model, or refuses it.
pub(crate) fn add_model(definition: &mut Definition, model: Model) -> Result<Model, Error> {
    if model.name.is_empty() || !model.name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Error::bad(format!("Model name must be alphanumeric: {}", model.name)));
    }
    if !model.content_type.contains('/') {
        return Err(Error::bad(format!("Invalid content type specified: {}", model.content_type)));
    }
    check_description(model.description.as_deref())?;
    if definition.models.contains_key(&model.name) {
        return Err(Error::conflict("Model name already exists for this REST API"));
    }
    if definition.models.len() >= MODELS_MAX {
        return Err(Error::limit("models", MODELS_MAX));
    }
    if let Some(schema) = &model.schema {
        check_schema(definition, schema)?;
    }
    definition.models.insert(model.name.clone(), model.clone());
    Ok(model)
}

/// Where a model is used: by a method, or in the schema of another one.
fn user_of(definition: &Definition, name: &str) -> Option<String> {
    for resource in definition.resources.values() {
        for method in resource.resource_methods.values() {
            let at = format!("{}/{}", resource.id, method.http_method);
            if method.request_models.values().any(|model| model == name) {
                return Some(format!("method request: {at}"));
            }
            let mut responses = method.method_responses.values();
            if responses.any(|response| response.response_models.values().any(|model| model == name)) {
                return Some(format!("method response: {at}"));
            }
        }
    }
    let refers = |model: &&Model| {
        let schema = model.schema.as_deref().and_then(|schema| serde_json::from_str(schema).ok());
        let mut found = Vec::new();
        schema.is_some_and(|schema| references(&schema, 0, &mut found).is_ok() && found.iter().any(|one| one == name))
    };
    definition.models.values().find(refers).map(|model| format!("model: {}", model.name))
}

impl ApiGateway {
    pub(crate) async fn create_model(self: Arc<Self>, call: Call, input: CreateModel) -> Result<Model, Error> {
        let model = Model {
            id: self.new_short_id(),
            name: input.name.unwrap_or_default(),
            description: input.description,
            schema: input.schema,
            content_type: input.content_type.unwrap_or_default(),
        };
        self.change_definition(&call, &input.rest_api_id, |definition| add_model(definition, model.clone())).await
    }

    pub(crate) async fn get_model(self: Arc<Self>, call: Call, input: OneModel) -> Result<Model, Error> {
        if input.flatten == Some(true) {
            return Err(Error::unsupported("flatten"));
        }
        let mut definition = self.read_definition(&call, &input.rest_api_id).await?;
        definition.models.remove(&input.model_name).ok_or_else(|| no_model(&input.model_name))
    }

    pub(crate) async fn get_models(self: Arc<Self>, call: Call, input: ListOfApi) -> Result<Page<Model>, Error> {
        let definition = self.read_definition(&call, &input.rest_api_id).await?;
        let wanted = Wanted::new(input.position.as_ref(), input.limit);
        wanted.page(definition.models.iter().map(|(name, model)| (name.as_str(), model.clone())))
    }

    pub(crate) async fn update_model(self: Arc<Self>, call: Call, input: OneModel) -> Result<Model, Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let found = definition.models.get(&input.model_name).cloned();
            let mut model = found.ok_or_else(|| no_model(&input.model_name))?;
            apply(&mut model, &input.patch_operations, PATCHES, |model, patch| patch_model(definition, model, patch))?;
            definition.models.insert(model.name.clone(), model.clone());
            Ok(model)
        })
        .await
    }

    pub(crate) async fn delete_model(self: Arc<Self>, call: Call, input: OneModel) -> Result<(), Error> {
        self.change_definition(&call, &input.rest_api_id, |definition| {
            let name = &input.model_name;
            if !definition.models.contains_key(name) {
                return Err(no_model(name));
            }
            if let Some(user) = user_of(definition, name) {
                return Err(Error::conflict(format!("Cannot delete model '{name}', is referenced in {user}")));
            }
            definition.models.remove(name);
            Ok(())
        })
        .await
    }
}

fn patch_model(definition: &Definition, model: &mut Model, patch: &Patch<'_>) -> Result<(), Error> {
    if patch.template == "/description" {
        model.description = patch.optional();
        return check_description(model.description.as_deref());
    }
    let schema = patch.text()?;
    check_schema(definition, &schema)?;
    model.schema = Some(schema);
    Ok(())
}

const PATCHES: Supported = &[("/description", REPLACE), ("/schema", REPLACE)];

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    const ALL: &str = "/restapis/{restApiId}/models";
    const ONE: &str = "/restapis/{restApiId}/models/{modelName}";
    api.operation(at(Operation::new("CreateModel", ApiGateway::create_model), Method::POST, ALL, 201))
        .operation(list(Operation::new("GetModels", ApiGateway::get_models), "models", ALL))
        .operation(
            at(Operation::new("GetModel", ApiGateway::get_model), Method::GET, ONE, 200).query("flatten", "flatten"),
        )
        .operation(at(Operation::new("UpdateModel", ApiGateway::update_model), Method::PATCH, ONE, 200))
        .operation(at(Operation::new("DeleteModel", ApiGateway::delete_model), Method::DELETE, ONE, 202))
}
