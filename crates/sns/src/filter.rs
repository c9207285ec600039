//! Filter policies: what a subscription wants to hear of.
//!
//! Written like the patterns of EventBridge and compiled by the same crate; what differs is how large they may be.
//! AWS: SNS Developer Guide, *Amazon SNS subscription filter policies* and *Filter policy constraints*.

use cauce_event_pattern::{Limits, Pattern};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::model::FilterScope;

/// How many keys a policy may have; of a nested one, those of the outermost object.
pub const FILTER_KEYS_MAX: usize = 5;

/// How many combinations of values a policy may have; values of a nested key count once a level.
pub const FILTER_COMBINATIONS_MAX: u64 = 150;

/// How many subscriptions of a topic may have a filter policy.
pub const FILTER_POLICIES_MAX: i64 = 200;

/// The longest policy, in characters.
const POLICY_CHARS_MAX: usize = 256 * 1_024;

/// The largest number that a policy may compare with.
const NUMBER_ABS_MAX: u64 = 1_000_000_000;

const OR: &str = "$or";

fn refused(why: impl AsRef<str>) -> Error {
    Error::Invalid(format!("FilterPolicy: {}", why.as_ref()))
}

/// Compiles a policy that was checked when it was set.
pub(crate) fn compile(policy: &str) -> Result<Pattern, Error> {
    let mut limits = Limits::default().with_pattern_chars_max(POLICY_CHARS_MAX);
    limits.number_abs_max = NUMBER_ABS_MAX;
    Pattern::parse_with(policy, &limits).map_err(|error| {
        let message = error.to_string();
        refused(message.strip_prefix("Event pattern is not valid. Reason: ").unwrap_or(&message))
    })
}

/// Refuses what is no filter policy; says whether it filters anything.
///
/// # Errors
/// What is wrong with it, in AWS's words.
pub(crate) fn check(policy: &str, scope: FilterScope) -> Result<bool, Error> {
    if policy.len() > POLICY_CHARS_MAX {
        return Err(refused(format!("Filter policy is longer than {POLICY_CHARS_MAX} bytes")));
    }
    let document: Value = serde_json::from_str(policy).map_err(|_| refused("failed to parse JSON."))?;
    let Value::Object(members) = document else {
        return Err(refused("failed to parse JSON."));
    };
    if members.is_empty() {
        return Ok(false);
    }
    if members.keys().filter(|name| *name != OR).count() > FILTER_KEYS_MAX {
        return Err(refused("Filter policy can not have more than 5 keys"));
    }
    if combinations(&members, scope, 1)? > FILTER_COMBINATIONS_MAX {
        return Err(refused("Filter policy is too complex"));
    }
    compile(policy)?;
    Ok(true)
}

/// The combinations of an object `depth` levels down; the reader of JSON bounds the depth.
fn combinations(members: &Map<String, Value>, scope: FilterScope, depth: u64) -> Result<u64, Error> {
    let mut product = 1_u64;
    for (name, value) in members {
        let factor = match value {
            Value::Array(ways) if name == OR && ways.iter().all(Value::is_object) => {
                let ways = ways.iter().filter_map(Value::as_object);
                ways.map(|way| combinations(way, scope, depth))
                    .try_fold(0_u64, |sum, n| Ok::<_, Error>(sum.saturating_add(n?)))?
            }
            Value::Array(values) => u64::try_from(values.len()).unwrap_or(u64::MAX).saturating_mul(depth),
            Value::Object(_) if scope == FilterScope::MessageAttributes => {
                let message = "Filter policy scope MessageAttributes does not support nested filter policy";
                return Err(refused(message));
            }
            Value::Object(inner) => combinations(inner, scope, depth + 1)?,
            _ => return Err(refused(format!("\"{name}\" must be an object or an array"))),
        };
        product = product.saturating_mul(factor.max(1));
    }
    Ok(product)
}

#[cfg(test)]
mod tests {
    use super::{FilterScope, check};

    fn refused(policy: &str, scope: FilterScope) -> String {
        check(policy, scope).expect_err(policy).to_string()
    }

    #[test]
    fn what_aws_refuses_is_refused_in_its_words() {
        use FilterScope::{MessageAttributes, MessageBody};
        let said = |policy: &str| refused(policy, MessageAttributes);
        assert_eq!(said("{x}"), "Invalid parameter: FilterPolicy: failed to parse JSON.");
        assert_eq!(said("[]"), "Invalid parameter: FilterPolicy: failed to parse JSON.");
        assert_eq!(said(r#"{"a":"x"}"#), "Invalid parameter: FilterPolicy: \"a\" must be an object or an array");
        assert_eq!(
            said(r#"{"a":{"b":["x"]}}"#),
            "Invalid parameter: FilterPolicy: Filter policy scope MessageAttributes does not support nested filter policy"
        );
        assert_eq!(
            said(r#"{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}"#),
            "Invalid parameter: FilterPolicy: Filter policy can not have more than 5 keys"
        );
        let twelve = "[1,2,3,4,5,6,7,8,9,10,11,12]";
        let thirteen = "[1,2,3,4,5,6,7,8,9,10,11,12,13]";
        assert!(check(&format!(r#"{{"a":{twelve},"b":{twelve}}}"#), MessageAttributes).unwrap());
        assert_eq!(
            said(&format!(r#"{{"a":{twelve},"b":{thirteen}}}"#)),
            "Invalid parameter: FilterPolicy: Filter policy is too complex"
        );
        // The example of the developer guide: 4 x 3 levels, 3 x 2 levels, 3.
        let nested = r#"{"a":{"b":{"c":["1","2","3","4"]}},"d":{"e":["1","2","3"]},"f":["1","2","3"]}"#;
        assert_eq!(refused(nested, MessageBody), "Invalid parameter: FilterPolicy: Filter policy is too complex");
        assert!(check(r#"{"a":{"b":{"c":["1","2","3","4"]}},"d":{"e":["1","2","3"]}}"#, MessageBody).unwrap());
        for policy in [
            r#"{"a":[{"unknown":1}]}"#,
            r#"{"a":[{"numeric":[">",1000000001]}]}"#,
            r#"{"a":[{"numeric":[]}]}"#,
            r#"{"a":[{"exists":1}]}"#,
            r#"{"a":[]}"#,
            r#"{"a":[["x"]]}"#,
        ] {
            assert!(said(policy).starts_with("Invalid parameter: FilterPolicy: "), "{policy}");
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
        assert_eq!(refused(&deep, MessageBody), "Invalid parameter: FilterPolicy: failed to parse JSON.");
    }

    #[test]
    fn an_empty_policy_filters_nothing() {
        assert!(!check("{}", FilterScope::MessageBody).unwrap());
    }
}
