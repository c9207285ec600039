//! Why a pattern matched an event, or did not.

use std::fmt;

use serde::Serialize;

use crate::check::{Check, all_hold};
use crate::error::EventError;
use crate::fields::{Field, Fields, NO_ITEM};
use crate::pattern::Alone;

/// Values of one field that an explanation lists; a longer array is cut.
pub const VALUES_SHOWN_MAX: usize = 20;

/// Characters of a value that an explanation shows.
pub const VALUE_CHARS_MAX: usize = 200;

/// The verdict on an event, with its reasons.
///
/// ```
/// let pattern = cauce_event_pattern::Pattern::parse(r#"{"detail": {"state": ["running"]}}"#)?;
/// let explanation = pattern.explain(br#"{"detail": {"state": "stopped"}}"#)?;
/// assert_eq!(
///     explanation.to_string(),
///     "no match\n  failed: detail.state must match [\"running\"]: detail.state is \"stopped\"\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The event matches.
    pub matched: bool,
    /// Each way to satisfy the pattern: one, or as many as its `$or` make.
    pub branches: Vec<BranchExplanation>,
}

/// One way to satisfy the pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BranchExplanation {
    /// All conditions hold, together.
    pub matched: bool,
    /// The conditions hold one by one, but only with fields from different elements of one array.
    pub array_elements_differ: bool,
    /// What each field has to be.
    pub conditions: Vec<ConditionExplanation>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConditionExplanation {
    /// The field: names joined by dots.
    pub path: String,
    /// What is asked of it, as the pattern writes it; one is enough.
    pub expected: Vec<String>,
    /// What became of it.
    pub verdict: Verdict,
    /// The values that the event has there, at most [`VALUES_SHOWN_MAX`].
    pub values: Vec<SeenValue>,
}

/// What became of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Matched,
    /// The event has no value there.
    Missing,
    /// The event has values there, and none is accepted.
    Rejected,
}

/// A value of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenValue {
    /// Where: the path with places in arrays, such as `detail.items[2].sku`.
    pub at: String,
    /// The value as JSON, cut after [`VALUE_CHARS_MAX`] characters.
    pub value: String,
    /// The condition accepts it.
    pub accepted: bool,
}

/// Judges the scanned `event`.
pub(crate) fn explain(alone: &Alone, event: &[u8], fields: &Fields) -> Result<Explanation, EventError> {
    let mut branches = Vec::new();
    for checks in &alone.branches {
        let conditions: Vec<ConditionExplanation> =
            checks.iter().map(|check| condition(alone, check, event, fields)).collect();
        let matched = all_hold(checks, event, fields)?;
        let each = conditions.iter().all(|condition| condition.verdict == Verdict::Matched);
        branches.push(BranchExplanation { matched, array_elements_differ: each && !matched, conditions });
    }
    Ok(Explanation { matched: branches.iter().any(|branch| branch.matched), branches })
}

fn condition(alone: &Alone, check: &Check, event: &[u8], fields: &Fields) -> ConditionExplanation {
    let verdict = match (check.holds(event, fields), fields.has(check.path)) {
        (true, _) => Verdict::Matched,
        (false, true) => Verdict::Rejected,
        (false, false) => Verdict::Missing,
    };
    let path = alone.paths.name(check.path).to_owned();
    let seen = |field: &Field| {
        let value = fields.value(event, field);
        let shown = value.to_string();
        let cut = shown.char_indices().nth(VALUE_CHARS_MAX).map(|(at, _)| at);
        let value_shown = match cut.and_then(|at| shown.get(..at)) {
            Some(start) => format!("{start}..."),
            None => shown,
        };
        SeenValue { at: place(&path, field, fields), value: value_shown, accepted: check.accepts(value) }
    };
    ConditionExplanation {
        expected: check.operators.iter().map(ToString::to_string).collect(),
        verdict,
        values: fields.at(check.path).take(VALUES_SHOWN_MAX).map(seen).collect(),
        path,
    }
}

/// The path with the places in arrays.
fn place(path: &str, field: &Field, fields: &Fields) -> String {
    let mut indices: Vec<(usize, u32)> = Vec::new();
    let names = path.split('.').count();
    if field.item != NO_ITEM {
        indices.push((names, field.item));
    }
    let mut at = field.context;
    while let Some(context) = fields.context(at) {
        indices.push((context.level as usize, context.index));
        at = context.parent;
    }
    let mut text = String::new();
    for (number, name) in path.split('.').enumerate() {
        if number > 0 {
            text.push('.');
        }
        text.push_str(name);
        for (_, index) in indices.iter().rev().filter(|(level, _)| *level == number + 1) {
            text.push_str(&format!("[{index}]"));
        }
    }
    text
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.matched { "match\n" } else { "no match\n" })?;
        let several = self.branches.len() > 1;
        for (number, branch) in self.branches.iter().enumerate() {
            if several {
                writeln!(f, "  alternative {}: {}", number + 1, if branch.matched { "match" } else { "no match" })?;
            }
            let indent = if several { "    " } else { "  " };
            for condition in &branch.conditions {
                writeln!(f, "{indent}{condition}")?;
            }
            if branch.array_elements_differ {
                writeln!(f, "{indent}failed: no single array element satisfies all conditions")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ConditionExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.verdict == Verdict::Matched { "holds" } else { "failed" };
        write!(f, "{verdict}: {} must match [{}]: ", self.path, self.expected.join(", "))?;
        if self.values.is_empty() {
            return write!(f, "{} does not exist", self.path);
        }
        for (number, seen) in self.values.iter().enumerate() {
            write!(f, "{}{} is {}", if number > 0 { ", " } else { "" }, seen.at, seen.value)?;
        }
        Ok(())
    }
}
