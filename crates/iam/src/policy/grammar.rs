//! From text to [`Policy`], with AWS's words for what is wrong and in the order in which AWS looks.

use std::collections::HashSet;

use super::condition::{Condition, Operator, is_date, read_date};
use super::document::{DOCUMENT_BYTES_MAX, Effect, Policy, PolicyError, PolicyKind, Set, Statement};
use super::json::Json;
use super::pattern::{Pattern, Syntax};
use super::principal;

/// The longest single action, resource or condition value, in bytes. Longer than any ARN; bounds what one match can cost.
const PATTERN_BYTES_MAX: usize = 4_096;

/// The parts of a statement as JSON, before their meaning is looked at.
#[derive(Default)]
struct Raw<'a> {
    sid: Option<&'a str>,
    effect: Option<&'a str>,
    principal: Option<(&'a Json, bool)>,
    action: Option<(Vec<&'a str>, bool)>,
    resource: Option<(Vec<&'a str>, bool)>,
    condition: Option<&'a [(String, Json)]>,
}

pub(super) fn parse(text: &str, kind: PolicyKind) -> Result<Policy, PolicyError> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(PolicyError::syntax());
    }
    let json: Json = serde_json::from_str(text).map_err(|_| PolicyError::syntax())?;
    let Json::Object(members) = &json else { return Err(PolicyError::syntax()) };
    let (mut version, mut statements) = (None, None);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("Version", Json::Text(v)) if v == "2008-10-17" || v == "2012-10-17" => version = Some(v.as_str()),
            ("Id", Json::Text(_)) => {}
            ("Statement", value) => statements = Some(value),
            _ => return Err(PolicyError::syntax()),
        }
    }
    let raw: Vec<Raw<'_>> = match statements {
        Some(one @ Json::Object(_)) => vec![raw_statement(one)?],
        Some(Json::List(list)) => list.iter().map(raw_statement).collect::<Result<_, _>>()?,
        _ => return Err(PolicyError::syntax()),
    };
    if raw.is_empty() {
        return Err(PolicyError::new("Could not parse the policy: Statement is empty!"));
    }
    if kind == PolicyKind::Managed && version != Some("2012-10-17") {
        return Err(PolicyError::new("Policy document must be version 2012-10-17 or greater."));
    }
    check_sids(&raw, kind)?;
    let variables = version == Some("2012-10-17");
    let statements = raw.iter().map(|raw| statement(raw, kind, variables)).collect::<Result<_, _>>()?;
    Ok(Policy { statements })
}

fn raw_statement(json: &Json) -> Result<Raw<'_>, PolicyError> {
    let Json::Object(members) = json else { return Err(PolicyError::syntax()) };
    let mut raw = Raw::default();
    for (name, value) in members {
        match (name.as_str(), value) {
            ("Sid", Json::Text(sid)) => raw.sid = Some(sid),
            ("Effect", Json::Text(effect)) => raw.effect = Some(effect),
            ("Principal" | "NotPrincipal", value) if raw.principal.is_none() => {
                raw.principal = Some((value, name == "NotPrincipal"));
            }
            ("Action" | "NotAction", value) if raw.action.is_none() => {
                raw.action = Some((texts(value)?, name == "NotAction"));
            }
            ("Resource" | "NotResource", value) if raw.resource.is_none() => {
                raw.resource = Some((texts(value)?, name == "NotResource"));
            }
            ("Condition", Json::Object(members)) => raw.condition = Some(members),
            _ => return Err(PolicyError::syntax()),
        }
    }
    match raw.effect {
        Some(effect) if effect.eq_ignore_ascii_case("allow") || effect.eq_ignore_ascii_case("deny") => Ok(raw),
        _ => Err(PolicyError::syntax()),
    }
}

fn texts(value: &Json) -> Result<Vec<&str>, PolicyError> {
    match value {
        Json::List(list) => list.iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

fn text(value: &Json) -> Result<&str, PolicyError> {
    match value {
        Json::Text(text) if text.len() <= PATTERN_BYTES_MAX => Ok(text),
        _ => Err(PolicyError::syntax()),
    }
}

fn check_sids(raw: &[Raw<'_>], kind: PolicyKind) -> Result<(), PolicyError> {
    let mut seen = HashSet::new();
    for sid in raw.iter().filter_map(|raw| raw.sid).filter(|sid| !sid.is_empty()) {
        if !seen.insert(sid) {
            return Err(PolicyError::new("Statement IDs (SID) in a single policy must be unique."));
        }
        // Services other than IAM take any text here.
        if kind != PolicyKind::Resource && !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(PolicyError::new(
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression \
                 [0-9A-Za-z]*",
            ));
        }
    }
    Ok(())
}

fn statement(raw: &Raw<'_>, kind: PolicyKind, variables: bool) -> Result<Statement, PolicyError> {
    let effect = match raw.effect {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        // Another case passes the first reader of AWS and fails its second.
        _ => return Err(PolicyError::new("The policy failed legacy parsing")),
    };
    let conditions = conditions(raw.condition.unwrap_or_default(), variables)?;
    let principals = principals(raw, kind)?;
    let (actions, not_action) = match &raw.action {
        Some((actions, negated)) if !actions.is_empty() => (actions, *negated),
        _ => return Err(PolicyError::new("Policy statement must contain actions.")),
    };
    let resources = resources(raw, kind, variables)?;
    for action in actions {
        check_action(action, kind)?;
    }
    let syntax = Syntax { wildcards: true, variables: false, fold: true };
    let patterns = actions.iter().map(|action| Pattern::new(action, syntax)).collect();
    Ok(Statement {
        sid: raw.sid.map(str::to_owned),
        effect,
        principals,
        actions: Set { negated: not_action, patterns },
        resources,
        conditions,
    })
}

fn principals(raw: &Raw<'_>, kind: PolicyKind) -> Result<Option<principal::Principals>, PolicyError> {
    match (raw.principal, kind) {
        (Some(_), PolicyKind::Inline | PolicyKind::Managed) => {
            Err(PolicyError::new("Policy document should not specify a principal."))
        }
        (None, PolicyKind::Inline | PolicyKind::Managed) => Ok(None),
        (None, PolicyKind::Trust | PolicyKind::Resource) => Err(PolicyError::new("Missing required field Principal")),
        (Some((value, negated)), PolicyKind::Trust | PolicyKind::Resource) => {
            principal::parse(value, negated).map(Some)
        }
    }
}

fn resources(raw: &Raw<'_>, kind: PolicyKind, variables: bool) -> Result<Option<Set>, PolicyError> {
    let (resources, negated) = match (&raw.resource, kind) {
        (Some(_), PolicyKind::Trust) => return Err(PolicyError::new("Has prohibited field Resource.")),
        (None, PolicyKind::Trust) => return Ok(None),
        (Some((resources, negated)), _) if !resources.is_empty() => (resources, *negated),
        // Attached to one resource, a policy may leave out which (a repository's, a secret's).
        (None, PolicyKind::Resource) => return Ok(None),
        _ => return Err(PolicyError::new("Policy statement must contain resources.")),
    };
    if kind != PolicyKind::Resource {
        for resource in resources {
            check_resource(resource)?;
        }
    }
    let syntax = Syntax { wildcards: true, variables, fold: false };
    let patterns = resources.iter().map(|resource| Pattern::new(resource, syntax)).collect();
    Ok(Some(Set { negated, patterns }))
}

fn check_resource(resource: &str) -> Result<(), PolicyError> {
    if resource == "*" {
        return Ok(());
    }
    let mut parts = resource.splitn(6, ':');
    let (scheme, partition) = (parts.next().unwrap_or(""), parts.next());
    let Some(partition) = partition.filter(|_| scheme == "arn") else {
        return Err(PolicyError::new(format!("Resource {resource} must be in ARN format or \"*\".")));
    };
    if !matches!(partition, "aws" | "aws-cn" | "aws-us-gov" | "*") && !partition.contains("${") {
        let rest: Vec<&str> = parts.map(|p| if p.is_empty() { "*" } else { p }).collect();
        let rest = rest.join(":");
        return Err(PolicyError::new(format!(
            "Partition \"{partition}\" is not valid for resource \"arn:{partition}:{rest}\"."
        )));
    }
    let Some(service) = parts.next() else {
        return Err(PolicyError::new("Resource vendor must be fully qualified and cannot contain regexes."));
    };
    match (service, parts.next()) {
        ("", _) => Err(PolicyError::new("The policy failed legacy parsing")),
        ("iam", Some(region)) if !region.is_empty() && region != "*" => {
            Err(PolicyError::new(format!("IAM resource {resource} cannot contain region information.")))
        }
        ("s3", Some(region)) if !region.is_empty() && region != "*" => {
            Err(PolicyError::new(format!("Resource {resource} can not contain region information.")))
        }
        _ => Ok(()),
    }
}

/// The actions that a trust policy may name.
const TRUST_ACTIONS: [&str; 4] = ["sts:assumerole", "sts:tagsession", "sts:setsourceidentity", "sts:setcontext"];

fn check_action(action: &str, kind: PolicyKind) -> Result<(), PolicyError> {
    if kind == PolicyKind::Trust {
        let action = action.to_ascii_lowercase();
        let good = TRUST_ACTIONS.iter().any(|a| action == *a) || action.starts_with("sts:assumerole");
        return if good {
            Ok(())
        } else {
            Err(PolicyError::new("AssumeRole policy may only specify STS AssumeRole actions."))
        };
    }
    if action == "*" {
        return Ok(());
    }
    let Some((vendor, name)) = action.split_once(':') else {
        return Err(PolicyError::new("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."));
    };
    if name.contains(':') {
        return Err(PolicyError::new("Actions/Condition can contain only one colon."));
    }
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    if vendor != "*" && (vendor.is_empty() || !vendor.bytes().all(good)) {
        return Err(PolicyError::new(format!("Vendor {vendor} is not valid")));
    }
    Ok(())
}

fn conditions(members: &[(String, Json)], variables: bool) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    for (name, keys) in members {
        let Json::Object(keys) = keys else { return Err(PolicyError::syntax()) };
        if keys.is_empty() {
            continue;
        }
        let operator = Operator::parse(name).ok_or_else(PolicyError::syntax)?;
        for (key, values) in keys {
            let values = values_of(values)?;
            if is_date(operator) && !values.iter().all(|v| read_date(v).is_some()) {
                return Err(PolicyError::new("The policy failed legacy parsing"));
            }
            conditions.push(Condition::new(name, operator, key, values, variables));
        }
    }
    Ok(conditions)
}

fn values_of(value: &Json) -> Result<Vec<String>, PolicyError> {
    let one = |value: &Json| match value {
        Json::Text(text) if text.len() <= PATTERN_BYTES_MAX => Ok(text.clone()),
        Json::Number(number) => Ok(number.clone()),
        Json::Bool(flag) => Ok(flag.to_string()),
        _ => Err(PolicyError::syntax()),
    };
    match value {
        Json::List(list) => list.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}
