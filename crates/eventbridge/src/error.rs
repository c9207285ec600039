//! What EventBridge refuses, in its words.

use cauce_core::ServiceError;
use cauce_store::StoreError;

/// An error of EventBridge. AWS: EventBridge API Reference, the errors of each action.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `ResourceNotFoundException`: no such bus.
    #[error("Event bus {0} does not exist.")]
    NoBus(String),
    /// `ResourceNotFoundException`: no such rule.
    #[error("Rule {rule} does not exist on EventBus {bus}.")]
    NoRule {
        /// The rule's name.
        rule: String,
        /// The bus's name.
        bus: String,
    },
    /// `ResourceAlreadyExistsException`.
    #[error("Event bus {0} already exists.")]
    BusExists(String),
    /// `InvalidEventPatternException`, with the reason.
    #[error("{0}")]
    Pattern(String),
    /// `ValidationException` with AWS's message.
    #[error("{0}")]
    Invalid(String),
    /// `LimitExceededException`: a quota of the account.
    #[error("The requested resource exceeds the maximum number allowed.")]
    Limit,
    /// `PolicyLengthExceededException`.
    #[error("The policy of event bus {0} exceeds the maximum length of {POLICY_BYTES_MAX} bytes.")]
    PolicyLength(String),
    /// Any other service error: of the store, of delivery.
    #[error(transparent)]
    Other(#[from] ServiceError),
}

/// The longest resource policy of a bus, in bytes. AWS: EventBridge API Reference, *PutPermission*.
pub const POLICY_BYTES_MAX: usize = 10_240;

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Other(error.into())
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> ServiceError {
        let code = match &error {
            Error::NoBus(_) | Error::NoRule { .. } => "ResourceNotFoundException",
            Error::BusExists(_) => "ResourceAlreadyExistsException",
            Error::Pattern(_) => "InvalidEventPatternException",
            Error::Invalid(_) => "ValidationException",
            Error::Limit => "LimitExceededException",
            Error::PolicyLength(_) => "PolicyLengthExceededException",
            Error::Other(other) => return other.clone(),
        };
        ServiceError::new(400, code, error.to_string())
    }
}
