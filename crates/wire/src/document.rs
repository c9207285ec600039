//! A request as a tree of values, whatever the protocol: what forms, REST bindings and refused JSON are decoded from.
//!
//! JSON takes a faster way (`json.rs`) and comes here only when something is wrong with it, to find out what and where.

mod access;
mod error;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Unexpected, Visitor};

use access::{MapWalk, SeqWalk};
pub(crate) use error::DecodeError;

/// A value of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Document<'a> {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    /// A text that is a text.
    Text(Cow<'a, str>),
    /// A text that stands for whatever the member's type is: labels, query parameters, headers.
    Loose(Cow<'a, str>),
    List(Vec<Document<'a>>),
    Map(Vec<(Cow<'a, str>, Document<'a>)>),
    Form(Form<'a>),
}

/// A node of a form's tree: `A.member.1=x` is the text `x` at the end of three children.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Form<'a> {
    pub(crate) text: Option<Cow<'a, str>>,
    pub(crate) children: BTreeMap<Cow<'a, str>, Form<'a>>,
}

impl<'a> Form<'a> {
    /// The children in the order of their numbers, if every one has a number.
    fn numbered(self) -> Result<Vec<Form<'a>>, Form<'a>> {
        let number = |name: &str| name.parse::<u32>().ok().filter(|_| name.bytes().all(|b| b.is_ascii_digit()));
        if self.children.is_empty() || !self.children.keys().all(|name| number(name).is_some()) {
            return Err(self);
        }
        let mut list: Vec<_> = self.children.into_iter().map(|(name, child)| (number(&name), child)).collect();
        list.sort_by_key(|(n, _)| *n);
        Ok(list.into_iter().map(|(_, child)| child).collect())
    }

    /// The elements of a list: flattened (`A.1`), or below one name (`A.member.1`, or whatever the model calls it). A lone
    /// `A=` is an empty list.
    fn into_list(self) -> Result<Vec<Form<'a>>, DecodeError> {
        let form = match self.numbered() {
            Ok(list) => return Ok(list),
            Err(form) => form,
        };
        if form.children.is_empty() && form.text.as_deref().is_none_or(str::is_empty) {
            return Ok(Vec::new());
        }
        let mut children = form.children.into_values();
        match (children.next(), children.next()) {
            (Some(only), None) => only.numbered().map_err(|_| DecodeError::custom("Expected list or null")),
            _ => Err(DecodeError::custom("Expected list or null")),
        }
    }

    /// The entries of a map: `A.entry.1.key=k&A.entry.1.value=v`, flattened (`A.1.key`) or not, or plain children by name.
    fn into_map(self) -> Result<Vec<(Cow<'a, str>, Document<'a>)>, DecodeError> {
        let mut form = self;
        if let (1, Some(entry)) = (form.children.len(), form.children.remove("entry")) {
            form = entry;
        }
        let entries = match form.numbered() {
            Ok(entries) => entries,
            Err(form) => return Ok(form.children.into_iter().map(|(k, v)| (k, Document::Form(v))).collect()),
        };
        let take = |entry: &mut Form<'a>, names: [&str; 3]| names.iter().find_map(|n| entry.children.remove(*n));
        entries
            .into_iter()
            .map(|mut entry| {
                let key = take(&mut entry, ["key", "Key", "Name"]).and_then(|k| k.text);
                let value = take(&mut entry, ["value", "Value", "Value"]).unwrap_or_default();
                key.map(|key| (key, Document::Form(value))).ok_or_else(|| DecodeError::custom("Expected map or null"))
            })
            .collect()
    }
}

impl<'de> Document<'de> {
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Document::Null => Unexpected::Unit,
            Document::Bool(b) => Unexpected::Bool(*b),
            Document::I64(n) => Unexpected::Signed(*n),
            Document::U64(n) => Unexpected::Unsigned(*n),
            Document::F64(n) => Unexpected::Float(*n),
            Document::Text(text) | Document::Loose(text) => Unexpected::Str(text),
            Document::List(_) => Unexpected::Seq,
            Document::Map(_) => Unexpected::Map,
            Document::Form(form) => match &form.text {
                Some(text) if form.children.is_empty() => Unexpected::Str(text),
                _ => Unexpected::Map,
            },
        }
    }

    /// The text that may stand for a number or a boolean.
    fn loose(&self) -> Option<&str> {
        match self {
            Document::Loose(text) => Some(text),
            Document::Form(Form { text, children }) if children.is_empty() => text.as_deref(),
            _ => None,
        }
    }

    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let Some(text) = self.loose() else { return self.deserialize_any(visitor) };
        let text = text.trim();
        if let Ok(n) = text.parse::<i64>() {
            visitor.visit_i64(n)
        } else if let Ok(n) = text.parse::<u64>() {
            visitor.visit_u64(n)
        } else if let Some(n) = text.parse::<f64>().ok().filter(|n| n.is_finite()) {
            visitor.visit_f64(n)
        } else {
            Err(DecodeError::invalid_type(self.unexpected(), &visitor))
        }
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            self.number(visitor)
        }
    )*};
}

macro_rules! as_any {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            self.deserialize_any(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Document<'de> {
    type Error = DecodeError;

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }

    as_any! { deserialize_char deserialize_unit deserialize_identifier }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Document::Null => visitor.visit_unit(),
            Document::Bool(b) => visitor.visit_bool(b),
            Document::I64(n) => visitor.visit_i64(n),
            Document::U64(n) => visitor.visit_u64(n),
            Document::F64(n) => visitor.visit_f64(n),
            Document::Text(Cow::Borrowed(text)) | Document::Loose(Cow::Borrowed(text)) => {
                visitor.visit_borrowed_str(text)
            }
            Document::Text(Cow::Owned(text)) | Document::Loose(Cow::Owned(text)) => visitor.visit_string(text),
            Document::List(list) => visitor.visit_seq(SeqWalk::new(list)),
            Document::Map(map) => visitor.visit_map(MapWalk::new(map)),
            Document::Form(Form { text, children }) if children.is_empty() => {
                Document::Loose(text.unwrap_or_default()).deserialize_any(visitor)
            }
            Document::Form(form) => match form.numbered() {
                Ok(list) => Document::List(list.into_iter().map(Document::Form).collect()).deserialize_any(visitor),
                Err(form) => Document::Map(form.into_map()?).deserialize_any(visitor),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.loose().map(str::trim) {
            None => self.deserialize_any(visitor),
            Some(text) if text.eq_ignore_ascii_case("true") => visitor.visit_bool(true),
            Some(text) if text.eq_ignore_ascii_case("false") => visitor.visit_bool(false),
            Some(_) => Err(DecodeError::invalid_type(self.unexpected(), &visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Document::Form(form) if !form.children.is_empty() => {
                Err(DecodeError::invalid_type(Unexpected::Map, &visitor))
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Document::Null => visitor.visit_none(),
            other => visitor.visit_some(other),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &str, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Document::Form(form) => {
                let list = form.into_list()?.into_iter().map(Document::Form).collect();
                visitor.visit_seq(SeqWalk::new(list))
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Document::Form(form) => visitor.visit_map(MapWalk::new(form.into_map()?)),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &str,
        _fields: &[&str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self {
            Document::Form(Form { text: Some(text), children }) if children.is_empty() && !text.is_empty() => {
                Err(DecodeError::invalid_type(Unexpected::Str(&text), &visitor))
            }
            Document::Form(form) => {
                let members = form.children.into_iter().map(|(k, v)| (k, Document::Form(v))).collect();
                visitor.visit_map(MapWalk::new(members))
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &str,
        _variants: &[&str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self {
            Document::Text(text) | Document::Loose(text) => visitor.visit_enum(CowStrDeserializer::new(text)),
            Document::Form(Form { text, children }) if children.is_empty() => {
                visitor.visit_enum(CowStrDeserializer::new(text.unwrap_or_default()))
            }
            Document::Form(form) => {
                let members = form.children.into_iter().map(|(k, v)| (k, Document::Form(v))).collect();
                visitor.visit_enum(MapAccessDeserializer::new(MapWalk::new(members)))
            }
            Document::Map(map) => visitor.visit_enum(MapAccessDeserializer::new(MapWalk::new(map))),
            other => Err(DecodeError::invalid_type(other.unexpected(), &visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Document<'de>, E> {
        Ok(Document::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Document<'de>, E> {
        Ok(Document::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Document<'de>, E> {
        Ok(Document::I64(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Document<'de>, E> {
        Ok(Document::U64(n))
    }

    fn visit_f64<E>(self, n: f64) -> Result<Document<'de>, E> {
        Ok(Document::F64(n))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Document<'de>, E> {
        Ok(Document::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Document<'de>, E> {
        Ok(Document::Text(text.to_owned().into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Document<'de>, E> {
        Ok(Document::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Document<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = seq.next_element()? {
            list.push(element);
        }
        Ok(Document::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Document<'de>, A::Error> {
        let mut map = Vec::new();
        while let Some((Key(key), value)) = access.next_entry()? {
            map.push((key, value));
        }
        Ok(Document::Map(map))
    }
}

/// A map's key, borrowed where the input allows it.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key<'de>, D::Error> {
        match deserializer.deserialize_str(DocumentVisitor)? {
            Document::Text(text) => Ok(Key(text)),
            _ => Err(D::Error::custom("expected a text as key")),
        }
    }
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Document<'de>, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}
