//! What a target receives: the event, a constant, a part, or a template filled from it.
//!
//! AWS: EventBridge User Guide, "Amazon EventBridge input transformation".

use std::collections::BTreeMap;

use bytes::Bytes;
use cauce_core::Timestamp;
use cauce_core::template::{self, Part, escaped};
use serde_json::Value;

use crate::error::Error;
use crate::model::{InputTransformer, Target};

/// The longest name of a variable, in characters.
const VARIABLE_CHARS_MAX: usize = 256;

/// What a template may say of the rule and the moment, besides its own variables.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) rule_arn: &'a str,
    pub(crate) rule_name: &'a str,
    pub(crate) ingested: Timestamp,
}

/// What `target` receives for `event`.
pub(crate) fn input_for(target: &Target, event: &Bytes, about: &Circumstances<'_>) -> Bytes {
    if let Some(constant) = &target.input {
        return Bytes::copy_from_slice(constant.as_bytes());
    }
    if let Some(path) = &target.input_path {
        let event: Value = serde_json::from_slice(event).unwrap_or_default();
        return select(&event, path).map_or_else(|| "null".to_owned(), Value::to_string).into();
    }
    match &target.input_transformer {
        Some(transformer) => fill(transformer, event, about).into(),
        None => event.clone(),
    }
}

/// One step of a JSON path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(usize),
}

/// Reads `$.detail.items[0].name` or `$['detail-type']`; `None` if it is no such path. Wildcards and slices are not
/// part of what EventBridge documents for input paths.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix("['") {
            let (name, after) = inside.split_once("']")?;
            steps.push(Step::Member(name.to_owned()));
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('[') {
            let (index, after) = inside.split_once(']')?;
            steps.push(Step::Element(index.parse().ok()?));
            rest = after;
        } else {
            let inside = rest.strip_prefix('.')?;
            let end = inside.find(['.', '[']).unwrap_or(inside.len());
            let (name, after) = inside.split_at_checked(end)?;
            if name.is_empty() || name == "*" {
                return None;
            }
            steps.push(Step::Member(name.to_owned()));
            rest = after;
        }
    }
    Some(steps)
}

/// The value at a path; `None` if there is none.
fn select<'a>(event: &'a Value, path: &str) -> Option<&'a Value> {
    steps(path)?.iter().try_fold(event, |at, step| match step {
        Step::Member(name) => at.get(name),
        Step::Element(index) => at.get(index),
    })
}

/// Refuses what is no path.
pub(crate) fn check_path(path: &str) -> Result<(), Error> {
    match steps(path) {
        Some(_) => Ok(()),
        None => Err(Error::Invalid(format!("InputPath for target is not a valid JSON path: {path}"))),
    }
}

/// Refuses a transformer whose paths are none or whose template names what is not defined.
pub(crate) fn check_template(target: &str, transformer: &InputTransformer) -> Result<(), Error> {
    let empty = BTreeMap::new();
    let paths = transformer.input_paths_map.as_ref().unwrap_or(&empty);
    for (name, path) in paths {
        if name.is_empty() || name.chars().count() > VARIABLE_CHARS_MAX || name.starts_with("AWS") {
            return Err(Error::Invalid(format!(
                "Invalid InputTransformer for target {target} : [Invalid variable name {name}]"
            )));
        }
        if steps(path).is_none() {
            return Err(Error::Invalid(format!(
                "Invalid InputTransformer for target {target} : [Invalid JSON path {path}]"
            )));
        }
    }
    for part in parts(&transformer.input_template) {
        if let Part::Variable(name) = part
            && !paths.contains_key(name)
            && !name.starts_with("aws.")
        {
            let message = format!(
                "InputTemplate for target {target} contains invalid placeholder {name}. InputPathsMap does not define it."
            );
            return Err(Error::Invalid(message));
        }
    }
    Ok(())
}

/// The texts and variables of a template: any name of these characters is a variable.
fn parts(template: &str) -> Vec<Part<'_>> {
    let of_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    template::parts(template, |name| !name.is_empty() && name.bytes().all(of_name))
}

/// Fills a template. A variable inside a JSON text becomes part of that text, escaped and without quotes of its own; one that
/// stands alone becomes the JSON value. What the event does not have is empty inside a text and null alone.
fn fill(transformer: &InputTransformer, event: &Bytes, about: &Circumstances<'_>) -> String {
    let parsed: Value = serde_json::from_slice(event).unwrap_or_default();
    let empty = BTreeMap::new();
    let paths = transformer.input_paths_map.as_ref().unwrap_or(&empty);
    let value = |name: &str| -> Option<Value> {
        Some(match name {
            "aws.events.rule-arn" => about.rule_arn.into(),
            "aws.events.rule-name" => about.rule_name.into(),
            "aws.events.event.ingestion-time" => about.ingested.iso_millis().into(),
            "aws.events.event.json" => parsed.clone(),
            "aws.events.event" => {
                let mut event = parsed.clone();
                event.as_object_mut().map(|members| members.remove("detail"));
                event
            }
            name => select(&parsed, paths.get(name)?)?.clone(),
        })
    };
    template::fill(parts(&transformer.input_template), |name, quoted| match (value(name), quoted) {
        (Some(Value::String(text)), true) => escaped(&text),
        (Some(other), true) => escaped(&other.to_string()),
        (Some(value), false) => value.to_string(),
        (None, true) => String::new(),
        (None, false) => "null".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cauce_core::Timestamp;

    use super::{Circumstances, Target, check_template, input_for};
    use crate::model::InputTransformer;

    const EVENT: &str =
        r#"{"id":"1","detail-type":"t","detail":{"name":"O\"Hara","n":1.50,"list":[{"x":1},{"x":2}],"o":{"a":true}}}"#;

    fn check(paths: &[(&str, &str)], template: &str, expect: &str) {
        let paths = paths.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let transformer = InputTransformer { input_paths_map: Some(paths), input_template: template.to_owned() };
        check_template("t", &transformer).unwrap();
        let target = Target { input_transformer: Some(transformer), ..Target::default() };
        let about = Circumstances { rule_arn: "arn", rule_name: "rule", ingested: Timestamp::EPOCH };
        let out = input_for(&target, &Bytes::from_static(EVENT.as_bytes()), &about);
        assert_eq!(String::from_utf8_lossy(&out), expect, "{template}");
    }

    #[test]
    fn templates_are_filled() {
        let name = [("name", "$.detail.name")];
        check(&name, r#""Hello <name>!""#, r#""Hello O\"Hara!""#);
        check(&name, r#"{"who": <name>}"#, r#"{"who": "O\"Hara"}"#);
        check(
            &[("x", "$.detail.list[1].x"), ("o", "$.detail.o")],
            r#"{"x": <x>, "o": <o>}"#,
            r#"{"x": 2, "o": {"a":true}}"#,
        );
        check(&[("o", "$.detail.o")], r#""<o>""#, r#""{\"a\":true}""#);
        check(&[("t", "$['detail-type']")], r#"[<t>]"#, r#"["t"]"#);
        check(&[("gone", "$.detail.gone")], r#"{"a": <gone>, "b": "<gone>"}"#, r#"{"a": null, "b": ""}"#);
        check(
            &[],
            r#""<aws.events.rule-name> at <aws.events.event.ingestion-time>""#,
            r#""rule at 1970-01-01T00:00:00.000Z""#,
        );
        check(&[], r#"<aws.events.event>"#, r#"{"detail-type":"t","id":"1"}"#);
        check(&[], r#""a < b and c > d""#, r#""a < b and c > d""#);
    }

    #[test]
    fn parts_and_constants() {
        let about = Circumstances { rule_arn: "arn", rule_name: "rule", ingested: Timestamp::EPOCH };
        let event = Bytes::from_static(EVENT.as_bytes());
        let text = |target: &Target| String::from_utf8_lossy(&input_for(target, &event, &about)).into_owned();
        assert_eq!(text(&Target::default()), EVENT);
        assert_eq!(text(&Target { input: Some("[1]".into()), ..Target::default() }), "[1]");
        assert_eq!(
            text(&Target { input_path: Some("$.detail.list".into()), ..Target::default() }),
            r#"[{"x":1},{"x":2}]"#
        );
        assert_eq!(text(&Target { input_path: Some("$.nope".into()), ..Target::default() }), "null");
    }

    #[test]
    fn what_is_not_defined_is_refused() {
        let refuse = |paths: &[(&str, &str)], template: &str| {
            let paths = paths.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let transformer = InputTransformer { input_paths_map: Some(paths), input_template: template.to_owned() };
            check_template("t", &transformer).unwrap_err();
        };
        refuse(&[], "<x>");
        refuse(&[("x", "detail")], "<x>");
        refuse(&[("x", "$.a[*]")], "<x>");
        refuse(&[("AWSx", "$.a")], "<AWSx>");
    }
}
