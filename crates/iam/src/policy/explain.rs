//! Why nothing allows a request: the statements that nearly did, and what of each did not fit.

use std::fmt;
use std::sync::Arc;

use super::document::{Effect, Miss, Set, Statement};
use super::evaluate::{NamedPolicy, Policies, Source, StatementRef};
use super::request::Request;

/// How many near misses are told.
const NEAR_MISSES_MAX: usize = 3;

/// Which element of a statement did not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The caller is not among these.
    Principal {
        /// As policies write them.
        wanted: Vec<String>,
        /// Whether the element is `NotPrincipal`.
        negated: bool,
    },
    /// The action is not among these.
    Action {
        /// The patterns.
        wanted: Vec<String>,
        /// Whether the element is `NotAction`.
        negated: bool,
    },
    /// The resource is not among these.
    Resource {
        /// The patterns.
        wanted: Vec<String>,
        /// Whether the element is `NotResource`.
        negated: bool,
    },
    /// A condition does not hold.
    Condition {
        /// For example `StringEquals`.
        operator: String,
        /// For example `aws:SourceArn`.
        key: String,
        /// The values of the policy.
        wanted: Vec<String>,
        /// The values of the request, none if it has no such key.
        found: Vec<String>,
    },
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = |name: &str, wanted: &[String], negated: bool| {
            let (not, verb) = if negated { ("Not", "includes it") } else { ("", "does not include it") };
            write!(f, "{not}{name} [{}] {verb}", wanted.join(", "))
        };
        match self {
            Failed::Principal { wanted, negated } => set("Principal", wanted, *negated),
            Failed::Action { wanted, negated } => set("Action", wanted, *negated),
            Failed::Resource { wanted, negated } => set("Resource", wanted, *negated),
            Failed::Condition { operator, key, wanted, found } if found.is_empty() => {
                write!(f, "Condition {operator} {key} [{}]: the request has no {key}", wanted.join(", "))
            }
            Failed::Condition { operator, key, wanted, found } => {
                write!(f, "Condition {operator} {key} [{}]: it is [{}]", wanted.join(", "), found.join(", "))
            }
        }
    }
}

/// A statement that would have allowed the request but for one element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// Which kind of policy.
    pub source: Source,
    /// Which statement.
    pub statement: StatementRef,
    /// What did not fit.
    pub failed: Failed,
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.statement, self.failed)
    }
}

/// The allowing statements that came nearest, nearest first.
pub fn near_misses(request: &Request<'_>, policies: &Policies<'_>) -> Vec<NearMiss> {
    let kinds: [(Source, &[NamedPolicy]); 4] = [
        (Source::Identity, policies.identity),
        (Source::Boundary, policies.boundary.map_or(&[], std::slice::from_ref)),
        (Source::Session, policies.session),
        (Source::Resource, policies.resource.map_or(&[], std::slice::from_ref)),
    ];
    let mut found: Vec<(u8, NearMiss)> = Vec::new();
    for (source, named) in kinds.iter().flat_map(|(source, policies)| policies.iter().map(move |p| (*source, p))) {
        for (index, statement) in named.policy.statements.iter().enumerate() {
            if statement.effect != Effect::Allow {
                continue;
            }
            let Err(miss) = statement.fit(request) else { continue };
            let nearness = nearness(statement, miss, request);
            if nearness == 0 {
                continue;
            }
            let at = StatementRef { policy: Arc::clone(&named.name), sid: statement.sid.clone(), index };
            found.push((nearness, NearMiss { source, statement: at, failed: failed(statement, miss, request) }));
        }
    }
    found.sort_by_key(|(nearness, _)| std::cmp::Reverse(*nearness));
    found.into_iter().take(NEAR_MISSES_MAX).map(|(_, miss)| miss).collect()
}

/// 0: no relation to the request.
fn nearness(statement: &Statement, miss: Miss, request: &Request<'_>) -> u8 {
    let acts = || statement.actions.patterns.iter().any(|p| p.matches(&request.action, request.keys));
    match miss {
        Miss::Condition(_) => 4,
        Miss::Resource => 3,
        Miss::Principal if acts() != statement.actions.negated => 2,
        Miss::Action => {
            let service = request.action.split(':').next().unwrap_or("");
            let same = |text: &str| text.split(':').next().is_some_and(|s| s.eq_ignore_ascii_case(service));
            u8::from(statement.actions.negated || statement.actions.patterns.iter().any(|p| same(p.text())))
        }
        Miss::Principal => 0,
    }
}

fn failed(statement: &Statement, miss: Miss, request: &Request<'_>) -> Failed {
    let set = |set: &Set| (set.patterns.iter().map(|p| p.text().to_owned()).collect(), set.negated);
    match miss {
        Miss::Principal => {
            let principals = statement.principals.as_ref();
            let wanted = principals.map(|p| p.any_of.iter().map(super::principal::Who::shown).collect());
            Failed::Principal { wanted: wanted.unwrap_or_default(), negated: principals.is_some_and(|p| p.negated) }
        }
        Miss::Action => {
            let (wanted, negated) = set(&statement.actions);
            Failed::Action { wanted, negated }
        }
        Miss::Resource => {
            let (wanted, negated) = statement.resources.as_ref().map(set).unwrap_or_default();
            Failed::Resource { wanted, negated }
        }
        Miss::Condition(at) => match statement.conditions.get(at) {
            Some(condition) => Failed::Condition {
                operator: condition.operator_name.to_string(),
                key: condition.key_name.to_string(),
                wanted: condition.values.iter().map(ToString::to_string).collect(),
                found: condition.found(request),
            },
            None => Failed::Action { wanted: Vec::new(), negated: false },
        },
    }
}
