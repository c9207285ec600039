//! Which messages or records are wanted.
//!
//! AWS: Lambda Developer Guide, *Control which events Lambda sends to your function*; EventBridge User Guide, *Event filtering
//! in Amazon EventBridge Pipes*: a message that fits any of the filters is sent, any other is deleted from its queue; a record
//! of a stream that fits none is passed by.

use cauce_event_pattern::Pattern;

/// The most filters of a consumer. AWS: the same pages; by default five.
pub const FILTERS_MAX: usize = 5;

/// What is wrong with filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// There are more than [`FILTERS_MAX`].
    #[error("the number of filters ({0}) exceeds the limit of {FILTERS_MAX}")]
    TooMany(usize),
    /// One is no event pattern.
    #[error("invalid filter pattern")]
    Invalid,
}

/// The filters of one consumer; none lets everything through.
pub struct Filters(Vec<Pattern>);

impl Filters {
    /// The filters that are written as these event patterns.
    ///
    /// # Errors
    /// [`FilterError`].
    pub fn parse(patterns: &[String]) -> Result<Filters, FilterError> {
        if patterns.len() > FILTERS_MAX {
            return Err(FilterError::TooMany(patterns.len()));
        }
        let parse = |pattern: &String| Pattern::parse(pattern).map_err(|_| FilterError::Invalid);
        patterns.iter().map(parse).collect::<Result<_, _>>().map(Filters)
    }

    /// Whether everything is let through.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an entry, as filters see it, is wanted.
    pub(crate) fn fits(&self, seen: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches_trusted(seen.as_bytes()).unwrap_or(false))
    }
}
