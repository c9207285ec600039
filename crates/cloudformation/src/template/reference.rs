//! What a template refers to, found without evaluating it: for the order of things, and to refuse what does not exist.

use std::collections::BTreeSet;

use serde_json::Value;

use super::declaration::Template;
use super::error::TemplateError;
use super::function::{PSEUDO_PARAMETERS, call, unresolved_condition, unsupported};
use super::graph::{self, Dependencies};
use super::substitution::{Piece, malformed, pieces};

/// One thing that a value refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `Ref`: a parameter, a pseudo parameter or a resource.
    Name(&'a str),
    /// `Fn::GetAtt`; the attribute is `None` where it is itself computed.
    Attribute {
        /// The resource.
        resource: &'a str,
        /// Its attribute.
        attribute: Option<&'a str>,
    },
    /// `Fn::If` or `Condition`.
    Condition(&'a str),
    /// `Fn::FindInMap` with a literal name.
    Mapping(&'a str),
    /// A function that needs the language extensions.
    Extension(&'a str),
}

/// Shows every reference in `value` to `visit`.
///
/// # Errors
/// That of `visit`, and functions whose arguments have not the shape that can be read.
pub fn visit<'a>(
    value: &'a Value,
    visit_one: &mut dyn FnMut(Reference<'a>) -> Result<(), TemplateError>,
) -> Result<(), TemplateError> {
    match value {
        Value::Object(map) => match call(map) {
            Some((name, argument)) => function(name, argument, visit_one),
            None => {
                if let Some(name) = map.keys().find(|key| key.starts_with("Fn::")) {
                    return Err(unsupported(name));
                }
                if let (Some(Value::String(name)), 1) = (map.get("Condition"), map.len()) {
                    visit_one(Reference::Condition(name))?;
                }
                map.values().try_for_each(|value| visit(value, visit_one))
            }
        },
        Value::Array(items) => items.iter().try_for_each(|item| visit(item, visit_one)),
        _ => Ok(()),
    }
}

fn function<'a>(
    name: &'a str,
    argument: &'a Value,
    visit_one: &mut dyn FnMut(Reference<'a>) -> Result<(), TemplateError>,
) -> Result<(), TemplateError> {
    match name {
        "Ref" => {
            let Some(name) = argument.as_str() else {
                return Err(TemplateError::function("every Ref object must have a single String value."));
            };
            visit_one(Reference::Name(name))
        }
        "Fn::GetAtt" => {
            let malformed = || {
                TemplateError::function(
                    "every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute",
                )
            };
            let (resource, attribute) = match argument {
                Value::String(text) => text.split_once('.').map(|(r, a)| (r, Some(a))).ok_or_else(malformed)?,
                Value::Array(parts) => match parts.as_slice() {
                    [Value::String(resource), Value::String(attribute)] => {
                        (resource.as_str(), Some(attribute.as_str()))
                    }
                    [Value::String(resource), computed @ Value::Object(_)] => {
                        visit(computed, visit_one)?;
                        (resource.as_str(), None)
                    }
                    _ => return Err(malformed()),
                },
                _ => return Err(malformed()),
            };
            if resource.is_empty() || attribute == Some("") {
                return Err(malformed());
            }
            visit_one(Reference::Attribute { resource, attribute })
        }
        "Fn::Sub" => sub(argument, visit_one),
        "Fn::If" => {
            if let Value::Array(parts) = argument
                && let [Value::String(condition), ..] = parts.as_slice()
            {
                visit_one(Reference::Condition(condition))?;
            }
            visit(argument, visit_one)
        }
        "Fn::FindInMap" => {
            if let Value::Array(parts) = argument {
                if let [Value::String(mapping), ..] = parts.as_slice() {
                    visit_one(Reference::Mapping(mapping))?;
                }
                if parts.len() > 3 {
                    visit_one(Reference::Extension("Fn::FindInMap with DefaultValue"))?;
                }
            }
            visit(argument, visit_one)
        }
        "Fn::Length" | "Fn::ToJsonString" => {
            visit_one(Reference::Extension(name))?;
            visit(argument, visit_one)
        }
        "Fn::Base64" | "Fn::Cidr" | "Fn::GetAZs" | "Fn::ImportValue" | "Fn::Join" | "Fn::Select" | "Fn::Split"
        | "Fn::And" | "Fn::Or" | "Fn::Not" | "Fn::Equals" => visit(argument, visit_one),
        other => Err(unsupported(other)),
    }
}

fn sub<'a>(
    argument: &'a Value,
    visit_one: &mut dyn FnMut(Reference<'a>) -> Result<(), TemplateError>,
) -> Result<(), TemplateError> {
    let (text, variables) = match argument {
        Value::String(text) => (text, None),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(text), Value::Object(variables)] => (text, Some(variables)),
            _ => return Err(malformed()),
        },
        _ => return Err(malformed()),
    };
    for piece in pieces(text)? {
        let Piece::Variable(name) = piece else { continue };
        if variables.is_some_and(|variables| variables.contains_key(name)) {
            continue;
        }
        visit_one(match name.split_once('.') {
            Some((resource, attribute)) => Reference::Attribute { resource, attribute: Some(attribute) },
            None => Reference::Name(name),
        })?;
    }
    variables.into_iter().flat_map(|variables| variables.values()).try_for_each(|value| visit(value, visit_one))
}

impl Template {
    /// Refuses references to what does not exist, and resources that wait for each other.
    ///
    /// # Errors
    /// In the words of the service.
    pub fn check_references(&self) -> Result<(), TemplateError> {
        let mut unresolved = BTreeSet::new();
        for resource in self.resources.values() {
            for value in resource.properties.values() {
                self.check_value(value, &mut unresolved)?;
            }
            unresolved
                .extend(resource.depends_on.iter().map(String::as_str).filter(|id| !self.resources.contains_key(*id)));
            if let Some(condition) = resource.condition.as_deref().filter(|c| !self.conditions.contains_key(*c)) {
                return Err(unresolved_condition(condition));
            }
        }
        refuse_unresolved(&unresolved, "Resources")?;
        for output in self.outputs.values() {
            self.check_value(&output.value, &mut unresolved)?;
            if let Some(export) = &output.export {
                self.check_value(export, &mut unresolved)?;
            }
            if let Some(condition) = output.condition.as_deref().filter(|c| !self.conditions.contains_key(*c)) {
                let message =
                    format!("Unresolved condition dependency {condition} in the Outputs block of the template");
                return Err(TemplateError::format(message));
            }
        }
        refuse_unresolved(&unresolved, "Outputs")?;
        self.check_conditions()?;
        let dependencies = self.dependencies()?;
        let cycle = graph::cycle(&dependencies);
        if cycle.is_empty() {
            return Ok(());
        }
        Err(TemplateError(format!("Circular dependency between resources: [{}]", cycle.join(", "))))
    }

    fn check_value<'a>(&self, value: &'a Value, unresolved: &mut BTreeSet<&'a str>) -> Result<(), TemplateError> {
        visit(value, &mut |reference| {
            match reference {
                Reference::Name(name) => {
                    let known = PSEUDO_PARAMETERS.contains(&name)
                        || self.parameters.contains_key(name)
                        || self.resources.contains_key(name);
                    if !known {
                        unresolved.insert(name);
                    }
                }
                Reference::Attribute { resource, .. } if !self.resources.contains_key(resource) => {
                    return Err(TemplateError::function(format!(
                        "instance of Fn::GetAtt references undefined resource {resource}"
                    )));
                }
                Reference::Condition(name) if !self.conditions.contains_key(name) => {
                    return Err(unresolved_condition(name));
                }
                Reference::Mapping(name) if !self.mappings.contains_key(name) => {
                    return Err(TemplateError::function(format!(
                        "Mapping named '{name}' is not present in the 'Mappings' section of template."
                    )));
                }
                Reference::Extension(name) if !self.language_extensions() => return Err(unsupported(name)),
                _ => {}
            }
            Ok(())
        })
    }

    /// Conditions refer to parameters, mappings and each other only.
    fn check_conditions(&self) -> Result<(), TemplateError> {
        let mut unresolved = BTreeSet::new();
        let mut order = Dependencies::new();
        for (name, condition) in &self.conditions {
            let mut before = BTreeSet::new();
            visit(condition, &mut |reference| {
                match reference {
                    Reference::Name(name)
                        if !PSEUDO_PARAMETERS.contains(&name) && !self.parameters.contains_key(name) =>
                    {
                        unresolved.insert(name);
                    }
                    Reference::Attribute { resource, .. } => {
                        unresolved.insert(resource);
                    }
                    Reference::Condition(other) if !self.conditions.contains_key(other) => {
                        return Err(TemplateError::format(format!(
                            "Unresolved condition dependency {other} in the Conditions block of the template"
                        )));
                    }
                    Reference::Condition(other) => {
                        before.insert(other.to_owned());
                    }
                    _ => {}
                }
                Ok(())
            })?;
            order.insert(name.clone(), before);
        }
        if !unresolved.is_empty() {
            let names = unresolved.into_iter().collect::<Vec<_>>().join(", ");
            return Err(TemplateError::format(format!(
                "Unresolved dependencies [{names}]. Cannot reference resources in the Conditions block of the template"
            )));
        }
        let cycle = graph::cycle(&order);
        if cycle.is_empty() {
            return Ok(());
        }
        Err(TemplateError::format(format!("Circular dependencies between conditions: [{}]", cycle.join(", "))))
    }

    /// What each resource waits for: what it refers to, in both branches of an `Fn::If`, and what it names in `DependsOn`.
    ///
    /// # Errors
    /// Functions that cannot be read.
    pub fn dependencies(&self) -> Result<Dependencies, TemplateError> {
        let mut out = Dependencies::new();
        for (id, resource) in &self.resources {
            let mut before: BTreeSet<String> = resource.depends_on.iter().cloned().collect();
            for value in resource.properties.values() {
                visit(value, &mut |reference| {
                    let name = match reference {
                        Reference::Name(name) => name,
                        Reference::Attribute { resource, .. } => resource,
                        _ => return Ok(()),
                    };
                    if self.resources.contains_key(name) {
                        before.insert(name.to_owned());
                    }
                    Ok(())
                })?;
            }
            out.insert(id.clone(), before);
        }
        Ok(out)
    }
}

fn refuse_unresolved(unresolved: &BTreeSet<&str>, section: &str) -> Result<(), TemplateError> {
    if unresolved.is_empty() {
        return Ok(());
    }
    let names = unresolved.iter().copied().collect::<Vec<_>>().join(", ");
    Err(TemplateError::format(format!(
        "Unresolved resource dependencies [{names}] in the {section} block of the template"
    )))
}
