//! The branches that something found in an event may satisfy.

/// A branch in an index: its number, and whether being found there already satisfies the condition that it was indexed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Posting(u32);

const SATISFIED: u32 = 1 << 31;

impl Posting {
    pub(crate) fn new(branch: u32, satisfied: bool) -> Self {
        Self(branch | if satisfied { SATISFIED } else { 0 })
    }

    #[inline]
    pub(crate) fn branch(self) -> u32 {
        self.0 & !SATISFIED
    }

    /// The same branch, still to be checked.
    #[inline]
    pub(crate) fn unsatisfied(self) -> Self {
        Self(self.0 & !SATISFIED)
    }

    #[inline]
    pub(crate) fn satisfied(self) -> bool {
        self.0 & SATISFIED != 0
    }
}

/// Postings under one key. Nearly always there is one.
#[derive(Clone, Debug, Default)]
pub(crate) enum Postings {
    #[default]
    None,
    One(Posting),
    Many(Vec<Posting>),
}

impl Postings {
    pub(crate) fn as_slice(&self) -> &[Posting] {
        match self {
            Self::None => &[],
            Self::One(posting) => std::slice::from_ref(posting),
            Self::Many(postings) => postings,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(crate) fn add(&mut self, posting: Posting) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(posting),
            Self::One(first) => Self::Many(vec![first, posting]),
            Self::Many(mut postings) => {
                postings.push(posting);
                Self::Many(postings)
            }
        };
    }

    /// Takes one posting of `branch` out.
    pub(crate) fn remove(&mut self, branch: u32) {
        match self {
            Self::None => {}
            Self::One(posting) => {
                if posting.branch() == branch {
                    *self = Self::None;
                }
            }
            Self::Many(postings) => {
                if let Some(at) = postings.iter().position(|posting| posting.branch() == branch) {
                    postings.swap_remove(at);
                }
                if let [only] = postings.as_slice() {
                    *self = Self::One(*only);
                }
            }
        }
    }
}
