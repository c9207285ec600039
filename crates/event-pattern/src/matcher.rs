//! Many patterns at once.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use foldhash::fast::RandomState;

use crate::check::{Check, all_hold};
use crate::conditions::Conditions;
use crate::error::EventError;
use crate::fields::Fields;
use crate::index::{Choice, Index, Key};
use crate::paths::Paths;
use crate::pattern::{self, Pattern};
use crate::postings::Posting;
use crate::scan::scan;
use crate::scratch::{Scratch, with_scratch};

/// One way to satisfy a rule, or several rules that ask the same.
#[derive(Clone, Debug)]
struct Branch {
    /// The rules, and for each whether this is its only branch.
    rules: Vec<(u32, bool)>,
    /// In the order of their paths' names.
    checks: Box<[Check]>,
    /// The check that the branch is indexed by.
    anchor: u32,
    /// Another check, the one that most branches share, so that it is answered already for most; [`NO_GATE`] if there is none.
    gate: u32,
    /// Where in the index of the anchor's path: one key for each alternative.
    keys: Box<[Key]>,
}

/// No check.
const NO_GATE: u32 = u32::MAX;

/// What is needed of a branch that is found satisfied, or that its gate closes: kept apart, close together, for events that find thousands.
#[derive(Clone, Copy, Debug, Default)]
struct Brief {
    rule: u32,
    /// The number of the gate's condition.
    gate: u32,
    /// Nothing has to hold but the anchor.
    anchor_only: bool,
    /// There is one rule, and no other branch can report it.
    only_branch: bool,
}

/// Rules, each a pattern with a name, and the question which of them an event matches.
///
/// An event is scanned once, only for the paths that rules look at. Each rule is indexed by the one condition that the fewest events and the
/// fewest other rules should meet, so that most rules are never touched; those that are get their other conditions checked. Rules that ask
/// the same are judged once. Adding and removing a rule costs about as much as its pattern is long, however many rules there are.
///
/// `add` and `remove` need the matcher alone; [`crate::SharedMatcher`] changes while others match.
///
/// ```
/// use cauce_event_pattern::{Matcher, Pattern};
///
/// let mut matcher = Matcher::new();
/// matcher.add("large", &Pattern::parse(r#"{"detail": {"total": [{"numeric": [">", 1000]}]}}"#)?);
/// matcher.add("spanish", &Pattern::parse(r#"{"detail": {"country": ["ES"]}}"#)?);
/// let mut matched = Vec::new();
/// matcher.matches(br#"{"detail": {"country": "ES", "total": 20}}"#, &mut matched)?;
/// assert_eq!(matched, ["spanish"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Matcher<Id> {
    paths: Paths,
    conditions: Conditions,
    /// By path.
    indexes: Vec<Index>,
    /// Paths that some branch is indexed by the absence of.
    absent_paths: BTreeSet<u32>,
    branches: Vec<Option<Branch>>,
    /// By branch.
    briefs: Vec<Brief>,
    free_branches: Vec<u32>,
    /// Branches by the numbers of their conditions.
    by_conditions: HashMap<Box<[u32]>, u32, RandomState>,
    /// By rule.
    ids: Vec<Option<Id>>,
    /// By rule.
    branches_of: Vec<Box<[u32]>>,
    free_rules: Vec<u32>,
    by_id: HashMap<Id, u32, RandomState>,
}

impl<Id> Default for Matcher<Id> {
    fn default() -> Self {
        Self {
            paths: Paths::default(),
            conditions: Conditions::default(),
            indexes: Vec::new(),
            absent_paths: BTreeSet::new(),
            branches: Vec::new(),
            briefs: Vec::new(),
            free_branches: Vec::new(),
            by_conditions: HashMap::default(),
            ids: Vec::new(),
            branches_of: Vec::new(),
            free_rules: Vec::new(),
            by_id: HashMap::default(),
        }
    }
}

/// Puts `value` into a free place.
fn place<T>(places: &mut Vec<Option<T>>, free: &mut Vec<u32>, value: T) -> u32 {
    if let Some(at) = free.pop()
        && let Some(slot) = places.get_mut(at as usize)
    {
        *slot = Some(value);
        return at;
    }
    places.push(Some(value));
    (places.len() - 1) as u32
}

impl<Id: Clone + Eq + Hash> Matcher<Id> {
    /// A matcher without rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// There are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// There is a rule called `id`.
    #[must_use]
    pub fn contains(&self, id: &Id) -> bool {
        self.by_id.contains_key(id)
    }

    /// Adds the rule `id`, which replaces one of the same name. Returns whether there was one.
    pub fn add(&mut self, id: Id, pattern: &Pattern) -> bool {
        let replaced = self.remove(&id);
        let rule = place(&mut self.ids, &mut self.free_rules, id.clone());
        let only_branch = pattern.branches().len() == 1;
        let branches =
            pattern.branches().iter().map(|conditions| self.add_branch(rule, conditions, only_branch)).collect();
        self.branches_of.resize_with(self.ids.len(), Box::default);
        if let Some(of_rule) = self.branches_of.get_mut(rule as usize) {
            *of_rule = branches;
        }
        self.by_id.insert(id, rule);
        replaced
    }

    fn add_branch(&mut self, rule: u32, conditions: &pattern::Conditions, only_branch: bool) -> u32 {
        let mut checks = Vec::new();
        for condition in conditions {
            let path = self.paths.add(&condition.path);
            checks.push(self.conditions.add(path, &condition.operators));
        }
        self.indexes.resize_with(self.paths.len(), Index::default);
        let same: Box<[u32]> = checks.iter().map(|check| check.number).collect();
        if let Some(number) = self.by_conditions.get(&same).copied()
            && let Some(Some(branch)) = self.branches.get_mut(number as usize)
        {
            branch.rules.push((rule, only_branch));
            self.note_rules(number);
            self.release(&checks);
            return number;
        }
        let choices_of = |check: &Check| -> Vec<Choice> {
            self.indexes.get(check.path as usize).map(|index| index.choose_all(&check.operators)).unwrap_or_default()
        };
        let all = checks.iter().map(choices_of).enumerate();
        let best = all.min_by_key(|(_, choices)| choices.iter().map(|choice| choice.cost).sum::<usize>());
        let (anchor, choices) = best.unwrap_or_default();
        let path = checks.get(anchor).map_or(0, |check| check.path);
        let may_gate = |(place, check): &(usize, &Check)| *place != anchor && !check.allows_absence();
        let gate = checks.iter().enumerate().filter(may_gate).max_by_key(|(_, check)| self.conditions.uses(check));
        let gate = gate.map_or(NO_GATE, |(place, _)| place as u32);
        let keys = choices.iter().map(|choice| choice.key.clone()).collect();
        let branch =
            Branch { rules: vec![(rule, only_branch)], checks: checks.into(), anchor: anchor as u32, gate, keys };
        let number = place(&mut self.branches, &mut self.free_branches, branch);
        self.by_conditions.insert(same, number);
        self.note_rules(number);
        if let Some(index) = self.indexes.get_mut(path as usize) {
            for choice in &choices {
                index.add(&choice.key, Posting::new(number, choice.satisfied));
            }
            if !index.absent().is_empty() {
                self.absent_paths.insert(path);
            }
        }
        number
    }

    /// Brings the brief of a branch up to date.
    fn note_rules(&mut self, number: u32) {
        self.briefs.resize(self.branches.len(), Brief::default());
        let Some(Some(branch)) = self.branches.get(number as usize) else { return };
        let Some(brief) = self.briefs.get_mut(number as usize) else { return };
        let (rule, only_branch) = branch.rules.first().copied().unwrap_or_default();
        let gate = branch.checks.get(branch.gate as usize).map_or(NO_GATE, |check| check.number);
        let only_branch = only_branch && branch.rules.len() == 1;
        *brief = Brief { rule, gate, anchor_only: branch.checks.len() == 1, only_branch };
    }

    /// The conditions are used once less, and so are their paths.
    fn release(&mut self, checks: &[Check]) {
        for check in checks {
            self.conditions.remove(check);
            if self.paths.remove(check.path)
                && let Some(index) = self.indexes.get_mut(check.path as usize)
            {
                // Gives the memory back: whatever takes the number next is another path.
                *index = Index::default();
            }
        }
    }

    /// Removes the rule `id`. Returns whether there was one.
    pub fn remove(&mut self, id: &Id) -> bool {
        let Some(number) = self.by_id.remove(id) else { return false };
        if let Some(id) = self.ids.get_mut(number as usize) {
            *id = None;
        }
        self.free_rules.push(number);
        let branches = self.branches_of.get_mut(number as usize).map(std::mem::take).unwrap_or_default();
        for branch in &branches {
            self.remove_branch(*branch, number);
        }
        true
    }

    /// Takes `rule` out of a branch, and the branch away with its last rule.
    fn remove_branch(&mut self, number: u32, rule: u32) {
        let Some(slot) = self.branches.get_mut(number as usize) else { return };
        if let Some(branch) = slot {
            if let Some(at) = branch.rules.iter().position(|(of, _)| *of == rule) {
                branch.rules.swap_remove(at);
            }
            if !branch.rules.is_empty() {
                self.note_rules(number);
                return;
            }
        }
        let Some(branch) = slot.take() else { return };
        self.free_branches.push(number);
        let same: Box<[u32]> = branch.checks.iter().map(|check| check.number).collect();
        self.by_conditions.remove(&same);
        let path = branch.checks.get(branch.anchor as usize).map_or(0, |check| check.path);
        if let Some(index) = self.indexes.get_mut(path as usize) {
            for key in &branch.keys {
                index.remove(key, number);
            }
            if index.absent().is_empty() {
                self.absent_paths.remove(&path);
            }
        }
        self.release(&branch.checks);
    }

    /// Adds to `matched` the name of every rule that `event`, the bytes of a JSON object, matches, each once and in no particular order. The
    /// event is checked to be valid JSON first.
    ///
    /// # Errors
    /// If it is not, or too deep, or built so that its arrays take too long.
    pub fn matches(&self, event: &[u8], matched: &mut Vec<Id>) -> Result<(), EventError> {
        crate::validate(event)?;
        self.matches_trusted(event, matched)
    }

    /// The same for an event that is known to be valid JSON. For bytes that are not the answer may be anything.
    ///
    /// # Errors
    /// If the bytes are no object, or too deep, or too broken to find fields in, or arrays take too long.
    pub fn matches_trusted(&self, event: &[u8], matched: &mut Vec<Id>) -> Result<(), EventError> {
        self.visit_trusted(event, |id| matched.push(id.clone()))
    }

    /// [`Self::matches_trusted`] that lends the names instead of copying them.
    ///
    /// # Errors
    /// As [`Self::matches_trusted`]. What was visited before the error stays visited.
    pub fn visit_trusted(&self, event: &[u8], mut visit: impl FnMut(&Id)) -> Result<(), EventError> {
        with_scratch(|scratch| {
            scan(event, &self.paths, &mut scratch.fields)?;
            self.find_candidates(event, scratch);
            self.judge(event, scratch, &mut visit)
        })
    }

    /// Collects the branches whose anchor is satisfied, and some others.
    fn find_candidates(&self, event: &[u8], scratch: &mut Scratch) {
        let Scratch { fields, index: index_scratch, candidates, .. } = scratch;
        candidates.clear();
        index_scratch.excluded.clear();
        for field in fields.all() {
            if let Some(index) = self.indexes.get(field.path as usize) {
                index.find(fields.value(event, field), fields.single(field.path), index_scratch, candidates);
            }
        }
        for path in &self.absent_paths {
            // In an element of an array a field can be absent although another element has it.
            if (!fields.has(*path) || !fields.flat())
                && let Some(index) = self.indexes.get(*path as usize)
            {
                candidates.extend_from_slice(index.absent().as_slice());
            }
        }
    }

    /// Checks the candidates and reports the rules that match.
    fn judge(&self, event: &[u8], scratch: &mut Scratch, visit: &mut impl FnMut(&Id)) -> Result<(), EventError> {
        let Scratch { fields, index, candidates, judged, reported, answers, event: number } = scratch;
        *number += 1;
        if judged.len() < self.branches.len() {
            judged.resize(self.branches.len(), 0);
        }
        if reported.len() < self.ids.len() {
            reported.resize(self.ids.len(), 0);
        }
        if answers.len() < self.conditions.len() {
            answers.resize(self.conditions.len(), 0);
        }
        for posting in &index.excluded {
            if let Some(last) = judged.get_mut(posting.branch() as usize) {
                *last = *number;
            }
        }
        for posting in candidates.iter() {
            let place = posting.branch() as usize;
            let Some(last) = judged.get_mut(place) else { continue };
            if std::mem::replace(last, *number) == *number {
                continue;
            }
            let Some(brief) = self.briefs.get(place) else { continue };
            if answers.get(brief.gate as usize) == Some(&(*number << 1)) {
                continue;
            }
            let satisfied = posting.satisfied();
            let holds = (satisfied && brief.anchor_only)
                || self.branch_holds(place, satisfied, event, fields, (answers, *number))?;
            if !holds {
                continue;
            }
            if brief.only_branch {
                if let Some(Some(id)) = self.ids.get(brief.rule as usize) {
                    visit(id);
                }
                continue;
            }
            let Some(Some(branch)) = self.branches.get(place) else { continue };
            for (rule, _) in &branch.rules {
                let Some(last) = reported.get_mut(*rule as usize) else { continue };
                if std::mem::replace(last, *number) != *number
                    && let Some(Some(id)) = self.ids.get(*rule as usize)
                {
                    visit(id);
                }
            }
        }
        Ok(())
    }

    /// Whether all conditions of a branch hold; the anchor's is known to hold by itself if `anchored`. Takes what `number`, the event, has
    /// answered already, and adds to it.
    fn branch_holds(
        &self,
        branch: usize,
        anchored: bool,
        event: &[u8],
        fields: &Fields,
        (answers, number): (&mut [u64], u64),
    ) -> Result<bool, EventError> {
        let Some(Some(branch)) = self.branches.get(branch) else { return Ok(false) };
        let skip = if anchored { branch.anchor as usize } else { usize::MAX };
        let flat = fields.flat();
        let gate = branch.checks.iter().enumerate().skip(branch.gate as usize).take(1);
        for (place, check) in gate.chain(branch.checks.iter().enumerate()) {
            // Inside arrays an absence may hold together with other conditions although it does not by itself.
            if place == skip || (!flat && check.allows_absence()) {
                continue;
            }
            let Some(answer) = answers.get_mut(check.number as usize) else { return Ok(false) };
            if *answer >> 1 != number {
                *answer = number << 1 | u64::from(check.holds(event, fields));
            }
            if *answer & 1 == 0 {
                return Ok(false);
            }
        }
        if flat { Ok(true) } else { all_hold(&branch.checks, event, fields) }
    }
}
