//! What stacks ask of services that may not be there yet. Each has an answer for the time until then.

use async_trait::async_trait;
use cauce_core::{Call, ServiceError, Timestamp};
use cauce_store::{StoreError, Tx};

/// Reads what lies outside of templates: parameters of Systems Manager and secrets.
#[async_trait]
pub trait References: Send + Sync + 'static {
    /// The value of an SSM parameter; `version` where the reference names one, `secure` for `ssm-secure`.
    ///
    /// # Errors
    /// `ParameterNotFound` and the like.
    async fn ssm_parameter(
        &self,
        call: &Call,
        name: &str,
        version: Option<&str>,
        secure: bool,
    ) -> Result<String, ServiceError>;

    /// The text of a secret, by name or ARN.
    ///
    /// # Errors
    /// `ResourceNotFoundException` and the like.
    async fn secret(
        &self,
        call: &Call,
        id: &str,
        version_stage: Option<&str>,
        version_id: Option<&str>,
    ) -> Result<String, ServiceError>;
}

/// Answers no reference: for a program without Systems Manager and Secrets Manager.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReferences;

#[async_trait]
impl References for NoReferences {
    async fn ssm_parameter(
        &self,
        _call: &Call,
        name: &str,
        _version: Option<&str>,
        _secure: bool,
    ) -> Result<String, ServiceError> {
        let message = format!("Unable to fetch parameters [{name}] from parameter store for this account.");
        Err(ServiceError::new(400, "ValidationError", message))
    }

    async fn secret(
        &self,
        _call: &Call,
        id: &str,
        _version_stage: Option<&str>,
        _version_id: Option<&str>,
    ) -> Result<String, ServiceError> {
        let message = format!("Secrets Manager can't find the specified secret: {id}");
        Err(ServiceError::new(400, "ResourceNotFoundException", message))
    }
}

/// A stack that has come to another state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackStatusChange {
    /// The ARN of the stack.
    pub stack_id: String,
    /// For example `CREATE_COMPLETE`.
    pub status: String,
    /// Why, where there is something to say.
    pub status_reason: Option<String>,
    /// The token of the request that caused it.
    pub client_request_token: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Hears of every change of a stack's state, inside the transaction that makes it.
///
/// AWS: *CloudFormation User Guide*, "Managing events with CloudFormation and Amazon EventBridge".
#[async_trait]
pub trait StackEvents: Send + Sync + 'static {
    /// Adds to `tx` what follows from the change. Runs again when the transaction does.
    ///
    /// # Errors
    /// Those of the store only.
    async fn status_changed(&self, tx: &Tx, call: &Call, change: &StackStatusChange) -> Result<(), StoreError>;
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStackEvents;

#[async_trait]
impl StackEvents for NoStackEvents {
    async fn status_changed(&self, _tx: &Tx, _call: &Call, _change: &StackStatusChange) -> Result<(), StoreError> {
        Ok(())
    }
}
