//! Values that statements write: literals and parameters.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::refusal::Refusal;
use super::syntax::{Call, Expression};
use crate::number::Number;
use crate::value::{AttributeValue, Item, NESTING_MAX, ValueError};

/// The parameters of a statement, in their order.
pub(crate) type Parameters = [AttributeValue];

/// Where values begin in messages about them.
const ROOT: &str = "root";

/// The value that an expression is, or none for a path, a function or a condition.
pub(super) fn value(expression: &Expression, parameters: &Parameters) -> Result<Option<Arc<AttributeValue>>, Refusal> {
    let is_value = matches!(
        expression,
        Expression::Text(_)
            | Expression::Number(_)
            | Expression::Bool(_)
            | Expression::Null
            | Expression::Parameter(_)
            | Expression::List(_)
            | Expression::Bag(_)
            | Expression::Map(_)
    );
    if !is_value {
        return Ok(None);
    }
    let value = literal(expression, parameters, ROOT)?;
    if value.levels() > NESTING_MAX {
        return Err(Refusal::of(ValueError::Nesting.to_string()));
    }
    Ok(Some(Arc::new(value)))
}

/// The item that is to be inserted.
pub(super) fn item(expression: &Expression, parameters: &Parameters) -> Result<Item, Refusal> {
    let not_struct = || {
        Refusal::of(
            "Unsupported format in item expression. Please use struct format {...} to express item values for insert \
             statement.",
        )
    };
    let Expression::Map(entries) = expression else {
        // A map as a parameter is a struct too.
        return match value(expression, parameters)?.map(Arc::unwrap_or_clone) {
            Some(AttributeValue::M(item)) => Ok(item),
            _ => Err(not_struct()),
        };
    };
    let mut item = Item::new();
    for (key, expression) in entries {
        let name = name(key, ROOT)?;
        let value = literal(expression, parameters, ROOT)?;
        if value.levels() > NESTING_MAX {
            return Err(Refusal::of(ValueError::Nesting.to_string()));
        }
        insert(&mut item, name, value, ROOT)?;
    }
    Ok(item)
}

fn name(key: &Expression, path: &str) -> Result<String, Refusal> {
    match key {
        Expression::Text(name) if !name.is_empty() => Ok(name.clone()),
        Expression::Text(_) => Err(Refusal::of("Path component cannot be an empty string")),
        other => Err(Refusal::of(format!(
            "Tuple keys must be of type String. Actual type: {} under {path}",
            kind(other).unwrap_or("VariableReference")
        ))),
    }
}

fn insert(map: &mut Item, name: String, value: AttributeValue, path: &str) -> Result<(), Refusal> {
    if map.contains_key(&name) {
        return Err(Refusal::of(format!("Duplicate keys in tuple. Key: {name} under {path}")));
    }
    map.insert(name, value);
    Ok(())
}

/// What messages call a literal.
fn kind(expression: &Expression) -> Option<&'static str> {
    Some(match expression {
        Expression::Text(_) => "String",
        Expression::Number(_) => "Number",
        Expression::Bool(_) => "Boolean",
        Expression::Null => "Null",
        Expression::List(_) => "List",
        Expression::Bag(_) => "Bag",
        Expression::Map(_) => "Struct",
        _ => return None,
    })
}

fn literal(expression: &Expression, parameters: &Parameters, path: &str) -> Result<AttributeValue, Refusal> {
    Ok(match expression {
        Expression::Text(text) => AttributeValue::S(text.clone()),
        Expression::Number(number) => AttributeValue::N(self::number(number, path)?),
        Expression::Bool(truth) => AttributeValue::Bool(*truth),
        Expression::Null => AttributeValue::Null,
        Expression::Parameter(number) => match parameters.get(*number) {
            Some(value) => value.clone(),
            None => return Err(Refusal::of("Number of parameters in request and statement don't match.")),
        },
        Expression::List(elements) => {
            let element = |(n, element): (usize, &Expression)| literal(element, parameters, &format!("{path}[{n}]"));
            AttributeValue::L(elements.iter().enumerate().map(element).collect::<Result<_, _>>()?)
        }
        Expression::Map(entries) => {
            let mut map = Item::new();
            for (key, value) in entries {
                let name = name(key, path)?;
                let value = literal(value, parameters, &format!("{path}.{name}"))?;
                insert(&mut map, name, value, path)?;
            }
            AttributeValue::M(map)
        }
        Expression::Bag(members) => bag(members, parameters, path)?,
        Expression::Call(Call { name, place, .. }) => {
            return Err(Refusal::at(format!("Unsupported data type: {name} under key {path}"), *place));
        }
        Expression::Missing(place) => {
            return Err(Refusal::at("MISSING must be compared using IS operator", *place));
        }
        _ => return Err(Refusal::of(format!("Unsupported data type: VariableReference under key {path}"))),
    })
}

fn number(text: &str, path: &str) -> Result<Number, Refusal> {
    text.parse().map_err(|error| Refusal::of(format!("{error} under {path}")))
}

/// A set: of texts or numbers, or of bytes that parameters give.
fn bag(members: &[Expression], parameters: &Parameters, path: &str) -> Result<AttributeValue, Refusal> {
    let members: Vec<AttributeValue> =
        members.iter().map(|member| literal(member, parameters, path)).collect::<Result<_, _>>()?;
    let mixed = |set: &str, member: &AttributeValue| {
        Refusal::of(format!("Unexpected data type {} in {set} Set under key {path}", member.kind().name()))
    };
    macro_rules! set {
        ($variant:ident, $set:ident, $name:literal, $duplicates:expr) => {{
            let mut set = BTreeSet::new();
            let mut unique = true;
            for member in &members {
                let AttributeValue::$variant(value) = member else { return Err(mixed($name, member)) };
                unique &= set.insert(value.clone());
            }
            if !unique {
                return Err(Refusal::of($duplicates.to_string()));
            }
            Ok(AttributeValue::$set(set))
        }};
    }
    let texts = || {
        let text = |member: &AttributeValue| match member {
            AttributeValue::S(text) => Some(text.clone()),
            _ => None,
        };
        members.iter().filter_map(text).collect()
    };
    match members.first() {
        None => Err(Refusal::of("Empty bags are not supported")),
        Some(AttributeValue::S(_)) => set!(S, Ss, "String", ValueError::DuplicateStrings(texts())),
        Some(AttributeValue::N(_)) => set!(N, Ns, "Number", ValueError::DuplicateNumbers),
        Some(AttributeValue::B(_)) => set!(B, Bs, "Binary", ValueError::DuplicateNumbers),
        Some(_) => {
            Err(Refusal::of("Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags"))
        }
    }
}
