//! What goes wrong, as Lambda names it.
//!
//! AWS: Lambda API reference, "Errors" of each operation.

use cauce_core::{Arn, ServiceError};
use cauce_store::{RecordError, StoreError};

use crate::package::PackageError;

/// Which limit an invocation ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// The function's own.
    Reserved,
    /// The account's, which is the server's.
    Account,
    /// The server is shutting down.
    Closing,
}

/// A refusal of one of Lambda's operations.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 404 `ResourceNotFoundException`.
    #[error("{0}")]
    NotFound(String),
    /// 409 `ResourceConflictException`.
    #[error("{0}")]
    Conflict(String),
    /// 400 `InvalidParameterValueException`.
    #[error("{0}")]
    InvalidParameter(String),
    /// 400 `InvalidRequestContentException`.
    #[error("{0}")]
    InvalidContent(String),
    /// 413 `RequestTooLargeException`.
    #[error("{0}")]
    TooLarge(String),
    /// 412 `PreconditionFailedException`.
    #[error("{0}")]
    Precondition(String),
    /// 400 `PolicyLengthExceededException`.
    #[error("{0}")]
    PolicyLength(String),
    /// 429 `TooManyRequestsException`.
    #[error("Rate Exceeded.")]
    Throttled(Throttle),
    /// The package is refused.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Another service's refusal, passed on.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RecordError> for Error {
    fn from(error: RecordError) -> Error {
        Error::Service(ServiceError::internal(error))
    }
}

impl From<Throttle> for Error {
    fn from(throttle: Throttle) -> Error {
        Error::Throttled(throttle)
    }
}

impl From<Throttle> for ServiceError {
    fn from(throttle: Throttle) -> ServiceError {
        Error::Throttled(throttle).into()
    }
}

impl Error {
    /// There is no such function, version or alias.
    pub(crate) fn no_function(arn: &Arn) -> Error {
        Error::NotFound(format!("Function not found: {arn}"))
    }

    /// The caller has seen an older state.
    pub(crate) fn revision() -> Error {
        let message = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to \
                       retrieve the latest Revision Id";
        Error::Precondition(message.to_owned())
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> ServiceError {
        let message = error.to_string();
        let user =
            |status, code: &'static str| ServiceError::new(status, code, message.clone()).with_field("Type", "User");
        match error {
            Error::NotFound(_) => user(404, "ResourceNotFoundException"),
            Error::Conflict(_) => user(409, "ResourceConflictException"),
            Error::InvalidParameter(_) => user(400, "InvalidParameterValueException"),
            Error::InvalidContent(_) => user(400, "InvalidRequestContentException"),
            Error::TooLarge(_) => user(413, "RequestTooLargeException"),
            Error::Precondition(_) => user(412, "PreconditionFailedException"),
            Error::PolicyLength(_) => user(400, "PolicyLengthExceededException"),
            Error::Throttled(Throttle::Reserved) => user(429, "TooManyRequestsException")
                .with_field("Reason", "ReservedFunctionConcurrentInvocationLimitExceeded"),
            Error::Throttled(Throttle::Account) => {
                user(429, "TooManyRequestsException").with_field("Reason", "ConcurrentInvocationLimitExceeded")
            }
            Error::Throttled(Throttle::Closing) => {
                ServiceError::new(503, "ServiceUnavailableException", "The server is shutting down.")
            }
            Error::Package(PackageError::Io(cause)) => ServiceError::internal(cause),
            Error::Package(_) => user(400, "InvalidParameterValueException"),
            Error::Service(error) => error,
            Error::Store(cause) => ServiceError::internal(cause),
        }
    }
}
