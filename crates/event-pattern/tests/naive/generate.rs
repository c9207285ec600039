//! Random patterns and events from a vocabulary so small that they often meet.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::{Json, Op, Rule};

const NAMES: [&str; 9] = ["a", "b", "c", "a.b", "b-c", "", "zoo", "a long name é", "b.c.a"];

const TEXTS: [&str; 22] = [
    "",
    "a",
    "A",
    "ab",
    "aB",
    "abc",
    "ABC",
    "abcab",
    "bcab",
    "xabcx",
    "é",
    "Éa",
    "zz",
    "10.0.0.1",
    "10.0.0.77",
    "10.1.2.3",
    "::1",
    "0:0:0:0:0:0:0:1",
    "2001:db8::7",
    "quote\"\\\n",
    "300",
    "null",
];

const WILDCARDS: [&str; 12] = ["*", "a*", "*b", "a*b", "*bc*", "ab*ab", "abc", "", "*é*", "1*.*.*", "*a*c*", "b*"];

const CIDRS: [&str; 6] = ["10.0.0.0/8", "10.0.0.0/24", "10.0.0.77/32", "::/0", "2001:db8::/32", "0.0.0.0/0"];

const THOUSANDTHS: [i64; 10] = [0, 1, -1, 300_000, 300_001, -5_000, 5_000, 299_999, 12_345_678_901, 4_999_999_999_999];

fn name() -> impl Strategy<Value = String> {
    // The first names most of the time.
    prop_oneof![6 => select(&NAMES[..3]), 1 => select(&NAMES[..])].prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    select(&TEXTS[..]).prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = i64> {
    select(&THOUSANDTHS[..])
}

fn full(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    text.prop_filter("not empty", |t| !t.is_empty())
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        Just(Op::Null),
        any::<bool>().prop_map(Op::Bool),
        (number(), any::<u8>()).prop_map(|(n, style)| Op::Number(n, style)),
        text().prop_map(Op::Text),
        text().prop_map(Op::Text),
        text().prop_map(Op::Prefix),
        text().prop_map(Op::Suffix),
        text().prop_map(Op::IgnoreCase),
        text().prop_map(Op::PrefixIgnoreCase),
        text().prop_map(Op::SuffixIgnoreCase),
        select(&WILDCARDS[..]).prop_map(|w| Op::Wildcard(w.to_owned())),
        (select(&["=", "<", "<=", ">", ">="][..]), number()).prop_map(|(sign, n)| Op::Compare(sign, n)),
        (any::<bool>(), number(), number(), any::<bool>()).prop_map(|(open_low, a, b, open_high)| {
            let low = if a == b { a - 2 } else { a.min(b) };
            Op::Between(open_low, low, a.max(b), open_high)
        }),
        select(&CIDRS[..]).prop_map(|c| Op::Cidr(c.to_owned())),
        any::<bool>().prop_map(Op::Exists),
        Just(Op::Exists(false)),
        vec(text(), 1..3).prop_map(Op::ButTexts),
        vec(number(), 1..3).prop_map(Op::ButNumbers),
        vec(full(text()), 0..3).prop_map(|t| Op::But("prefix", t)),
        vec(full(text()), 0..3).prop_map(|t| Op::But("suffix", t)),
        vec(text(), 0..3).prop_map(|t| Op::But("equals-ignore-case", t)),
        vec(select(&WILDCARDS[..]).prop_map(str::to_owned), 0..3).prop_map(|t| Op::But("wildcard", t)),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    vec(op(), 1..4).prop_map(Rule::Leaf).prop_recursive(3, 16, 4, |inner| {
        let entries = || vec((name(), inner.clone()), 1..4);
        prop_oneof![
            3 => entries().prop_map(Rule::Object),
            1 => vec(entries(), 2..4).prop_map(Rule::Or),
        ]
    })
}

/// The entries of a pattern object.
pub(crate) fn pattern() -> impl Strategy<Value = Vec<(String, Rule)>> {
    vec((name(), rule()), 1..4)
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        1 => Just(Json::Null),
        1 => any::<bool>().prop_map(Json::Bool),
        2 => (number(), any::<u8>()).prop_map(|(n, style)| Json::Number(n, style)),
        4 => text().prop_map(Json::Text),
    ];
    leaf.prop_recursive(5, 48, 5, |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..5).prop_map(Json::List),
            2 => vec((name(), inner), 0..5).prop_map(Json::Object),
        ]
    })
}

/// An event.
pub(crate) fn event() -> impl Strategy<Value = Json> {
    vec((name(), json()), 0..5).prop_map(Json::Object)
}
