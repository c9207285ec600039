//! Expressions as they are written: nothing is looked up yet.

use super::token::Comparator;

/// A path as it is written.
#[derive(Clone, Debug)]
pub(super) struct WrittenPath<'a> {
    pub(super) first: WrittenName<'a>,
    pub(super) steps: Vec<WrittenStep<'a>>,
}

/// A name, or a placeholder that begins with `#`.
pub(super) type WrittenName<'a> = &'a str;

/// A step as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum WrittenStep<'a> {
    Name(WrittenName<'a>),
    /// Its digits.
    Index(&'a str),
}

/// What operators and functions take.
#[derive(Clone, Debug)]
pub(super) enum Operand<'a> {
    Path(WrittenPath<'a>),
    /// A placeholder that begins with `:`.
    Value(&'a str),
    Call(Call<'a>),
}

/// A function and what it is given.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    pub(super) operands: Vec<Operand<'a>>,
}

/// What is true or false.
#[derive(Clone, Debug)]
pub(super) enum Test<'a> {
    Any(Vec<Test<'a>>),
    All(Vec<Test<'a>>),
    Not(Box<Test<'a>>),
    Compare(Comparator, Operand<'a>, Operand<'a>),
    Between(Operand<'a>, Operand<'a>, Operand<'a>),
    In(Operand<'a>, Vec<Operand<'a>>),
    Call(Call<'a>),
}

/// A section of an update expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Set,
    Remove,
    Add,
    Delete,
}

impl Section {
    pub(super) fn name(self) -> &'static str {
        match self {
            Section::Set => "SET",
            Section::Remove => "REMOVE",
            Section::Add => "ADD",
            Section::Delete => "DELETE",
        }
    }
}

/// `+` or `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

/// What an action gives to its path.
#[derive(Clone, Debug)]
pub(super) enum Source<'a> {
    /// `REMOVE`
    Nothing,
    /// `SET`, `ADD`, `DELETE`
    Operand(Operand<'a>),
    /// `SET`
    Sum(Operand<'a>, Sign, Operand<'a>),
}

/// One action of an update expression.
#[derive(Clone, Debug)]
pub(super) struct Action<'a> {
    pub(super) path: WrittenPath<'a>,
    pub(super) source: Source<'a>,
}

/// A section and its actions, as it stands: the same section may stand again.
pub(super) type Sections<'a> = Vec<(Section, Vec<Action<'a>>)>;
