//! What an account sets for all its APIs of a region.
//!
//! AWS: API Gateway API Reference (V1), "Account".

use std::sync::Arc;

use cauce_core::ports::{Access, Verdict};
use cauce_core::{Arn, Call};
use cauce_store::Tx;
use cauce_wire::{Api, Input, Operation};
use http::Method as HttpMethod;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{AccountSettings, ThrottleSettings};
use crate::patch::{ADD_REMOVE_REPLACE, PatchOperation, Supported, apply};
use crate::service::{ApiGateway, Located, at};

/// Requests a second of an account in a region. AWS: 10,000.
pub(crate) const ACCOUNT_RATE_LIMIT: f64 = 10_000.0;
/// Requests at once of an account in a region. AWS: 5,000.
pub(crate) const ACCOUNT_BURST_LIMIT: i64 = 5_000;

/// What the role of an account must be allowed to do to every log group.
const LOG_ACTIONS: [&str; 3] = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"];

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct OneAccount {
    patch_operations: Vec<PatchOperation>,
}

impl Input for OneAccount {}

impl Located for OneAccount {
    fn location(&self) -> String {
        "/account".to_owned()
    }
}

/// AWS: *Account*.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountShown {
    #[serde(flatten)]
    settings: AccountSettings,
    throttle_settings: ThrottleSettings,
    features: [&'static str; 1],
    api_key_version: &'static str,
}

fn shown(settings: AccountSettings) -> AccountShown {
    AccountShown {
        settings,
        throttle_settings: ThrottleSettings { burst_limit: ACCOUNT_BURST_LIMIT, rate_limit: ACCOUNT_RATE_LIMIT },
        features: ["UsagePlans"],
        api_key_version: "4",
    }
}

const PATCHES: Supported = &[("/cloudwatchRoleArn", ADD_REMOVE_REPLACE)];

impl ApiGateway {
    pub(crate) async fn get_account(self: Arc<Self>, call: Call, _: OneAccount) -> Result<AccountShown, Error> {
        let settings = self.db.get::<AccountSettings>(&keys::account(&Place::of(&call))).await?;
        Ok(shown(settings.unwrap_or_default()))
    }

    pub(crate) async fn update_account(self: Arc<Self>, call: Call, input: OneAccount) -> Result<AccountShown, Error> {
        let mut wanted = AccountSettings::default();
        apply(&mut wanted, &input.patch_operations, PATCHES, |wanted, patch| {
            wanted.cloudwatch_role_arn = patch.optional();
            Ok(())
        })?;
        if !input.patch_operations.is_empty() {
            self.set_account(&call, wanted.cloudwatch_role_arn).await?;
        }
        self.get_account(call, OneAccount::default()).await
    }

    /// Sets the role as which logs are written.
    pub(crate) async fn set_account(&self, call: &Call, role: Option<String>) -> Result<(), Error> {
        if let Some(role) = &role {
            self.check_log_role(call, role).await?;
        }
        let key = keys::account(&Place::of(call));
        self.db
            .transact(async |tx| {
                tx.set_record(key.clone(), &AccountSettings { cloudwatch_role_arn: role.clone() })?;
                Ok(())
            })
            .await
    }

    /// Refuses a role that API Gateway cannot write logs as.
    async fn check_log_role(&self, call: &Call, role: &str) -> Result<(), Error> {
        const REFUSED: &str = "The role ARN does not have required permissions configured. Please grant trust permission for \
                               API Gateway and add the required role policy.";
        let refused = || Error::bad(REFUSED);
        let role = role.parse::<Arn>().map_err(|_| refused())?;
        if role.service() != "iam" || !role.resource().starts_with("role/") {
            return Err(refused());
        }
        let identity = &self.ports.identity;
        let session = identity.session(&role, "apigateway.amazonaws.com", "BackplaneAssumeRoleSession").await;
        let writer = Call { principal: Arc::new(session.map_err(|_| refused())?), ..call.clone() };
        let groups = call.arn("logs", "log-group:*");
        for action in LOG_ACTIONS {
            let access = Access { action, resource: groups.as_str(), ..Access::default() };
            if !matches!(identity.explain(&writer, &access).await?, Verdict::Allowed(_)) {
                return Err(refused());
            }
        }
        Ok(())
    }

    /// Refuses a stage that begins to log without a role as which logs are written.
    pub(crate) async fn check_log_settings(&self, tx: &Tx, place: &Place) -> Result<(), Error> {
        let settings = tx.get_record::<AccountSettings>(&keys::account(place)).await?;
        match settings.and_then(|settings| settings.cloudwatch_role_arn) {
            Some(_) => Ok(()),
            None => Err(Error::bad("CloudWatch Logs role ARN must be set in account settings to enable logging")),
        }
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    use ApiGateway as G;
    api.operation(at(Operation::new("GetAccount", G::get_account), HttpMethod::GET, "/account", 200)).operation(at(
        Operation::new("UpdateAccount", G::update_account),
        HttpMethod::PATCH,
        "/account",
        200,
    ))
}
