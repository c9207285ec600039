//! From a template's text and the caller's parameters to everything that is known before a resource is made.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::error::Error;
use crate::limits::PROPERTIES_BYTES_MAX;
use crate::model::{BoundParameter, Settings, StackRecord, TemplateRecord};
use crate::sam;
use crate::template::{
    self, Aliases, Evaluator, GivenParameter, LANGUAGE_EXTENSIONS, ParameterDeclaration, Pseudo, Template,
    TemplateError, World, graph,
};
use crate::types::Types;
use crate::world::Anything;

/// A template's text, read but not yet transformed.
pub(crate) struct Text {
    pub(crate) original: String,
    pub(crate) document: Value,
    pub(crate) transforms: Vec<String>,
    pub(crate) parameters: BTreeMap<String, ParameterDeclaration>,
}

/// A template with its parameters, ready to be deployed.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) template: Template,
    /// What `Ref` gives for each parameter.
    pub(crate) values: BTreeMap<String, Value>,
    pub(crate) conditions: BTreeMap<String, bool>,
    /// The resources whose conditions are true.
    pub(crate) active: BTreeSet<String>,
    /// What each active resource waits for.
    pub(crate) dependencies: graph::Dependencies,
    pub(crate) pseudo: Pseudo,
    /// What other stacks offer.
    pub(crate) exports: BTreeMap<String, String>,
    /// Values that are never shown.
    pub(crate) hidden: Vec<String>,
}

/// Reads a template's text up to what its transforms will change.
pub(crate) fn read(original: String) -> Result<Text, TemplateError> {
    let document = template::parse(&original, Aliases::Refused)?;
    let empty = Map::new();
    let root = document.as_object().unwrap_or(&empty);
    let transforms = template::transforms(root)?;
    if let Some(unknown) = transforms.iter().find(|name| *name != sam::TRANSFORM && *name != LANGUAGE_EXTENSIONS) {
        return Err(TemplateError(format!("No transform named {unknown} found.")));
    }
    let parameters = match root.get("Parameters") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(Value::Object(section)) => template::declarations(section)?,
        Some(_) => return Err(TemplateError::format("Parameters section must be an object.")),
    };
    if transforms.is_empty() {
        // Whatever is wrong with its shape is said before its parameters are asked for.
        Template::read(&document)?.check_references()?;
    }
    Ok(Text { original, document, transforms, parameters })
}

impl Text {
    /// Decides the value of every parameter; those of SSM kinds are still to be looked up.
    pub(crate) fn bind(
        &self,
        given: &[GivenParameter],
        previous: &[BoundParameter],
    ) -> Result<Vec<BoundParameter>, TemplateError> {
        let previous = previous.iter().map(|one| (one.key.clone(), one.value.clone())).collect();
        let bound = template::bind(&self.parameters, given, &previous)?;
        let no_echo = |key: &str| self.parameters.get(key).is_some_and(|declared| declared.no_echo);
        Ok(bound
            .into_iter()
            .map(|(key, value)| BoundParameter { no_echo: no_echo(&key), key, value, resolved: None })
            .collect())
    }

    /// Does the transforms.
    pub(crate) fn transformed(self, parameters: &[BoundParameter]) -> Result<TemplateRecord, TemplateError> {
        let mut processed = if self.transforms.iter().any(|name| name == sam::TRANSFORM) {
            sam::transform(&self.document, &values(&self.parameters, parameters))?
        } else {
            self.document
        };
        // What remains to be said of transforms is whether the functions of the language extensions may be used.
        if let Value::Object(root) = &mut processed {
            root.remove("Transform");
            if self.transforms.iter().any(|name| name == LANGUAGE_EXTENSIONS) {
                root.insert("Transform".to_owned(), LANGUAGE_EXTENSIONS.into());
            }
        }
        Ok(TemplateRecord { original: self.original, processed, transforms: self.transforms })
    }
}

/// What `Ref` gives for each parameter.
fn values(declared: &BTreeMap<String, ParameterDeclaration>, bound: &[BoundParameter]) -> BTreeMap<String, Value> {
    bound
        .iter()
        .filter_map(|one| {
            let kind = declared.get(&one.key)?.kind;
            let text = one.resolved.as_ref().unwrap_or(&one.value);
            Some((one.key.clone(), template::reference_value(kind, text)))
        })
        .collect()
}

/// The pseudo parameters of a stack with these settings.
pub(crate) fn pseudo(stack: &StackRecord, settings: &Settings) -> Pseudo {
    Pseudo {
        account: stack.account.to_string(),
        region: stack.region.as_str().to_owned(),
        stack_id: stack.id.clone(),
        stack_name: stack.name.clone(),
        notification_arns: settings.notification_arns.clone(),
    }
}

impl Prepared {
    /// Everything that follows from a processed template and its parameters.
    pub(crate) fn new(
        record: &TemplateRecord,
        parameters: &[BoundParameter],
        pseudo: Pseudo,
        exports: BTreeMap<String, String>,
    ) -> Result<Prepared, TemplateError> {
        let template = Template::read(&record.processed)?;
        template.check_references()?;
        let values = values(&template.parameters, parameters);
        let conditions = template::conditions(&template, &values, &pseudo)?;
        let holds = |name: &Option<String>| name.as_ref().is_none_or(|name| conditions.get(name) == Some(&true));
        let active: BTreeSet<String> = template
            .resources
            .iter()
            .filter(|(_, resource)| holds(&resource.condition))
            .map(|(id, _)| id.clone())
            .collect();
        let mut dependencies = template.dependencies()?;
        dependencies.retain(|id, _| active.contains(id));
        dependencies.values_mut().for_each(|before| before.retain(|id| active.contains(id)));
        let hidden = parameters.iter().filter(|one| one.no_echo && !one.value.is_empty());
        let hidden = hidden.map(|one| one.value.clone()).collect();
        Ok(Prepared { values, conditions, active, dependencies, pseudo, exports, hidden, template })
    }

    /// Refuses what could only fail later: unknown types and properties, violated rules, functions that cannot be evaluated.
    pub(crate) fn check(&self, types: &Types) -> Result<(), Error> {
        types.check(&self.template)?;
        template::check_rules(&self.template, &self.values, &self.conditions, &self.pseudo)?;
        let anything = Anything { active: &self.active, exports: &self.exports };
        let evaluator = self.evaluator(&anything);
        let mut bytes: usize = 0;
        for id in &self.active {
            let Some(resource) = self.template.resources.get(id) else { continue };
            let properties = evaluator.properties(&resource.properties)?;
            bytes = bytes.saturating_add(serde_json::to_vec(&properties).map_or(usize::MAX, |text| text.len()));
            if bytes > PROPERTIES_BYTES_MAX {
                let limit = format!("the properties of all resources take more than {PROPERTIES_BYTES_MAX} bytes");
                return Err(TemplateError::function(limit).into());
            }
        }
        for (_, output) in self.outputs() {
            let in_outputs = |error: TemplateError| TemplateError(error.0.replace("Resources block", "Outputs block"));
            evaluator.evaluate(&output.value).map_err(in_outputs)?;
            if let Some(export) = &output.export {
                evaluator.evaluate(export).map_err(in_outputs)?;
            }
        }
        Ok(())
    }

    /// The outputs whose conditions are true.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = (&String, &template::OutputDeclaration)> {
        self.template
            .outputs
            .iter()
            .filter(|(_, output)| output.condition.as_ref().is_none_or(|name| self.conditions.get(name) == Some(&true)))
    }

    /// An evaluator of this template in a world.
    pub(crate) fn evaluator<'a>(&'a self, world: &'a dyn World) -> Evaluator<'a> {
        Evaluator {
            mappings: &self.template.mappings,
            parameters: &self.values,
            conditions: &self.conditions,
            pseudo: &self.pseudo,
            world,
        }
    }

    /// A value without the values that are never shown.
    pub(crate) fn shown(&self, value: &Value) -> Value {
        match value {
            _ if self.hidden.is_empty() => value.clone(),
            Value::String(text) => {
                let masked =
                    self.hidden.iter().fold(text.clone(), |text, hidden| text.replace(hidden.as_str(), "****"));
                Value::String(masked)
            }
            Value::Number(number) if self.hidden.contains(&number.to_string()) => "****".into(),
            Value::Array(items) => items.iter().map(|item| self.shown(item)).collect(),
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), self.shown(value))).collect(),
            other => other.clone(),
        }
    }
}
