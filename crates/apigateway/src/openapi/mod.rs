//! APIs from OpenAPI documents (Swagger 2.0, OpenAPI 3.0), with the extensions of API Gateway.
//!
//! AWS: API Gateway Developer Guide, "OpenAPI extensions for API Gateway". Everything that is wrong with a document is told at
//! once, as AWS does.

mod export;
mod operation;
mod security;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::body_model::check_schema;
use crate::error::Error;
use crate::gateway_response::{PutGatewayResponse, set_response};
use crate::method::check_method;
use crate::model::{Definition, Method, Model, RequestValidator, Texts};
use crate::request_validator::add_validator;
use crate::resource::add_resource;
pub(crate) use export::{Export, Extensions, Served, Version};
use security::Security;

/// How deep a document may nest.
pub(crate) const DOCUMENT_DEPTH_MAX: usize = 100;

/// What a document says of the API itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) api_key_source: Option<String>,
    pub(crate) binary_media_types: Option<Vec<String>>,
    pub(crate) minimum_compression_size: Option<i64>,
    pub(crate) policy: Option<String>,
    pub(crate) disable_execute_api_endpoint: Option<bool>,
}

/// Takes a document into a definition.
pub(crate) struct Import<'a> {
    document: &'a Map<String, Value>,
    api: &'a str,
    definition: &'a mut Definition,
    new_id: &'a dyn Fn() -> String,
    securities: BTreeMap<String, Security>,
    /// Request validators by name.
    validators: BTreeMap<String, String>,
    errors: Vec<String>,
}

/// A text; numbers and booleans count as texts, as YAML mixes them.
pub(crate) fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A flag, written as one or as a text.
fn flag(value: Option<&Value>) -> Option<bool> {
    match value? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A whole number, written as one or as a text.
fn number(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Texts by name.
pub(crate) fn texts(value: Option<&Value>) -> Texts {
    let members = value.and_then(Value::as_object).into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), text(Some(value))?))).collect()
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn depth(value: &Value, left: usize) -> bool {
    let Some(left) = left.checked_sub(1) else { return false };
    match value {
        Value::Object(members) => members.values().all(|value| depth(value, left)),
        Value::Array(items) => items.iter().all(|item| depth(item, left)),
        _ => true,
    }
}

/// The document as an object of a version that is known.
pub(crate) fn document(value: &Value) -> Result<&Map<String, Value>, Error> {
    if !depth(value, DOCUMENT_DEPTH_MAX) {
        return Err(Error::bad(format!("Invalid OpenAPI input. It nests deeper than {DOCUMENT_DEPTH_MAX}")));
    }
    let invalid = || Error::bad("Invalid OpenAPI input.");
    let document = value.as_object().ok_or_else(invalid)?;
    let swagger = text(document.get("swagger")).is_some_and(|version| version.starts_with("2."));
    let openapi = text(document.get("openapi")).is_some_and(|version| version.starts_with("3.0"));
    if swagger || openapi { Ok(document) } else { Err(invalid()) }
}

/// What the document says of the API itself.
pub(crate) fn facts(document: &Map<String, Value>) -> Facts {
    let info = document.get("info");
    let info = |name: &str| text(info.and_then(|info| info.get(name)));
    let endpoint = document.get("x-amazon-apigateway-endpoint-configuration");
    let binary = document.get("x-amazon-apigateway-binary-media-types").and_then(Value::as_array);
    Facts {
        name: info("title"),
        description: info("description"),
        version: info("version"),
        api_key_source: text(document.get("x-amazon-apigateway-api-key-source")),
        binary_media_types: binary.map(|types| types.iter().filter_map(|one| text(Some(one))).collect()),
        minimum_compression_size: number(document.get("x-amazon-apigateway-minimum-compression-size")),
        policy: document.get("x-amazon-apigateway-policy").filter(|policy| policy.is_object()).map(Value::to_string),
        disable_execute_api_endpoint: flag(endpoint.and_then(|all| all.get("disableExecuteApiEndpoint"))),
    }
}

impl<'a> Import<'a> {
    /// Takes the whole document into `definition`, which holds at least a root.
    ///
    /// # Errors
    /// Everything that is wrong with the document.
    pub(crate) fn run(
        document: &'a Map<String, Value>,
        api: &'a str,
        definition: &'a mut Definition,
        new_id: &'a dyn Fn() -> String,
    ) -> Result<(), Error> {
        let (securities, validators) = (BTreeMap::new(), BTreeMap::new());
        let mut import = Import { document, api, definition, new_id, securities, validators, errors: Vec::new() };
        import.models();
        import.request_validators();
        import.security_schemes();
        import.gateway_responses();
        for (path, item) in members(document.get("paths")) {
            import.path(path, item);
        }
        if import.errors.is_empty() {
            return Ok(());
        }
        Err(Error::bad(format!("Errors found during import:\n\t{}", import.errors.join("\n\t"))))
    }

    fn error(&mut self, what: &str, error: &Error) {
        self.errors.push(format!("{what}: {error}"));
    }

    fn components(&self, swagger: &str, openapi: &str) -> Option<&'a Value> {
        let below = self.document.get("components").and_then(|components| components.get(openapi));
        self.document.get(swagger).or(below)
    }

    /// A schema with references as models have them.
    fn schema(&self, schema: &Value) -> Value {
        match schema {
            Value::Object(members) => {
                let convert = |(name, value): (&String, &Value)| {
                    let model = value.as_str().filter(|_| name == "$ref").and_then(model_named);
                    let url = |model| format!("https://apigateway.amazonaws.com/restapis/{}/models/{model}", self.api);
                    (name.clone(), model.map_or_else(|| self.schema(value), |model| url(model).into()))
                };
                Value::Object(members.iter().map(convert).collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(|item| self.schema(item)).collect()),
            other => other.clone(),
        }
    }

    fn put_model(&mut self, name: &str, schema: &Value) {
        let description = text(schema.get("description"));
        let model = Model {
            id: (self.new_id)().chars().take(6).collect(),
            name: name.to_owned(),
            description,
            schema: Some(self.schema(schema).to_string()),
            content_type: "application/json".to_owned(),
        };
        self.definition.models.insert(name.to_owned(), model);
    }

    fn models(&mut self) {
        let all: Vec<_> = members(self.components("definitions", "schemas")).collect();
        for (name, schema) in &all {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
                let error = Error::bad(format!("Model name must be alphanumeric: {name}"));
                self.error(&format!("Unable to create model '{name}'"), &error);
                continue;
            }
            self.put_model(name, schema);
        }
        for (name, _) in all {
            let schema = self.definition.models.get(name).and_then(|model| model.schema.clone());
            if let Some(Err(error)) = schema.map(|schema| check_schema(self.definition, &schema)) {
                self.error(&format!("Unable to create model '{name}'"), &error);
            }
        }
    }

    fn request_validators(&mut self) {
        for (name, validator) in members(self.document.get("x-amazon-apigateway-request-validators")) {
            let id: String = (self.new_id)().chars().take(6).collect();
            let validator = RequestValidator {
                id: id.clone(),
                name: Some(name.clone()),
                validate_request_body: flag(validator.get("validateRequestBody")).unwrap_or(false),
                validate_request_parameters: flag(validator.get("validateRequestParameters")).unwrap_or(false),
            };
            self.definition.request_validators.retain(|_, have| have.name.as_ref() != Some(name));
            match add_validator(self.definition, validator) {
                Ok(_) => drop(self.validators.insert(name.clone(), id)),
                Err(error) => self.error(&format!("Unable to create request validator '{name}'"), &error),
            }
        }
    }

    fn gateway_responses(&mut self) {
        for (kind, response) in members(self.document.get("x-amazon-apigateway-gateway-responses")) {
            let input = PutGatewayResponse {
                rest_api_id: self.api.to_owned(),
                response_type: kind.clone(),
                status_code: text(response.get("statusCode")),
                response_parameters: Some(texts(response.get("responseParameters"))),
                response_templates: Some(texts(response.get("responseTemplates"))),
            };
            if let Err(error) = set_response(self.definition, input) {
                self.error(&format!("Unable to put gateway response '{kind}'"), &error);
            }
        }
    }

    /// The id of the resource at `path`, which is made with all above it where it is missing.
    fn resource(&mut self, path: &str) -> Result<String, Error> {
        let root = self.definition.resources.values().find(|resource| resource.parent_id.is_none());
        let mut at = root.map(|root| root.id.clone()).ok_or_else(crate::resource::no_resource)?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let found = self.definition.resources.values().find(|resource| {
                resource.parent_id.as_ref() == Some(&at) && resource.path_part.as_deref() == Some(part)
            });
            at = match found {
                Some(found) => found.id.clone(),
                None => add_resource(self.definition, &(self.new_id)(), &at, part)?.id,
            };
        }
        Ok(at)
    }

    fn path(&mut self, path: &str, item: &'a Value) {
        if !path.starts_with('/') {
            return self
                .error(&format!("Unable to create resource at path '{path}'"), &Error::bad("It must begin with /"));
        }
        let resource = match self.resource(path) {
            Ok(resource) => resource,
            Err(error) => return self.error(&format!("Unable to create resource at path '{path}'"), &error),
        };
        for (name, operation) in members(Some(item)) {
            let method = match name.as_str() {
                "get" | "put" | "post" | "delete" | "patch" | "options" | "head" => name.to_ascii_uppercase(),
                "x-amazon-apigateway-any-method" => "ANY".to_owned(),
                _ => continue,
            };
            self.method(path, &resource, &method, item, operation);
        }
    }

    fn method(&mut self, path: &str, resource: &str, name: &str, item: &'a Value, operation: &'a Value) {
        let at = format!("'{name}' for resource at path '{path}'");
        let made = self.new_method(name, item, operation).and_then(|method| {
            check_method(self.definition, &method)?;
            Ok(method)
        });
        match made {
            Ok(method) => self.keep_method(&at, resource, method, operation),
            Err(error) => self.error(&format!("Unable to put method {at}"), &error),
        }
    }

    fn keep_method(&mut self, at: &str, resource: &str, mut method: Method, operation: &'a Value) {
        if let Err(error) = self.set_responses(&mut method, operation) {
            self.error(&format!("Unable to put method response on {at}"), &error);
        }
        match self.set_integration(resource, &mut method, operation) {
            Ok(()) => {}
            Err(error) => self.error(&format!("Unable to put integration on {at}"), &error),
        }
        if let Some(resource) = self.definition.resources.get_mut(resource) {
            resource.resource_methods.insert(method.http_method.clone(), method);
        }
    }
}

/// The model that a reference of the document names.
fn model_named(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/definitions/").or_else(|| reference.strip_prefix("#/components/schemas/"))
}
