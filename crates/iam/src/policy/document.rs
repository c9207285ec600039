//! A policy document, read and compiled.
//!
//! AWS: IAM User Guide, *Grammar of the IAM JSON policy language*.

use super::condition::Condition;
use super::grammar;
use super::pattern::{Pattern, Syntax};
use super::principal::{Named, Principals, Who};
use super::request::Request;

/// The longest document read, in bytes: what the IAM API accepts in a parameter. Quotas of single kinds are smaller.
pub const DOCUMENT_BYTES_MAX: usize = 131_072;

/// Why a document is no policy; the text is AWS's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PolicyError {
    message: String,
}

impl PolicyError {
    pub(crate) fn new(message: impl Into<String>) -> PolicyError {
        PolicyError { message: message.into() }
    }

    pub(crate) fn syntax() -> PolicyError {
        PolicyError::new("Syntax errors in policy.")
    }

    /// What AWS answers with `MalformedPolicyDocument`.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Where a document stands, which decides what it must and must not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// Inline in a user or role: no `Principal`; any version, as templates often give none.
    Inline,
    /// A managed policy: no `Principal`, version 2012-10-17.
    Managed,
    /// Who may assume a role: no `Resource`, only STS actions.
    Trust,
    /// A bucket's, queue's, topic's, bus's or function's own policy.
    Resource,
}

/// What a statement does to what it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Allows it.
    Allow,
    /// Denies it, whatever else allows it.
    Deny,
}

/// The patterns of `Action` or `Resource`, or all but those.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Set {
    pub(crate) negated: bool,
    pub(crate) patterns: Vec<Pattern>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) principals: Option<Principals>,
    pub(crate) actions: Set,
    pub(crate) resources: Option<Set>,
    pub(crate) conditions: Vec<Condition>,
}

/// Why a statement does not fit a request: the first element, in this order, that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Miss {
    Principal,
    Action,
    Resource,
    /// The condition at this place.
    Condition(usize),
}

impl Statement {
    /// What it does.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Its name, if it has one.
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// How closely it names the caller if it fits, or what does not fit.
    pub(crate) fn fit(&self, request: &Request<'_>) -> Result<Named, Miss> {
        let named = match &self.principals {
            // An identity policy speaks of whoever carries it.
            None => Named::Exactly,
            Some(principals) => principals.names(request.principal),
        };
        if named == Named::No {
            return Err(Miss::Principal);
        }
        let keys = request.keys;
        let acts = self.actions.patterns.iter().any(|p| p.matches(&request.action, keys));
        if acts == self.actions.negated {
            return Err(Miss::Action);
        }
        if let Some(resources) = &self.resources
            && !self.reaches(resources, request)
        {
            return Err(Miss::Resource);
        }
        match self.conditions.iter().position(|c| !c.holds(request)) {
            Some(at) => Err(Miss::Condition(at)),
            None => Ok(named),
        }
    }

    fn reaches(&self, resources: &Set, request: &Request<'_>) -> bool {
        let keys = request.keys;
        let hit = resources.patterns.iter().any(|p| p.matches_resource(request.resource, keys));
        if !resources.negated {
            return hit;
        }
        // A variable without a value matches nothing; for "all but" that must not become "everything" and allow it.
        let open = self.effect == Effect::Allow && resources.patterns.iter().any(|p| p.unresolved(keys));
        !hit && !open
    }
}

/// A policy document.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub(crate) statements: Vec<Statement>,
}

impl Policy {
    /// Reads and checks a document.
    ///
    /// # Errors
    /// AWS's text for what is wrong.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Policy, PolicyError> {
        grammar::parse(text, kind)
    }

    /// A policy that allows nothing.
    pub fn nothing() -> Policy {
        Policy { statements: Vec::new() }
    }

    /// A policy of a resource that denies everything to everybody.
    pub fn deny_all() -> Policy {
        let all = || Pattern::new("*", Syntax { wildcards: true, variables: false, fold: true });
        let statement = Statement {
            sid: None,
            effect: Effect::Deny,
            principals: Some(Principals { negated: false, any_of: vec![Who::Everyone] }),
            actions: Set { negated: false, patterns: vec![all()] },
            resources: None,
            conditions: Vec::new(),
        };
        Policy { statements: vec![statement] }
    }

    /// Its statements, in order.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The condition keys that its statements ask for, as it writes them.
    pub fn condition_keys(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(|s| &s.conditions).map(|c| &*c.key_name)
    }

    /// The users and roles that its statements name, as ARNs.
    pub fn principal_arns(&self) -> impl Iterator<Item = &str> {
        let principals = self.statements.iter().filter_map(|s| s.principals.as_ref());
        principals.flat_map(|p| &p.any_of).filter_map(|who| match who {
            Who::Arn(arn) => Some(&**arn),
            _ => None,
        })
    }
}
