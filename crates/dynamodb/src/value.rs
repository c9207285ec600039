//! Attribute values and items.

mod row;
mod size;
mod wire;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::number::{NUMBER_BYTES_MAX, Number, NumberError};

pub use row::{decode_item, encode_item};
pub use size::item_size_bytes;
pub use wire::{Given, GivenError};

/// How deep values may nest: an attribute is level 1, what a map or list in it holds is level 2. AWS: Developer Guide,
/// *Service, account, and table quotas*, nesting depth.
pub const NESTING_MAX: usize = 32;

/// The largest item, names and values, in bytes. AWS: Developer Guide, *Item size*.
pub const ITEM_BYTES_MAX: usize = 400 * 1024;

/// An item, or the value of a map: attributes by name.
pub type Item = BTreeMap<String, AttributeValue>;

/// The value of an attribute. AWS: DynamoDB API Reference, *AttributeValue*.
///
/// Sets are ordered, so that equal sets are equal values and membership is a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// A text.
    S(String),
    /// A number.
    N(Number),
    /// Bytes.
    B(Bytes),
    /// A truth value.
    Bool(bool),
    /// Nothing, said explicitly.
    Null,
    /// A map.
    M(Item),
    /// A list.
    L(Vec<AttributeValue>),
    /// A set of texts, never empty.
    Ss(BTreeSet<String>),
    /// A set of numbers, never empty.
    Ns(BTreeSet<Number>),
    /// A set of bytes, never empty.
    Bs(BTreeSet<Bytes>),
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueType {
    /// Text.
    S,
    /// Number.
    N,
    /// Bytes.
    B,
    /// Truth value.
    Bool,
    /// Nothing.
    Null,
    /// Map.
    M,
    /// List.
    L,
    /// Set of texts.
    Ss,
    /// Set of numbers.
    Ns,
    /// Set of bytes.
    Bs,
}

impl ValueType {
    /// Every type.
    pub const ALL: [ValueType; 10] = [
        ValueType::S,
        ValueType::N,
        ValueType::B,
        ValueType::Bool,
        ValueType::Null,
        ValueType::M,
        ValueType::L,
        ValueType::Ss,
        ValueType::Ns,
        ValueType::Bs,
    ];

    /// The name on the wire and in `attribute_type`, for example `SS`.
    pub fn name(self) -> &'static str {
        match self {
            ValueType::S => "S",
            ValueType::N => "N",
            ValueType::B => "B",
            ValueType::Bool => "BOOL",
            ValueType::Null => "NULL",
            ValueType::M => "M",
            ValueType::L => "L",
            ValueType::Ss => "SS",
            ValueType::Ns => "NS",
            ValueType::Bs => "BS",
        }
    }

    /// The type of this name.
    pub fn of_name(name: &str) -> Option<ValueType> {
        ValueType::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name in the messages about operands, for example `STRING_SET`.
    pub fn long_name(self) -> &'static str {
        match self {
            ValueType::S => "STRING",
            ValueType::N => "NUMBER",
            ValueType::B => "BINARY",
            ValueType::Bool => "BOOLEAN",
            ValueType::Null => "NULL",
            ValueType::M => "MAP",
            ValueType::L => "LIST",
            ValueType::Ss => "STRING_SET",
            ValueType::Ns => "NUMBER_SET",
            ValueType::Bs => "BINARY_SET",
        }
    }
}

impl AttributeValue {
    /// Its type.
    pub fn kind(&self) -> ValueType {
        match self {
            AttributeValue::S(_) => ValueType::S,
            AttributeValue::N(_) => ValueType::N,
            AttributeValue::B(_) => ValueType::B,
            AttributeValue::Bool(_) => ValueType::Bool,
            AttributeValue::Null => ValueType::Null,
            AttributeValue::M(_) => ValueType::M,
            AttributeValue::L(_) => ValueType::L,
            AttributeValue::Ss(_) => ValueType::Ss,
            AttributeValue::Ns(_) => ValueType::Ns,
            AttributeValue::Bs(_) => ValueType::Bs,
        }
    }

    /// The bytes by which keys are ordered and compared, or `None` for a type that no key may have: those of a text in
    /// UTF-8, those of [`Number::put_key_bytes`], the bytes themselves. Their order is the order of values of one type.
    pub fn key_bytes(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            AttributeValue::S(text) => Some(Cow::Borrowed(text.as_bytes())),
            AttributeValue::B(bytes) => Some(Cow::Borrowed(bytes)),
            AttributeValue::N(number) => {
                let mut bytes = Vec::with_capacity(NUMBER_BYTES_MAX);
                number.put_key_bytes(&mut bytes);
                Some(Cow::Owned(bytes))
            }
            _ => None,
        }
    }

    /// The value of type `kind` that has these [`AttributeValue::key_bytes`].
    pub fn from_key_bytes(kind: ValueType, bytes: &[u8]) -> Option<AttributeValue> {
        match kind {
            ValueType::S => Some(AttributeValue::S(std::str::from_utf8(bytes).ok()?.to_owned())),
            ValueType::N => Number::from_key_bytes(bytes).map(AttributeValue::N),
            ValueType::B => Some(AttributeValue::B(Bytes::copy_from_slice(bytes))),
            _ => None,
        }
    }

    /// How many levels it has: 1 for a scalar, a set, an empty map or list.
    pub fn levels(&self) -> usize {
        match self {
            AttributeValue::M(map) => 1 + map.values().map(AttributeValue::levels).max().unwrap_or(0),
            AttributeValue::L(list) => 1 + list.iter().map(AttributeValue::levels).max().unwrap_or(0),
            _ => 1,
        }
    }
}

/// Why a value of a request is refused, in AWS's words. A `ValidationException`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// No type, or null.
    #[error("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")]
    Untyped,
    /// More than one type.
    #[error(
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
    )]
    SeveralTypes,
    /// `{"NULL": false}`.
    #[error("One or more parameter values were invalid: Null attribute value types must have the value of true")]
    NullIsFalse,
    /// No member. AWS's own spacing.
    #[error("One or more parameter values were invalid: An string set  may not be empty")]
    EmptyStringSet,
    /// No member. AWS's own spacing.
    #[error("One or more parameter values were invalid: An number set  may not be empty")]
    EmptyNumberSet,
    /// No member.
    #[error("One or more parameter values were invalid: Binary sets should not be empty")]
    EmptyBinarySet,
    /// A member twice.
    #[error("One or more parameter values were invalid: Input collection [{}] contains duplicates.", .0.join(", "))]
    DuplicateStrings(Vec<String>),
    /// A member twice.
    #[error("Input collection contains duplicates")]
    DuplicateNumbers,
    /// A member twice. AWS's own spacing.
    #[error("One or more parameter values were invalid: Input collection [{}]of type BS contains duplicates.", .0.join(", "))]
    DuplicateBinaries(Vec<String>),
    /// No number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// More than [`NESTING_MAX`] levels.
    #[error(
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
    )]
    Nesting,
}
