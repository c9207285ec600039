//! Conditions on fields inside array elements: a match must not be put together from different elements of one array.
//!
//! `{"items": [{"sku": 1, "size": "S"}, {"sku": 2, "size": "L"}]}` does not satisfy `{"items": {"sku": [1], "size": ["L"]}}`.
//!
//! The conditions are taken in the order of their paths' names. Each picks a field that satisfies it and whose elements agree with those
//! picked before; one that allows absence may instead go on if no field at its path agrees with those picked before. This is what
//! event-ruler, the matcher inside EventBridge, does, but an array is forgotten once no later condition looks into it, and a state
//! that failed is not tried again. That keeps the effort near one step a field, where plain backtracking multiplies array lengths.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::check::Check;
use crate::error::EventError;
use crate::fields::{Fields, OUTSIDE};
use crate::limits::ARRAY_STEPS_MAX;

type Map<K, V> = HashMap<K, V, RandomState>;
type Set<K> = HashSet<K, RandomState>;

/// Elements picked so far: array and index, sorted by array.
type Picked = Vec<(u32, u32)>;

/// Contexts, and the way to them from the outside.
#[derive(Default)]
struct Tree {
    wanted: Set<u32>,
    /// For a context, the arrays in it and the elements of each on the way to a wanted context, in order.
    below: Map<u32, Vec<(u32, Vec<u32>)>>,
    known: Set<u32>,
}

impl Tree {
    fn new(contexts: impl Iterator<Item = u32>, fields: &Fields) -> Self {
        let mut tree = Self::default();
        for wanted in contexts {
            tree.wanted.insert(wanted);
            let mut at = wanted;
            while let Some(context) = fields.context(at) {
                if !tree.known.insert(at) {
                    break;
                }
                let groups = tree.below.entry(context.parent).or_default();
                match groups.iter_mut().find(|(array, _)| *array == context.array) {
                    Some((_, elements)) => elements.push(at),
                    None => groups.push((context.array, vec![at])),
                }
                at = context.parent;
            }
        }
        for (_, elements) in tree.below.values_mut().flatten() {
            elements.sort_unstable();
        }
        tree
    }
}

/// A condition.
struct Level {
    allows_absence: bool,
    accepted: Tree,
    /// All fields at the path; only needed for absence.
    present: Tree,
}

struct Search<'a> {
    fields: &'a Fields,
    levels: Vec<Level>,
    /// For an array, the last condition that looks into it.
    last_use: Map<u32, usize>,
    failed: Set<(usize, Picked)>,
    steps_left: u32,
}

/// Whether `checks` hold together.
pub(crate) fn hold_together(checks: &[&Check], event: &[u8], fields: &Fields) -> Result<bool, EventError> {
    let mut search = Search {
        fields,
        levels: Vec::new(),
        last_use: Map::default(),
        failed: Set::default(),
        steps_left: ARRAY_STEPS_MAX,
    };
    for (number, check) in checks.iter().enumerate() {
        let accepted = fields.at(check.path).filter(|field| check.accepts(fields.value(event, field)));
        let accepted = Tree::new(accepted.map(|field| field.context), fields);
        let allows_absence = check.allows_absence();
        let present =
            if allows_absence { Tree::new(fields.at(check.path).map(|f| f.context), fields) } else { Tree::default() };
        for tree in [&accepted, &present] {
            for array in tree.below.values().flatten().map(|(array, _)| *array) {
                search.last_use.insert(array, number);
            }
        }
        search.levels.push(Level { allows_absence, accepted, present });
    }
    search.solve(0, &Vec::new())
}

impl Search<'_> {
    /// Whether the conditions from `number` on can be satisfied.
    fn solve(&mut self, number: usize, picked: &Picked) -> Result<bool, EventError> {
        let Some(level) = self.levels.get(number) else { return Ok(true) };
        let relevant = |(array, _): &&(u32, u32)| self.last_use.get(array).is_some_and(|last| *last >= number);
        let state: Picked = picked.iter().filter(relevant).copied().collect();
        let key = (number, state);
        if self.failed.contains(&key) {
            return Ok(false);
        }
        let mut choices = agreeing(self.fields, &level.accepted, &key.1, &mut self.steps_left)?;
        let absent =
            level.allows_absence && agreeing(self.fields, &level.present, &key.1, &mut self.steps_left)?.is_empty();
        if absent && self.solve(number + 1, &key.1)? {
            return Ok(true);
        }
        choices.dedup();
        for choice in choices {
            if self.solve(number + 1, &self.pick(&key.1, choice))? {
                return Ok(true);
            }
        }
        self.failed.insert(key);
        Ok(false)
    }

    /// `picked` with the elements around `context`.
    fn pick(&self, picked: &Picked, context: u32) -> Picked {
        let mut picked = picked.clone();
        let mut at = context;
        while let Some(element) = self.fields.context(at) {
            if let Err(place) = picked.binary_search_by_key(&element.array, |(array, _)| *array) {
                picked.insert(place, (element.array, element.index));
            }
            at = element.parent;
        }
        picked
    }
}

/// The wanted contexts that agree with what was picked.
fn agreeing(fields: &Fields, tree: &Tree, picked: &Picked, steps_left: &mut u32) -> Result<Vec<u32>, EventError> {
    let mut found = Vec::new();
    let mut open = vec![OUTSIDE];
    while let Some(at) = open.pop() {
        *steps_left = steps_left.checked_sub(1).ok_or(EventError::TooManySteps { steps_max: ARRAY_STEPS_MAX })?;
        if tree.wanted.contains(&at) {
            found.push(at);
        }
        for (array, elements) in tree.below.get(&at).into_iter().flatten() {
            let index_of = |element: &u32| fields.context(*element).map_or(0, |context| context.index);
            match picked.binary_search_by_key(array, |(array, _)| *array) {
                Ok(place) => {
                    let index = picked.get(place).map_or(0, |(_, index)| *index);
                    let element =
                        elements.binary_search_by_key(&index, index_of).ok().and_then(|place| elements.get(place));
                    open.extend(element);
                }
                Err(_) => open.extend(elements.iter().rev()),
            }
        }
    }
    Ok(found)
}
