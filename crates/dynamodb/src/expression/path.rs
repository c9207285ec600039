//! Document paths: `a.b[3].c`.

use std::fmt;

use crate::value::{AttributeValue, Item};

/// The most steps of a path. AWS: Developer Guide, *Service, account, and table quotas*, nesting depth.
pub const PATH_STEPS_MAX: usize = 32;

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Into a map.
    Name(String),
    /// Into a list.
    Index(usize),
}

/// A path to an attribute of an item, or to what is within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The top-level attribute.
    pub attribute: String,
    /// The steps from there.
    pub steps: Vec<Step>,
}

impl Path {
    /// The path to an attribute.
    pub fn of(attribute: impl Into<String>) -> Path {
        Path { attribute: attribute.into(), steps: Vec::new() }
    }

    /// The name that its last named step gives, with the indexes behind it: `c[3]` of `a.b.c[3]`.
    pub(super) fn column(&self) -> String {
        let named = self.steps.iter().rposition(|step| matches!(step, Step::Name(_)));
        let mut name = match named.and_then(|at| self.steps.get(at)) {
            Some(Step::Name(name)) => name.clone(),
            _ => self.attribute.clone(),
        };
        for step in self.steps.iter().skip(named.map_or(0, |at| at + 1)) {
            if let Step::Index(index) = step {
                name.push_str(&format!("[{index}]"));
            }
        }
        name
    }

    /// What stands there in `item`.
    pub fn find<'a>(&self, item: &'a Item) -> Option<&'a AttributeValue> {
        self.steps.iter().try_fold(item.get(&self.attribute)?, |value, step| match (value, step) {
            (AttributeValue::M(map), Step::Name(name)) => map.get(name),
            (AttributeValue::L(list), Step::Index(index)) => list.get(*index),
            _ => None,
        })
    }
}

impl fmt::Display for Path {
    /// As AWS prints it: `[a, b, [3], c]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.attribute)?;
        for step in &self.steps {
            match step {
                Step::Name(name) => write!(f, ", {name}")?,
                Step::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}
