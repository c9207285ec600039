//! Paths of one expression as a tree: none may overlap another, and items are walked once for all of them.

use std::collections::BTreeMap;

use super::error::Reason;
use super::path::{Path, Step};

/// What paths lead to, by their steps.
#[derive(Clone, Debug)]
pub(super) enum PathTree<T> {
    /// A path ends here.
    Leaf(T),
    /// Paths go on into a map.
    Map(BTreeMap<String, PathTree<T>>),
    /// Paths go on into a list.
    List(BTreeMap<usize, PathTree<T>>),
}

/// Why a path cannot stand beside another.
enum Clash {
    Overlap,
    Conflict,
}

impl<T> PathTree<T> {
    /// The tree of paths that neither overlap nor conflict, and what each leads to. Below the item's own map.
    pub(super) fn of(paths: Vec<(Path, T)>) -> Result<BTreeMap<String, PathTree<T>>, Reason> {
        let mut root = PathTree::Map(BTreeMap::new());
        let mut earlier: Vec<Path> = Vec::with_capacity(paths.len());
        for (path, target) in paths {
            let first = Step::Name(path.attribute.clone());
            let steps: Vec<&Step> = std::iter::once(&first).chain(&path.steps).collect();
            if let Err(clash) = root.insert(&steps, target) {
                // Rare: only now who it was.
                let with = |test: fn(&Path, &Path) -> bool| earlier.iter().find(|other| test(other, &path)).cloned();
                return Err(match clash {
                    Clash::Overlap => Reason::Overlap(with(overlap).unwrap_or_else(|| path.clone()), path),
                    Clash::Conflict => Reason::Conflict(with(conflict).unwrap_or_else(|| path.clone()), path),
                });
            }
            earlier.push(path);
        }
        match root {
            PathTree::Map(map) => Ok(map),
            PathTree::Leaf(_) | PathTree::List(_) => Ok(BTreeMap::new()),
        }
    }

    fn insert(&mut self, steps: &[&Step], target: T) -> Result<(), Clash> {
        let Some((step, rest)) = steps.split_first() else { return Err(Clash::Overlap) };
        let found = match (&mut *self, step) {
            (PathTree::Leaf(_), _) => return Err(Clash::Overlap),
            (PathTree::Map(map), Step::Name(name)) => map.get_mut(name),
            (PathTree::List(list), Step::Index(index)) => list.get_mut(index),
            (PathTree::Map(_), Step::Index(_)) | (PathTree::List(_), Step::Name(_)) => return Err(Clash::Conflict),
        };
        if let Some(below) = found {
            return below.insert(rest, target);
        }
        let below = PathTree::chain(rest, target);
        match (self, step) {
            (PathTree::Map(map), Step::Name(name)) => drop(map.insert(name.clone(), below)),
            (PathTree::List(list), Step::Index(index)) => drop(list.insert(*index, below)),
            _ => {}
        }
        Ok(())
    }

    /// The tree of one path.
    fn chain(steps: &[&Step], target: T) -> PathTree<T> {
        steps.iter().rev().fold(PathTree::Leaf(target), |tree, step| match step {
            Step::Name(name) => PathTree::Map(BTreeMap::from([(name.clone(), tree)])),
            Step::Index(index) => PathTree::List(BTreeMap::from([(*index, tree)])),
        })
    }
}

/// One is the other, or leads into it.
fn overlap(one: &Path, two: &Path) -> bool {
    one.attribute == two.attribute && one.steps.iter().zip(&two.steps).all(|(a, b)| a == b)
}

/// They part where one goes into a map and the other into a list.
fn conflict(one: &Path, two: &Path) -> bool {
    let parting = one.steps.iter().zip(&two.steps).find(|(a, b)| a != b);
    one.attribute == two.attribute
        && matches!(parting, Some((Step::Name(_), Step::Index(_)) | (Step::Index(_), Step::Name(_))))
}
