//! Tags of secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys;
use crate::secret::validate_id;
use crate::service::{Names, SecretsManager};

/// How many tags a secret may have. AWS: *TagResource*.
pub const TAGS_MAX: usize = 50;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: String,
}

pub(crate) fn validate(v: &mut Violations, tags: &[Tag]) {
    for (n, tag) in tags.iter().enumerate() {
        v.within(format!("tags.{}.member", n + 1), |v| {
            v.length("key", &tag.key, 1, 128);
            v.length("value", &tag.value, 0, 256);
        });
    }
}

/// What the lengths do not say.
pub(crate) fn check(tags: &[Tag]) -> Result<(), Error> {
    if tags.len() > TAGS_MAX {
        return Err(too_many());
    }
    let mut seen = BTreeMap::new();
    for tag in tags {
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            let message = "You can't use tag keys that begin with aws:, they are reserved for AWS use.";
            return Err(Error::Parameter(message.to_owned()));
        }
        if seen.insert(&tag.key, ()).is_some() {
            return Err(Error::Parameter("You can't use the same tag key more than once in a request.".to_owned()));
        }
    }
    Ok(())
}

fn too_many() -> Error {
    Error::Parameter(format!("You can't attach more than {TAGS_MAX} tags to a secret."))
}

pub(crate) fn to_map(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

pub(crate) fn to_list(tags: BTreeMap<String, String>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag { key, value }).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagResource {
    secret_id: String,
    tags: Vec<Tag>,
}

impl Input for TagResource {
    fn validate(&self, v: &mut Violations) {
        validate_id(v, &self.secret_id);
        validate(v, &self.tags);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UntagResource {
    secret_id: String,
    tag_keys: Vec<String>,
}

impl Input for UntagResource {
    fn validate(&self, v: &mut Violations) {
        validate_id(v, &self.secret_id);
        for (n, key) in self.tag_keys.iter().enumerate() {
            v.within(format!("tagKeys.{}", n + 1), |v| v.length("member", key, 1, 128));
        }
    }
}

impl Names for TagResource {
    fn secret_id(&self) -> &str {
        &self.secret_id
    }
}

impl Names for UntagResource {
    fn secret_id(&self) -> &str {
        &self.secret_id
    }
}

impl SecretsManager {
    pub(crate) async fn change_tags(
        &self,
        call: &Call,
        id: &str,
        change: impl Fn(&mut BTreeMap<String, String>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.db
            .transact(async |tx| {
                let (id, secret) = self.find(&tx, call, id).await?;
                let mut secret = secret.live()?;
                change(&mut secret.tags)?;
                Ok(tx.set_record(keys::secret(&id), &secret)?)
            })
            .await
    }

    pub(crate) async fn tag_resource(self: Arc<Self>, call: Call, input: TagResource) -> Result<(), Error> {
        check(&input.tags)?;
        self.change_tags(&call, &input.secret_id, |tags| {
            tags.extend(to_map(&input.tags));
            if tags.len() > TAGS_MAX { Err(too_many()) } else { Ok(()) }
        })
        .await
    }

    pub(crate) async fn untag_resource(self: Arc<Self>, call: Call, input: UntagResource) -> Result<(), Error> {
        self.change_tags(&call, &input.secret_id, |tags| {
            input.tag_keys.iter().for_each(|key| drop(tags.remove(key)));
            Ok(())
        })
        .await
    }
}
