//! Conditions by chance, against a reading of the developer guide that is as simple as can be.

use cauce_dynamodb::{AttributeValue, Item, Number};
use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::{prop_assert_eq, proptest};

use crate::request::condition;

/// A condition as a tree whose text is written from it.
#[derive(Clone, Debug)]
enum Tree {
    Compare(&'static str, String, String),
    Between(String, String, String),
    In(String, Vec<String>),
    Function(&'static str, String, String),
    Exists(bool, String),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Tree::Compare(operator, one, two) => format!("{one} {operator} {two}"),
            Tree::Between(one, lower, upper) => format!("{one} BETWEEN {lower} AND {upper}"),
            Tree::In(one, list) => format!("{one} IN ({})", list.join(", ")),
            Tree::Function(name, one, two) => format!("{name}({one}, {two})"),
            Tree::Exists(true, path) => format!("attribute_exists({path})"),
            Tree::Exists(false, path) => format!("attribute_not_exists({path})"),
            Tree::Not(tree) => format!("NOT ({})", tree.text()),
            Tree::And(one, two) => format!("({}) AND ({})", one.text(), two.text()),
            Tree::Or(one, two) => format!("({}) OR ({})", one.text(), two.text()),
        }
    }

    fn holds(&self, item: &Item) -> bool {
        let find = |operand: &str| find(operand, item);
        match self {
            Tree::Compare(operator, one, two) => {
                let (one, two) = (find(one), find(two));
                let equal = one.is_some() && one == two;
                let order = one.and_then(|one| compare(&one, &two?));
                match *operator {
                    "=" => equal,
                    "<>" => !equal,
                    "<" => order.is_some_and(|order| order < 0),
                    "<=" => order.is_some_and(|order| order <= 0),
                    ">" => order.is_some_and(|order| order > 0),
                    _ => order.is_some_and(|order| order >= 0),
                }
            }
            Tree::Between(one, lower, upper) => {
                let Some(one) = find(one) else { return false };
                let order = |bound: &str| find(bound).and_then(|bound| compare(&one, &bound));
                order(lower).is_some_and(|order| order >= 0) && order(upper).is_some_and(|order| order <= 0)
            }
            Tree::In(one, list) => list.iter().any(|other| find(other).is_some() && find(other) == find(one)),
            Tree::Function(name, one, two) => match (find(one), find(two)) {
                (Some(AttributeValue::S(text)), Some(AttributeValue::S(part))) => {
                    if *name == "contains" {
                        text.contains(&part)
                    } else {
                        text.starts_with(&part)
                    }
                }
                (Some(AttributeValue::L(list)), Some(part)) if *name == "contains" => list.contains(&part),
                (Some(AttributeValue::Ss(set)), Some(AttributeValue::S(part))) if *name == "contains" => {
                    set.contains(&part)
                }
                _ => false,
            },
            Tree::Exists(exists, path) => find(path).is_some() == *exists,
            Tree::Not(tree) => !tree.holds(item),
            Tree::And(one, two) => one.holds(item) && two.holds(item),
            Tree::Or(one, two) => one.holds(item) || two.holds(item),
        }
    }
}

const VALUES: &str = r#"{":x":{"S":"x"},":xy":{"S":"xy"},":1":{"N":"1"},":2":{"N":"2"}}"#;

fn find(operand: &str, item: &Item) -> Option<AttributeValue> {
    match operand {
        ":x" | ":xy" => Some(AttributeValue::S(operand[1..].to_owned())),
        ":1" | ":2" => Some(AttributeValue::N(operand[1..].parse().unwrap())),
        "size(b)" => match item.get("b")? {
            AttributeValue::S(text) => Some(AttributeValue::N(Number::from(text.len() as u64))),
            AttributeValue::L(list) => Some(AttributeValue::N(Number::from(list.len() as u64))),
            AttributeValue::Ss(set) => Some(AttributeValue::N(Number::from(set.len() as u64))),
            _ => None,
        },
        "c[0]" => match item.get("c")? {
            AttributeValue::L(list) => list.first().cloned(),
            _ => None,
        },
        name => item.get(name).cloned(),
    }
}

fn compare(one: &AttributeValue, two: &AttributeValue) -> Option<i32> {
    let order = match (one, two) {
        (AttributeValue::S(one), AttributeValue::S(two)) => one.cmp(two),
        (AttributeValue::N(one), AttributeValue::N(two)) => one.cmp(two),
        _ => return None,
    };
    Some(order as i32)
}

/// Two or three operands that are no two the same path.
fn operands(count: usize) -> impl Strategy<Value = Vec<String>> {
    let all = vec!["a", "b", "c", "d", "c[0]", "size(b)", ":x", ":xy", ":1", ":2"];
    proptest::sample::subsequence(all, count)
        .prop_shuffle()
        .prop_map(|list| list.into_iter().map(str::to_owned).collect())
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (select(vec!["=", "<>", "<", "<=", ">", ">="]), operands(2)).prop_map(|(o, v)| Tree::Compare(
            o,
            v[0].clone(),
            v[1].clone()
        )),
        (operands(1), select(vec![(":1", ":2"), (":x", ":xy"), ("a", ":2"), (":x", "b")]))
            .prop_filter("the same path", |(v, (lower, upper))| v[0] != *lower && v[0] != *upper)
            .prop_map(|(v, (lower, upper))| Tree::Between(v[0].clone(), lower.to_owned(), upper.to_owned())),
        operands(3).prop_map(|v| Tree::In(v[0].clone(), v[1..].to_vec())),
        (select(vec!["contains", "begins_with"]), select(vec!["a", "b", "c"]), select(vec![":x", ":xy", "d"]))
            .prop_map(|(name, one, two)| Tree::Function(name, one.to_owned(), two.to_owned())),
        (any::<bool>(), select(vec!["a", "b", "c[0]", "d"])).prop_map(|(e, path)| Tree::Exists(e, path.to_owned())),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| Tree::And(Box::new(one), Box::new(two))),
            (inner.clone(), inner).prop_map(|(one, two)| Tree::Or(Box::new(one), Box::new(two))),
        ]
    })
}

fn item() -> impl Strategy<Value = Item> {
    let text = select(vec!["x", "xy", "y", ""]).prop_map(|text| AttributeValue::S(text.to_owned()));
    let number = (0_i32..4).prop_map(|n| AttributeValue::N(Number::from(n)));
    let scalar = prop_oneof![text, number, Just(AttributeValue::Null)];
    let set = proptest::collection::btree_set(select(vec!["x", "xy"]).prop_map(str::to_owned), 1..3)
        .prop_map(AttributeValue::Ss);
    let value = prop_oneof![4 => scalar.clone(), 1 => vec(scalar, 0..3).prop_map(AttributeValue::L), 1 => set];
    btree_map(select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned), value, 0..5)
}

proptest! {
    #[test]
    fn conditions_hold_where_the_naive_reading_holds(tree in tree(), items in vec(item(), 1..6)) {
        let text = tree.text();
        let compiled = condition(&text, VALUES).unwrap_or_else(|error| panic!("{text}: {error}"));
        for item in items {
            prop_assert_eq!(compiled.matches(&item), tree.holds(&item), "{} on {:?}", text, item);
        }
    }
}
