//! Ranges of numbers, found by a number inside of them.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use crate::number::NumberKey;
use crate::postings::{Posting, Postings};

/// Ranges whose two ends fall in different halves of one block of numbers.
#[derive(Clone, Debug, Default)]
struct Block {
    by_low: BTreeMap<NumberKey, Postings>,
    by_high: BTreeMap<NumberKey, Postings>,
}

/// An interval tree that needs no balancing: its shape is that of the numbers' bits.
///
/// A range belongs to the smallest block of 2^n numbers that holds both its ends, so it spans the block's middle. A number in the lower
/// half is then in all ranges that begin at or below it, one in the upper half in all that end at or above it: looking up visits one
/// block of each size that is in use, and in them only what matches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges {
    /// By size and place.
    blocks: HashMap<(u32, u128), Block, RandomState>,
    /// How many ranges each size of block has.
    sizes: BTreeMap<u32, usize>,
    /// Ranges without one of the two ends: about half of them hold of any number.
    open: usize,
}

fn is_open(low: NumberKey, high: NumberKey) -> bool {
    low == NumberKey::LOWEST || high == NumberKey::HIGHEST
}

/// The exponent of the smallest block with both numbers, and its place.
fn block_of(low: NumberKey, high: NumberKey) -> (u32, u128) {
    let size = u128::BITS - (low.bits() ^ high.bits()).leading_zeros();
    (size, place(low, size))
}

fn place(number: NumberKey, size: u32) -> u128 {
    number.bits().checked_shr(size).unwrap_or(0)
}

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// Calls `visit` with the postings of every range that `number` is in.
    #[inline]
    pub(crate) fn find(&self, number: NumberKey, mut visit: impl FnMut(&Postings)) {
        for &size in self.sizes.keys() {
            let Some(block) = self.blocks.get(&(size, place(number, size))) else { continue };
            let upper_half = size > 0 && number.bits() >> (size - 1) & 1 == 1;
            if upper_half {
                block.by_high.range(number..).for_each(|(_, postings)| visit(postings));
            } else {
                block.by_low.range(..=number).for_each(|(_, postings)| visit(postings));
            }
        }
    }

    /// A guess of how many other ranges hold where this one does.
    pub(crate) fn crowd(&self, low: NumberKey, high: NumberKey) -> usize {
        if is_open(low, high) {
            return self.open / 2;
        }
        let Some(block) = self.blocks.get(&block_of(low, high)) else { return 0 };
        let with = |map: &BTreeMap<NumberKey, Postings>, end| map.get(&end).map_or(0, Postings::len);
        with(&block.by_low, low).min(with(&block.by_high, high))
    }

    pub(crate) fn add(&mut self, low: NumberKey, high: NumberKey, posting: Posting) {
        // `< n` and `> n` together can leave nothing between.
        if low > high {
            return;
        }
        self.open += usize::from(is_open(low, high));
        let key = block_of(low, high);
        *self.sizes.entry(key.0).or_default() += 1;
        let block = self.blocks.entry(key).or_default();
        block.by_low.entry(low).or_default().add(posting);
        block.by_high.entry(high).or_default().add(posting);
    }

    pub(crate) fn remove(&mut self, low: NumberKey, high: NumberKey, branch: u32) {
        let key = block_of(low, high);
        let Some(block) = self.blocks.get_mut(&key).filter(|_| low <= high) else { return };
        self.open = self.open.saturating_sub(usize::from(is_open(low, high)));
        for (map, end) in [(&mut block.by_low, low), (&mut block.by_high, high)] {
            if let Some(postings) = map.get_mut(&end) {
                postings.remove(branch);
                if postings.is_empty() {
                    map.remove(&end);
                }
            }
        }
        if block.by_low.is_empty() {
            self.blocks.remove(&key);
        }
        if let Some(count) = self.sizes.get_mut(&key.0) {
            *count -= 1;
            if *count == 0 {
                self.sizes.remove(&key.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ranges;
    use crate::number::{Number, NumberKey};
    use crate::postings::Posting;

    fn key(text: &str) -> NumberKey {
        Number::parse(text.as_bytes()).key
    }

    #[test]
    fn a_number_finds_the_ranges_around_it() {
        let ranges = [
            (NumberKey::LOWEST, key("5")),
            (key("5"), NumberKey::HIGHEST),
            (key("5"), key("5")),
            (key("-1"), key("1e9")),
            (key("4.999"), key("5.001")),
            (key("5").above(), key("6").below()),
            (NumberKey::LOWEST, NumberKey::HIGHEST),
            (key("5").above(), key("5").below()),
        ];
        let mut index = Ranges::default();
        for (branch, (low, high)) in ranges.iter().enumerate() {
            index.add(*low, *high, Posting::new(branch as u32, true));
        }
        let check = |index: &Ranges, removed: usize| {
            for number in ["5", "5.0000001", "4.9999", "6", "5.999", "-2", "0", "1e9", "1e10", "-1e300"] {
                let mut found = Vec::new();
                index.find(key(number), |postings| found.extend(postings.as_slice().iter().map(|p| p.branch())));
                found.sort_unstable();
                let inside =
                    |(_, (low, high)): &(usize, &(NumberKey, NumberKey))| *low <= key(number) && key(number) <= *high;
                let expect: Vec<u32> =
                    ranges.iter().enumerate().skip(removed).filter(inside).map(|(b, _)| b as u32).collect();
                assert_eq!(found, expect, "{number}");
            }
        };
        check(&index, 0);
        for (branch, (low, high)) in ranges.iter().enumerate() {
            index.remove(*low, *high, branch as u32);
            check(&index, branch + 1);
        }
        assert!(index.is_empty() && index.blocks.is_empty());
    }
}
