//! Statements as they are written. What is printed of one is read as the same again.

use std::fmt;

use super::refusal::Place;
use crate::expression::{Comparator, Path, Step};

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    Select(Select),
    Insert(Insert),
    Update(Update),
    Delete(Delete),
    /// A condition of a transaction.
    Exists(Select),
}

/// The table, and the index if one is read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Source {
    pub(crate) table: String,
    pub(crate) index: Option<String>,
}

/// `SELECT`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Select {
    /// None for `*`.
    pub(crate) columns: Option<Vec<Path>>,
    pub(crate) source: Source,
    pub(crate) filter: Option<Expression>,
    pub(crate) order: Vec<Order>,
}

/// What is sorted by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) attribute: String,
    pub(crate) descending: bool,
}

/// `INSERT`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Insert {
    pub(crate) source: Source,
    pub(crate) item: Expression,
    /// `ON CONFLICT DO NOTHING`
    pub(crate) or_nothing: bool,
}

/// `UPDATE`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Update {
    pub(crate) source: Source,
    pub(crate) actions: Vec<Action>,
    pub(crate) filter: Option<Expression>,
    pub(crate) returning: Option<Returning>,
}

/// `DELETE`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delete {
    pub(crate) source: Source,
    pub(crate) filter: Option<Expression>,
    pub(crate) returning: Option<Returning>,
}

/// What an update does to a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Set(Path, Expression),
    Remove(Path),
}

/// What a write answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Returning {
    /// Of what was changed alone, or of the whole item.
    pub(crate) modified: bool,
    /// As it is afterwards, or as it was.
    pub(crate) new: bool,
}

/// A type that `IS` knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TypeName {
    Missing,
    Null,
    /// In upper case.
    Other(String),
}

/// What has a value, or is true or false.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Path(Path),
    Text(String),
    /// As it is written, with its sign.
    Number(String),
    Bool(bool),
    Null,
    Missing(Place),
    /// The parameter of this number, from 0.
    Parameter(usize),
    List(Vec<Expression>),
    Bag(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
    Call(Call),
    /// `+` or `-`
    Sum {
        minus: bool,
        operands: Box<(Expression, Expression)>,
    },
    Compare(Comparator, Box<(Expression, Expression)>),
    Between(Box<(Expression, Expression, Expression)>),
    In(Box<(Expression, Expression)>),
    Is(Box<Expression>, TypeName),
    Not(Box<Expression>),
    /// Two or more.
    All(Vec<Expression>),
    /// Two or more.
    Any(Vec<Expression>),
}

/// A function and what it is given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// In lower case: the names of functions have no case.
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) operands: Vec<Expression>,
    /// Where each operand begins.
    pub(crate) places: Vec<Place>,
}

struct Quoted<'a>(&'a str, char);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Quoted(text, quote) = self;
        write!(f, "{quote}")?;
        for c in text.chars() {
            if c == *quote {
                write!(f, "{c}")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "{quote}")
    }
}

fn name(text: &str) -> Quoted<'_> {
    Quoted(text, '"')
}

struct Written<'a>(&'a Path);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", name(&self.0.attribute))?;
        self.0.steps.iter().try_for_each(|step| match step {
            Step::Name(step) => write!(f, ".{}", name(step)),
            Step::Index(index) => write!(f, "[{index}]"),
        })
    }
}

/// Between commas.
fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, all: impl IntoIterator<Item = T>) -> fmt::Result {
    for (n, one) in all.into_iter().enumerate() {
        if n > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{one}")?;
    }
    Ok(())
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", name(&self.table))?;
        self.index.iter().try_for_each(|index| write!(f, ".{}", name(index)))
    }
}

impl fmt::Display for Returning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (how_much, when) = (["ALL", "MODIFIED"], ["OLD", "NEW"]);
        let of = |words: [&'static str; 2], second: bool| if second { words[1] } else { words[0] };
        write!(f, "RETURNING {} {} *", of(how_much, self.modified), of(when, self.new))
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SELECT ")?;
        match &self.columns {
            None => f.write_str("*")?,
            Some(columns) => list(f, columns.iter().map(Written))?,
        }
        write!(f, " FROM {}", self.source)?;
        filter(f, self.filter.as_ref())?;
        for (n, order) in self.order.iter().enumerate() {
            f.write_str(if n == 0 { " ORDER BY " } else { ", " })?;
            write!(f, "{} {}", name(&order.attribute), if order.descending { "DESC" } else { "ASC" })?;
        }
        Ok(())
    }
}

fn filter(f: &mut fmt::Formatter<'_>, filter: Option<&Expression>) -> fmt::Result {
    filter.map_or(Ok(()), |filter| write!(f, " WHERE {filter}"))
}

fn returning(f: &mut fmt::Formatter<'_>, returning: Option<Returning>) -> fmt::Result {
    returning.map_or(Ok(()), |returning| write!(f, " {returning}"))
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statement::Select(select) => write!(f, "{select}"),
            Statement::Exists(select) => write!(f, "EXISTS({select})"),
            Statement::Insert(insert) => {
                write!(f, "INSERT INTO {} VALUE {}", insert.source, insert.item)?;
                f.write_str(if insert.or_nothing { " ON CONFLICT DO NOTHING" } else { "" })
            }
            Statement::Update(update) => {
                write!(f, "UPDATE {}", update.source)?;
                for action in &update.actions {
                    match action {
                        Action::Set(path, value) => write!(f, " SET {} = {value}", Written(path))?,
                        Action::Remove(path) => write!(f, " REMOVE {}", Written(path))?,
                    }
                }
                filter(f, update.filter.as_ref())?;
                returning(f, update.returning)
            }
            Statement::Delete(delete) => {
                write!(f, "DELETE FROM {}", delete.source)?;
                filter(f, delete.filter.as_ref())?;
                returning(f, delete.returning)
            }
        }
    }
}

/// An expression within another one: in parentheses if it is made of several.
struct Part<'a>(&'a Expression);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expression::Sum { .. }
            | Expression::Compare(..)
            | Expression::Between(_)
            | Expression::In(_)
            | Expression::Is(..)
            | Expression::Not(_)
            | Expression::All(_)
            | Expression::Any(_) => write!(f, "({})", self.0),
            single => write!(f, "{single}"),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Path(path) => write!(f, "{}", Written(path)),
            Expression::Text(text) => write!(f, "{}", Quoted(text, '\'')),
            Expression::Number(number) => f.write_str(number),
            Expression::Bool(truth) => f.write_str(if *truth { "TRUE" } else { "FALSE" }),
            Expression::Null => f.write_str("NULL"),
            Expression::Missing(_) => f.write_str("MISSING"),
            Expression::Parameter(_) => f.write_str("?"),
            Expression::List(elements) => {
                f.write_str("[")?;
                list(f, elements)?;
                f.write_str("]")
            }
            Expression::Bag(members) => {
                f.write_str("<<")?;
                list(f, members)?;
                f.write_str(">>")
            }
            Expression::Map(entries) => {
                f.write_str("{")?;
                for (n, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if n > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
            Expression::Call(call) => {
                write!(f, "{}(", call.name)?;
                list(f, &call.operands)?;
                f.write_str(")")
            }
            Expression::Sum { minus, operands } => {
                let operator = if *minus { "-" } else { "+" };
                write!(f, "{} {operator} {}", Part(&operands.0), Part(&operands.1))
            }
            Expression::Compare(comparator, operands) => {
                write!(f, "{} {} {}", Part(&operands.0), comparator.symbol(), Part(&operands.1))
            }
            Expression::Between(operands) => {
                let (one, lower, upper) = operands.as_ref();
                write!(f, "{} BETWEEN {} AND {}", Part(one), Part(lower), Part(upper))
            }
            Expression::In(operands) => write!(f, "{} IN {}", Part(&operands.0), Part(&operands.1)),
            Expression::Is(one, TypeName::Missing) => write!(f, "{} IS MISSING", Part(one)),
            Expression::Is(one, TypeName::Null) => write!(f, "{} IS NULL", Part(one)),
            Expression::Is(one, TypeName::Other(kind)) => write!(f, "{} IS {kind}", Part(one)),
            Expression::Not(one) => write!(f, "NOT {}", Part(one)),
            Expression::All(all) => joined(f, all, " AND "),
            Expression::Any(any) => joined(f, any, " OR "),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, all: &[Expression], between: &str) -> fmt::Result {
    for (n, one) in all.iter().enumerate() {
        write!(f, "{}{}", if n > 0 { between } else { "" }, Part(one))?;
    }
    Ok(())
}
