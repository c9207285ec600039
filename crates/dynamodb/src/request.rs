//! What requests have in common: names of tables, expressions, the choices of an answer.

use std::collections::BTreeMap;

use cauce_core::{Arn, Call, Violations};

use crate::error::Error;
use crate::expression::{
    Condition, ConditionalOperator, ExpressionKind, LegacyConditions, Placeholders, Projection, legacy_conditions,
    legacy_projection, parse_condition, parse_projection, refuse_mixed,
};
use crate::keys::TableId;
use crate::model::{index_arn, table_arn};
use crate::value::{Given, Item};

/// `ExpressionAttributeNames`.
pub(crate) type Names = Option<BTreeMap<String, String>>;

/// `ExpressionAttributeValues`.
pub(crate) type Values = Option<Given<Item>>;

/// The shortest and the longest name of a table or index, in characters.
pub(crate) const NAME_CHARS: (usize, usize) = (3, 255);

/// The longest ARN of a table, in characters.
const ARN_CHARS_MAX: usize = 1_024;

/// The name or ARN of a table that may be there. No table has a name of fewer than three characters, but asking for one is no
/// violation.
pub(crate) fn validate_table(v: &mut Violations, name: &str) {
    if name.starts_with("arn:") {
        v.length("tableName", name, 1, ARN_CHARS_MAX);
    } else {
        // An empty name is too short, and that is all that AWS says of it.
        if !name.is_empty() {
            validate_chars(v, "tableName", name);
        }
        v.length("tableName", name, 1, NAME_CHARS.1);
    }
}

/// The name of what may have none shorter: a table that is to be made, an index.
pub(crate) fn validate_name(v: &mut Violations, member: &str, name: &str) {
    validate_chars(v, member, name);
    v.length(member, name, NAME_CHARS.0, NAME_CHARS.1);
}

fn validate_chars(v: &mut Violations, member: &str, name: &str) {
    let chars = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if name.is_empty() || !name.bytes().all(chars) {
        v.other(member, Some(name), "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+");
    }
}

pub(crate) fn validate_capacity(v: &mut Violations, wanted: Option<&str>) {
    if let Some(wanted) = wanted {
        v.one_of("returnConsumedCapacity", wanted, &["INDEXES", "TOTAL", "NONE"]);
    }
}

pub(crate) fn validate_metrics(v: &mut Violations, wanted: Option<&str>) {
    if let Some(wanted) = wanted {
        v.one_of("returnItemCollectionMetrics", wanted, &["SIZE", "NONE"]);
    }
}

pub(crate) fn validate_on_failure(v: &mut Violations, wanted: Option<&str>) {
    if let Some(wanted) = wanted {
        v.one_of("returnValuesOnConditionCheckFailure", wanted, &["ALL_OLD", "NONE"]);
    }
}

/// The table that a request means: a name, or the ARN of a table of this account and region.
pub(crate) fn table_id(call: &Call, name: &str) -> Result<TableId, Error> {
    let id = |name: &str| TableId { account: call.account, region: call.region.clone(), name: name.to_owned() };
    if let Some(arn) = name.strip_prefix("arn:").and_then(|_| name.parse::<Arn>().ok()) {
        let own =
            arn.service() == "dynamodb" && arn.account() == Some(call.account) && arn.region() == call.region.as_str();
        let name = arn.resource().strip_prefix("table/").filter(|name| own && !name.contains('/'));
        return name.map(id).ok_or(Error::NoTable);
    }
    Ok(id(name))
}

/// The ARN that policies must allow for an operation on a table.
pub(crate) fn table_resource(call: &Call, name: &str) -> Vec<String> {
    vec![table_id(call, name).map_or_else(|_| name.to_owned(), |id| table_arn(&id).to_string())]
}

/// The same for a read of a table or one of its indexes.
pub(crate) fn read_resource(call: &Call, name: &str, index: Option<&str>) -> Vec<String> {
    match (table_id(call, name), index) {
        (Ok(id), Some(index)) => vec![index_arn(&id, index).to_string()],
        _ => table_resource(call, name),
    }
}

/// `Expected` and `ConditionalOperator`.
pub(crate) type Expected = (Option<LegacyConditions>, Option<ConditionalOperator>);

/// Refuses parameters of a condition that do not go together: AWS does before it looks at any value.
pub(crate) fn check_parameters(
    text: Option<&str>,
    names: &Names,
    values: &Values,
    (expected, operator): &Expected,
) -> Result<(), Error> {
    let legacy = [("Expected", expected.is_some()), ("ConditionalOperator", operator.is_some())];
    refuse_mixed(&legacy, &[("ConditionExpression", text.is_some())])?;
    if text.is_none() {
        Placeholders::refuse(names.as_ref(), values.as_ref(), &["ConditionExpression"])?;
    }
    Ok(())
}

/// The condition of a write in either form, after [`check_parameters`].
pub(crate) fn condition(
    text: Option<&str>,
    names: Names,
    values: Values,
    (expected, operator): Expected,
) -> Result<Option<Condition>, Error> {
    let Some(text) = text else { return Ok(legacy_conditions(expected, operator)?) };
    let mut placeholders = Placeholders::new(names, values)?;
    let condition = parse_condition(ExpressionKind::Condition, text, &mut placeholders)?;
    placeholders.finish()?;
    Ok(Some(condition))
}

/// The projection of a read, in either form.
pub(crate) fn projection_or_attributes(
    text: Option<&str>,
    names: Names,
    attributes: Option<Vec<String>>,
) -> Result<Option<Projection>, Error> {
    refuse_mixed(&[("AttributesToGet", attributes.is_some())], &[("ProjectionExpression", text.is_some())])?;
    match (text, attributes) {
        (None, attributes) => {
            Placeholders::refuse(names.as_ref(), None, &[])?;
            Ok(attributes.map(legacy_projection).transpose()?)
        }
        (Some(text), _) => {
            let mut placeholders = Placeholders::new(names, None)?;
            let projection = parse_projection(text, &mut placeholders)?;
            placeholders.finish()?;
            Ok(Some(projection))
        }
    }
}

/// `ScanFilter` or `QueryFilter` in the model's constraints: unlike in `Expected`, each condition has an operator.
pub(crate) fn validate_filter(v: &mut Violations, member: &str, filter: Option<&LegacyConditions>) {
    for (attribute, condition) in filter.into_iter().flatten() {
        v.within(format!("{member}.{attribute}.member"), |v| {
            v.required("comparisonOperator", condition.comparison_operator.as_ref());
        });
    }
}

/// `AttributesToGet` in the model's constraints.
pub(crate) fn validate_attributes(v: &mut Violations, attributes: Option<&Vec<String>>) {
    if let Some(attributes) = attributes {
        v.count("attributesToGet", attributes.len(), 1, ATTRIBUTES_TO_GET_MAX);
    }
}

/// The most names of `AttributesToGet`. AWS: API Reference.
const ATTRIBUTES_TO_GET_MAX: usize = 255;
