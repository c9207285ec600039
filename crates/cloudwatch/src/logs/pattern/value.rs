//! Comparisons: the right-hand side of `=`, `!=`, `<`, `<=`, `>`, `>=`, and how a value of an event meets it.

use std::cmp::Ordering;
use std::fmt;

use memchr::memmem::Finder;

use super::error::PatternError;
use super::expr::found;
use super::regex::LimitedRegex;
use super::scan::{Scan, is_bare_char};

/// A number as JSON, a log field, or a pattern writes it: exact where it is whole.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    /// Reads `[+-]digits[.digits][e[+-]digits]`; nothing else, in particular no `inf`, `nan` or hexadecimal.
    pub(super) fn parse(text: &str) -> Option<Number> {
        let plain = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
        if !text.chars().all(plain) || !text.contains(|c: char| c.is_ascii_digit()) {
            return None;
        }
        match text.parse::<i128>() {
            Ok(int) => Some(Number::Int(int)),
            Err(_) => text.parse::<f64>().ok().filter(|f| f.is_finite()).map(Number::Float),
        }
    }

    pub(super) fn of_json(number: &serde_json::Number) -> Option<Number> {
        let int = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        int.map(Number::Int).or_else(|| number.as_f64().map(Number::Float))
    }

    fn float(self) -> f64 {
        match self {
            Number::Int(int) => int as f64,
            Number::Float(float) => float,
        }
    }

    fn compare(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.float().partial_cmp(&b.float()),
        }
    }
}

/// A text with an optional `*` at either end. A `*` elsewhere is an ordinary character: `Ev*ent` matches only itself.
#[derive(Clone, Debug)]
pub(super) struct Wildcard {
    /// Boxed: a prepared search is larger than everything else in a condition.
    core: Box<Finder<'static>>,
    open_start: bool,
    open_end: bool,
}

impl Wildcard {
    pub(super) fn new(text: &str) -> Wildcard {
        let tail = text.trim_start_matches('*');
        let core = tail.trim_end_matches('*');
        Wildcard {
            core: Box::new(Finder::new(core.as_bytes()).into_owned()),
            open_start: tail.len() < text.len(),
            // A pattern of nothing but stars is open at both ends.
            open_end: core.len() < tail.len() || (core.is_empty() && tail.len() < text.len()),
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let (text, core) = (text.as_bytes(), self.core.needle());
        match (self.open_start, self.open_end) {
            (false, false) => text == core,
            (true, false) => text.ends_with(core),
            (false, true) => text.starts_with(core),
            (true, true) => self.core.find(text).is_some(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Operator {
    fn parse(scan: &mut Scan<'_>) -> Option<Operator> {
        // The longer ones first.
        [
            ("!=", Operator::Ne),
            ("<=", Operator::Le),
            (">=", Operator::Ge),
            ("=", Operator::Eq),
            ("<", Operator::Lt),
            (">", Operator::Gt),
        ]
        .into_iter()
        .find(|(token, _)| scan.eat(token))
        .map(|(_, operator)| operator)
    }

    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Operator::Eq => ordering == Ordering::Equal,
            Operator::Ne => ordering != Ordering::Equal,
            Operator::Lt => ordering == Ordering::Less,
            Operator::Le => ordering != Ordering::Greater,
            Operator::Gt => ordering == Ordering::Greater,
            Operator::Ge => ordering != Ordering::Less,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Operator::Eq => "=",
            Operator::Ne => "!=",
            Operator::Lt => "<",
            Operator::Le => "<=",
            Operator::Gt => ">",
            Operator::Ge => ">=",
        }
    }
}

#[derive(Clone, Debug)]
enum Operand {
    Text(Wildcard),
    /// An unquoted number: compared as a number with numbers, as text with text.
    Number(Number),
    Regex(LimitedRegex),
}

/// An operator with its right-hand side.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    operator: Operator,
    operand: Operand,
    /// The right-hand side without its quotes, for people and for comparing a number with text.
    text: String,
}

impl Comparison {
    /// Reads an operator and a value; `None` if no operator comes next.
    pub(super) fn parse(scan: &mut Scan<'_>, regexes: &mut Budget) -> Result<Option<Comparison>, PatternError> {
        let Some(operator) = Operator::parse(scan) else { return Ok(None) };
        scan.skip_space();
        let (operand, text) = if scan.eat("\"") {
            let text = scan.quoted().ok_or(PatternError::Unclosed('"'))?;
            (Operand::Text(Wildcard::new(&text)), text)
        } else if scan.eat("%") {
            let body = scan.percent().ok_or(PatternError::Unclosed('%'))?;
            regexes.spend()?;
            (Operand::Regex(LimitedRegex::new(body)?), format!("%{body}%"))
        } else {
            let text = scan.take_while(is_bare_char).to_owned();
            if text.is_empty() {
                return Err(found("a value", scan));
            }
            let operand = Number::parse(&text).map_or_else(|| Operand::Text(Wildcard::new(&text)), Operand::Number);
            (operand, text)
        };
        let orders = !matches!(operator, Operator::Eq | Operator::Ne);
        if orders && !matches!(operand, Operand::Number(_)) {
            return Err(PatternError::NotANumber(text));
        }
        Ok(Some(Comparison { operator, operand, text }))
    }

    /// Whether a value of an event satisfies this: `text` is how it is written, `number` what it is as a number, if it is one.
    pub(super) fn holds(&self, text: &str, number: Option<Number>) -> bool {
        let equal = match (&self.operand, number) {
            (Operand::Number(wanted), Some(number)) => {
                return number.compare(*wanted).is_some_and(|ordering| self.operator.accepts(ordering));
            }
            (Operand::Number(_), None) => text == self.text,
            (Operand::Text(wildcard), _) => wildcard.matches(text),
            (Operand::Regex(regex), _) => regex.is_match(text),
        };
        match self.operator {
            Operator::Eq => equal,
            Operator::Ne => !equal,
            // What is no number stands in no order.
            _ => false,
        }
    }

    /// Steps of matching per byte of an event, roughly.
    pub(super) fn cost(&self) -> usize {
        match &self.operand {
            Operand::Regex(regex) => regex.cost(),
            _ => 1,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator.sign(), self.text)
    }
}

/// How many of something a pattern may still hold.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    limit: usize,
    what: &'static str,
}

impl Budget {
    pub(super) fn new(limit: usize, what: &'static str) -> Budget {
        Budget { left: limit, limit, what }
    }

    pub(super) fn spend(&mut self) -> Result<(), PatternError> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(PatternError::TooMany { limit: self.limit, what: self.what }),
        }
    }
}
