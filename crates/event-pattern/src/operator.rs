//! What a pattern may ask of one value of an event.

use std::fmt;

use crate::address::{Address, Cidr};
use crate::fold;
use crate::number::NumberKey;
use crate::wildcard::Wildcard;

/// A value found in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// The content of a text, escapes resolved.
    Text(&'a [u8]),
    /// A number, as written and as it compares.
    Number(&'a [u8], NumberKey),
    True,
    False,
    Null,
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&quote(&String::from_utf8_lossy(text))),
            Self::Number(text, _) => f.write_str(&String::from_utf8_lossy(text)),
            Self::True => f.write_str("true"),
            Self::False => f.write_str("false"),
            Self::Null => f.write_str("null"),
        }
    }
}

/// A range of numbers, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Range {
    pub(crate) low: NumberKey,
    pub(crate) high: NumberKey,
    /// As the pattern writes it.
    pub(crate) spec: Box<str>,
}

/// One alternative of a condition. AWS: EventBridge User Guide, *Comparison operators for use in event patterns*.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Null,
    True,
    False,
    /// The text, and every text that writes the same IP address.
    Text(Box<str>, Option<Address>),
    /// The number however it is written; one with too many digits to compare, only as it is written.
    Number(Box<str>, NumberKey),
    Prefix(Box<str>),
    Suffix(Box<str>),
    /// Without case, as the two after it.
    IgnoreCase(Box<str>, Box<str>),
    PrefixIgnoreCase(Box<str>, Box<str>),
    SuffixIgnoreCase(Box<str>, Box<str>),
    Wildcard(Box<str>, Wildcard),
    Range(Range),
    Cidr(Box<str>, Cidr),
    Exists,
    /// No value at all. The only operator that holds of what is not there.
    Absent,
    NotTexts(Box<[Box<str>]>),
    NotNumbers(Box<[(Box<str>, NumberKey)]>),
    NotPrefixes(Box<[Box<str>]>),
    NotSuffixes(Box<[Box<str>]>),
    NotIgnoreCase(Box<[(Box<str>, Box<str>)]>),
    NotWildcards(Box<[(Box<str>, Wildcard)]>),
}

impl Operator {
    /// Whether the operator holds of `value`.
    pub(crate) fn accepts(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) | (Self::True, Value::True) | (Self::False, Value::False) | (Self::Exists, _) => {
                true
            }
            (Self::Text(text, address), Value::Text(value)) => {
                text.as_bytes() == value || address.is_some_and(|address| Address::parse(value) == Some(address))
            }
            (Self::Number(text, key), Value::Number(value, value_key)) => {
                if key.is_exact() {
                    *key == value_key
                } else {
                    text.as_bytes() == value
                }
            }
            (Self::Prefix(prefix), Value::Text(value)) => value.starts_with(prefix.as_bytes()),
            (Self::Suffix(suffix), Value::Text(value)) => value.ends_with(suffix.as_bytes()),
            (Self::IgnoreCase(_, folded), Value::Text(value)) => fold::equals(value, folded.as_bytes()),
            (Self::PrefixIgnoreCase(_, folded), Value::Text(value)) => fold::starts_with(value, folded.as_bytes()),
            (Self::SuffixIgnoreCase(_, folded), Value::Text(value)) => fold::ends_with(value, folded.as_bytes()),
            (Self::Wildcard(_, wildcard), Value::Text(value)) => wildcard.matches(value),
            (Self::Range(range), Value::Number(_, key)) => range.low <= key && key <= range.high,
            (Self::Cidr(_, cidr), Value::Text(value)) => {
                Address::parse(value).is_some_and(|address| cidr.contains(address))
            }
            (Self::NotTexts(texts), Value::Text(value)) => !texts.iter().any(|text| text.as_bytes() == value),
            (Self::NotNumbers(numbers), Value::Number(_, value)) => !numbers.iter().any(|(_, key)| *key == value),
            (Self::NotPrefixes(prefixes), Value::Text(value)) => {
                !prefixes.iter().any(|p| value.starts_with(p.as_bytes()))
            }
            (Self::NotSuffixes(suffixes), Value::Text(value)) => {
                !suffixes.iter().any(|s| value.ends_with(s.as_bytes()))
            }
            (Self::NotIgnoreCase(texts), Value::Text(value)) => {
                !texts.iter().any(|(_, folded)| fold::equals(value, folded.as_bytes()))
            }
            (Self::NotWildcards(wildcards), Value::Text(value)) => {
                !wildcards.iter().any(|(_, wildcard)| wildcard.matches(value))
            }
            // What is of another kind is certainly not what is excluded.
            (
                Self::NotTexts(_)
                | Self::NotNumbers(_)
                | Self::NotPrefixes(_)
                | Self::NotSuffixes(_)
                | Self::NotIgnoreCase(_)
                | Self::NotWildcards(_),
                _,
            ) => true,
            _ => false,
        }
    }
}

/// `text` as a JSON text.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// One item as it is, several as a list.
fn list<'a>(items: impl ExactSizeIterator<Item = &'a str>, write: impl Fn(&str) -> String) -> String {
    let single = items.len() == 1;
    let items: Vec<String> = items.map(write).collect();
    let joined = items.join(",");
    if single { joined } else { format!("[{joined}]") }
}

/// The operator as a pattern writes it.
impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::True => f.write_str("true"),
            Self::False => f.write_str("false"),
            Self::Text(text, _) => f.write_str(&quote(text)),
            Self::Number(text, _) => f.write_str(text),
            Self::Prefix(text) => write!(f, r#"{{"prefix":{}}}"#, quote(text)),
            Self::Suffix(text) => write!(f, r#"{{"suffix":{}}}"#, quote(text)),
            Self::IgnoreCase(text, _) => write!(f, r#"{{"equals-ignore-case":{}}}"#, quote(text)),
            Self::PrefixIgnoreCase(text, _) => write!(f, r#"{{"prefix":{{"equals-ignore-case":{}}}}}"#, quote(text)),
            Self::SuffixIgnoreCase(text, _) => write!(f, r#"{{"suffix":{{"equals-ignore-case":{}}}}}"#, quote(text)),
            Self::Wildcard(text, _) => write!(f, r#"{{"wildcard":{}}}"#, quote(text)),
            Self::Range(range) => write!(f, r#"{{"numeric":[{}]}}"#, range.spec),
            Self::Cidr(text, _) => write!(f, r#"{{"cidr":{}}}"#, quote(text)),
            Self::Exists => f.write_str(r#"{"exists":true}"#),
            Self::Absent => f.write_str(r#"{"exists":false}"#),
            Self::NotTexts(texts) => write!(f, r#"{{"anything-but":{}}}"#, list(texts.iter().map(|t| &**t), quote)),
            Self::NotNumbers(numbers) => {
                write!(f, r#"{{"anything-but":{}}}"#, list(numbers.iter().map(|(t, _)| &**t), str::to_owned))
            }
            Self::NotPrefixes(texts) => {
                write!(f, r#"{{"anything-but":{{"prefix":{}}}}}"#, list(texts.iter().map(|t| &**t), quote))
            }
            Self::NotSuffixes(texts) => {
                write!(f, r#"{{"anything-but":{{"suffix":{}}}}}"#, list(texts.iter().map(|t| &**t), quote))
            }
            Self::NotIgnoreCase(texts) => {
                write!(
                    f,
                    r#"{{"anything-but":{{"equals-ignore-case":{}}}}}"#,
                    list(texts.iter().map(|(t, _)| &**t), quote)
                )
            }
            Self::NotWildcards(texts) => {
                write!(f, r#"{{"anything-but":{{"wildcard":{}}}}}"#, list(texts.iter().map(|(t, _)| &**t), quote))
            }
        }
    }
}
