//! What can go wrong, as CloudWatch Logs words it.

use cauce_core::ServiceError;
use cauce_store::StoreError;

/// An error of CloudWatch Logs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogsError {
    /// There is no such log group.
    #[error("The specified log group does not exist.")]
    GroupNotFound,
    /// There is no such log stream.
    #[error("The specified log stream does not exist.")]
    StreamNotFound,
    /// There is such a log group already.
    #[error("The specified log group already exists")]
    GroupExists,
    /// There is such a log stream already.
    #[error("The specified log stream already exists")]
    StreamExists,
    /// A parameter, or a combination of parameters, is not allowed.
    #[error("{0}")]
    Invalid(String),
    /// A protected log group cannot be deleted.
    #[error("{0}")]
    Protected(String),
    /// More tags than a resource may have.
    #[error("{message}")]
    TooManyTags {
        /// The whole text.
        message: String,
        /// The resource's name.
        resource: String,
    },
    /// The store cannot answer.
    #[error("the store refused")]
    Store(#[from] StoreError),
}

impl LogsError {
    pub(crate) fn invalid(message: impl Into<String>) -> LogsError {
        LogsError::Invalid(message.into())
    }

    /// The token is not one that this operation has given out.
    pub(crate) fn token() -> LogsError {
        LogsError::invalid("The specified nextToken is invalid.")
    }
}

/// A row that does not read as it must.
pub(crate) fn corrupt(key: &bytes::Bytes, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt { key: key.clone(), reason: reason.to_string() }
}

impl From<LogsError> for ServiceError {
    fn from(error: LogsError) -> ServiceError {
        let message = error.to_string();
        match error {
            LogsError::GroupNotFound | LogsError::StreamNotFound => {
                ServiceError::new(400, "ResourceNotFoundException", message)
            }
            LogsError::GroupExists | LogsError::StreamExists => {
                ServiceError::new(400, "ResourceAlreadyExistsException", message)
            }
            LogsError::Invalid(_) => ServiceError::new(400, "InvalidParameterException", message),
            LogsError::Protected(_) => ServiceError::new(400, "ValidationException", message),
            LogsError::TooManyTags { resource, .. } => {
                ServiceError::new(400, "TooManyTagsException", message).with_field("resourceName", resource)
            }
            LogsError::Store(
                cause @ (StoreError::Unavailable(_) | StoreError::Conflict { .. } | StoreError::Fenced),
            ) => {
                let message = "The service cannot complete the request.";
                ServiceError::new(500, "ServiceUnavailableException", message).with_cause(cause)
            }
            LogsError::Store(cause) => ServiceError::internal(cause),
        }
    }
}
