//! What Secrets Manager refuses, in its words.

use cauce_core::ServiceError;
use cauce_store::StoreError;

/// An error of Secrets Manager. AWS: Secrets Manager API Reference, the errors of each action.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `ResourceNotFoundException`: no such secret.
    #[error("Secrets Manager can't find the specified secret.")]
    NoSecret,
    /// `ResourceNotFoundException`: the secret has no such version; the text names the label or the version.
    #[error("Secrets Manager can't find the specified secret value for {0}")]
    NoValue(String),
    /// `ResourceNotFoundException`: no such version, where one is to be changed.
    #[error("Secrets Manager can't find the specified secret version.")]
    NoVersion,
    /// `ResourceExistsException`: the name is taken.
    #[error("The operation failed because the secret {0} already exists.")]
    SecretExists(String),
    /// `ResourceExistsException`: the version has another value.
    #[error(
        "You can't use ClientRequestToken {token} because that value is already in use for a version of secret {arn}."
    )]
    VersionExists {
        /// The id of the version.
        token: String,
        /// The secret.
        arn: String,
    },
    /// `InvalidRequestException` with AWS's message.
    #[error("{0}")]
    Request(String),
    /// `InvalidParameterException` with AWS's message.
    #[error("{0}")]
    Parameter(String),
    /// `ValidationException` with AWS's message.
    #[error("{0}")]
    Invalid(String),
    /// `InvalidNextTokenException`.
    #[error("The NextToken value is invalid.")]
    NextToken,
    /// `LimitExceededException`, with the limit.
    #[error("{0}")]
    Limit(String),
    /// `MalformedPolicyDocumentException`, with what is wrong.
    #[error("This resource policy contains a syntax error: {0}")]
    Policy(String),
    /// `PublicPolicyException`.
    #[error("You can't attach a resource policy that allows broad access to the secret.")]
    PublicPolicy,
    /// Any other service error: of the store, of policies.
    #[error(transparent)]
    Other(#[from] ServiceError),
}

impl Error {
    /// The secret waits for its deletion.
    pub(crate) fn deleted() -> Error {
        Error::Request("You can't perform this operation on the secret because it was marked for deletion.".to_owned())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Other(error.into())
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> ServiceError {
        let code = match &error {
            Error::NoSecret | Error::NoValue(_) | Error::NoVersion => "ResourceNotFoundException",
            Error::SecretExists(_) | Error::VersionExists { .. } => "ResourceExistsException",
            Error::Request(_) => "InvalidRequestException",
            Error::Parameter(_) => "InvalidParameterException",
            Error::Invalid(_) => "ValidationException",
            Error::NextToken => "InvalidNextTokenException",
            Error::Limit(_) => "LimitExceededException",
            Error::Policy(_) => "MalformedPolicyDocumentException",
            Error::PublicPolicy => "PublicPolicyException",
            Error::Other(other) => return other.clone(),
        };
        ServiceError::new(400, code, error.to_string())
    }
}
