//! What pipes refuse, in their words.

use cauce_core::ServiceError;
use cauce_store::{RecordError, StoreError};
use serde_json::json;

/// An error of EventBridge Pipes. AWS: EventBridge Pipes API Reference, the errors of each action.
#[derive(Debug, thiserror::Error)]
pub enum PipesError {
    /// 404 `NotFoundException`.
    #[error("Pipe {0} does not exist.")]
    NotFound(String),
    /// 409 `ConflictException`: the name is taken, or the pipe is being deleted.
    #[error("Pipe {0} already exists.")]
    Conflict(String),
    /// 402 `ServiceQuotaExceededException`.
    #[error("The {what} quota of {limit} has been exceeded.")]
    Quota {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// 400 `ValidationException` about one member.
    #[error("{{\"ValidationErrorFields\":[{{\"Name\":\"{name}\",\"Message\":\"{message}\"}}]}}")]
    Field {
        /// The member, as the API names it.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// 400 `ValidationException`.
    #[error("{0}")]
    Invalid(String),
    /// Any other service error.
    #[error(transparent)]
    Other(#[from] ServiceError),
}

impl PipesError {
    /// What is wrong with a member.
    pub(crate) fn field(name: impl Into<String>, message: impl Into<String>) -> PipesError {
        PipesError::Field { name: name.into(), message: message.into() }
    }
}

impl From<StoreError> for PipesError {
    fn from(error: StoreError) -> PipesError {
        PipesError::Other(error.into())
    }
}

impl From<RecordError> for PipesError {
    fn from(error: RecordError) -> PipesError {
        PipesError::Other(ServiceError::internal(error))
    }
}

impl From<PipesError> for ServiceError {
    fn from(error: PipesError) -> ServiceError {
        let message = error.to_string();
        match error {
            PipesError::NotFound(_) => ServiceError::new(404, "NotFoundException", message),
            PipesError::Conflict(name) => ServiceError::new(409, "ConflictException", message)
                .with_field("resourceId", name)
                .with_field("resourceType", "Pipe"),
            PipesError::Quota { what, .. } => ServiceError::new(402, "ServiceQuotaExceededException", message)
                .with_field("resourceId", what)
                .with_field("resourceType", "Pipe")
                .with_field("serviceCode", "pipes")
                .with_field("quotaCode", what),
            PipesError::Field { name, message: own } => {
                ServiceError::validation(message).with_field("fieldList", json!([{ "name": name, "message": own }]))
            }
            PipesError::Invalid(_) => ServiceError::validation(message),
            PipesError::Other(other) => other,
        }
    }
}
