//! What DynamoDB refuses, in its words.

use cauce_core::{ServiceError, Timestamp};
use cauce_store::StoreError;
use serde_json::{Value, json};

use crate::value::{GivenError, Item};

/// An error of DynamoDB. AWS: DynamoDB Developer Guide, *Error handling with DynamoDB*.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `ResourceNotFoundException`: an item operation on a table that is not there.
    #[error("Requested resource not found")]
    NoTable,
    /// `ResourceNotFoundException`, with what was looked for.
    #[error("Requested resource not found: {0} not found")]
    NotFound(String),
    /// `ResourceInUseException`.
    #[error("{0}")]
    InUse(String),
    /// `LimitExceededException`: a quota of the account.
    #[error("{0}")]
    Limit(String),
    /// `ValidationException` with AWS's message.
    #[error("{0}")]
    Invalid(String),
    /// The same where it concerns the request as a whole: no reason of an action, if it is a transaction.
    #[error("{0}")]
    Whole(String),
    /// `ConditionalCheckFailedException`.
    #[error("The conditional request failed")]
    ConditionFailed {
        /// The item, if the request wants it.
        item: Option<Item>,
        /// How large it is, in bytes: the attempt is paid for by that.
        bytes: usize,
    },
    /// `DuplicateItemException`: PartiQL inserts no item in place of another.
    #[error("Duplicate primary key exists in table")]
    Duplicate,
    /// `TransactionCanceledException`, with a reason for each action.
    #[error(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        .0.iter().map(|reason| reason.code).collect::<Vec<_>>().join(", ")
    )]
    Canceled(Vec<CancellationReason>),
    /// `TransactionConflictException`: others wrote the item again and again before this request could.
    #[error("Transaction is ongoing for the item")]
    Conflict,
    /// `IdempotentParameterMismatchException`.
    #[error(
        "DynamoDB rejected the request because you retried a request with a different payload but with an idempotent \
         token that was already used."
    )]
    TokenReused,
    /// `ExpiredIteratorException`.
    #[error(
        "Iterator expired. The iterator was created at time {given} while right now it is {now} which is further in the future \
         than the tolerated delay of {} milliseconds.",
        crate::stream::ITERATOR_LASTS.as_millis()
    )]
    ExpiredIterator {
        /// When it was given out.
        given: Timestamp,
        /// When it was used.
        now: Timestamp,
    },
    /// `TrimmedDataAccessException`.
    #[error("The data you are trying to access has been trimmed.")]
    Trimmed,
    /// `PolicyNotFoundException`: no policy, or none of the expected revision.
    #[error("Resource-based policy not found for the provided ResourceArn")]
    NoPolicy,
    /// `GlobalTableNotFoundException`.
    #[error("Global table not found: Global table with name: '{0}' does not exist.")]
    NoGlobalTable(String),
    /// `TableNotFoundException`: as operations on backups say it.
    #[error("Table not found: {0}")]
    NoSuchTable(String),
    /// `TableAlreadyExistsException`.
    #[error("Table already exists: {0}")]
    TableExists(String),
    /// `BackupNotFoundException`.
    #[error("Backup not found: {0}")]
    NoBackup(String),
    /// `BackupInUseException`.
    #[error("Backup is being made or restored: {0}")]
    BackupInUse(String),
    /// `PointInTimeRecoveryUnavailableException`.
    #[error("Point in time recovery is not enabled for table '{0}'")]
    NoRecovery(String),
    /// `ExportNotFoundException`.
    #[error("Export not found: {0}")]
    NoExport(String),
    /// `InvalidExportTimeException`.
    #[error("ExportTime must lie between EarliestRestorableDateTime and LatestRestorableDateTime")]
    ExportTime,
    /// `ExportConflictException`.
    #[error("An export with this client token and other parameters was requested less than 8 hours ago")]
    ExportConflict,
    /// `ImportNotFoundException`.
    #[error("Import not found: {0}")]
    NoImport(String),
    /// `ImportConflictException`.
    #[error("An import with this client token and other parameters was requested less than 8 hours ago")]
    ImportConflict,
    /// `InvalidRestoreTimeException`.
    #[error("RestoreDateTime must lie between EarliestRestorableDateTime and LatestRestorableDateTime")]
    RestoreTime,
    /// Any other service error: of the store, of policies.
    #[error(transparent)]
    Other(#[from] ServiceError),
}

/// Why one action of a transaction did not happen. AWS: API Reference, *CancellationReason*.
#[derive(Clone, Debug, PartialEq)]
pub struct CancellationReason {
    /// `None` for an action that was not the cause.
    pub code: &'static str,
    /// The cause in words.
    pub message: Option<String>,
    /// The item, if the action wants it when its condition fails.
    pub item: Option<Item>,
}

impl CancellationReason {
    /// For an action that was not the cause.
    pub const NONE: CancellationReason = CancellationReason { code: "None", message: None, item: None };

    fn json(&self) -> Value {
        let mut json = json!({ "Code": self.code });
        if let Some(object) = json.as_object_mut() {
            object.extend(self.message.clone().map(|message| ("Message".to_owned(), message.into())));
            object.extend(self.item.as_ref().map(|item| ("Item".to_owned(), json!(item))));
        }
        json
    }
}

/// What most messages about parameters begin with.
const INVALID_VALUES: &str = "One or more parameter values were invalid: ";

impl Error {
    /// A `ValidationException` that begins as most do.
    pub(crate) fn values(message: impl AsRef<str>) -> Error {
        Error::Invalid(format!("{INVALID_VALUES}{}", message.as_ref()))
    }

    /// A `ValidationException`.
    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::Invalid(message.into())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        match error {
            StoreError::Conflict { .. } => Error::Conflict,
            StoreError::TooLarge { limit, value, what } => Error::Invalid(format!(
                "The request with the index entries it makes is too large for one commit: {value} {what}, at most {limit}"
            )),
            other => Error::Other(other.into()),
        }
    }
}

impl From<GivenError> for Error {
    fn from(error: GivenError) -> Error {
        Error::Invalid(error.to_string())
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> ServiceError {
        let code = match &error {
            Error::NoTable | Error::NotFound(_) => "ResourceNotFoundException",
            Error::InUse(_) => "ResourceInUseException",
            Error::Limit(_) => "LimitExceededException",
            Error::Invalid(_) | Error::Whole(_) => "ValidationException",
            Error::ConditionFailed { .. } => "ConditionalCheckFailedException",
            Error::Duplicate => "DuplicateItemException",
            Error::NoPolicy => "PolicyNotFoundException",
            Error::NoGlobalTable(_) => "GlobalTableNotFoundException",
            Error::NoSuchTable(_) => "TableNotFoundException",
            Error::TableExists(_) => "TableAlreadyExistsException",
            Error::NoBackup(_) => "BackupNotFoundException",
            Error::BackupInUse(_) => "BackupInUseException",
            Error::NoRecovery(_) => "PointInTimeRecoveryUnavailableException",
            Error::NoExport(_) => "ExportNotFoundException",
            Error::ExportTime => "InvalidExportTimeException",
            Error::ExportConflict => "ExportConflictException",
            Error::NoImport(_) => "ImportNotFoundException",
            Error::ImportConflict => "ImportConflictException",
            Error::RestoreTime => "InvalidRestoreTimeException",
            Error::Canceled(_) => "TransactionCanceledException",
            Error::Conflict => "TransactionConflictException",
            Error::TokenReused => "IdempotentParameterMismatchException",
            Error::ExpiredIterator { .. } => "ExpiredIteratorException",
            Error::Trimmed => "TrimmedDataAccessException",
            Error::Other(other) => return other.clone(),
        };
        let answer = ServiceError::new(400, code, error.to_string());
        match error {
            Error::ConditionFailed { item: Some(item), .. } => answer.with_field("Item", json!(item)),
            Error::Canceled(reasons) => {
                let reasons: Vec<Value> = reasons.iter().map(CancellationReason::json).collect();
                answer.with_field("CancellationReasons", reasons)
            }
            _ => answer,
        }
    }
}

impl From<crate::expression::ExpressionError> for Error {
    fn from(error: crate::expression::ExpressionError) -> Error {
        Error::Invalid(error.to_string())
    }
}

impl From<crate::expression::KeyReason> for Error {
    fn from(error: crate::expression::KeyReason) -> Error {
        Error::from(crate::expression::ExpressionError::from(error))
    }
}
