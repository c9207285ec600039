//! Expressions: what stands in the brackets of directives and methods.

use super::SyntaxError;
use super::ast::{Expression, Node, Operator, Step};
use super::parse::{Parser, template};

/// The operators of each precedence, from the loosest; longer ones first where one begins with another.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[("==", Operator::Equal), ("!=", Operator::NotEqual), ("eq", Operator::Equal), ("ne", Operator::NotEqual)],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("lt", Operator::Less),
        ("le", Operator::LessOrEqual),
        ("gt", Operator::Greater),
        ("ge", Operator::GreaterOrEqual),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
];

impl Parser<'_> {
    /// A whole expression, with the white space around it.
    pub(super) fn expression(&mut self) -> Result<Expression, SyntaxError> {
        self.deeper(|parser| parser.level(0))
    }

    fn level(&mut self, level: usize) -> Result<Expression, SyntaxError> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let first = self.level(level + 1)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.operator(operators) {
            rest.push((operator, self.level(level + 1)?));
        }
        Ok(if rest.is_empty() { first } else { Expression::Chain(Box::new(first), rest) })
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        self.spaces();
        for (token, operator) in operators {
            if !self.rest().starts_with(token) {
                continue;
            }
            let is_word = token.bytes().all(|b| b.is_ascii_alphabetic());
            if is_word && self.peek_after(token.len()).is_some_and(|b| b.is_ascii_alphanumeric()) {
                continue;
            }
            self.at += token.len();
            return Some(*operator);
        }
        None
    }

    fn unary(&mut self) -> Result<Expression, SyntaxError> {
        self.spaces();
        let word = self.rest().starts_with("not") && !self.peek_after(3).is_some_and(|b| b.is_ascii_alphanumeric());
        if word || (self.peek() == Some(b'!') && self.peek_after(1) != Some(b'=')) {
            self.at += if word { 3 } else { 1 };
            return Ok(Expression::Not(Box::new(self.deeper(Parser::unary)?)));
        }
        self.primary()
    }

    pub(super) fn primary(&mut self) -> Result<Expression, SyntaxError> {
        self.spaces();
        match self.peek() {
            Some(b'(') => {
                self.at += 1;
                let inner = self.expression()?;
                self.spaces();
                if !self.eat(")") {
                    return Err(self.error("expected )"));
                }
                Ok(inner)
            }
            Some(b'$') => match self.reference()? {
                Some(reference) => Ok(Expression::Reference(Box::new(reference))),
                None => Err(self.error("expected the name of a variable")),
            },
            Some(b'\'') => self.quoted(b'\'').map(|text| Expression::Text(text.into())),
            Some(b'"') => self.double_quoted(),
            Some(b'[') => {
                self.at += 1;
                self.list_or_range()
            }
            Some(b'{') => {
                self.at += 1;
                self.map()
            }
            Some(b'-') if !self.peek_after(1).is_some_and(|b| b.is_ascii_digit()) => {
                self.at += 1;
                Ok(Expression::Negative(Box::new(self.deeper(Parser::primary)?)))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.truth(),
        }
    }

    fn truth(&mut self) -> Result<Expression, SyntaxError> {
        let from = self.at;
        match self.take_while(|b| b.is_ascii_alphanumeric()) {
            "true" => Ok(Expression::Bool(true)),
            "false" => Ok(Expression::Bool(false)),
            _ => {
                self.at = from;
                Err(self.error("expected a value"))
            }
        }
    }

    fn number(&mut self) -> Result<Expression, SyntaxError> {
        let from = self.at;
        self.eat("-");
        self.take_while(|b| b.is_ascii_digit());
        // Two dots are a range.
        let fraction = self.peek() == Some(b'.') && self.peek_after(1).is_some_and(|b| b.is_ascii_digit());
        if fraction {
            self.at += 1;
            self.take_while(|b| b.is_ascii_digit());
        }
        let exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if exponent {
            self.at += 1;
            self.take_while(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-'));
        }
        let text = self.text.get(from..self.at).unwrap_or("");
        match text.parse::<i64>() {
            Ok(number) => Ok(Expression::Int(number)),
            Err(_) => text.parse().map(Expression::Float).map_err(|_| self.error("not a number")),
        }
    }

    /// A quoted text; a quote inside is written twice, as in Velocity.
    fn quoted(&mut self, quote: u8) -> Result<String, SyntaxError> {
        let from = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|b| b != quote));
            if self.peek().is_none() {
                self.at = from;
                return Err(self.error("the text in quotes has no end"));
            }
            self.at += 1;
            // The second of two quotes belongs to the text only if another one ends it.
            let doubled = self.peek() == Some(quote) && self.rest().bytes().skip(1).any(|b| b == quote);
            if !doubled {
                return Ok(text);
            }
            text.push(char::from(quote));
            self.at += 1;
        }
    }

    fn double_quoted(&mut self) -> Result<Expression, SyntaxError> {
        let from = self.at;
        let text = self.quoted(b'"')?;
        if !text.contains(['$', '#']) {
            return Ok(Expression::Text(text.into()));
        }
        let mut nodes =
            self.deeper(|parser| template(&text, parser.depth).map_err(|inner| SyntaxError { at: from, ..inner }))?;
        match nodes.pop() {
            // A text without anything to fill in.
            Some(Node::Text(text)) if nodes.is_empty() => Ok(Expression::Text(text.into_string().into())),
            last => {
                nodes.extend(last);
                Ok(Expression::Interpolated(nodes))
            }
        }
    }

    /// Expressions up to `end`, with commas in between.
    pub(super) fn list(&mut self, end: &str) -> Result<Vec<Expression>, SyntaxError> {
        let mut items = Vec::new();
        self.spaces();
        if self.eat(end) {
            return Ok(items);
        }
        loop {
            items.push(self.expression()?);
            self.spaces();
            if self.eat(end) {
                return Ok(items);
            }
            if !self.eat(",") {
                return Err(self.error(format!("expected , or {end}")));
            }
        }
    }

    fn list_or_range(&mut self) -> Result<Expression, SyntaxError> {
        self.spaces();
        if self.eat("]") {
            return Ok(Expression::List(Vec::new()));
        }
        let first = self.expression()?;
        self.spaces();
        if self.eat("..") {
            let last = self.expression()?;
            self.spaces();
            return match self.eat("]") {
                true => Ok(Expression::Range(Box::new(first), Box::new(last))),
                false => Err(self.error("expected ]")),
            };
        }
        let mut items = vec![first];
        if self.eat(",") {
            items.extend(self.list("]")?);
        } else if !self.eat("]") {
            return Err(self.error("expected , or ]"));
        }
        Ok(Expression::List(items))
    }

    fn map(&mut self) -> Result<Expression, SyntaxError> {
        let mut entries = Vec::new();
        self.spaces();
        if self.eat("}") {
            return Ok(Expression::Map(entries));
        }
        loop {
            let key = self.expression()?;
            self.spaces();
            if !self.eat(":") {
                return Err(self.error("expected :"));
            }
            entries.push((key, self.expression()?));
            self.spaces();
            if self.eat("}") {
                return Ok(Expression::Map(entries));
            }
            if !self.eat(",") {
                return Err(self.error("expected , or }"));
            }
        }
    }
}

impl Step {
    /// Its name, where it has one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Step::Property(name) | Step::Method(name, _) => Some(name),
            Step::Index(_) => None,
        }
    }
}
