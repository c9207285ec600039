//! Message attributes: what they must be, and their MD5.
//!
//! AWS: SQS Developer Guide, "Amazon SQS message metadata" and "Calculating the MD5 message digest for message attributes".

use std::collections::BTreeMap;

use bytes::Bytes;
use cauce_core::Blob;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How many attributes a message may have.
pub const MESSAGE_ATTRIBUTES_MAX: usize = 10;
/// The longest name or type of an attribute, in characters.
pub const ATTRIBUTE_NAME_CHARS_MAX: usize = 256;

/// A value as requests and answers show it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct AttributeValue {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<Blob>,
    #[serde(skip_serializing)]
    string_list_values: Vec<serde_json::Value>,
    #[serde(skip_serializing)]
    binary_list_values: Vec<serde_json::Value>,
    pub(crate) data_type: String,
}

impl AttributeValue {
    pub(crate) fn text(data_type: String, text: String) -> AttributeValue {
        AttributeValue { data_type, string_value: Some(text), ..AttributeValue::default() }
    }

    pub(crate) fn binary(data_type: String, bytes: Bytes) -> AttributeValue {
        AttributeValue { data_type, binary_value: Some(Blob(bytes)), ..AttributeValue::default() }
    }

    pub(crate) fn is_binary(&self) -> bool {
        self.binary_value.is_some()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match (&self.binary_value, &self.string_value) {
            (Some(blob), _) => &blob.0,
            (None, Some(text)) => text.as_bytes(),
            (None, None) => &[],
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.data_type.len() + self.as_bytes().len()
    }
}

/// The MD5 of attributes in the order of their names, none without attributes.
pub(crate) fn md5_of<'a>(attributes: impl Iterator<Item = (&'a String, &'a AttributeValue)>) -> Option<String> {
    let mut digest = Md5::new();
    let mut any = false;
    for (name, value) in attributes {
        any = true;
        for part in [name.as_bytes(), value.data_type.as_bytes()] {
            digest.update(length(part));
            digest.update(part);
        }
        digest.update([if value.is_binary() { 2 } else { 1 }]);
        digest.update(length(value.as_bytes()));
        digest.update(value.as_bytes());
    }
    any.then(|| hex::encode(digest.finalize()))
}

fn length(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// Refuses attributes that AWS refuses.
pub(crate) fn check(attributes: &BTreeMap<String, AttributeValue>) -> Result<(), Error> {
    let count = attributes.len();
    if count > MESSAGE_ATTRIBUTES_MAX {
        return Err(Error::Value(format!(
            "Number of message attributes [{count}] exceeds the allowed maximum [{MESSAGE_ATTRIBUTES_MAX}]."
        )));
    }
    attributes.iter().try_for_each(|(name, value)| check_name(name).and_then(|()| check_value(name, value)))
}

fn check_name(name: &str) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::Value(message));
    if name.is_empty() || name.chars().count() > ATTRIBUTE_NAME_CHARS_MAX {
        return refuse(format!(
            "Length of message attribute name must be between 1 and {ATTRIBUTE_NAME_CHARS_MAX} bytes."
        ));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')) {
        return refuse(
            "The message attribute name may contain only alphanumeric characters, hyphens, underscores and periods."
                .to_owned(),
        );
    }
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        return refuse(
            "Message attribute name should not start with AWS or Amazon or any variants with leading periods."
                .to_owned(),
        );
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return refuse(
            "The message attribute name must not start or end with a period, and must not have periods in succession."
                .to_owned(),
        );
    }
    Ok(())
}

fn check_value(name: &str, value: &AttributeValue) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::Value(message));
    let kind = value.data_type.split('.').next().unwrap_or_default();
    if value.data_type.is_empty() {
        return refuse(format!("The message attribute '{name}' must contain non-empty message attribute type."));
    }
    if !matches!(kind, "String" | "Number" | "Binary") {
        return refuse(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, \
             Number, and String."
        ));
    }
    if value.data_type.chars().count() > ATTRIBUTE_NAME_CHARS_MAX {
        return refuse(format!("Length of message attribute type must be at most {ATTRIBUTE_NAME_CHARS_MAX} bytes."));
    }
    if !value.string_list_values.is_empty() || !value.binary_list_values.is_empty() {
        return refuse(format!("Message attribute list values in SendMessage operation are not supported: '{name}'."));
    }
    let (field, given) = match kind {
        "Binary" => ("BinaryValue", value.string_value.is_none()),
        _ => ("StringValue", value.binary_value.is_none()),
    };
    if !given {
        return refuse(format!("The message attribute '{name}' with type '{kind}' must use field '{field}'."));
    }
    if value.as_bytes().is_empty() {
        return refuse(format!(
            "The message attribute '{name}' must contain a non-empty value of type '{}'.",
            if kind == "Binary" { "Binary" } else { "String" }
        ));
    }
    if let Some(text) = &value.string_value {
        check_text(text)?;
        if kind == "Number" && text.parse::<f64>().map_or(true, |number| !number.is_finite()) {
            return refuse(format!("Can't cast the value of message (user) attribute '{name}' to a number."));
        }
    }
    Ok(())
}

/// Refuses characters that XML cannot carry.
pub(crate) fn check_text(text: &str) -> Result<(), Error> {
    let carried = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
    if text.chars().all(carried) { Ok(()) } else { Err(Error::Contents) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{AttributeValue, check, check_text, md5_of};

    #[test]
    fn the_digest_is_that_of_aws() {
        let text = |data_type: &str, text: &str| AttributeValue::text(data_type.to_owned(), text.to_owned());
        // From the tests of SDKs that check it.
        let attributes = BTreeMap::from([("timestamp".to_owned(), text("Number", "1493147359900"))]);
        assert_eq!(md5_of(attributes.iter()).unwrap(), "235c5c510d26fb653d073faed50ae77c");
        assert_eq!(md5_of(BTreeMap::new().iter()), None);
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        let check = |name: &str, value: AttributeValue, ok: bool| {
            let found = check(&BTreeMap::from([(name.to_owned(), value)]));
            assert_eq!(found.is_ok(), ok, "{name}: {found:?}");
        };
        let text = |data_type: &str, text: &str| AttributeValue::text(data_type.to_owned(), text.to_owned());
        check("a", text("String", "x"), true);
        check("a.b-c_D9", text("Number.int", "-1.5e3"), true);
        check("", text("String", "x"), false);
        check(&"a".repeat(257), text("String", "x"), false);
        check("a b", text("String", "x"), false);
        check("AWS.x", text("String", "x"), false);
        check(".a", text("String", "x"), false);
        check("a..b", text("String", "x"), false);
        check("a", text("", "x"), false);
        check("a", text("Text", "x"), false);
        check("a", text("Binary", "x"), false);
        check("a", text("String", ""), false);
        check("a", text("Number", "one"), false);
        check("a", text("String", "\u{1}"), false);
        check("a", AttributeValue::binary("String".to_owned(), vec![1].into()), false);
        check("a", AttributeValue::binary("Binary.gif".to_owned(), vec![1].into()), true);
        assert!(check_text("\t\n\r ok \u{1F600}").is_ok());
        assert!(check_text("\u{FFFE}").is_err());
    }
}
