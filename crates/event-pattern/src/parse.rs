//! Reads a pattern: objects, arrays of alternatives, `$or`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::PatternError;
use crate::limits::{DuplicateFields, Limits};
use crate::operator::Operator;
use crate::token::{Token, Tokens};

/// The conditions of one way to satisfy the pattern, by path. A path is the names from the root, joined by dots, so that a name with dots
/// and nested objects are the same, as they are for EventBridge.
pub(crate) type Branch = BTreeMap<String, Arc<[Operator]>>;

/// Names that may not be fields inside `$or`: operators, and what may become one.
const RESERVED_IN_OR: [&str; 23] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
];

/// Reads a whole pattern into its branches.
pub(crate) fn parse(source: &str, limits: &Limits) -> Result<Vec<Branch>, PatternError> {
    let chars = source.chars().map(char::len_utf16).sum::<usize>();
    if chars > limits.pattern_chars_max {
        let chars_max = limits.pattern_chars_max;
        return Err(PatternError::new(format!("Pattern of {chars} characters is longer than {chars_max} characters")));
    }
    let mut parser = Parser { tokens: Tokens::new(source, limits.depth_max), limits };
    if parser.tokens.next()? != Token::ObjectStart {
        return Err(parser.tokens.refuse("Filter is not an object"));
    }
    let mut branches = Vec::new();
    parser.object(&mut branches, None, false)?;
    parser.tokens.next()?;
    Ok(branches)
}

pub(crate) struct Parser<'a, 'l> {
    pub(crate) tokens: Tokens<'a>,
    pub(crate) limits: &'l Limits,
}

impl Parser<'_, '_> {
    /// The fields of an object whose brace was read, added to every branch there is.
    fn object(&mut self, branches: &mut Vec<Branch>, path: Option<&str>, inside_or: bool) -> Result<(), PatternError> {
        let mut empty = true;
        loop {
            let name = match self.tokens.next()? {
                Token::ObjectEnd => break,
                Token::Name(name) => name,
                _ => return Err(self.tokens.refuse("Filter is not an object")),
            };
            empty = false;
            if name == "$or" {
                self.alternatives(branches, path)?;
                continue;
            }
            if inside_or && (RESERVED_IN_OR.contains(&&*name) || name == "ip-address-not-in-range") {
                return Err(self
                    .tokens
                    .refuse(format!("{name} is Ruler reserved fieldName which cannot be used inside $or.")));
            }
            let path = path.map_or_else(|| name.to_string(), |path| format!("{path}.{name}"));
            match self.tokens.next()? {
                Token::ObjectStart => self.object(branches, Some(&path), inside_or)?,
                Token::ArrayStart => self.condition(branches, path)?,
                _ => return Err(self.tokens.refuse(format!("\"{name}\" must be an object or an array"))),
            }
        }
        if empty { Err(self.tokens.refuse("Empty objects are not allowed")) } else { Ok(()) }
    }

    /// `$or`: every branch there is, once with each of the alternatives.
    fn alternatives(&mut self, branches: &mut Vec<Branch>, path: Option<&str>) -> Result<(), PatternError> {
        if self.tokens.next()? != Token::ArrayStart {
            return Err(self.tokens.refuse("It must be an Array followed with $or."));
        }
        let mut before = std::mem::take(branches);
        if before.is_empty() {
            before.push(Branch::new());
        }
        let mut count = 0;
        loop {
            match self.tokens.next()? {
                Token::ArrayEnd => break,
                Token::ObjectStart => {}
                _ => return Err(self.tokens.refuse("Only JSON object is allowed in array of $or relationship.")),
            }
            count += 1;
            let mut alternative = before.clone();
            self.object(&mut alternative, path, true)?;
            branches.append(&mut alternative);
            let branches_max = self.limits.branches_max;
            if branches.len() > branches_max {
                return Err(self.tokens.refuse(format!("$or makes more than {branches_max} combinations")));
            }
        }
        if count < 2 {
            Err(self.tokens.refuse("There must have at least 2 Objects in $or relationship."))
        } else {
            Ok(())
        }
    }

    /// The alternatives for one field, whose bracket was read.
    fn condition(&mut self, branches: &mut Vec<Branch>, path: String) -> Result<(), PatternError> {
        let mut operators = Vec::new();
        loop {
            let token = self.tokens.next()?;
            operators.push(match token {
                Token::ArrayEnd => break,
                Token::ObjectStart => self.operator()?,
                Token::Text(text) => self.text(&text),
                Token::Number(text) => Operator::Number(text.into(), crate::number::Number::parse(text.as_bytes()).key),
                Token::True => Operator::True,
                Token::False => Operator::False,
                Token::Null => Operator::Null,
                _ => return Err(self.tokens.refuse("Match value must be String, number, true, false, or null")),
            });
        }
        if operators.is_empty() {
            return Err(self.tokens.refuse("Empty arrays are not allowed"));
        }
        if branches.is_empty() {
            branches.push(Branch::new());
        }
        let operators: Arc<[Operator]> = operators.into();
        for branch in branches {
            let before = branch.insert(path.clone(), Arc::clone(&operators));
            if before.is_some() && self.limits.duplicate_fields == DuplicateFields::Refuse {
                return Err(self.tokens.refuse(format!("Path `{path}` cannot be allowed multiple times")));
            }
        }
        Ok(())
    }
}
