//! Bucket policies: what a document must be, and whether it lets everybody in. What it allows is for `Identity` to say.
//!
//! AWS: S3 User Guide, "Bucket policies for Amazon S3" and "The meaning of 'public'".

use serde_json::Value;

use crate::error::{Result, S3Error};

/// The longest policy, in bytes.
const POLICY_BYTES_MAX: usize = 20 * 1024;

/// Conditions that name who may come in, so that a statement with one of them lets in no stranger.
const NARROWING_KEYS: [&str; 14] = [
    "aws:sourcearn",
    "aws:sourceaccount",
    "aws:sourceowner",
    "aws:sourceorgid",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourceip",
    "aws:userid",
    "aws:username",
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
];

/// Refuses a document that is no policy for `bucket`.
///
/// # Errors
/// `MalformedPolicy` in AWS's words.
pub(crate) fn check_policy(document: &str, bucket: &str) -> Result<()> {
    if document.len() > POLICY_BYTES_MAX {
        return malformed("Your policy exceeds the maximum allowed document size.");
    }
    let Ok(Value::Object(policy)) = serde_json::from_str::<Value>(document) else {
        return malformed("Policies must be valid JSON and the first byte must be '{'");
    };
    match policy.get("Version").map(Value::as_str) {
        None | Some(Some("2012-10-17" | "2008-10-17")) => {}
        _ => return malformed("The policy must contain a valid version string"),
    }
    if let Some(unknown) = policy.keys().find(|key| !["Version", "Id", "Statement"].contains(&key.as_str())) {
        return malformed(format!("Unknown field {unknown}"));
    }
    let Some(statement) = policy.get("Statement") else {
        return malformed("Missing required field Statement");
    };
    let statements = many(statement);
    if statements.is_empty() {
        return malformed("Could not parse the policy: Statement is empty!");
    }
    statements.into_iter().try_for_each(|statement| check_statement(statement, bucket))
}

fn check_statement(statement: &Value, bucket: &str) -> Result<()> {
    let Value::Object(fields) = statement else {
        return malformed("Could not parse the policy: Statement is not an object");
    };
    let known =
        ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
        return malformed(format!("Unknown field {unknown}"));
    }
    match fields.get("Effect").and_then(Value::as_str) {
        Some("Allow" | "Deny") => {}
        Some(other) => return malformed(format!("Invalid effect: {other}")),
        None => return malformed("Missing required field Effect"),
    }
    for name in ["Principal", "Action", "Resource"] {
        if !fields.contains_key(name) && !fields.contains_key(&format!("Not{name}")) {
            return malformed(format!("Missing required field {name}"));
        }
    }
    if !["Principal", "NotPrincipal"].iter().filter_map(|name| fields.get(*name)).all(is_principal) {
        return malformed("Invalid principal in policy");
    }
    let actions = ["Action", "NotAction"].iter().filter_map(|name| fields.get(*name)).flat_map(many);
    let is_action = |action: &Value| {
        action.as_str().is_some_and(|action| action == "*" || action.to_ascii_lowercase().starts_with("s3:"))
    };
    if !actions.into_iter().all(is_action) {
        return malformed("Policy has invalid action");
    }
    let resources = ["Resource", "NotResource"].iter().filter_map(|name| fields.get(*name)).flat_map(many);
    if !resources.into_iter().all(|resource| is_resource_of(resource, bucket)) {
        return malformed("Policy has invalid resource");
    }
    match fields.get("Condition") {
        None | Some(Value::Object(_)) => Ok(()),
        Some(_) => malformed("Policy has an invalid condition key"),
    }
}

fn is_principal(principal: &Value) -> bool {
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    match principal {
        Value::String(text) => text == "*",
        Value::Object(kinds) => {
            !kinds.is_empty()
                && kinds.iter().all(|(kind, who)| {
                    ["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind.as_str())
                        && many(who).into_iter().all(text)
                })
        }
        _ => false,
    }
}

fn is_resource_of(resource: &Value, bucket: &str) -> bool {
    let Some(resource) = resource.as_str().and_then(|text| text.strip_prefix("arn:aws:s3:::")) else { return false };
    resource.strip_prefix(bucket).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        // A pattern may cover the bucket's name.
        || resource.split('/').next().is_some_and(|name| name.contains(['*', '?']))
}

/// Whether the policy allows something to everybody.
pub(crate) fn is_public(document: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(document) else { return false };
    let statements = policy.get("Statement").map(many).unwrap_or_default();
    statements.into_iter().any(|statement| {
        statement.get("Effect").and_then(Value::as_str) == Some("Allow")
            && (statement.get("NotPrincipal").is_some() || statement.get("Principal").is_some_and(is_everybody))
            && !statement.get("Condition").is_some_and(narrows)
    })
}

fn is_everybody(principal: &Value) -> bool {
    let star = |value: &Value| value.as_str() == Some("*");
    star(principal) || principal.get("AWS").is_some_and(|who| many(who).into_iter().any(star))
}

fn narrows(condition: &Value) -> bool {
    let Value::Object(operators) = condition else { return false };
    operators.iter().filter(|(operator, _)| !operator.contains("Not")).any(|(_, keys)| {
        keys.as_object().is_some_and(|keys| {
            keys.iter().any(|(key, values)| {
                let fixed = |value: &&Value| value.as_str().is_some_and(|v| v != "*" && !v.ends_with("/0"));
                NARROWING_KEYS.contains(&key.to_ascii_lowercase().as_str()) && many(values).iter().all(fixed)
            })
        })
    })
}

/// One value or a list of them.
fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    }
}

fn malformed<T>(message: impl Into<String>) -> Result<T> {
    Err(S3Error::MalformedPolicy { message: message.into() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{check_policy, is_public};

    fn policy(statement: Value) -> String {
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    }

    #[test]
    fn documents_are_checked() {
        let check = |document: &str, expect: Option<&str>| {
            let got = check_policy(document, "b").err().map(|e| cauce_core::ServiceError::from(e).message().to_owned());
            assert_eq!(got.as_deref(), expect, "{document}");
        };
        let secure = json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}});
        check(&policy(secure.clone()), None);
        check("x", Some("Policies must be valid JSON and the first byte must be '{'"));
        check("[]", Some("Policies must be valid JSON and the first byte must be '{'"));
        check("{}", Some("Missing required field Statement"));
        let with = |name: &str, value: Value| {
            let mut statement = secure.clone();
            match value {
                Value::Null => {
                    statement.as_object_mut().unwrap().remove(name);
                }
                value => statement[name] = value,
            }
            policy(statement)
        };
        check(&with("Effect", json!("Maybe")), Some("Invalid effect: Maybe"));
        check(&with("Principal", Value::Null), Some("Missing required field Principal"));
        check(&with("Principal", json!("x")), Some("Invalid principal in policy"));
        check(&with("Principal", json!({"AWS": ["arn:aws:iam::000000000000:root"]})), None);
        check(&with("Action", json!("ec2:Run")), Some("Policy has invalid action"));
        check(&with("Resource", json!("arn:aws:s3:::c/*")), Some("Policy has invalid resource"));
        check(&with("Resource", json!("arn:aws:s3:::bb")), Some("Policy has invalid resource"));
        check(&with("Other", json!(1)), Some("Unknown field Other"));
        check(&policy(json!("x")), Some("Could not parse the policy: Statement is not an object"));
        let long = with("Sid", json!("x".repeat(21_000)));
        check(&long, Some("Your policy exceeds the maximum allowed document size."));
    }

    #[test]
    fn public_is_who_lets_everybody_in() {
        let check = |statement: Value, expect| assert_eq!(is_public(&policy(statement.clone())), expect, "{statement}");
        check(json!({"Effect": "Allow", "Principal": "*"}), true);
        check(json!({"Effect": "Allow", "Principal": {"AWS": ["x", "*"]}}), true);
        check(json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}}), false);
        check(json!({"Effect": "Deny", "Principal": "*"}), false);
        let narrow = json!({"StringEquals": {"aws:SourceAccount": "000000000000"}});
        check(json!({"Effect": "Allow", "Principal": "*", "Condition": narrow}), false);
        let wide = json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}});
        check(json!({"Effect": "Allow", "Principal": "*", "Condition": wide}), true);
        let secure = json!({"Bool": {"aws:SecureTransport": "true"}});
        check(json!({"Effect": "Allow", "Principal": "*", "Condition": secure}), true);
    }
}
