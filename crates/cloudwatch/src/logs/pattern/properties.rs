//! Every form against a naive matcher, on generated patterns and events.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};

use super::Pattern;

/// The truth of a condition by definition, given an event and the number the condition names.
type Truth = fn(&Value, i64) -> bool;
/// A condition as it is written, with its truth.
type Leaf = (String, Truth, i64);

/// The wildcard by definition: try every way.
fn naive_wildcard(pattern: &str, text: &str) -> bool {
    let core = pattern.trim_matches('*');
    let (start, end) = (pattern.starts_with('*'), pattern.ends_with('*'));
    (0..=text.len()).any(|at| {
        text.get(at..)
            .is_some_and(|rest| rest.starts_with(core) && (start || at == 0) && (end || rest.len() == core.len()))
    })
}

#[derive(Clone, Debug)]
struct Item {
    set: Vec<char>,
    negated: bool,
    min: usize,
    max: usize,
}

/// Backtracking over a list of repeated character sets: anywhere in the text.
fn naive_regex(items: &[Item], text: &[char]) -> bool {
    fn here(items: &[Item], text: &[char]) -> bool {
        let Some((item, rest)) = items.split_first() else { return true };
        let fits = |c: &char| item.set.contains(c) != item.negated;
        let run = text.iter().take_while(|c| fits(c)).count().min(item.max);
        (item.min..=run).any(|times| here(rest, &text[times..]))
    }
    (0..=text.len()).any(|at| here(items, &text[at..]))
}

fn item() -> impl Strategy<Value = (Item, String)> {
    let set = vec(prop_oneof![Just('a'), Just('b'), Just('c')], 1..3);
    (set, any::<bool>(), 0_usize..6).prop_map(|(set, negated, repeat)| {
        let sign = if negated { "^" } else { "" };
        let (min, max, suffix) = match repeat {
            0 => (1, 1, String::new()),
            1 => (0, 1, "?".to_owned()),
            2 => (0, usize::MAX, "*".to_owned()),
            3 => (1, usize::MAX, "+".to_owned()),
            4 => (2, 3, "{2,3}".to_owned()),
            _ => (0, 2, "{,2}".to_owned()),
        };
        let text = format!("[{sign}{}]{suffix}", set.iter().collect::<String>());
        (Item { set, negated, min, max }, text)
    })
}

/// A condition on JSON with the pattern text it is written as and its truth by definition.
fn leaf() -> impl Strategy<Value = Leaf> {
    let tests: Vec<(&'static str, Truth)> = vec![
        ("$.a = {}", |v, n| v["a"].as_i64() == Some(n)),
        ("$.a != {}", |v, n| v["a"].as_i64().is_some_and(|a| a != n)),
        ("$.a > {}", |v, n| v["a"].as_i64().is_some_and(|a| a > n)),
        ("$.b.c <= {}", |v, n| v["b"]["c"].as_i64().is_some_and(|c| c <= n)),
        ("$.b.c NOT EXISTS", |v, _| v["b"].get("c").is_none()),
        ("$.d IS NULL", |v, _| v.get("d").is_some_and(Value::is_null)),
        ("$.l[*] = {}", |v, n| v["l"].as_array().is_some_and(|l| l.iter().any(|x| x.as_i64() == Some(n)))),
        ("$.s = s*", |v, _| v["s"].as_str().is_some_and(|s| s.starts_with('s'))),
    ];
    (proptest::sample::select(tests), -2_i64..3)
        .prop_map(|((text, truth), n)| (text.replace("{}", &n.to_string()), truth, n))
}

fn event() -> impl Strategy<Value = Value> {
    let maybe = |range: std::ops::Range<i64>| prop_oneof![Just(None), range.prop_map(Some)];
    (maybe(-2..3), maybe(-2..3), any::<bool>(), vec(-2_i64..3, 0..3), prop_oneof!["s[ab]?", "[ab]"]).prop_map(
        |(a, c, d, l, s)| {
            let mut event = json!({"l": l, "s": s, "b": {}});
            if let Some(a) = a {
                event["a"] = json!(a);
            }
            if let Some(c) = c {
                event["b"]["c"] = json!(c);
            }
            if d {
                event["d"] = Value::Null;
            }
            event
        },
    )
}

proptest! {
    #[test]
    fn any_text_compiles_or_is_refused(text in "[ -~äß]{0,60}", message in "[ -~\n\tä]{0,60}") {
        if let Ok(pattern) = Pattern::compile(&text) {
            prop_assert_eq!(pattern.matches(&message), pattern.explain(&message).matches);
        }
    }

    #[test]
    fn anything_pattern_like_compiles_or_is_refused(
        parts in vec(proptest::sample::select(vec![
            "{", "}", "[", "]", "(", ")", "$", ".", "a", "*", "=", "!=", ">", "5", "%", "\"", "&&", "||", ",", "...", " ", "IS", "NULL",
            "NOT", "EXISTS", "\\", "-", "?", "{2,3}", "['", "']",
        ]), 0..20),
    ) {
        if let Ok(pattern) = Pattern::compile(&parts.concat()) {
            pattern.matches("{\"a\": 5}");
            pattern.matches("a \"b c\" [d e] 5");
        }
    }

    #[test]
    fn terms_agree_with_contains(
        required in vec("[ab]{1,2}", 0..3), optional in vec("[ab]{1,2}", 0..3), excluded in vec("[ab]{1,3}", 0..2), message in "[ab ]{0,8}",
    ) {
        let words = required.iter().map(|w| format!("\"{w}\""))
            .chain(optional.iter().map(|w| format!("?{w}")))
            .chain(excluded.iter().map(|w| format!("-{w}")));
        let pattern = Pattern::compile(&words.collect::<Vec<_>>().join(" ")).unwrap();
        let alone = required.is_empty() && excluded.is_empty() && !optional.is_empty();
        let expect = required.iter().all(|w| message.contains(w)) && !excluded.iter().any(|w| message.contains(w))
            && (!alone || optional.iter().any(|w| message.contains(w)));
        prop_assert_eq!(pattern.matches(&message), expect);
    }

    #[test]
    fn wildcards_agree_with_trying_every_way(pattern in "[*]?[ab]{0,3}[*]?", text in "[ab]{0,6}") {
        let compiled = Pattern::compile(&format!("{{ $.v = \"{pattern}\" }}")).unwrap();
        prop_assert_eq!(compiled.matches(&json!({"v": text}).to_string()), naive_wildcard(&pattern, &text));
    }

    #[test]
    fn regexes_agree_with_backtracking(alternatives in vec(vec(item(), 0..4), 1..3), text in "[abcd]{0,7}") {
        let written: Vec<String> = alternatives.iter().map(|items| items.iter().map(|(_, t)| t.as_str()).collect()).collect();
        let written = written.join("|");
        if !written.is_empty() {
            let compiled = Pattern::compile(&format!("%{written}%")).unwrap();
            let chars: Vec<char> = text.chars().collect();
            let expect = alternatives.iter().any(|items| {
                let items: Vec<Item> = items.iter().map(|(item, _)| item.clone()).collect();
                naive_regex(&items, &chars)
            });
            prop_assert_eq!(compiled.matches(&text), expect, "{}", written);
        }
    }

    #[test]
    fn json_agrees_with_evaluating_by_hand(groups in vec(vec(leaf(), 1..3), 1..3), parens in any::<bool>(), event in event()) {
        let wildcards = groups.iter().flatten().filter(|(text, ..)| text.contains("[*]")).count();
        let joined = |group: &Vec<Leaf>| {
            let texts: Vec<&str> = group.iter().map(|(text, ..)| text.as_str()).collect();
            if parens { format!("({})", texts.join(" || ")) } else { texts.join(" && ") }
        };
        let texts: Vec<String> = groups.iter().map(joined).collect();
        let text = format!("{{ {} }}", texts.join(if parens { " && " } else { " || " }));
        match Pattern::compile(&text) {
            Err(error) => assert!(wildcards > 3, "{text}: {error}"),
            Ok(pattern) => {
                let truth = |(_, truth, n): &Leaf| truth(&event, *n);
                let expect = if parens {
                    groups.iter().all(|group| group.iter().any(truth))
                } else {
                    groups.iter().any(|group| group.iter().all(truth))
                };
                prop_assert_eq!(pattern.matches(&event.to_string()), expect, "{} on {}", text, event);
            }
        }
    }

    #[test]
    fn fields_agree_with_splitting(
        wanted in vec(prop_oneof![Just(None), "[ab]{1,2}".prop_map(Some)], 1..5), ellipsis in prop_oneof![Just(None), (0_usize..5).prop_map(Some)],
        words in vec("[ab]{1,2}", 0..6),
    ) {
        let mut parts: Vec<String> = wanted.iter().map(|w| w.as_ref().map_or("f".to_owned(), |w| format!("f={w}"))).collect();
        let at = ellipsis.map(|at| at.min(parts.len()));
        if let Some(at) = at {
            parts.insert(at, "...".to_owned());
        }
        let pattern = Pattern::compile(&format!("[{}]", parts.join(", "))).unwrap();
        let fits = |w: &Option<String>, word: &str| w.as_ref().is_none_or(|w| w == word);
        let expect = words.len() >= wanted.len() && match at {
            Some(at) => {
                let tail = words.len() - (wanted.len() - at);
                wanted[..at].iter().zip(&words).all(|(w, word)| fits(w, word))
                    && wanted[at..].iter().zip(&words[tail..]).all(|(w, word)| fits(w, word))
            }
            None => {
                let last = wanted.len() - 1;
                wanted[..last].iter().zip(&words).all(|(w, word)| fits(w, word)) && fits(&wanted[last], &words[last..].join(" "))
            }
        };
        prop_assert_eq!(pattern.matches(&words.join(" ")), expect);
    }
}
