//! That no text, however made, does harm.

use std::thread;

use cauce_dynamodb::expression::{DEPTH_MAX, OPERATORS_MAX};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::{Index, select};
use proptest::{prop_assert, proptest};

use crate::request::{condition, key_condition, projection, update};

const VALUES: &str = r#"{":a":{"S":"a"},":n":{"N":"1"}}"#;

/// Every kind of expression there is.
const EXAMPLES: [&str; 8] = [
    "NOT (a = :a OR size(b.c[1]) >= :n) AND #status IN (:a, :n) AND attribute_type(a, :a)",
    "a BETWEEN :a AND :n AND begins_with(a, :a) OR contains(#a, :n)",
    "SET a = :a, b.c[0] = if_not_exists(b, :n) + :n, d = list_append(e, :n) REMOVE f, g[2] ADD h :n DELETE i :a",
    "a.b[3].c, #b, d",
    "p = :a AND begins_with(s, :n)",
    "(((a = :a) AND b = :n) OR c <> d) AND attribute_not_exists(e)",
    "SET #dot = #b - :n",
    "a[0][1][2]",
];

/// Parses it as everything.
fn parse_all(text: &str) {
    drop((condition(text, VALUES), update(text, VALUES), projection(text), key_condition(text, VALUES)));
}

fn words() -> impl Strategy<Value = String> {
    let word = select(vec![
        "a",
        "#a",
        ":a",
        ":n",
        "(",
        ")",
        "[",
        "]",
        "0",
        "7",
        ",",
        ".",
        "+",
        "-",
        "=",
        "<",
        "<>",
        ">=",
        "AND",
        "or",
        "NOT",
        "IN",
        "BETWEEN",
        "SET",
        "REMOVE",
        "ADD",
        "DELETE",
        "size",
        "contains",
        "if_not_exists",
        "list_append",
        "attribute_exists",
        "é",
        "!",
        "\"",
        "status",
    ]);
    vec(word, 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in ".{0,60}") {
        parse_all(&text);
    }

    #[test]
    fn any_words_are_parsed_or_refused(text in words()) {
        parse_all(&text);
    }

    #[test]
    fn mutated_expressions_are_parsed_or_refused(
        example in select(EXAMPLES.to_vec()),
        edits in vec((any::<Index>(), any::<bool>(), select("()[].,:#=<>+- aé0\t".chars().collect::<Vec<_>>())), 1..6),
    ) {
        let mut chars: Vec<char> = example.chars().collect();
        for (at, replace, char) in edits {
            let at = at.index(chars.len());
            if replace { chars[at] = char } else { chars.insert(at, char) }
        }
        parse_all(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn what_is_parsed_once_is_parsed_with_blanks(example in select(EXAMPLES.to_vec())) {
        let spaced = example.replace('(', " ( ").replace(')', "\t)\n").replace(',', " , ");
        let both = |text: &str| (condition(text, VALUES).is_ok(), update(text, VALUES).is_ok(), projection(text).is_ok());
        prop_assert!(both(example) == both(&spaced));
    }
}

#[test]
fn depth_exhausts_no_stack() {
    // Half of what a worker thread of the program has, and that without optimisation.
    let small = thread::Builder::new().stack_size(1024 << 10);
    small
        .spawn(|| {
            for (open, close) in
                [("(", ")"), ("NOT ", ""), ("NOT (", ")"), ("size(", ")"), ("(a) = (", ")"), ("a = (", ")")]
            {
                for times in [DEPTH_MAX - 1, DEPTH_MAX + 1, 1000] {
                    parse_all(&format!("{}a = :a{}", open.repeat(times), close.repeat(times)));
                    parse_all(&open.repeat(times));
                }
            }
            for nested in ["if_not_exists(a, ", "list_append(", "("] {
                parse_all(&format!("SET a = {}:n", nested.repeat(200)));
            }
            // The deepest that is allowed, evaluated.
            let levels = DEPTH_MAX;
            let deep = format!("{}a = :a{}", "(".repeat(levels), " AND a = :a)".repeat(levels));
            let condition = condition(&deep, VALUES).unwrap();
            assert!(!condition.matches(&crate::request::item("{}")));
            let nots = format!("{}a = :a", "NOT ".repeat(OPERATORS_MAX - 1));
            assert!(
                !crate::request::condition(&nots, VALUES).unwrap().matches(&crate::request::item(r#"{"a":{"S":"a"}}"#))
            );
        })
        .unwrap()
        .join()
        .unwrap();
}
