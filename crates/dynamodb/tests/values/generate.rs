//! Values by chance.

use cauce_dynamodb::{AttributeValue, Item, Number};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// A number with its sign, digits and scale.
pub(crate) fn parts() -> impl Strategy<Value = (bool, u128, i32)> {
    (any::<bool>(), 0_u32..=38, any::<u128>(), -130_i32..=88)
        .prop_map(|(negative, digits, number, scale)| (negative, number % 10_u128.pow(digits), scale))
}

/// The text of a number in scientific notation.
pub(crate) fn text((negative, digits, scale): (bool, u128, i32)) -> String {
    format!("{}{digits}e{scale}", if negative { "-" } else { "" })
}

/// Numbers of every size, many of them near one another.
pub(crate) fn number() -> impl Strategy<Value = Number> {
    let small = (-300_i32..300, -3_i32..3).prop_map(|(digits, scale)| format!("{digits}e{scale}"));
    prop_oneof![parts().prop_map(text), small].prop_map(|text| text.parse().unwrap())
}

/// Values of every type.
pub(crate) fn value() -> impl Strategy<Value = AttributeValue> {
    let text = "[a-c\u{0}é😀]{0,6}";
    let bytes = || vec(any::<u8>(), 0..6).prop_map(bytes::Bytes::from);
    let leaf = prop_oneof![
        text.prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        bytes().prop_map(AttributeValue::B),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        btree_set(text, 1..4).prop_map(AttributeValue::Ss),
        btree_set(number(), 1..4).prop_map(AttributeValue::Ns),
        btree_set(bytes(), 1..4).prop_map(AttributeValue::Bs),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            btree_map(text, inner, 0..4).prop_map(AttributeValue::M),
        ]
    })
}

/// Items.
pub(crate) fn item() -> impl Strategy<Value = Item> {
    btree_map("[a-e]{1,3}", value(), 0..6)
}
