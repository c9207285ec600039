//! What is wrong with an expression whatever its placeholders stand for: reserved words, list indexes, functions.
//!
//! AWS reports these before anything that has to do with placeholders, in the order of the text.

use super::error::Reason;
use super::placeholders::check_path;
use super::syntax::{Action, Call, Operand, Source, Test};

/// Functions that are conditions, and how many operands they take.
const CONDITIONS: [(&str, usize); 5] =
    [("attribute_exists", 1), ("attribute_not_exists", 1), ("attribute_type", 2), ("begins_with", 2), ("contains", 2)];

/// Refuses a function that is no condition, and too many or too few operands.
pub(super) fn condition_operands(name: &str, count: usize) -> Result<(), Reason> {
    match CONDITIONS.iter().find(|(known, _)| *known == name) {
        None => Err(Reason::UnknownFunction(name.to_owned())),
        Some((_, expected)) if *expected != count => Err(Reason::OperandCount { name: name.to_owned(), count }),
        Some(_) => Ok(()),
    }
}

/// Functions of updates.
const UPDATES: [(&str, usize); 2] = [("if_not_exists", 2), ("list_append", 2)];

/// Where a function stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Where something must be true or false.
    Condition,
    /// Where a condition compares or measures.
    ConditionOperand,
    /// What `SET` gives to its path, or a part of a sum.
    Source,
    /// Within a function of an update.
    SourceOperand,
}

pub(super) fn test(test: &Test<'_>) -> Result<(), Reason> {
    let all = |operands: &[&Operand<'_>]| operands.iter().try_for_each(|o| operand(o, Place::ConditionOperand));
    match test {
        Test::Any(tests) | Test::All(tests) => tests.iter().try_for_each(self::test),
        Test::Not(inner) => self::test(inner),
        Test::Compare(_, one, two) => all(&[one, two]),
        Test::Between(one, two, three) => all(&[one, two, three]),
        Test::In(one, list) => {
            all(&[one])?;
            list.iter().try_for_each(|o| operand(o, Place::ConditionOperand))
        }
        Test::Call(call) => function(call, Place::Condition),
    }
}

/// Checks one action of an update.
pub(super) fn action(action: &Action<'_>) -> Result<(), Reason> {
    check_path(&action.path)?;
    match &action.source {
        Source::Nothing => Ok(()),
        Source::Operand(one) => operand(one, Place::Source),
        Source::Sum(one, _, two) => operand(one, Place::Source).and_then(|()| operand(two, Place::Source)),
    }
}

fn operand(operand: &Operand<'_>, place: Place) -> Result<(), Reason> {
    match operand {
        Operand::Path(path) => check_path(path),
        Operand::Value(_) => Ok(()),
        Operand::Call(call) => function(call, place),
    }
}

fn function(call: &Call<'_>, place: Place) -> Result<(), Reason> {
    let name = call.name;
    let count = |list: &[(&str, usize)]| list.iter().find(|(known, _)| *known == name).map(|(_, count)| *count);
    let (condition, update) = (count(&CONDITIONS), count(&UPDATES));
    let known = condition.or(update).or((name == "size").then_some(1));
    let Some(expected) = known else { return Err(Reason::UnknownFunction(name.to_owned())) };
    let of_update = matches!(place, Place::Source | Place::SourceOperand);
    if of_update && update.is_none() {
        return Err(Reason::NotInUpdates(name.to_owned()));
    }
    if !of_update && update.is_some() {
        return Err(Reason::NotInConditions(name.to_owned()));
    }
    let misused = match place {
        Place::Condition => condition.is_none(),
        Place::ConditionOperand => condition.is_some(),
        Place::Source => false,
        Place::SourceOperand => name == "list_append",
    };
    if misused {
        return Err(Reason::MisusedFunction(name.to_owned()));
    }
    if call.operands.len() != expected {
        return Err(Reason::OperandCount { name: name.to_owned(), count: call.operands.len() });
    }
    let within = if of_update { Place::SourceOperand } else { Place::ConditionOperand };
    call.operands.iter().try_for_each(|o| operand(o, within))
}
