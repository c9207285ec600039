//! What a template consists of.
//!
//! Everything that may repeat is a flat list (operands, branches, steps of a reference), so that the depth of the tree is the
//! depth of the brackets, which the parser bounds.

use std::sync::Arc;

/// A piece of a template.
#[derive(Debug)]
pub(super) enum Node {
    /// As it is.
    Text(Box<str>),
    /// The value of a reference.
    Reference(Reference),
    /// A reference behind backslashes, which show one fewer or hide it, depending on whether it has a value.
    Escaped { backslashes: usize, reference: Reference },
    /// `#set($target = value)`.
    Set { target: Reference, value: Expression },
    /// `#if`, with its `#elseif`s, and `#else`.
    If { branches: Vec<(Expression, Vec<Node>)>, otherwise: Vec<Node> },
    /// `#foreach($variable in over)`.
    Foreach { variable: Box<str>, over: Expression, body: Vec<Node> },
    /// `#break`.
    Break,
    /// `#stop`.
    Stop,
}

/// `$name.property.method(arguments)[index]`.
#[derive(Debug)]
pub(super) struct Reference {
    /// As it was written, which is how it shows where there is no such variable.
    pub(super) source: Box<str>,
    /// The variable.
    pub(super) name: Box<str>,
    /// What is asked of it, in turn.
    pub(super) steps: Vec<Step>,
    /// Written `$!name`: shows nothing where it has no value.
    pub(super) quiet: bool,
}

/// One step from a value to another.
#[derive(Debug)]
pub(super) enum Step {
    /// `.name`
    Property(Box<str>),
    /// `.name(arguments)`
    Method(Box<str>, Vec<Expression>),
    /// `[index]`
    Index(Expression),
}

/// What has a value.
#[derive(Debug)]
pub(super) enum Expression {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    /// A text in double quotes that has references in it.
    Interpolated(Vec<Node>),
    Reference(Box<Reference>),
    List(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
    /// `[first..last]`
    Range(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    /// Operands of one precedence, from left to right.
    Chain(Box<Expression>, Vec<(Operator, Expression)>),
}

/// What stands between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
