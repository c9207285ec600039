//! Which items a `WHERE` names: one by its whole key, those of some partitions, or any.

use std::sync::Arc;

use super::refusal::Refusal;
use super::syntax::Order;
use crate::error::Error;
use crate::expression::{Comparator, Condition, KeyCondition, KeyTest, Operand};
use crate::model::{KeyAttribute, KeySchema};
use crate::value::{AttributeValue, Item};

/// How many partitions or items one `SELECT` may name, each of which is a read of its own. AWS: Developer Guide, *PartiQL
/// operators*, `IN`.
pub const READS_MAX: usize = 50;

/// A part of a partition, or all of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) hash: Arc<AttributeValue>,
    pub(super) range: Option<KeyTest>,
}

impl Part {
    /// Whether it is one item at most.
    pub(super) fn is_item(&self, key: &KeySchema) -> bool {
        key.range.is_none() || matches!(self.range, Some(KeyTest::Equal(_)))
    }

    /// The condition that a query of it has.
    pub(super) fn condition(&self, key: &KeySchema) -> KeyCondition {
        let range = self.range.clone().zip(key.range.as_ref()).map(|(test, range)| (range.name.clone(), test));
        let hash = (key.hash.name.clone(), KeyTest::Equal(Arc::clone(&self.hash)));
        KeyCondition::of_tests(std::iter::once(hash).chain(range).collect())
    }
}

/// The conditions that all must hold.
fn conjuncts(condition: &Condition) -> Vec<&Condition> {
    match condition {
        Condition::All(all) => all.iter().flat_map(conjuncts).collect(),
        single => vec![single],
    }
}

/// The values that an attribute must equal one of, if the condition says so by itself.
fn values_of(condition: &Condition, name: &str) -> Option<Vec<Arc<AttributeValue>>> {
    let is =
        |operand: &Operand| matches!(operand, Operand::Path(path) if path.attribute == name && path.steps.is_empty());
    let value = |operand: &Operand| match operand {
        Operand::Value(value) => Some(Arc::clone(value)),
        _ => None,
    };
    let mut values = match condition {
        Condition::Compare(Comparator::Equal, one, two) if is(one) => vec![value(two)?],
        Condition::Compare(Comparator::Equal, one, two) if is(two) => vec![value(one)?],
        Condition::In(one, list) if is(one) => list.iter().map(value).collect::<Option<Vec<_>>>()?,
        Condition::All(all) => all.iter().find_map(|one| values_of(one, name))?,
        Condition::Any(any) => any.iter().map(|one| values_of(one, name)).collect::<Option<Vec<_>>>()?.concat(),
        _ => return None,
    };
    let mut once: Vec<Arc<AttributeValue>> = Vec::with_capacity(values.len());
    values.retain(|value| {
        let new = !once.contains(value);
        once.extend(new.then(|| Arc::clone(value)));
        new
    });
    Some(values)
}

/// A test of the sort key that a query can do.
fn range_test(condition: &Condition, range: &KeyAttribute) -> Option<KeyTest> {
    let condition = KeyCondition::of(condition).ok()?;
    condition.test_of(&range.name).filter(|test| test.suits(range.kind.value_type())).cloned()
}

/// What a condition names; none if it names no partitions, so that all is to be read.
pub(super) fn parts(condition: Option<&Condition>, key: &KeySchema) -> Result<Option<Vec<Part>>, Refusal> {
    let Some(condition) = condition else { return Ok(None) };
    let all = conjuncts(condition);
    let Some(hashes) = all.iter().find_map(|one| values_of(one, &key.hash.name)) else { return Ok(None) };
    let ranges: Vec<Option<KeyTest>> = match &key.range {
        None => vec![None],
        Some(range) => match all.iter().find_map(|one| values_of(one, &range.name)) {
            Some(values) => values.into_iter().map(|value| Some(KeyTest::Equal(value))).collect(),
            None => vec![all.iter().find_map(|one| range_test(one, range))],
        },
    };
    if hashes.len() * ranges.len() > READS_MAX {
        return Err(Refusal::of("Too many decomposed read operations for a given query."));
    }
    let of = |hash: &Arc<AttributeValue>| {
        let hash = Arc::clone(hash);
        ranges.iter().map(move |range| Part { hash: Arc::clone(&hash), range: range.clone() }).collect::<Vec<_>>()
    };
    Ok(Some(hashes.iter().flat_map(of).collect()))
}

/// Sorts parts as `ORDER BY` says. Whether each is to be read backward.
pub(super) fn sort(
    order: &[Order],
    key: &KeySchema,
    filtered: bool,
    parts: Option<&mut Vec<Part>>,
) -> Result<bool, Refusal> {
    if order.is_empty() {
        return Ok(false);
    }
    if !filtered {
        return Err(Refusal::of("Must have WHERE clause in the statement when using ORDER BY clause."));
    }
    if let Some(other) = order.iter().find(|order| !key.has(&order.attribute)) {
        return Err(Refusal::of(format!(
            "Variable reference {} in ORDER BY clause must be part of the primary key",
            other.attribute
        )));
    }
    let Some(parts) = parts else {
        return Err(Refusal::of(
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        ));
    };
    let by = |name: &str| order.iter().find(|order| order.attribute == name);
    let several = parts.iter().any(|part| parts.first().is_some_and(|first| first.hash != part.hash));
    let hash = by(&key.hash.name);
    if several && hash.is_none() {
        return Err(Refusal::of(
            "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause.",
        ));
    }
    let range = key.range.as_ref().and_then(|range| by(&range.name));
    let backward = range.is_some_and(|range| range.descending);
    let bytes = |value: &AttributeValue| value.key_bytes().map(|bytes| bytes.into_owned());
    let place = |part: &Part| match &part.range {
        Some(KeyTest::Equal(value)) => bytes(value),
        _ => None,
    };
    parts.sort_by(|one, two| {
        let directed = |ordering: std::cmp::Ordering, down: bool| if down { ordering.reverse() } else { ordering };
        let hashes = directed(bytes(&one.hash).cmp(&bytes(&two.hash)), hash.is_some_and(|hash| hash.descending));
        hashes.then_with(|| directed(place(one).cmp(&place(two)), backward))
    });
    Ok(backward)
}

/// The key of the one item that a write names, and what else it asks of it.
pub(super) fn item_key(condition: Option<&Condition>, key: &KeySchema) -> Result<(Item, Vec<Condition>), Error> {
    let incomplete = || Error::invalid("Where clause does not contain a mandatory equality on all key attributes");
    let all = condition.map(conjuncts).unwrap_or_default();
    let mut item = Item::new();
    let mut rest = Vec::new();
    for one in all {
        let named = key.attributes().find_map(|attribute| {
            let values = match one {
                Condition::Compare(..) | Condition::In(..) => values_of(one, &attribute.name)?,
                _ => return None,
            };
            let [value] = values.as_slice() else { return None };
            Some((attribute, Arc::clone(value)))
        });
        let Some((attribute, value)) = named else {
            rest.push(one.clone());
            continue;
        };
        if item.contains_key(&attribute.name) {
            return Err(Error::invalid(format!(
                "Multiple conditions on same key {}. Only single item Update/Insert/Delete are supported",
                attribute.name
            )));
        }
        item.insert(attribute.name.clone(), Arc::unwrap_or_clone(value));
    }
    if item.len() < key.attributes().count() {
        return Err(incomplete());
    }
    check_types(&item, key)?;
    Ok((item, rest))
}

/// Refuses an item without its key, or with one of another type.
pub(super) fn check_types(item: &Item, key: &KeySchema) -> Result<(), Error> {
    for attribute in key.attributes() {
        let name = &attribute.name;
        match item.get(name) {
            None => return Err(Error::invalid(format!("Key attribute should be present in the item: Key {name}"))),
            Some(value) if value.kind() != attribute.kind.value_type() => {
                return Err(Error::invalid(format!(
                    "Key attribute's data type should match its data type in table's schema: Key {name}"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
