//! Parameters: what a template declares, what the caller gives, and what comes of both.
//!
//! AWS: *CloudFormation User Guide*, "Parameters section" and "CloudFormation-supplied parameter types".

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::document::number;
use super::error::TemplateError;
use crate::limits::{PARAMETER_VALUE_BYTES_MAX, PARAMETERS_MAX};

/// How the value of a parameter is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// Texts separated by commas.
    List,
    /// Numbers separated by commas.
    NumberList,
    /// The name of an SSM parameter whose value, a text, is meant.
    SsmText,
    /// The name of an SSM parameter whose value, a list separated by commas, is meant.
    SsmList,
}

impl ParameterKind {
    fn of(type_name: &str) -> Option<ParameterKind> {
        if let Some(inner) = type_name.strip_prefix("AWS::SSM::Parameter::Value<").and_then(|t| t.strip_suffix('>')) {
            return match ParameterKind::of(inner)? {
                ParameterKind::List | ParameterKind::NumberList => Some(ParameterKind::SsmList),
                ParameterKind::Text => Some(ParameterKind::SsmText),
                _ => None,
            };
        }
        if let Some(inner) = type_name.strip_prefix("List<").and_then(|t| t.strip_suffix('>')) {
            return match inner {
                "Number" => Some(ParameterKind::NumberList),
                "String" => Some(ParameterKind::List),
                other => other.starts_with("AWS::").then_some(ParameterKind::List),
            };
        }
        match type_name {
            "String" => Some(ParameterKind::Text),
            "Number" => Some(ParameterKind::Number),
            "CommaDelimitedList" => Some(ParameterKind::List),
            other => other.starts_with("AWS::").then_some(ParameterKind::Text),
        }
    }

    /// Whether the value must be looked up under the name that was given.
    pub fn is_ssm(self) -> bool {
        matches!(self, ParameterKind::SsmText | ParameterKind::SsmList)
    }
}

/// A parameter as a template declares it.
#[derive(Clone, Debug)]
pub struct ParameterDeclaration {
    /// As written.
    pub type_name: String,
    /// How to read the value.
    pub kind: ParameterKind,
    /// The value where none is given.
    pub default: Option<String>,
    /// Whether the value is never shown.
    pub no_echo: bool,
    /// What it is for.
    pub description: Option<String>,
    /// What is shown instead of the violated constraint.
    pub constraint_description: Option<String>,
    /// The only values allowed; empty if all are.
    pub allowed_values: Vec<String>,
    /// What the whole value must match.
    pub allowed_pattern: Option<String>,
    /// The least number of characters.
    pub min_length: Option<u64>,
    /// The greatest number of characters.
    pub max_length: Option<u64>,
    /// The least number.
    pub min_value: Option<f64>,
    /// The greatest number.
    pub max_value: Option<f64>,
}

/// What the caller says of one parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenParameter {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: Option<String>,
    /// Whether the value that the stack has shall stay.
    pub use_previous: bool,
}

/// The text of a scalar; `None` for maps, lists and null.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

const ATTRIBUTES: &[&str] = &[
    "Type",
    "Default",
    "NoEcho",
    "Description",
    "ConstraintDescription",
    "AllowedValues",
    "AllowedPattern",
    "MinLength",
    "MaxLength",
    "MinValue",
    "MaxValue",
];

/// Reads the section `Parameters`.
///
/// # Errors
/// A declaration that is no map, has no or an unknown type, or an attribute of a wrong kind.
pub fn declarations(section: &Map<String, Value>) -> Result<BTreeMap<String, ParameterDeclaration>, TemplateError> {
    if section.len() > PARAMETERS_MAX {
        let found = section.len();
        return Err(TemplateError::format(format!(
            "Number of parameters, {found}, is greater than maximum allowed, {PARAMETERS_MAX}"
        )));
    }
    section.iter().map(|(name, value)| Ok((name.clone(), declaration(name, value)?))).collect()
}

fn declaration(name: &str, value: &Value) -> Result<ParameterDeclaration, TemplateError> {
    let Value::Object(map) = value else {
        return Err(TemplateError::format("Every Parameters member must be an object."));
    };
    if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(TemplateError::format(format!("Parameter name {name} is non alphanumeric.")));
    }
    if let Some(unknown) = map.keys().find(|key| !ATTRIBUTES.contains(&key.as_str())) {
        return Err(TemplateError(format!("Invalid template parameter property '{unknown}'")));
    }
    let text = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => scalar_text(value)
            .map(Some)
            .ok_or_else(|| TemplateError::format(format!("Every {key} member must be a string."))),
    };
    let Some(type_name) = text("Type")? else {
        return Err(TemplateError::format("Every Parameters object must contain a Type member."));
    };
    let Some(kind) = ParameterKind::of(&type_name) else {
        return Err(TemplateError::format(format!("Unrecognized parameter type: {type_name}")));
    };
    let allowed_values = match map.get("AllowedValues") {
        None => Vec::new(),
        Some(Value::Array(values)) => values.iter().filter_map(scalar_text).collect(),
        Some(_) => return Err(TemplateError::format("Every AllowedValues member must be a list.")),
    };
    let bound = |key: &str| match text(key)? {
        None => Ok(None),
        Some(value) => value
            .parse::<f64>()
            .ok()
            .filter(|n| n.is_finite())
            .map(Some)
            .ok_or_else(|| TemplateError::format(format!("Every {key} member must be a number."))),
    };
    // A length is a whole number of characters, far below the largest integer that a float holds exactly.
    let length = |key: &str| Ok::<_, TemplateError>(bound(key)?.map(|n| n.max(0.0) as u64));
    Ok(ParameterDeclaration {
        default: match map.get("Default") {
            Some(Value::Array(items)) if matches!(kind, ParameterKind::List | ParameterKind::NumberList) => {
                Some(items.iter().filter_map(scalar_text).collect::<Vec<_>>().join(","))
            }
            Some(Value::Null) => Some(String::new()),
            _ => text("Default")?,
        },
        no_echo: text("NoEcho")?.is_some_and(|flag| flag == "true"),
        description: text("Description")?,
        constraint_description: text("ConstraintDescription")?,
        allowed_values,
        allowed_pattern: text("AllowedPattern")?,
        min_length: length("MinLength")?,
        max_length: length("MaxLength")?,
        min_value: bound("MinValue")?,
        max_value: bound("MaxValue")?,
        type_name,
        kind,
    })
}

/// Decides every declared parameter's value: given, previous or default.
///
/// # Errors
/// Parameters that are not declared, that have no value, or whose value violates a constraint.
pub fn bind(
    declared: &BTreeMap<String, ParameterDeclaration>,
    given: &[GivenParameter],
    previous: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, TemplateError> {
    let unknown: Vec<&str> = given.iter().map(|g| g.key.as_str()).filter(|key| !declared.contains_key(*key)).collect();
    if !unknown.is_empty() {
        return Err(TemplateError(format!("Parameters: [{}] do not exist in the template", unknown.join(", "))));
    }
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, declaration) in declared {
        let said = given.iter().find(|g| g.key == *name);
        if said.is_some_and(|g| g.use_previous && g.value.is_some()) {
            return Err(TemplateError(format!(
                "Invalid input for parameter key {name}. Cannot specify usePreviousValue as true and non empty value for a \
                 parameter"
            )));
        }
        let value = match said {
            Some(g) if g.use_previous => previous.get(name).cloned(),
            Some(g) => g.value.clone().or_else(|| declaration.default.clone()),
            None => declaration.default.clone(),
        };
        match value {
            Some(value) => {
                values.insert(name.clone(), value);
            }
            None => missing.push(name.as_str()),
        }
    }
    if !missing.is_empty() {
        return Err(TemplateError(format!("Parameters: [{}] must have values", missing.join(", "))));
    }
    for (name, value) in &values {
        if let Some(declaration) = declared.get(name) {
            check(name, declaration, value)?;
        }
    }
    Ok(values)
}

fn check(name: &str, declaration: &ParameterDeclaration, value: &str) -> Result<(), TemplateError> {
    if value.len() > PARAMETER_VALUE_BYTES_MAX {
        return Err(TemplateError(format!(
            "Parameter '{name}' is {} bytes long, the limit is {PARAMETER_VALUE_BYTES_MAX}",
            value.len()
        )));
    }
    let items = match declaration.kind {
        ParameterKind::List | ParameterKind::NumberList => split(value),
        _ => vec![value.to_owned()],
    };
    let mut violated = None;
    for item in &items {
        violated = violated.or(violation(name, declaration, item)?);
    }
    match (violated, &declaration.constraint_description) {
        (None, _) => Ok(()),
        (Some(_), Some(words)) => Err(TemplateError(format!("Parameter {name} failed to satisfy constraint: {words}"))),
        (Some(message), None) => Err(TemplateError(message)),
    }
}

fn violation(name: &str, declared: &ParameterDeclaration, item: &str) -> Result<Option<String>, TemplateError> {
    if matches!(declared.kind, ParameterKind::Number | ParameterKind::NumberList) {
        let Some(number) = item.parse::<f64>().ok().filter(|n| n.is_finite()) else {
            return Ok(Some(format!("Parameter '{name}' must be a number")));
        };
        if let Some(min) = declared.min_value.filter(|min| number < *min) {
            return Ok(Some(format!("Parameter '{name}' must be a number not less than {min}")));
        }
        if let Some(max) = declared.max_value.filter(|max| number > *max) {
            return Ok(Some(format!("Parameter '{name}' must be a number not greater than {max}")));
        }
    }
    if !declared.allowed_values.is_empty() && !declared.allowed_values.iter().any(|allowed| allowed == item) {
        return Ok(Some(format!("Parameter '{name}' must be one of AllowedValues")));
    }
    if let Some(pattern) = &declared.allowed_pattern {
        let regex = Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|cause| {
            TemplateError::format(format!("AllowedPattern of parameter {name} cannot be read: {cause}"))
        })?;
        if !regex.is_match(item) {
            return Ok(Some(format!("Parameter '{name}' must match pattern {pattern}")));
        }
    }
    let chars = u64::try_from(item.chars().count()).unwrap_or(u64::MAX);
    if let Some(min) = declared.min_length.filter(|min| chars < *min) {
        return Ok(Some(format!("Parameter '{name}' must contain at least {min} characters")));
    }
    if let Some(max) = declared.max_length.filter(|max| chars > *max) {
        return Ok(Some(format!("Parameter '{name}' must contain at most {max} characters")));
    }
    Ok(None)
}

fn split(value: &str) -> Vec<String> {
    if value.is_empty() { Vec::new() } else { value.split(',').map(|item| item.trim().to_owned()).collect() }
}

/// What `Ref` gives for a parameter of this kind with this text, which for an SSM kind is the text that was looked up.
pub fn reference_value(kind: ParameterKind, text: &str) -> Value {
    // A number stays a number where its text survives, so that a property which wants one gets one.
    let read = |text: String| number(&text).map_or(Value::String(text), Value::Number);
    match kind {
        ParameterKind::Text | ParameterKind::SsmText => Value::from(text),
        ParameterKind::Number => read(text.to_owned()),
        ParameterKind::List | ParameterKind::SsmList => split(text).into(),
        ParameterKind::NumberList => split(text).into_iter().map(read).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::{GivenParameter, ParameterKind, bind, declarations, reference_value};

    fn check(declared: &Value, given: &[(&str, Option<&str>)], expect: Result<&[(&str, &str)], &str>) {
        let declared = declarations(declared.as_object().unwrap());
        let given: Vec<_> = given
            .iter()
            .map(|(key, value)| GivenParameter {
                key: (*key).to_owned(),
                value: value.map(str::to_owned),
                use_previous: value.is_none(),
            })
            .collect();
        let previous = BTreeMap::from([("P".to_owned(), "before".to_owned())]);
        let bound = declared.and_then(|declared| bind(&declared, &given, &previous)).map_err(|e| e.to_string());
        let expect = expect
            .map(|pairs| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
            .map_err(str::to_owned);
        assert_eq!(bound, expect);
    }

    #[test]
    fn values_come_from_the_caller_the_stack_or_the_default() {
        check(&json!({"P": {"Type": "String", "Default": "d"}}), &[], Ok(&[("P", "d")]));
        check(&json!({"P": {"Type": "String", "Default": "d"}}), &[("P", Some("g"))], Ok(&[("P", "g")]));
        check(&json!({"P": {"Type": "String", "Default": "d"}}), &[("P", None)], Ok(&[("P", "before")]));
        check(&json!({"P": {"Type": "Number", "Default": 5}}), &[], Ok(&[("P", "5")]));
        check(
            &json!({"P": {"Type": "String"}, "Q": {"Type": "String"}}),
            &[],
            Err("Parameters: [P, Q] must have values"),
        );
        check(&json!({}), &[("X", Some("1"))], Err("Parameters: [X] do not exist in the template"));
    }

    #[test]
    fn constraints_are_checked_in_the_words_of_the_service() {
        let p = |extra: Value| {
            let mut declared = json!({"Type": "String"});
            declared.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            json!({ "P": declared })
        };
        let given = |value| [("P", Some(value))];
        check(&p(json!({"AllowedValues": ["a", "b"]})), &given("c"), Err("Parameter 'P' must be one of AllowedValues"));
        check(&p(json!({"AllowedPattern": "[a-z]+"})), &given("a1"), Err("Parameter 'P' must match pattern [a-z]+"));
        check(&p(json!({"MinLength": 3})), &given("ab"), Err("Parameter 'P' must contain at least 3 characters"));
        check(&p(json!({"MaxLength": "1"})), &given("ab"), Err("Parameter 'P' must contain at most 1 characters"));
        check(&p(json!({"Type": "Number"})), &given("x"), Err("Parameter 'P' must be a number"));
        check(
            &p(json!({"Type": "Number", "MinValue": 2})),
            &given("1"),
            Err("Parameter 'P' must be a number not less than 2"),
        );
        check(
            &p(json!({"AllowedPattern": "[a-z]+", "ConstraintDescription": "only letters"})),
            &given("1"),
            Err("Parameter P failed to satisfy constraint: only letters"),
        );
        check(&p(json!({"Type": "Foo"})), &given("1"), Err("Template format error: Unrecognized parameter type: Foo"));
        check(
            &p(json!({"AllowedValues": "a b"})),
            &given("1"),
            Err("Template format error: Every AllowedValues member must be a list."),
        );
        check(
            &p(json!({"Type": "CommaDelimitedList", "AllowedPattern": "\\w+"})),
            &given("dev, test"),
            Ok(&[("P", "dev, test")]),
        );
    }

    #[test]
    fn references_have_the_type_of_their_parameter() {
        assert_eq!(reference_value(ParameterKind::Number, "5"), json!(5));
        assert_eq!(reference_value(ParameterKind::Number, "05"), json!("05"));
        assert_eq!(reference_value(ParameterKind::List, "a, b"), json!(["a", "b"]));
        assert_eq!(reference_value(ParameterKind::List, ""), json!([]));
        assert_eq!(reference_value(ParameterKind::NumberList, "1,2"), json!([1, 2]));
    }
}
