//! Requests with expressions, as texts.

use cauce_dynamodb::expression::{
    Condition, ExpressionError, ExpressionKind, KeyCondition, Placeholders, Projection, Update, parse_condition,
    parse_key_condition, parse_projection, parse_update,
};
use cauce_dynamodb::{Given, Item};

/// The placeholders that most tests use.
const NAMES: &str = r##"{"#a":"a","#b":"b","#status":"status","#dot":"a.b"}"##;

/// An item of JSON.
pub(crate) fn item(json: &str) -> Item {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// Placeholders with the names of [`NAMES`] and these values, if any.
pub(crate) fn placeholders(values: &str) -> Placeholders {
    let values: Option<Given<Item>> = (!values.is_empty()).then(|| serde_json::from_str(values).unwrap());
    Placeholders::new(Some(serde_json::from_str(NAMES).unwrap()), values).unwrap()
}

pub(crate) fn condition(text: &str, values: &str) -> Result<Condition, ExpressionError> {
    parse_condition(ExpressionKind::Condition, text, &mut placeholders(values))
}

pub(crate) fn update(text: &str, values: &str) -> Result<Update, ExpressionError> {
    parse_update(text, &mut placeholders(values))
}

pub(crate) fn projection(text: &str) -> Result<Projection, ExpressionError> {
    parse_projection(text, &mut placeholders(""))
}

pub(crate) fn key_condition(text: &str, values: &str) -> Result<KeyCondition, ExpressionError> {
    parse_key_condition(text, &mut placeholders(values))
}
