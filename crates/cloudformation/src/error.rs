//! What the operations answer when they cannot do what is asked. AWS: *CloudFormation API Reference*, "Common errors".

use cauce_core::ServiceError;
use cauce_store::StoreError;

use crate::template::TemplateError;

/// Why an operation is refused; a variant is an error code of the service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `ValidationError`: the template, a parameter or the state of the stack does not allow it.
    #[error("{0}")]
    Validation(String),
    /// `AlreadyExistsException`.
    #[error("{0}")]
    AlreadyExists(String),
    /// `InsufficientCapabilitiesException`.
    #[error("Requires capabilities : [{0}]")]
    InsufficientCapabilities(String),
    /// `ChangeSetNotFound`.
    #[error("ChangeSet [{0}] does not exist")]
    ChangeSetNotFound(String),
    /// `InvalidChangeSetStatus`.
    #[error("{0}")]
    InvalidChangeSetStatus(String),
    /// `LimitExceededException`.
    #[error("{0}")]
    LimitExceeded(String),
    /// `TokenAlreadyExistsException`.
    #[error("A client request token already exists: {0}")]
    TokenAlreadyExists(String),
    /// Another service refused.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// A `ValidationError`.
    pub fn validation(message: impl Into<String>) -> Error {
        Error::Validation(message.into())
    }
}

impl From<TemplateError> for Error {
    fn from(error: TemplateError) -> Error {
        Error::Validation(error.0)
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> ServiceError {
        let message = error.to_string();
        match error {
            Error::Validation(_) => ServiceError::new(400, "ValidationError", message),
            Error::AlreadyExists(_) => ServiceError::new(400, "AlreadyExistsException", message),
            Error::InsufficientCapabilities(_) => ServiceError::new(400, "InsufficientCapabilitiesException", message),
            Error::ChangeSetNotFound(_) => ServiceError::new(404, "ChangeSetNotFound", message),
            Error::InvalidChangeSetStatus(_) => ServiceError::new(400, "InvalidChangeSetStatus", message),
            Error::LimitExceeded(_) => ServiceError::new(400, "LimitExceededException", message),
            Error::TokenAlreadyExists(_) => ServiceError::new(400, "TokenAlreadyExistsException", message),
            Error::Service(error) => error,
            Error::Store(cause) => ServiceError::internal(cause),
        }
    }
}
