//! What is printed of a statement is read as the same statement, and no text makes the parser fail otherwise than by refusing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::parser::{DEPTH_MAX, parse};
use super::refusal::Place;
use super::syntax::{
    Action, Call, Delete, Expression, Insert, Order, Returning, Select, Source, Statement, TypeName, Update,
};
use crate::expression::{Comparator, Path, Step};

fn paths() -> impl Strategy<Value = Path> {
    let name = || "[a-zA-Z\"' é]{1,4}";
    let step = prop_oneof![name().prop_map(Step::Name), (0usize..9).prop_map(Step::Index)];
    (name(), proptest::collection::vec(step, 0..3)).prop_map(|(attribute, steps)| Path { attribute, steps })
}

fn comparators() -> impl Strategy<Value = Comparator> {
    prop_oneof![
        Just(Comparator::Equal),
        Just(Comparator::NotEqual),
        Just(Comparator::Less),
        Just(Comparator::LessOrEqual),
        Just(Comparator::Greater),
        Just(Comparator::GreaterOrEqual),
    ]
}

fn expressions() -> impl Strategy<Value = Expression> {
    let kinds = prop_oneof![Just(TypeName::Missing), Just(TypeName::Null), Just(TypeName::Other("STRUCT".to_owned()))];
    let leaf = prop_oneof![
        paths().prop_map(Expression::Path),
        "[a-z'\"é ]{0,5}".prop_map(Expression::Text),
        "-?[0-9]{1,3}(\\.[0-9]{1,2})?(e-?[0-9])?".prop_map(Expression::Number),
        any::<bool>().prop_map(Expression::Bool),
        Just(Expression::Null),
        Just(Expression::Missing(Place::default())),
    ];
    leaf.prop_recursive(4, 40, 4, move |inner| {
        let many = proptest::collection::vec(inner.clone(), 0..3);
        let some = proptest::collection::vec(inner.clone(), 2..4);
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            many.clone().prop_map(Expression::List),
            many.clone().prop_map(Expression::Bag),
            proptest::collection::vec(two.clone(), 0..3).prop_map(Expression::Map),
            ("f_[a-z]{1,3}", many).prop_map(|(name, operands)| {
                let places = vec![Place::default(); operands.len()];
                Expression::Call(Call { name, place: Place::default(), operands, places })
            }),
            (any::<bool>(), two.clone()).prop_map(|(minus, two)| Expression::Sum { minus, operands: Box::new(two) }),
            (comparators(), two.clone()).prop_map(|(comparator, two)| Expression::Compare(comparator, Box::new(two))),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|three| Expression::Between(Box::new(three))),
            two.prop_map(|two| Expression::In(Box::new(two))),
            (inner.clone(), kinds.clone()).prop_map(|(one, kind)| Expression::Is(Box::new(one), kind)),
            inner.prop_map(|one| Expression::Not(Box::new(one))),
            some.clone().prop_map(Expression::All),
            some.prop_map(Expression::Any),
        ]
    })
}

fn statements() -> impl Strategy<Value = Statement> {
    let source = || {
        ("[a-z._-]{3,9}", proptest::option::of("[a-zA-Z_. -]{1,9}")).prop_map(|(table, index)| Source { table, index })
    };
    let filter = || proptest::option::of(expressions());
    let returning =
        || proptest::option::of((any::<bool>(), any::<bool>()).prop_map(|(modified, new)| Returning { modified, new }));
    let order = ("[a-z é\"]{1,5}", any::<bool>()).prop_map(|(attribute, descending)| Order { attribute, descending });
    let columns = proptest::option::of(proptest::collection::vec(paths(), 1..4));
    let select = (columns, source(), filter(), proptest::collection::vec(order, 0..3))
        .prop_map(|(columns, source, filter, order)| Select { columns, source, filter, order })
        .boxed();
    let action = prop_oneof![
        (paths(), expressions()).prop_map(|(path, value)| Action::Set(path, value)),
        paths().prop_map(Action::Remove),
    ];
    prop_oneof![
        select.clone().prop_map(Statement::Select),
        select.prop_map(Statement::Exists),
        (source(), expressions(), any::<bool>()).prop_map(|(source, item, or_nothing)| Statement::Insert(Insert {
            source,
            item,
            or_nothing
        })),
        (source(), proptest::collection::vec(action, 1..4), filter(), returning()).prop_map(
            |(source, actions, filter, returning)| Statement::Update(Update { source, actions, filter, returning })
        ),
        (source(), filter(), returning()).prop_map(|(source, filter, returning)| Statement::Delete(Delete {
            source,
            filter,
            returning
        })),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(statement in statements()) {
        let printed = statement.to_string();
        match parse(&printed) {
            Ok(read) => prop_assert_eq!(read.statement, statement, "{}", printed),
            Err(refusal) => proptest::prop_assert!(false, "{}: {}", refusal, printed),
        }
    }

    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,60}") {
        drop(parse(&text));
    }

    #[test]
    fn no_sequence_of_words_is_too_strange(words in proptest::collection::vec(proptest::sample::select(&[
        "SELECT", "*", "FROM", "\"table\"", "WHERE", "a", "=", "?", "(", ")", "[", "]", "{", "}", "<<", ">>", ",", ".",
        "AND", "OR",
        "NOT", "IS", "MISSING", "IN", "BETWEEN", "SET", "REMOVE", "UPDATE", "DELETE", "INSERT", "INTO", "VALUE", "'t'", "1",
        "-", "+", "ORDER", "BY", "DESC", "RETURNING", "ALL", "OLD", "EXISTS", "size", ":", ";", "é", "'", "--", "/*", "1e",
    ][..]), 0..40)) {
        drop(parse(&words.join(" ")));
    }
}

/// The deepest of every kind that nests, and one more, on a stack as a worker has it.
#[test]
fn statements_nest_as_deep_as_is_said() {
    let deep = |open: &str, close: &str, times: usize| {
        format!("SELECT * FROM abc WHERE {}a{} = 1", open.repeat(times), close.repeat(times))
    };
    for (open, close) in [("(", ")"), ("[", "]"), ("<<", ">>"), ("{'k':", "}"), ("f_f(", ")"), ("NOT ", "")] {
        assert!(parse(&deep(open, close, DEPTH_MAX)).is_ok(), "{open}");
        let refused = parse(&deep(open, close, DEPTH_MAX + 1)).unwrap_err();
        assert!(refused.to_string().ends_with("maximum nesting: 64"), "{refused}");
    }
    let sum = |times: usize| format!("SELECT * FROM abc WHERE a = 1{}", " + 1".repeat(times));
    assert!(parse(&sum(DEPTH_MAX - 1)).is_ok());
    assert!(parse(&sum(DEPTH_MAX + 1)).is_err());
    let long = format!("SELECT * FROM abc WHERE a = 1{}", " AND a = 1".repeat(800));
    assert!(parse(&long).is_ok());
}
