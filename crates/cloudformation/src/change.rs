//! What a change set shows: which resources a template would add, change, replace or remove, and why.
//!
//! AWS: *CloudFormation API Reference*, "ResourceChange", "ResourceChangeDetail" and "ResourceTargetDefinition".

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::model::ResourceRecord;
use crate::prepare::Prepared;
use crate::template::{
    DeletionPolicy, KNOWN_AFTER_APPLY, Reference, ResourceDeclaration, TemplateError, graph, scalar_text, visit,
};
use crate::types::Types;
use crate::world::{Anything, Preview};

/// What a change does to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// It is made.
    Add,
    /// It is changed.
    Modify,
    /// It is deleted.
    Remove,
}

/// One change of one resource, shaped as the service answers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourceChange {
    /// What happens.
    pub action: Action,
    /// The resource's name in the template.
    pub logical_resource_id: String,
    /// What `Ref` gives for it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical_resource_id: Option<String>,
    /// Its type.
    pub resource_type: String,
    /// What happens to the old one: `Delete`, `Retain`, `ReplaceAndDelete`, `ReplaceAndRetain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_action: Option<String>,
    /// `True`, `False` or `Conditional`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// Which attributes change: `Properties`, `Metadata`, `DeletionPolicy`.
    pub scope: Vec<String>,
    /// What changes, one entry a property.
    pub details: Vec<ChangeDetail>,
    /// The resource before, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_context: Option<String>,
    /// The resource after, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_context: Option<String>,
}

/// One changed property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangeDetail {
    /// What is changed.
    pub target: ChangeTarget,
    /// `Static` if the new value is known, `Dynamic` if only the deployment will tell it.
    pub evaluation: String,
    /// `DirectModification`, `ParameterReference`, `ResourceReference` or `ResourceAttribute`.
    pub change_source: String,
    /// The parameter or resource that causes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causing_entity: Option<String>,
}

/// What a [`ChangeDetail`] is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChangeTarget {
    /// `Properties`, `Metadata`, `DeletionPolicy`.
    pub attribute: String,
    /// The property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it stands: `/Properties/Name`.
    pub path: String,
    /// `Never`, `Always` or `Conditionally`.
    pub requires_recreation: String,
    /// Its value before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_value: Option<String>,
    /// Its value after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_value: Option<String>,
    /// `Add`, `Remove` or `Modify`.
    pub attribute_change_type: String,
}

/// The names of properties whose values differ.
pub(crate) fn changed_properties(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

/// All changes that deploying `target` makes to the resources, in an order in which they could happen.
///
/// # Errors
/// Functions that cannot be evaluated.
pub(crate) fn changes(
    resources: &BTreeMap<String, ResourceRecord>,
    target: &Prepared,
    changed_parameters: &BTreeSet<String>,
    types: &Types,
) -> Result<Vec<ResourceChange>, TemplateError> {
    let mut out = Vec::new();
    let mut fresh = BTreeSet::new();
    for id in ordered(&target.dependencies) {
        let Some(declared) = target.template.resources.get(&id) else { continue };
        let change = {
            let anything = Anything { active: &target.active, exports: &target.exports };
            let world = Preview { resources, fresh: &fresh, anything };
            let after = target.evaluator(&world).properties(&declared.properties)?;
            let case = Case { id: &id, declared, after, target, fresh: &fresh, changed_parameters, types };
            case.change(resources.get(&id))
        };
        let Some(change) = change else { continue };
        if change.action == Action::Add || change.replacement.as_deref() == Some("True") {
            fresh.insert(id);
        }
        out.push(change);
    }
    for (id, record) in resources.iter().rev() {
        let Some(current) = record.current.as_ref().filter(|_| !target.active.contains(id)) else { continue };
        let before = json!({ "Properties": current.properties });
        out.push(ResourceChange {
            action: Action::Remove,
            logical_resource_id: id.clone(),
            physical_resource_id: Some(current.physical_id.clone()),
            resource_type: current.type_name.clone(),
            policy_action: Some(
                if current.deletion_policy == DeletionPolicy::Delete { "Delete" } else { "Retain" }.into(),
            ),
            replacement: None,
            scope: Vec::new(),
            details: Vec::new(),
            before_context: Some(target.shown(&before).to_string()),
            after_context: None,
        });
    }
    Ok(out)
}

/// The names so that each comes after what it waits for. There is no cycle: the template was checked.
fn ordered(dependencies: &graph::Dependencies) -> Vec<String> {
    let mut done = BTreeSet::new();
    let mut out = Vec::new();
    while out.len() < dependencies.len() {
        let before = out.len();
        for (id, waits) in dependencies {
            if !done.contains(id) && waits.iter().all(|id| done.contains(id)) {
                done.insert(id.clone());
                out.push(id.clone());
            }
        }
        if out.len() == before {
            break;
        }
    }
    out
}

/// One resource of the target.
struct Case<'a> {
    id: &'a str,
    declared: &'a ResourceDeclaration,
    after: Map<String, Value>,
    target: &'a Prepared,
    fresh: &'a BTreeSet<String>,
    changed_parameters: &'a BTreeSet<String>,
    types: &'a Types,
}

impl Case<'_> {
    fn change(&self, record: Option<&ResourceRecord>) -> Option<ResourceChange> {
        let after = self.target.shown(&json!({ "Properties": self.after })).to_string();
        let mut change = ResourceChange {
            action: Action::Add,
            logical_resource_id: self.id.to_owned(),
            physical_resource_id: None,
            resource_type: self.declared.type_name.clone(),
            policy_action: None,
            replacement: None,
            scope: Vec::new(),
            details: Vec::new(),
            before_context: None,
            after_context: Some(after),
        };
        let Some(current) = record.and_then(|record| record.current.as_ref()) else { return Some(change) };
        let changed = changed_properties(&current.properties, &self.after);
        let retyped = current.type_name != self.declared.type_name;
        let metadata = current.metadata != self.declared.metadata;
        let policy = current.deletion_policy != self.declared.deletion_policy;
        if changed.is_empty() && !retyped && !metadata && !policy {
            return None;
        }
        let mut certain = retyped;
        let mut possible = retyped;
        for name in &changed {
            let detail = self.detail(name, &current.properties);
            certain |= detail.target.requires_recreation == "Always" && detail.evaluation == "Static";
            possible |= detail.target.requires_recreation != "Never";
            change.details.push(detail);
        }
        if !changed.is_empty() || retyped {
            change.scope.push("Properties".to_owned());
        }
        for (attribute, differs) in [("Metadata", metadata), ("DeletionPolicy", policy)] {
            if differs {
                change.scope.push(attribute.to_owned());
                change.details.push(attribute_detail(attribute));
            }
        }
        let retained = current.update_replace_policy != DeletionPolicy::Delete;
        change.action = Action::Modify;
        change.physical_resource_id = Some(current.physical_id.clone());
        change.policy_action =
            certain.then(|| if retained { "ReplaceAndRetain" } else { "ReplaceAndDelete" }.to_owned());
        change.replacement = Some(
            if certain {
                "True"
            } else if possible {
                "Conditional"
            } else {
                "False"
            }
            .to_owned(),
        );
        change.before_context = Some(self.target.shown(&json!({ "Properties": current.properties })).to_string());
        Some(change)
    }

    fn detail(&self, name: &str, before: &Map<String, Value>) -> ChangeDetail {
        let (old, new) = (before.get(name), self.after.get(name));
        let text = |value: &Value| {
            let value = self.target.shown(value);
            scalar_text(&value).unwrap_or_else(|| value.to_string())
        };
        let unknown = new.is_some_and(|value| value.to_string().contains(KNOWN_AFTER_APPLY));
        let replaces = self.types.replaces(&self.declared.type_name, &[name.to_owned()]);
        let (change_source, causing_entity) = self.cause(name);
        ChangeDetail {
            target: ChangeTarget {
                attribute: "Properties".to_owned(),
                name: Some(name.to_owned()),
                path: format!("/Properties/{name}"),
                requires_recreation: if replaces { "Always" } else { "Never" }.to_owned(),
                before_value: old.map(text),
                after_value: new.map(text),
                attribute_change_type: match (old, new) {
                    (None, _) => "Add",
                    (_, None) => "Remove",
                    _ => "Modify",
                }
                .to_owned(),
            },
            evaluation: if unknown { "Dynamic" } else { "Static" }.to_owned(),
            change_source: change_source.to_owned(),
            causing_entity,
        }
    }

    /// Why a property changes: a parameter or resource that it refers to, else the template itself.
    fn cause(&self, name: &str) -> (&'static str, Option<String>) {
        let mut cause = ("DirectModification", None);
        if let Some(value) = self.declared.properties.get(name) {
            // The template has been evaluated, so its functions can be read.
            let _ = visit(value, &mut |reference| {
                match reference {
                    Reference::Name(name) if self.changed_parameters.contains(name) => {
                        cause = ("ParameterReference", Some(name.to_owned()));
                    }
                    Reference::Name(name) if self.fresh.contains(name) => {
                        cause = ("ResourceReference", Some(name.to_owned()));
                    }
                    Reference::Attribute { resource, attribute } if self.fresh.contains(resource) => {
                        cause = ("ResourceAttribute", Some(format!("{resource}.{}", attribute.unwrap_or_default())));
                    }
                    _ => {}
                }
                Ok(())
            });
        }
        cause
    }
}

fn attribute_detail(attribute: &str) -> ChangeDetail {
    ChangeDetail {
        target: ChangeTarget {
            attribute: attribute.to_owned(),
            name: None,
            path: format!("/{attribute}"),
            requires_recreation: "Never".to_owned(),
            before_value: None,
            after_value: None,
            attribute_change_type: "Modify".to_owned(),
        },
        evaluation: "Static".to_owned(),
        change_source: "DirectModification".to_owned(),
        causing_entity: None,
    }
}
