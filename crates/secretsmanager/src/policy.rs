//! The resource policies of secrets.

use std::sync::Arc;

use cauce_core::{Arn, Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::keys;
use crate::model::Named;
use crate::secret::{NamedSecret, validate_id};
use crate::service::{Names, SecretsManager};

/// The longest resource policy, in characters. AWS: *PutResourcePolicy*.
pub const POLICY_CHARS_MAX: usize = 20_480;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutResourcePolicy {
    pub(crate) secret_id: String,
    pub(crate) resource_policy: String,
    pub(crate) block_public_policy: Option<bool>,
}

impl Input for PutResourcePolicy {
    fn validate(&self, v: &mut Violations) {
        validate_id(v, &self.secret_id);
        v.length("resourcePolicy", &self.resource_policy, 1, POLICY_CHARS_MAX);
    }
}

impl Names for PutResourcePolicy {
    fn secret_id(&self) -> &str {
        &self.secret_id
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ValidateResourcePolicy {
    pub(crate) secret_id: Option<String>,
    resource_policy: String,
}

impl Input for ValidateResourcePolicy {
    fn validate(&self, v: &mut Violations) {
        if let Some(id) = &self.secret_id {
            validate_id(v, id);
        }
        v.length("resourcePolicy", &self.resource_policy, 1, POLICY_CHARS_MAX);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ResourcePolicy {
    #[serde(rename = "ARN")]
    arn: Arn,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_policy: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PolicyVerdict {
    policy_validation_passed: bool,
    validation_errors: Vec<PolicyFlaw>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyFlaw {
    check_name: &'static str,
    error_message: String,
}

impl SecretsManager {
    pub(crate) async fn get_resource_policy(
        self: Arc<Self>,
        call: Call,
        input: NamedSecret,
    ) -> Result<ResourcePolicy, Error> {
        let (id, secret) = self.find(&self.db.begin(), &call, &input.secret_id).await?;
        let secret = secret.live()?;
        Ok(ResourcePolicy { arn: secret.arn(&id), name: secret.name, resource_policy: secret.policy })
    }

    pub(crate) async fn put_resource_policy(
        self: Arc<Self>,
        call: Call,
        input: PutResourcePolicy,
    ) -> Result<Named, Error> {
        self.identity.check_resource_policy(&input.resource_policy).map_err(Error::Policy)?;
        if input.block_public_policy.unwrap_or(false) && is_public(&input.resource_policy) {
            return Err(Error::PublicPolicy);
        }
        self.set_policy(&call, &input.secret_id, Some(input.resource_policy)).await
    }

    pub(crate) async fn delete_resource_policy(
        self: Arc<Self>,
        call: Call,
        input: NamedSecret,
    ) -> Result<Named, Error> {
        self.set_policy(&call, &input.secret_id, None).await
    }

    async fn set_policy(&self, call: &Call, id: &str, policy: Option<String>) -> Result<Named, Error> {
        self.db
            .transact(async |tx| {
                let (id, secret) = self.find(&tx, call, id).await?;
                let mut secret = secret.live()?;
                secret.policy.clone_from(&policy);
                tx.set_record(keys::secret(&id), &secret)?;
                Ok(Named { arn: secret.arn(&id), name: secret.name, version_id: None })
            })
            .await
    }

    pub(crate) async fn validate_resource_policy(
        self: Arc<Self>,
        call: Call,
        input: ValidateResourcePolicy,
    ) -> Result<PolicyVerdict, Error> {
        if let Some(id) = &input.secret_id {
            self.find(&self.db.begin(), &call, id).await?;
        }
        let mut flaws = Vec::new();
        if let Err(error_message) = self.identity.check_resource_policy(&input.resource_policy) {
            flaws.push(PolicyFlaw { check_name: "PolicySyntax", error_message });
        } else if is_public(&input.resource_policy) {
            let error_message = "The resource policy allows broad access to the secret.".to_owned();
            flaws.push(PolicyFlaw { check_name: "PublicAccess", error_message });
        }
        Ok(PolicyVerdict { policy_validation_passed: flaws.is_empty(), validation_errors: flaws })
    }
}

/// Whether a statement lets everybody in without a condition.
fn is_public(policy: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(policy) else { return false };
    let everybody = |principal: &Value| match principal {
        Value::String(name) => name == "*",
        Value::Object(kinds) => kinds.values().any(|who| match who {
            Value::String(name) => name == "*",
            Value::Array(names) => names.iter().any(|name| name == "*"),
            _ => false,
        }),
        _ => false,
    };
    let public = |statement: &Value| {
        statement.get("Effect").and_then(Value::as_str) == Some("Allow")
            && statement.get("Condition").is_none()
            && statement.get("Principal").is_some_and(everybody)
    };
    match document.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().any(public),
        Some(statement) => public(statement),
        None => false,
    }
}
