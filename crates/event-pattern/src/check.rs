//! Whether the fields of an event satisfy all conditions of a branch.

use std::sync::Arc;

use crate::arrays;
use crate::error::EventError;
use crate::fields::{Fields, OUTSIDE};
use crate::operator::{Operator, Value};

/// A condition on the field at a numbered path: one of the operators has to hold.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) path: u32,
    /// Which condition of the matcher it is.
    pub(crate) number: u32,
    pub(crate) operators: Arc<[Operator]>,
}

impl Check {
    pub(crate) fn accepts(&self, value: Value<'_>) -> bool {
        self.operators.iter().any(|operator| operator.accepts(value))
    }

    /// The condition may also hold of nothing.
    pub(crate) fn allows_absence(&self) -> bool {
        self.operators.contains(&Operator::Absent)
    }

    /// The condition holds, whatever the other conditions are.
    #[inline]
    pub(crate) fn holds(&self, event: &[u8], fields: &Fields) -> bool {
        if fields.has(self.path) {
            fields.at(self.path).any(|field| self.accepts(fields.value(event, field)))
        } else {
            self.allows_absence()
        }
    }

    /// Some field of the condition is inside an array element.
    fn inside(&self, fields: &Fields) -> bool {
        fields.at(self.path).any(|field| field.context != OUTSIDE)
    }
}

/// Whether all `checks`, which are in the order of their paths' names, hold together: fields that they take from one array come from the
/// same element.
///
/// # Errors
/// If arrays of the event make that too expensive to tell.
pub(crate) fn all_hold(checks: &[Check], event: &[u8], fields: &Fields) -> Result<bool, EventError> {
    if fields.flat() || checks.len() == 1 {
        return Ok(checks.iter().all(|check| check.holds(event, fields)));
    }
    let mut inside: Vec<&Check> = Vec::new();
    for check in checks {
        let within = check.inside(fields);
        // Which fields a condition inside arrays may not see depends on the others, so absence is left to them.
        if !(check.holds(event, fields) || within && check.allows_absence()) {
            return Ok(false);
        }
        if within {
            inside.push(check);
        }
    }
    if let [only] = inside.as_slice() {
        return Ok(only.holds(event, fields));
    }
    arrays::hold_together(&inside, event, fields)
}
