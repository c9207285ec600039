//! Tags of topics.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Tag, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::TopicId;
use crate::model::Topic;
use crate::name;
use crate::service::Sns;

/// How many tags a topic may have.
pub const TAGS_MAX: usize = 50;

/// Tags as a client gives them: AWS keeps the prefix `aws:` to itself.
///
/// # Errors
/// A key that comes twice or that is AWS's own, too many tags.
pub(crate) fn given(tags: &[Tag]) -> Result<BTreeMap<String, String>, Error> {
    if tags.iter().any(|tag| tag.key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))) {
        return Err(Error::invalid("Tags Reason: aws: prefixed tag key names are not allowed for external use."));
    }
    let map = Tag::map(tags);
    if map.len() < tags.len() {
        return Err(Error::invalid("Duplicated keys are not allowed."));
    }
    if map.len() > TAGS_MAX {
        return Err(Error::Tags);
    }
    Ok(map)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagResource {
    pub(crate) resource_arn: String,
    tags: Vec<Tag>,
}

impl Input for TagResource {
    fn validate(&self, v: &mut Violations) {
        v.length("resourceArn", &self.resource_arn, 1, 1_011);
        Tag::validate(v, &self.tags);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UntagResource {
    pub(crate) resource_arn: String,
    tag_keys: Vec<String>,
}

impl Input for UntagResource {
    fn validate(&self, v: &mut Violations) {
        v.length("resourceArn", &self.resource_arn, 1, 1_011);
        for (n, key) in self.tag_keys.iter().enumerate() {
            v.within(format!("tagKeys.{}.member", n + 1), |v| v.length("", key, 1, 128));
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsForResource {
    pub(crate) resource_arn: String,
}

impl Input for ListTagsForResource {
    fn validate(&self, v: &mut Violations) {
        v.length("resourceArn", &self.resource_arn, 1, 1_011);
    }
}

/// An answer whose structure has no members.
#[derive(Serialize)]
pub(crate) struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsForResourceOutput {
    tags: Vec<Tag>,
}

impl Sns {
    pub(crate) async fn tag_resource(self: Arc<Self>, call: Call, input: TagResource) -> Result<Nothing, Error> {
        let added = given(&input.tags)?;
        let topic = name::topic_in("ResourceArn", &call, &input.resource_arn)?;
        self.change_tags(&topic, |tags| tags.extend(added.clone())).await
    }

    pub(crate) async fn untag_resource(self: Arc<Self>, call: Call, input: UntagResource) -> Result<Nothing, Error> {
        let topic = name::topic_in("ResourceArn", &call, &input.resource_arn)?;
        self.change_tags(&topic, |tags| tags.retain(|key, _| !input.tag_keys.contains(key))).await
    }

    pub(crate) async fn list_tags_for_resource(
        self: Arc<Self>,
        call: Call,
        input: ListTagsForResource,
    ) -> Result<ListTagsForResourceOutput, Error> {
        let topic = name::topic_in("ResourceArn", &call, &input.resource_arn)?;
        let row = self.topic(&self.db.begin(), &topic).await?.ok_or(Error::NoResource)?;
        Ok(ListTagsForResourceOutput { tags: Tag::list(&row.tags) })
    }

    async fn change_tags(
        &self,
        topic: &TopicId,
        change: impl Fn(&mut BTreeMap<String, String>),
    ) -> Result<Nothing, Error> {
        self.db
            .transact(async |tx| {
                let mut row: Topic = self.topic(&tx, topic).await?.ok_or(Error::NoResource)?;
                change(&mut row.tags);
                if row.tags.len() > TAGS_MAX {
                    return Err(Error::Tags);
                }
                self.set_topic(&tx, topic, &row).await
            })
            .await?;
        Ok(Nothing {})
    }
}
