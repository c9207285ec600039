//! Memory that matching uses again for the next event, one for each thread.

use std::cell::RefCell;

use crate::fields::Fields;
use crate::index::IndexScratch;
use crate::postings::Posting;

/// The memory.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) fields: Fields,
    pub(crate) index: IndexScratch,
    /// Branches that may match the event.
    pub(crate) candidates: Vec<Posting>,
    /// For a branch, the last event it was judged for.
    pub(crate) judged: Vec<u64>,
    /// For a rule, the last event it was reported for.
    pub(crate) reported: Vec<u64>,
    /// For a condition, the last event that answered it, doubled, plus one if it holds.
    pub(crate) answers: Vec<u64>,
    /// Counts events, so that nothing above needs to be cleared. Matchers share it, hence it never goes back.
    pub(crate) event: u64,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Lends the memory of this thread.
pub(crate) fn with_scratch<T>(use_it: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => use_it(&mut scratch),
        // A comparison of rule names that itself matches events.
        Err(_) => use_it(&mut Scratch::default()),
    })
}
