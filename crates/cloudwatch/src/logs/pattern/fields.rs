//! Patterns for space-delimited events: `[ip, id, user, ..., status_code = 4*, size > 1000]`.
//!
//! AWS: CloudWatch Logs User Guide, *Using filter patterns to match terms in space-delimited log events*. The last named field
//! takes the rest of the event, so `[w1=ERROR, w2]` matches a line of any length that begins with `ERROR`.

use super::error::PatternError;
use super::expr::{Expr, found};
use super::note::{Note, shown};
use super::scan::{Scan, is_name_char};
use super::value::{Budget, Comparison, Number};

/// The most fields a pattern may name: more than fit into its length with a separator each.
const FIELDS_MAX: usize = 512;

#[derive(Clone, Debug)]
struct Field {
    name: String,
    condition: Option<Expr<Comparison>>,
}

/// A pattern between brackets.
#[derive(Clone, Debug)]
pub(super) struct FieldsPattern {
    /// The fields before the ellipsis; all of them if there is none.
    head: Vec<Field>,
    /// The fields after the ellipsis, if there is one.
    tail: Option<Vec<Field>>,
}

impl FieldsPattern {
    /// Reads what follows the opening bracket.
    pub(super) fn parse(scan: &mut Scan<'_>, regexes: &mut Budget) -> Result<FieldsPattern, PatternError> {
        let mut count = Budget::new(FIELDS_MAX, "fields");
        let mut pattern = FieldsPattern { head: Vec::new(), tail: None };
        scan.skip_space();
        if scan.peek() == Some(']') {
            return Err(found("a field", scan));
        }
        loop {
            count.spend()?;
            scan.skip_space();
            if scan.eat("...") || scan.eat("\u{2026}") {
                if pattern.tail.replace(Vec::new()).is_some() {
                    return Err(PatternError::TooMany { limit: 1, what: "ellipsis" });
                }
            } else {
                let field = field(scan, regexes)?;
                pattern.tail.as_mut().unwrap_or(&mut pattern.head).push(field);
            }
            scan.skip_space();
            if scan.eat("]") {
                return Ok(pattern);
            }
            if !scan.eat(",") {
                return Err(found(", or ]", scan));
            }
        }
    }

    pub(super) fn matches(&self, message: &str, note: &mut impl Note) -> bool {
        match &self.tail {
            None => self.matches_to_the_end(message, note),
            Some(tail) => self.matches_both_ends(tail, message, note),
        }
    }

    fn matches_to_the_end(&self, message: &str, note: &mut impl Note) -> bool {
        let Some((last, first)) = self.head.split_last() else { return false };
        let mut words = Words { rest: message };
        for (at, field) in first.iter().enumerate() {
            let Some(word) = words.next() else {
                note.note(|| format!("the event has {at} fields, the pattern wants {}", self.head.len()));
                return false;
            };
            if !field.holds(word, note) {
                return false;
            }
        }
        let rest = words.rest.trim();
        let Some(word) = words.next() else {
            note.note(|| format!("the event has {} fields, the pattern wants {}", first.len(), self.head.len()));
            return false;
        };
        let alone = words.rest.trim_start().is_empty();
        last.holds(if alone { word } else { rest }, note)
    }

    fn matches_both_ends(&self, tail: &[Field], message: &str, note: &mut impl Note) -> bool {
        let mut words = Words { rest: message };
        for (at, field) in self.head.iter().enumerate() {
            let Some(word) = words.next() else {
                note.note(|| format!("the event has {at} fields, the pattern wants {}", self.head.len() + tail.len()));
                return false;
            };
            if !field.holds(word, note) {
                return false;
            }
        }
        // The last `tail.len()` words, without keeping the others.
        let mut last = std::collections::VecDeque::with_capacity(tail.len() + 1);
        for word in words {
            last.push_back(word);
            if last.len() > tail.len() {
                last.pop_front();
            }
        }
        if last.len() < tail.len() {
            let had = self.head.len() + last.len();
            note.note(|| format!("the event has {had} fields, the pattern wants {}", self.head.len() + tail.len()));
            return false;
        }
        tail.iter().zip(last).all(|(field, word)| field.holds(word, note))
    }

    pub(super) fn cost(&self) -> usize {
        let mut cost = 2;
        for condition in self.head.iter().chain(self.tail.iter().flatten()).filter_map(|field| field.condition.as_ref())
        {
            condition.visit(&mut |comparison| cost += comparison.cost());
        }
        cost
    }
}

/// A name, which may be missing, with conditions on it.
fn field(scan: &mut Scan<'_>, regexes: &mut Budget) -> Result<Field, PatternError> {
    let plain = |name: &str| Field { name: name.to_owned(), condition: None };
    let mut ahead = scan.clone();
    let name = ahead.take_while(is_name_char);
    ahead.skip_space();
    if matches!(ahead.peek(), Some(',' | ']')) {
        *scan = ahead;
        return Ok(plain(name));
    }
    let mut named: Option<String> = None;
    let condition = Expr::parse(scan, &mut |scan| {
        let name = scan.take_while(is_name_char);
        if name.is_empty() {
            return Err(found("a field name", scan));
        }
        match &named {
            Some(field) if field != name => {
                return Err(PatternError::FieldNames { field: field.clone(), other: name.to_owned() });
            }
            _ => named = Some(name.to_owned()),
        }
        scan.skip_space();
        Comparison::parse(scan, regexes)?.ok_or_else(|| found("an operator", scan))
    })?;
    Ok(Field { name: named.unwrap_or_default(), condition: Some(condition) })
}

impl Field {
    fn holds(&self, word: &str, note: &mut impl Note) -> bool {
        let Some(condition) = &self.condition else { return true };
        let number = Number::parse(word);
        condition.holds(&mut |comparison| {
            let holds = comparison.holds(word, number);
            if !holds {
                note.note(|| format!("{} {comparison}: the field is {}", self.name, shown(word)));
            }
            holds
        })
    }
}

/// The fields of an event: words between blanks; what stands in double quotes or brackets is one field, without those.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start();
        let first = self.rest.chars().next()?;
        let close = match first {
            '"' => Some('"'),
            '[' => Some(']'),
            _ => None,
        };
        if let Some((word, rest)) = close.and_then(|close| enclosed(self.rest, close)) {
            self.rest = rest;
            return Some(word);
        }
        let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(word)
    }
}

/// What stands between the first character and the next `close` that no backslash precedes, and what follows it.
fn enclosed(text: &str, close: char) -> Option<(&str, &str)> {
    let mut chars = text.chars();
    chars.next();
    let inner = chars.as_str();
    let mut escaped = false;
    let end = inner.find(|c| {
        let ends = c == close && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    let (word, rest) = inner.split_at_checked(end)?;
    Some((word, rest.strip_prefix(close)?))
}
