//! Updates of items.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::check;
use super::error::{ExpressionError, ExpressionKind, Reason};
use super::parser;
use super::path::Path;
use super::path_tree::PathTree;
use super::placeholders::Placeholders;
use super::projection::Projection;
use super::syntax::{self, Section, Sections, Sign, Source};
use crate::value::{AttributeValue, Item, NESTING_MAX, ValueError, ValueType};

/// What `SET` takes.
#[derive(Clone, Debug)]
pub enum Operand {
    /// What stands at a path.
    Path(Path),
    /// A value of the request.
    Value(Arc<AttributeValue>),
    /// What stands at a path, or else an operand.
    IfNotExists(Path, Box<Operand>),
    /// One list after another.
    ListAppend(Box<Operand>, Box<Operand>),
}

/// What an action does to what stands at its path.
#[derive(Clone, Debug)]
pub enum Change {
    /// Replaces it.
    Set(Operand),
    /// Replaces it by a sum.
    Plus(Operand, Operand),
    /// Replaces it by a difference.
    Minus(Operand, Operand),
    /// Removes it.
    Remove,
    /// Adds to a number or a set.
    Add(Arc<AttributeValue>),
    /// Takes members from a set.
    Delete(Arc<AttributeValue>),
}

/// An update, ready to be applied.
#[derive(Clone, Debug)]
pub struct Update {
    actions: Vec<(Path, Change)>,
    /// The numbers of the actions, by their paths.
    tree: BTreeMap<String, PathTree<usize>>,
}

/// What an update makes of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Updated {
    /// The item afterwards.
    pub item: Item,
    /// Whether it makes an item where there was none: removing alone does not.
    pub creates: bool,
}

/// What an item has at some paths, none of which leads into another.
pub fn at_paths(paths: Vec<Path>, item: &Item) -> Item {
    Projection::of(paths).map(|projection| projection.project(item)).unwrap_or_default()
}

/// Parses an `UpdateExpression`.
///
/// # Errors
/// [`ExpressionError::Invalid`].
pub fn parse_update(text: &str, placeholders: &mut Placeholders) -> Result<Update, ExpressionError> {
    let written = parser::update(text)?;
    compile(&written, placeholders).map_err(|reason| ExpressionError::Invalid { kind: ExpressionKind::Update, reason })
}

fn compile(written: &Sections<'_>, placeholders: &mut Placeholders) -> Result<Update, Reason> {
    check_sections(written)?;
    let written = written.iter().flat_map(|(section, actions)| actions.iter().map(|action| (*section, action)));
    let mut paths = Vec::new();
    for (at, (_, action)) in written.clone().enumerate() {
        paths.push((placeholders.path(&action.path)?, at));
    }
    let tree = PathTree::of(paths.clone())?;
    let actions = written
        .zip(paths)
        .map(|((section, action), (path, _))| Ok((path, change(section, &action.source, placeholders)?)));
    Ok(Update { actions: actions.collect::<Result<_, Reason>>()?, tree })
}

/// Checks the actions, and that no section stands twice.
fn check_sections(written: &Sections<'_>) -> Result<(), Reason> {
    for (at, (section, actions)) in written.iter().enumerate() {
        actions.iter().try_for_each(check::action)?;
        if written.iter().take(at).any(|(earlier, _)| earlier == section) {
            return Err(Reason::RepeatedSection(section.name()));
        }
    }
    Ok(())
}

fn change(section: Section, source: &Source<'_>, placeholders: &mut Placeholders) -> Result<Change, Reason> {
    match source {
        Source::Nothing => Ok(Change::Remove),
        Source::Sum(one, sign, two) => {
            Change::sum(operand(one, placeholders)?, *sign == Sign::Minus, operand(two, placeholders)?)
        }
        Source::Operand(syntax::Operand::Value(key)) if section != Section::Set => {
            let value = placeholders.value(key)?;
            let kind = value.kind();
            let suits = match kind {
                ValueType::Ss | ValueType::Ns | ValueType::Bs => true,
                ValueType::N => section == Section::Add,
                _ => false,
            };
            if !suits {
                return Err(Reason::SectionOperandType { section: section.name(), kind });
            }
            Ok(if section == Section::Add { Change::Add(value) } else { Change::Delete(value) })
        }
        Source::Operand(one) => Ok(Change::Set(operand(one, placeholders)?)),
    }
}

fn operand(written: &syntax::Operand<'_>, placeholders: &mut Placeholders) -> Result<Operand, Reason> {
    let call = match written {
        syntax::Operand::Path(path) => return Ok(Operand::Path(placeholders.path(path)?)),
        syntax::Operand::Value(key) => return Ok(Operand::Value(placeholders.value(key)?)),
        syntax::Operand::Call(call) => call,
    };
    let [one, two] = call.operands.as_slice() else {
        return Err(Reason::OperandCount { name: call.name.to_owned(), count: call.operands.len() });
    };
    let (one, two) = (operand(one, placeholders)?, operand(two, placeholders)?);
    if call.name == "list_append" {
        return Operand::list_append(one, two);
    }
    let Operand::Path(path) = one else { return Err(Reason::NeedsPath("if_not_exists")) };
    if matches!(&two, Operand::Path(other) if *other == path) {
        return Err(Reason::SameOperand { operator: "if_not_exists", path });
    }
    Ok(Operand::IfNotExists(path, Box::new(two)))
}

impl Operand {
    /// `list_append`.
    ///
    /// # Errors
    /// A value that is no list.
    pub fn list_append(one: Operand, two: Operand) -> Result<Operand, Reason> {
        typed("list_append", ValueType::L, &one)?;
        typed("list_append", ValueType::L, &two)?;
        Ok(Operand::ListAppend(Box::new(one), Box::new(two)))
    }
}

impl Change {
    /// Replaces what is there by a sum or a difference.
    ///
    /// # Errors
    /// A value that is no number.
    pub fn sum(one: Operand, minus: bool, two: Operand) -> Result<Change, Reason> {
        let operator = if minus { "-" } else { "+" };
        typed(operator, ValueType::N, &one)?;
        typed(operator, ValueType::N, &two)?;
        Ok(if minus { Change::Minus(one, two) } else { Change::Plus(one, two) })
    }
}

/// Refuses a value of another type.
fn typed(operator: &'static str, wanted: ValueType, operand: &Operand) -> Result<(), Reason> {
    match operand {
        Operand::Value(value) if value.kind() != wanted => {
            Err(Reason::OperandType { operator, kind: value.kind().name() })
        }
        Operand::ListAppend(..) if wanted != ValueType::L => Err(Reason::OperandType { operator, kind: "L" }),
        _ => Ok(()),
    }
}

/// What an action makes of what stands at its path.
enum Outcome {
    Value(AttributeValue),
    /// Nothing is there afterwards.
    Nothing,
    /// It stays as it is.
    Same,
}

impl Operand {
    /// The paths that it reads.
    fn paths(&self) -> Vec<&Path> {
        match self {
            Operand::Path(path) => vec![path],
            Operand::Value(_) => Vec::new(),
            Operand::IfNotExists(path, other) => [vec![path], other.paths()].concat(),
            Operand::ListAppend(one, two) => [one.paths(), two.paths()].concat(),
        }
    }

    fn evaluate(&self, item: &Item) -> Result<AttributeValue, ExpressionError> {
        match self {
            Operand::Path(path) => path.find(item).cloned().ok_or(ExpressionError::MissingAttribute),
            Operand::Value(value) => Ok((**value).clone()),
            Operand::IfNotExists(path, other) => match path.find(item) {
                Some(value) => Ok(value.clone()),
                None => other.evaluate(item),
            },
            Operand::ListAppend(one, two) => match (one.evaluate(item)?, two.evaluate(item)?) {
                (AttributeValue::L(mut list), AttributeValue::L(more)) => {
                    list.extend(more);
                    Ok(AttributeValue::L(list))
                }
                _ => Err(ExpressionError::OperandType),
            },
        }
    }
}

impl Change {
    /// What it makes of `item`, which is as it was before any action.
    fn evaluate(&self, path: &Path, item: &Item) -> Result<Outcome, ExpressionError> {
        let numbers = |one: &Operand, two: &Operand| match (one.evaluate(item)?, two.evaluate(item)?) {
            (AttributeValue::N(one), AttributeValue::N(two)) => Ok((one, two)),
            _ => Err(ExpressionError::OperandType),
        };
        Ok(match self {
            Change::Set(operand) => Outcome::Value(operand.evaluate(item)?),
            Change::Plus(one, two) => {
                let (one, two) = numbers(one, two)?;
                Outcome::Value(AttributeValue::N(one.plus(two)?))
            }
            Change::Minus(one, two) => {
                let (one, two) = numbers(one, two)?;
                Outcome::Value(AttributeValue::N(one.minus(two)?))
            }
            Change::Remove => Outcome::Nothing,
            Change::Add(value) => match path.find(item) {
                None => Outcome::Value((**value).clone()),
                Some(found) => Outcome::Value(add(found, value)?),
            },
            Change::Delete(members) => match path.find(item) {
                None => Outcome::Same,
                Some(found) => delete(found, members)?,
            },
        })
    }
}

fn add(found: &AttributeValue, value: &AttributeValue) -> Result<AttributeValue, ExpressionError> {
    Ok(match (found, value) {
        (AttributeValue::N(one), AttributeValue::N(two)) => AttributeValue::N(one.plus(*two)?),
        (AttributeValue::Ss(set), AttributeValue::Ss(more)) => AttributeValue::Ss(set | more),
        (AttributeValue::Ns(set), AttributeValue::Ns(more)) => AttributeValue::Ns(set | more),
        (AttributeValue::Bs(set), AttributeValue::Bs(more)) => AttributeValue::Bs(set | more),
        _ => return Err(ExpressionError::OperandType),
    })
}

/// A set that would be empty is removed.
fn delete(found: &AttributeValue, members: &AttributeValue) -> Result<Outcome, ExpressionError> {
    fn rest<T: Ord + Clone>(
        set: &BTreeSet<T>,
        members: &BTreeSet<T>,
        of: fn(BTreeSet<T>) -> AttributeValue,
    ) -> Outcome {
        let rest = set - members;
        if rest.is_empty() { Outcome::Nothing } else { Outcome::Value(of(rest)) }
    }
    Ok(match (found, members) {
        (AttributeValue::Ss(set), AttributeValue::Ss(members)) => rest(set, members, AttributeValue::Ss),
        (AttributeValue::Ns(set), AttributeValue::Ns(members)) => rest(set, members, AttributeValue::Ns),
        (AttributeValue::Bs(set), AttributeValue::Bs(members)) => rest(set, members, AttributeValue::Bs),
        _ => return Err(ExpressionError::OperandType),
    })
}

impl Update {
    /// The update that makes these changes.
    ///
    /// # Errors
    /// [`ExpressionError::Invalid`] if paths overlap or conflict.
    pub fn of(actions: Vec<(Path, Change)>) -> Result<Update, ExpressionError> {
        let paths = actions.iter().enumerate().map(|(at, (path, _))| (path.clone(), at)).collect();
        let tree =
            PathTree::of(paths).map_err(|reason| ExpressionError::Invalid { kind: ExpressionKind::Update, reason })?;
        Ok(Update { actions, tree })
    }

    /// The paths of its actions.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.actions.iter().map(|(path, _)| path)
    }

    /// The paths that its operands read.
    pub fn operand_paths(&self) -> impl Iterator<Item = &Path> {
        let operands = self.actions.iter().flat_map(|(_, change)| match change {
            Change::Set(one) => vec![one],
            Change::Plus(one, two) | Change::Minus(one, two) => vec![one, two],
            Change::Remove | Change::Add(_) | Change::Delete(_) => Vec::new(),
        });
        operands.flat_map(Operand::paths)
    }

    /// The value of the request that it sets an attribute to, or adds to it.
    pub fn given(&self, attribute: &str) -> Option<&AttributeValue> {
        let (_, change) = self.actions.iter().find(|(path, _)| path.steps.is_empty() && path.attribute == attribute)?;
        match change {
            Change::Set(Operand::Value(value)) | Change::Add(value) => Some(value.as_ref()),
            _ => None,
        }
    }

    /// What it makes of an item that exists, or of one that does not and has its key alone.
    ///
    /// Everything is read as it was before. An index counts what was there before; beyond the end, `SET` appends in the
    /// order of the indexes.
    ///
    /// # Errors
    /// A missing attribute, operands of types that do not suit, a path into what is no map or list, a sum that is no number,
    /// too many levels.
    pub fn apply(&self, item: &Item, exists: bool) -> Result<Updated, ExpressionError> {
        let outcomes = self.actions.iter().map(|(path, change)| change.evaluate(path, item));
        let mut outcomes: Vec<Option<Outcome>> = outcomes.map(|o| o.map(Some)).collect::<Result<_, _>>()?;
        let creates = self.actions.iter().any(|(_, change)| !matches!(change, Change::Remove | Change::Delete(_)));
        let mut after = item.clone();
        Applying { outcomes: &mut outcomes, exists }.map(&self.tree, &mut after)?;
        let too_deep =
            |(path, _): &(Path, Change)| after.get(&path.attribute).is_some_and(|value| value.levels() > NESTING_MAX);
        if self.actions.iter().any(too_deep) {
            return Err(ExpressionError::Nesting(ValueError::Nesting));
        }
        Ok(Updated { item: after, creates })
    }
}

/// The outcomes of actions on their way into an item.
struct Applying<'a> {
    /// By the number of the action; taken when it is in its place.
    outcomes: &'a mut Vec<Option<Outcome>>,
    /// Whether there was an item before.
    exists: bool,
}

impl Applying<'_> {
    fn take(&mut self, action: usize) -> Outcome {
        self.outcomes.get_mut(action).and_then(Option::take).unwrap_or(Outcome::Same)
    }

    fn map(&mut self, tree: &BTreeMap<String, PathTree<usize>>, map: &mut Item) -> Result<(), ExpressionError> {
        for (name, below) in tree {
            match below {
                PathTree::Leaf(action) => match self.take(*action) {
                    Outcome::Value(value) => drop(map.insert(name.clone(), value)),
                    Outcome::Nothing => drop(map.remove(name)),
                    Outcome::Same => {}
                },
                _ => self.within(below, map.get_mut(name))?,
            }
        }
        Ok(())
    }

    /// Goes into a value, which must be what the paths take it for.
    fn within(&mut self, tree: &PathTree<usize>, value: Option<&mut AttributeValue>) -> Result<(), ExpressionError> {
        match (tree, value) {
            (PathTree::Map(tree), Some(AttributeValue::M(map))) => self.map(tree, map),
            (PathTree::List(tree), Some(AttributeValue::L(list))) => self.list(tree, list),
            // Removing from an item that does not exist is no error.
            (tree, None) if !self.exists && self.only_removes(tree) => Ok(()),
            _ => Err(ExpressionError::Path),
        }
    }

    fn only_removes(&self, tree: &PathTree<usize>) -> bool {
        match tree {
            PathTree::Leaf(action) => {
                matches!(self.outcomes.get(*action), Some(Some(Outcome::Nothing | Outcome::Same)))
            }
            PathTree::Map(map) => map.values().all(|tree| self.only_removes(tree)),
            PathTree::List(list) => list.values().all(|tree| self.only_removes(tree)),
        }
    }

    fn list(
        &mut self,
        tree: &BTreeMap<usize, PathTree<usize>>,
        list: &mut Vec<AttributeValue>,
    ) -> Result<(), ExpressionError> {
        let len = list.len();
        let mut removed = BTreeSet::new();
        // Ascending, so that values beyond the end are appended in the order of their indexes.
        for (index, below) in tree {
            let place = if *index >= len { list.len() } else { *index };
            match (below, list.get_mut(place)) {
                (PathTree::Leaf(action), found) => match (self.take(*action), found) {
                    (Outcome::Value(value), Some(found)) => *found = value,
                    (Outcome::Value(value), None) => list.push(value),
                    (Outcome::Nothing, Some(_)) => drop(removed.insert(*index)),
                    (Outcome::Same, Some(_)) | (Outcome::Nothing | Outcome::Same, None) => {}
                },
                (below, found) => self.within(below, found)?,
            }
        }
        let mut index = 0;
        list.retain(|_| {
            index += 1;
            !removed.contains(&(index - 1))
        });
        Ok(())
    }
}
