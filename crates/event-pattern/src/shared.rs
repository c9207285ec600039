//! Rules that change while events are matched.

use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use crate::error::EventError;
use crate::matcher::Matcher;
use crate::pattern::Pattern;

#[derive(Debug)]
struct Sides<Id> {
    sides: [RwLock<Matcher<Id>>; 2],
    /// The side to read.
    current: AtomicUsize,
    /// One change at a time.
    change: Mutex<()>,
}

/// A [`Matcher`] that many threads use and some change, without matching ever waiting for a change. Clones are handles of the same rules.
///
/// There are two copies of the rules. Readers take the current one. A change is made to the other copy, which then becomes the current one,
/// and is made again to the first as soon as the last reader has left it. So a change waits for readers (no longer than one event takes
/// to match) and readers for nobody; a change costs twice its work and never a rebuild. A reader sees all changes that returned before it
/// began, and each change whole or not at all.
#[derive(Debug)]
pub struct SharedMatcher<Id>(Arc<Sides<Id>>);

impl<Id> Clone for SharedMatcher<Id> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Id: Clone + Eq + Hash> Default for SharedMatcher<Id> {
    fn default() -> Self {
        Self::from_matcher(Matcher::new())
    }
}

impl<Id: Clone + Eq + Hash> SharedMatcher<Id> {
    /// A matcher without rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shares `matcher`. Building many rules first and sharing them then saves half the work.
    #[must_use]
    pub fn from_matcher(matcher: Matcher<Id>) -> Self {
        let sides = [RwLock::new(matcher.clone()), RwLock::new(matcher)];
        Self(Arc::new(Sides { sides, current: AtomicUsize::new(0), change: Mutex::new(()) }))
    }

    /// The current side. The lock is free for readers except in the moment between a reader's look at `current` and its attempt, if a
    /// change comes between; then the other side has become current and is free.
    fn read(&self) -> RwLockReadGuard<'_, Matcher<Id>> {
        loop {
            let [left, right] = &self.0.sides;
            let side = if self.0.current.load(Ordering::SeqCst) == 0 { left } else { right };
            match side.try_read() {
                Ok(matcher) => return matcher,
                Err(std::sync::TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(std::sync::TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
    }

    /// Makes a change to both sides.
    fn change<T>(&self, change: impl Fn(&mut Matcher<Id>) -> T) -> T {
        let _one_at_a_time = self.0.change.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.0.current.load(Ordering::SeqCst);
        let [left, right] = &self.0.sides;
        let (current_side, other_side) = if current == 0 { (left, right) } else { (right, left) };
        change(&mut other_side.write().unwrap_or_else(PoisonError::into_inner));
        self.0.current.store(1 - current, Ordering::SeqCst);
        change(&mut current_side.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds the rule `id`, which replaces one of the same name. Returns whether there was one.
    pub fn add(&self, id: Id, pattern: &Pattern) -> bool {
        self.change(|matcher| matcher.add(id.clone(), pattern))
    }

    /// Removes the rule `id`. Returns whether there was one.
    pub fn remove(&self, id: &Id) -> bool {
        self.change(|matcher| matcher.remove(id))
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// There are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// As [`Matcher::matches`].
    ///
    /// # Errors
    /// As [`Matcher::matches`].
    pub fn matches(&self, event: &[u8], matched: &mut Vec<Id>) -> Result<(), EventError> {
        crate::validate(event)?;
        self.matches_trusted(event, matched)
    }

    /// As [`Matcher::matches_trusted`].
    ///
    /// # Errors
    /// As [`Matcher::matches_trusted`].
    pub fn matches_trusted(&self, event: &[u8], matched: &mut Vec<Id>) -> Result<(), EventError> {
        self.read().matches_trusted(event, matched)
    }

    /// A copy of the rules as they are now, independent of changes after. Costs time and memory for each rule.
    #[must_use]
    pub fn snapshot(&self) -> Matcher<Id> {
        self.read().clone()
    }
}
