//! Long-lived keys of users. AWS: IAM API Reference, *CreateAccessKey* and its like.

use std::sync::Arc;

use cauce_core::{Call, Timestamp, Violations};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::IamError;
use crate::iam::Iam;
use crate::model::{KeyRecord, MadeBy, UserRecord};
use crate::page::Paging;
use crate::user::{MaybeUserName, own_name};
use crate::{keys, limits, name};

const ACTIVE: &str = "Active";
const INACTIVE: &str = "Inactive";

fn status(active: bool) -> &'static str {
    if active { ACTIVE } else { INACTIVE }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewAccessKey {
    user_name: String,
    access_key_id: String,
    status: &'static str,
    secret_access_key: String,
    create_date: Timestamp,
}

/// `{AccessKey}`: the only answer that ever has the secret.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreatedAccessKey {
    access_key: NewAccessKey,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListAccessKeys {
    pub(crate) user_name: Option<String>,
    marker: Option<String>,
    max_items: Option<i64>,
}

impl ListAccessKeys {
    fn paging(&self) -> Paging {
        Paging::new(self.marker.clone(), self.max_items, None)
    }
}

impl Input for ListAccessKeys {
    fn validate(&self, v: &mut Violations) {
        if let Some(name) = &self.user_name {
            v.length("userName", name, 1, 128);
        }
        self.paging().validate(v);
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AccessKeyMetadata {
    user_name: String,
    access_key_id: String,
    status: &'static str,
    create_date: Timestamp,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccessKeys {
    access_key_metadata: Vec<AccessKeyMetadata>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UpdateAccessKey {
    pub(crate) user_name: Option<String>,
    pub(crate) access_key_id: String,
    pub(crate) status: String,
}

impl Input for UpdateAccessKey {
    fn validate(&self, v: &mut Violations) {
        v.length("accessKeyId", &self.access_key_id, 16, 128);
        v.one_of("status", &self.status, &[ACTIVE, INACTIVE]);
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteAccessKey {
    pub(crate) user_name: Option<String>,
    pub(crate) access_key_id: String,
}

impl Input for DeleteAccessKey {
    fn validate(&self, v: &mut Violations) {
        v.length("accessKeyId", &self.access_key_id, 16, 128);
    }
}

fn named(call: &Call, name: Option<String>) -> Result<String, IamError> {
    name.map_or_else(|| own_name(call), Ok)
}

impl Iam {
    pub(crate) async fn create_access_key(
        self: Arc<Self>,
        call: Call,
        input: MaybeUserName,
    ) -> Result<CreatedAccessKey, IamError> {
        let user = named(&call, input.user_name)?;
        let key = self.make_access_key(&user, true, None).await?;
        Ok(CreatedAccessKey {
            access_key: NewAccessKey {
                user_name: key.user,
                access_key_id: key.id,
                status: status(key.active),
                secret_access_key: key.secret,
                create_date: key.created,
            },
        })
    }

    pub(crate) async fn make_access_key(
        &self,
        user: &str,
        active: bool,
        made_by: Option<&MadeBy>,
    ) -> Result<KeyRecord, IamError> {
        let fresh = KeyRecord {
            id: name::access_key_id(self.env.entropy()),
            secret: name::secret(self.env.entropy()),
            account: self.account(),
            user: String::new(),
            active,
            created: self.now(),
            made_by: made_by.cloned(),
        };
        self.db
            .transact(async |tx| {
                let mut owner: UserRecord = self.find(&tx, user).await?;
                for id in &owner.access_keys {
                    let found = tx.get_record::<KeyRecord>(&keys::access_key(id)).await?;
                    if let Some(found) = found.filter(|k| made_by.is_some() && k.made_by.as_ref() == made_by) {
                        return Ok(found);
                    }
                }
                let max = limits::ACCESS_KEYS_PER_USER_MAX;
                limits::check("AccessKeysPerUser", owner.access_keys.len() + 1, max)?;
                owner.access_keys.push(fresh.id.clone());
                let key = KeyRecord { user: owner.name.clone(), ..fresh.clone() };
                tx.set_record(keys::access_key(&key.id), &key)?;
                self.save(&tx, user, &owner)?;
                Ok(key)
            })
            .await
    }

    pub(crate) async fn list_access_keys(
        self: Arc<Self>,
        call: Call,
        input: ListAccessKeys,
    ) -> Result<AccessKeys, IamError> {
        let paging = input.paging();
        let owner: UserRecord = self.read(&named(&call, input.user_name)?).await?;
        let mut metadata = Vec::new();
        for id in &owner.access_keys {
            if let Some(key) = self.db.get::<KeyRecord>(&keys::access_key(id)).await? {
                metadata.push(AccessKeyMetadata {
                    user_name: owner.name.clone(),
                    access_key_id: key.id,
                    status: status(key.active),
                    create_date: key.created,
                });
            }
        }
        metadata.sort_by(|a, b| a.access_key_id.cmp(&b.access_key_id));
        let page = paging.cut(metadata, |k| k.access_key_id.clone())?;
        Ok(AccessKeys { access_key_metadata: page.items, is_truncated: page.next.is_some(), marker: page.next })
    }

    async fn key_of(&self, tx: &Tx, user: &str, id: &str) -> Result<KeyRecord, IamError> {
        let key = tx.get_record::<KeyRecord>(&keys::access_key(id)).await?;
        let key = key.filter(|key| key.user.eq_ignore_ascii_case(user) && key.account == self.account());
        key.ok_or_else(|| IamError::NoSuchEntity(format!("The Access Key with id {id} cannot be found.")))
    }

    pub(crate) async fn update_access_key(self: Arc<Self>, call: Call, input: UpdateAccessKey) -> Result<(), IamError> {
        let user = named(&call, input.user_name)?;
        self.set_key_active(&user, &input.access_key_id, input.status == ACTIVE).await
    }

    pub(crate) async fn set_key_active(&self, user: &str, id: &str, active: bool) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                self.find::<UserRecord>(&tx, user).await?;
                let mut key = self.key_of(&tx, user, id).await?;
                key.active = active;
                tx.set_record(keys::access_key(&key.id), &key)?;
                self.changes(&tx);
                Ok(())
            })
            .await
    }

    pub(crate) async fn delete_access_key(self: Arc<Self>, call: Call, input: DeleteAccessKey) -> Result<(), IamError> {
        let user = named(&call, input.user_name)?;
        self.remove_access_key(&user, &input.access_key_id).await
    }

    pub(crate) async fn remove_access_key(&self, user: &str, id: &str) -> Result<(), IamError> {
        self.db
            .transact(async |tx| {
                let mut owner: UserRecord = self.find(&tx, user).await?;
                let key = self.key_of(&tx, user, id).await?;
                owner.access_keys.retain(|k| *k != key.id);
                tx.clear(keys::access_key(&key.id));
                self.save(&tx, user, &owner)
            })
            .await
    }
}
