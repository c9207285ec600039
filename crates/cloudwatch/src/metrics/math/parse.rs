//! The grammar of expressions.

use std::collections::BTreeSet;

use super::lexer::{Token, tokens};
use super::value::MathError;

/// How deep an expression may nest.
pub const EXPRESSION_DEPTH_MAX: usize = 64;
/// How many operators an expression may have.
const OPERATORS_MAX: usize = 256;

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Equal,
    Different,
    And,
    Or,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Number(f64),
    Text(String),
    /// The id of another query.
    Id(String),
    /// A word of its own.
    Word(String),
    Negated(Box<Expression>),
    Both(Operator, Box<Expression>, Box<Expression>),
    Call(String, Vec<Expression>),
    List(Vec<Expression>),
}

/// Reads an expression.
///
/// # Errors
/// It is none, or nests too deep.
pub(crate) fn parse(text: &str) -> Result<Expression, MathError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, operators: 0 };
    let expression = parser.binary(0, 0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(token) => Err(unexpected(token)),
    }
}

fn unexpected(token: &Token) -> MathError {
    MathError::new(match token {
        Token::Number(number) => format!("Unexpected number {number}"),
        Token::Text(text) => format!("Unexpected string '{text}'"),
        Token::Word(word) => format!("Unexpected '{word}'"),
        Token::Sign(sign) => format!("Unexpected '{sign}'"),
    })
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// How many operators there were so far.
    operators: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(next)) if *next == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), MathError> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(self.peek().map_or_else(|| MathError::new(format!("Expected '{sign}'")), unexpected))
    }

    /// The operator that comes next, and how tightly it binds.
    fn operator(&self) -> Option<(Operator, u8)> {
        Some(match self.peek()? {
            Token::Sign("||") => (Operator::Or, 1),
            Token::Sign("&&") => (Operator::And, 2),
            Token::Word(word) if word.eq_ignore_ascii_case("or") => (Operator::Or, 1),
            Token::Word(word) if word.eq_ignore_ascii_case("and") => (Operator::And, 2),
            Token::Sign("==") => (Operator::Equal, 3),
            Token::Sign("!=") => (Operator::Different, 3),
            Token::Sign("<") => (Operator::Less, 4),
            Token::Sign("<=") => (Operator::LessOrEqual, 4),
            Token::Sign(">") => (Operator::More, 4),
            Token::Sign(">=") => (Operator::MoreOrEqual, 4),
            Token::Sign("+") => (Operator::Add, 5),
            Token::Sign("-") => (Operator::Subtract, 5),
            Token::Sign("*") => (Operator::Multiply, 6),
            Token::Sign("/") => (Operator::Divide, 6),
            Token::Sign("^") => (Operator::Power, 8),
            _ => return None,
        })
    }

    /// An expression of operators that bind at least so tightly.
    fn binary(&mut self, tightness: u8, depth: usize) -> Result<Expression, MathError> {
        if depth > EXPRESSION_DEPTH_MAX {
            let message = format!("The expression nests deeper than the limit of {EXPRESSION_DEPTH_MAX} levels");
            return Err(MathError::new(message));
        }
        let mut left = self.unary(depth)?;
        while let Some((operator, binds)) = self.operator().filter(|(_, binds)| *binds >= tightness) {
            self.at += 1;
            // The tree grows to the left with every operator, and evaluating it walks down there.
            self.operators += 1;
            if self.operators > OPERATORS_MAX {
                return Err(MathError::new(format!(
                    "The expression has more than the limit of {OPERATORS_MAX} operators"
                )));
            }
            let right = self.binary(binds + 1, depth + 1)?;
            left = Expression::Both(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self, depth: usize) -> Result<Expression, MathError> {
        if self.takes("-") {
            // Tighter than products, looser than powers.
            return Ok(Expression::Negated(Box::new(self.binary(7, depth + 1)?)));
        }
        if self.takes("+") {
            return self.binary(7, depth + 1);
        }
        match self.take() {
            Some(Token::Number(number)) => Ok(Expression::Number(number)),
            Some(Token::Text(text)) => Ok(Expression::Text(text)),
            Some(Token::Word(word)) if self.takes("(") => Ok(Expression::Call(word, self.list(")", depth)?)),
            Some(Token::Word(word)) if word.starts_with(|c: char| c.is_ascii_lowercase()) => Ok(Expression::Id(word)),
            Some(Token::Word(word)) => Ok(Expression::Word(word)),
            Some(Token::Sign("(")) => {
                let inner = self.binary(0, depth + 1)?;
                self.expect(")").map(|()| inner)
            }
            Some(Token::Sign("[")) => Ok(Expression::List(self.list("]", depth)?)),
            Some(token) => Err(unexpected(&token)),
            None => Err(MathError::new("Unexpected end of the expression")),
        }
    }

    /// Expressions with commas in between, up to and with the sign that ends them.
    fn list(&mut self, end: &str, depth: usize) -> Result<Vec<Expression>, MathError> {
        let mut list = Vec::new();
        if self.takes(end) {
            return Ok(list);
        }
        loop {
            list.push(self.binary(0, depth + 1)?);
            if !self.takes(",") {
                return self.expect(end).map(|()| list);
            }
        }
    }
}

impl Expression {
    /// The ids that it names.
    pub(crate) fn ids(&self) -> BTreeSet<&str> {
        let (mut open, mut ids) = (vec![self], BTreeSet::new());
        while let Some(next) = open.pop() {
            match next {
                Expression::Id(id) => {
                    ids.insert(id.as_str());
                }
                Expression::Negated(inner) => open.push(inner),
                Expression::Both(_, left, right) => open.extend([&**left, &**right]),
                Expression::Call(_, parts) | Expression::List(parts) => open.extend(parts),
                Expression::Number(_) | Expression::Text(_) | Expression::Word(_) => {}
            }
        }
        ids
    }

    /// The calls of a function: their arguments.
    pub(crate) fn calls(&self, function: &str) -> Vec<&[Expression]> {
        let (mut open, mut calls) = (vec![self], Vec::new());
        while let Some(next) = open.pop() {
            match next {
                Expression::Negated(inner) => open.push(inner),
                Expression::Both(_, left, right) => open.extend([&**left, &**right]),
                Expression::Call(name, parts) => {
                    if name.eq_ignore_ascii_case(function) {
                        calls.push(parts.as_slice());
                    }
                    open.extend(parts);
                }
                Expression::List(parts) => open.extend(parts),
                Expression::Number(_) | Expression::Text(_) | Expression::Word(_) | Expression::Id(_) => {}
            }
        }
        calls
    }
}
