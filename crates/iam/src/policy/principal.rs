//! The `Principal` element: whom a statement of a resource's policy speaks of.
//!
//! AWS: IAM User Guide, *AWS JSON policy elements: Principal*.

use cauce_core::{Account, Arn, Principal};

use super::document::PolicyError;
use super::json::Json;

/// One entry of a `Principal` element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// `*`
    Everyone,
    /// An account number or the ARN of its root.
    Account(Account),
    /// A user, a role or a role session.
    Arn(Box<str>),
    /// `AIDA...` or `AROA...`.
    Id(Box<str>),
    /// A service, for example `lambda.amazonaws.com`.
    Service(Box<str>),
    /// An identity provider or a canonical user: known to the grammar, never who calls here.
    Other(Box<str>),
}

/// How closely a statement names a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// Not at all.
    No,
    /// By the account: hands the decision to the account's own policies.
    Account,
    /// By everybody or by the role of the session: limited by boundary and session policy.
    Loosely,
    /// By itself.
    Exactly,
}

/// A `Principal` or `NotPrincipal` element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principals {
    pub(crate) negated: bool,
    pub(crate) any_of: Vec<Who>,
}

impl Principals {
    pub(crate) fn names(&self, caller: &Principal) -> Named {
        let closest = self.any_of.iter().map(|who| who.names(caller)).max().unwrap_or(Named::No);
        match (self.negated, closest) {
            (false, named) => named,
            (true, Named::No) => Named::Loosely,
            (true, _) => Named::No,
        }
    }
}

impl Who {
    fn names(&self, caller: &Principal) -> Named {
        let exactly = |yes: bool| if yes { Named::Exactly } else { Named::No };
        match (self, caller) {
            (Who::Everyone, _) => Named::Loosely,
            (Who::Account(id), Principal::Root { account, .. }) => exactly(id == account),
            (Who::Account(id), Principal::User { arn, .. } | Principal::Session { arn, .. }) => {
                if arn.account() == Some(*id) { Named::Account } else { Named::No }
            }
            (Who::Arn(name), Principal::User { arn, .. }) => exactly(**name == *arn.as_str()),
            (Who::Arn(name), Principal::Session { arn, role, .. }) => {
                if **name == *role.as_str() {
                    Named::Loosely
                } else {
                    exactly(**name == *arn.as_str())
                }
            }
            (Who::Id(name), Principal::User { id, .. }) => exactly(**name == **id),
            (Who::Id(name), Principal::Session { id, .. }) => {
                if id.split(':').next() == Some(name) {
                    Named::Loosely
                } else {
                    exactly(**name == **id)
                }
            }
            (Who::Service(name), Principal::Service { name: caller, .. }) => exactly(same_service(name, caller)),
            _ => Named::No,
        }
    }

    /// As policies write it: `"AWS":"..."`.
    pub(crate) fn shown(&self) -> String {
        match self {
            Who::Everyone => "*".to_owned(),
            Who::Account(account) => format!("\"AWS\":\"{account}\""),
            Who::Arn(text) | Who::Id(text) => format!("\"AWS\":\"{text}\""),
            Who::Service(text) => format!("\"Service\":\"{text}\""),
            Who::Other(text) => format!("\"Federated\":\"{text}\""),
        }
    }
}

/// Older policies name some services with a region: `logs.us-east-1.amazonaws.com`.
fn same_service(written: &str, caller: &str) -> bool {
    if written.eq_ignore_ascii_case(caller) {
        return true;
    }
    let mut parts = written.splitn(3, '.');
    let (Some(name), Some(region), Some(suffix)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let looks_like_region = region.bytes().filter(|b| *b == b'-').count() >= 2;
    looks_like_region && caller.split_once('.') == Some((name, suffix))
}

fn invalid(kind: &str, value: &str) -> PolicyError {
    PolicyError::new(format!("Invalid principal in policy: \"{kind}\":\"{value}\""))
}

/// Reads the element's value.
pub(crate) fn parse(value: &Json, negated: bool) -> Result<Principals, PolicyError> {
    let mut any_of = Vec::new();
    match value {
        Json::Text(text) if text == "*" => any_of.push(Who::Everyone),
        Json::Text(text) => return Err(PolicyError::new(format!("Invalid principal in policy: \"{text}\""))),
        Json::Object(members) if !members.is_empty() => {
            for (kind, names) in members {
                let names = match names {
                    Json::Text(one) => vec![one.as_str()],
                    Json::List(list) => list.iter().map(text).collect::<Result<_, _>>()?,
                    _ => return Err(PolicyError::syntax()),
                };
                for name in names {
                    any_of.push(who(kind, name)?);
                }
            }
        }
        _ => return Err(PolicyError::syntax()),
    }
    Ok(Principals { negated, any_of })
}

fn text(value: &Json) -> Result<&str, PolicyError> {
    if let Json::Text(text) = value { Ok(text) } else { Err(PolicyError::syntax()) }
}

fn who(kind: &str, name: &str) -> Result<Who, PolicyError> {
    match kind {
        "AWS" => aws(name).ok_or_else(|| invalid(kind, name)),
        "Service" => {
            let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
            let named = name.contains('.') && name.bytes().all(good);
            if named { Ok(Who::Service(name.into())) } else { Err(invalid("SERVICE", name)) }
        }
        "Federated" | "CanonicalUser" => Ok(Who::Other(name.into())),
        _ => Err(PolicyError::syntax()),
    }
}

fn aws(name: &str) -> Option<Who> {
    if name == "*" {
        return Some(Who::Everyone);
    }
    if let Ok(account) = name.parse() {
        return Some(Who::Account(account));
    }
    let is_id = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    if (name.starts_with("AIDA") || name.starts_with("AROA")) && name.len() >= 16 && name.bytes().all(is_id) {
        return Some(Who::Id(name.into()));
    }
    let arn: Arn = name.parse().ok()?;
    let account = arn.account()?;
    let resource = arn.resource();
    let kinds: &[&str] = match arn.service() {
        "iam" if resource == "root" => return Some(Who::Account(account)),
        "iam" => &["user/", "role/"],
        "sts" => &["assumed-role/", "federated-user/"],
        _ => return None,
    };
    // "You cannot use a wildcard to match part of a principal name or ARN."
    let named =
        !resource.contains(['*', '?']) && kinds.iter().any(|k| resource.len() > k.len() && resource.starts_with(k));
    (named && arn.region().is_empty()).then(|| Who::Arn(name.into()))
}
