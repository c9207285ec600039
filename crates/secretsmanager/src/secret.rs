//! Secrets: made, changed, described, deleted and restored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Arn, Blob, Call, Timestamp, Violations};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, SecretId};
use crate::model::{Named, Secret, SecretValue, given, validate_value};
use crate::service::{Names, SecretsManager};
use crate::stages::{self, CURRENT};
use crate::tags::{self, Tag};

/// The shortest recovery window, in days.
pub const RECOVERY_DAYS_MIN: i64 = 7;
/// The longest recovery window, in days, and the one where none is asked for.
pub const RECOVERY_DAYS_MAX: i64 = 30;

const DAY_S: u64 = 24 * 60 * 60;
const NAME_CHARS_MAX: usize = 512;
const DESCRIPTION_CHARS_MAX: usize = 2_048;
const OWN_KEY: &str = "alias/aws/secretsmanager";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateSecret {
    pub(crate) name: String,
    pub(crate) client_request_token: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) secret_string: Option<String>,
    pub(crate) secret_binary: Option<Blob>,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    pub(crate) add_replica_regions: Option<Vec<serde_json::Value>>,
    pub(crate) r#type: Option<String>,
}

impl Input for CreateSecret {
    fn validate(&self, v: &mut Violations) {
        v.length("name", &self.name, 1, NAME_CHARS_MAX);
        validate_token(v, self.client_request_token.as_deref());
        validate_description(v, self.description.as_deref());
        validate_value(v, self.secret_string.as_deref(), self.secret_binary.as_ref());
        tags::validate(v, &self.tags);
    }
}

/// Ids of versions are idempotency tokens.
pub(crate) fn validate_token(v: &mut Violations, token: Option<&str>) {
    if let Some(token) = token {
        v.length("clientRequestToken", token, 32, 64);
    }
}

fn validate_description(v: &mut Violations, description: Option<&str>) {
    if let Some(description) = description {
        v.length("description", description, 0, DESCRIPTION_CHARS_MAX);
    }
}

pub(crate) fn validate_id(v: &mut Violations, id: &str) {
    v.length("secretId", id, 1, 2_048);
}

fn check_name(name: &str) -> Result<(), Error> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-/_+=.@!".contains(&b);
    if name.bytes().all(good) {
        return Ok(());
    }
    let message =
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";
    Err(Error::Invalid(message.to_owned()))
}

fn refuse_key(key: Option<&str>) -> Result<(), Error> {
    match key {
        None | Some("" | OWN_KEY) => Ok(()),
        Some(_) => Err(Error::Parameter("Customer managed keys are not supported by this server.".to_owned())),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateSecret {
    pub(crate) secret_id: String,
    pub(crate) client_request_token: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) secret_string: Option<String>,
    pub(crate) secret_binary: Option<Blob>,
    pub(crate) r#type: Option<String>,
}

impl Input for UpdateSecret {
    fn validate(&self, v: &mut Violations) {
        validate_id(v, &self.secret_id);
        validate_token(v, self.client_request_token.as_deref());
        validate_description(v, self.description.as_deref());
        validate_value(v, self.secret_string.as_deref(), self.secret_binary.as_ref());
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamedSecret {
    pub(crate) secret_id: String,
}

impl Input for NamedSecret {
    fn validate(&self, v: &mut Violations) {
        validate_id(v, &self.secret_id);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteSecret {
    pub(crate) secret_id: String,
    pub(crate) recovery_window_in_days: Option<i64>,
    pub(crate) force_delete_without_recovery: Option<bool>,
}

impl Input for DeleteSecret {
    fn validate(&self, v: &mut Violations) {
        validate_id(v, &self.secret_id);
    }
}

impl Names for UpdateSecret {
    fn secret_id(&self) -> &str {
        &self.secret_id
    }
}

impl Names for NamedSecret {
    fn secret_id(&self) -> &str {
        &self.secret_id
    }
}

impl Names for DeleteSecret {
    fn secret_id(&self) -> &str {
        &self.secret_id
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteSecretOutput {
    #[serde(rename = "ARN")]
    arn: Arn,
    name: String,
    deletion_date: Timestamp,
}

/// What is said of a secret, by `DescribeSecret` and in lists.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Description {
    #[serde(rename = "ARN")]
    arn: Arn,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    created_date: Timestamp,
    last_changed_date: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_accessed_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_ids_to_stages: Option<BTreeMap<String, Vec<String>>>,
    /// The same under the name that lists give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_versions_to_stages: Option<BTreeMap<String, Vec<String>>>,
}

impl Description {
    pub(crate) fn new(id: &SecretId, secret: Secret, listed: bool) -> Description {
        let arn = secret.arn(id);
        let stages: BTreeMap<_, _> = secret
            .versions
            .into_iter()
            .filter(|(_, version)| !version.stages.is_empty())
            .map(|(id, version)| (id, version.stages))
            .collect();
        let stages = Some(stages).filter(|stages| !stages.is_empty());
        let (version_ids_to_stages, secret_versions_to_stages) = if listed { (None, stages) } else { (stages, None) };
        Description {
            arn,
            name: secret.name,
            description: secret.description,
            created_date: secret.created,
            last_changed_date: secret.changed,
            last_accessed_date: secret.accessed,
            deleted_date: secret.deletion,
            tags: tags::to_list(secret.tags),
            version_ids_to_stages,
            secret_versions_to_stages,
        }
    }
}

impl SecretsManager {
    pub(crate) async fn create_secret(self: Arc<Self>, call: Call, input: CreateSecret) -> Result<Named, Error> {
        tags::check(&input.tags)?;
        let tags = tags::to_map(&input.tags);
        self.create(&call, input, tags).await
    }

    /// Makes the secret with these tags, checked already.
    pub(crate) async fn create(
        &self,
        call: &Call,
        input: CreateSecret,
        tags: BTreeMap<String, String>,
    ) -> Result<Named, Error> {
        if input.add_replica_regions.is_some_and(|regions| !regions.is_empty()) {
            return Err(Error::Parameter("Replica regions are not supported by this server.".to_owned()));
        }
        if input.r#type.is_some() {
            return Err(Error::Parameter("Managed external secrets are not supported by this server.".to_owned()));
        }
        check_name(&input.name)?;
        refuse_key(input.kms_key_id.as_deref())?;
        let value = given(input.secret_string, input.secret_binary)?;
        let id = SecretId { account: call.account, region: call.region.clone(), name: input.name };
        let (now, suffix) = (self.env.now(), self.suffix());
        let token = input.client_request_token.unwrap_or_else(|| self.env.entropy().uuid());
        let fresh = Secret {
            name: id.name.clone(),
            suffix,
            description: input.description,
            created: now,
            changed: now,
            accessed: None,
            deletion: None,
            tags,
            policy: None,
            versions: BTreeMap::new(),
        };
        self.db.transact(async |tx| self.create_in(&tx, &id, fresh.clone(), value.as_ref(), &token).await).await
    }

    async fn create_in(
        &self,
        tx: &Tx,
        id: &SecretId,
        mut secret: Secret,
        value: Option<&SecretValue>,
        token: &str,
    ) -> Result<Named, Error> {
        if let Some(found) = self.at(tx, id).await? {
            return self.created_before(tx, id, &found, value, token).await;
        }
        // One whose time has come, and whose rows are still there, goes first.
        self.remove(tx, id).await?;
        if let Some(value) = value {
            self.add_version(tx, id, &mut secret, token, value, &[CURRENT.to_owned()]).await?;
        }
        tx.set_record(keys::secret(id), &secret)?;
        let version_id = value.map(|_| token.to_owned());
        Ok(Named { arn: secret.arn(id), name: secret.name, version_id })
    }

    /// A request that is repeated with its token has been done already.
    async fn created_before(
        &self,
        tx: &Tx,
        id: &SecretId,
        found: &Secret,
        value: Option<&SecretValue>,
        token: &str,
    ) -> Result<Named, Error> {
        if found.deletion.is_some() {
            let message =
                "You can't create this secret because a secret with this name is already scheduled for deletion.";
            return Err(Error::Request(message.to_owned()));
        }
        let stored = tx.get_record::<SecretValue>(&keys::value(id, &found.suffix, token)).await?;
        if value.is_some() && stored.as_ref() == value {
            return Ok(Named { arn: found.arn(id), name: found.name.clone(), version_id: Some(token.to_owned()) });
        }
        Err(Error::SecretExists(id.name.clone()))
    }

    pub(crate) async fn update_secret(self: Arc<Self>, call: Call, input: UpdateSecret) -> Result<Named, Error> {
        refuse_key(input.kms_key_id.as_deref())?;
        if input.r#type.is_some() {
            return Err(Error::Parameter("Managed external secrets are not supported by this server.".to_owned()));
        }
        let value = given(input.secret_string, input.secret_binary)?;
        let token = input.client_request_token.unwrap_or_else(|| self.env.entropy().uuid());
        self.db
            .transact(async |tx| {
                let (id, secret) = self.find(&tx, &call, &input.secret_id).await?;
                let mut secret = secret.live()?;
                if input.description.is_some() {
                    secret.description.clone_from(&input.description);
                }
                if let Some(value) = &value {
                    self.add_version(&tx, &id, &mut secret, &token, value, &[CURRENT.to_owned()]).await?;
                }
                secret.changed = self.env.now();
                tx.set_record(keys::secret(&id), &secret)?;
                let version_id = value.as_ref().map(|_| token.clone());
                Ok(Named { arn: secret.arn(&id), name: secret.name, version_id })
            })
            .await
    }

    /// Adds a version with its value to the secret, whose row the caller writes. A version that is there already with the same
    /// value stays as it is.
    pub(crate) async fn add_version(
        &self,
        tx: &Tx,
        id: &SecretId,
        secret: &mut Secret,
        token: &str,
        value: &SecretValue,
        labels: &[String],
    ) -> Result<(), Error> {
        let key = keys::value(id, &secret.suffix, token);
        if secret.versions.contains_key(token) {
            if tx.get_record::<SecretValue>(&key).await?.as_ref() == Some(value) {
                return Ok(());
            }
            return Err(Error::VersionExists { token: token.to_owned(), arn: secret.arn(id).to_string() });
        }
        let now = self.env.now();
        for gone in stages::add(&mut secret.versions, token, labels, now)? {
            tx.clear(keys::value(id, &secret.suffix, &gone));
        }
        secret.changed = now;
        Ok(tx.set_record(key, value)?)
    }

    pub(crate) async fn describe_secret(self: Arc<Self>, call: Call, input: NamedSecret) -> Result<Description, Error> {
        let (id, secret) = self.find(&self.db.begin(), &call, &input.secret_id).await?;
        Ok(Description::new(&id, secret, false))
    }

    pub(crate) async fn delete_secret(
        self: Arc<Self>,
        call: Call,
        input: DeleteSecret,
    ) -> Result<DeleteSecretOutput, Error> {
        let force = input.force_delete_without_recovery.unwrap_or(false);
        if force && input.recovery_window_in_days.is_some() {
            let message = "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.";
            return Err(Error::Parameter(message.to_owned()));
        }
        let days = input.recovery_window_in_days.unwrap_or(RECOVERY_DAYS_MAX);
        if !(RECOVERY_DAYS_MIN..=RECOVERY_DAYS_MAX).contains(&days) {
            return Err(Error::Parameter(format!(
                "The RecoveryWindowInDays value must be between {RECOVERY_DAYS_MIN} and {RECOVERY_DAYS_MAX} days (inclusive)."
            )));
        }
        let now = self.env.now();
        let due = now + Duration::from_secs(days.unsigned_abs() * DAY_S);
        let done = self
            .db
            .transact(async |tx| {
                let (id, mut secret) = match self.find(&tx, &call, &input.secret_id).await {
                    // Forced, what is gone already is success.
                    Err(Error::NoSecret) if force => return Ok(self.forced(&call, &input.secret_id, now)),
                    found => found?,
                };
                let arn = secret.arn(&id);
                if force {
                    self.remove(&tx, &id).await?;
                    return Ok(DeleteSecretOutput { arn, name: secret.name, deletion_date: now });
                }
                if secret.deletion.is_some() {
                    let message =
                        "You can't perform this operation on the secret because it was already scheduled for deletion.";
                    return Err(Error::Request(message.to_owned()));
                }
                secret.deletion = Some(due);
                tx.set_record(keys::secret(&id), &secret)?;
                tx.set(keys::deletion(due, &id), crate::deletion::ROW);
                Ok(DeleteSecretOutput { arn, name: secret.name, deletion_date: due })
            })
            .await?;
        self.deletions_changed.notify_one();
        Ok(done)
    }

    fn forced(&self, call: &Call, id: &str, now: Timestamp) -> DeleteSecretOutput {
        let arn = id.parse().unwrap_or_else(|_| call.arn("secretsmanager", &format!("secret:{id}-{}", self.suffix())));
        DeleteSecretOutput { arn, name: id.to_owned(), deletion_date: now }
    }

    pub(crate) async fn restore_secret(self: Arc<Self>, call: Call, input: NamedSecret) -> Result<Named, Error> {
        self.db
            .transact(async |tx| {
                let (id, mut secret) = self.find(&tx, &call, &input.secret_id).await?;
                if let Some(due) = secret.deletion.take() {
                    tx.clear(keys::deletion(due, &id));
                    tx.set_record(keys::secret(&id), &secret)?;
                }
                Ok(Named { arn: secret.arn(&id), name: secret.name, version_id: None })
            })
            .await
    }
}
