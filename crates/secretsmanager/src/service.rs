//! The service and the one table of its operations.

use std::sync::Arc;

use cauce_core::ports::Identity;
use cauce_core::{Arn, Call, Env};
use cauce_store::{Db, Tx};
use cauce_wire::{Api, Input, JsonVersion, Operation, Protocol, ServiceInfo};
use serde::Serialize;

use crate::error::Error;
use crate::keys::{self, SecretId};
use crate::model::{SUFFIX_CHARS, Secret};

/// Secrets Manager as the wire knows it.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "secretsmanager",
    signing_name: "secretsmanager",
    protocols: &[Protocol::Json { version: JsonVersion::V1_1, target_prefix: "secretsmanager" }],
    validation_code: "ValidationException",
};

const SUFFIX_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Secrets Manager.
pub struct SecretsManager {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) identity: Arc<dyn Identity>,
    /// Wakes the worker when the next deletion may have changed.
    pub(crate) deletions_changed: tokio::sync::Notify,
}

impl SecretsManager {
    /// The service on this store. Run [`SecretsManager::run_deletions`] to have deleted secrets removed.
    pub fn open(db: Db, env: Env, identity: Arc<dyn Identity>) -> Arc<SecretsManager> {
        Arc::new(SecretsManager { db, env, identity, deletions_changed: tokio::sync::Notify::new() })
    }

    /// The secret that a request means: by name, by its ARN, or by its ARN without the six characters at the end.
    pub(crate) async fn find(&self, tx: &Tx, call: &Call, id: &str) -> Result<(SecretId, Secret), Error> {
        for (id, suffix) in candidates(call, id) {
            let found = self.at(tx, &id).await?;
            if let Some(secret) = found.filter(|secret| suffix.is_none_or(|suffix| suffix == secret.suffix)) {
                return Ok((id, secret));
            }
        }
        Err(Error::NoSecret)
    }

    /// The secret by this very name, unless its time has come.
    pub(crate) async fn at(&self, tx: &Tx, id: &SecretId) -> Result<Option<Secret>, Error> {
        let found = tx.get_record::<Secret>(&keys::secret(id)).await?;
        Ok(found.filter(|secret| secret.deletion.is_none_or(|due| due > self.env.now())))
    }

    pub(crate) fn suffix(&self) -> String {
        self.env.entropy().text(SUFFIX_LETTERS, SUFFIX_CHARS)
    }

    /// The ARN that policies see: that of the secret, or what the caller named if there is none.
    async fn locate(self: Arc<Self>, call: Call, id: String) -> Result<String, Error> {
        match self.find(&self.db.begin(), &call, &id).await {
            Ok((id, secret)) => Ok(secret.arn(&id).to_string()),
            Err(Error::NoSecret) => Ok(id),
            Err(error) => Err(error),
        }
    }

    /// The ARN of a secret that is still to be made: as it could be, so that policies with a pattern for its end match it.
    async fn locate_new(self: Arc<Self>, call: Call, name: String) -> Result<String, Error> {
        match self.find(&self.db.begin(), &call, &name).await {
            Ok((id, secret)) => Ok(secret.arn(&id).to_string()),
            Err(Error::NoSecret) => {
                Ok(call.arn("secretsmanager", &format!("secret:{name}-{}", self.suffix())).to_string())
            }
            Err(error) => Err(error),
        }
    }

    /// The resource policy of the secret whose ARN this is, for authorization.
    async fn policy_of(self: Arc<Self>, call: Call, arn: String) -> Result<Option<String>, Error> {
        match self.find(&self.db.begin(), &call, &arn).await {
            Ok((_, secret)) => Ok(secret.policy),
            Err(Error::NoSecret) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The names that an id can mean, each with the end that its ARN must have then.
fn candidates<'a>(call: &Call, id: &'a str) -> Vec<(SecretId, Option<&'a str>)> {
    let Some((account, region)) = id.parse::<Arn>().ok().and_then(|arn| place(&arn)) else {
        let id = SecretId { account: call.account, region: call.region.clone(), name: id.to_owned() };
        return vec![(id, None)];
    };
    let Some(name) = id.splitn(7, ':').nth(6) else { return Vec::new() };
    let id = |name: &str| SecretId { account, region: region.clone(), name: name.to_owned() };
    let mut found = Vec::new();
    if let Some((name, suffix)) = name.rsplit_once('-').filter(|(_, suffix)| suffix.len() == SUFFIX_CHARS) {
        found.push((id(name), Some(suffix)));
    }
    found.push((id(name), None));
    found
}

fn place(arn: &Arn) -> Option<(cauce_core::Account, cauce_core::Region)> {
    let own = arn.service() == "secretsmanager" && arn.resource().starts_with("secret:");
    if !own {
        return None;
    }
    Some((arn.account()?, arn.region().parse().ok()?))
}

/// An input that names one secret.
pub(crate) trait Names {
    fn secret_id(&self) -> &str;
}

/// An operation on one secret.
fn on_secret<I, O>(operation: Operation<SecretsManager, I, O>) -> Operation<SecretsManager, I, O>
where
    I: Input + Names,
    O: Serialize + Send + 'static,
{
    operation
        .resource(|_, input: &I| vec![input.secret_id().to_owned()])
        .context(|_, input: &I| vec![("secretsmanager:SecretId".to_owned(), vec![input.secret_id().to_owned()])])
        .locate(SecretsManager::locate)
        .resource_policy(SecretsManager::policy_of)
}

/// Every operation of Secrets Manager that is served.
pub fn api(service: Arc<SecretsManager>) -> Api<SecretsManager> {
    Api::new(&INFO, service)
        .operation(
            Operation::new("CreateSecret", SecretsManager::create_secret)
                .resource(|_, i: &crate::secret::CreateSecret| vec![i.name.clone()])
                .context(|_, i: &crate::secret::CreateSecret| {
                    vec![("secretsmanager:Name".to_owned(), vec![i.name.clone()])]
                })
                .locate(SecretsManager::locate_new),
        )
        .operation(on_secret(Operation::new("UpdateSecret", SecretsManager::update_secret)))
        .operation(on_secret(Operation::new("DescribeSecret", SecretsManager::describe_secret)))
        .operation(on_secret(Operation::new("DeleteSecret", SecretsManager::delete_secret)))
        .operation(on_secret(Operation::new("RestoreSecret", SecretsManager::restore_secret)))
        .operation(Operation::new("ListSecrets", SecretsManager::list_secrets))
        .operation(
            on_secret(Operation::new("GetSecretValue", SecretsManager::get_secret_value))
                .context(crate::value::context),
        )
        .operation(Operation::new("BatchGetSecretValue", SecretsManager::batch_get_secret_value))
        .operation(on_secret(Operation::new("PutSecretValue", SecretsManager::put_secret_value)))
        .operation(on_secret(Operation::new("ListSecretVersionIds", SecretsManager::list_secret_version_ids)))
        .operation(on_secret(Operation::new("UpdateSecretVersionStage", SecretsManager::update_secret_version_stage)))
        .operation(Operation::new("GetRandomPassword", SecretsManager::get_random_password))
        .operation(on_secret(Operation::new("TagResource", SecretsManager::tag_resource)))
        .operation(on_secret(Operation::new("UntagResource", SecretsManager::untag_resource)))
        .operation(on_secret(Operation::new("GetResourcePolicy", SecretsManager::get_resource_policy)))
        .operation(on_secret(Operation::new("PutResourcePolicy", SecretsManager::put_resource_policy)))
        .operation(on_secret(Operation::new("DeleteResourcePolicy", SecretsManager::delete_resource_policy)))
        .operation(
            Operation::new("ValidateResourcePolicy", SecretsManager::validate_resource_policy)
                .resource(|_, i: &crate::policy::ValidateResourcePolicy| {
                    vec![i.secret_id.clone().unwrap_or_else(|| "*".to_owned())]
                })
                .locate(SecretsManager::locate),
        )
}

#[cfg(test)]
mod tests {
    use cauce_core::{Account, Call, Env, Region, Trace};

    use super::candidates;

    #[test]
    fn a_secret_is_named_in_three_ways() {
        let env = Env::system();
        let trace = Trace::start(env.now(), env.entropy());
        let call = Call::from_service(&env, "test", None, Account::DEFAULT, Region::default(), trace);
        let check = |id: &str, expect: &[(&str, Option<&str>)]| {
            let found = candidates(&call, id);
            let found: Vec<_> = found.iter().map(|(id, suffix)| (id.name.as_str(), *suffix)).collect();
            assert_eq!(found, expect, "{id}");
        };
        check("db/main", &[("db/main", None)]);
        let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:";
        check(&format!("{arn}db/main-AbCdEf"), &[("db/main", Some("AbCdEf")), ("db/main-AbCdEf", None)]);
        check(&format!("{arn}db/main"), &[("db/main", None)]);
        check("arn:aws:sqs:us-east-1:000000000000:q", &[("arn:aws:sqs:us-east-1:000000000000:q", None)]);
    }
}
