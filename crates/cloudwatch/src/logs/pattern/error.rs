//! Why a text is no filter pattern.

/// Why a text is no filter pattern. CloudWatch Logs itself says no more than `Invalid filter pattern`; this says what to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Longer than 1,024 characters.
    #[error("a filter pattern has at most {limit} characters, this one has {chars}")]
    TooLong {
        /// The limit.
        limit: usize,
        /// The length found, in characters.
        chars: usize,
    },
    /// A term with characters that need double quotes.
    #[error("the term {0:?} holds characters that must stand in double quotes")]
    Term(String),
    /// A `"` or `%` that is opened and not closed.
    #[error("{0} is opened and never closed")]
    Unclosed(char),
    /// Something else was expected here.
    #[error("expected {expected}, found {}", found.as_deref().unwrap_or("the end of the pattern"))]
    Expected {
        /// What should have come.
        expected: &'static str,
        /// What came.
        found: Option<String>,
    },
    /// Parentheses within parentheses, too often.
    #[error("parentheses are nested deeper than {0}")]
    TooDeep(usize),
    /// More of something than one pattern may hold.
    #[error("a pattern holds at most {limit} {what}")]
    TooMany {
        /// The limit.
        limit: usize,
        /// What there is too much of.
        what: &'static str,
    },
    /// `<`, `<=`, `>` or `>=` with something that is no number.
    #[error("{0:?} is not a number, and only numbers have an order")]
    NotANumber(String),
    /// Conditions of one field name different fields.
    #[error("the conditions of field {field:?} also name {other:?}")]
    FieldNames {
        /// The field's name.
        field: String,
        /// The other name.
        other: String,
    },
    /// The text between two `%` is outside what the service supports.
    #[error("regular expression: {0}")]
    Regex(String),
}
