//! What is refused in a statement, in AWS's words. Everything here is a `ValidationException`.

use std::fmt;

use crate::error::Error;
use crate::expression::Reason;

/// Where something stands in a statement, counted in characters from 1.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) length: usize,
}

impl PartialEq for Place {
    /// Where a thing stands does not make it another thing.
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.line, self.column, self.length)
    }
}

/// Why a statement is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) String);

impl Refusal {
    /// A statement that cannot be read.
    pub(crate) fn malformed(detail: &str) -> Refusal {
        Refusal(format!("Statement wasn't well formed, can't be processed: {detail}"))
    }

    pub(crate) fn of(message: impl Into<String>) -> Refusal {
        Refusal(message.into())
    }

    /// A message that ends with the place.
    pub(crate) fn at(message: impl fmt::Display, place: Place) -> Refusal {
        Refusal(format!("{message} at {place}"))
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Invalid(refusal.0)
    }
}

impl From<Reason> for Refusal {
    /// As expressions say it, without the name of an expression.
    fn from(reason: Reason) -> Refusal {
        Refusal(reason.to_string())
    }
}
