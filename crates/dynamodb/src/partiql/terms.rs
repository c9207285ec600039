//! The grammar of what stands in statements: conditions, values, paths.

use super::keyword::{is_keyword, is_operator, names_function};
use super::parser::{DEPTH_MAX, Parsed, Parser};
use super::refusal::Refusal;
use super::syntax::{Call, Expression, TypeName};
use super::token::Token;
use crate::expression::{Comparator, PATH_STEPS_MAX, Path, Reason, Step};

/// Names of types that `IS` can be given, of which it knows few; `DOUBLE PRECISION` and `CHARACTER VARYING` are two words.
const TYPES: [&str; 32] = [
    "BAG",
    "BLOB",
    "BOOL",
    "BOOLEAN",
    "CHAR",
    "CHARACTER",
    "CLOB",
    "DATE",
    "DEC",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "INT",
    "INT2",
    "INT4",
    "INT8",
    "INTEGER",
    "INTEGER2",
    "INTEGER4",
    "INTEGER8",
    "LIST",
    "NUMERIC",
    "REAL",
    "SEXP",
    "SMALLINT",
    "STRING",
    "STRUCT",
    "SYMBOL",
    "TIME",
    "TIMESTAMP",
    "TUPLE",
    "VARCHAR",
];

fn unexpected_term() -> Refusal {
    Refusal::malformed("Unexpected term")
}

impl Parser<'_> {
    /// Goes a level deeper for as long as `inner` reads.
    fn within<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH_MAX {
            return Err(Refusal::malformed(&format!("The statement nests too deep; maximum nesting: {DEPTH_MAX}")));
        }
        self.depth += 1;
        let read = inner(self);
        self.depth -= 1;
        read
    }

    /// Refuses to go on where an operator lacks what stands behind it.
    fn need_right(&self) -> Parsed<()> {
        match self.peek() {
            Token::End => Err(Refusal::malformed("Missing right-hand side expression of infix operator")),
            _ => Ok(()),
        }
    }

    /// Conditions with `OR` between them.
    pub(super) fn expression(&mut self) -> Parsed<Expression> {
        let first = self.all()?;
        if !self.is_word(0, "OR") {
            return Ok(first);
        }
        let mut any = vec![first];
        while self.take_word("OR") {
            self.need_right()?;
            any.push(self.all()?);
        }
        Ok(Expression::Any(any))
    }

    fn all(&mut self) -> Parsed<Expression> {
        let first = self.not()?;
        if !self.is_word(0, "AND") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.take_word("AND") {
            self.need_right()?;
            all.push(self.not()?);
        }
        Ok(Expression::All(all))
    }

    fn not(&mut self) -> Parsed<Expression> {
        if self.take_word("NOT") {
            return self.within(|parser| Ok(Expression::Not(Box::new(parser.not()?))));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parsed<Expression> {
        let one = self.sum()?;
        let comparator = match self.peek() {
            Token::Mark("=") => Comparator::Equal,
            Token::Mark("<>" | "!=") => Comparator::NotEqual,
            Token::Mark("<") => Comparator::Less,
            Token::Mark("<=") => Comparator::LessOrEqual,
            Token::Mark(">") => Comparator::Greater,
            Token::Mark(">=") => Comparator::GreaterOrEqual,
            Token::Word(_) => return self.test(one),
            _ => return Ok(one),
        };
        self.next();
        self.need_right()?;
        Ok(Expression::Compare(comparator, Box::new((one, self.sum()?))))
    }

    /// `IS`, `IN`, `BETWEEN`, with `NOT` or without.
    fn test(&mut self, one: Expression) -> Parsed<Expression> {
        if self.take_word("IS") {
            let negated = self.take_word("NOT");
            let test = Expression::Is(Box::new(one), self.type_name()?);
            return Ok(negate(negated, test));
        }
        let negated = self.is_word(0, "NOT");
        let ahead = usize::from(negated);
        if self.is_word(ahead, "IN") {
            (0..=ahead).for_each(|_| drop(self.next()));
            self.need_right()?;
            let list = self.sum()?;
            return Ok(negate(negated, Expression::In(Box::new((one, list)))));
        }
        if self.is_word(ahead, "BETWEEN") {
            (0..=ahead).for_each(|_| drop(self.next()));
            self.need_right()?;
            let lower = self.sum()?;
            if !self.take_word("AND") {
                return Err(Refusal::malformed("Expected AND after BETWEEN"));
            }
            self.need_right()?;
            return Ok(negate(negated, Expression::Between(Box::new((one, lower, self.sum()?)))));
        }
        if self.is_word(ahead, "LIKE") {
            return Err(Refusal::of("Unsupported operation: Like"));
        }
        Ok(one)
    }

    fn type_name(&mut self) -> Parsed<TypeName> {
        let unknown = || Refusal::malformed("Expected type name");
        let Token::Word(word) = self.next() else { return Err(unknown()) };
        let word = word.to_ascii_uppercase();
        match word.as_str() {
            "MISSING" => return Ok(TypeName::Missing),
            "NULL" => return Ok(TypeName::Null),
            "DOUBLE" => drop(self.take_word("PRECISION")),
            "CHARACTER" => drop(self.take_word("VARYING")),
            _ => {}
        }
        if TYPES.contains(&word.as_str()) { Ok(TypeName::Other(word)) } else { Err(unknown()) }
    }

    fn sum(&mut self) -> Parsed<Expression> {
        let mut sum = self.term()?;
        let depth = self.depth;
        while matches!(self.peek(), Token::Mark("+" | "-")) {
            let minus = self.next() == Token::Mark("-");
            self.need_right()?;
            // A sum is as deep as it is long.
            let next = self.within(Parser::term)?;
            self.depth += 1;
            sum = Expression::Sum { minus, operands: Box::new((sum, next)) };
        }
        self.depth = depth;
        if let Token::Mark(mark @ ("*" | "/" | "%" | "||")) = self.peek() {
            let name = match *mark {
                "*" => "Times",
                "/" => "Divide",
                "%" => "Modulo",
                _ => "Concat",
            };
            return Err(Refusal::at(format!("Unsupported operation: {name}"), self.place()));
        }
        Ok(sum)
    }

    /// A value, a path, a function, or an expression in parentheses.
    pub(super) fn term(&mut self) -> Parsed<Expression> {
        match self.peek() {
            Token::Text(_) => match self.next() {
                Token::Text(text) => Ok(Expression::Text(text)),
                _ => Err(unexpected_term()),
            },
            Token::Number(_) => self.number(""),
            Token::Name(_) => self.path().map(Expression::Path),
            Token::Word(word) => {
                let word = *word;
                self.word(word)
            }
            Token::Mark(mark) => {
                let mark = *mark;
                self.mark(mark)
            }
            Token::End => Err(unexpected_term()),
        }
    }

    fn number(&mut self, sign: &str) -> Parsed<Expression> {
        let Token::Number(number) = self.next() else { return Err(unexpected_term()) };
        check_scale(number)?;
        Ok(Expression::Number(format!("{sign}{number}")))
    }

    fn word(&mut self, word: &str) -> Parsed<Expression> {
        if *self.peek_at(1) == Token::Mark("(") && names_function(word) {
            return self.within(Parser::call).map(Expression::Call);
        }
        if !is_keyword(word) {
            return self.path().map(Expression::Path);
        }
        let place = self.place();
        for (keyword, literal) in [
            ("TRUE", Expression::Bool(true)),
            ("FALSE", Expression::Bool(false)),
            ("NULL", Expression::Null),
            ("MISSING", Expression::Missing(place)),
        ] {
            if self.take_word(keyword) {
                return Ok(literal);
            }
        }
        Err(Refusal::malformed(if is_operator(word) { "Unexpected operator" } else { "Unexpected keyword" }))
    }

    fn mark(&mut self, mark: &str) -> Parsed<Expression> {
        match mark {
            "?" => {
                self.next();
                self.parameters += 1;
                Ok(Expression::Parameter(self.parameters - 1))
            }
            "-" | "+" if matches!(self.peek_at(1), Token::Number(_)) => {
                self.next();
                self.number(if mark == "-" { "-" } else { "" })
            }
            "(" => {
                self.next();
                self.within(Parser::parentheses)
            }
            "[" => {
                self.next();
                self.within(|parser| parser.elements("]", "RIGHT_BRACKET")).map(Expression::List)
            }
            "<<" => {
                self.next();
                self.within(|parser| parser.elements(">>", "RIGHT_DOUBLE_ANGLE_BRACKET")).map(Expression::Bag)
            }
            "{" => {
                self.next();
                self.within(Parser::entries).map(Expression::Map)
            }
            ")" | "]" | "}" | ">>" | "," | ":" | ";" | "." => Err(unexpected_term()),
            _ => Err(Refusal::malformed("Unexpected operator")),
        }
    }

    /// Behind `(`: an expression, or a list as `IN` takes it.
    fn parentheses(&mut self) -> Parsed<Expression> {
        let first = self.expression()?;
        if self.take(")") {
            return Ok(first);
        }
        self.expect(",", "RIGHT_PAREN")?;
        let mut list = vec![first];
        list.extend(self.elements(")", "RIGHT_PAREN")?);
        Ok(Expression::List(list))
    }

    /// Expressions with commas between them, up to `close`.
    fn elements(&mut self, close: &str, name: &str) -> Parsed<Vec<Expression>> {
        let mut elements = Vec::new();
        if self.take(close) {
            return Ok(elements);
        }
        loop {
            elements.push(self.expression()?);
            if !self.take(",") {
                self.expect(close, name)?;
                return Ok(elements);
            }
        }
    }

    fn entries(&mut self) -> Parsed<Vec<(Expression, Expression)>> {
        let mut entries = Vec::new();
        if self.take("}") {
            return Ok(entries);
        }
        loop {
            let key = self.expression()?;
            self.expect(":", "COLON")?;
            entries.push((key, self.expression()?));
            if !self.take(",") {
                self.expect("}", "RIGHT_CURLY")?;
                return Ok(entries);
            }
        }
    }

    fn call(&mut self) -> Parsed<Call> {
        let place = self.place();
        let Token::Word(name) = self.next() else { return Err(unexpected_term()) };
        self.expect("(", "LEFT_PAREN")?;
        let name = name.to_ascii_lowercase();
        let (mut operands, mut places) = (Vec::new(), Vec::new());
        if self.take(")") {
            return Ok(Call { name, place, operands, places });
        }
        loop {
            places.push(self.place());
            operands.push(self.expression()?);
            if !self.take(",") {
                self.expect(")", "RIGHT_PAREN")?;
                return Ok(Call { name, place, operands, places });
            }
        }
    }

    /// A path: a name, and steps into what it names.
    pub(super) fn path(&mut self) -> Parsed<Path> {
        let attribute = match self.next() {
            Token::Name(name) if name.is_empty() => {
                return Err(Refusal::of("Path component cannot be an empty string"));
            }
            Token::Name(name) => name,
            Token::Word(word) if !is_keyword(word) => word.to_owned(),
            Token::Word(_) => return Err(Refusal::malformed("Unexpected keyword")),
            _ => return Err(unexpected_term()),
        };
        let mut steps = Vec::new();
        loop {
            if self.take(".") {
                steps.push(Step::Name(self.dot_component()?));
            } else if self.take("[") {
                steps.push(self.bracket_component()?);
                self.expect("]", "RIGHT_BRACKET")?;
            } else {
                break;
            }
        }
        let levels = steps.len() + 1;
        if levels > PATH_STEPS_MAX {
            return Err(Reason::PathLevels(levels).into());
        }
        Ok(Path { attribute, steps })
    }

    fn dot_component(&mut self) -> Parsed<String> {
        match self.next() {
            Token::Name(name) if name.is_empty() => Err(Refusal::of("Path component cannot be an empty string")),
            Token::Name(name) => Ok(name),
            Token::Word(word) if !is_keyword(word) => Ok(word.to_owned()),
            Token::Mark("*") => Err(Refusal::of("Unpivot path component like a.*.b are not supported")),
            _ => Err(Refusal::malformed("Invalid path dot component")),
        }
    }

    fn bracket_component(&mut self) -> Parsed<Step> {
        let negative = self.take("-");
        match self.next() {
            Token::Number(digits) => {
                let index = digits.parse::<i32>().ok().and_then(|index| usize::try_from(index).ok());
                let sign = if negative { "-" } else { "" };
                let refused = || Reason::ListIndex(format!("{sign}{digits}")).into();
                index.filter(|_| !negative).map(Step::Index).ok_or_else(refused)
            }
            Token::Text(name) if !negative && !name.is_empty() => Ok(Step::Name(name)),
            Token::Mark("*") => Err(Refusal::of("Wildcard path component like a[*].b are not supported")),
            _ => Err(Refusal::of("Unexpected path component")),
        }
    }
}

fn negate(negated: bool, test: Expression) -> Expression {
    if negated { Expression::Not(Box::new(test)) } else { test }
}

/// Refuses a number whose exponent, or the scale that follows from it, is none of 32 bits.
fn check_scale(number: &str) -> Parsed<()> {
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let exponent = exponent.parse::<i32>().ok();
    let scale = exponent.and_then(|exponent| i32::try_from(fraction).ok()?.checked_sub(exponent));
    scale.map(drop).ok_or_else(|| Refusal::malformed(""))
}
