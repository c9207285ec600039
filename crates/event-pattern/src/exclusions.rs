//! Rules with `anything-but`, which every value satisfies but a few: those few are looked up, instead of asking each rule.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::byte_tree::ByteTree;
use crate::fold::fold_bytes;
use crate::number::NumberKey;
use crate::operator::{Operator, Value};
use crate::postings::{Posting, Postings};

type Map<K> = HashMap<K, Postings, RandomState>;

/// The rules, and which values each of them excludes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exclusions {
    all: Postings,
    texts: Map<Box<[u8]>>,
    numbers: Map<NumberKey>,
    folded: Map<Box<[u8]>>,
    prefixes: ByteTree,
    /// Turned around.
    suffixes: ByteTree,
}

/// Whether rules with this operator can be kept here.
pub(crate) fn suits(operator: &Operator) -> bool {
    matches!(
        operator,
        Operator::NotTexts(_)
            | Operator::NotNumbers(_)
            | Operator::NotIgnoreCase(_)
            | Operator::NotPrefixes(_)
            | Operator::NotSuffixes(_)
    )
}

fn reversed(text: &[u8]) -> Vec<u8> {
    text.iter().rev().copied().collect()
}

fn take<K: std::hash::Hash + Eq>(map: &mut Map<K>, key: &K, branch: u32) {
    if let Some(postings) = map.get_mut(key) {
        postings.remove(branch);
        if postings.is_empty() {
            map.remove(key);
        }
    }
}

impl Exclusions {
    /// Adds a branch whose condition is `operator` alone.
    pub(crate) fn add(&mut self, operator: &Operator, branch: u32) {
        let posting = Posting::new(branch, true);
        self.all.add(posting);
        match operator {
            Operator::NotTexts(texts) => {
                texts.iter().for_each(|text| self.texts.entry(text.as_bytes().into()).or_default().add(posting));
            }
            Operator::NotNumbers(numbers) => {
                numbers.iter().for_each(|(_, number)| self.numbers.entry(*number).or_default().add(posting));
            }
            Operator::NotIgnoreCase(texts) => {
                texts
                    .iter()
                    .for_each(|(_, folded)| self.folded.entry(folded.as_bytes().into()).or_default().add(posting));
            }
            Operator::NotPrefixes(texts) => texts.iter().for_each(|text| self.prefixes.add(text.as_bytes(), posting)),
            Operator::NotSuffixes(texts) => {
                texts.iter().for_each(|text| self.suffixes.add(&reversed(text.as_bytes()), posting));
            }
            _ => {}
        }
    }

    /// Takes the branch out.
    pub(crate) fn remove(&mut self, operator: &Operator, branch: u32) {
        self.all.remove(branch);
        match operator {
            Operator::NotTexts(texts) => {
                texts.iter().for_each(|text| take(&mut self.texts, &text.as_bytes().into(), branch))
            }
            Operator::NotNumbers(numbers) => {
                numbers.iter().for_each(|(_, number)| take(&mut self.numbers, number, branch));
            }
            Operator::NotIgnoreCase(texts) => {
                texts.iter().for_each(|(_, folded)| take(&mut self.folded, &folded.as_bytes().into(), branch));
            }
            Operator::NotPrefixes(texts) => texts.iter().for_each(|text| self.prefixes.remove(text.as_bytes(), branch)),
            Operator::NotSuffixes(texts) => {
                texts.iter().for_each(|text| self.suffixes.remove(&reversed(text.as_bytes()), branch));
            }
            _ => {}
        }
    }

    /// The branches, all of which hold of a value but those that exclude it.
    #[inline]
    pub(crate) fn all(&self) -> &[Posting] {
        self.all.as_slice()
    }

    /// Calls `visit` with the branches that exclude `value`.
    pub(crate) fn find(&self, value: Value<'_>, mut visit: impl FnMut(&Postings)) {
        match value {
            Value::Number(_, key) => self.numbers.get(&key).into_iter().for_each(visit),
            Value::Text(text) => {
                self.texts.get(text).into_iter().for_each(&mut visit);
                if !self.folded.is_empty() {
                    self.folded.get(&*fold_bytes(text)).into_iter().for_each(&mut visit);
                }
                self.prefixes.walk(text, &mut visit);
                if !self.suffixes.is_empty() {
                    self.suffixes.walk(&reversed(text), &mut visit);
                }
            }
            Value::True | Value::False | Value::Null => {}
        }
    }
}
