//! The same decision again, written straight from the documentation over plain JSON, to compare with.

use std::collections::BTreeMap;

use proptest::prelude::{Just, ProptestConfig, Strategy, prop_assert_eq, prop_oneof, proptest};
use proptest::{collection, option, sample};
use serde_json::{Value, json};

use super::document::{Policy, PolicyKind};
use super::evaluate::{Decision, NamedPolicy, Policies, decide};
use super::request::Request;
use super::table::{Written, principal};

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => glob(rest, text),
        (Some((b'*', rest)), Some((_, tail))) => glob(rest, text) || glob(pattern, tail),
        (Some((b'?', rest)), Some((_, tail))) => glob(rest, tail),
        (Some((a, rest)), Some((b, tail))) => a == b && glob(rest, tail),
        _ => false,
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().map(|v| v.as_str().unwrap().to_owned()).collect(),
        one => vec![one.as_str().unwrap().to_owned()],
    }
}

type Context = BTreeMap<String, Vec<String>>;

fn condition_holds(operator: &str, key: &str, wanted: &[String], context: &Context) -> bool {
    let found = context.get(key).cloned().unwrap_or_default();
    if operator == "Null" {
        return wanted.iter().any(|w| (w == "true") == found.is_empty());
    }
    let (base, if_exists) = operator.strip_suffix("IfExists").map_or((operator, false), |b| (b, true));
    if if_exists && found.is_empty() {
        return true;
    }
    let (set, base) = base.split_once(':').map_or(("", base), |(set, base)| (set, base));
    let equal = |f: &String, w: &String| match base {
        "StringEquals" | "StringNotEquals" => f == w,
        "StringLike" | "StringNotLike" => glob(w.as_bytes(), f.as_bytes()),
        other => panic!("{other}"),
    };
    let negated = base.contains("Not");
    let one = |f: &String| wanted.iter().any(|w| equal(f, w)) != negated;
    match set {
        "ForAllValues" => found.iter().all(one),
        "ForAnyValue" => found.iter().any(one),
        _ if negated => found.iter().all(one),
        _ => found.iter().any(one),
    }
}

fn fits(statement: &Value, action: &str, resource: &str, context: &Context) -> bool {
    let matches = |element: &str, text: &str, fold: bool| {
        let of = |name: &str| {
            statement.get(name).map(|v| {
                strings(v).iter().any(|p| {
                    let p = if fold { p.to_lowercase() } else { p.clone() };
                    glob(p.as_bytes(), text.as_bytes())
                })
            })
        };
        of(element).unwrap_or_else(|| !of(&format!("Not{element}")).unwrap())
    };
    let conditions = statement.get("Condition").and_then(Value::as_object).cloned().unwrap_or_default();
    matches("Action", &action.to_lowercase(), true)
        && matches("Resource", resource, false)
        && conditions.iter().all(|(operator, keys)| {
            keys.as_object().unwrap().iter().all(|(k, v)| condition_holds(operator, k, &strings(v), context))
        })
}

fn naive(document: &Value, action: &str, resource: &str, context: &Context) -> &'static str {
    let fitting = |effect: &str| {
        let statements = document["Statement"].as_array().unwrap();
        statements.iter().any(|s| s["Effect"] == effect && fits(s, action, resource, context))
    };
    if fitting("Deny") {
        "deny"
    } else if fitting("Allow") {
        "allow"
    } else {
        "none"
    }
}

fn some_of(texts: &'static [&'static str]) -> impl Strategy<Value = Value> {
    collection::vec(sample::select(texts), 1..3).prop_map(|list| json!(list))
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = sample::select(&[
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringNotLike",
        "StringEqualsIfExists",
        "StringNotLikeIfExists",
        "ForAllValues:StringLike",
        "ForAnyValue:StringEquals",
        "ForAnyValue:StringNotEquals",
        "ForAllValues:StringNotLike",
    ]);
    let texts = (operator, sample::select(&["k", "l"]), some_of(&["a", "b", "a*", "?b", "*"]))
        .prop_map(|(operator, key, values)| json!({ operator: { key: values } }));
    let null = (sample::select(&["k", "l"]), sample::select(&["true", "false"]))
        .prop_map(|(key, value)| json!({ "Null": { key: value } }));
    prop_oneof![4 => texts, 1 => null]
}

fn statement() -> impl Strategy<Value = Value> {
    (
        prop_oneof![2 => Just("Allow"), 1 => Just("Deny")],
        sample::select(&["Action", "NotAction"]),
        some_of(&["*", "s:*", "s:Get", "S:ge?", "t:Put", "t:*t"]),
        sample::select(&["Resource", "NotResource"]),
        some_of(&["*", "arn:aws:s:::r", "arn:aws:s:::r*", "arn:aws:*:::*a", "arn:aws:t:*"]),
        option::of(condition()),
    )
        .prop_map(|(effect, act, actions, on, resources, condition)| {
            let mut statement = json!({ "Effect": effect, act: actions, on: resources });
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn decides_as_the_documentation_says(
        statements in collection::vec(statement(), 1..5),
        action in sample::select(&["s:Get", "s:Put", "t:Put"]),
        resource in sample::select(&["arn:aws:s:::r", "arn:aws:s:::ra", "arn:aws:t:x:1:a", "*"]),
        k in collection::vec(sample::select(&["a", "b", "ab"]), 0..3),
        l in collection::vec(sample::select(&["a", "b"]), 0..2),
    ) {
        let document = json!({ "Version": "2012-10-17", "Statement": statements });
        let context: Context = [("k", &k), ("l", &l)]
            .into_iter()
            .map(|(name, values)| (name.to_owned(), values.iter().map(|v| (*v).to_owned()).collect()))
            .collect();
        let keys = [("k", &k), ("l", &l)].map(|(name, values)| match values.as_slice() {
            [] => format!("{name}=[]"),
            values => format!("{name}={}", values.join("|")),
        });
        let keys = Written::new(&keys.join(";"));
        let policy = Policy::parse(&document.to_string(), PolicyKind::Managed).unwrap();
        let own = [NamedPolicy { name: "p".into(), policy: policy.into() }];
        let caller = principal("user/ann");
        let request = Request::new(&caller, action, resource, &keys);
        let found = match decide(&request, &Policies { identity: &own, ..Policies::default() }) {
            Decision::Allowed(_) => "allow",
            Decision::Explicit(..) => "deny",
            Decision::Implicit(_) => "none",
        };
        prop_assert_eq!(found, naive(&document, action, resource, &context));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn no_text_breaks_the_reader(
        statements in collection::vec(statement(), 1..3),
        at in 0_usize..400,
        put in "[\\[\\]{}\",:$*?a-zé0-9]{0,4}",
    ) {
        let text = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let changed: String = text.chars().take(at).chain(put.chars()).chain(text.chars().skip(at + 1)).collect();
        for kind in [PolicyKind::Inline, PolicyKind::Managed, PolicyKind::Trust, PolicyKind::Resource] {
            // Whatever is accepted can be asked.
            if let Ok(policy) = Policy::parse(&changed, kind) {
                let own = [NamedPolicy { name: "p".into(), policy: policy.into() }];
                let (caller, keys) = (principal("user/ann"), Written::new("k=a"));
                let request = Request::new(&caller, "s:Get", "arn:aws:s:::r", &keys);
                decide(&request, &Policies { identity: &own, ..Policies::default() });
            }
        }
    }
}
