//! Input made to break things: nothing may panic, whatever the bytes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code outside #[test]")]

use std::sync::atomic::{AtomicBool, Ordering};

use cauce_event_pattern::{EVENT_DEPTH_MAX, EventError, Limits, Matcher, Pattern, SharedMatcher, validate};
use naive::{generate, rule_text};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use proptest::sample::Index;

#[allow(dead_code, reason = "another test file uses the rest")]
mod naive;

const PATTERNS: [&str; 6] = [
    r#"{"a":["x",{"prefix":"y"},{"suffix":"z"},{"wildcard":"a*b*c"},{"cidr":"10.0.0.0/8"},1.5,null]}"#,
    r#"{"a":{"b":[{"numeric":[">",0,"<=",5]}],"c":[{"exists":false}]},"d":[{"anything-but":{"prefix":["a","b"]}}]}"#,
    r#"{"$or":[{"a":[{"equals-ignore-case":"É"}]},{"b":{"$or":[{"c":[true]},{"d":[false]}]}}]}"#,
    r#"{"a":[{"anything-but":[1,2,-3e2]},{"prefix":{"equals-ignore-case":"x"}},{"suffix":{"equals-ignore-case":"\u00e9"}}]}"#,
    r#"{"b.c":[{"anything-but":"x"}],"a":[{"exists":true}]}"#,
    r#"{"b":[{"anything-but":{"wildcard":["*x*",""]}},{"anything-but":{"equals-ignore-case":["a"]}}]}"#,
];

/// Does everything that can be done with an event.
fn use_event(event: &[u8]) {
    let mut matcher = Matcher::new();
    let mut expect = Vec::new();
    for (number, text) in PATTERNS.iter().enumerate() {
        let pattern = Pattern::parse(text).unwrap();
        matcher.add(number, &pattern);
        let verdict = pattern.matches(event);
        let _ = pattern.matches_trusted(event);
        match (pattern.explain(event), &verdict) {
            (Ok(explanation), Ok(matched)) => {
                assert_eq!(explanation.matched, *matched);
                assert!(!explanation.to_string().is_empty());
            }
            (Err(a), Err(b)) => assert_eq!(a, *b),
            other => panic!("{other:?}"),
        }
        if verdict == Ok(true) {
            expect.push(number);
        }
    }
    let mut matched = Vec::new();
    let _ = matcher.matches_trusted(event, &mut matched);
    matched.clear();
    if matcher.matches(event, &mut matched).is_ok() {
        matched.sort_unstable();
        assert_eq!(matched, expect);
    }
}

/// Overwrites, removes and doubles bytes of `text`.
fn mutate(text: &str, changes: &[(Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (place, kind, byte) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = place.index(bytes.len());
        match kind % 4 {
            0 => bytes.insert(at, *byte),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b"{}[]\",:\\*e-.u0"[usize::from(*byte) % 14]),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        use_event(&bytes);
        let _ = Pattern::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn nearly_events(event in generate::event(), changes in vec((any::<Index>(), any::<u8>(), any::<u8>()), 0..6)) {
        let bytes = mutate(&event.text(), &changes);
        use_event(&bytes);
        // serde_json refuses the same, but for half surrogate pairs and depth, which no mutation here makes, and numbers beyond f64.
        let parsed = serde_json::from_slice::<serde_json::Value>(&bytes);
        let beyond = parsed.as_ref().is_err_and(|fault| fault.to_string().contains("number out of range"));
        let surrogate = parsed.as_ref().is_err_and(|fault| fault.to_string().contains("surrogate") || fault.to_string().contains("hex escape"));
        if !beyond && !surrogate {
            prop_assert_eq!(validate(&bytes).is_ok(), parsed.is_ok_and(|value| value.is_object()), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn nearly_patterns(rule in generate::pattern(), changes in vec((any::<Index>(), any::<u8>(), any::<u8>()), 0..6)) {
        let text = String::from_utf8_lossy(&mutate(&rule_text(&rule), &changes)).into_owned();
        if let Ok(pattern) = Pattern::parse_with(&text, &Limits::default().with_pattern_chars_max(1 << 16)) {
            pattern.matches(br#"{"a":{"b":"ab","c":[{"a":1},{"b":2}]}}"#).unwrap();
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), true, "{}", text);
        }
    }
}

#[test]
fn deep_events_are_an_error_on_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        let pattern = Pattern::parse(r#"{"a":{"a":{"a":[1]}}}"#).unwrap();
        let mut matcher = Matcher::new();
        matcher.add((), &pattern);
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"b\":", "}"), ("[[{\"a\":", "}]]")] {
            for depth in [300, 10_000] {
                let event = format!("{{\"a\":{}1{}}}", open.repeat(depth), close.repeat(depth));
                let too_deep = Err(EventError::TooDeep { depth_max: EVENT_DEPTH_MAX });
                if depth == 10_000 {
                    assert_eq!(pattern.matches(event.as_bytes()), too_deep, "{open}");
                }
                let _ = pattern.matches_trusted(event.as_bytes());
                let _ = pattern.explain(event.as_bytes());
                let _ = matcher.matches_trusted(event.as_bytes(), &mut Vec::new());
            }
            let deepest = format!("{{\"a\":{}1{}}}", "[".repeat(999), "]".repeat(999));
            assert_eq!(pattern.matches(deepest.as_bytes()), Ok(false));
        }
    });
    thread.unwrap().join().unwrap();
}

/// Arrays that would multiply if every combination were tried.
#[test]
fn arrays_do_not_multiply() {
    let names: Vec<String> = (0..12).map(|n| format!("n{n:02}")).collect();
    let fields =
        |value: &str| names.iter().map(|n| format!("\"{n}\":[{{\"v\":{value}}}]")).collect::<Vec<_>>().join(",");
    let conditions: Vec<String> = names.iter().map(|n| format!("\"{n}\":{{\"v\":[1]}}")).collect();
    let pattern = Pattern::parse(&format!("{{\"r\":{{{},\"z\":[9]}}}}", conditions.join(","))).unwrap();
    // Each n.. has a list of 200 that satisfy its condition, and z is satisfied in the wrong element only.
    let many =
        names.iter().map(|n| format!("\"{n}\":[{}]", vec!["{\"v\":1}"; 200].join(","))).collect::<Vec<_>>().join(",");
    let element = |z: u8| format!("{{{many},\"z\":{z}}}");
    let no = format!("{{\"r\":[{},{},{{{},\"z\":9}}]}}", element(1), element(2), fields("2"));
    let yes = format!("{{\"r\":[{},{}]}}", element(1), element(9));
    assert_eq!(pattern.matches(no.as_bytes()), Ok(false));
    assert_eq!(pattern.matches(yes.as_bytes()), Ok(true));
    // The same condition over a long list: joined by element, not by trying all pairs.
    let pattern = Pattern::parse(r#"{"l":{"a":[1],"b":[2]}}"#).unwrap();
    let items =
        (0..20_000).map(|n| format!("{{\"a\":{},\"b\":{}}}", 1 + n % 2, 1 + n % 2)).collect::<Vec<_>>().join(",");
    assert_eq!(pattern.matches(format!("{{\"l\":[{items}]}}").as_bytes()), Ok(false));
}

/// A wildcard that backtracking would take ages for.
#[test]
fn wildcards_do_not_multiply() {
    let mut limits = Limits::default();
    limits.wildcard_complexity_max = 100;
    let pattern =
        Pattern::parse_with(&format!("{{\"a\":[{{\"wildcard\":\"{}b\"}}]}}", "*a".repeat(20)), &limits).unwrap();
    let event = format!("{{\"a\":\"{}\"}}", "a".repeat(100_000));
    assert_eq!(pattern.matches(event.as_bytes()), Ok(false));
}

/// While rules change, every reader sees each change whole and those that are always there always.
#[test]
fn readers_see_whole_changes() {
    let pattern = Pattern::parse(r#"{"a":[1]}"#).unwrap();
    let rules = SharedMatcher::new();
    rules.add(0u32, &pattern);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (rules, done) = (rules.clone(), &done);
            scope.spawn(move || {
                let mut matched = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    matched.clear();
                    rules.matches(br#"{"a":1}"#, &mut matched).unwrap();
                    matched.sort_unstable();
                    assert_eq!(matched.first(), Some(&0));
                    assert!(matched.len() <= 2, "{matched:?}");
                }
            });
        }
        for number in 1..2000u32 {
            assert!(!rules.add(number, &pattern));
            let mut matched = Vec::new();
            rules.matches(br#"{"a":1}"#, &mut matched).unwrap();
            assert_eq!(matched.len(), 2);
            assert!(rules.remove(&number));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(rules.len(), 1);
}
