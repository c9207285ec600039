//! Which resource waits for which.

use std::collections::{BTreeMap, BTreeSet};

/// For each name, the names that must come before it. Names that are not keys are ignored.
pub type Dependencies = BTreeMap<String, BTreeSet<String>>;

/// The names that stand in a cycle or wait for one; empty if there is an order.
pub fn unordered(dependencies: &Dependencies) -> Vec<&str> {
    let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, before) in dependencies {
        let before = before.iter().filter(|b| dependencies.contains_key(*b));
        waits.insert(name, before.clone().count());
        for b in before {
            dependents.entry(b).or_default().push(name);
        }
    }
    let mut ready: Vec<&str> = waits.iter().filter(|(_, n)| **n == 0).map(|(name, _)| *name).collect();
    while let Some(name) = ready.pop() {
        waits.remove(name);
        for dependent in dependents.remove(name).unwrap_or_default() {
            if let Some(n) = waits.get_mut(dependent) {
                *n -= 1;
                if *n == 0 {
                    ready.push(dependent);
                }
            }
        }
    }
    waits.into_keys().collect()
}

/// The names that stand in a cycle, without those that only wait for one.
pub fn cycle(dependencies: &Dependencies) -> Vec<&str> {
    let stuck: BTreeSet<&str> = unordered(dependencies).into_iter().collect();
    // What nobody of the stuck waits for only waits itself: taken away from the other end until only cycles are left.
    let mut kept = stuck;
    loop {
        let needed: BTreeSet<&str> = kept
            .iter()
            .filter_map(|name| dependencies.get(*name))
            .flatten()
            .map(String::as_str)
            .filter(|name| kept.contains(name))
            .collect();
        if needed.len() == kept.len() {
            return kept.into_iter().collect();
        }
        kept = needed;
    }
}

#[cfg(test)]
mod tests {
    use super::{Dependencies, cycle};

    fn check(edges: &[(&str, &[&str])], expect: &[&str]) {
        let dependencies: Dependencies = edges
            .iter()
            .map(|(name, before)| ((*name).to_owned(), before.iter().map(|b| (*b).to_owned()).collect()))
            .collect();
        assert_eq!(cycle(&dependencies), expect);
    }

    #[test]
    fn only_the_members_of_a_cycle_are_named() {
        check(&[], &[]);
        check(&[("A", &["B"]), ("B", &[])], &[]);
        check(&[("A", &["A"])], &["A"]);
        check(&[("A", &["B"]), ("B", &["A"]), ("C", &["A"]), ("D", &[])], &["A", "B"]);
        check(
            &[("A", &["B"]), ("B", &["C"]), ("C", &["A"]), ("D", &["C", "E"]), ("E", &["D"])],
            &["A", "B", "C", "D", "E"],
        );
        check(&[("A", &["Missing"])], &[]);
    }
}
