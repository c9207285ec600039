//! Key conditions: what a query reads.

use std::cmp::Ordering;
use std::sync::Arc;

use super::condition::{Condition, Operand, begins_with, order, parse_condition};
use super::error::{ExpressionError, ExpressionKind, KeyReason};
use super::path::Path;
use super::placeholders::Placeholders;
use super::token::Comparator;
use crate::value::{AttributeValue, ValueType};

/// What a key must be.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyTest {
    /// It equals a value.
    Equal(Arc<AttributeValue>),
    /// It is below a value.
    Less(Arc<AttributeValue>),
    /// It is below a value, or equals it.
    LessOrEqual(Arc<AttributeValue>),
    /// It is above a value.
    Greater(Arc<AttributeValue>),
    /// It is above a value, or equals it.
    GreaterOrEqual(Arc<AttributeValue>),
    /// It lies between two values, or equals one of them.
    Between(Arc<AttributeValue>, Arc<AttributeValue>),
    /// It begins with a value.
    BeginsWith(Arc<AttributeValue>),
}

impl KeyTest {
    /// Whether a value of the key passes it.
    pub fn holds(&self, value: &AttributeValue) -> bool {
        let compared = |with: &AttributeValue| order(value, with);
        match self {
            KeyTest::Equal(with) => compared(with).is_some_and(Ordering::is_eq),
            KeyTest::Less(with) => compared(with).is_some_and(Ordering::is_lt),
            KeyTest::LessOrEqual(with) => compared(with).is_some_and(Ordering::is_le),
            KeyTest::Greater(with) => compared(with).is_some_and(Ordering::is_gt),
            KeyTest::GreaterOrEqual(with) => compared(with).is_some_and(Ordering::is_ge),
            KeyTest::Between(lower, upper) => {
                compared(lower).is_some_and(Ordering::is_ge) && compared(upper).is_some_and(Ordering::is_le)
            }
            KeyTest::BeginsWith(prefix) => begins_with(value, prefix),
        }
    }

    fn values(&self) -> impl Iterator<Item = &Arc<AttributeValue>> {
        let (first, second) = match self {
            KeyTest::Between(lower, upper) => (lower, Some(upper)),
            KeyTest::Equal(value)
            | KeyTest::Less(value)
            | KeyTest::LessOrEqual(value)
            | KeyTest::Greater(value)
            | KeyTest::GreaterOrEqual(value)
            | KeyTest::BeginsWith(value) => (value, None),
        };
        std::iter::once(first).chain(second)
    }
}

impl KeyTest {
    /// Whether a key of this type can be tested so: values of its type, none of them empty.
    pub(crate) fn suits(&self, kind: ValueType) -> bool {
        let whole = !matches!(self, KeyTest::BeginsWith(_));
        self.values().all(|value| suits(("", kind), value, whole).is_ok())
    }
}

/// A key condition: at most one test an attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyCondition {
    tests: Vec<(String, KeyTest)>,
}

/// A key of a table or index: its attribute and type.
pub type Key<'a> = (&'a str, ValueType);

/// Parses a `KeyConditionExpression`.
///
/// # Errors
/// [`ExpressionError::Invalid`], [`ExpressionError::Key`].
pub fn parse_key_condition(text: &str, placeholders: &mut Placeholders) -> Result<KeyCondition, ExpressionError> {
    let condition = parse_condition(ExpressionKind::KeyCondition, text, placeholders)?;
    Ok(KeyCondition::of(&condition)?)
}

impl KeyCondition {
    /// The condition as one on keys.
    ///
    /// # Errors
    /// Any operator but those that a query can do, operands that are not one attribute and values, two tests of one attribute.
    pub fn of(condition: &Condition) -> Result<KeyCondition, KeyReason> {
        let mut tests = Vec::new();
        collect(condition, &mut tests)?;
        Ok(KeyCondition { tests })
    }

    /// The condition of these tests, one an attribute.
    pub(crate) fn of_tests(tests: Vec<(String, KeyTest)>) -> KeyCondition {
        KeyCondition { tests }
    }

    /// The test of an attribute.
    pub(crate) fn test_of(&self, attribute: &str) -> Option<&KeyTest> {
        self.tests.iter().find(|(tested, _)| tested == attribute).map(|(_, test)| test)
    }

    /// The attributes that it tests.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().map(|(attribute, _)| attribute.as_str())
    }

    /// The value that it wants an attribute to equal.
    pub fn equal_to(&self, attribute: &str) -> Option<&AttributeValue> {
        self.tests.iter().find_map(|(tested, test)| match test {
            KeyTest::Equal(value) if tested == attribute => Some(value.as_ref()),
            _ => None,
        })
    }

    /// The value of the partition key and the test of the sort key, if there is one.
    ///
    /// # Errors
    /// If the partition key has no test, or another one than equality; if there is a test of anything else than the keys; if
    /// a value has another type than its key, or is empty.
    pub fn on(self, partition: Key<'_>, sort: Option<Key<'_>>) -> Result<(AttributeValue, Option<KeyTest>), KeyReason> {
        let (mut of_partition, mut of_sort) = (None, None);
        let tests = self.tests.len();
        for (attribute, test) in self.tests {
            if attribute == partition.0 {
                of_partition = Some(test);
            } else if sort.is_some_and(|(name, _)| name == attribute) {
                of_sort = Some(test);
            }
        }
        let Some(of_partition) = of_partition else { return Err(KeyReason::Missed(partition.0.to_owned())) };
        if tests > 1 + usize::from(of_sort.is_some()) {
            return Err(match sort {
                Some((name, _)) if of_sort.is_none() && tests == 2 => KeyReason::Missed(name.to_owned()),
                _ => KeyReason::Unsupported,
            });
        }
        let KeyTest::Equal(value) = &of_partition else { return Err(KeyReason::Unsupported) };
        suits(partition, value, true)?;
        if let (Some(sort), Some(test)) = (sort, &of_sort) {
            // Any key begins with an empty value; none is one.
            let whole = !matches!(test, KeyTest::BeginsWith(_));
            test.values().try_for_each(|value| suits(sort, value, whole))?;
        }
        Ok(((**value).clone(), of_sort))
    }
}

fn suits((name, kind): Key<'_>, value: &AttributeValue, whole: bool) -> Result<(), KeyReason> {
    if value.kind() != kind {
        return Err(KeyReason::Type);
    }
    let empty = |kind| KeyReason::Empty { kind, key: name.to_owned() };
    match value {
        AttributeValue::S(text) if text.is_empty() && whole => Err(empty("string")),
        AttributeValue::B(bytes) if bytes.is_empty() && whole => Err(empty("binary")),
        _ => Ok(()),
    }
}

fn collect(condition: &Condition, tests: &mut Vec<(String, KeyTest)>) -> Result<(), KeyReason> {
    let (path, test) = match condition {
        Condition::All(conditions) => return conditions.iter().try_for_each(|condition| collect(condition, tests)),
        Condition::Any(_) => return Err(KeyReason::Operator("OR")),
        Condition::Not(_) => return Err(KeyReason::Operator("NOT")),
        Condition::In(..) => return Err(KeyReason::Operator("IN")),
        Condition::Exists(_) => return Err(KeyReason::Operator("attribute_exists")),
        Condition::NotExists(_) => return Err(KeyReason::Operator("attribute_not_exists")),
        Condition::Type(..) => return Err(KeyReason::Operator("attribute_type")),
        Condition::Contains(..) => return Err(KeyReason::Operator("contains")),
        Condition::Compare(Comparator::NotEqual, ..) => return Err(KeyReason::Operator("<>")),
        Condition::Compare(comparator, one, two) => comparison(*comparator, one, two)?,
        Condition::Between(one, lower, upper) => {
            let (path, values) = split(&[one, lower, upper], Some("BETWEEN"))?;
            let [lower, upper] = values.as_slice() else { return Err(KeyReason::SeveralNames) };
            (path, KeyTest::Between(Arc::clone(lower), Arc::clone(upper)))
        }
        Condition::BeginsWith(one, prefix) => {
            let (path, values) = split(&[one, prefix], Some("begins_with"))?;
            let [prefix] = values.as_slice() else { return Err(KeyReason::SeveralNames) };
            (path, KeyTest::BeginsWith(Arc::clone(prefix)))
        }
    };
    if tests.iter().any(|(name, _)| *name == path.attribute) {
        return Err(KeyReason::Twice);
    }
    tests.push((path.attribute.clone(), test));
    Ok(())
}

fn comparison<'a>(
    comparator: Comparator,
    one: &'a Operand,
    two: &'a Operand,
) -> Result<(&'a Path, KeyTest), KeyReason> {
    let (path, values) = split(&[one, two], None)?;
    let [value] = values.as_slice() else { return Err(KeyReason::SeveralNames) };
    let value = Arc::clone(value);
    let turned = matches!(two, Operand::Path(_));
    let test = match (comparator, turned) {
        (Comparator::Less, false) | (Comparator::Greater, true) => KeyTest::Less(value),
        (Comparator::LessOrEqual, false) | (Comparator::GreaterOrEqual, true) => KeyTest::LessOrEqual(value),
        (Comparator::Greater, false) | (Comparator::Less, true) => KeyTest::Greater(value),
        (Comparator::GreaterOrEqual, false) | (Comparator::LessOrEqual, true) => KeyTest::GreaterOrEqual(value),
        (Comparator::Equal | Comparator::NotEqual, _) => KeyTest::Equal(value),
    };
    Ok((path, test))
}

/// The one path among the operands, which must come first for `operator`, and the values.
fn split<'a>(
    operands: &[&'a Operand],
    operator: Option<&'static str>,
) -> Result<(&'a Path, Vec<&'a Arc<AttributeValue>>), KeyReason> {
    let (mut path, mut values) = (None, Vec::new());
    for operand in operands {
        match operand {
            Operand::Size(_) => return Err(KeyReason::NestedOperation),
            Operand::Value(value) => {
                if let (None, Some(operator)) = (path, operator) {
                    return Err(KeyReason::FirstOperand(operator));
                }
                values.push(value);
            }
            Operand::Path(_) if path.is_some() => return Err(KeyReason::SeveralNames),
            Operand::Path(found) if !found.steps.is_empty() => return Err(KeyReason::NestedAttribute),
            Operand::Path(found) => path = Some(found),
        }
    }
    path.map(|path| (path, values)).ok_or(KeyReason::NoName)
}
