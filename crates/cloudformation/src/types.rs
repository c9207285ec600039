//! The resource types that there are, and what a template may say of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{ResourceSchema, ResourceType, UpdateBehavior};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::template::{Reference, Template, TemplateError, visit};

/// All resource types by name.
pub(crate) struct Types {
    known: BTreeMap<&'static str, Arc<dyn ResourceType>>,
}

/// Types of identities and permissions, with the property that names them where the caller may choose the name.
///
/// AWS: *CloudFormation User Guide*, "Acknowledging IAM resources in CloudFormation templates".
const IAM_TYPES: &[(&str, Option<&str>)] = &[
    ("AWS::IAM::AccessKey", None),
    ("AWS::IAM::Group", Some("GroupName")),
    ("AWS::IAM::GroupPolicy", None),
    ("AWS::IAM::InstanceProfile", Some("InstanceProfileName")),
    ("AWS::IAM::ManagedPolicy", Some("ManagedPolicyName")),
    ("AWS::IAM::Policy", None),
    ("AWS::IAM::Role", Some("RoleName")),
    ("AWS::IAM::RolePolicy", None),
    ("AWS::IAM::User", Some("UserName")),
    ("AWS::IAM::UserPolicy", None),
    ("AWS::IAM::UserToGroupAddition", None),
];

impl Types {
    pub(crate) fn new(types: impl IntoIterator<Item = Arc<dyn ResourceType>>) -> Types {
        Types { known: types.into_iter().map(|one| (one.schema().type_name, one)).collect() }
    }

    pub(crate) fn get(&self, type_name: &str) -> Option<&Arc<dyn ResourceType>> {
        self.known.get(type_name)
    }

    pub(crate) fn schema(&self, type_name: &str) -> Option<&'static ResourceSchema> {
        self.get(type_name).map(|one| one.schema())
    }

    /// Refuses types, properties and attributes that there are not.
    pub(crate) fn check(&self, template: &Template) -> Result<(), TemplateError> {
        let types = template.resource_types();
        let unknown: Vec<&str> = types.into_iter().filter(|name| !self.known.contains_key(name)).collect();
        if !unknown.is_empty() {
            return Err(TemplateError::format(format!("Unrecognized resource types: [{}]", unknown.join(", "))));
        }
        for (id, resource) in &template.resources {
            if let Some(schema) = self.schema(&resource.type_name) {
                check_properties(id, schema, &resource.properties)?;
            }
            for value in resource.properties.values() {
                self.check_attributes(template, value)?;
            }
        }
        for output in template.outputs.values() {
            self.check_attributes(template, &output.value)?;
        }
        Ok(())
    }

    fn check_attributes(&self, template: &Template, value: &Value) -> Result<(), TemplateError> {
        visit(value, &mut |reference| {
            let Reference::Attribute { resource, attribute: Some(attribute) } = reference else { return Ok(()) };
            let schema = template.resources.get(resource).and_then(|resource| self.schema(&resource.type_name));
            let known = schema.is_none_or(|schema| schema.attributes.iter().any(|known| matches(known, attribute)));
            if known {
                return Ok(());
            }
            Err(TemplateError::function(format!(
                "resource {resource} does not support attribute type {attribute} in Fn::GetAtt"
            )))
        })
    }

    /// Whether changing these properties of a resource puts another in its place.
    pub(crate) fn replaces(&self, type_name: &str, changed: &[String]) -> bool {
        let Some(schema) = self.schema(type_name) else { return false };
        changed.iter().any(|name| {
            let property = schema.properties.iter().find(|property| property.name == name);
            property.is_some_and(|property| property.update == UpdateBehavior::Replacement)
        })
    }
}

/// `Outputs.*` stands for every attribute that begins with `Outputs.`.
fn matches(known: &str, attribute: &str) -> bool {
    known.strip_suffix('*').map_or(known == attribute, |prefix| attribute.starts_with(prefix))
}

fn check_properties(id: &str, schema: &ResourceSchema, given: &Map<String, Value>) -> Result<(), TemplateError> {
    let known = |name: &str| schema.properties.iter().any(|property| property.name == name);
    let unknown = given.keys().filter(|name| !known(name));
    let mut wrong: Vec<String> = unknown.map(|name| format!("#: extraneous key [{name}] is not permitted")).collect();
    let missing = schema.properties.iter().filter(|p| p.required && !given.contains_key(p.name));
    wrong.extend(missing.map(|property| format!("#: required key [{}] not found", property.name)));
    if wrong.is_empty() {
        return Ok(());
    }
    let (wrong, type_name) = (wrong.join("\n"), schema.type_name);
    Err(TemplateError(format!(
        "Properties validation failed for resource {id} of type {type_name} with message:\n{wrong}"
    )))
}

/// What the caller must acknowledge for the resources of a template.
pub(crate) fn capabilities(template: &Template) -> Option<&'static str> {
    let mut needed = None;
    for resource in template.resources.values() {
        let Some((_, name)) = IAM_TYPES.iter().find(|(type_name, _)| *type_name == resource.type_name) else {
            continue;
        };
        if name.is_some_and(|name| resource.properties.contains_key(name)) {
            return Some("CAPABILITY_NAMED_IAM");
        }
        needed = Some("CAPABILITY_IAM");
    }
    needed
}

/// Refuses what the caller has not acknowledged.
pub(crate) fn check_capabilities(template: &Template, given: &[String]) -> Result<(), Error> {
    let has = |name: &str| given.iter().any(|one| one == name);
    match capabilities(template) {
        Some("CAPABILITY_IAM") if has("CAPABILITY_IAM") || has("CAPABILITY_NAMED_IAM") => Ok(()),
        Some(needed) if !has(needed) => Err(Error::InsufficientCapabilities(needed.to_owned())),
        _ => Ok(()),
    }
}
