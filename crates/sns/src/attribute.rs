//! Message attributes.
//!
//! AWS: SNS Developer Guide, *Amazon SNS message attributes*.

use std::collections::BTreeMap;

use cauce_core::Blob;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::Error;

/// The longest name of a message attribute, in characters.
pub const ATTRIBUTE_NAME_CHARS_MAX: usize = 256;

/// The longest type of a message attribute, in characters.
const TYPE_CHARS_MAX: usize = 256;

/// A message attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Attribute {
    #[serde(default)]
    pub(crate) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<Blob>,
}

/// The attributes of a message by name.
pub(crate) type Attributes = BTreeMap<String, Attribute>;

/// What stands before the first dot of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Text,
    Number,
    Binary,
}

impl Attribute {
    fn base(&self) -> Option<Base> {
        match self.data_type.split('.').next()? {
            "String" => Some(Base::Text),
            "Number" => Some(Base::Number),
            "Binary" => Some(Base::Binary),
            _ => None,
        }
    }

    /// Its value as notifications show it: binary ones in base64.
    pub(crate) fn shown(&self) -> String {
        match (&self.string_value, &self.binary_value) {
            (Some(text), _) => text.clone(),
            (None, Some(Blob(bytes))) => {
                use base64::Engine as _;
                base64::engine::general_purpose::STANDARD.encode(bytes)
            }
            (None, None) => String::new(),
        }
    }

    fn value_bytes(&self) -> usize {
        self.string_value.as_ref().map_or(0, String::len) + self.binary_value.as_ref().map_or(0, |blob| blob.0.len())
    }
}

/// How many bytes of a message its attributes are: names, types and values.
pub(crate) fn size(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, a)| name.len() + a.data_type.len() + a.value_bytes()).sum()
}

/// Refuses attributes that no message may have, in AWS's words.
///
/// # Errors
/// What is wrong with the first that is.
pub(crate) fn check(attributes: &Attributes) -> Result<(), Error> {
    attributes.iter().try_for_each(|(name, attribute)| {
        check_name(name)?;
        check_value(name, attribute)
    })
}

fn check_name(name: &str) -> Result<(), Error> {
    let refuse = |message: &str| Err(Error::Value(message.to_owned()));
    if name.is_empty() {
        return refuse("The request must contain non-empty message attribute name.");
    }
    if name.chars().count() > ATTRIBUTE_NAME_CHARS_MAX {
        return refuse("Length of message attribute name must be less than 256 bytes.");
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if let Some(other) = name.chars().find(|c| !is_allowed(*c)) {
        let message = format!(
            "Invalid non-alphanumeric character '#x{:X}' was found in the message attribute name. Can only include alphanumeric \
             characters, hyphens, underscores, or dots.",
            u32::from(other)
        );
        return refuse(&message);
    }
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        return refuse(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.' because these strings are reserved for \
             internal use.",
        );
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return refuse("Invalid message attribute name: it must not start or end with a dot or have consecutive dots.");
    }
    Ok(())
}

fn check_value(name: &str, attribute: &Attribute) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::Value(message));
    let data_type = &attribute.data_type;
    if data_type.is_empty() {
        return refuse(format!("The message attribute '{name}' must contain non-empty message attribute type."));
    }
    let Some(base) = attribute.base().filter(|_| data_type.chars().count() <= TYPE_CHARS_MAX) else {
        return refuse(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is \
             Binary, Number, and String."
        ));
    };
    if attribute.string_value.is_some() && attribute.binary_value.is_some() {
        return refuse(format!("Message attribute '{name}' has more than one value."));
    }
    let (field, given) = match base {
        Base::Binary => ("Binary", attribute.binary_value.as_ref().map(|blob| blob.0.is_empty())),
        Base::Text | Base::Number => ("String", attribute.string_value.as_ref().map(String::is_empty)),
    };
    match given {
        Some(false) => {}
        None if attribute.value_bytes() > 0 => {
            return refuse(format!("The message attribute '{name}' with type '{data_type}' must use field '{field}'."));
        }
        _ => {
            return refuse(format!(
                "The message attribute '{name}' must contain non-empty message attribute value for message attribute type \
                 '{data_type}'."
            ));
        }
    }
    if base == Base::Number && number(attribute.string_value.as_deref().unwrap_or_default()).is_none() {
        return refuse(format!("Could not cast message attribute '{name}' value to number."));
    }
    Ok(())
}

/// A number as JSON writes it. What JSON takes stays as it is, so that no digit is lost; what only looks like a number elsewhere
/// (`+1`, `.5`) is written anew.
fn number(text: &str) -> Option<Box<RawValue>> {
    let text = text.trim();
    let is_json = text.parse::<serde_json::Number>().is_ok();
    if is_json {
        return RawValue::from_string(text.to_owned()).ok();
    }
    let begins = text.bytes().next().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'));
    let value = text.parse::<f64>().ok().filter(|value| begins && value.is_finite())?;
    RawValue::from_string(serde_json::Number::from_f64(value)?.to_string()).ok()
}

/// The document that filter policies on attributes are compared with: texts, numbers and lists of both; binary ones have no
/// value that could match.
///
/// AWS: SNS Developer Guide, *Amazon SNS subscription filter policies*.
pub(crate) fn document(attributes: &Attributes) -> Vec<u8> {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).ok();
    let quoted = |text: &str| raw(&serde_json::Value::from(text).to_string());
    let value = |attribute: &Attribute| {
        let text = attribute.string_value.as_deref()?;
        match attribute.base()? {
            Base::Binary => None,
            Base::Number => number(text),
            Base::Text if attribute.data_type == "String.Array" => match serde_json::from_str(text) {
                Ok(serde_json::Value::Array(items)) if items.iter().all(is_scalar) => raw(text.trim()),
                _ => None,
            },
            Base::Text => quoted(text),
        }
    };
    let fields = attributes.iter().filter_map(|(name, attribute)| Some((name.as_str(), value(attribute)?)));
    let fields: BTreeMap<&str, Box<RawValue>> = fields.collect();
    serde_json::to_vec(&fields).unwrap_or_else(|_| b"{}".to_vec())
}

fn is_scalar(value: &serde_json::Value) -> bool {
    !value.is_array() && !value.is_object()
}

#[cfg(test)]
mod tests {
    use super::{Attribute, Attributes, check, document};

    fn of(data_type: &str, value: &str) -> Attribute {
        Attribute { data_type: data_type.into(), string_value: Some(value.into()), binary_value: None }
    }

    fn refused(name: &str, attribute: Attribute) -> String {
        check(&Attributes::from([(name.to_owned(), attribute)])).unwrap_err().to_string()
    }

    #[test]
    fn what_aws_refuses_is_refused_in_its_words() {
        assert_eq!(
            refused("a b", of("String", "x")),
            "Invalid non-alphanumeric character '#x20' was found in the message attribute name. Can only include alphanumeric \
             characters, hyphens, underscores, or dots."
        );
        assert_eq!(refused("a", of("Number", "x")), "Could not cast message attribute 'a' value to number.");
        assert_eq!(refused("a", of("Number", "nan")), "Could not cast message attribute 'a' value to number.");
        assert_eq!(
            refused("a", of("Text", "x")),
            "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, \
             Number, and String."
        );
        assert_eq!(
            refused("a", of("String", "")),
            "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'."
        );
        assert_eq!(
            refused("a", of("Binary", "x")),
            "The message attribute 'a' with type 'Binary' must use field 'Binary'."
        );
        for name in ["", "AWS.x", "amazon.x", ".a", "a.", "a..b", &"a".repeat(257)] {
            refused(name, of("String", "x"));
        }
    }

    #[test]
    fn filters_see_texts_numbers_and_lists() {
        let binary =
            Attribute { data_type: "Binary".into(), string_value: None, binary_value: Some(Default::default()) };
        let attributes = Attributes::from([
            ("a".to_owned(), of("String", "x\"y")),
            ("b".to_owned(), of("Number.int", "1.50")),
            ("c".to_owned(), of("Number", "+.5")),
            ("d".to_owned(), of("String.Array", " [\"p\", 1, true, null] ")),
            ("e".to_owned(), of("String.Array", "no list")),
            ("f".to_owned(), binary),
            ("g".to_owned(), of("String.own", "z")),
        ]);
        let text = String::from_utf8(document(&attributes)).unwrap();
        assert_eq!(text, r#"{"a":"x\"y","b":1.50,"c":0.5,"d":["p", 1, true, null],"g":"z"}"#);
    }
}
