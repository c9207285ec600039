//! Invoking a function and waiting for its answer: asked of `lambda`.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Arn, Call, ServiceError};

/// One synchronous invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The function, with a version or alias if one is meant.
    pub function: Arn,
    /// JSON, at most 6 MiB.
    pub payload: Bytes,
    /// Whether the end of the log is wanted, for which the answer then waits.
    pub log_tail: bool,
}

/// How a function failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionError {
    /// The handler reported an error.
    Handled,
    /// It crashed, timed out or could not start.
    Unhandled,
}

/// What a function answered.
#[derive(Clone, Debug)]
pub struct InvocationOutcome {
    /// The answer, or the error document if `error` is set.
    pub payload: Bytes,
    /// Whether it failed.
    pub error: Option<FunctionError>,
    /// The version that ran.
    pub executed_version: String,
    /// The last 4 KiB of this invocation's log, if they were wanted.
    pub log_tail: Bytes,
}

/// Runs functions.
#[async_trait]
pub trait Functions: Send + Sync + 'static {
    /// Refuses a caller whom neither its own policies nor the function's let invoke the function. A service that invokes on
    /// somebody's behalf asks as [`crate::Principal::Service`], or as the session of the role it was given.
    ///
    /// # Errors
    /// `ResourceNotFoundException`; 403 `AccessDeniedException`.
    async fn authorize(&self, call: &Call, function: &Arn) -> Result<(), ServiceError>;

    /// Runs the function and waits for its answer. The caller of `call` has been authorized already.
    ///
    /// # Errors
    /// `ResourceNotFoundException`, `TooManyRequestsException` and the like: the function did not run.
    async fn invoke(&self, call: &Call, invocation: Invocation) -> Result<InvocationOutcome, ServiceError>;
}
