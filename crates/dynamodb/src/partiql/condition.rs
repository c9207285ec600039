//! What a statement says of items, made into the conditions and updates of the other operations.

use super::refusal::Refusal;
use super::syntax::{self, Action, Call, Expression, TypeName};
use super::value::{Parameters, value};
use crate::expression::{Change, Condition, Operand, Path, Update, UpdateOperand};
use crate::value::{AttributeValue, ValueType};

/// The condition that a `WHERE` is.
pub(super) fn condition(expression: &Expression, parameters: &Parameters) -> Result<Condition, Refusal> {
    let each = |all: &[Expression]| all.iter().map(|one| condition(one, parameters)).collect::<Result<Vec<_>, _>>();
    Ok(match expression {
        Expression::All(all) => Condition::All(each(all)?),
        Expression::Any(any) => Condition::Any(each(any)?),
        Expression::Not(one) => Condition::Not(Box::new(condition(one, parameters)?)),
        single => return test(single, parameters),
    })
}

/// A condition without conditions in it.
#[inline(never)]
fn test(expression: &Expression, parameters: &Parameters) -> Result<Condition, Refusal> {
    let operand = |of: &Expression| operand(of, parameters);
    Ok(match expression {
        Expression::Compare(comparator, operands) => {
            Condition::compare(*comparator, operand(&operands.0)?, operand(&operands.1)?)?
        }
        Expression::Between(operands) => {
            let (one, lower, upper) = operands.as_ref();
            Condition::between(operand(one)?, operand(lower)?, operand(upper)?)?
        }
        Expression::In(operands) => {
            let list = list(&operands.1, parameters)?;
            Condition::one_of(operand(&operands.0)?, list)?
        }
        Expression::Is(one, kind) => is(one, kind, parameters)?,
        Expression::Call(call) => function(call, parameters)?,
        _ => return Err(Refusal::of("WHERE clause must contain an expression that resolves to a boolean")),
    })
}

/// What `IN` takes on its right: a list, a bag, a list that is a parameter.
fn list(expression: &Expression, parameters: &Parameters) -> Result<Vec<Operand>, Refusal> {
    let refused = || {
        Refusal::of(
            "IN operator must have a left hand argument of type Variable Reference and right hand argument of type Seq with \
             at least one member",
        )
    };
    let members: Vec<Operand> = match expression {
        Expression::List(members) | Expression::Bag(members) => {
            members.iter().map(|member| operand(member, parameters)).collect::<Result<_, _>>()?
        }
        Expression::Parameter(_) => match value(expression, parameters)?.as_deref() {
            Some(AttributeValue::L(members)) => {
                members.iter().map(|member| Operand::Value(std::sync::Arc::new(member.clone()))).collect()
            }
            _ => return Err(refused()),
        },
        // A value in parentheses is a list of one.
        single => vec![operand(single, parameters)?],
    };
    if members.is_empty() { Err(refused()) } else { Ok(members) }
}

fn is(one: &Expression, kind: &TypeName, parameters: &Parameters) -> Result<Condition, Refusal> {
    let Expression::Path(path) = one else {
        return Err(Refusal::of("The left hand side argument to IS must be a Variable Reference, Literal, or Path"));
    };
    let kind = match kind {
        TypeName::Missing => return Ok(Condition::NotExists(path.clone())),
        TypeName::Null => ValueType::Null,
        TypeName::Other(name) => match name.as_str() {
            "BOOL" | "BOOLEAN" => ValueType::Bool,
            "BLOB" => ValueType::B,
            "STRING" => ValueType::S,
            "NUMERIC" => ValueType::N,
            "STRUCT" | "TUPLE" => ValueType::M,
            "LIST" => ValueType::L,
            other => {
                return Err(Refusal::of(format!(
                    "Unsupported data type for IS operator: {other}. Supported data types are [MISSING, NULL, BOOLEAN, BLOB, \
                     STRING, NUMERIC, STRUCT, TUPLE, LIST]"
                )));
            }
        },
    };
    Ok(Condition::Type(operand(one, parameters)?, kind))
}

/// Functions that are conditions.
const CONDITIONS: [&str; 5] = ["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"];

fn function(call: &Call, parameters: &Parameters) -> Result<Condition, Refusal> {
    if !CONDITIONS.contains(&call.name.as_str()) {
        return Err(unrecognized(call));
    }
    let operands: Vec<Operand> = call.operands.iter().map(|o| operand(o, parameters)).collect::<Result<_, _>>()?;
    Ok(Condition::function(&call.name, operands)?)
}

fn unrecognized(call: &Call) -> Refusal {
    Refusal::at(format!("Unrecognized function: {}", call.name), call.place)
}

/// What a condition compares.
fn operand(expression: &Expression, parameters: &Parameters) -> Result<Operand, Refusal> {
    match expression {
        Expression::Path(path) => Ok(Operand::Path(path.clone())),
        Expression::Call(call) if call.name == "size" => match call.operands.as_slice() {
            [one] => Ok(Operand::size(operand(one, parameters)?)?),
            others => {
                Err(crate::expression::Reason::OperandCount { name: "size".to_owned(), count: others.len() }.into())
            }
        },
        Expression::Call(call) => Err(unrecognized(call)),
        Expression::Missing(place) => Err(Refusal::at("MISSING must be compared using IS operator", *place)),
        Expression::Sum { minus, .. } => Err(Refusal::of(format!(
            "Unsupported operator in Condition Expression. Operator: {}",
            if *minus { "-" } else { "+" }
        ))),
        other => match value(other, parameters)? {
            Some(value) => Ok(Operand::Value(value)),
            None => Err(Refusal::of("The arguments to AND/OR must be Expressions")),
        },
    }
}

/// The update that actions are together.
pub(super) fn update(actions: &[Action], parameters: &Parameters) -> Result<Update, Refusal> {
    let change = |action: &Action| match action {
        Action::Remove(path) => Ok((path.clone(), Change::Remove)),
        Action::Set(path, source) => Ok((path.clone(), assignment(path, source, parameters)?)),
    };
    let changes = actions.iter().map(change).collect::<Result<_, Refusal>>()?;
    Update::of(changes).map_err(|error| Refusal::of(error.to_string()))
}

fn assignment(path: &Path, source: &Expression, parameters: &Parameters) -> Result<Change, Refusal> {
    match source {
        Expression::Sum { minus, operands } => {
            let (one, two) = operands.as_ref();
            Ok(Change::sum(source_of(one, parameters)?, *minus, source_of(two, parameters)?)?)
        }
        Expression::Call(call) if matches!(call.name.as_str(), "set_add" | "set_delete") => {
            set_change(path, call, parameters)
        }
        Expression::Is(..) => Err(Refusal::of("IS operator is not supported in update expressions")),
        other => Ok(Change::Set(source_of(other, parameters)?)),
    }
}

/// `set_add` and `set_delete`: to and from the attribute that is set.
fn set_change(path: &Path, call: &Call, parameters: &Parameters) -> Result<Change, Refusal> {
    let which = if call.name == "set_add" { "ADD" } else { "DELETE" };
    let [first, second] = call.operands.as_slice() else {
        return Err(Refusal::at(format!("SET_{which} must have exactly two arguments"), call.place));
    };
    if !matches!(first, Expression::Path(first) if first == path) {
        return Err(Refusal::at(
            format!("The first argument to SET_{which} must equal the assignment value"),
            call.place,
        ));
    }
    let members = value(second, parameters)?;
    let is_set = |value: &AttributeValue| matches!(value.kind(), ValueType::Ss | ValueType::Ns | ValueType::Bs);
    let Some(members) = members.filter(|members| is_set(members)) else {
        let place = call.places.first().copied().unwrap_or_default();
        return Err(Refusal::at(format!("The second argument to SET_{which} must be a value with type SET"), place));
    };
    Ok(if which == "ADD" { Change::Add(members) } else { Change::Delete(members) })
}

/// What `SET` takes.
fn source_of(expression: &Expression, parameters: &Parameters) -> Result<UpdateOperand, Refusal> {
    match expression {
        Expression::Path(path) => Ok(UpdateOperand::Path(path.clone())),
        Expression::Call(syntax::Call { name, operands, .. }) if name == "list_append" => match operands.as_slice() {
            [one, two] => Ok(UpdateOperand::list_append(source_of(one, parameters)?, source_of(two, parameters)?)?),
            others => Err(crate::expression::Reason::OperandCount { name: name.clone(), count: others.len() }.into()),
        },
        Expression::Call(call) => Err(unrecognized(call)),
        Expression::Missing(place) => Err(Refusal::at("MISSING must be compared using IS operator", *place)),
        other => match value(other, parameters)? {
            Some(value) => Ok(UpdateOperand::Value(value)),
            None => Err(Refusal::of("Unsupported operator in Update Expression.")),
        },
    }
}
