//! Whether a request has what its method asks for.

use serde_json::{Map, Value};

use crate::model::Definition;

use super::failure::{Failure, Kind};
use super::plan::PlannedMethod;
use super::request::Request;
use super::source::RequestSource;

/// How many models a model may draw in.
const MODELS_MAX: usize = 100;

/// A model's schema, with the models that it refers to (`https://apigateway.amazonaws.com/restapis/API/models/NAME`) drawn in.
pub(super) fn compile(definition: &Definition, name: &str) -> Result<jsonschema::Validator, String> {
    let mut schema = schema_of(definition, name)?;
    let mut drawn = Map::new();
    let mut wanted = Vec::new();
    localize(&mut schema, &mut wanted);
    while let Some(name) = wanted.pop() {
        if drawn.contains_key(&name) {
            continue;
        }
        if drawn.len() >= MODELS_MAX {
            return Err(format!("the limit of {MODELS_MAX} models for a schema is exceeded"));
        }
        let mut inner = schema_of(definition, &name)?;
        localize(&mut inner, &mut wanted);
        drawn.insert(name, inner);
    }
    if let (Value::Object(schema), false) = (&mut schema, drawn.is_empty()) {
        schema.insert("x-models".to_owned(), Value::Object(drawn));
    }
    jsonschema::draft4::new(&schema).map_err(|error| error.to_string())
}

fn schema_of(definition: &Definition, name: &str) -> Result<Value, String> {
    let model = definition.models.get(name).ok_or_else(|| format!("there is no model {name}"))?;
    let text = model.schema.as_deref().filter(|text| !text.trim().is_empty()).unwrap_or("{}");
    serde_json::from_str(text).map_err(|error| format!("the schema of {name} is no JSON: {error}"))
}

/// Turns references to other models into ones within the document, and names those models. The parser has bounded the depth.
fn localize(schema: &mut Value, wanted: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some((_, name)) = reference.rsplit_once("/models/")
            {
                wanted.push(name.to_owned());
                *reference = format!("#/x-models/{name}");
            }
            members.values_mut().for_each(|member| localize(member, wanted));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| localize(item, wanted)),
        _ => {}
    }
}

/// Refuses a request that lacks a parameter, or whose body does not fit the model of its media type.
pub(super) fn check(request: &Request, method: &PlannedMethod) -> Result<(), Failure> {
    let lacks = |(_, source): &&(String, RequestSource)| source.value(request).is_none_or(|value| value.is_empty());
    let missing: Vec<&str> = method.required.iter().filter(lacks).map(|(name, _)| name.as_str()).collect();
    if !missing.is_empty() {
        let message = format!("Missing required request parameters: [{}]", missing.join(", "));
        return Err(Failure::with(Kind::BadRequestParameters, message));
    }
    let Some(schema) = method.schemas.get(&request.media_type()).or_else(|| method.schemas.get("$default")) else {
        return Ok(());
    };
    let schema = schema.0.as_ref().map_err(|why| Failure::new(Kind::ApiConfigurationError).because(why.as_str()))?;
    let invalid = |why: String| {
        let kind = request.media_type();
        let line = format!("Request body does not match model schema for content type {kind}: {why}");
        Failure { validation: Some(why), ..Failure::new(Kind::BadRequestBody).told(line) }
    };
    let body = match request.body.is_empty() {
        // Nothing is checked like an empty object.
        true => Value::Object(Map::new()),
        false => serde_json::from_slice(&request.body).map_err(|error| invalid(error.to_string()))?,
    };
    let problems: Vec<String> = schema.iter_errors(&body).take(10).map(|error| error.to_string()).collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(invalid(format!("[{}]", problems.join(", ")))),
    }
}
