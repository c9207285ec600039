//! The sections of a template, read and checked for shape.
//!
//! AWS: *CloudFormation User Guide*, "CloudFormation template sections" and "Resource attribute reference".

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::error::TemplateError;
use super::parameter::{self, ParameterDeclaration};
use crate::limits::{DESCRIPTION_CHARS_MAX, MAPPINGS_MAX, OUTPUTS_MAX, RESOURCES_MAX};

/// The transform that enables `Fn::Length`, `Fn::ToJsonString` and the default of `Fn::FindInMap`.
pub const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";

/// What happens to a resource that leaves its stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum DeletionPolicy {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays.
    Retain,
    /// It stays, unless the operation that made it is rolled back.
    RetainExceptOnCreate,
}

/// A resource as a template declares it.
#[derive(Clone, Debug)]
pub struct ResourceDeclaration {
    /// `AWS::Service::Type`.
    pub type_name: String,
    /// As written, functions unresolved.
    pub properties: Map<String, Value>,
    /// What must be there before it besides what it refers to.
    pub depends_on: Vec<String>,
    /// The condition under which it exists.
    pub condition: Option<String>,
    /// What happens when it leaves the stack.
    pub deletion_policy: DeletionPolicy,
    /// What happens to the old one when a new one replaces it.
    pub update_replace_policy: DeletionPolicy,
    /// As written.
    pub metadata: Option<Value>,
}

/// An output as a template declares it.
#[derive(Clone, Debug)]
pub struct OutputDeclaration {
    /// As written.
    pub value: Value,
    /// What it is.
    pub description: Option<String>,
    /// The name under which other stacks may import it, as written.
    pub export: Option<Value>,
    /// The condition under which it exists.
    pub condition: Option<String>,
}

/// A template, free of macros.
#[derive(Clone, Debug)]
pub struct Template {
    /// `Description`.
    pub description: Option<String>,
    /// `Metadata`.
    pub metadata: Option<Value>,
    /// `Transform`: the names, in order.
    pub transforms: Vec<String>,
    /// `Parameters`.
    pub parameters: BTreeMap<String, ParameterDeclaration>,
    /// `Mappings`.
    pub mappings: Map<String, Value>,
    /// `Conditions`.
    pub conditions: BTreeMap<String, Value>,
    /// `Rules`.
    pub rules: BTreeMap<String, Value>,
    /// `Resources`.
    pub resources: BTreeMap<String, ResourceDeclaration>,
    /// `Outputs`.
    pub outputs: BTreeMap<String, OutputDeclaration>,
}

const SECTIONS: &[&str] = &[
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
];

const RESOURCE_ATTRIBUTES: &[&str] = &[
    "Condition",
    "CreationPolicy",
    "DeletionPolicy",
    "DependsOn",
    "Description",
    "Metadata",
    "Properties",
    "Type",
    "UpdatePolicy",
    "UpdateReplacePolicy",
];

impl Template {
    /// Reads a template whose transforms have been done.
    ///
    /// # Errors
    /// Whatever is not shaped as it must be, in the words of the service.
    pub fn read(document: &Value) -> Result<Template, TemplateError> {
        let Value::Object(root) = document else { return Err(TemplateError::format("unsupported structure.")) };
        let unknown: Vec<&str> = root.keys().map(String::as_str).filter(|key| !SECTIONS.contains(key)).collect();
        if !unknown.is_empty() {
            return Err(TemplateError(format!("Invalid template property or properties [{}]", unknown.join(", "))));
        }
        version(root)?;
        let mappings = section(root, "Mappings")?;
        check_mappings(&mappings)?;
        let template = Template {
            description: description(root)?,
            metadata: root.get("Metadata").cloned(),
            transforms: transforms(root)?,
            parameters: parameter::declarations(&section(root, "Parameters")?)?,
            mappings,
            conditions: section(root, "Conditions")?.into_iter().collect(),
            rules: section(root, "Rules")?.into_iter().collect(),
            resources: resources(&section(root, "Resources")?)?,
            outputs: outputs(&section(root, "Outputs")?)?,
        };
        let clashing = template.parameters.keys().filter(|name| template.resources.contains_key(*name));
        let clashing: Vec<&str> = clashing.map(String::as_str).collect();
        if !clashing.is_empty() {
            let names = clashing.join(", ");
            return Err(TemplateError::format(format!(
                "Duplicate logical names in Parameters and Resources: [{names}]"
            )));
        }
        Ok(template)
    }

    /// Whether the template asks for the language extensions.
    pub fn language_extensions(&self) -> bool {
        self.transforms.iter().any(|name| name == LANGUAGE_EXTENSIONS)
    }

    /// The types of its resources, each once, in order.
    pub fn resource_types(&self) -> BTreeSet<&str> {
        self.resources.values().map(|resource| resource.type_name.as_str()).collect()
    }
}

fn section(root: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, TemplateError> {
    match root.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => Err(TemplateError::format(format!("{name} section must be an object."))),
    }
}

fn version(root: &Map<String, Value>) -> Result<(), TemplateError> {
    match root.get("AWSTemplateFormatVersion") {
        None => Ok(()),
        Some(Value::String(version)) if version == "2010-09-09" => Ok(()),
        Some(other) => {
            let shown = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            Err(TemplateError::format(format!("{shown} is not a supported value for AWSTemplateFormatVersion.")))
        }
    }
}

fn description(root: &Map<String, Value>) -> Result<Option<String>, TemplateError> {
    match root.get("Description") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() > DESCRIPTION_CHARS_MAX => {
            let limit = format!("'Description' length is greater than {DESCRIPTION_CHARS_MAX}.");
            Err(TemplateError::format(limit))
        }
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(TemplateError::format("Every Description member must be a string.")),
    }
}

/// The names in the section `Transform`, in order.
///
/// # Errors
/// If it is neither a text nor a list of texts; a map (`AWS::Include` with a location) is not supported.
pub fn transforms(root: &Map<String, Value>) -> Result<Vec<String>, TemplateError> {
    let wrong = || TemplateError::format("Transform must be a transform name or a list of transform names.");
    match root.get("Transform") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(name)) => Ok(vec![name.clone()]),
        Some(Value::Array(names)) => {
            names.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn check_mappings(mappings: &Map<String, Value>) -> Result<(), TemplateError> {
    if mappings.len() > MAPPINGS_MAX {
        let found = mappings.len();
        let limit = format!("Number of mappings, {found}, is greater than maximum allowed, {MAPPINGS_MAX}");
        return Err(TemplateError::format(limit));
    }
    for mapping in mappings.values() {
        let Value::Object(mapping) = mapping else {
            return Err(TemplateError::format("Every Mappings member must be a map."));
        };
        for attributes in mapping.values() {
            let Value::Object(attributes) = attributes else {
                return Err(TemplateError::format("Every Mappings attribute must be a map."));
            };
            if attributes.values().any(|value| value.is_object() || value.is_null()) {
                return Err(TemplateError::format("Every Mappings attribute must be a String or a List."));
            }
        }
    }
    Ok(())
}

fn resources(section: &Map<String, Value>) -> Result<BTreeMap<String, ResourceDeclaration>, TemplateError> {
    if section.is_empty() {
        return Err(TemplateError::format("At least one Resources member must be defined."));
    }
    if section.len() > RESOURCES_MAX {
        let found = section.len();
        return Err(TemplateError::format(format!(
            "Number of resources, {found}, is greater than maximum allowed, {RESOURCES_MAX}"
        )));
    }
    section.iter().map(|(id, value)| Ok((id.clone(), resource(id, value)?))).collect()
}

fn resource(id: &str, value: &Value) -> Result<ResourceDeclaration, TemplateError> {
    let at = |message: &str| TemplateError::format(format!("[/Resources/{id}] {message}"));
    let Value::Object(map) = value else { return Err(at("resource definition is malformed")) };
    if id.is_empty() || id.len() > 255 || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(TemplateError::format(format!("Resource name {id} is non alphanumeric.")));
    }
    if let Some(unknown) = map.keys().find(|key| !RESOURCE_ATTRIBUTES.contains(&key.as_str())) {
        return Err(TemplateError(format!("Invalid template resource property '{unknown}'")));
    }
    let Some(type_name) = map.get("Type") else {
        return Err(at("Every Resources object must contain a Type member."));
    };
    let Some(type_name) = type_name.as_str() else { return Err(at("'Type' must be a string.")) };
    // What waits for signals or updates in waves cannot be left out in silence.
    for unsupported in ["CreationPolicy", "UpdatePolicy"] {
        if map.get(unsupported).is_some_and(|value| !value.is_null()) {
            return Err(at(&format!("{unsupported} is not supported")));
        }
    }
    let properties = match map.get("Properties") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(properties)) => properties.clone(),
        Some(_) => return Err(at("Properties must be an object.")),
    };
    let texts = || at("Every DependsOn value must be a string.");
    let depends_on = match map.get("DependsOn") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => {
            many.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(texts)).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(texts()),
    };
    let condition = match map.get("Condition") {
        None => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(_) => return Err(at("Every Condition member must be a string.")),
    };
    Ok(ResourceDeclaration {
        type_name: type_name.to_owned(),
        properties,
        depends_on,
        condition,
        deletion_policy: policy(id, type_name, map, "DeletionPolicy")?,
        update_replace_policy: policy(id, type_name, map, "UpdateReplacePolicy")?,
        metadata: map.get("Metadata").cloned(),
    })
}

fn policy(id: &str, type_name: &str, map: &Map<String, Value>, name: &str) -> Result<DeletionPolicy, TemplateError> {
    match map.get(name) {
        None => Ok(DeletionPolicy::Delete),
        Some(Value::String(value)) => match value.as_str() {
            "Delete" => Ok(DeletionPolicy::Delete),
            "Retain" => Ok(DeletionPolicy::Retain),
            "RetainExceptOnCreate" if name == "DeletionPolicy" => Ok(DeletionPolicy::RetainExceptOnCreate),
            "Snapshot" => Err(TemplateError::function(format!(
                "resource type {type_name} does not support deletion policy Snapshot"
            ))),
            other => Err(TemplateError::format(format!("Unrecognized {name} {other} for resource {id}"))),
        },
        Some(_) => Err(TemplateError::format(format!("Every {name} member must be a string."))),
    }
}

fn outputs(section: &Map<String, Value>) -> Result<BTreeMap<String, OutputDeclaration>, TemplateError> {
    if section.len() > OUTPUTS_MAX {
        let found = section.len();
        let limit = format!("Number of outputs, {found}, is greater than maximum allowed, {OUTPUTS_MAX}");
        return Err(TemplateError::format(limit));
    }
    section.iter().map(|(id, value)| Ok((id.clone(), output(id, value)?))).collect()
}

fn output(id: &str, value: &Value) -> Result<OutputDeclaration, TemplateError> {
    let Value::Object(map) = value else {
        return Err(TemplateError::format("Every Outputs member must be an object."));
    };
    if !id.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(TemplateError::format(format!("Output name {id} is non alphanumeric.")));
    }
    if let Some(unknown) =
        map.keys().find(|key| !["Value", "Description", "Export", "Condition"].contains(&key.as_str()))
    {
        return Err(TemplateError(format!("Invalid template output property '{unknown}'")));
    }
    let Some(value) = map.get("Value").filter(|value| !value.is_null()) else {
        return Err(TemplateError::format(format!(
            "Output {id} is malformed. Every Outputs object must contain a Value member."
        )));
    };
    let export = match map.get("Export") {
        None => None,
        Some(Value::Object(export)) if export.len() == 1 && export.contains_key("Name") => export.get("Name").cloned(),
        Some(_) => return Err(TemplateError::format(format!("Output {id} is malformed. Export must have a Name."))),
    };
    Ok(OutputDeclaration {
        value: value.clone(),
        description: map.get("Description").and_then(Value::as_str).map(str::to_owned),
        export,
        condition: map.get("Condition").and_then(Value::as_str).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Template;

    fn refused(document: &Value, expect: &str) {
        assert_eq!(Template::read(document).unwrap_err().to_string(), expect, "{document}");
    }

    #[test]
    fn wrong_shapes_are_refused_in_the_words_of_the_service() {
        refused(&json!({}), "Template format error: At least one Resources member must be defined.");
        refused(&json!({"Resources": {}}), "Template format error: At least one Resources member must be defined.");
        refused(&json!({"Foo": 1, "Resources": {}}), "Invalid template property or properties [Foo]");
        refused(
            &json!({"AWSTemplateFormatVersion": "2010-09-08"}),
            "Template format error: 2010-09-08 is not a supported value for AWSTemplateFormatVersion.",
        );
        refused(
            &json!({"Resources": {"R": {}}}),
            "Template format error: [/Resources/R] Every Resources object must contain a Type member.",
        );
        refused(&json!({"Resources": {"R": {"Type": "T", "Foo": 1}}}), "Invalid template resource property 'Foo'");
        refused(
            &json!({"Resources": {"R": {"Type": "T", "DependsOn": {}}}}),
            "Template format error: [/Resources/R] Every DependsOn value must be a string.",
        );
        refused(
            &json!({"Resources": {"R-1": {"Type": "T"}}}),
            "Template format error: Resource name R-1 is non alphanumeric.",
        );
        refused(
            &json!({"Resources": {"R": {"Type": "T", "DeletionPolicy": "Snapshot"}}}),
            "Template error: resource type T does not support deletion policy Snapshot",
        );
        refused(
            &json!({"Resources": {"R": {"Type": "T"}}, "Outputs": {"O": {}}}),
            "Template format error: Output O is malformed. Every Outputs object must contain a Value member.",
        );
        refused(
            &json!({"Resources": {"R": {"Type": "T"}}, "Mappings": {"M": {"a": "b"}}}),
            "Template format error: Every Mappings attribute must be a map.",
        );
        refused(
            &json!({"Resources": {"R": {"Type": "T", "CreationPolicy": {}}}}),
            "Template format error: [/Resources/R] CreationPolicy is not supported",
        );
    }
}
