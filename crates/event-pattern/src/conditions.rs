//! Conditions that many rules share, kept once.
//!
//! Rules of one bus ask the same questions again and again: `"source": ["orders"]` may stand in a thousand of them. One copy stays in the
//! processor's cache where a thousand would not, and an event answers it once.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::check::Check;
use crate::operator::Operator;

/// The conditions of a matcher.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    numbers: HashMap<(u32, Arc<[Operator]>), u32, RandomState>,
    /// By number, how many branches have the condition.
    uses: Vec<u32>,
    free: Vec<u32>,
}

impl Conditions {
    /// How many numbers for conditions there are; all are below.
    pub(crate) fn len(&self) -> usize {
        self.uses.len()
    }

    /// How many branches have the condition.
    pub(crate) fn uses(&self, check: &Check) -> u32 {
        self.uses.get(check.number as usize).copied().unwrap_or(0)
    }

    /// The condition on `path`, used once more.
    pub(crate) fn add(&mut self, path: u32, operators: &Arc<[Operator]>) -> Check {
        let key = (path, Arc::clone(operators));
        if let Some(((_, shared), number)) = self.numbers.get_key_value(&key) {
            if let Some(uses) = self.uses.get_mut(*number as usize) {
                *uses += 1;
            }
            return Check { path, number: *number, operators: Arc::clone(shared) };
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.uses.push(0);
            (self.uses.len() - 1) as u32
        });
        if let Some(uses) = self.uses.get_mut(number as usize) {
            *uses = 1;
        }
        self.numbers.insert(key, number);
        Check { path, number, operators: Arc::clone(operators) }
    }

    /// The condition is used once less.
    pub(crate) fn remove(&mut self, check: &Check) {
        let Some(uses) = self.uses.get_mut(check.number as usize) else { return };
        *uses = uses.saturating_sub(1);
        if *uses == 0 {
            self.numbers.remove(&(check.path, Arc::clone(&check.operators)));
            self.free.push(check.number);
        }
    }
}
