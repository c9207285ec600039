//! Why a pattern or an event was refused.

use std::fmt;

/// Characters of the source that an error message quotes; the rest is counted. Jackson's own bound.
const SOURCE_CHARS_MAX: usize = 500;

/// Where in the pattern text reading stopped: both count from 1, columns in UTF-16 units as AWS prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Location {
    /// The location after the first `offset` bytes of `source`.
    pub(crate) fn after(source: &str, offset: usize) -> Self {
        let mut location = Self { line: 1, column: 1 };
        let mut chars = source.char_indices().take_while(|(at, _)| *at < offset).map(|(_, c)| c).peekable();
        while let Some(c) = chars.next() {
            if c == '\n' || (c == '\r' && chars.peek() != Some(&'\n')) {
                location = Self { line: location.line + 1, column: 1 };
            } else {
                location.column += c.len_utf16();
            }
        }
        location
    }
}

/// A pattern that EventBridge would refuse.
///
/// Displays as the message of AWS's `InvalidEventPatternException`:
///
/// ```
/// let refused = cauce_event_pattern::Pattern::parse("[1]").unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "Event pattern is not valid. Reason: Filter is not an object\n at [Source: (String)\"[1]\"; line: 1, column: 2]"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    reason: String,
    location: Option<Location>,
    /// The reason with the places as AWS appends them.
    detail: String,
}

impl PatternError {
    /// A refusal that AWS prints without a place.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { detail: reason.clone(), reason, location: None }
    }

    /// A refusal after `offset` bytes of `source`.
    pub(crate) fn at(source: &str, offset: usize, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let location = Location::after(source, offset);
        let detail = format!("{reason}{}", place(source, location));
        Self { reason, location: Some(location), detail }
    }

    /// The same refusal with its place printed once more: AWS does so for values in a list of `anything-but`, because it wraps the
    /// message of one exception, which has the place already, in another.
    pub(crate) fn place_again(mut self, source: &str) -> Self {
        if let Some(location) = self.location {
            self.detail.push_str(&place(source, location));
        }
        self
    }

    /// What is wrong, without prefix and place, such as `Filter is not an object`.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Where it is wrong, if AWS says so for this error.
    #[must_use]
    pub fn location(&self) -> Option<Location> {
        self.location
    }
}

/// `[Source: (String)"..."; line: 1, column: 2]` as Jackson prints it.
pub(crate) fn source_text(source: &str, location: Location) -> String {
    let shown: String = source.chars().take(SOURCE_CHARS_MAX).collect();
    let rest = source.chars().count().saturating_sub(SOURCE_CHARS_MAX);
    let truncated = if rest > 0 { format!("[truncated {rest} chars]") } else { String::new() };
    format!("[Source: (String)\"{shown}\"{truncated}; line: {}, column: {}]", location.line, location.column)
}

fn place(source: &str, location: Location) -> String {
    format!("\n at {}", source_text(source, location))
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event pattern is not valid. Reason: {}", self.detail)
    }
}

impl std::error::Error for PatternError {}

/// An event that cannot be matched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The bytes are no JSON text.
    #[error("event is not valid JSON at byte {offset}: {expected}")]
    NotJson {
        /// Bytes before the fault.
        offset: usize,
        /// What should have been there.
        expected: &'static str,
    },
    /// The JSON text is a list, string, number or literal.
    #[error("event is not a JSON object")]
    NotObject,
    /// Objects and arrays nested too deep.
    #[error("event is nested deeper than {depth_max} levels")]
    TooDeep {
        /// The limit.
        depth_max: u32,
    },
    /// More bytes than offsets can count.
    #[error("event of {bytes} bytes is larger than {bytes_max} bytes")]
    TooLarge {
        /// Size of the event.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Arrays of the event made matching too expensive.
    #[error("event needs more than {steps_max} steps to match its arrays")]
    TooManySteps {
        /// The limit.
        steps_max: u32,
    },
}
