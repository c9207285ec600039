//! Errors as AWS shapes them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Whose mistake an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller's (status 4xx).
    Sender,
    /// Ours (status 5xx).
    Receiver,
}

/// What a client is told when an operation fails: a code, a status and a message, plus extra members that some errors
/// declare. The wire form (JSON, XML, headers) is made in `wire` alone.
///
/// A crate has one error enum of its own whose variants are AWS error codes, and turns it into this at its edge.
#[derive(Clone)]
pub struct ServiceError {
    code: Cow<'static, str>,
    query_code: Option<&'static str>,
    status: u16,
    message: String,
    fields: Vec<(&'static str, Value)>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl ServiceError {
    /// An error with the status, code and message that AWS documents.
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> ServiceError {
        ServiceError {
            code: code.into(),
            query_code: None,
            status,
            message: message.into(),
            fields: Vec::new(),
            cause: None,
        }
    }

    /// 400 `ValidationException`.
    pub fn validation(message: impl Into<String>) -> ServiceError {
        ServiceError::new(400, "ValidationException", message)
    }

    /// 500 `InternalFailure`; the cause goes to the log, never to the client.
    pub fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> ServiceError {
        let message = "The request processing has failed because of an unknown error, exception or failure.";
        ServiceError::new(500, "InternalFailure", message).with_cause(cause)
    }

    /// The principal may not do this. JSON services say `AccessDeniedException`, XML ones `AccessDenied`.
    pub fn access_denied(message: impl Into<String>) -> ServiceError {
        ServiceError::new(400, "AccessDeniedException", message).with_query_code("AccessDenied")
    }

    /// Remembers why, for the log.
    #[must_use]
    pub fn with_cause(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> ServiceError {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// An extra member of the error's body, as the service's model declares it.
    #[must_use]
    pub fn with_field(mut self, name: &'static str, value: impl Into<Value>) -> ServiceError {
        self.fields.push((name, value.into()));
        self
    }

    /// The code that the query and REST-XML protocols show where it differs.
    #[must_use]
    pub fn with_query_code(mut self, code: &'static str) -> ServiceError {
        self.query_code = Some(code);
        self
    }

    /// The same error under another status, for protocols that differ in it.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> ServiceError {
        self.status = status;
        self
    }

    /// The error code, for example `ResourceNotFoundException`.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The code for XML protocols.
    pub fn query_code(&self) -> &str {
        self.query_code.unwrap_or(&self.code)
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What the client reads.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The extra members of the body.
    pub fn fields(&self) -> &[(&'static str, Value)] {
        &self.fields
    }

    /// Whose mistake it is.
    pub fn fault(&self) -> Fault {
        if self.status < 500 { Fault::Sender } else { Fault::Receiver }
    }

    /// The internal cause, for the log only.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl fmt::Debug for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.message)?;
        match &self.cause {
            Some(cause) => write!(f, " (cause: {cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|c| c as &(dyn std::error::Error + 'static))
    }
}
