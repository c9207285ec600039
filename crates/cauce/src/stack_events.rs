//! Stacks that change their state say so on the default bus, in the transaction of the change.
//!
//! AWS: CloudFormation User Guide, "Managing events with CloudFormation and Amazon EventBridge".

use std::sync::Arc;

use async_trait::async_trait;
use cauce_cloudformation::StackStatusChange;
use cauce_core::{Call, ServiceError};
use cauce_eventbridge::{EventBridge, Raised};
use cauce_store::{StoreError, Tx};
use serde_json::json;

/// Puts the changes of stacks on the default bus.
pub(crate) struct StackEvents(pub(crate) Arc<EventBridge>);

#[async_trait]
impl cauce_cloudformation::StackEvents for StackEvents {
    async fn status_changed(&self, tx: &Tx, call: &Call, change: &StackStatusChange) -> Result<(), StoreError> {
        let detail = json!({
            "stack-id": change.stack_id,
            "status-details": { "status": change.status, "status-reason": change.status_reason.clone().unwrap_or_default() },
            "client-request-token": change.client_request_token.clone().unwrap_or_default(),
        });
        let raised = Raised {
            source: "aws.cloudformation",
            detail_type: "CloudFormation Stack Status Change",
            resources: std::slice::from_ref(&change.stack_id),
            detail: &detail,
        };
        let failed = |error: ServiceError| StoreError::Unavailable(error.to_string());
        self.0.raise(tx, call, raised).await.map_err(failed)
    }
}
