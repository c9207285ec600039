//! What SQS refuses, in its words.

use cauce_core::ServiceError;
use cauce_store::StoreError;

/// An error of SQS: a code, the code of the query protocol where it differs, and AWS's message.
///
/// AWS: Amazon SQS API Reference, the errors of each action and *Common Error Types*.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// `QueueDoesNotExist`.
    #[error("The specified queue does not exist.")]
    NoQueue,
    /// `QueueNameExists`: it exists with another value of this attribute.
    #[error("A queue already exists with the same name and a different value for attribute {0}")]
    QueueExists(String),
    /// `InvalidParameterValue`, with the whole message.
    #[error("{0}")]
    Value(String),
    /// `MissingParameter`: this one.
    #[error("The request must contain the parameter {0}.")]
    Missing(String),
    /// `InvalidAttributeName`.
    #[error("Unknown Attribute {0}.")]
    AttributeName(String),
    /// `InvalidAttributeValue`, with the attribute.
    #[error("Invalid value for the parameter {0}.")]
    AttributeValue(String),
    /// `InvalidAddress`: this is no URL of a queue.
    #[error("The address {0} is not valid for this endpoint.")]
    Address(String),
    /// `InvalidMessageContents`.
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to \
         #x10FFFF."
    )]
    Contents,
    /// `ReceiptHandleIsInvalid`.
    #[error("The input receipt handle \"{0}\" is not a valid receipt handle.")]
    Receipt(String),
    /// `MessageNotInflight`.
    #[error("The message referred to isn't in flight.")]
    NotInFlight,
    /// `OverLimit`: so many messages are in flight.
    #[error("Too many messages in flight: the limit of {0} is reached")]
    OverLimit(usize),
    /// `EmptyBatchRequest`, with the kind of entry.
    #[error("There should be at least one {0} in the request.")]
    BatchEmpty(&'static str),
    /// `TooManyEntriesInBatchRequest`, with how many there are.
    #[error("Maximum number of entries per request are 10. You have sent {0}.")]
    BatchEntries(usize),
    /// `BatchEntryIdsNotDistinct`, with the repeated id.
    #[error("Id {0} repeated.")]
    BatchIds(String),
    /// `InvalidBatchEntryId`.
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."
    )]
    BatchId,
    /// `BatchRequestTooLong`: so many bytes.
    #[error("Batch requests cannot be longer than {limit} bytes. You have sent {sent} bytes.", limit = crate::MESSAGE_BYTES_MAX)]
    BatchBytes {
        /// How many bytes the batch has.
        sent: usize,
    },
    /// `PurgeQueueInProgress`, with the queue's name.
    #[error("Only one PurgeQueue operation on {0} is allowed every 60 seconds.")]
    PurgeInProgress(String),
    /// `UnsupportedOperation`, with the message.
    #[error("{0}")]
    Unsupported(String),
    /// `ResourceNotFoundException`, with the message.
    #[error("{0}")]
    NotFound(String),
    /// `OverLimit` of permissions, with the message.
    #[error("{0}")]
    Quota(String),
    /// Any other service error: of the store, of policies.
    #[error(transparent)]
    Other(#[from] ServiceError),
}

impl Error {
    /// `InvalidParameterValue` in its usual form.
    pub(crate) fn value(value: impl std::fmt::Display, parameter: &str, reason: &str) -> Error {
        Error::Value(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
    }

    /// Code, code of the query protocol.
    fn codes(&self) -> (&'static str, &'static str) {
        match self {
            Error::NoQueue => ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
            Error::QueueExists(_) => ("QueueNameExists", "QueueAlreadyExists"),
            Error::Value(_) => ("InvalidParameterValueException", "InvalidParameterValue"),
            Error::Missing(_) => ("MissingRequiredParameterException", "MissingParameter"),
            Error::AttributeName(_) => ("InvalidAttributeName", "InvalidAttributeName"),
            Error::AttributeValue(_) => ("InvalidAttributeValue", "InvalidAttributeValue"),
            Error::Address(_) => ("InvalidAddress", "InvalidAddress"),
            Error::Contents => ("InvalidMessageContents", "InvalidMessageContents"),
            Error::Receipt(_) => ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"),
            Error::NotInFlight => ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"),
            Error::OverLimit(_) | Error::Quota(_) => ("OverLimit", "OverLimit"),
            Error::BatchEmpty(_) => ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
            Error::BatchEntries(_) => {
                ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
            }
            Error::BatchIds(_) => ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
            Error::BatchId => ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"),
            Error::BatchBytes { .. } => ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong"),
            Error::PurgeInProgress(_) => ("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress"),
            Error::Unsupported(_) => ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"),
            Error::NotFound(_) => ("ResourceNotFoundException", "ResourceNotFoundException"),
            Error::Other(_) => ("InternalFailure", "InternalFailure"),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Other(error.into())
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> ServiceError {
        if let Error::Other(other) = error {
            return other;
        }
        let (code, query_code) = error.codes();
        let status = if matches!(error, Error::OverLimit(_) | Error::Quota(_)) { 403 } else { 400 };
        ServiceError::new(status, code, error.to_string()).with_query_code(query_code)
    }
}
