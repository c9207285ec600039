//! What templates say of a table beside its definition: recovery and the resource policy.

use std::sync::Arc;

use cauce_core::{Call, ServiceError};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::model::table_arn;
use crate::resources::{TableType, read};

const RECOVERY: &str = "PointInTimeRecoverySpecification";
const POLICY: &str = "ResourcePolicy";

/// Takes what CreateTable does not know out of a template's properties, and makes a text of the policy.
pub(crate) fn for_creation(properties: &mut Map<String, Value>) {
    properties.remove(RECOVERY);
    if let Some(document) = policy(properties) {
        properties.insert(POLICY.to_owned(), document.into());
    }
}

/// The policy of a template as a text.
fn policy(properties: &Map<String, Value>) -> Option<String> {
    let document = properties.get(POLICY)?.get("PolicyDocument")?;
    Some(document.as_str().map_or_else(|| document.to_string(), str::to_owned))
}

/// The specification of recovery, with the number that templates may write as a text.
fn recovery(properties: &Map<String, Value>) -> Option<Value> {
    let mut wish = properties.get(RECOVERY)?.clone();
    if let Some(days) =
        wish.get("RecoveryPeriodInDays").and_then(Value::as_str).and_then(|days| days.parse::<i64>().ok())
    {
        wish.as_object_mut()?.insert("RecoveryPeriodInDays".to_owned(), days.into());
    }
    Some(wish)
}

impl TableType {
    /// Brings recovery from `before` to `after`.
    pub(crate) async fn set_recovery(
        &self,
        call: &Call,
        name: &str,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
    ) -> Result<(), ServiceError> {
        let (before, after) = (recovery(before), recovery(after));
        if before == after {
            return Ok(());
        }
        self.may(call, "dynamodb:UpdateContinuousBackups", name).await?;
        let wish = after.unwrap_or_else(|| json!({ "PointInTimeRecoveryEnabled": false }));
        let input = read(json!({ "TableName": name, "PointInTimeRecoverySpecification": wish }))?;
        Arc::clone(&self.0).update_continuous_backups(call.clone(), input).await?;
        Ok(())
    }

    /// Brings the policy from `before` to `after`.
    pub(crate) async fn set_policy(
        &self,
        call: &Call,
        name: &str,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
    ) -> Result<(), ServiceError> {
        let (before, after) = (policy(before), policy(after));
        if before == after {
            return Ok(());
        }
        let arn = table_arn(&TableType::id(call, name)).to_string();
        let Some(document) = after else {
            self.may(call, "dynamodb:DeleteResourcePolicy", name).await?;
            let deleted =
                Arc::clone(&self.0).delete_resource_policy(call.clone(), read(json!({ "ResourceArn": arn }))?);
            return match deleted.await {
                Ok(_) | Err(Error::NoPolicy) => Ok(()),
                Err(error) => Err(error.into()),
            };
        };
        self.may(call, "dynamodb:PutResourcePolicy", name).await?;
        let input = read(json!({ "ResourceArn": arn, "Policy": document }))?;
        Arc::clone(&self.0).put_resource_policy(call.clone(), input).await?;
        Ok(())
    }
}
