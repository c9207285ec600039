//! Conditions and filters.

use std::cmp::Ordering;
use std::sync::Arc;

use memchr::memmem;

use super::check;
use super::error::{ExpressionError, ExpressionKind, Reason};
use super::parser;
use super::path::Path;
use super::placeholders::Placeholders;
use super::syntax::{self, Test};
use super::token::Comparator;
use crate::number::Number;
use crate::value::{AttributeValue, Item, ValueType};

/// The most operands of `IN`. AWS: Developer Guide, *Service, account, and table quotas*, operator or operand count.
pub const IN_OPERANDS_MAX: usize = 100;

/// What a condition compares.
#[derive(Clone, Debug)]
pub enum Operand {
    /// What stands at a path.
    Path(Path),
    /// A value of the request.
    Value(Arc<AttributeValue>),
    /// `size` of an operand.
    Size(Box<Operand>),
}

/// A condition on an item, ready to be tested.
#[derive(Clone, Debug)]
pub enum Condition {
    /// One of them holds.
    Any(Vec<Condition>),
    /// All of them hold.
    All(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// Two operands compare so.
    Compare(Comparator, Operand, Operand),
    /// The first lies between the others, or is one of them.
    Between(Operand, Operand, Operand),
    /// The first equals one of the others.
    In(Operand, Vec<Operand>),
    /// `attribute_exists`
    Exists(Path),
    /// `attribute_not_exists`
    NotExists(Path),
    /// `attribute_type`
    Type(Operand, ValueType),
    /// `begins_with`
    BeginsWith(Operand, Operand),
    /// `contains`
    Contains(Operand, Operand),
}

/// Parses a `ConditionExpression` or `FilterExpression`.
///
/// # Errors
/// [`ExpressionError::Invalid`].
pub fn parse_condition(
    kind: ExpressionKind,
    text: &str,
    placeholders: &mut Placeholders,
) -> Result<Condition, ExpressionError> {
    let invalid = |reason| ExpressionError::Invalid { kind, reason };
    let written = parser::condition(kind, text)?;
    check::test(&written).map_err(invalid)?;
    compile(&written, placeholders).map_err(invalid)
}

/// Only what nests: a small frame on the stack for every level.
fn compile(written: &Test<'_>, placeholders: &mut Placeholders) -> Result<Condition, Reason> {
    match written {
        Test::Any(tests) => compile_each(tests, placeholders).map(Condition::Any),
        Test::All(tests) => compile_each(tests, placeholders).map(Condition::All),
        Test::Not(test) => compile(test, placeholders).map(|condition| Condition::Not(Box::new(condition))),
        single => compile_single(single, placeholders),
    }
}

fn compile_each(tests: &[Test<'_>], placeholders: &mut Placeholders) -> Result<Vec<Condition>, Reason> {
    let mut conditions = Vec::with_capacity(tests.len());
    for test in tests {
        conditions.push(compile(test, placeholders)?);
    }
    Ok(conditions)
}

/// A condition without conditions in it.
#[inline(never)]
fn compile_single(written: &Test<'_>, placeholders: &mut Placeholders) -> Result<Condition, Reason> {
    Ok(match written {
        Test::Any(_) | Test::All(_) | Test::Not(_) => compile(written, placeholders)?,
        Test::Compare(comparator, one, two) => {
            Condition::compare(*comparator, operand(one, placeholders)?, operand(two, placeholders)?)?
        }
        Test::Between(one, lower, upper) => {
            let one = operand(one, placeholders)?;
            Condition::between(one, operand(lower, placeholders)?, operand(upper, placeholders)?)?
        }
        Test::In(one, list) => {
            let one = operand(one, placeholders)?;
            Condition::one_of(one, list.iter().map(|o| operand(o, placeholders)).collect::<Result<_, _>>()?)?
        }
        Test::Call(call) => {
            let operands = call.operands.iter().map(|o| operand(o, placeholders)).collect::<Result<_, _>>()?;
            Condition::function(call.name, operands)?
        }
    })
}

impl Condition {
    /// A comparison.
    ///
    /// # Errors
    /// An operand compared with itself, or one without an order where it needs one.
    pub fn compare(comparator: Comparator, one: Operand, two: Operand) -> Result<Condition, Reason> {
        distinct(comparator.symbol(), &one, std::slice::from_ref(&two))?;
        if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
            [&one, &two].into_iter().try_for_each(|operand| ordered(comparator.symbol(), operand))?;
        }
        Ok(Condition::Compare(comparator, one, two))
    }

    /// `BETWEEN`.
    ///
    /// # Errors
    /// As [`Condition::compare`], and bounds of different types or in the wrong order.
    pub fn between(one: Operand, lower: Operand, upper: Operand) -> Result<Condition, Reason> {
        let bounds = [lower, upper];
        distinct("BETWEEN", &one, &bounds)?;
        [&one].into_iter().chain(&bounds).try_for_each(|operand| ordered("BETWEEN", operand))?;
        let [lower, upper] = bounds;
        check_bounds(&lower, &upper)?;
        Ok(Condition::Between(one, lower, upper))
    }

    /// `IN`.
    ///
    /// # Errors
    /// More than [`IN_OPERANDS_MAX`] operands, the first one among them.
    pub fn one_of(one: Operand, list: Vec<Operand>) -> Result<Condition, Reason> {
        if list.len() > IN_OPERANDS_MAX {
            return Err(Reason::InOperands(list.len()));
        }
        distinct("IN", &one, &list)?;
        Ok(Condition::In(one, list))
    }

    /// A function that is a condition.
    ///
    /// # Errors
    /// A function that is none, too few operands or too many, and operands that do not suit it.
    pub fn function(name: &str, operands: Vec<Operand>) -> Result<Condition, Reason> {
        check::condition_operands(name, operands.len())?;
        let mut operands = operands.into_iter();
        let miscounted = || Reason::OperandCount { name: name.to_owned(), count: 0 };
        let first = operands.next().ok_or_else(miscounted)?;
        let path = |operand: Operand, name: &'static str| match operand {
            Operand::Path(path) => Ok(path),
            Operand::Value(_) | Operand::Size(_) => Err(Reason::NeedsPath(name)),
        };
        match name {
            "attribute_exists" => return Ok(Condition::Exists(path(first, "attribute_exists")?)),
            "attribute_not_exists" => return Ok(Condition::NotExists(path(first, "attribute_not_exists")?)),
            _ => {}
        }
        let second = operands.next().ok_or_else(miscounted)?;
        match name {
            "attribute_type" => {
                distinct("attribute_type", &first, std::slice::from_ref(&second))?;
                Ok(Condition::Type(first, named_type(&second)?))
            }
            "begins_with" => {
                distinct("begins_with", &first, std::slice::from_ref(&second))?;
                let suits = |kind| matches!(kind, ValueType::S | ValueType::B);
                [&first, &second].into_iter().try_for_each(|operand| typed("begins_with", operand, suits))?;
                Ok(Condition::BeginsWith(first, second))
            }
            "contains" => {
                distinct("contains", &first, std::slice::from_ref(&second))?;
                Ok(Condition::Contains(first, second))
            }
            other => Err(Reason::UnknownFunction(other.to_owned())),
        }
    }
}

impl Operand {
    /// `size` of an operand.
    ///
    /// # Errors
    /// A value that has none.
    pub fn size(of: Operand) -> Result<Operand, Reason> {
        typed("size", &of, |kind| !matches!(kind, ValueType::N | ValueType::Bool | ValueType::Null))?;
        Ok(Operand::Size(Box::new(of)))
    }
}

fn operand(written: &syntax::Operand<'_>, placeholders: &mut Placeholders) -> Result<Operand, Reason> {
    Ok(match written {
        syntax::Operand::Path(path) => Operand::Path(placeholders.path(path)?),
        syntax::Operand::Value(key) => Operand::Value(placeholders.value(key)?),
        syntax::Operand::Call(call) => {
            // The only function that is an operand.
            let Some(first) = call.operands.first() else {
                return Err(Reason::OperandCount { name: call.name.to_owned(), count: 0 });
            };
            Operand::size(operand(first, placeholders)?)?
        }
    })
}

/// The type that `attribute_type` is given, which must be a value: its name.
fn named_type(operand: &Operand) -> Result<ValueType, Reason> {
    let refused = |kind| Err(Reason::OperandType { operator: "attribute_type", kind });
    match operand {
        Operand::Path(_) => refused("{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"),
        Operand::Size(_) => refused("N"),
        Operand::Value(value) => match &**value {
            AttributeValue::S(name) => ValueType::of_name(name).ok_or_else(|| Reason::TypeName(name.clone())),
            other => refused(other.kind().name()),
        },
    }
}

/// Refuses a path among the other operands that is the first one.
fn distinct(operator: &'static str, first: &Operand, others: &[Operand]) -> Result<(), Reason> {
    let Operand::Path(path) = first else { return Ok(()) };
    match others.iter().any(|other| matches!(other, Operand::Path(other) if other == path)) {
        true => Err(Reason::SameOperand { operator, path: path.clone() }),
        false => Ok(()),
    }
}

/// Refuses an operand whose type is known and does not suit.
fn typed(operator: &'static str, operand: &Operand, suits: impl Fn(ValueType) -> bool) -> Result<(), Reason> {
    let kind = match operand {
        Operand::Path(_) => return Ok(()),
        Operand::Value(value) => value.kind(),
        Operand::Size(_) => ValueType::N,
    };
    if suits(kind) { Ok(()) } else { Err(Reason::OperandType { operator, kind: kind.name() }) }
}

fn ordered(operator: &'static str, operand: &Operand) -> Result<(), Reason> {
    typed(operator, operand, |kind| matches!(kind, ValueType::S | ValueType::N | ValueType::B))
}

fn check_bounds(lower: &Operand, upper: &Operand) -> Result<(), Reason> {
    let (Operand::Value(lower), Operand::Value(upper)) = (lower, upper) else { return Ok(()) };
    let both = || (Box::new((**lower).clone()), Box::new((**upper).clone()));
    match order(lower, upper) {
        Some(Ordering::Greater) => {
            let (lower, upper) = both();
            Err(Reason::BoundOrder(lower, upper))
        }
        Some(_) => Ok(()),
        None => {
            let (lower, upper) = both();
            Err(Reason::BoundTypes(lower, upper))
        }
    }
}

/// The order of two values of one type that has an order.
pub(super) fn order(one: &AttributeValue, two: &AttributeValue) -> Option<Ordering> {
    match (one, two) {
        (AttributeValue::S(one), AttributeValue::S(two)) => Some(one.as_bytes().cmp(two.as_bytes())),
        (AttributeValue::N(one), AttributeValue::N(two)) => Some(one.cmp(two)),
        (AttributeValue::B(one), AttributeValue::B(two)) => Some(one.cmp(two)),
        _ => None,
    }
}

/// An operand's value: borrowed from the item or the request, or a size.
enum Found<'a> {
    Value(&'a AttributeValue),
    Size(AttributeValue),
}

impl Found<'_> {
    fn value(&self) -> &AttributeValue {
        match self {
            Found::Value(value) => value,
            Found::Size(size) => size,
        }
    }
}

impl Operand {
    fn find<'a>(&'a self, item: &'a Item) -> Option<Found<'a>> {
        match self {
            Operand::Path(path) => path.find(item).map(Found::Value),
            Operand::Value(value) => Some(Found::Value(value)),
            Operand::Size(of) => {
                let size = size(of.find(item)?.value())?;
                Some(Found::Size(AttributeValue::N(Number::from(u64::try_from(size).unwrap_or(u64::MAX)))))
            }
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Operand::Path(path) => Some(path),
            Operand::Value(_) => None,
            Operand::Size(of) => of.path(),
        }
    }
}

/// Texts are measured in UTF-16 units, as AWS does.
fn size(value: &AttributeValue) -> Option<usize> {
    match value {
        AttributeValue::S(text) if text.is_ascii() => Some(text.len()),
        AttributeValue::S(text) => Some(text.encode_utf16().count()),
        AttributeValue::B(bytes) => Some(bytes.len()),
        AttributeValue::M(map) => Some(map.len()),
        AttributeValue::L(list) => Some(list.len()),
        AttributeValue::Ss(set) => Some(set.len()),
        AttributeValue::Ns(set) => Some(set.len()),
        AttributeValue::Bs(set) => Some(set.len()),
        AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null => None,
    }
}

impl Condition {
    /// Whether it holds for `item`; an item that does not exist is an empty one.
    ///
    /// What is not there equals nothing and has no order: only `<>`, `NOT` and `attribute_not_exists` hold for it.
    pub fn matches(&self, item: &Item) -> bool {
        let both = |one: &Operand, two: &Operand, test: fn(&AttributeValue, &AttributeValue) -> bool| matches!((one.find(item), two.find(item)), (Some(one), Some(two)) if test(one.value(), two.value()));
        match self {
            Condition::Any(conditions) => conditions.iter().any(|condition| condition.matches(item)),
            Condition::All(conditions) => conditions.iter().all(|condition| condition.matches(item)),
            Condition::Not(condition) => !condition.matches(item),
            Condition::Compare(Comparator::Equal, one, two) => both(one, two, |one, two| one == two),
            Condition::Compare(Comparator::NotEqual, one, two) => !both(one, two, |one, two| one == two),
            Condition::Compare(Comparator::Less, one, two) => {
                both(one, two, |a, b| order(a, b).is_some_and(Ordering::is_lt))
            }
            Condition::Compare(Comparator::LessOrEqual, one, two) => {
                both(one, two, |a, b| order(a, b).is_some_and(Ordering::is_le))
            }
            Condition::Compare(Comparator::Greater, one, two) => {
                both(one, two, |a, b| order(a, b).is_some_and(Ordering::is_gt))
            }
            Condition::Compare(Comparator::GreaterOrEqual, one, two) => {
                both(one, two, |a, b| order(a, b).is_some_and(Ordering::is_ge))
            }
            Condition::Between(one, lower, upper) => {
                both(one, lower, |a, b| order(a, b).is_some_and(Ordering::is_ge))
                    && both(one, upper, |a, b| order(a, b).is_some_and(Ordering::is_le))
            }
            Condition::In(one, list) => {
                let Some(one) = one.find(item) else { return false };
                list.iter().any(|other| other.find(item).is_some_and(|other| one.value() == other.value()))
            }
            Condition::Exists(path) => path.find(item).is_some(),
            Condition::NotExists(path) => path.find(item).is_none(),
            Condition::Type(one, kind) => one.find(item).is_some_and(|value| value.value().kind() == *kind),
            Condition::BeginsWith(one, prefix) => both(one, prefix, begins_with),
            Condition::Contains(one, part) => both(one, part, contains),
        }
    }

    /// Every path it names.
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        self.collect_paths(&mut paths);
        paths
    }

    fn collect_paths<'a>(&'a self, paths: &mut Vec<&'a Path>) {
        match self {
            Condition::Any(conditions) | Condition::All(conditions) => {
                conditions.iter().for_each(|condition| condition.collect_paths(paths));
            }
            Condition::Not(condition) => condition.collect_paths(paths),
            Condition::Compare(_, one, two) | Condition::BeginsWith(one, two) | Condition::Contains(one, two) => {
                paths.extend([one, two].into_iter().filter_map(Operand::path));
            }
            Condition::Between(one, two, three) => {
                paths.extend([one, two, three].into_iter().filter_map(Operand::path))
            }
            Condition::In(one, list) => paths.extend([one].into_iter().chain(list).filter_map(Operand::path)),
            Condition::Exists(path) | Condition::NotExists(path) => paths.push(path),
            Condition::Type(one, _) => paths.extend(one.path()),
        }
    }
}

pub(super) fn begins_with(value: &AttributeValue, prefix: &AttributeValue) -> bool {
    match (value, prefix) {
        (AttributeValue::S(text), AttributeValue::S(prefix)) => text.starts_with(prefix.as_str()),
        (AttributeValue::B(bytes), AttributeValue::B(prefix)) => bytes.starts_with(prefix),
        _ => false,
    }
}

/// A part of a text or of bytes, a member of a set, an element of a list.
fn contains(value: &AttributeValue, part: &AttributeValue) -> bool {
    match (value, part) {
        (AttributeValue::S(text), AttributeValue::S(part)) => memmem::find(text.as_bytes(), part.as_bytes()).is_some(),
        (AttributeValue::B(bytes), AttributeValue::B(part)) => memmem::find(bytes, part).is_some(),
        (AttributeValue::L(list), part) => list.contains(part),
        (AttributeValue::Ss(set), AttributeValue::S(part)) => set.contains(part),
        (AttributeValue::Ns(set), AttributeValue::N(part)) => set.contains(part),
        (AttributeValue::Bs(set), AttributeValue::B(part)) => set.contains(part),
        _ => false,
    }
}
