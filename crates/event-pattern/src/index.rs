//! Everything that rules ask of the values at one path, so that a value finds the rules it may satisfy.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::address::{Address, Cidr};
use crate::byte_tree::ByteTree;
use crate::exclusions::{self, Exclusions};
use crate::fold::fold_bytes;
use crate::grams::{Gram, Grams};
use crate::number::NumberKey;
use crate::operator::{Operator, Value};
use crate::postings::{Posting, Postings};
use crate::ranges::Ranges;
use crate::wildcard::Wildcard;

type Map<K> = HashMap<K, Postings, RandomState>;

/// Memory kept from value to value.
#[derive(Debug, Default)]
pub(crate) struct IndexScratch {
    reversed: Vec<u8>,
    /// Branches that the event is known not to match.
    pub(crate) excluded: Vec<Posting>,
}

/// Where a branch stands in the index of one path. A value that satisfies the operator is found under the key; unless the key says it all,
/// others may be too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Null,
    True,
    False,
    Text(Box<[u8]>),
    Address(Address),
    Number(NumberKey),
    Folded(Box<[u8]>),
    Prefix(Box<[u8]>),
    /// Turned around, as the one below.
    Suffix(Box<[u8]>),
    FoldedPrefix(Box<[u8]>),
    FoldedSuffix(Box<[u8]>),
    Gram(Gram),
    Range(NumberKey, NumberKey),
    Cidr(Cidr),
    AnyText,
    Present,
    /// Present, and not what the only operator of the condition excludes.
    Excluding(Arc<[Operator]>),
    Absent,
}

/// A key, what it costs and whether it says it all.
pub(crate) struct Choice {
    pub(crate) key: Key,
    /// A guess of how many rules will be judged in vain because of one more here.
    pub(crate) cost: usize,
    pub(crate) satisfied: bool,
}

/// Rules under one literal of a wildcard before its pieces are used instead, which cost more to look up.
const WILDCARD_SHARE_MAX: usize = 4;

/// The index of one path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    texts: Map<Box<[u8]>>,
    addresses: Map<Address>,
    numbers: Map<NumberKey>,
    folded: Map<Box<[u8]>>,
    prefixes: ByteTree,
    suffixes: ByteTree,
    folded_prefixes: ByteTree,
    folded_suffixes: ByteTree,
    grams: Grams,
    ranges: Ranges,
    cidrs: Map<Cidr>,
    /// How many blocks there are of each mask, IPv4 first.
    masks: [Vec<(u8, usize)>; 2],
    null: Postings,
    yes: Postings,
    no: Postings,
    any_text: Postings,
    present: Postings,
    exclusions: Exclusions,
    absent: Postings,
}

fn reversed(text: &[u8]) -> Box<[u8]> {
    text.iter().rev().copied().collect()
}

fn count<K: std::hash::Hash + Eq>(map: &Map<K>, key: &K) -> usize {
    map.get(key).map_or(0, Postings::len)
}

/// Short literals are in many texts.
fn shortness(literal: &[u8]) -> usize {
    16 >> literal.len().min(5)
}

impl Index {
    /// Where to put a branch with this condition: one place for each alternative.
    pub(crate) fn choose_all(&self, operators: &Arc<[Operator]>) -> Vec<Choice> {
        match &**operators {
            [only] if exclusions::suits(only) => {
                vec![Choice { key: Key::Excluding(Arc::clone(operators)), cost: 18_000, satisfied: true }]
            }
            _ => operators.iter().map(|operator| self.choose(operator)).collect(),
        }
    }

    /// Where to put a branch whose condition has `operator` among its alternatives.
    fn choose(&self, operator: &Operator) -> Choice {
        let choice = |key, cost, satisfied| Choice { key, cost, satisfied };
        match operator {
            Operator::Null => choice(Key::Null, 4 + self.null.len(), true),
            Operator::True => choice(Key::True, 4 + self.yes.len(), true),
            Operator::False => choice(Key::False, 4 + self.no.len(), true),
            Operator::Text(_, Some(address)) => choice(Key::Address(*address), count(&self.addresses, address), true),
            Operator::Text(text, None) => {
                let key: Box<[u8]> = text.as_bytes().into();
                let cost = count(&self.texts, &key);
                choice(Key::Text(key), cost, true)
            }
            Operator::Number(_, number) => {
                choice(Key::Number(*number), count(&self.numbers, number), number.is_exact())
            }
            Operator::IgnoreCase(_, folded) => {
                let key: Box<[u8]> = folded.as_bytes().into();
                let cost = count(&self.folded, &key);
                choice(Key::Folded(key), cost, true)
            }
            Operator::Prefix(text) => {
                let cost = self.prefixes.count(text.as_bytes()) + shortness(text.as_bytes());
                choice(Key::Prefix(text.as_bytes().into()), cost, true)
            }
            Operator::Suffix(text) => {
                let key = reversed(text.as_bytes());
                let cost = self.suffixes.count(&key) + shortness(&key);
                choice(Key::Suffix(key), cost, true)
            }
            Operator::PrefixIgnoreCase(_, folded) => {
                let cost = self.folded_prefixes.count(folded.as_bytes()) + shortness(folded.as_bytes());
                choice(Key::FoldedPrefix(folded.as_bytes().into()), cost, true)
            }
            Operator::SuffixIgnoreCase(_, folded) => {
                let key = reversed(folded.as_bytes());
                let cost = self.folded_suffixes.count(&key) + shortness(&key);
                choice(Key::FoldedSuffix(key), cost, true)
            }
            Operator::Wildcard(_, wildcard) => self.choose_wildcard(wildcard),
            Operator::Range(range) if range.low == range.high => {
                choice(Key::Number(range.low), count(&self.numbers, &range.low), true)
            }
            Operator::Range(range) => {
                let open = range.low == NumberKey::LOWEST || range.high == NumberKey::HIGHEST;
                let cost = self.ranges.crowd(range.low, range.high) + if open { 100 } else { 20 };
                choice(Key::Range(range.low, range.high), cost, true)
            }
            Operator::Cidr(_, cidr) => {
                let cost = count(&self.cidrs, cidr) + (64 >> cidr.mask_bits.min(7));
                choice(Key::Cidr(*cidr), cost, true)
            }
            Operator::Exists => choice(Key::Present, 20_000, true),
            Operator::Absent => choice(Key::Absent, 15_000, false),
            Operator::NotTexts(_)
            | Operator::NotNumbers(_)
            | Operator::NotPrefixes(_)
            | Operator::NotSuffixes(_)
            | Operator::NotIgnoreCase(_)
            | Operator::NotWildcards(_) => choice(Key::Present, 18_000, false),
        }
    }

    /// A literal part of the wildcard that few others have.
    fn choose_wildcard(&self, wildcard: &Wildcard) -> Choice {
        let choice = |key, cost| Choice { key, cost, satisfied: false };
        let [first, rest @ ..] = wildcard.parts() else { return choice(Key::AnyText, 10_000) };
        let Some(last) = rest.last() else {
            let cost = count(&self.texts, first);
            return choice(Key::Text(first.clone()), cost);
        };
        let turned = reversed(last);
        let prefix = (!first.is_empty()).then(|| (self.prefixes.count(first), first.len(), Key::Prefix(first.clone())));
        let suffix = (!last.is_empty()).then(|| (self.suffixes.count(&turned), last.len(), Key::Suffix(turned)));
        let better = prefix.into_iter().chain(suffix).min_by_key(|(count, length, _)| (*count, usize::MAX - length));
        if let Some((count, length, key)) = better
            && count <= WILDCARD_SHARE_MAX
            && length > 1
        {
            return choice(key, count + (16 >> length.min(5)));
        }
        let parts = wildcard.parts().iter();
        let rarest = parts
            .filter_map(|part| Some((self.grams.rarest(part)?, part.len())))
            .min_by_key(|((_, count), length)| (*count, usize::MAX - length));
        match rarest {
            Some(((gram, count), length)) => choice(Key::Gram(gram), 2 + count + (16 >> length.min(5))),
            None => choice(Key::AnyText, 10_000),
        }
    }

    /// Adds `posting` under `key`.
    pub(crate) fn add(&mut self, key: &Key, posting: Posting) {
        match key {
            Key::Null => self.null.add(posting),
            Key::True => self.yes.add(posting),
            Key::False => self.no.add(posting),
            Key::Text(text) => self.texts.entry(text.clone()).or_default().add(posting),
            Key::Address(address) => self.addresses.entry(*address).or_default().add(posting),
            Key::Number(number) => self.numbers.entry(*number).or_default().add(posting),
            Key::Folded(text) => self.folded.entry(text.clone()).or_default().add(posting),
            Key::Prefix(text) => self.prefixes.add(text, posting),
            Key::Suffix(text) => self.suffixes.add(text, posting),
            Key::FoldedPrefix(text) => self.folded_prefixes.add(text, posting),
            Key::FoldedSuffix(text) => self.folded_suffixes.add(text, posting),
            Key::Gram(gram) => self.grams.add(*gram, posting),
            Key::Range(low, high) => self.ranges.add(*low, *high, posting),
            Key::Cidr(cidr) => {
                self.cidrs.entry(*cidr).or_default().add(posting);
                let [v4, v6] = &mut self.masks;
                let masks = if cidr.base.v6 { v6 } else { v4 };
                match masks.iter_mut().find(|(mask, _)| *mask == cidr.mask_bits) {
                    Some((_, count)) => *count += 1,
                    None => masks.push((cidr.mask_bits, 1)),
                }
            }
            Key::AnyText => self.any_text.add(posting),
            Key::Present => self.present.add(posting),
            Key::Excluding(operators) => operators.iter().for_each(|o| self.exclusions.add(o, posting.branch())),
            Key::Absent => self.absent.add(posting),
        }
    }

    /// Takes one posting of `branch` under `key` out.
    pub(crate) fn remove(&mut self, key: &Key, branch: u32) {
        fn take<K: std::hash::Hash + Eq>(map: &mut Map<K>, key: &K, branch: u32) {
            if let Some(postings) = map.get_mut(key) {
                postings.remove(branch);
                if postings.is_empty() {
                    map.remove(key);
                }
            }
        }
        match key {
            Key::Null => self.null.remove(branch),
            Key::True => self.yes.remove(branch),
            Key::False => self.no.remove(branch),
            Key::Text(text) => take(&mut self.texts, text, branch),
            Key::Address(address) => take(&mut self.addresses, address, branch),
            Key::Number(number) => take(&mut self.numbers, number, branch),
            Key::Folded(text) => take(&mut self.folded, text, branch),
            Key::Prefix(text) => self.prefixes.remove(text, branch),
            Key::Suffix(text) => self.suffixes.remove(text, branch),
            Key::FoldedPrefix(text) => self.folded_prefixes.remove(text, branch),
            Key::FoldedSuffix(text) => self.folded_suffixes.remove(text, branch),
            Key::Gram(gram) => self.grams.remove(*gram, branch),
            Key::Range(low, high) => self.ranges.remove(*low, *high, branch),
            Key::Cidr(cidr) => {
                take(&mut self.cidrs, cidr, branch);
                let [v4, v6] = &mut self.masks;
                let masks = if cidr.base.v6 { v6 } else { v4 };
                if let Some((_, count)) = masks.iter_mut().find(|(mask, _)| *mask == cidr.mask_bits) {
                    *count = count.saturating_sub(1);
                }
                masks.retain(|(_, count)| *count > 0);
            }
            Key::AnyText => self.any_text.remove(branch),
            Key::Present => self.present.remove(branch),
            Key::Excluding(operators) => operators.iter().for_each(|o| self.exclusions.remove(o, branch)),
            Key::Absent => self.absent.remove(branch),
        }
    }

    /// The branches that hold of nothing at the path.
    pub(crate) fn absent(&self) -> &Postings {
        &self.absent
    }

    /// Adds the branches that `value` may satisfy to `found`. It is the only one at its path, or one of several.
    #[inline]
    pub(crate) fn find(&self, value: Value<'_>, only: bool, scratch: &mut IndexScratch, found: &mut Vec<Posting>) {
        if !self.exclusions.all().is_empty() {
            if only {
                self.exclusions.find(value, |postings| scratch.excluded.extend_from_slice(postings.as_slice()));
                found.extend_from_slice(self.exclusions.all());
            } else {
                // What one value excludes another may bring back.
                found.extend(self.exclusions.all().iter().map(|posting| posting.unsatisfied()));
            }
        }
        let mut note = |postings: &Postings| found.extend_from_slice(postings.as_slice());
        note(&self.present);
        match value {
            Value::Null => note(&self.null),
            Value::True => note(&self.yes),
            Value::False => note(&self.no),
            Value::Number(_, key) => {
                if !self.numbers.is_empty()
                    && let Some(postings) = self.numbers.get(&key)
                {
                    note(postings);
                }
                if !self.ranges.is_empty() {
                    self.ranges.find(key, note);
                }
            }
            Value::Text(text) => {
                if !self.texts.is_empty()
                    && let Some(postings) = self.texts.get(text)
                {
                    note(postings);
                }
                note(&self.any_text);
                self.prefixes.walk(text, &mut note);
                if !self.suffixes.is_empty() {
                    walk_back(&self.suffixes, text, scratch, &mut note);
                }
                self.grams.find(text, &mut note);
                self.find_folded(text, scratch, &mut note);
                self.find_address(text, &mut note);
            }
        }
    }

    #[inline]
    fn find_folded(&self, text: &[u8], scratch: &mut IndexScratch, note: &mut impl FnMut(&Postings)) {
        if self.folded.is_empty() && self.folded_prefixes.is_empty() && self.folded_suffixes.is_empty() {
            return;
        }
        let folded: Cow<'_, [u8]> = fold_bytes(text);
        if let Some(postings) = self.folded.get(&*folded) {
            note(postings);
        }
        self.folded_prefixes.walk(&folded, &mut *note);
        if !self.folded_suffixes.is_empty() {
            walk_back(&self.folded_suffixes, &folded, scratch, note);
        }
    }

    #[inline]
    fn find_address(&self, text: &[u8], note: &mut impl FnMut(&Postings)) {
        if self.addresses.is_empty() && self.cidrs.is_empty() {
            return;
        }
        let Some(address) = Address::parse(text) else { return };
        if let Some(postings) = self.addresses.get(&address) {
            note(postings);
        }
        let [v4, v6] = &self.masks;
        for (mask_bits, _) in if address.v6 { v6 } else { v4 } {
            let block = Cidr { base: Cidr::first(address, *mask_bits), mask_bits: *mask_bits };
            if let Some(postings) = self.cidrs.get(&block) {
                note(postings);
            }
        }
    }
}

/// Walks `tree` with `text` turned around.
fn walk_back(tree: &ByteTree, text: &[u8], scratch: &mut IndexScratch, note: &mut impl FnMut(&Postings)) {
    scratch.reversed.clear();
    scratch.reversed.extend(text.iter().rev());
    tree.walk(&scratch.reversed, note);
}
