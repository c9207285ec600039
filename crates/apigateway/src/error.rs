//! What goes wrong, as API Gateway names it.
//!
//! AWS: API Gateway API Reference (V1), "Common errors".

use cauce_core::ServiceError;
use cauce_store::{KeyError, StoreError};

/// A refusal of one of API Gateway's operations.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 400 `BadRequestException`.
    #[error("{0}")]
    BadRequest(String),
    /// 404 `NotFoundException`.
    #[error("{0}")]
    NotFound(String),
    /// 409 `ConflictException`.
    #[error("{0}")]
    Conflict(String),
    /// 429 `LimitExceededException`.
    #[error("{0}")]
    LimitExceeded(String),
    /// Another service's refusal, passed on.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    pub(crate) fn bad(message: impl Into<String>) -> Error {
        Error::BadRequest(message.into())
    }

    pub(crate) fn missing(message: impl Into<String>) -> Error {
        Error::NotFound(message.into())
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Error {
        Error::Conflict(message.into())
    }

    /// Something is not served here at all; told as a bad request, by name.
    pub(crate) fn unsupported(what: &str) -> Error {
        Error::BadRequest(format!("{what} is not supported by this server"))
    }

    /// A quota is used up.
    pub(crate) fn limit(what: &str, max: usize) -> Error {
        Error::LimitExceeded(format!("Maximum number of {what} for this account has been reached: the limit is {max}."))
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Error {
        Error::Service(ServiceError::internal(error))
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> ServiceError {
        let message = error.to_string();
        match error {
            Error::BadRequest(_) => ServiceError::new(400, "BadRequestException", message),
            Error::NotFound(_) => ServiceError::new(404, "NotFoundException", message),
            Error::Conflict(_) => ServiceError::new(409, "ConflictException", message),
            Error::LimitExceeded(_) => ServiceError::new(429, "LimitExceededException", message),
            Error::Service(error) => error,
            Error::Store(cause) => ServiceError::internal(cause),
        }
    }
}
