//! Short pieces of text, found anywhere in a longer one: what a wildcard with stars at both ends is indexed by.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::postings::{Posting, Postings};

/// Bytes of the longest piece.
pub(crate) const GRAM_BYTES_MAX: usize = 4;

/// Pieces of one literal that are considered; the rarest is used.
const GRAMS_CONSIDERED_MAX: usize = 64;

/// Up to [`GRAM_BYTES_MAX`] bytes and their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gram(u64);

impl Gram {
    fn new(bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(bytes.len() as u64, |gram, byte| gram << 8 | u64::from(*byte)))
    }

    fn size(self) -> usize {
        (1..=GRAM_BYTES_MAX).find(|size| self.0 >> (8 * size) == *size as u64).unwrap_or(GRAM_BYTES_MAX)
    }
}

/// An index by pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grams {
    postings: HashMap<Gram, Postings, RandomState>,
    /// How many postings have a piece of each size.
    sizes: [usize; GRAM_BYTES_MAX + 1],
}

impl Grams {
    /// The piece of `literal` with the fewest postings, and how many. None of nothing.
    pub(crate) fn rarest(&self, literal: &[u8]) -> Option<(Gram, usize)> {
        let size = literal.len().min(GRAM_BYTES_MAX);
        if size == 0 {
            return None;
        }
        let counted = literal.windows(size).take(GRAMS_CONSIDERED_MAX).map(|bytes| {
            let gram = Gram::new(bytes);
            (gram, self.postings.get(&gram).map_or(0, Postings::len))
        });
        counted.min_by_key(|(_, count)| *count)
    }

    pub(crate) fn add(&mut self, gram: Gram, posting: Posting) {
        self.postings.entry(gram).or_default().add(posting);
        if let Some(count) = self.sizes.get_mut(gram.size()) {
            *count += 1;
        }
    }

    pub(crate) fn remove(&mut self, gram: Gram, branch: u32) {
        let Some(postings) = self.postings.get_mut(&gram) else { return };
        postings.remove(branch);
        if postings.is_empty() {
            self.postings.remove(&gram);
        }
        if let Some(count) = self.sizes.get_mut(gram.size()) {
            *count = count.saturating_sub(1);
        }
    }

    /// Calls `visit` with the postings of every piece in `text`, more than once for one that repeats.
    #[inline]
    pub(crate) fn find(&self, text: &[u8], mut visit: impl FnMut(&Postings)) {
        for size in (1..=GRAM_BYTES_MAX).filter(|size| self.sizes.get(*size).is_some_and(|count| *count > 0)) {
            for bytes in text.windows(size) {
                if let Some(postings) = self.postings.get(&Gram::new(bytes)) {
                    visit(postings);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Gram, Grams};
    use crate::postings::Posting;

    #[test]
    fn pieces_are_found_anywhere() {
        let mut grams = Grams::default();
        for (branch, piece) in ["abcd", "bc", "\0", "d"].iter().enumerate() {
            let gram = Gram::new(piece.as_bytes());
            assert_eq!(gram.size(), piece.len());
            grams.add(gram, Posting::new(branch as u32, false));
        }
        let found = |grams: &Grams, text: &str| {
            let mut found = Vec::new();
            grams.find(text.as_bytes(), |postings| found.extend(postings.as_slice().iter().map(|p| p.branch())));
            found.sort_unstable();
            found
        };
        assert_eq!(found(&grams, "xabcdx"), [0, 1, 3]);
        assert_eq!(found(&grams, "bc\0"), [1, 2]);
        grams.remove(Gram::new(b"bc"), 1);
        assert_eq!(found(&grams, "xabcdx"), [0, 3]);
        assert_eq!(grams.rarest(b"abcde").map(|(gram, count)| (gram == Gram::new(b"bcde"), count)), Some((true, 0)));
        assert_eq!(grams.rarest(b""), None);
    }
}
