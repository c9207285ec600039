//! What Parameter Store refuses, in its words.

use cauce_core::ServiceError;
use cauce_store::StoreError;

use crate::label::LABELS_MAX;
use crate::name::LEVELS_MAX;

/// An error of Parameter Store. AWS: Systems Manager API Reference, the errors of each action.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `ParameterNotFound`.
    #[error("Parameter {0} not found.")]
    NotFound(String),
    /// `ParameterVersionNotFound`: neither such a version nor such a label.
    #[error("Systems Manager could not find {what} of {name}. Verify the version and try again.")]
    NoVersion {
        /// `version 5` or `label x`.
        what: String,
        /// The parameter.
        name: String,
    },
    /// `ParameterAlreadyExists`.
    #[error("The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")]
    Exists,
    /// `ParameterMaxVersionLimitExceeded`: the oldest version cannot go.
    #[error(
        "You attempted to create a new version of {name} by calling the PutParameter API with the overwrite flag. Version \
         {oldest}, the oldest version, can't be deleted because it has a label associated with it. Move the label to another \
         version of the parameter, and try again."
    )]
    OldestLabelled {
        /// The parameter.
        name: String,
        /// Its oldest version.
        oldest: u64,
    },
    /// `ParameterVersionLabelLimitExceeded`.
    #[error(
        "A parameter version can have maximum {LABELS_MAX} labels.Move one or more labels to another version and try again."
    )]
    Labels,
    /// `ParameterLimitExceeded`, with the tier and its limit.
    #[error("You have exceeded the number of {tier} parameters for this AWS account: {max}.")]
    Limit {
        /// `standard` or `advanced`.
        tier: &'static str,
        /// How many there may be.
        max: i64,
    },
    /// `HierarchyLevelLimitExceededException`.
    #[error("A hierarchy can have a maximum of {LEVELS_MAX} levels.")]
    Levels,
    /// `HierarchyTypeMismatchException`.
    #[error(
        "Parameter Store does not support changing a parameter type in a hierarchy. For example, you can't change a parameter \
         from a String type to a SecureString type. You must create a new, unique parameter."
    )]
    Type,
    /// `InvalidAllowedPatternException`, with the reason.
    #[error("The request does not meet the regular expression requirement: {0}")]
    Pattern(String),
    /// `ParameterPatternMismatchException`, with the pattern.
    #[error("Parameter value, cannot be validated against allowedPattern: {0}")]
    Mismatch(String),
    /// `InvalidKeyId`.
    #[error("The query key ID isn't valid. Customer managed keys are not supported by this server.")]
    Key,
    /// `InvalidResourceId`.
    #[error("The resource ID is not valid. Verify that you entered the correct ID and try again.")]
    ResourceId,
    /// `InvalidResourceType`.
    #[error("The resource type is not valid. Parameters are the only resources that this server tags.")]
    ResourceType,
    /// `TooManyTagsError`.
    #[error("The Targets parameter includes too many tags. Remove one or more tags and try the command again.")]
    Tags,
    /// `InvalidNextToken`.
    #[error("The specified token is not valid.")]
    NextToken,
    /// `InvalidFilterKey`, with the key.
    #[error("The following filter key is not valid: {0}")]
    FilterKey(String),
    /// `InvalidFilterOption`, with AWS's message.
    #[error("{0}")]
    FilterOption(String),
    /// `InvalidFilterValue`, with AWS's message.
    #[error("{0}")]
    FilterValue(String),
    /// `ValidationException`, with AWS's message.
    #[error("{0}")]
    Invalid(String),
    /// Any other service error: of the store, of policies.
    #[error(transparent)]
    Other(#[from] ServiceError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Other(error.into())
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> ServiceError {
        let code = match &error {
            Error::NotFound(_) => "ParameterNotFound",
            Error::NoVersion { .. } => "ParameterVersionNotFound",
            Error::Exists => "ParameterAlreadyExists",
            Error::OldestLabelled { .. } => "ParameterMaxVersionLimitExceeded",
            Error::Labels => "ParameterVersionLabelLimitExceeded",
            Error::Limit { .. } => "ParameterLimitExceeded",
            Error::Levels => "HierarchyLevelLimitExceededException",
            Error::Type => "HierarchyTypeMismatchException",
            Error::Pattern(_) => "InvalidAllowedPatternException",
            Error::Mismatch(_) => "ParameterPatternMismatchException",
            Error::Key => "InvalidKeyId",
            Error::ResourceId => "InvalidResourceId",
            Error::ResourceType => "InvalidResourceType",
            Error::Tags => "TooManyTagsError",
            Error::NextToken => "InvalidNextToken",
            Error::FilterKey(_) => "InvalidFilterKey",
            Error::FilterOption(_) => "InvalidFilterOption",
            Error::FilterValue(_) => "InvalidFilterValue",
            Error::Invalid(_) => "ValidationException",
            Error::Other(other) => return other.clone(),
        };
        ServiceError::new(400, code, error.to_string())
    }
}
