//! What templates read from outside of themselves: parameters of Parameter Store and secrets.
//!
//! Read through the operations of the two services as the deployer, so that a template shows nobody what he may not read.

use std::sync::Arc;

use async_trait::async_trait;
use cauce_cloudformation::References;
use cauce_core::ports::Identity;
use cauce_core::{Call, ServiceError};
use cauce_secretsmanager::SecretsManager;
use cauce_ssm::ParameterStore;
use cauce_wire::Api;
use serde_json::{Value, json};

/// Reads the parameters and secrets that templates refer to.
pub(crate) struct Stored {
    parameters: Api<ParameterStore>,
    secrets: Api<SecretsManager>,
    identity: Arc<dyn Identity>,
}

impl Stored {
    pub(crate) fn new(
        parameters: Arc<ParameterStore>,
        secrets: Arc<SecretsManager>,
        identity: Arc<dyn Identity>,
    ) -> Stored {
        Stored { parameters: cauce_ssm::api(parameters), secrets: cauce_secretsmanager::api(secrets), identity }
    }
}

fn invalid(message: String) -> ServiceError {
    ServiceError::new(400, "ValidationError", message)
}

#[async_trait]
impl References for Stored {
    async fn ssm_parameter(
        &self,
        call: &Call,
        name: &str,
        version: Option<&str>,
        secure: bool,
    ) -> Result<String, ServiceError> {
        let selected = version.map_or_else(|| name.to_owned(), |version| format!("{name}:{version}"));
        let input = json!({ "Name": selected, "WithDecryption": secure }).to_string();
        let found = self.parameters.call_json(&self.identity, "GetParameter", call.clone(), input.as_bytes()).await;
        let found = found.map_err(|error| match error.code() {
            "ParameterNotFound" | "ParameterVersionNotFound" => {
                invalid(format!("Unable to fetch parameters [{selected}] from parameter store for this account."))
            }
            _ => error,
        })?;
        let answer: Value = serde_json::from_slice(&found).map_err(ServiceError::internal)?;
        let member = |name: &str| answer.pointer(&format!("/Parameter/{name}")).and_then(Value::as_str).unwrap_or("");
        if secure != (member("Type") == "SecureString") {
            let message = match secure {
                true => format!("Parameters [{name}] referenced by ssm-secure are not of type SecureString."),
                false => {
                    format!("Parameters [{name}] referenced by template have types not supported by CloudFormation.")
                }
            };
            return Err(invalid(message));
        }
        Ok(member("Value").to_owned())
    }

    async fn secret(
        &self,
        call: &Call,
        id: &str,
        version_stage: Option<&str>,
        version_id: Option<&str>,
    ) -> Result<String, ServiceError> {
        let input = json!({ "SecretId": id, "VersionStage": version_stage, "VersionId": version_id }).to_string();
        let found = self.secrets.call_json(&self.identity, "GetSecretValue", call.clone(), input.as_bytes()).await?;
        let answer: Value = serde_json::from_slice(&found).map_err(ServiceError::internal)?;
        let text = answer.get("SecretString").and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| invalid(format!("The secret {id} has no SecretString.")))
    }
}
