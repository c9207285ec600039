//! The shapes of names, as the API model constrains them.

use std::sync::LazyLock;

use cauce_core::{Arn, Call, Violations};
use regex_lite::Regex;

use super::error::LogsError;

/// The longest name of a group or stream, in characters.
const NAME_CHARS_MAX: usize = 512;

struct Shape {
    /// As error messages show it.
    pattern: &'static str,
    regex: LazyLock<Option<Regex>>,
}

/// A shape that every text has is better than none at all, should one of these ever not compile; a test sees to it that all do.
macro_rules! shape {
    ($name:ident, $pattern:literal) => {
        static $name: Shape =
            Shape { pattern: $pattern, regex: LazyLock::new(|| Regex::new(concat!("^(?:", $pattern, ")$")).ok()) };
    };
}

shape!(GROUP, r"[\.\-_/#A-Za-z0-9]+");
shape!(GROUP_PATTERN, r"[\.\-_/#A-Za-z0-9]*");
shape!(STREAM, r"[^:*]*");
shape!(IDENTIFIER, r"[\w#+=/:,.@-]*");
shape!(RESOURCE_ARN, r"[\w+=/:,.@-]*");

fn check(v: &mut Violations, member: &str, value: &str, shape: &Shape, min: usize, max: usize) {
    if let Some(regex) = shape.regex.as_ref() {
        v.pattern(member, value, shape.pattern, regex);
    }
    v.length(member, value, min, max);
}

/// A group's name, or the beginning of one.
pub(crate) fn group(v: &mut Violations, member: &str, value: &str) {
    check(v, member, value, &GROUP, 1, NAME_CHARS_MAX);
}

/// A piece of a group's name.
pub(crate) fn group_pattern(v: &mut Violations, member: &str, value: &str) {
    check(v, member, value, &GROUP_PATTERN, 0, NAME_CHARS_MAX);
}

/// A stream's name, or the beginning of one.
pub(crate) fn stream(v: &mut Violations, member: &str, value: &str) {
    check(v, member, value, &STREAM, 1, NAME_CHARS_MAX);
}

/// A group's name or ARN; the ARN without `:*` at its end.
pub(crate) fn identifier(v: &mut Violations, member: &str, value: &str) {
    check(v, member, value, &IDENTIFIER, 1, 2_048);
}

/// The two members by one of which a group is named.
pub(crate) fn optional_group(v: &mut Violations, name: Option<&str>, named: Option<&str>) {
    if let Some(name) = name {
        group(v, "logGroupName", name);
    }
    if let Some(named) = named {
        identifier(v, "logGroupIdentifier", named);
    }
}

/// The ARN of something that carries tags.
pub(crate) fn resource_arn(v: &mut Violations, member: &str, value: &str) {
    check(v, member, value, &RESOURCE_ARN, 1, 1_011);
}

/// The name of the group that an identifier means.
///
/// # Errors
/// [`LogsError::Invalid`] if it is an ARN of something else; [`LogsError::GroupNotFound`] if of another account or region, since
/// no other is linked.
pub(crate) fn of_identifier(call: &Call, identifier: &str) -> Result<String, LogsError> {
    if !identifier.contains(':') {
        return Ok(identifier.to_owned());
    }
    of_arn(call, identifier)
}

/// The name of the group that an ARN means.
pub(crate) fn of_arn(call: &Call, text: &str) -> Result<String, LogsError> {
    let invalid = || LogsError::invalid(format!("The specified ARN is invalid: {text}"));
    let arn: Arn = text.parse().map_err(|_| invalid())?;
    let name = arn.resource().strip_prefix("log-group:").filter(|_| arn.service() == "logs").ok_or_else(invalid)?;
    let own = arn.account() == Some(call.account) && arn.region() == call.region.as_str();
    if own { Ok(name.to_owned()) } else { Err(LogsError::GroupNotFound) }
}

/// The one of the two members that name a group which is given.
///
/// # Errors
/// [`LogsError::Invalid`] if both or none are.
pub(crate) fn either(call: &Call, name: Option<&str>, identifier: Option<&str>) -> Result<String, LogsError> {
    match (name, identifier) {
        (Some(name), None) => Ok(name.to_owned()),
        (None, Some(identifier)) => of_identifier(call, identifier),
        (Some(_), Some(_)) => {
            Err(LogsError::invalid("LogGroup name and LogGroup ARN are mutually exclusive parameters."))
        }
        (None, None) => Err(LogsError::invalid("Either logGroupName or logGroupIdentifier must be specified.")),
    }
}

/// The resource that policies see for an operation on a group: its streams, so that `log-group:NAME:*` covers it.
pub(crate) fn group_resource(call: &Call, name: Option<&str>, identifier: Option<&str>) -> Vec<String> {
    let named = identifier.and_then(|identifier| of_identifier(call, identifier).ok());
    let name = name.map(str::to_owned).or(named).unwrap_or_default();
    stream_resource(call, &name, "")
}

/// The resource that policies see for an operation on a stream.
pub(crate) fn stream_resource(call: &Call, group: &str, stream: &str) -> Vec<String> {
    vec![call.arn("logs", &format!("log-group:{group}:log-stream:{stream}")).to_string()]
}

#[cfg(test)]
mod tests {
    use super::{GROUP, GROUP_PATTERN, IDENTIFIER, RESOURCE_ARN, STREAM};

    #[test]
    fn every_shape_compiles_and_is_anchored() {
        for (shape, good, bad) in [
            (&GROUP, "/aws/lambda/f.x_y#1-2", "a:b"),
            (&GROUP, "a", ""),
            (&GROUP_PATTERN, "", "a b"),
            (&STREAM, "2026/11/22/[$LATEST]0123 x", "a:b"),
            (&STREAM, "a", "a*"),
            (&IDENTIFIER, "arn:aws:logs:us-east-1:000000000000:log-group:/x", "arn:aws:logs:us-east-1:0:log-group:x:*"),
            (&RESOURCE_ARN, "arn:aws:logs:us-east-1:000000000000:log-group:/x", "x\n"),
        ] {
            let regex = shape.regex.as_ref().unwrap();
            assert!(regex.is_match(good) && !regex.is_match(bad), "{}", shape.pattern);
        }
    }
}
