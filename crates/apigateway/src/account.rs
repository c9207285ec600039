//! What an account sets for all its APIs of a region.
//!
//! AWS: API Gateway API Reference (V1), "Account".

use std::sync::Arc;

use cauce_core::{Arn, Call};
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
        if let Some(role) = &role
            && !role.parse::<Arn>().is_ok_and(|arn| arn.service() == "iam" && arn.resource().starts_with("role/"))
        {
            return Err(Error::bad(
                "The role ARN does not have required permissions configured. Please grant trust permission for API Gateway and add the required role policy.",
            ));
        }
        let key = keys::account(&Place::of(call));
        self.db
            .transact(async |tx| {
                tx.set_record(key.clone(), &AccountSettings { cloudwatch_role_arn: role.clone() })?;
                Ok(())
            })
            .await
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
