//! The grammar of statements, by recursive descent.
//!
//! AWS: Developer Guide, *PartiQL statements for DynamoDB*.

use super::keyword::is_keyword;
use super::refusal::{Place, Refusal};
use super::syntax::{Action, Delete, Expression, Insert, Order, Returning, Select, Source, Statement, Update};
use super::token::{Spanned, Token, tokens};
use crate::expression::Path;
use crate::request::NAME_CHARS;

/// How deep parentheses, lists, maps, functions, `NOT`s and sums may nest, so that no statement exhausts a stack. AWS tells no
/// such limit.
pub const DEPTH_MAX: usize = 64;

pub(super) type Parsed<T> = Result<T, Refusal>;

/// A parser of one statement.
pub(super) struct Parser<'a> {
    tokens: Vec<Spanned<'a>>,
    at: usize,
    /// In how many expressions it is.
    pub(super) depth: usize,
    /// How many `?` were read.
    pub(super) parameters: usize,
}

/// A statement and how many parameters it takes.
#[derive(Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) statement: Statement,
    pub(crate) parameters: usize,
}

/// Reads a statement.
pub(crate) fn parse(text: &str) -> Parsed<Read> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, parameters: 0 };
    let statement = parser.statement()?;
    parser.take(";");
    match parser.peek() {
        Token::End => Ok(Read { statement, parameters: parser.parameters }),
        _ => Err(Refusal::malformed("Unexpected token after expression")),
    }
}

/// Where a path stands: what is said of one that is missing.
#[derive(Clone, Copy)]
enum Missing {
    Term,
    SimplePath,
}

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> &Token<'a> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> &Token<'a> {
        self.tokens.get(self.at + ahead).map_or(&Token::End, |spanned| &spanned.token)
    }

    pub(super) fn place(&self) -> Place {
        self.tokens.get(self.at).map(|spanned| spanned.place).unwrap_or_default()
    }

    pub(super) fn next(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        self.at += usize::from(token != Token::End);
        token
    }

    /// Takes an operator or bracket, if it comes next.
    pub(super) fn take(&mut self, mark: &str) -> bool {
        let taken = matches!(self.peek(), Token::Mark(next) if *next == mark);
        self.at += usize::from(taken);
        taken
    }

    pub(super) fn expect(&mut self, mark: &str, name: &str) -> Parsed<()> {
        match self.take(mark) {
            true => Ok(()),
            false => Err(Refusal::malformed(&format!("Expected {name}"))),
        }
    }

    pub(super) fn is_word(&self, ahead: usize, keyword: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// Takes a keyword, if it comes next.
    pub(super) fn take_word(&mut self, keyword: &str) -> bool {
        let taken = self.is_word(0, keyword);
        self.at += usize::from(taken);
        taken
    }

    fn expect_word(&mut self, keyword: &str) -> Parsed<()> {
        match self.take_word(keyword) {
            true => Ok(()),
            false => Err(Refusal::malformed(&format!("Expected {}", keyword.to_ascii_uppercase()))),
        }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        if self.take_word("SELECT") {
            return self.select().map(Statement::Select);
        }
        if self.take_word("INSERT") {
            return self.insert().map(Statement::Insert);
        }
        if self.take_word("UPDATE") {
            let source = self.target(Missing::SimplePath)?;
            let actions = self.actions()?;
            let filter = self.filter()?;
            let returning = self.returning()?;
            return Ok(Statement::Update(Update { source, actions, filter, returning }));
        }
        if self.take_word("FROM") {
            let source = self.target(Missing::SimplePath)?;
            let filter = self.filter()?;
            let actions = self.actions()?;
            let returning = self.returning()?;
            return Ok(Statement::Update(Update { source, actions, filter, returning }));
        }
        if self.take_word("DELETE") {
            self.expect_word("FROM")?;
            let source = self.target(Missing::SimplePath)?;
            let filter = self.filter()?;
            let returning = self.returning()?;
            return Ok(Statement::Delete(Delete { source, filter, returning }));
        }
        if self.take_word("EXISTS") && self.take("(") {
            self.expect_word("SELECT")?;
            let select = self.select()?;
            self.expect(")", "RIGHT_PAREN")?;
            return Ok(Statement::Exists(select));
        }
        Err(Refusal::malformed("Expected data manipulation"))
    }

    fn select(&mut self) -> Parsed<Select> {
        if self.is_word(0, "VALUE") || self.is_word(0, "PIVOT") {
            return Err(Refusal::of("Select projection doesn't support value or pivot keywords"));
        }
        self.refuse_clauses(&["DISTINCT"])?;
        let columns = self.columns()?;
        self.expect_word("FROM")?;
        let source = self.target(Missing::Term)?;
        let filter = self.filter()?;
        let mut order = Vec::new();
        if self.take_word("ORDER") {
            self.expect_word("BY")?;
            order = self.order()?;
        }
        self.refuse_clauses(&["GROUP", "HAVING", "LIMIT", "OFFSET", "UNION", "INTERSECT", "EXCEPT"])?;
        Ok(Select { columns, source, filter, order })
    }

    fn refuse_clauses(&self, clauses: &[&str]) -> Parsed<()> {
        match clauses.iter().find(|clause| self.is_word(0, clause)) {
            Some(clause) => Err(Refusal::at(format!("Unsupported clause: {clause}"), self.place())),
            None => Ok(()),
        }
    }

    fn columns(&mut self) -> Parsed<Option<Vec<Path>>> {
        let mixed = || Refusal::of("Other attributes should not be present in the projection when '*' is used.");
        if self.take("*") {
            return if self.take(",") { Err(mixed()) } else { Ok(None) };
        }
        let mut columns = Vec::new();
        loop {
            if matches!(self.peek(), Token::Mark("*")) {
                return Err(mixed());
            }
            let place = self.place();
            columns.push(self.path_alone()?.ok_or_else(|| Refusal::at("Unexpected path component", place))?);
            if self.is_word(0, "AS") || self.is_name(0) {
                return Err(Refusal::of("Aliasing is not supported"));
            }
            if !self.take(",") {
                return Ok(Some(columns));
            }
        }
    }

    /// A path, or none if another term stands here.
    fn path_alone(&mut self) -> Parsed<Option<Path>> {
        let function = matches!(self.peek_at(1), Token::Mark("(")) && matches!(self.peek(), Token::Word(_));
        if !self.is_name(0) || function {
            // What cannot begin a term says so itself.
            self.term()?;
            return Ok(None);
        }
        self.path().map(Some)
    }

    /// Whether a name of an attribute or table comes.
    pub(super) fn is_name(&self, ahead: usize) -> bool {
        match self.peek_at(ahead) {
            Token::Name(_) => true,
            Token::Word(word) => !is_keyword(word),
            _ => false,
        }
    }

    fn source(&mut self, missing: Missing) -> Parsed<Source> {
        let mut components = Vec::new();
        loop {
            if !self.is_name(0) {
                return Err(match (missing, self.peek()) {
                    _ if !components.is_empty() => Refusal::of(
                        "Invalid path dot component in this operation, expecting either an IDENTIFIER or STAR.",
                    ),
                    (Missing::SimplePath, _) => Refusal::malformed("Expected identifier for simple path"),
                    (Missing::Term, Token::Mark("[")) => Refusal::of("Invalid list expression in source."),
                    (Missing::Term, Token::Text(_) | Token::Mark("(")) => Refusal::of("Unexpected from source"),
                    (Missing::Term, Token::Word(_)) => Refusal::malformed("Unexpected keyword"),
                    (Missing::Term, _) => Refusal::malformed("Unexpected term"),
                });
            }
            match self.next() {
                Token::Name(name) if name.is_empty() => {
                    return Err(Refusal::of("Path component cannot be an empty string"));
                }
                Token::Name(name) => components.push(name),
                Token::Word(name) => components.push(name.to_owned()),
                _ => {}
            }
            if !self.take(".") {
                break;
            }
        }
        if self.take(",") || self.is_word(0, "JOIN") || self.is_word(1, "JOIN") {
            return Err(Refusal::of("Only select from a single table or index is supported."));
        }
        let mut components = components.into_iter();
        let (table, index) = (components.next().unwrap_or_default(), components.next());
        if components.next().is_some() {
            return Err(Refusal::of("A path may contain at most 2 components in the FROM clause"));
        }
        check_table(&table)?;
        Ok(Source { table, index })
    }

    /// A source that is given no other name.
    fn target(&mut self, missing: Missing) -> Parsed<Source> {
        let source = self.source(missing)?;
        match self.is_word(0, "AS") || (self.is_name(0) && !self.is_word(0, "OFFSET")) {
            true => Err(Refusal::of("Aliasing is not supported")),
            false => Ok(source),
        }
    }

    fn filter(&mut self) -> Parsed<Option<Expression>> {
        if !self.take_word("WHERE") {
            return Ok(None);
        }
        self.expression().map(Some)
    }

    fn order(&mut self) -> Parsed<Vec<Order>> {
        let mut order = Vec::new();
        loop {
            let path = self.path_alone()?;
            let attribute = path.filter(|path| path.steps.is_empty()).map(|path| path.attribute);
            let attribute = attribute
                .ok_or_else(|| Refusal::of("Argument to ORDER BY must be of type VariableReference. Type: Path"))?;
            let descending = self.take_word("DESC");
            if !descending {
                self.take_word("ASC");
            }
            order.push(Order { attribute, descending });
            if !self.take(",") {
                return Ok(order);
            }
        }
    }

    fn insert(&mut self) -> Parsed<Insert> {
        self.expect_word("INTO")?;
        let source = self.source(Missing::SimplePath)?;
        let several = "Unsupported operation: Inserting multiple items in a single statement is not supported, use \"INSERT \
                       INTO tableName VALUE item\" instead";
        if self.is_word(0, "VALUES")
            || matches!(self.peek(), Token::Mark("<<" | "{" | "["))
            || self.is_word(0, "SELECT")
        {
            return Err(Refusal::of(several));
        }
        if !self.take_word("VALUE") {
            return Err(Refusal::malformed("Unexpected token after expression"));
        }
        let item = self.expression()?;
        if self.is_word(0, "AT") {
            return Err(Refusal::of("AT is not supported in insert statements."));
        }
        if self.is_word(0, "FROM") || self.is_word(0, "WHERE") {
            return Err(Refusal::of("Unsupported FROM ... WHERE ... clause in INSERT statement."));
        }
        let or_nothing = self.take_word("ON");
        if or_nothing {
            self.expect_word("CONFLICT")?;
            if !(self.take_word("DO") && self.take_word("NOTHING")) {
                return Err(Refusal::of("Invalid conflict action. Only \"DO NOTHING\" action is supported."));
            }
        }
        if self.is_word(0, "RETURNING") {
            return Err(Refusal::of("RETURNING is not supported in INSERT"));
        }
        Ok(Insert { source, item, or_nothing })
    }

    fn actions(&mut self) -> Parsed<Vec<Action>> {
        let mut actions = Vec::new();
        loop {
            if self.take_word("SET") {
                loop {
                    let path = self.path()?;
                    self.expect("=", "'=' in assignment")?;
                    actions.push(Action::Set(path, self.expression()?));
                    if !self.take(",") {
                        break;
                    }
                }
            } else if self.take_word("REMOVE") {
                actions.push(Action::Remove(self.path()?));
                while self.take(",") {
                    actions.push(Action::Remove(self.path()?));
                }
            } else if !actions.is_empty() {
                return Ok(actions);
            } else if self.is_word(0, "INSERT") || self.is_word(0, "DELETE") {
                return Err(Refusal::of("Only SET and REMOVE are supported in update expressions at this time"));
            } else {
                return Err(Refusal::malformed("Expected data manipulation"));
            }
        }
    }

    fn returning(&mut self) -> Parsed<Option<Returning>> {
        if !self.take_word("RETURNING") {
            return Ok(None);
        }
        let either = |parser: &mut Self, first: &str, second: &str| {
            let is_second = parser.take_word(second);
            if is_second || parser.take_word(first) {
                return Ok(is_second);
            }
            Err(Refusal::malformed(&format!("Expected {first} or {second} in a returning clause.")))
        };
        let modified = either(self, "ALL", "MODIFIED")?;
        let new = either(self, "OLD", "NEW")?;
        if !self.take("*") {
            return Err(Refusal::of("Expected '*' after ( MODIFIED | ALL ) ( NEW | OLD ) in RETURNING clause"));
        }
        if self.take(",") {
            return Err(Refusal::of("Invalid syntax with multiple returning elements in RETURNING clause"));
        }
        Ok(Some(Returning { modified, new }))
    }
}

/// Refuses what cannot be the name of a table; its ARN can.
fn check_table(name: &str) -> Parsed<()> {
    let chars = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let (min, max) = NAME_CHARS;
    if name.starts_with("arn:") || ((min..=max).contains(&name.len()) && name.bytes().all(chars)) {
        return Ok(());
    }
    Err(Refusal::of(
        "Table name should be within the length [3, 255] and only contain 'a-z', 'A-Z', '0-9', '-', '_', '.'.",
    ))
}
