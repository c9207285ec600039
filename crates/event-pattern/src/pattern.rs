//! A pattern.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::check::{Check, all_hold};
use crate::error::{EventError, PatternError};
use crate::explain::{self, Explanation};
use crate::limits::Limits;
use crate::operator::Operator;
use crate::parse::parse;
use crate::paths::Paths;
use crate::scan::scan;
use crate::scratch::with_scratch;

/// A condition on one field.
#[derive(Debug)]
pub(crate) struct Condition {
    /// Names from the root, joined by dots.
    pub(crate) path: Box<str>,
    pub(crate) operators: Arc<[Operator]>,
}

/// The conditions of one way to satisfy a pattern, in the order of their paths.
pub(crate) type Conditions = Box<[Condition]>;

/// What is needed to match the pattern without a [`crate::Matcher`].
#[derive(Debug)]
pub(crate) struct Alone {
    pub(crate) paths: Paths,
    pub(crate) branches: Vec<Vec<Check>>,
}

#[derive(Debug)]
struct Inner {
    source: Box<str>,
    branches: Box<[Conditions]>,
    alone: OnceLock<Alone>,
}

/// An event pattern, validated and ready. Clones share it.
///
/// AWS: EventBridge User Guide, *Amazon EventBridge event patterns*.
///
/// ```
/// use cauce_event_pattern::Pattern;
///
/// let pattern = Pattern::parse(r#"{"source": ["orders"], "detail": {"total": [{"numeric": [">=", 100]}]}}"#)?;
/// assert!(pattern.matches(br#"{"source": "orders", "detail": {"total": 250.00}}"#)?);
/// assert!(!pattern.matches(br#"{"source": "orders", "detail": {"total": 99.99}}"#)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

impl Pattern {
    /// Reads a pattern within the default [`Limits`].
    ///
    /// # Errors
    /// What EventBridge refuses, with its message.
    pub fn parse(source: &str) -> Result<Self, PatternError> {
        Self::parse_with(source, &Limits::default())
    }

    /// Reads a pattern within `limits`.
    ///
    /// # Errors
    /// What EventBridge refuses, with its message, and what exceeds `limits`.
    pub fn parse_with(source: &str, limits: &Limits) -> Result<Self, PatternError> {
        let branches = parse(source, limits)?;
        let condition = |(path, operators): (String, Arc<[Operator]>)| Condition { path: path.into(), operators };
        let branches = branches.into_iter().map(|branch| branch.into_iter().map(condition).collect()).collect();
        Ok(Self(Arc::new(Inner { source: source.into(), branches, alone: OnceLock::new() })))
    }

    /// Reads a pattern that was parsed as JSON already, as templates have it, within `limits`. Numbers have the precision that `value`
    /// keeps, and lines and columns of errors count in its compact form.
    ///
    /// # Errors
    /// As [`Self::parse_with`].
    pub fn from_json_value(value: &serde_json::Value, limits: &Limits) -> Result<Self, PatternError> {
        Self::parse_with(&value.to_string(), limits)
    }

    /// The text that the pattern was read from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    pub(crate) fn branches(&self) -> &[Conditions] {
        &self.0.branches
    }

    /// Whether `event`, the bytes of a JSON object, matches. The event is checked to be valid JSON first.
    ///
    /// # Errors
    /// If it is not, or too deep.
    pub fn matches(&self, event: &[u8]) -> Result<bool, EventError> {
        crate::validate(event)?;
        self.matches_trusted(event)
    }

    /// The same for an event that is known to be valid JSON. For bytes that are not the answer may be anything.
    ///
    /// # Errors
    /// If the bytes are no object, or too deep, or too broken to find fields in.
    pub fn matches_trusted(&self, event: &[u8]) -> Result<bool, EventError> {
        let alone = self.alone();
        with_scratch(|scratch| {
            scan(event, &alone.paths, &mut scratch.fields)?;
            for checks in &alone.branches {
                if all_hold(checks, event, &scratch.fields)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Why `event` matches, or which condition failed, where and with which value.
    ///
    /// # Errors
    /// As [`Self::matches`].
    pub fn explain(&self, event: &[u8]) -> Result<Explanation, EventError> {
        crate::validate(event)?;
        let alone = self.alone();
        with_scratch(|scratch| {
            scan(event, &alone.paths, &mut scratch.fields)?;
            explain::explain(alone, event, &scratch.fields)
        })
    }

    fn alone(&self) -> &Alone {
        self.0.alone.get_or_init(|| {
            let mut paths = Paths::default();
            let mut checks = |conditions: &Conditions| -> Vec<Check> {
                let check =
                    |c: &Condition| Check { path: paths.add(&c.path), number: 0, operators: Arc::clone(&c.operators) };
                conditions.iter().map(check).collect()
            };
            let branches = self.branches().iter().map(&mut checks).collect();
            Alone { paths, branches }
        })
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.0.source).finish()
    }
}
