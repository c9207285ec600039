//! The decision: what all policies together say to a request.
//!
//! AWS: IAM User Guide, *Policy evaluation logic*, *Determining whether a request is allowed or denied within an account*,
//! *Cross-account policy evaluation logic*.

use std::fmt;
use std::sync::Arc;

use cauce_core::{Account, Principal};

use super::document::{Effect, Policy};
use super::principal::Named;
use super::request::Request;

/// A policy under the name by which people know it.
#[derive(Clone, Debug)]
pub struct NamedPolicy {
    /// The name of an inline policy, the ARN of a managed one.
    pub name: Arc<str>,
    /// What it says.
    pub policy: Arc<Policy>,
}

/// Everything that bears on one caller and one resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// The inline and managed policies of the user or role.
    pub identity: &'a [NamedPolicy],
    /// The user's or role's permissions boundary.
    pub boundary: Option<&'a NamedPolicy>,
    /// What the session was limited to when the role was assumed; all of them together, none if empty.
    pub session: &'a [NamedPolicy],
    /// The resource's own policy.
    pub resource: Option<&'a NamedPolicy>,
    /// The account that owns the resource.
    pub owner: Option<Account>,
}

/// Which policies a decision came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The caller's own.
    Identity,
    /// The caller's permissions boundary.
    Boundary,
    /// The session's.
    Session,
    /// The resource's.
    Resource,
}

/// A statement by name and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementRef {
    /// The policy's name or ARN.
    pub policy: Arc<str>,
    /// The statement's own name.
    pub sid: Option<String>,
    /// Its place, from 0.
    pub index: usize,
}

impl fmt::Display for StatementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sid.as_deref() {
            Some(sid) if !sid.is_empty() => write!(f, "statement {sid} of {}", self.policy),
            _ => write!(f, "statement {} of {}", self.index + 1, self.policy),
        }
    }
}

/// What the policies say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// By this statement, or as the owner of the account.
    Allowed(Option<(Source, StatementRef)>),
    /// Denied by this statement.
    Explicit(Source, StatementRef),
    /// Not allowed by any policy of this kind.
    Implicit(Source),
}

impl Decision {
    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allowed(_))
    }

    /// The end of AWS's message for a refusal; empty if allowed.
    pub fn reason(&self, action: &str) -> String {
        match self {
            Decision::Allowed(_) => String::new(),
            Decision::Explicit(source, _) => {
                let policy = match source {
                    Source::Identity => "an identity-based policy",
                    Source::Boundary => "a permissions boundary",
                    Source::Session => "a session policy",
                    Source::Resource => "a resource-based policy",
                };
                format!("with an explicit deny in {policy}")
            }
            Decision::Implicit(source) => {
                let policy = match source {
                    Source::Identity => "identity-based policy",
                    Source::Boundary => "permissions boundary",
                    Source::Session => "session policy",
                    Source::Resource => "resource-based policy",
                };
                format!("because no {policy} allows the {action} action")
            }
        }
    }
}

/// What one kind of policies says by itself.
struct Opinion {
    deny: Option<StatementRef>,
    allow: Option<(Named, StatementRef)>,
}

fn opinion<'a>(policies: impl IntoIterator<Item = &'a NamedPolicy>, request: &Request<'_>) -> Opinion {
    let mut opinion = Opinion { deny: None, allow: None };
    for named in policies {
        for (index, statement) in named.policy.statements.iter().enumerate() {
            // A second allow changes nothing unless it names the caller more closely.
            if statement.effect == Effect::Allow && matches!(opinion.allow, Some((Named::Exactly, _))) {
                continue;
            }
            let Ok(fits) = statement.fit(request) else { continue };
            let at = || StatementRef { policy: Arc::clone(&named.name), sid: statement.sid.clone(), index };
            if statement.effect == Effect::Deny {
                opinion.deny = Some(at());
                return opinion;
            }
            if opinion.allow.as_ref().is_none_or(|(before, _)| *before < fits) {
                opinion.allow = Some((fits, at()));
            }
        }
    }
    opinion
}

/// The account's root can always look at and take away a policy of a bucket, even one that denies everybody everything.
/// AWS: Amazon S3 API Reference, *PutBucketPolicy*.
const ROOT_ALWAYS: [&str; 3] = ["s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"];

/// What the policies together say.
pub fn decide(request: &Request<'_>, policies: &Policies<'_>) -> Decision {
    let same_account = policies.owner.is_none() || policies.owner == request.principal.account();
    let is_root = matches!(request.principal, Principal::Root { .. });
    if is_root && same_account && ROOT_ALWAYS.iter().any(|a| *a == request.action) {
        return Decision::Allowed(None);
    }
    let identity = opinion(policies.identity, request);
    let boundary = opinion(policies.boundary, request);
    let session = opinion(policies.session, request);
    let resource = opinion(policies.resource, request);
    let denies = [
        (Source::Identity, identity.deny),
        (Source::Boundary, boundary.deny),
        (Source::Session, session.deny),
        (Source::Resource, resource.deny),
    ];
    if let Some((source, at)) = denies.into_iter().find_map(|(source, deny)| Some((source, deny?))) {
        return Decision::Explicit(source, at);
    }
    let granted = resource.allow.map(|(named, at)| (named, (Source::Resource, at)));
    match request.principal {
        Principal::Root { .. } if same_account => return Decision::Allowed(None),
        Principal::Root { .. } => {
            return match granted {
                Some((_, by)) => Decision::Allowed(Some(by)),
                None => Decision::Implicit(Source::Resource),
            };
        }
        Principal::Service { .. } | Principal::Anonymous => {
            return match granted {
                Some((_, by)) => Decision::Allowed(Some(by)),
                None => Decision::Implicit(Source::Resource),
            };
        }
        Principal::User { .. } | Principal::Session { .. } => {}
    }
    let missing = if policies.boundary.is_some() && boundary.allow.is_none() {
        Some(Source::Boundary)
    } else if !policies.session.is_empty() && session.allow.is_none() {
        Some(Source::Session)
    } else {
        None
    };
    if same_account {
        match granted {
            Some((Named::Exactly, by)) => return Decision::Allowed(Some(by)),
            Some((Named::Loosely, by)) if missing.is_none() => return Decision::Allowed(Some(by)),
            _ => {}
        }
    }
    match (identity.allow, missing) {
        (None, _) => Decision::Implicit(Source::Identity),
        (Some(_), Some(source)) => Decision::Implicit(source),
        (Some(_), None) if !same_account && granted.is_none() => Decision::Implicit(Source::Resource),
        (Some((_, at)), None) => Decision::Allowed(Some((Source::Identity, at))),
    }
}

/// Whether a role's trust policy lets `request.principal` assume it, given what the caller's own policies say.
///
/// Unlike other policies of resources a trust policy is never replaced by the caller's own: it must allow, and where it only
/// names the account (or the caller is of another account) the caller's own must allow as well.
pub fn decide_trust(request: &Request<'_>, trust: &NamedPolicy, policies: &Policies<'_>) -> Decision {
    let own = opinion(policies.identity, request);
    let boundary = opinion(policies.boundary, request);
    let session = opinion(policies.session, request);
    let trust = opinion([trust], request);
    let denies = [
        (Source::Identity, own.deny),
        (Source::Boundary, boundary.deny),
        (Source::Session, session.deny),
        (Source::Resource, trust.deny),
    ];
    if let Some((source, at)) = denies.into_iter().find_map(|(source, deny)| Some((source, deny?))) {
        return Decision::Explicit(source, at);
    }
    let Some((named, at)) = trust.allow else { return Decision::Implicit(Source::Resource) };
    let same_account = policies.owner.is_none() || policies.owner == request.principal.account();
    let own_needed = match request.principal {
        Principal::User { .. } | Principal::Session { .. } => !same_account || named == Named::Account,
        Principal::Root { .. } | Principal::Service { .. } | Principal::Anonymous => false,
    };
    if own_needed && own.allow.is_none() {
        return Decision::Implicit(Source::Identity);
    }
    let limited = named != Named::Exactly || own_needed;
    if limited && policies.boundary.is_some() && boundary.allow.is_none() {
        return Decision::Implicit(Source::Boundary);
    }
    if limited && !policies.session.is_empty() && session.allow.is_none() {
        return Decision::Implicit(Source::Session);
    }
    Decision::Allowed(Some((Source::Resource, at)))
}
