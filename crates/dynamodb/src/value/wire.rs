//! Values as JSON: `{"S": "text"}`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cauce_core::Blob;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{AttributeValue, Item, NESTING_MAX, ValueError, ValueType};
use crate::number::Number;

/// Values of a request, or why they are refused.
///
/// What is no JSON of a value (a number where a text belongs) fails to be read at all. What is the JSON of a value that AWS
/// refuses is kept here until the operation asks, because other constraints of the request are reported before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Given<T>(Result<T, GivenError>);

/// Which value is refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct GivenError {
    /// The attribute or placeholder; empty for a value that stands alone.
    pub name: String,
    /// The reason.
    pub error: ValueError,
}

impl<T> Given<T> {
    /// What was given.
    ///
    /// # Errors
    /// The first value that is refused.
    pub fn checked(self) -> Result<T, GivenError> {
        self.0
    }
}

impl<T> From<T> for Given<T> {
    fn from(given: T) -> Given<T> {
        Given(Ok(given))
    }
}

impl Serialize for AttributeValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        let kind = self.kind().name();
        match self {
            AttributeValue::S(text) => map.serialize_entry(kind, text)?,
            AttributeValue::N(number) => map.serialize_entry(kind, number)?,
            AttributeValue::B(bytes) => map.serialize_entry(kind, &Blob(bytes.clone()))?,
            AttributeValue::Bool(truth) => map.serialize_entry(kind, truth)?,
            AttributeValue::Null => map.serialize_entry(kind, &true)?,
            AttributeValue::M(item) => map.serialize_entry(kind, item)?,
            AttributeValue::L(list) => map.serialize_entry(kind, list)?,
            AttributeValue::Ss(set) => map.serialize_entry(kind, set)?,
            AttributeValue::Ns(set) => map.serialize_entry(kind, set)?,
            AttributeValue::Bs(set) => {
                map.serialize_entry(kind, &set.iter().map(|bytes| Blob(bytes.clone())).collect::<Vec<_>>())?;
            }
        }
        map.end()
    }
}

impl Serialize for Number {
    /// A text: JSON numbers do not have 38 digits.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AttributeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AttributeValue, D::Error> {
        ValueSeed { levels: NESTING_MAX }.deserialize(deserializer)?.map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Given<AttributeValue> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Given<AttributeValue>, D::Error> {
        let value = ValueSeed { levels: NESTING_MAX }.deserialize(deserializer)?;
        Ok(Given(value.map_err(|error| GivenError { name: String::new(), error })))
    }
}

impl<'de> Deserialize<'de> for Given<Item> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Given<Item>, D::Error> {
        Ok(Given(ItemSeed { levels: NESTING_MAX }.deserialize(deserializer)?))
    }
}

impl<'de> Deserialize<'de> for Given<Vec<AttributeValue>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Given<Vec<AttributeValue>>, D::Error> {
        let list = ListSeed { levels: NESTING_MAX }.deserialize(deserializer)?;
        Ok(Given(list.map_err(|error| GivenError { name: String::new(), error })))
    }
}

/// What a key of a value's object stands for.
enum Member {
    Kind(ValueType),
    Other,
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Member, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a type, a string")
            }

            fn visit_str<E>(self, name: &str) -> Result<Member, E> {
                Ok(ValueType::of_name(name).map_or(Member::Other, Member::Kind))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

type Read<T> = Result<T, ValueError>;

/// Reads one value that may have this many levels.
#[derive(Clone, Copy)]
struct ValueSeed {
    levels: usize,
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Read<AttributeValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Read<AttributeValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attribute value, a map")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Err(ValueError::Untyped))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut read = Err(ValueError::Untyped);
        let mut kinds = 0_usize;
        while let Some(member) = access.next_key()? {
            let Member::Kind(kind) = member else {
                access.next_value::<IgnoredAny>()?;
                continue;
            };
            let Some(value) = access.next_value_seed(Nullable(KindSeed { kind, levels: self.levels }))? else {
                continue;
            };
            kinds += 1;
            // What is wrong with the first is said before that there is a second.
            if kinds == 1 || read.is_ok() {
                read = value;
            }
        }
        if kinds > 1 && read.is_ok() {
            read = Err(ValueError::SeveralTypes);
        }
        Ok(read)
    }
}

/// Reads what a seed reads, or null, which is an absent member.
struct Nullable<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Nullable<S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Nullable<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.deserialize(deserializer).map(Some)
    }
}

/// Reads what stands after the name of a type.
struct KindSeed {
    kind: ValueType,
    levels: usize,
}

impl<'de> DeserializeSeed<'de> for KindSeed {
    type Value = Read<AttributeValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let below = self.levels.saturating_sub(1);
        Ok(match self.kind {
            ValueType::S => Ok(AttributeValue::S(String::deserialize(deserializer)?)),
            ValueType::N => number(&Text::deserialize(deserializer)?.0).map(AttributeValue::N),
            ValueType::B => Ok(AttributeValue::B(Base64::deserialize(deserializer)?.0)),
            ValueType::Bool => Ok(AttributeValue::Bool(bool::deserialize(deserializer)?)),
            ValueType::Null => match bool::deserialize(deserializer)? {
                true => Ok(AttributeValue::Null),
                false => Err(ValueError::NullIsFalse),
            },
            ValueType::M => {
                let map = ItemSeed { levels: below }.deserialize(deserializer)?;
                map.map(AttributeValue::M).map_err(|refused| refused.error)
            }
            ValueType::L => ListSeed { levels: below }.deserialize(deserializer)?.map(AttributeValue::L),
            ValueType::Ss => strings(Vec::deserialize(deserializer)?),
            ValueType::Ns => numbers(&Vec::deserialize(deserializer)?),
            ValueType::Bs => binaries(Vec::deserialize(deserializer)?),
        })
    }
}

fn number(text: &str) -> Read<Number> {
    Ok(text.parse()?)
}

fn strings(list: Vec<String>) -> Read<AttributeValue> {
    if list.is_empty() {
        return Err(ValueError::EmptyStringSet);
    }
    let count = list.len();
    let set: BTreeSet<String> = list.iter().cloned().collect();
    if set.len() < count { Err(ValueError::DuplicateStrings(list)) } else { Ok(AttributeValue::Ss(set)) }
}

fn numbers(list: &[Text<'_>]) -> Read<AttributeValue> {
    if list.is_empty() {
        return Err(ValueError::EmptyNumberSet);
    }
    let set = list.iter().map(|text| number(&text.0)).collect::<Read<BTreeSet<Number>>>()?;
    if set.len() < list.len() { Err(ValueError::DuplicateNumbers) } else { Ok(AttributeValue::Ns(set)) }
}

fn binaries(list: Vec<Base64>) -> Read<AttributeValue> {
    if list.is_empty() {
        return Err(ValueError::EmptyBinarySet);
    }
    let count = list.len();
    let set: BTreeSet<Bytes> = list.iter().map(|member| member.0.clone()).collect();
    if set.len() < count {
        return Err(ValueError::DuplicateBinaries(list.iter().map(|member| STANDARD.encode(&member.0)).collect()));
    }
    Ok(AttributeValue::Bs(set))
}

/// A text, borrowed where it stands in the request as it is.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Bytes in base64.
struct Base64(Bytes);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Base64, D::Error> {
        let Text(text) = Text::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(|bytes| Base64(bytes.into())).map_err(|cause| {
            let reason = match text.len() % 4 {
                0 => cause.to_string(),
                _ => format!("Base64 encoded length is expected a multiple of 4 bytes but found: {}", text.len()),
            };
            D::Error::custom(format!("'{text}' can not be converted to a Blob: {reason}"))
        })
    }
}

/// Reads attributes whose values may have this many levels.
struct ItemSeed {
    levels: usize,
}

impl<'de> DeserializeSeed<'de> for ItemSeed {
    type Value = Result<Item, GivenError>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ItemSeed {
    type Value = Result<Item, GivenError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of attribute values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut item = Item::new();
        while let Some(name) = access.next_key::<String>()? {
            let error = if self.levels == 0 {
                // Not read into values, so that its depth costs nothing.
                access.next_value::<IgnoredAny>()?;
                ValueError::Nesting
            } else {
                match access.next_value_seed(ValueSeed { levels: self.levels })? {
                    Ok(value) => {
                        item.insert(name, value);
                        continue;
                    }
                    Err(error) => error,
                }
            };
            while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Err(GivenError { name, error }));
        }
        Ok(Ok(item))
    }
}

/// Reads elements that may have this many levels.
struct ListSeed {
    levels: usize,
}

impl<'de> DeserializeSeed<'de> for ListSeed {
    type Value = Read<Vec<AttributeValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ListSeed {
    type Value = Read<Vec<AttributeValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of attribute values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        let error = loop {
            if self.levels == 0 {
                match access.next_element::<IgnoredAny>()? {
                    Some(_) => break ValueError::Nesting,
                    None => return Ok(Ok(list)),
                }
            }
            match access.next_element_seed(ValueSeed { levels: self.levels })? {
                Some(Ok(value)) => list.push(value),
                Some(Err(error)) => break error,
                None => return Ok(Ok(list)),
            }
        };
        while access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Err(error))
    }
}
