//! Random patterns and events: the fast matcher, the single pattern and the explanation against the naive matcher.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "test code outside #[test]")]

use std::collections::BTreeSet;

use cauce_event_pattern::{Limits, Matcher, Pattern, SharedMatcher};
use naive::{generate, rule_text};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use proptest::sample::Index;

mod naive;

/// The generated patterns are larger than EventBridge allows.
fn parse(text: &str) -> Pattern {
    match Pattern::parse_with(text, &Limits::default().with_pattern_chars_max(1 << 20)) {
        Ok(pattern) => pattern,
        Err(refused) => panic!("{refused}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_pattern(rule in generate::pattern(), event in generate::event()) {
        let pattern = parse(&rule_text(&rule));
        let text = event.text();
        let expect = naive::matches(&rule, &event);
        prop_assert_eq!(pattern.matches(text.as_bytes()).unwrap(), expect, "{} on {}", pattern.source(), text);
        let explanation = pattern.explain(text.as_bytes()).unwrap();
        prop_assert_eq!(explanation.matched, expect, "{}", explanation);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Rules come and go; after every few changes the matcher finds what the rules that are left say one by one.
    #[test]
    fn many_patterns(
        rules in vec(generate::pattern(), 1..40),
        changes in vec((any::<bool>(), any::<Index>()), 0..60),
        events in vec(generate::event(), 1..6),
    ) {
        let mut matcher = Matcher::new();
        let mut present = BTreeSet::new();
        // Every third asks the same as the one before it.
        let rules: Vec<_> = rules.iter().enumerate().map(|(n, rule)| if n % 3 == 2 { &rules[n - 1] } else { rule }).collect();
        let patterns: Vec<Pattern> = rules.iter().map(|rule| parse(&rule_text(rule))).collect();
        for (number, pattern) in patterns.iter().enumerate() {
            matcher.add(number, pattern);
            present.insert(number);
        }
        let shared = SharedMatcher::from_matcher(matcher);
        for step in 0..=changes.len() {
            if step % 20 == 0 || step == changes.len() {
                for event in &events {
                    let expect: Vec<usize> = present.iter().copied().filter(|n| naive::matches(rules[*n], event)).collect();
                    let mut matched = Vec::new();
                    shared.matches(event.text().as_bytes(), &mut matched).unwrap();
                    matched.sort_unstable();
                    prop_assert_eq!(&matched, &expect, "{}", event.text());
                }
            }
            let Some((add, index)) = changes.get(step) else { break };
            let number = index.index(patterns.len());
            if *add {
                prop_assert_eq!(shared.add(number, &patterns[number]), !present.insert(number));
            } else {
                prop_assert_eq!(shared.remove(&number), present.remove(&number));
            }
        }
        prop_assert_eq!(shared.len(), present.len());
    }
}
