//! Reading the properties of a resource, which arrive as JSON with every function resolved.

use cauce_core::ServiceError;
use serde_json::{Map, Value};

use crate::error::IamError;
use crate::model::Tag;
use crate::permissions::Granted;

/// The properties of one resource.
#[derive(Clone, Copy)]
pub(super) struct Properties<'a>(pub(super) &'a Map<String, Value>);

fn wrong(name: &str, expect: &str) -> ServiceError {
    IamError::Validation(format!("Value of property {name} must be of type {expect}")).into()
}

impl<'a> Properties<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text; numbers and booleans count as texts, as templates mix them.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ServiceError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
            Some(_) => Err(wrong(name, "String")),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<String, ServiceError> {
        self.text(name)?.ok_or_else(|| IamError::Validation(format!("Property {name} cannot be empty.")).into())
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ServiceError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(name, "Integer"))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<&'a str>, ServiceError> {
        let expect = "List of String";
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list.iter().map(|v| v.as_str().ok_or_else(|| wrong(name, expect))).collect(),
            Some(_) => Err(wrong(name, expect)),
        }
    }

    /// A policy document: an object, or its text.
    pub(super) fn document(&self, name: &str) -> Result<String, ServiceError> {
        match self.get(name) {
            None => Err(IamError::Validation(format!("Property {name} cannot be empty.")).into()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value @ Value::Object(_)) => Ok(value.to_string()),
            Some(_) => Err(wrong(name, "Json")),
        }
    }

    /// `[{Key, Value}]`
    pub(super) fn tags(&self) -> Result<Vec<Tag>, ServiceError> {
        let expect = "List of Tag";
        let tag = |value: &Value| {
            let value = value.as_object().ok_or_else(|| wrong("Tags", expect))?;
            let part = Properties(value);
            let text = part.text("Value")?.unwrap_or_default();
            Ok(Tag { key: part.required("Key")?, value: text })
        };
        match self.get("Tags") {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list.iter().map(tag).collect(),
            Some(_) => Err(wrong("Tags", expect)),
        }
    }

    /// `Policies` and `ManagedPolicyArns`.
    pub(super) fn granted(&self) -> Result<Granted<'a>, ServiceError> {
        Ok(Granted { inline: self.policies()?, attached: self.texts("ManagedPolicyArns")? })
    }

    /// `[{PolicyName, PolicyDocument}]` as names and documents.
    fn policies(&self) -> Result<Vec<(&'a str, String)>, ServiceError> {
        let expect = "List of Policy";
        let policy = |value: &'a Value| {
            let part = Properties(value.as_object().ok_or_else(|| wrong("Policies", expect))?);
            let name = part.get("PolicyName").and_then(Value::as_str).ok_or_else(|| wrong("PolicyName", "String"))?;
            Ok((name, part.document("PolicyDocument")?))
        };
        match self.get("Policies") {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list.iter().map(policy).collect(),
            Some(_) => Err(wrong("Policies", expect)),
        }
    }
}
