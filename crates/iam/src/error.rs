//! The errors of IAM and STS. A variant is an AWS error code.

use cauce_core::ServiceError;
use cauce_store::StoreError;

use crate::policy::PolicyError;

/// What IAM and STS answer when they refuse. AWS: IAM API Reference, *Errors* of each operation.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IamError {
    /// 404: no such role, user, policy or key.
    #[error("{0}")]
    NoSuchEntity(String),
    /// 409: the name is taken.
    #[error("{0}")]
    EntityAlreadyExists(String),
    /// 400: not a policy.
    #[error("{0}")]
    MalformedPolicyDocument(String),
    /// 400: an input that makes no sense.
    #[error("{0}")]
    InvalidInput(String),
    /// 409: a quota.
    #[error("{0}")]
    LimitExceeded(String),
    /// 409: something still hangs on it.
    #[error("{0}")]
    DeleteConflict(String),
    /// 400: a constraint of the model.
    #[error("{0}")]
    Validation(String),
    /// 403: the trust policy or the caller's own do not allow it.
    #[error("{0}")]
    AccessDenied(String),
    /// The store or another service.
    #[error("{0}")]
    Other(ServiceError),
}

impl From<IamError> for ServiceError {
    fn from(error: IamError) -> ServiceError {
        let (status, code, message) = match error {
            IamError::NoSuchEntity(m) => (404, "NoSuchEntity", m),
            IamError::EntityAlreadyExists(m) => (409, "EntityAlreadyExists", m),
            IamError::MalformedPolicyDocument(m) => (400, "MalformedPolicyDocument", m),
            IamError::InvalidInput(m) => (400, "InvalidInput", m),
            IamError::LimitExceeded(m) => (409, "LimitExceeded", m),
            IamError::DeleteConflict(m) => (409, "DeleteConflict", m),
            IamError::Validation(m) => (400, "ValidationError", m),
            IamError::AccessDenied(m) => (403, "AccessDenied", m),
            IamError::Other(error) => return error,
        };
        ServiceError::new(status, code, message)
    }
}

impl From<StoreError> for IamError {
    fn from(error: StoreError) -> IamError {
        IamError::Other(error.into())
    }
}

impl From<ServiceError> for IamError {
    fn from(error: ServiceError) -> IamError {
        IamError::Other(error)
    }
}

impl From<PolicyError> for IamError {
    fn from(error: PolicyError) -> IamError {
        IamError::MalformedPolicyDocument(error.message().to_owned())
    }
}
