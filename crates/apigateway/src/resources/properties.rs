//! Properties of templates as inputs of operations.

use cauce_core::ServiceError;
use cauce_wire::Input;
use serde_json::{Map, Value};

use crate::model::Texts;
use crate::openapi::{text, texts};

/// Properties that are flags or numbers: templates may write them as texts, the API may not.
const PLAIN: [&str; 17] = [
    "ApiKeyRequired",
    "AuthorizerResultTtlInSeconds",
    "BurstLimit",
    "CacheClusterEnabled",
    "DisableExecuteApiEndpoint",
    "Enabled",
    "GenerateDistinctId",
    "InsecureSkipVerification",
    "Limit",
    "MinimumCompressionSize",
    "Offset",
    "RateLimit",
    "TimeoutInMillis",
    "TracingEnabled",
    "ValidateRequestBody",
    "ValidateRequestParameters",
    "FailOnWarnings",
];

/// Maps whose names are the user's own, with texts as values.
const TEXT_MAPS: [&str; 4] = ["RequestTemplates", "ResponseTemplates", "Variables", "RequestModels"];

/// Texts that YAML may have read as numbers.
const TEXTS: [&str; 4] = ["StatusCode", "Version", "Value", "Name"];

fn plain(value: &Value) -> Value {
    let Some(text) = value.as_str() else { return value.clone() };
    serde_json::from_str(text)
        .ok()
        .filter(|value: &Value| !value.is_object() && !value.is_array())
        .unwrap_or_else(|| value.clone())
}

/// A property's name as the API has it.
fn lowered(name: &str) -> String {
    if name == "ProviderARNs" {
        return "providerARNs".to_owned();
    }
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

/// How deep the properties of API Gateway's types nest.
const DEPTH_MAX: usize = 8;

/// Properties with the names and the types of the API.
pub(super) fn lower(properties: &Map<String, Value>) -> Map<String, Value> {
    lower_to(properties, DEPTH_MAX)
}

fn lower_to(properties: &Map<String, Value>, depth: usize) -> Map<String, Value> {
    let convert = |(name, value): (&String, &Value)| {
        let converted = match name.as_str() {
            "Tags" => tags(value),
            plain_name if PLAIN.contains(&plain_name) => plain(value),
            map if TEXT_MAPS.contains(&map) => serde_json::to_value(texts(Some(value))).unwrap_or_default(),
            one if TEXTS.contains(&one) => text(Some(value)).map_or_else(|| value.clone(), Value::from),
            // Their values are texts or flags, by the type they belong to.
            "RequestParameters" | "ResponseParameters" | "ResponseModels" | "Policy" | "Body" | "Schema" => {
                value.clone()
            }
            _ => lower_value(value, depth),
        };
        (lowered(name), converted)
    };
    properties.iter().map(convert).collect()
}

fn lower_value(value: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return value.clone() };
    match value {
        Value::Object(members) => Value::Object(lower_to(members, depth)),
        Value::Array(items) => Value::Array(items.iter().map(|item| lower_value(item, depth)).collect()),
        other => other.clone(),
    }
}

/// `[{Key, Value}]` as a map.
fn tags(value: &Value) -> Value {
    let tags = value.as_array().into_iter().flatten();
    let pair = |tag: &Value| Some((text(tag.get("Key"))?, text(tag.get("Value")).unwrap_or_default()));
    serde_json::to_value(tags.filter_map(pair).collect::<Texts>()).unwrap_or_default()
}

/// Flags by name, which templates may write as texts.
pub(super) fn flags(value: Option<&Value>) -> Value {
    let members = value.and_then(Value::as_object).into_iter().flatten();
    Value::Object(members.map(|(name, value)| (name.clone(), plain(value))).collect())
}

/// Reads members as the input of an operation and checks its constraints.
pub(super) fn read<I: Input>(members: Map<String, Value>) -> Result<I, ServiceError> {
    let input: I =
        serde_json::from_value(Value::Object(members)).map_err(|error| ServiceError::validation(error.to_string()))?;
    let mut violations = cauce_core::Violations::new();
    input.validate(&mut violations);
    violations.finish()?;
    Ok(input)
}

/// A property that is a text.
pub(super) fn get<'a>(properties: &'a Map<String, Value>, name: &str) -> &'a str {
    properties.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A document: an object, or its text.
pub(super) fn document(properties: &Map<String, Value>, name: &str) -> Option<String> {
    match properties.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        value => Some(value.to_string()),
    }
}
