//! The CloudFormation resource types of Lambda.
//!
//! AWS: CloudFormation Template Reference, "AWS Lambda resource types". A stack acts with the rights of whoever deploys it, so
//! every step asks for the permission of the operation it stands for.

mod function;
mod mapping;
mod other;

use std::sync::Arc;

use cauce_core::ports::Access;
use cauce_core::{Call, ResourceType, ServiceError, Violations};
use cauce_wire::Input;
use serde_json::{Map, Value, json};

use crate::name::policy_resource;
use crate::service::Lambda;

/// The resource types of Lambda, for CloudFormation.
pub fn resource_types(lambda: &Arc<Lambda>) -> Vec<Arc<dyn ResourceType>> {
    vec![
        Arc::new(function::FunctionType(Arc::clone(lambda))),
        Arc::new(other::PermissionType(Arc::clone(lambda))),
        Arc::new(other::VersionType(Arc::clone(lambda))),
        Arc::new(other::AliasType(Arc::clone(lambda))),
        Arc::new(other::EventInvokeType(Arc::clone(lambda))),
        Arc::new(mapping::MappingType(Arc::clone(lambda))),
    ]
}

/// Reads properties as the input of an operation and checks its constraints.
fn read<I: Input>(properties: Value) -> Result<I, ServiceError> {
    let input: I = serde_json::from_value(properties).map_err(|error| ServiceError::validation(error.to_string()))?;
    let mut violations = Violations::new();
    input.validate(&mut violations);
    violations.finish()?;
    Ok(input)
}

/// Templates may write numbers and booleans as texts; the API may not.
fn plain(value: &Value) -> Value {
    let Some(text) = value.as_str() else { return value.clone() };
    match text {
        "true" => json!(true),
        "false" => json!(false),
        _ => text.parse::<i64>().map_or_else(|_| value.clone(), Value::from),
    }
}

/// These properties, with those in `numbers` as numbers.
fn pick(properties: &Map<String, Value>, names: &[&str], numbers: &[&str]) -> Map<String, Value> {
    let chosen = properties.iter().filter(|(name, _)| names.contains(&name.as_str()));
    chosen
        .map(|(name, value)| {
            let value = if numbers.contains(&name.as_str()) { plain(value) } else { value.clone() };
            (name.clone(), value)
        })
        .collect()
}

fn text<'a>(properties: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    properties.get(name).and_then(Value::as_str)
}

/// What is gone already is success.
fn or_gone(result: Result<(), ServiceError>) -> Result<(), ServiceError> {
    match result {
        Err(error) if error.code() == "ResourceNotFoundException" => Ok(()),
        other => other,
    }
}

impl Lambda {
    /// Asks whether the caller may do `action` to the function.
    async fn may(&self, call: &Call, action: &str, function: &str) -> Result<(), ServiceError> {
        let resource = policy_resource(call, function, None);
        let access = Access { action, resource: &resource, resource_policy: None, context: Vec::new() };
        self.ports.identity.authorize(call, &access).await
    }
}
