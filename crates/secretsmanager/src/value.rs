//! Values: put and read.

use std::sync::Arc;

use cauce_core::ports::{Access, Verdict};
use cauce_core::{Arn, Blob, Call, ServiceError, Timestamp, Violations};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, SecretId};
use crate::listing::{self, Filter};
use crate::model::{Secret, SecretValue, given, validate_value};
use crate::secret::{validate_id, validate_token};
use crate::service::{Names, SecretsManager};
use crate::stages::{self, CURRENT, STAGES_MAX};

/// The most secrets of one `BatchGetSecretValue`.
const BATCH_MAX: usize = 20;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetSecretValue {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

impl Input for GetSecretValue {
    fn validate(&self, v: &mut Violations) {
        validate_id(v, &self.secret_id);
        if let Some(id) = &self.version_id {
            v.length("versionId", id, 32, 64);
        }
        if let Some(stage) = &self.version_stage {
            v.length("versionStage", stage, 1, 256);
        }
    }
}

impl Names for GetSecretValue {
    fn secret_id(&self) -> &str {
        &self.secret_id
    }
}

/// The condition keys of `GetSecretValue`.
pub(crate) fn context(_: &Call, input: &GetSecretValue) -> Vec<(String, Vec<String>)> {
    let mut keys = vec![("secretsmanager:SecretId".to_owned(), vec![input.secret_id.clone()])];
    let stage = input.version_stage.as_deref().or_else(|| input.version_id.is_none().then_some(CURRENT));
    keys.extend(stage.map(|stage| ("secretsmanager:VersionStage".to_owned(), vec![stage.to_owned()])));
    keys.extend(input.version_id.iter().map(|id| ("secretsmanager:VersionId".to_owned(), vec![id.clone()])));
    keys
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ValueOutput {
    #[serde(rename = "ARN")]
    arn: Arn,
    name: String,
    version_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_binary: Option<Blob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_string: Option<String>,
    version_stages: Vec<String>,
    created_date: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutSecretValue {
    secret_id: String,
    client_request_token: Option<String>,
    secret_string: Option<String>,
    secret_binary: Option<Blob>,
    version_stages: Option<Vec<String>>,
    rotation_token: Option<String>,
}

impl Input for PutSecretValue {
    fn validate(&self, v: &mut Violations) {
        validate_id(v, &self.secret_id);
        validate_token(v, self.client_request_token.as_deref());
        validate_value(v, self.secret_string.as_deref(), self.secret_binary.as_ref());
        if let Some(stages) = &self.version_stages {
            v.count("versionStages", stages.len(), 1, STAGES_MAX);
            for (n, stage) in stages.iter().enumerate() {
                v.within(format!("versionStages.{}", n + 1), |v| v.length("member", stage, 1, 256));
            }
        }
    }
}

impl Names for PutSecretValue {
    fn secret_id(&self) -> &str {
        &self.secret_id
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutSecretValueOutput {
    #[serde(rename = "ARN")]
    arn: Arn,
    name: String,
    version_id: String,
    version_stages: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchGetSecretValue {
    secret_id_list: Option<Vec<String>>,
    filters: Option<Vec<Filter>>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

impl Input for BatchGetSecretValue {
    fn validate(&self, v: &mut Violations) {
        if let Some(ids) = &self.secret_id_list {
            v.count("secretIdList", ids.len(), 1, BATCH_MAX);
            for (n, id) in ids.iter().enumerate() {
                v.within(format!("secretIdList.{}", n + 1), |v| v.length("member", id, 1, 2_048));
            }
        }
        listing::validate_filters(v, self.filters.as_deref().unwrap_or_default());
        if let Some(max) = self.max_results {
            v.range("maxResults", max, 1, 20);
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BatchOutput {
    secret_values: Vec<ValueOutput>,
    errors: Vec<BatchError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchError {
    secret_id: String,
    error_code: String,
    message: String,
}

impl SecretsManager {
    pub(crate) async fn get_secret_value(
        self: Arc<Self>,
        call: Call,
        input: GetSecretValue,
    ) -> Result<ValueOutput, Error> {
        let (version, stage) = (input.version_id.as_deref(), input.version_stage.as_deref());
        self.value(&call, &input.secret_id, version, stage).await
    }

    /// The value of a secret's version.
    async fn value(
        &self,
        call: &Call,
        id: &str,
        version: Option<&str>,
        stage: Option<&str>,
    ) -> Result<ValueOutput, Error> {
        let tx = self.db.begin();
        let (id, secret) = self.find(&tx, call, id).await?;
        let secret = secret.live()?;
        let out = value_in(&tx, &id, &secret, version, stage).await?;
        self.note_access(&id, &secret).await?;
        Ok(out)
    }

    /// Remembers the day of the last access: AWS keeps no more of it either, so a day costs one write.
    async fn note_access(&self, id: &SecretId, secret: &Secret) -> Result<(), Error> {
        let now = self.env.now().as_micros();
        let today = Timestamp::from_micros(now - now.rem_euclid(DAY_US));
        if secret.accessed.is_some_and(|day| day >= today) {
            return Ok(());
        }
        self.db
            .transact(async |tx| {
                let found = self.at(&tx, id).await?;
                if let Some(mut found) = found.filter(|found| found.suffix == secret.suffix) {
                    found.accessed = Some(today);
                    tx.set_record(keys::secret(id), &found)?;
                }
                Ok(())
            })
            .await
    }

    pub(crate) async fn put_secret_value(
        self: Arc<Self>,
        call: Call,
        input: PutSecretValue,
    ) -> Result<PutSecretValueOutput, Error> {
        if input.rotation_token.is_some() {
            return Err(Error::Parameter("Rotation tokens are not supported by this server.".to_owned()));
        }
        let Some(value) = given(input.secret_string, input.secret_binary)? else {
            return Err(Error::Request("You must provide either SecretString or SecretBinary.".to_owned()));
        };
        let token = input.client_request_token.unwrap_or_else(|| self.env.entropy().uuid());
        let labels = input.version_stages.unwrap_or_else(|| vec![CURRENT.to_owned()]);
        self.db
            .transact(async |tx| {
                let (id, secret) = self.find(&tx, &call, &input.secret_id).await?;
                let mut secret = secret.live()?;
                self.add_version(&tx, &id, &mut secret, &token, &value, &labels).await?;
                tx.set_record(keys::secret(&id), &secret)?;
                let stages = secret.versions.get(&token).map(|version| version.stages.clone());
                let (arn, version_stages) = (secret.arn(&id), stages.unwrap_or_default());
                Ok(PutSecretValueOutput { arn, name: secret.name, version_id: token.clone(), version_stages })
            })
            .await
    }

    pub(crate) async fn batch_get_secret_value(
        self: Arc<Self>,
        call: Call,
        input: BatchGetSecretValue,
    ) -> Result<BatchOutput, Error> {
        let filters = input.filters.filter(|filters| !filters.is_empty());
        let (ids, next_token) = match (input.secret_id_list, filters) {
            (Some(ids), None) if input.max_results.is_none() => (ids, None),
            (Some(_), None) => {
                let message =
                    "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.";
                return Err(Error::Parameter(message.to_owned()));
            }
            (None, Some(filters)) => self.batch_page(&call, &filters, input.max_results, input.next_token).await?,
            _ => {
                let message = "Either 'SecretIdList' or 'Filters' must be provided, but not both.";
                return Err(Error::Parameter(message.to_owned()));
            }
        };
        let mut out = BatchOutput { secret_values: Vec::new(), errors: Vec::new(), next_token };
        for id in ids {
            match self.batch_one(&call, &id).await {
                Ok(value) => out.secret_values.push(value),
                Err(error) => {
                    let (error_code, message) = (error.code().to_owned(), error.message().to_owned());
                    out.errors.push(BatchError { secret_id: id, error_code, message });
                }
            }
        }
        Ok(out)
    }

    async fn batch_page(
        &self,
        call: &Call,
        filters: &[Filter],
        max: Option<i64>,
        token: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), Error> {
        let found = self.matching(call, filters, false).await?;
        let keyed = found.into_iter().map(|(id, secret)| (secret.name.clone(), (id, secret))).collect();
        let limit = max.unwrap_or(20);
        let (page, next) = listing::cut(keyed, token.as_deref(), Some(limit), BATCH_MAX)?;
        Ok((page.iter().map(|(id, secret)| secret.arn(id).to_string()).collect(), next))
    }

    /// One secret of a batch: each needs the permission to read it.
    async fn batch_one(&self, call: &Call, id: &str) -> Result<ValueOutput, ServiceError> {
        let (key, secret) = self.find(&self.db.begin(), call, id).await?;
        let arn = secret.arn(&key);
        let access = Access {
            action: "secretsmanager:GetSecretValue",
            resource: arn.as_str(),
            resource_policy: secret.policy.as_deref(),
            context: vec![("secretsmanager:VersionStage".to_owned(), vec![CURRENT.to_owned()])],
        };
        match self.identity.explain(call, &access).await? {
            Verdict::Allowed(_) => Ok(self.value(call, arn.as_str(), None, None).await?),
            Verdict::Denied(why) => Err(ServiceError::access_denied(format!(
                "User: {} is not authorized to perform: secretsmanager:GetSecretValue on resource: {arn} {why}",
                call.principal
            ))),
        }
    }
}

async fn value_in(
    tx: &Tx,
    id: &SecretId,
    secret: &Secret,
    version: Option<&str>,
    stage: Option<&str>,
) -> Result<ValueOutput, Error> {
    let stage_or_current = stage.unwrap_or(CURRENT);
    let holder = stages::holder(&secret.versions, stage_or_current);
    let missing = || match version {
        Some(version) => Error::NoValue(format!("VersionId: {version}")),
        None => Error::NoValue(format!("staging label: {stage_or_current}")),
    };
    let version_id = version.or(holder).ok_or_else(missing)?;
    let found = secret.versions.get(version_id).ok_or_else(missing)?;
    if stage.is_some() && holder != Some(version_id) {
        let message = "You provided a VersionStage that is not associated to the provided VersionId.";
        return Err(Error::Request(message.to_owned()));
    }
    let value =
        tx.get_record::<SecretValue>(&keys::value(id, &secret.suffix, version_id)).await?.ok_or_else(missing)?;
    let (secret_string, secret_binary) = match value {
        SecretValue::Text(text) => (Some(text), None),
        SecretValue::Binary(blob) => (None, Some(blob)),
    };
    Ok(ValueOutput {
        arn: secret.arn(id),
        name: secret.name.clone(),
        version_id: version_id.to_owned(),
        secret_binary,
        secret_string,
        version_stages: found.stages.clone(),
        created_date: found.created,
    })
}
