//! Dynamic references: `{{resolve:service:reference}}` in properties, replaced just before a resource is made.
//!
//! AWS: *CloudFormation User Guide*, "Get values stored in other services using dynamic references". What is stored of a
//! resource keeps the reference, so no secret comes to rest in a stack.

use std::collections::BTreeMap;

use cauce_core::Call;
use serde_json::{Map, Value};

use crate::ports::References;

const OPEN: &str = "{{resolve:";
const CLOSE: &str = "}}";

/// Replaces every dynamic reference in the properties.
///
/// # Errors
/// What could not be resolved, for the resource's status reason.
pub(crate) async fn resolve(
    properties: &Map<String, Value>,
    references: &dyn References,
    call: &Call,
) -> Result<Map<String, Value>, String> {
    let mut found = BTreeMap::new();
    properties.values().for_each(|value| collect(value, &mut found));
    if found.is_empty() {
        return Ok(properties.clone());
    }
    let mut known = BTreeMap::new();
    for reference in found.into_keys() {
        let value = look_up(&reference, references, call).await?;
        known.insert(reference, value);
    }
    Ok(properties.iter().map(|(name, value)| (name.clone(), replaced(value, &known))).collect())
}

/// The references in a text, without their braces, each with what stands before it.
fn parts(text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let Some((reference, behind)) = after.split_once(CLOSE) else { break };
        out.push((before, reference));
        rest = behind;
    }
    (out, rest)
}

fn collect(value: &Value, found: &mut BTreeMap<String, ()>) {
    match value {
        Value::String(text) => found.extend(parts(text).0.into_iter().map(|(_, reference)| (reference.to_owned(), ()))),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(map) => map.values().for_each(|value| collect(value, found)),
        _ => {}
    }
}

fn replaced(value: &Value, known: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => {
            let (parts, rest) = parts(text);
            let mut out = String::new();
            for (before, reference) in parts {
                out.push_str(before);
                out.push_str(known.get(reference).map_or("", String::as_str));
            }
            out.push_str(rest);
            out.into()
        }
        Value::Array(items) => items.iter().map(|item| replaced(item, known)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), replaced(value, known))).collect(),
        scalar => scalar.clone(),
    }
}

async fn look_up(reference: &str, references: &dyn References, call: &Call) -> Result<String, String> {
    let incorrect = || format!("Incorrect format is used in the following dynamic reference: [{reference}]");
    let (service, rest) = reference.split_once(':').ok_or_else(incorrect)?;
    match service {
        "ssm" | "ssm-secure" => {
            let (name, version) = match rest.rsplit_once(':') {
                Some((name, version)) if version.bytes().all(|b| b.is_ascii_digit()) => (name, Some(version)),
                _ => (rest, None),
            };
            let found = references.ssm_parameter(call, name, version, service == "ssm-secure").await;
            found.map_err(|error| error.message().to_owned())
        }
        "secretsmanager" => {
            let secret = Secret::read(rest).ok_or_else(incorrect)?;
            let text = references.secret(call, &secret.id, secret.stage, secret.version).await;
            let text = text.map_err(|error| error.message().to_owned())?;
            let Some(key) = secret.key else { return Ok(text) };
            let found = serde_json::from_str::<Value>(&text).ok().and_then(|all| all.get(key).cloned());
            match found {
                Some(Value::String(value)) => Ok(value),
                Some(other) => Ok(other.to_string()),
                None => Err(format!("Could not find a value associated with JSONKey in SecretString: {key}")),
            }
        }
        _ => Err(incorrect()),
    }
}

/// `SECRET-ID:SecretString:JSON-KEY:VERSION-STAGE:VERSION-ID`, where the id may be an ARN.
#[derive(Debug, PartialEq)]
struct Secret<'a> {
    id: String,
    key: Option<&'a str>,
    stage: Option<&'a str>,
    version: Option<&'a str>,
}

impl Secret<'_> {
    fn read(text: &str) -> Option<Secret<'_>> {
        let parts: Vec<&str> = text.split(':').collect();
        let id_parts = if parts.first() == Some(&"arn") { 7 } else { 1 };
        let (id, rest) = parts.split_at_checked(id_parts)?;
        let id = id.join(":");
        let part = |at: usize| rest.get(at).copied().filter(|part| !part.is_empty());
        if id.is_empty() || rest.len() > 4 || part(0).is_some_and(|kind| kind != "SecretString") {
            return None;
        }
        Some(Secret { id, key: part(1), stage: part(2), version: part(3) })
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn secrets_are_named_by_name_or_arn() {
        let check = |text: &str, expect: Option<(&str, [Option<&str>; 3])>| {
            let expect = expect.map(|(id, [key, stage, version])| Secret { id: id.to_owned(), key, stage, version });
            assert_eq!(Secret::read(text), expect, "{text}");
        };
        check("name", Some(("name", [None, None, None])));
        check("name:SecretString:password", Some(("name", [Some("password"), None, None])));
        check("name:SecretString:password::", Some(("name", [Some("password"), None, None])));
        check("name:SecretString:::v1", Some(("name", [None, None, Some("v1")])));
        let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf";
        check(
            &format!("{arn}:SecretString:password:AWSPREVIOUS:"),
            Some((arn, [Some("password"), Some("AWSPREVIOUS"), None])),
        );
        check("name:SecretBinary", None);
        check("", None);
        check("arn:aws:x", None);
    }
}
