//! The parameters of the time before expressions, compiled into the same trees.
//!
//! AWS: Developer Guide, *Legacy conditional parameters*.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use super::condition::{Condition, Operand, order};
use super::error::ExpressionError;
use super::key_condition::KeyCondition;
use super::path::Path;
use super::projection::Projection;
use super::token::Comparator;
use super::update::{self, Change, Update};
use crate::value::{AttributeValue, Given, ValueType};

/// `ComparisonOperator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "they say what they are")]
pub enum LegacyOperator {
    Eq,
    Ne,
    In,
    Le,
    Lt,
    Ge,
    Gt,
    Between,
    NotNull,
    Null,
    Contains,
    NotContains,
    BeginsWith,
}

impl fmt::Display for LegacyOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LegacyOperator::Eq => "EQ",
            LegacyOperator::Ne => "NE",
            LegacyOperator::In => "IN",
            LegacyOperator::Le => "LE",
            LegacyOperator::Lt => "LT",
            LegacyOperator::Ge => "GE",
            LegacyOperator::Gt => "GT",
            LegacyOperator::Between => "BETWEEN",
            LegacyOperator::NotNull => "NOT_NULL",
            LegacyOperator::Null => "NULL",
            LegacyOperator::Contains => "CONTAINS",
            LegacyOperator::NotContains => "NOT_CONTAINS",
            LegacyOperator::BeginsWith => "BEGINS_WITH",
        })
    }
}

/// `ConditionalOperator`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ConditionalOperator {
    /// All conditions hold.
    #[default]
    And,
    /// One of them does.
    Or,
}

/// A condition on an attribute: of `Expected`, `ScanFilter`, `QueryFilter` or `KeyConditions`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LegacyCondition {
    /// `Expected`: what it equals.
    pub value: Option<Given<AttributeValue>>,
    /// `Expected`: whether it is there.
    pub exists: Option<bool>,
    /// How it compares.
    pub comparison_operator: Option<LegacyOperator>,
    /// With what.
    pub attribute_value_list: Option<Given<Vec<AttributeValue>>>,
}

/// Conditions by attribute.
pub type LegacyConditions = BTreeMap<String, LegacyCondition>;

/// `Action` of `AttributeUpdates`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LegacyAction {
    /// Replaces the attribute.
    #[default]
    Put,
    /// Removes it, or members from it.
    Delete,
    /// Adds to it.
    Add,
}

/// What `AttributeUpdates` does to an attribute.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LegacyUpdate {
    /// With this.
    pub value: Option<Given<AttributeValue>>,
    /// In this way.
    pub action: LegacyAction,
}

/// Why a parameter of this kind is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LegacyReason {
    /// Both.
    #[error("{INVALID} Exists and ComparisonOperator cannot be used together for Attribute: {0}")]
    ExistsAndOperator(String),
    /// Both.
    #[error("{INVALID} Value and AttributeValueList cannot be used together for Attribute: {0}")]
    ValueAndList(String),
    /// A list alone.
    #[error("{INVALID} AttributeValueList can only be used with a ComparisonOperator for Attribute: {0}")]
    ListWithoutOperator(String),
    /// It is to be there, but as what?
    #[error("{INVALID} Value must be provided when Exists is {exists} for Attribute: {attribute}")]
    ValueMissing {
        /// `null` or `true`.
        exists: &'static str,
        /// The attribute.
        attribute: String,
    },
    /// It is not to be there, but with a value.
    #[error("{INVALID} Value cannot be used when Exists is false for Attribute: {0}")]
    ValueWithoutExistence(String),
    /// Too many operands or too few.
    #[error("{INVALID} Invalid number of argument(s) for the {0} ComparisonOperator")]
    OperandCount(LegacyOperator),
    /// An operand that the operator does not take.
    #[error("{INVALID} ComparisonOperator {operator} is not valid for {} AttributeValue type", .kind.name())]
    OperandType {
        /// The operator.
        operator: LegacyOperator,
        /// The operand's type.
        kind: ValueType,
    },
    /// Operands of several types.
    #[error("{INVALID} AttributeValues inside AttributeValueList must be of same type")]
    OperandTypes,
    /// `BETWEEN` 2 and 1.
    #[error("The BETWEEN condition was provided a range where the lower bound is greater than the upper bound")]
    BoundOrder,
    /// None, or more than two.
    #[error("Conditions can be of length 1 or 2 only")]
    KeyCount,
    /// What no query can do.
    #[error("Attempted conditional constraint is not an indexable operation")]
    NotIndexable,
    /// `PUT` or `ADD` without a value.
    #[error("{INVALID} Only DELETE action is allowed when no attribute value is specified")]
    ActionWithoutValue,
    /// What cannot be added.
    #[error("{INVALID} ADD action is not supported for the type {}", .0.name())]
    AddType(ValueType),
    /// What is no set.
    #[error("{INVALID} DELETE action with value is not supported for the type {}", .0.name())]
    DeleteType(ValueType),
    /// An operator for nothing.
    #[error("ConditionalOperator cannot be used without Filter or Expected")]
    OperatorAlone,
    /// Old and new in one request.
    #[error(
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {{{}}} \
         Expression parameters: {{{}}}",
        .legacy.join(", "),
        .expressions.join(", ")
    )]
    Mixed {
        /// The old.
        legacy: Vec<&'static str>,
        /// The new.
        expressions: Vec<&'static str>,
    },
    /// No attribute to get, or one twice.
    #[error("{INVALID} Duplicate value in attribute name: {0}")]
    DuplicateName(String),
}

const INVALID: &str = "One or more parameter values were invalid:";

/// Refuses a request that has parameters of both kinds.
///
/// # Errors
/// [`LegacyReason::Mixed`], with the names of all that are given.
pub fn refuse_mixed(
    legacy: &[(&'static str, bool)],
    expressions: &[(&'static str, bool)],
) -> Result<(), ExpressionError> {
    let given = |all: &[(&'static str, bool)]| -> Vec<&'static str> {
        all.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect()
    };
    let (legacy, expressions) = (given(legacy), given(expressions));
    if legacy.is_empty() || expressions.is_empty() {
        return Ok(());
    }
    Err(LegacyReason::Mixed { legacy, expressions }.into())
}

/// Compiles `Expected`, `ScanFilter` or `QueryFilter`; nothing if there are no conditions.
///
/// # Errors
/// [`ExpressionError::Legacy`], or a value that AWS refuses.
pub fn legacy_conditions(
    conditions: Option<LegacyConditions>,
    operator: Option<ConditionalOperator>,
) -> Result<Option<Condition>, ExpressionError> {
    let conditions = conditions.unwrap_or_default();
    if conditions.is_empty() {
        return match operator {
            Some(_) => Err(LegacyReason::OperatorAlone.into()),
            None => Ok(None),
        };
    }
    let compiled: Vec<Condition> =
        conditions.into_iter().map(|(attribute, condition)| compile(attribute, condition)).collect::<Result<_, _>>()?;
    Ok(Some(match operator.unwrap_or_default() {
        ConditionalOperator::And => Condition::All(compiled),
        ConditionalOperator::Or => Condition::Any(compiled),
    }))
}

/// Compiles `KeyConditions`.
///
/// # Errors
/// [`ExpressionError::Legacy`], or a value that AWS refuses.
pub fn legacy_key_conditions(conditions: LegacyConditions) -> Result<KeyCondition, ExpressionError> {
    if !(1..=2).contains(&conditions.len()) {
        return Err(LegacyReason::KeyCount.into());
    }
    let mut compiled = Vec::new();
    for (attribute, condition) in conditions {
        let indexable = !matches!(
            condition.comparison_operator,
            Some(
                LegacyOperator::Ne
                    | LegacyOperator::In
                    | LegacyOperator::Null
                    | LegacyOperator::NotNull
                    | LegacyOperator::Contains
                    | LegacyOperator::NotContains
            )
        );
        let condition = compile(attribute, condition)?;
        if !indexable {
            return Err(LegacyReason::NotIndexable.into());
        }
        compiled.push(condition);
    }
    Ok(KeyCondition::of(&Condition::All(compiled))?)
}

/// Compiles `AttributeUpdates`; nothing if there are none.
///
/// # Errors
/// [`ExpressionError::Legacy`], or a value that AWS refuses.
pub fn legacy_updates(updates: BTreeMap<String, LegacyUpdate>) -> Result<Option<Update>, ExpressionError> {
    if updates.is_empty() {
        return Ok(None);
    }
    let changes = updates.into_iter().map(|(attribute, update)| {
        let path = Path::of(attribute);
        let change = change(&path, update)?;
        Ok((path, change))
    });
    let changes: Vec<(Path, Change)> = changes.collect::<Result<_, ExpressionError>>()?;
    Update::of(changes).map(Some)
}

/// Compiles `AttributesToGet`.
///
/// # Errors
/// [`ExpressionError::Legacy`] for an attribute that is named twice.
pub fn legacy_projection(attributes: Vec<String>) -> Result<Projection, ExpressionError> {
    let twice =
        attributes.iter().enumerate().find(|(at, name)| attributes.iter().take(*at).any(|other| other == *name));
    if let Some((_, name)) = twice {
        return Err(LegacyReason::DuplicateName(name.clone()).into());
    }
    Projection::of(attributes.into_iter().map(Path::of).collect())
}

fn change(path: &Path, update: LegacyUpdate) -> Result<Change, ExpressionError> {
    let Some(value) = update.value.map(Given::checked).transpose()? else {
        return match update.action {
            LegacyAction::Delete => Ok(Change::Remove),
            LegacyAction::Put | LegacyAction::Add => Err(LegacyReason::ActionWithoutValue.into()),
        };
    };
    let (kind, value) = (value.kind(), Arc::new(value));
    let set = matches!(kind, ValueType::Ss | ValueType::Ns | ValueType::Bs);
    Ok(match update.action {
        LegacyAction::Put => Change::Set(update::Operand::Value(value)),
        LegacyAction::Delete if set => Change::Delete(value),
        LegacyAction::Delete => return Err(LegacyReason::DeleteType(kind).into()),
        LegacyAction::Add if set || kind == ValueType::N => Change::Add(value),
        // Unlike in an expression, lists are added to as well.
        LegacyAction::Add if kind == ValueType::L => {
            let none = Box::new(update::Operand::Value(Arc::new(AttributeValue::L(Vec::new()))));
            let before = Box::new(update::Operand::IfNotExists(path.clone(), none));
            Change::Set(update::Operand::ListAppend(before, Box::new(update::Operand::Value(value))))
        }
        LegacyAction::Add => return Err(LegacyReason::AddType(kind).into()),
    })
}

fn compile(attribute: String, condition: LegacyCondition) -> Result<Condition, ExpressionError> {
    let value = condition.value.map(Given::checked).transpose()?;
    let list = condition.attribute_value_list.map(Given::checked).transpose()?;
    let Some(operator) = condition.comparison_operator else {
        if list.is_some() {
            return Err(LegacyReason::ListWithoutOperator(attribute).into());
        }
        return match (condition.exists, value) {
            (Some(false), None) => Ok(Condition::NotExists(Path::of(attribute))),
            (Some(false), Some(_)) => Err(LegacyReason::ValueWithoutExistence(attribute).into()),
            (exists, None) => {
                let exists = if exists.is_some() { "true" } else { "null" };
                Err(LegacyReason::ValueMissing { exists, attribute }.into())
            }
            (_, Some(value)) => Ok(compare(Comparator::Equal, attribute, value)),
        };
    };
    if condition.exists.is_some() {
        return Err(LegacyReason::ExistsAndOperator(attribute).into());
    }
    if value.is_some() && list.is_some() {
        return Err(LegacyReason::ValueAndList(attribute).into());
    }
    let operands = list.unwrap_or_else(|| value.into_iter().collect());
    check_operands(operator, &operands)?;
    Ok(operation(operator, attribute, operands)?)
}

fn compare(comparator: Comparator, attribute: String, value: AttributeValue) -> Condition {
    Condition::Compare(comparator, Operand::Path(Path::of(attribute)), Operand::Value(Arc::new(value)))
}

fn operation(
    operator: LegacyOperator,
    attribute: String,
    operands: Vec<AttributeValue>,
) -> Result<Condition, LegacyReason> {
    let path = Path::of(attribute.clone());
    let miscounted = || LegacyReason::OperandCount(operator);
    let mut operands = operands.into_iter();
    match operator {
        LegacyOperator::Null => return Ok(Condition::NotExists(path)),
        LegacyOperator::NotNull => return Ok(Condition::Exists(path)),
        LegacyOperator::In => {
            let list = operands.map(|value| Operand::Value(Arc::new(value))).collect();
            return Ok(Condition::In(Operand::Path(path), list));
        }
        _ => {}
    }
    let first = operands.next().ok_or_else(miscounted)?;
    let value = |value: AttributeValue| Operand::Value(Arc::new(value));
    Ok(match operator {
        LegacyOperator::Eq => compare(Comparator::Equal, attribute, first),
        LegacyOperator::Ne => compare(Comparator::NotEqual, attribute, first),
        LegacyOperator::Le => compare(Comparator::LessOrEqual, attribute, first),
        LegacyOperator::Lt => compare(Comparator::Less, attribute, first),
        LegacyOperator::Ge => compare(Comparator::GreaterOrEqual, attribute, first),
        LegacyOperator::Gt => compare(Comparator::Greater, attribute, first),
        LegacyOperator::BeginsWith => Condition::BeginsWith(Operand::Path(path), value(first)),
        LegacyOperator::Contains => Condition::Contains(Operand::Path(path), value(first)),
        // An attribute that is not there contains nothing, but this does not hold for it either.
        LegacyOperator::NotContains => {
            let contains = Condition::Contains(Operand::Path(path.clone()), value(first));
            Condition::All(vec![Condition::Exists(path), Condition::Not(Box::new(contains))])
        }
        LegacyOperator::Between => {
            let upper = operands.next().ok_or_else(miscounted)?;
            Condition::Between(Operand::Path(path), value(first), value(upper))
        }
        LegacyOperator::In | LegacyOperator::Null | LegacyOperator::NotNull => return Err(miscounted()),
    })
}

fn check_operands(operator: LegacyOperator, operands: &[AttributeValue]) -> Result<(), LegacyReason> {
    let suits = match operator {
        LegacyOperator::Null | LegacyOperator::NotNull => operands.is_empty(),
        LegacyOperator::Between => operands.len() == 2,
        LegacyOperator::In => !operands.is_empty(),
        _ => operands.len() == 1,
    };
    if !suits {
        return Err(LegacyReason::OperandCount(operator));
    }
    let takes = |kind: ValueType| match operator {
        LegacyOperator::Eq | LegacyOperator::Ne => true,
        LegacyOperator::BeginsWith => matches!(kind, ValueType::S | ValueType::B),
        LegacyOperator::Contains | LegacyOperator::NotContains => {
            !matches!(kind, ValueType::Ss | ValueType::Ns | ValueType::Bs | ValueType::L | ValueType::M)
        }
        _ => matches!(kind, ValueType::S | ValueType::N | ValueType::B),
    };
    if let Some(wrong) = operands.iter().map(AttributeValue::kind).find(|kind| !takes(*kind)) {
        return Err(LegacyReason::OperandType { operator, kind: wrong });
    }
    if operands.windows(2).any(|pair| matches!(pair, [one, two] if one.kind() != two.kind())) {
        return Err(LegacyReason::OperandTypes);
    }
    if let (LegacyOperator::Between, [lower, upper]) = (operator, operands)
        && order(lower, upper).is_some_and(std::cmp::Ordering::is_gt)
    {
        return Err(LegacyReason::BoundOrder);
    }
    Ok(())
}
