//! What SNS refuses, in its words.

use cauce_core::ServiceError;
use cauce_store::StoreError;

/// An error of SNS. AWS: SNS API Reference, the errors of each action.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `InvalidParameter`, with what follows the colon.
    #[error("Invalid parameter: {0}")]
    Invalid(String),
    /// `ParameterValueInvalid`: of a message attribute.
    #[error("{0}")]
    Value(String),
    /// `NotFound`, with the message.
    #[error("{0}")]
    NotFound(&'static str),
    /// `ResourceNotFound`: what tags are asked of is not there.
    #[error("Resource does not exist")]
    NoResource,
    /// `AuthorizationError`.
    #[error("{0}")]
    Unauthorized(String),
    /// `TopicLimitExceeded`.
    #[error("Topic limit exceeded: an account has at most {max} topics in a region")]
    Topics {
        /// How many there may be.
        max: i64,
    },
    /// `SubscriptionLimitExceeded`.
    #[error("Subscription limit exceeded: this topic has at most {max} subscriptions")]
    Subscriptions {
        /// How many there may be.
        max: i64,
    },
    /// `FilterPolicyLimitExceeded`.
    #[error("Filter policy limit exceeded: a topic has at most {max} filter policies")]
    FilterPolicies {
        /// How many there may be.
        max: i64,
    },
    /// `TagLimitExceeded`.
    #[error("Could not complete request: tag quota of per resource exceeded")]
    Tags,
    /// `EmptyBatchRequest`.
    #[error("The batch request doesn't contain any entries.")]
    EmptyBatch,
    /// `TooManyEntriesInBatchRequest`.
    #[error("The batch request contains more entries than permissible.")]
    BatchEntries,
    /// `BatchEntryIdsNotDistinct`.
    #[error("Two or more batch entries in the request have the same Id.")]
    BatchIds,
    /// `InvalidBatchEntryId`.
    #[error("The Id of a batch entry in a batch request doesn't abide by the specification.")]
    BatchId,
    /// `BatchRequestTooLong`.
    #[error("The length of all the messages put together is more than the limit.")]
    BatchLength,
    /// Any other service error: of the store, of delivery.
    #[error(transparent)]
    Other(#[from] ServiceError),
}

/// The message of a topic that is not there.
pub(crate) const NO_TOPIC: Error = Error::NotFound("Topic does not exist");

/// The message of a subscription that is not there.
pub(crate) const NO_SUBSCRIPTION: Error = Error::NotFound("Subscription does not exist");

impl Error {
    pub(crate) fn invalid(what: impl Into<String>) -> Error {
        Error::Invalid(what.into())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Other(error.into())
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> ServiceError {
        let (status, code) = match &error {
            Error::Invalid(_) => (400, "InvalidParameter"),
            Error::Value(_) => (400, "ParameterValueInvalid"),
            Error::NotFound(_) => (404, "NotFound"),
            Error::NoResource => (404, "ResourceNotFound"),
            Error::Unauthorized(_) => (403, "AuthorizationError"),
            Error::Topics { .. } => (403, "TopicLimitExceeded"),
            Error::Subscriptions { .. } => (403, "SubscriptionLimitExceeded"),
            Error::FilterPolicies { .. } => (403, "FilterPolicyLimitExceeded"),
            Error::Tags => (400, "TagLimitExceeded"),
            Error::EmptyBatch => (400, "EmptyBatchRequest"),
            Error::BatchEntries => (400, "TooManyEntriesInBatchRequest"),
            Error::BatchIds => (400, "BatchEntryIdsNotDistinct"),
            Error::BatchId => (400, "InvalidBatchEntryId"),
            Error::BatchLength => (400, "BatchRequestTooLong"),
            Error::Other(other) => return other.clone(),
        };
        ServiceError::new(status, code, error.to_string())
    }
}
