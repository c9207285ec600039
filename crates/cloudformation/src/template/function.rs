//! The functions of a template, evaluated.
//!
//! AWS: *CloudFormation User Guide*, "Intrinsic function reference", "Pseudo parameters reference".

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::cidr;
use super::error::TemplateError;
use super::parameter::scalar_text;
use super::substitution::{Piece, pieces};
use crate::limits::TEXT_BYTES_MAX;

/// The pseudo parameters of a stack.
#[derive(Clone, Debug)]
pub struct Pseudo {
    /// `AWS::AccountId`.
    pub account: String,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::StackId`.
    pub stack_id: String,
    /// `AWS::StackName`.
    pub stack_name: String,
    /// `AWS::NotificationARNs`.
    pub notification_arns: Vec<String>,
}

/// The names of all pseudo parameters.
pub const PSEUDO_PARAMETERS: &[&str] = &[
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// The functions that may stand in properties and outputs, for the message that refuses any other.
pub(super) const SUPPORTED: &str = "Fn::Base64, Fn::Cidr, Fn::FindInMap, Fn::GetAZs, Fn::GetAtt, Fn::If, Fn::ImportValue, Fn::Join, \
     Fn::Length, Fn::Select, Fn::Split, Fn::Sub, Fn::ToJsonString, Ref, Condition, Fn::And, Fn::Equals, Fn::Not, Fn::Or";

/// What stands for a value that only the deployment will tell.
pub const KNOWN_AFTER_APPLY: &str = "{{changeSet:KNOWN_AFTER_APPLY}}";

/// What the functions ask of the stack and its surroundings.
pub trait World {
    /// What `Ref` gives for a resource of the template; `None` if it does not exist (its condition is false).
    fn physical_id(&self, logical_id: &str) -> Option<Value>;
    /// What `Fn::GetAtt` gives.
    ///
    /// # Errors
    /// If the resource does not exist or has no such attribute.
    fn attribute(&self, logical_id: &str, attribute: &str) -> Result<Value, TemplateError>;
    /// The value that another stack exports under this name.
    fn import(&self, name: &str) -> Option<String>;
}

/// A world without resources: conditions and rules may not refer to any.
#[derive(Clone, Copy, Debug)]
pub struct NoResources;

impl World for NoResources {
    fn physical_id(&self, _logical_id: &str) -> Option<Value> {
        None
    }

    fn attribute(&self, logical_id: &str, _attribute: &str) -> Result<Value, TemplateError> {
        Err(TemplateError::function(format!("instance of Fn::GetAtt references undefined resource {logical_id}")))
    }

    fn import(&self, _name: &str) -> Option<String> {
        None
    }
}

/// Everything a value may depend on.
pub struct Evaluator<'a> {
    /// `Mappings`.
    pub mappings: &'a Map<String, Value>,
    /// What `Ref` gives for each parameter.
    pub parameters: &'a BTreeMap<String, Value>,
    /// Each condition's value.
    pub conditions: &'a BTreeMap<String, bool>,
    /// The pseudo parameters.
    pub pseudo: &'a Pseudo,
    /// The resources and the exports of others.
    pub world: &'a dyn World,
}

/// A value, or nothing where `AWS::NoValue` took it away.
type Evaluated = Result<Option<Value>, TemplateError>;

/// The one entry of a map that is a function call.
pub(crate) fn call(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = map.iter();
    match (entries.next(), entries.next()) {
        (Some((name, argument)), None) if name == "Ref" || name.starts_with("Fn::") => Some((name, argument)),
        _ => None,
    }
}

/// The zones that `Fn::GetAZs` names: three of every region.
fn zones(region: &str) -> Value {
    ["a", "b", "c"].iter().map(|zone| Value::from(format!("{region}{zone}"))).collect()
}

fn wrong(message: &str) -> TemplateError {
    TemplateError::function(message)
}

impl Evaluator<'_> {
    /// The value with every function replaced by what it gives; `None` if it is `AWS::NoValue`.
    ///
    /// # Errors
    /// A function that is not used as it must be or asks for something that does not exist.
    pub fn evaluate(&self, value: &Value) -> Evaluated {
        match value {
            Value::Object(map) => match call(map) {
                Some((name, argument)) => self.function(name, argument),
                None => self.properties(map).map(|map| Some(Value::Object(map))),
            },
            Value::Array(items) => {
                let items: Result<Vec<Option<Value>>, _> = items.iter().map(|item| self.evaluate(item)).collect();
                Ok(Some(Value::Array(items?.into_iter().flatten().collect())))
            }
            scalar => Ok(Some(scalar.clone())),
        }
    }

    /// A map of properties, those with no value left out.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn properties(&self, map: &Map<String, Value>) -> Result<Map<String, Value>, TemplateError> {
        let mut out = Map::new();
        for (key, value) in map {
            if let Some(value) = self.evaluate(value)? {
                out.insert(key.clone(), value);
            }
        }
        Ok(out)
    }

    fn function(&self, name: &str, argument: &Value) -> Evaluated {
        match name {
            "Ref" => self.reference(argument),
            "Fn::GetAtt" => self.get_att(argument).map(Some),
            "Fn::Sub" => self.sub(argument).map(Some),
            "Fn::Join" => self.join(argument).map(Some),
            "Fn::Select" => self.select(argument).map(Some),
            "Fn::Split" => self.split(argument).map(Some),
            "Fn::FindInMap" => self.find_in_map(argument),
            "Fn::If" => self.choose(argument),
            "Fn::Base64" => self.base64(argument).map(Some),
            "Fn::GetAZs" => self.get_azs(argument).map(Some),
            "Fn::ImportValue" => self.import_value(argument).map(Some),
            "Fn::Cidr" => self.cidr(argument).map(Some),
            "Fn::Length" => self.length(argument).map(Some),
            "Fn::ToJsonString" => self.to_json_string(argument).map(Some),
            "Fn::And" | "Fn::Or" | "Fn::Not" | "Fn::Equals" => Ok(Some(Value::Bool(self.test(name, argument)?))),
            other => Err(unsupported(other)),
        }
    }

    fn reference(&self, argument: &Value) -> Evaluated {
        let Some(name) = argument.as_str() else {
            return Err(wrong("every Ref object must have a single String value."));
        };
        if name == "AWS::NoValue" { Ok(None) } else { self.named(name).map(Some) }
    }

    /// A pseudo parameter, a parameter or a resource.
    fn named(&self, name: &str) -> Result<Value, TemplateError> {
        if let Some(value) = self.pseudo_parameter(name) {
            return Ok(value);
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        self.world.physical_id(name).ok_or_else(|| {
            TemplateError::format(format!(
                "Unresolved resource dependencies [{name}] in the Resources block of the template"
            ))
        })
    }

    fn pseudo_parameter(&self, name: &str) -> Option<Value> {
        let pseudo = self.pseudo;
        Some(match name {
            "AWS::AccountId" => Value::from(pseudo.account.as_str()),
            "AWS::Region" => Value::from(pseudo.region.as_str()),
            "AWS::Partition" => Value::from(cauce_core::Partition::NAME),
            "AWS::URLSuffix" => Value::from(cauce_core::Partition::URL_SUFFIX),
            "AWS::StackId" => Value::from(pseudo.stack_id.as_str()),
            "AWS::StackName" => Value::from(pseudo.stack_name.as_str()),
            "AWS::NotificationARNs" => pseudo.notification_arns.iter().map(String::as_str).collect(),
            _ => return None,
        })
    }

    fn get_att(&self, argument: &Value) -> Result<Value, TemplateError> {
        let malformed = || {
            wrong(
                "every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute",
            )
        };
        let (resource, attribute) = match argument {
            Value::String(text) => {
                let (resource, attribute) = text.split_once('.').ok_or_else(malformed)?;
                (resource.to_owned(), attribute.to_owned())
            }
            Value::Array(parts) => {
                let [resource, attribute] = parts.as_slice() else { return Err(malformed()) };
                let resource = resource.as_str().ok_or_else(malformed)?;
                (resource.to_owned(), self.text(attribute)?.ok_or_else(malformed)?)
            }
            _ => return Err(malformed()),
        };
        self.world.attribute(&resource, &attribute)
    }

    fn sub(&self, argument: &Value) -> Result<Value, TemplateError> {
        let empty = Map::new();
        let (text, variables) = match argument {
            Value::String(text) => (text.as_str(), &empty),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(text), Value::Object(variables)] => (text.as_str(), variables),
                _ => return Err(super::substitution::malformed()),
            },
            _ => return Err(super::substitution::malformed()),
        };
        let mut out = String::new();
        for piece in pieces(text)? {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Variable(name) => {
                    let value = match variables.get(name) {
                        Some(value) => self.evaluate(value)?,
                        None => Some(match name.split_once('.') {
                            Some((resource, attribute)) => self.world.attribute(resource, attribute)?,
                            None if name == "AWS::NoValue" => Value::from(""),
                            None => self.named(name)?,
                        }),
                    };
                    // A list stands in a text as its elements separated by commas.
                    match value {
                        None => {}
                        Some(Value::Array(items)) => {
                            let items: Vec<String> = items.iter().filter_map(scalar_text).collect();
                            out.push_str(&items.join(","));
                        }
                        Some(value) => out.push_str(
                            &scalar_text(&value)
                                .ok_or_else(|| wrong(&format!("Fn::Sub expects a text for ${{{name}}}, not a map")))?,
                        ),
                    }
                }
            }
            within(out.len())?;
        }
        Ok(out.into())
    }

    fn join(&self, argument: &Value) -> Result<Value, TemplateError> {
        let malformed = || {
            wrong(
                "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined \
                 or a function that returns a list of strings (such as Fn::GetAZs) to be joined.",
            )
        };
        let Value::Array(parts) = argument else { return Err(malformed()) };
        let [Value::String(delimiter), list] = parts.as_slice() else { return Err(malformed()) };
        let items = match self.evaluate(list)? {
            Some(Value::Array(items)) => items,
            Some(unknown) if is_unknown(&unknown) => return Ok(unknown),
            _ => return Err(malformed()),
        };
        let mut out = String::new();
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push_str(delimiter);
            }
            out.push_str(&scalar_text(item).ok_or_else(malformed)?);
            within(out.len())?;
        }
        Ok(out.into())
    }

    fn select(&self, argument: &Value) -> Result<Value, TemplateError> {
        let malformed = || wrong("every Fn::Select object requires two parameters, the index and the list of String");
        let Value::Array(parts) = argument else { return Err(malformed()) };
        let [index, list] = parts.as_slice() else { return Err(malformed()) };
        let index = self.text(index)?.ok_or_else(malformed)?;
        let at: usize = index.trim().parse().map_err(|_| malformed())?;
        match self.evaluate(list)? {
            Some(Value::Array(items)) => items
                .get(at)
                .cloned()
                .ok_or_else(|| wrong(&format!("Fn::Select cannot select nonexistent value at index {at}"))),
            // What is known only after the deployment has no parts to choose from yet.
            Some(unknown) if is_unknown(&unknown) => Ok(unknown),
            _ => Err(malformed()),
        }
    }

    fn split(&self, argument: &Value) -> Result<Value, TemplateError> {
        let malformed = || {
            wrong(
                "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a \
                 function that returns a string to be split.",
            )
        };
        let Value::Array(parts) = argument else { return Err(malformed()) };
        let [Value::String(delimiter), source] = parts.as_slice() else { return Err(malformed()) };
        let source = self.text(source)?.ok_or_else(malformed)?;
        if delimiter.is_empty() {
            return Err(malformed());
        }
        if source.contains(KNOWN_AFTER_APPLY) {
            return Ok(KNOWN_AFTER_APPLY.into());
        }
        Ok(source.split(delimiter.as_str()).map(Value::from).collect())
    }

    fn find_in_map(&self, argument: &Value) -> Evaluated {
        let malformed = || {
            wrong(
                "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value",
            )
        };
        let Value::Array(parts) = argument else { return Err(malformed()) };
        let (names, default) = match parts.as_slice() {
            [map, key, attribute] => ([map, key, attribute], None),
            [map, key, attribute, Value::Object(options)] => ([map, key, attribute], options.get("DefaultValue")),
            _ => return Err(malformed()),
        };
        let mut found = Some(self.mappings);
        let mut path = Vec::new();
        let mut last = None;
        for name in names {
            let name = self.text(name)?.ok_or_else(malformed)?;
            let value = found.and_then(|map| map.get(&name));
            if path.is_empty() && value.is_none() && default.is_none() {
                let missing = format!("Mapping named '{name}' is not present in the 'Mappings' section of template.");
                return Err(wrong(&missing));
            }
            found = value.and_then(Value::as_object);
            last = value;
            path.push(name);
        }
        match (last, default) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, Some(default)) => self.evaluate(default),
            (None, None) => Err(wrong(&format!("Unable to get mapping for {}", path.join("::")))),
        }
    }

    fn choose(&self, argument: &Value) -> Evaluated {
        let malformed = || wrong("Fn::If requires a list argument with three elements: a condition and two values");
        let Value::Array(parts) = argument else { return Err(malformed()) };
        let [Value::String(condition), yes, no] = parts.as_slice() else { return Err(malformed()) };
        self.evaluate(if self.condition(condition)? { yes } else { no })
    }

    fn condition(&self, name: &str) -> Result<bool, TemplateError> {
        self.conditions.get(name).copied().ok_or_else(|| unresolved_condition(name))
    }

    /// A condition function, or what stands in one: `{"Condition": "Name"}`.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn truth(&self, value: &Value) -> Result<bool, TemplateError> {
        let malformed = || wrong("every condition must be one of Condition, Fn::And, Fn::Equals, Fn::Not or Fn::Or");
        match value {
            Value::Object(map) => {
                let mut entries = map.iter();
                let (Some((name, argument)), None) = (entries.next(), entries.next()) else { return Err(malformed()) };
                match (name.as_str(), argument) {
                    ("Condition", Value::String(name)) => self.condition(name),
                    ("Fn::And" | "Fn::Or" | "Fn::Not" | "Fn::Equals", _) => self.test(name, argument),
                    ("Fn::Contains" | "Fn::EachMemberEquals" | "Fn::EachMemberIn", _) => {
                        self.member_test(name, argument)
                    }
                    _ => Err(malformed()),
                }
            }
            _ => Err(malformed()),
        }
    }

    fn test(&self, name: &str, argument: &Value) -> Result<bool, TemplateError> {
        let Value::Array(parts) = argument else { return Err(wrong_operands(name)) };
        match (name, parts.as_slice()) {
            ("Fn::Equals", [left, right]) => Ok(same(self.evaluate(left)?.as_ref(), self.evaluate(right)?.as_ref())),
            ("Fn::Not", [one]) => Ok(!self.truth(one)?),
            ("Fn::And", many) if (2..=10).contains(&many.len()) => {
                many.iter().try_fold(true, |all, one| Ok(self.truth(one)? && all))
            }
            ("Fn::Or", many) if (2..=10).contains(&many.len()) => {
                many.iter().try_fold(false, |any, one| Ok(self.truth(one)? || any))
            }
            _ => Err(wrong_operands(name)),
        }
    }

    /// The functions that only `Rules` know.
    fn member_test(&self, name: &str, argument: &Value) -> Result<bool, TemplateError> {
        let malformed =
            || wrong(&format!("every {name} object requires two parameters, a list and what its members are to be"));
        let Value::Array(parts) = argument else { return Err(malformed()) };
        let [list, other] = parts.as_slice() else { return Err(malformed()) };
        let (list, other) = (self.evaluate(list)?, self.evaluate(other)?);
        let Some(Value::Array(list)) = list else { return Err(malformed()) };
        let contains = |list: &[Value], value: &Value| list.iter().any(|member| same(Some(member), Some(value)));
        match (name, other) {
            ("Fn::Contains", Some(value)) => Ok(contains(&list, &value)),
            ("Fn::EachMemberEquals", Some(value)) => Ok(list.iter().all(|member| same(Some(member), Some(&value)))),
            ("Fn::EachMemberIn", Some(Value::Array(other))) => Ok(list.iter().all(|member| contains(&other, member))),
            _ => Err(malformed()),
        }
    }

    fn base64(&self, argument: &Value) -> Result<Value, TemplateError> {
        let text =
            self.text(argument)?.ok_or_else(|| wrong("every Fn::Base64 object must have a String-typed value."))?;
        Ok(STANDARD.encode(text).into())
    }

    fn get_azs(&self, argument: &Value) -> Result<Value, TemplateError> {
        let region =
            self.text(argument)?.ok_or_else(|| wrong("every Fn::GetAZs object must have a String-typed value."))?;
        Ok(zones(if region.is_empty() { &self.pseudo.region } else { &region }))
    }

    fn import_value(&self, argument: &Value) -> Result<Value, TemplateError> {
        let malformed =
            || wrong("the attribute in Fn::ImportValue must be a string or a function that returns a string");
        let name = self.text(argument)?.ok_or_else(malformed)?;
        if name.contains(KNOWN_AFTER_APPLY) {
            return Ok(KNOWN_AFTER_APPLY.into());
        }
        let value = self.world.import(&name).ok_or_else(|| TemplateError(format!("No export named {name} found")))?;
        Ok(value.into())
    }

    fn cidr(&self, argument: &Value) -> Result<Value, TemplateError> {
        let malformed = || wrong("every Fn::Cidr object requires two or three parameters, ipBlock, count and cidrBits");
        let Value::Array(parts) = argument else { return Err(malformed()) };
        let mut texts = Vec::new();
        for part in parts {
            texts.push(self.text(part)?.ok_or_else(malformed)?);
        }
        if texts.iter().any(|text| text.contains(KNOWN_AFTER_APPLY)) {
            return Ok(KNOWN_AFTER_APPLY.into());
        }
        match texts.as_slice() {
            [block, count] => cidr::blocks(block, count, None),
            [block, count, bits] => cidr::blocks(block, count, Some(bits)),
            _ => Err(malformed()),
        }
    }

    fn length(&self, argument: &Value) -> Result<Value, TemplateError> {
        match self.evaluate(argument)? {
            Some(Value::Array(items)) => Ok(items.len().into()),
            Some(unknown) if is_unknown(&unknown) => Ok(unknown),
            _ => Err(wrong("every Fn::Length object requires a list")),
        }
    }

    fn to_json_string(&self, argument: &Value) -> Result<Value, TemplateError> {
        let value = self.evaluate(argument)?.filter(|value| value.is_array() || value.is_object());
        let value = value.ok_or_else(|| wrong("every Fn::ToJsonString object requires a map or a list"))?;
        Ok(value.to_string().into())
    }

    /// The text that a value gives; `None` if it is a map, a list or nothing.
    fn text(&self, value: &Value) -> Result<Option<String>, TemplateError> {
        Ok(self.evaluate(value)?.as_ref().and_then(scalar_text))
    }
}

fn is_unknown(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains(KNOWN_AFTER_APPLY))
}

fn within(bytes: usize) -> Result<(), TemplateError> {
    if bytes <= TEXT_BYTES_MAX {
        return Ok(());
    }
    Err(wrong(&format!("a text of more than {TEXT_BYTES_MAX} bytes is built, the limit is {TEXT_BYTES_MAX}")))
}

/// The refusal of a function that does not exist.
pub(crate) fn unsupported(name: &str) -> TemplateError {
    wrong(&format!("Encountered unsupported function: {name} Supported functions are: [{SUPPORTED}]"))
}

pub(crate) fn unresolved_condition(name: &str) -> TemplateError {
    TemplateError::format(format!("Unresolved condition dependency {name} in the Resources block of the template"))
}

fn wrong_operands(name: &str) -> TemplateError {
    wrong(&match name {
        "Fn::Equals" => "every Fn::Equals object requires a list of 2 string parameters.".to_owned(),
        "Fn::Not" => "every Fn::Not object requires one boolean parameter.".to_owned(),
        other => format!("every {other} object requires a list of at least 2 and at most 10 boolean parameters."),
    })
}

/// Equality as conditions see it: scalars by their text, since to CloudFormation every scalar is one.
fn same(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(Some(a), Some(b)))
        }
        (Some(a), Some(b)) => match (scalar_text(a), scalar_text(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
        (None, None) => true,
        _ => false,
    }
}
