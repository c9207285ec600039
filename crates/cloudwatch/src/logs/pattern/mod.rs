//! Filter patterns: which log events are meant.
//!
//! AWS: CloudWatch Logs User Guide, *Filter pattern syntax for metric filters, subscription filters, filter log events, and Live
//! Tail*. Four forms: words and phrases, a regular expression between percent signs, a condition on JSON in braces, fields in
//! brackets. Where the guide is silent, this decides:
//!
//! - `*` is a wildcard at the beginning and at the end of a value; elsewhere it is an asterisk.
//! - A comparison with a value that is missing, null, an array or an object does not hold, `!=` included.
//! - An unquoted number compares with JSON numbers as a number and with JSON strings as text; a quoted one only as text.
//! - Booleans compare by their names, `true` and `false`.
//! - `IS NOT` and `EXISTS` are refused, as documented.
//!
//! # Limits
//! [`PATTERN_CHARS_MAX`] characters; 2 regular expressions; 3 wildcard selectors, 1 in each selector; 32 parentheses deep. Matching
//! takes at most [`Pattern::cost`] steps a byte, whatever the event.

mod error;
mod expr;
mod fields;
mod json;
mod note;
#[cfg(test)]
mod properties;
mod regex;
mod scan;
mod terms;
#[cfg(test)]
mod tests;
mod value;

pub use error::PatternError;
use fields::FieldsPattern;
use json::JsonPattern;
use note::{Note, Reasons, Silent};
use regex::LimitedRegex;
use scan::Scan;
use terms::Terms;
use value::Budget;

/// The longest pattern, in characters.
pub const PATTERN_CHARS_MAX: usize = 1_024;
/// Regular expressions in one pattern.
const REGEXES_MAX: usize = 2;

/// A compiled filter pattern.
///
/// ```
/// use cauce_cloudwatch::logs::Pattern;
/// let pattern = Pattern::compile("{ $.level = \"ERR*\" && $.ms > 100 }")?;
/// assert!(pattern.matches(r#"{"level": "ERROR", "ms": 250}"#));
/// let why = pattern.explain(r#"{"level": "ERROR", "ms": 25}"#);
/// assert_eq!(why.reasons, ["$.ms > 100: the value is 25"]);
/// # Ok::<(), cauce_cloudwatch::logs::PatternError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pattern(Form);

#[derive(Clone, Debug)]
enum Form {
    Terms(Terms),
    Regex(LimitedRegex),
    Json(JsonPattern),
    Fields(FieldsPattern),
}

/// What a pattern says of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whether it matches.
    pub matches: bool,
    /// Each condition that did not hold, at most 16, in the order tried; a pattern with `||` may match in spite of some.
    pub reasons: Vec<String>,
}

impl Pattern {
    /// Compiles a pattern; an empty one matches everything.
    ///
    /// # Errors
    /// [`PatternError`], where CloudWatch Logs answers `InvalidParameterException: Invalid filter pattern`.
    pub fn compile(text: &str) -> Result<Pattern, PatternError> {
        let chars = text.chars().count();
        if chars > PATTERN_CHARS_MAX {
            return Err(PatternError::TooLong { limit: PATTERN_CHARS_MAX, chars });
        }
        let text = text.trim();
        let mut scan = Scan::new(text);
        let mut regexes = Budget::new(REGEXES_MAX, "regular expressions");
        let form = if scan.eat("{") {
            Form::Json(JsonPattern::parse(&mut scan, &mut regexes)?)
        } else if scan.eat("[") {
            Form::Fields(FieldsPattern::parse(&mut scan, &mut regexes)?)
        } else if scan.eat("%") {
            let body = scan.percent().ok_or(PatternError::Unclosed('%'))?;
            Form::Regex(LimitedRegex::new(body)?)
        } else {
            return Terms::parse(text).map(Form::Terms).map(Pattern);
        };
        if scan.done() { Ok(Pattern(form)) } else { Err(expr::found("the end", &scan)) }
    }

    /// Whether an event's message matches.
    pub fn matches(&self, message: &str) -> bool {
        self.decide(message, &mut Silent)
    }

    /// Whether an event's message matches, and why not.
    pub fn explain(&self, message: &str) -> Explanation {
        let mut reasons = Reasons::default();
        let matches = self.decide(message, &mut reasons);
        Explanation { matches, reasons: reasons.0 }
    }

    /// Roughly how many steps a byte of an event may take: what bounds the work of one request.
    pub fn cost(&self) -> usize {
        match &self.0 {
            Form::Terms(terms) => terms.cost(),
            Form::Regex(regex) => regex.cost(),
            Form::Json(json) => json.cost(),
            Form::Fields(fields) => fields.cost(),
        }
    }

    fn decide(&self, message: &str, note: &mut impl Note) -> bool {
        match &self.0 {
            Form::Terms(terms) => terms.matches(message, note),
            Form::Json(json) => json.matches(message, note),
            Form::Fields(fields) => fields.matches(message, note),
            Form::Regex(regex) => {
                let matches = regex.is_match(message);
                if !matches {
                    note.note(|| "the regular expression matches nowhere".to_owned());
                }
                matches
            }
        }
    }
}
