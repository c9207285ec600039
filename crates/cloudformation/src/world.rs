//! What the functions of a template see of the stack: before anything is made, in a preview, and while it is deployed.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use serde_json::Value;

use crate::model::{Instance, ResourceRecord};
use crate::template::{KNOWN_AFTER_APPLY, TemplateError, World};

fn no_attribute(logical_id: &str, attribute: &str) -> TemplateError {
    TemplateError::function(format!("resource {logical_id} does not support attribute type {attribute} in Fn::GetAtt"))
}

/// An attribute of a thing that exists: by its whole name, or by its parts where it lies inside another.
fn attribute_of(instance: &Instance, logical_id: &str, attribute: &str) -> Result<Value, TemplateError> {
    if let Some(value) = instance.attributes.get(attribute) {
        return Ok(value.clone());
    }
    let mut parts = attribute.split('.');
    let first = parts.next().and_then(|name| instance.attributes.get(name));
    let found = parts.try_fold(first, |value, name| value.map(|value| value.get(name)));
    found.flatten().cloned().ok_or_else(|| no_attribute(logical_id, attribute))
}

/// Every active resource is there, and nothing is known of it.
pub(crate) struct Anything<'a> {
    pub(crate) active: &'a BTreeSet<String>,
    pub(crate) exports: &'a BTreeMap<String, String>,
}

impl World for Anything<'_> {
    fn physical_id(&self, logical_id: &str) -> Option<Value> {
        self.active.contains(logical_id).then(|| KNOWN_AFTER_APPLY.into())
    }

    fn attribute(&self, logical_id: &str, _attribute: &str) -> Result<Value, TemplateError> {
        self.physical_id(logical_id).ok_or_else(|| unresolved(logical_id))
    }

    fn import(&self, name: &str) -> Option<String> {
        self.exports.get(name).cloned()
    }
}

fn unresolved(logical_id: &str) -> TemplateError {
    TemplateError::format(format!(
        "Unresolved resource dependencies [{logical_id}] in the Resources block of the template"
    ))
}

/// The stack as it is; what will be made anew is not known yet.
pub(crate) struct Preview<'a> {
    pub(crate) resources: &'a BTreeMap<String, ResourceRecord>,
    pub(crate) fresh: &'a BTreeSet<String>,
    pub(crate) anything: Anything<'a>,
}

impl World for Preview<'_> {
    fn physical_id(&self, logical_id: &str) -> Option<Value> {
        let unknown = self.anything.physical_id(logical_id)?;
        let current = self.resources.get(logical_id).and_then(|record| record.current.as_ref());
        match current {
            Some(instance) if !self.fresh.contains(logical_id) => Some(instance.physical_id.as_str().into()),
            _ => Some(unknown),
        }
    }

    fn attribute(&self, logical_id: &str, attribute: &str) -> Result<Value, TemplateError> {
        let unknown = self.anything.attribute(logical_id, attribute)?;
        let current = self.resources.get(logical_id).and_then(|record| record.current.as_ref());
        match current {
            Some(instance) if !self.fresh.contains(logical_id) => {
                Ok(attribute_of(instance, logical_id, attribute).unwrap_or(unknown))
            }
            _ => Ok(unknown),
        }
    }

    fn import(&self, name: &str) -> Option<String> {
        self.anything.import(name)
    }
}

/// The stack while it is deployed.
pub(crate) struct Live<'a> {
    pub(crate) resources: &'a BTreeMap<String, ResourceRecord>,
    pub(crate) active: &'a BTreeSet<String>,
    pub(crate) exports: &'a BTreeMap<String, String>,
    /// The names that were imported.
    pub(crate) imported: Mutex<BTreeSet<String>>,
}

impl Live<'_> {
    fn current(&self, logical_id: &str) -> Option<&Instance> {
        let record = self.resources.get(logical_id).filter(|_| self.active.contains(logical_id))?;
        record.current.as_ref()
    }
}

impl World for Live<'_> {
    fn physical_id(&self, logical_id: &str) -> Option<Value> {
        self.current(logical_id).map(|instance| instance.physical_id.as_str().into())
    }

    fn attribute(&self, logical_id: &str, attribute: &str) -> Result<Value, TemplateError> {
        let instance = self.current(logical_id).ok_or_else(|| unresolved(logical_id))?;
        attribute_of(instance, logical_id, attribute)
    }

    fn import(&self, name: &str) -> Option<String> {
        self.imported.lock().insert(name.to_owned());
        self.exports.get(name).cloned()
    }
}
