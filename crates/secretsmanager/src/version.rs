//! Versions: listed, and their labels moved.

use std::sync::Arc;

use cauce_core::{Arn, Call, Timestamp, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys;
use crate::listing::{self, PAGE_MAX};
use crate::model::{Named, Secret, Version};
use crate::secret::validate_id;
use crate::service::{Names, SecretsManager};
use crate::stages::{self, CURRENT};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListSecretVersionIds {
    secret_id: String,
    max_results: Option<i64>,
    next_token: Option<String>,
    include_deprecated: Option<bool>,
}

impl Input for ListSecretVersionIds {
    fn validate(&self, v: &mut Violations) {
        validate_id(v, &self.secret_id);
        listing::validate_page(v, self.max_results, self.next_token.as_deref());
    }
}

impl Names for ListSecretVersionIds {
    fn secret_id(&self) -> &str {
        &self.secret_id
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListSecretVersionIdsOutput {
    versions: Vec<VersionEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    #[serde(rename = "ARN")]
    arn: Arn,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VersionEntry {
    version_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    version_stages: Vec<String>,
    created_date: Timestamp,
    kms_key_ids: [&'static str; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateSecretVersionStage {
    secret_id: String,
    version_stage: String,
    remove_from_version_id: Option<String>,
    move_to_version_id: Option<String>,
}

impl Input for UpdateSecretVersionStage {
    fn validate(&self, v: &mut Violations) {
        validate_id(v, &self.secret_id);
        v.length("versionStage", &self.version_stage, 1, 256);
        if let Some(id) = &self.remove_from_version_id {
            v.length("removeFromVersionId", id, 32, 64);
        }
        if let Some(id) = &self.move_to_version_id {
            v.length("moveToVersionId", id, 32, 64);
        }
    }
}

impl Names for UpdateSecretVersionStage {
    fn secret_id(&self) -> &str {
        &self.secret_id
    }
}

impl SecretsManager {
    pub(crate) async fn list_secret_version_ids(
        self: Arc<Self>,
        call: Call,
        input: ListSecretVersionIds,
    ) -> Result<ListSecretVersionIdsOutput, Error> {
        let (id, secret) = self.find(&self.db.begin(), &call, &input.secret_id).await?;
        let all = input.include_deprecated.unwrap_or(false);
        let arn = secret.arn(&id);
        let keyed = secret
            .versions
            .into_iter()
            .filter(|(_, version)| all || !version.stages.is_empty())
            .map(|(id, Version { created, stages })| {
                let key = format!("{:020} {id}", created.as_micros());
                let kms_key_ids = ["DefaultEncryptionKey"];
                (key, VersionEntry { version_id: id, version_stages: stages, created_date: created, kms_key_ids })
            })
            .collect();
        let (versions, next_token) = listing::cut(keyed, input.next_token.as_deref(), input.max_results, PAGE_MAX)?;
        Ok(ListSecretVersionIdsOutput { versions, next_token, arn, name: secret.name })
    }

    pub(crate) async fn update_secret_version_stage(
        self: Arc<Self>,
        call: Call,
        input: UpdateSecretVersionStage,
    ) -> Result<Named, Error> {
        self.db
            .transact(async |tx| {
                let (id, secret) = self.find(&tx, &call, &input.secret_id).await?;
                let mut secret = secret.live()?;
                move_stage(&mut secret, &input)?;
                secret.changed = self.env.now();
                tx.set_record(keys::secret(&id), &secret)?;
                Ok(Named { arn: secret.arn(&id), name: secret.name, version_id: None })
            })
            .await
    }
}

/// Moves, attaches or takes away one label. The version that loses it must be named, so that nobody moves it by mistake.
fn move_stage(secret: &mut Secret, input: &UpdateSecretVersionStage) -> Result<(), Error> {
    let stage = input.version_stage.as_str();
    let holder = stages::holder(&secret.versions, stage).map(str::to_owned);
    let (from, to) = (input.remove_from_version_id.as_deref(), input.move_to_version_id.as_deref());
    for named in [from, to].into_iter().flatten() {
        if !secret.versions.contains_key(named) {
            return Err(Error::NoVersion);
        }
    }
    match (&holder, from) {
        (Some(holder), None) if to != Some(holder) => {
            return Err(Error::Parameter(format!(
                "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version \
                 {holder}, so you must explicitly reference that version in RemoveFromVersionId."
            )));
        }
        (holder, Some(from)) if holder.as_deref() != Some(from) => {
            return Err(Error::Parameter(format!(
                "The parameter RemoveFromVersionId is not valid. Staging label {stage} is not attached to version {from}."
            )));
        }
        _ => {}
    }
    match to {
        Some(to) => stages::attach(&mut secret.versions, stage, to),
        None if stage == CURRENT => Err(Error::Parameter(format!(
            "You can't remove the staging label {CURRENT}. Move it to another version with MoveToVersionId."
        ))),
        None if from.is_none() => Err(Error::Parameter(
            "You must provide at least one of RemoveFromVersionId and MoveToVersionId.".to_owned(),
        )),
        None => {
            stages::detach(&mut secret.versions, stage);
            Ok(())
        }
    }
}
