//! The transform `AWS::Serverless-2016-10-31`: from the short resources of SAM to those of CloudFormation.
//!
//! AWS: *AWS SAM Developer Guide*, "AWS SAM template anatomy" and "Generated CloudFormation resources". Pure: the same template
//! and parameters always give the same result, with the names that SAM gives.
//!
//! What is not supported is refused by name: every `AWS::Serverless::*` type but `Api`, `Function` and `SimpleTable`, deployment
//! preferences, function URLs, events of S3 and other sources. The hash in the name of a deployment is of the same document as
//! SAM's, but not the same hash.

mod api;
mod event;
mod function;
mod globals;
mod policy;
mod policy_template;
mod simple_table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::template::TemplateError;

/// The name of the transform.
pub const TRANSFORM: &str = "AWS::Serverless-2016-10-31";

/// What is wrong with one resource of a SAM template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid(String);

impl Invalid {
    fn resource(logical_id: &str, why: impl AsRef<str>) -> Invalid {
        Invalid(format!("Resource with id [{logical_id}] is invalid. {}", why.as_ref()))
    }

    fn event(logical_id: &str, event: &str, why: impl AsRef<str>) -> Invalid {
        Invalid::resource(logical_id, format!("Event with id [{event}] is invalid. {}", why.as_ref()))
    }
}

/// Resources that a transform made, by logical id.
type Made = Vec<(String, Value)>;

/// What the transform knows of the template around a resource.
struct Context<'a> {
    /// What `Ref` gives for each parameter.
    parameters: &'a BTreeMap<String, Value>,
    /// The resources of the template.
    resources: &'a Map<String, Value>,
}

impl Context<'_> {
    /// The value with references to parameters replaced, at any depth; other functions stay.
    fn resolved(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                if let (Some(Value::String(name)), 1) = (map.get("Ref"), map.len())
                    && let Some(found) = self.parameters.get(name)
                {
                    return found.clone();
                }
                Value::Object(map.iter().map(|(key, value)| (key.clone(), self.resolved(value))).collect())
            }
            Value::Array(items) => items.iter().map(|item| self.resolved(item)).collect(),
            scalar => scalar.clone(),
        }
    }
}

/// Expands a SAM template. The sections `Globals` and `Transform` are gone afterwards.
///
/// # Errors
/// All that is wrong, in one message as SAM words it: `Transform AWS::Serverless-2016-10-31 failed with: ...`.
pub fn transform(document: &Value, parameters: &BTreeMap<String, Value>) -> Result<Value, TemplateError> {
    let Value::Object(root) = document else { return Err(TemplateError::format("unsupported structure.")) };
    let mut errors = Vec::new();
    let globals = globals::read(root.get("Globals")).unwrap_or_else(|error| {
        errors.push(error);
        globals::Globals::default()
    });
    let empty = Map::new();
    let given = root.get("Resources").and_then(Value::as_object).unwrap_or(&empty);
    let context = Context { parameters, resources: given };
    let mut resources = Map::new();
    let mut renamed = Vec::new();
    let mut events = Vec::new();
    for (id, resource) in given {
        let type_name = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        let made = match type_name {
            function::TYPE => function::expand(id, resource, &globals, &context).map(|expanded| {
                renamed.extend(expanded.renamed);
                events.extend(expanded.apis);
                expanded.resources
            }),
            // APIs come last: their methods are events of functions.
            api::TYPE => continue,
            simple_table::TYPE => simple_table::expand(id, resource),
            other if other.starts_with("AWS::Serverless::") => {
                Err(Invalid::resource(id, format!("The resource type {other} is not supported.")))
            }
            _ => Ok(vec![(id.clone(), resource.clone())]),
        };
        match made {
            Ok(made) => errors.extend(add(&mut resources, given, id, made)),
            Err(error) => errors.push(error),
        }
    }
    let mut apis = apis(given, &globals, &events);
    apis.retain(|api| match api {
        Ok(_) => true,
        Err(error) => {
            errors.push(error.clone());
            false
        }
    });
    for (id, expanded) in apis.into_iter().flatten() {
        renamed.extend(expanded.renamed);
        errors.extend(add(&mut resources, given, &id, expanded.resources));
    }
    if !errors.is_empty() {
        let found = errors.len();
        let causes: Vec<String> = errors.into_iter().map(|error| error.0).collect();
        return Err(TemplateError(format!(
            "Transform {TRANSFORM} failed with: Invalid Serverless Application Specification document. Number of errors found: \
             {found}. {}",
            causes.join(" ")
        )));
    }
    let mut out = root.clone();
    out.remove("Globals");
    out.remove("Transform");
    out.insert("Resources".to_owned(), Value::Object(resources));
    let mut out = Value::Object(out);
    if !renamed.is_empty() {
        rename(&mut out, &renamed);
    }
    Ok(out)
}

/// Expands every API, the one that nobody has written among them.
fn apis(
    given: &Map<String, Value>,
    globals: &globals::Globals,
    events: &[api::ApiEvent],
) -> Vec<Result<(String, api::Expanded), Invalid>> {
    let empty = Map::new();
    let written = given.iter().filter(|(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(api::TYPE));
    let expand = |id: &str, whole: &Map<String, Value>, given: &Map<String, Value>| {
        let own: Vec<api::ApiEvent> = events.iter().filter(|event| event.is_of(id)).cloned().collect();
        Ok((id.to_owned(), api::expand(id, whole, given, &own)?))
    };
    let mut made = Vec::new();
    for (id, resource) in written {
        let whole = resource.as_object().unwrap_or(&empty);
        let own = whole.get("Properties").and_then(Value::as_object).unwrap_or(&empty);
        made.push(expand(id, whole, &globals.merged_api(own, whole.get("IgnoreGlobals"))));
    }
    if events.iter().any(|event| event.is_of(api::IMPLICIT)) {
        let own = properties([("StageName", Some("Prod".into()))]);
        made.push(expand(api::IMPLICIT, &empty, &globals.merged_api(&own, None)));
    }
    made
}

/// Adds what a resource became; a made resource must not take the name of one that the author wrote.
fn add(resources: &mut Map<String, Value>, given: &Map<String, Value>, from: &str, made: Made) -> Vec<Invalid> {
    let mut clashes = Vec::new();
    for (id, resource) in made {
        if id != from && (given.contains_key(&id) || resources.contains_key(&id)) {
            let type_name = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
            clashes.push(Invalid(format!(
                "Transforming resource with id [{from}] attempts to create a new resource with id [{id}] and type \
                 \"{type_name}\". A resource with that id already exists within this template. Please use a different id for \
                 that resource."
            )));
        }
        resources.insert(id, resource);
    }
    clashes
}

/// Replaces references to what only SAM names (`!Ref Function.Alias`) by references to what it became.
fn rename(value: &mut Value, renamed: &[(String, String)]) {
    match value {
        Value::Object(map) => {
            if let (1, Some(Value::String(name))) = (map.len(), map.get_mut("Ref")) {
                if let Some((_, to)) = renamed.iter().find(|(from, _)| from == name) {
                    name.clone_from(to);
                }
                return;
            }
            if let Some(Value::String(text)) = map.get_mut("Fn::Sub") {
                rename_in_text(text, renamed);
            } else if let Some(Value::Array(parts)) = map.get_mut("Fn::Sub")
                && let Some(Value::String(text)) = parts.first_mut()
            {
                rename_in_text(text, renamed);
            }
            map.values_mut().for_each(|value| rename(value, renamed));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, renamed)),
        _ => {}
    }
}

fn rename_in_text(text: &mut String, renamed: &[(String, String)]) {
    for (from, to) in renamed {
        let from = format!("${{{from}}}");
        if text.contains(&from) {
            *text = text.replace(&from, &format!("${{{to}}}"));
        }
    }
}

/// Those attributes of a resource that are named.
fn attributes(whole: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), whole.get(*name)?.clone()))).collect()
}

/// A resource of CloudFormation.
fn resource(type_name: &str, properties: Map<String, Value>, attributes: &Map<String, Value>) -> Value {
    let mut out = attributes.clone();
    out.insert("Type".to_owned(), type_name.into());
    out.insert("Properties".to_owned(), Value::Object(properties));
    Value::Object(out)
}

/// Properties from pairs; those without a value are left out.
fn properties<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Map<String, Value> {
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
