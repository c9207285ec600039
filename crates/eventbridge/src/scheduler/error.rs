//! What the scheduler refuses, in its words.

use cauce_core::ServiceError;
use cauce_store::StoreError;

/// An error of EventBridge Scheduler. AWS: EventBridge Scheduler API Reference, the errors of each action.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// 404 `ResourceNotFoundException`: no such schedule.
    #[error("Schedule {0} does not exist.")]
    NoSchedule(String),
    /// 404 `ResourceNotFoundException`: no such group.
    #[error("Schedule group {0} does not exist.")]
    NoGroup(String),
    /// 409 `ConflictException`.
    #[error("Schedule {0} already exists.")]
    ScheduleExists(String),
    /// 409 `ConflictException`.
    #[error("Schedule group {0} already exists.")]
    GroupExists(String),
    /// 402 `ServiceQuotaExceededException`.
    #[error("The {what} quota of {limit} has been exceeded.")]
    Quota {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// 400 `ValidationException` with AWS's message.
    #[error("{0}")]
    Invalid(String),
    /// Any other service error: of the store, of delivery.
    #[error(transparent)]
    Other(#[from] ServiceError),
}

impl From<StoreError> for SchedulerError {
    fn from(error: StoreError) -> SchedulerError {
        SchedulerError::Other(error.into())
    }
}

impl From<SchedulerError> for ServiceError {
    fn from(error: SchedulerError) -> ServiceError {
        let (status, code) = match &error {
            SchedulerError::NoSchedule(_) | SchedulerError::NoGroup(_) => (404, "ResourceNotFoundException"),
            SchedulerError::ScheduleExists(_) | SchedulerError::GroupExists(_) => (409, "ConflictException"),
            SchedulerError::Quota { .. } => (402, "ServiceQuotaExceededException"),
            SchedulerError::Invalid(_) => (400, "ValidationException"),
            SchedulerError::Other(other) => return other.clone(),
        };
        let message = error.to_string();
        // The model of this service spells the member with a capital letter.
        ServiceError::new(status, code, message.clone()).with_field("Message", message)
    }
}
