//! Statements bound to the table that they name.

use std::sync::Arc;

use super::condition::{condition, update};
use super::key::{self, Part};
use super::syntax::{Delete, Insert, Returning, Select, Source, Statement, Update};
use super::value::{Parameters, item};
use crate::change::{Action, Change};
use crate::error::Error;
use crate::expression::{Condition, Path, Projection};
use crate::model::{Index, Scope, Table};
use crate::value::Item;

/// What a `SELECT` reads.
#[derive(Clone)]
pub(super) struct Reads {
    pub(super) filter: Option<Condition>,
    pub(super) projection: Option<Projection>,
    /// None for everything.
    pub(super) parts: Option<Vec<Part>>,
    pub(super) backward: bool,
}

/// What a statement writes.
pub(super) struct Write {
    pub(super) change: Change,
    pub(super) returning: Option<Returning>,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Select,
    Insert,
    /// `ON CONFLICT DO NOTHING`
    InsertOrNothing,
    Update,
    Delete,
    Exists,
}

impl Kind {
    pub(super) fn of(statement: &Statement) -> Kind {
        match statement {
            Statement::Select(_) => Kind::Select,
            Statement::Exists(_) => Kind::Exists,
            Statement::Insert(insert) if insert.or_nothing => Kind::InsertOrNothing,
            Statement::Insert(_) => Kind::Insert,
            Statement::Update(_) => Kind::Update,
            Statement::Delete(_) => Kind::Delete,
        }
    }

    pub(super) fn inserts(self) -> bool {
        matches!(self, Kind::Insert | Kind::InsertOrNothing)
    }

    /// The permission it needs.
    pub(super) fn action(self) -> &'static str {
        match self {
            Kind::Select | Kind::Exists => "dynamodb:PartiQLSelect",
            Kind::Insert | Kind::InsertOrNothing => "dynamodb:PartiQLInsert",
            Kind::Update => "dynamodb:PartiQLUpdate",
            Kind::Delete => "dynamodb:PartiQLDelete",
        }
    }
}

impl Statement {
    pub(super) fn source(&self) -> &Source {
        match self {
            Statement::Select(select) | Statement::Exists(select) => &select.source,
            Statement::Insert(insert) => &insert.source,
            Statement::Update(update) => &update.source,
            Statement::Delete(delete) => &delete.source,
        }
    }

    pub(super) fn returning(&self) -> Option<Returning> {
        match self {
            Statement::Update(Update { returning, .. }) | Statement::Delete(Delete { returning, .. }) => *returning,
            _ => None,
        }
    }
}

/// The index that a statement reads.
pub(super) fn index<'t>(
    source: &Source,
    table: &'t Table,
    consistent: Option<bool>,
) -> Result<Option<&'t Index>, Error> {
    let Some(name) = &source.index else { return Ok(None) };
    let index = table.index(name).ok_or_else(|| Error::invalid("The table does not have the specified index"))?;
    if index.scope == Scope::Global && consistent == Some(true) {
        return Err(Error::invalid("Strongly consistent read is not supported on Global Secondary Indexes"));
    }
    Ok(Some(index))
}

/// Refuses an index that does not carry what is asked of it.
fn check_shown(index: &Index, table: &Table, filter: Option<&Condition>) -> Result<(), Error> {
    let paths = filter.map(Condition::paths).unwrap_or_default();
    let mut lacking: Vec<&str> = Vec::new();
    for name in paths.into_iter().map(|path| path.attribute.as_str()).filter(|name| !index.shows(table, name)) {
        if !lacking.contains(&name) {
            lacking.push(name);
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Error::values(format!(
        "Secondary index {} does not project one or more filter attributes: [{}]",
        index.name,
        lacking.join(", ")
    )))
}

fn projection(columns: Option<&Vec<Path>>) -> Result<Option<Projection>, Error> {
    let of = |columns: &Vec<Path>| {
        Projection::columns(columns.clone())
            .map_err(|twice| Error::invalid(format!("Duplicate identifiers in select clause: {twice}")))
    };
    columns.map(of).transpose()
}

/// Refuses paths into key attributes, which are scalars.
fn check_keys(filter: Option<&Condition>, key: &crate::model::KeySchema) -> Result<(), Error> {
    let paths = filter.map(Condition::paths).unwrap_or_default();
    match paths.into_iter().find(|path| !path.steps.is_empty() && key.has(&path.attribute)) {
        None => Ok(()),
        Some(path) => Err(Error::invalid(format!(
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key {}",
            path.attribute
        ))),
    }
}

/// What a `SELECT` reads of its table or index.
pub(super) fn reads(
    select: &Select,
    parameters: &Parameters,
    table: &Table,
    consistent: Option<bool>,
) -> Result<Reads, Error> {
    let index = index(&select.source, table, consistent)?;
    let key = index.map_or(&table.key, |index| &index.key);
    let filter = select.filter.as_ref().map(|filter| condition(filter, parameters)).transpose()?;
    check_keys(filter.as_ref(), key)?;
    if let Some(index) = index {
        check_shown(index, table, filter.as_ref())?;
    }
    let projection = projection(select.columns.as_ref())?;
    let mut parts = key::parts(filter.as_ref(), key)?;
    let backward = key::sort(&select.order, key, filter.is_some(), parts.as_mut())?;
    Ok(Reads { filter, projection, parts, backward })
}

/// The one item that a `SELECT` of a batch or transaction reads by its key, and nothing else.
pub(super) fn item_read(
    select: &Select,
    parameters: &Parameters,
    table: &Table,
    operation: &str,
) -> Result<(Item, Option<Projection>), Error> {
    let refused = || {
        Error::invalid(format!(
            "Select statements within {operation} must specify the primary key in the where clause."
        ))
    };
    if select.source.index.is_some() {
        return Err(match operation {
            "ExecuteTransaction" => Error::invalid("Reads on indices are not supported within transactions."),
            _ => refused(),
        });
    }
    let filter = select.filter.as_ref().map(|filter| condition(filter, parameters)).transpose()?;
    let (key, rest) = key::item_key(filter.as_ref(), &table.key).map_err(|_| refused())?;
    if !rest.is_empty() || !select.order.is_empty() {
        return Err(refused());
    }
    Ok((key, projection(select.columns.as_ref())?))
}

/// What a statement that writes, or checks, does to its item.
pub(super) fn write(statement: &Statement, parameters: &Parameters, table: &Table) -> Result<Write, Error> {
    if statement.source().index.is_some() {
        return Err(Error::invalid(match statement {
            Statement::Exists(_) => "Operations on indices are not supported in transactions",
            _ => "This operation is not supported on an index",
        }));
    }
    let change = match statement {
        Statement::Insert(insert) => self::insert(insert, parameters, table)?,
        Statement::Update(update) => self::updated(update, parameters, table)?,
        Statement::Delete(delete) => self::deleted(delete, parameters, table)?,
        Statement::Exists(select) | Statement::Select(select) => self::exists(select, parameters, table)?,
    };
    Ok(Write { change, returning: statement.returning(), kind: Kind::of(statement) })
}

/// There is an item.
fn present(table: &Table) -> Condition {
    Condition::Exists(Path::of(&table.key.hash.name))
}

/// There is none.
fn absent(table: &Table) -> Condition {
    Condition::NotExists(Path::of(&table.key.hash.name))
}

fn insert(insert: &Insert, parameters: &Parameters, table: &Table) -> Result<Change, Error> {
    let item = item(&insert.item, parameters)?;
    key::check_types(&item, &table.key)?;
    Ok(Change { action: Action::Put(Arc::new(item)), condition: Some(absent(table)) })
}

fn updated(wish: &Update, parameters: &Parameters, table: &Table) -> Result<Change, Error> {
    let update = update(&wish.actions, parameters)?;
    let (key, mut rest) = named(wish.filter.as_ref(), parameters, table)?;
    rest.insert(0, present(table));
    Ok(Change { action: Action::Update { key, update: Some(update) }, condition: Some(Condition::All(rest)) })
}

fn deleted(delete: &Delete, parameters: &Parameters, table: &Table) -> Result<Change, Error> {
    if let Some(returning) = delete.returning.filter(|returning| returning.modified || returning.new) {
        return Err(Error::invalid(format!(
            "Invalid returning clause: {returning}. Only RETURNING ALL OLD * is allowed in DELETE statements."
        )));
    }
    let (key, rest) = named(delete.filter.as_ref(), parameters, table)?;
    // Of an item that is not there nothing is asked.
    let condition = (!rest.is_empty()).then(|| Condition::Any(vec![absent(table), Condition::All(rest)]));
    Ok(Change { action: Action::Delete { key }, condition })
}

fn exists(select: &Select, parameters: &Parameters, table: &Table) -> Result<Change, Error> {
    let refused = || Error::invalid("EXISTS() must contain a single item read with additional condition");
    let (key, mut rest) = named(select.filter.as_ref(), parameters, table).map_err(|error| match error {
        Error::Invalid(message) if message.starts_with("Where clause does not") => refused(),
        other => other,
    })?;
    if rest.is_empty() {
        return Err(refused());
    }
    rest.insert(0, present(table));
    Ok(Change { action: Action::Check { key }, condition: Some(Condition::All(rest)) })
}

/// The key that a `WHERE` names, and its other conditions.
fn named(
    filter: Option<&super::syntax::Expression>,
    parameters: &Parameters,
    table: &Table,
) -> Result<(Item, Vec<Condition>), Error> {
    let filter = filter.map(|filter| condition(filter, parameters)).transpose()?;
    check_keys(filter.as_ref(), &table.key)?;
    key::item_key(filter.as_ref(), &table.key)
}
