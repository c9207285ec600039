//! Patterns for unstructured events: words and phrases that must, may or must not occur.
//!
//! AWS: CloudWatch Logs User Guide, *Using filter patterns to match terms in unstructured log events*.

use memchr::memmem::Finder;

use super::error::PatternError;
use super::note::{Note, shown};
use super::scan::Scan;

/// The words of a pattern. A word matches wherever it occurs, within another word too, and in this case only.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    required: Vec<Finder<'static>>,
    /// `?word`: one of them must occur, unless there are words of the other sorts; then these count for nothing.
    optional: Vec<Finder<'static>>,
    excluded: Vec<Finder<'static>>,
}

impl Terms {
    pub(super) fn parse(text: &str) -> Result<Terms, PatternError> {
        let mut terms = Terms::default();
        let mut scan = Scan::new(text);
        loop {
            scan.skip_space();
            if scan.done() {
                return Ok(terms);
            }
            let list = if scan.eat("?") {
                &mut terms.optional
            } else if scan.eat("-") {
                &mut terms.excluded
            } else {
                &mut terms.required
            };
            let word = term(&mut scan)?;
            list.push(Finder::new(word.as_bytes()).into_owned());
        }
    }

    pub(super) fn matches(&self, message: &str, note: &mut impl Note) -> bool {
        let text = message.as_bytes();
        let name = |term: &Finder<'static>| shown(&String::from_utf8_lossy(term.needle()));
        if let Some(missing) = self.required.iter().find(|term| !occurs(term, text)) {
            note.note(|| format!("{} does not occur", name(missing)));
            return false;
        }
        if let Some(present) = self.excluded.iter().find(|term| occurs(term, text)) {
            note.note(|| format!("{} occurs and is excluded", name(present)));
            return false;
        }
        let optional = self.required.is_empty() && self.excluded.is_empty() && !self.optional.is_empty();
        if optional && !self.optional.iter().any(|term| occurs(term, text)) {
            note.note(|| {
                let names: Vec<String> = self.optional.iter().map(name).collect();
                format!("none of {} occurs", names.join(", "))
            });
            return false;
        }
        true
    }

    pub(super) fn cost(&self) -> usize {
        (self.required.len() + self.optional.len() + self.excluded.len()).div_ceil(4).max(1)
    }
}

/// A phrase of nothing but blanks is the documented way to match everything.
fn occurs(term: &Finder<'static>, text: &[u8]) -> bool {
    term.needle().iter().all(u8::is_ascii_whitespace) || term.find(text).is_some()
}

fn term(scan: &mut Scan<'_>) -> Result<String, PatternError> {
    let word = if scan.eat("\"") {
        scan.quoted().ok_or(PatternError::Unclosed('"'))?
    } else {
        let word = scan.take_while(|c| !c.is_whitespace());
        if word.is_empty() || !word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(PatternError::Term(word.to_owned()));
        }
        word.to_owned()
    };
    match scan.peek() {
        Some(c) if !c.is_whitespace() => Err(PatternError::Term(format!("{word}{c}"))),
        _ => Ok(word),
    }
}
