//! Which messages or records a function is invoked with.
//!
//! AWS: Lambda Developer Guide, *Control which events Lambda sends to your function*: a message that fits any of the filters is
//! sent, any other is deleted from its queue; a record of a stream that fits none is passed by.

use cauce_event_pattern::Pattern;

use crate::error::Error;

/// The most filters of a mapping. AWS: the same page; by default five.
pub(super) const FILTERS_MAX: usize = 5;

/// The filters of one mapping; none lets everything through.
pub(crate) struct Filters(Vec<Pattern>);

impl Filters {
    /// # Errors
    /// `InvalidParameterValueException` for what is no pattern.
    pub(crate) fn parse(patterns: &[String]) -> Result<Filters, Error> {
        if patterns.len() > FILTERS_MAX {
            return Err(Error::InvalidParameter(format!(
                "The number of filters ({}) exceeds the limit of {FILTERS_MAX}.",
                patterns.len()
            )));
        }
        let parse = |pattern: &String| {
            Pattern::parse(pattern)
                .map_err(|_| Error::InvalidParameter("Invalid filter pattern definition.".to_owned()))
        };
        patterns.iter().map(parse).collect::<Result<_, _>>().map(Filters)
    }

    /// Whether a record, as filters see it, is one for the function.
    pub(crate) fn fits(&self, seen: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches_trusted(seen.as_bytes()).unwrap_or(false))
    }
}
