//! Tags on groups; schedules have none.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Arn, Call, Tag, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::error::SchedulerError;
use super::keys::{self, GroupId};
use super::service::Scheduler;

/// How many tags a group may have.
pub(crate) const GROUP_TAGS_MAX: usize = 50;

pub(crate) fn validate_tags(v: &mut Violations, tags: &[Tag]) {
    v.count("tags", tags.len(), 0, 200);
    Tag::validate(v, tags);
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
        validate_tags(v, &self.tags);
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
        v.count("tagKeys", self.tag_keys.len(), 0, 200);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTags {
    pub(crate) resource_arn: String,
}

impl Input for ListTags {
    fn validate(&self, v: &mut Violations) {
        v.length("resourceArn", &self.resource_arn, 1, 1_011);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsOutput {
    tags: Vec<Tag>,
}

/// The group that an ARN names.
fn tagged(text: &str) -> Result<GroupId, SchedulerError> {
    let group = || {
        let arn: Arn = text.parse().ok()?;
        let name = arn.resource().strip_prefix("schedule-group/")?.to_owned();
        let region = arn.region().parse().ok()?;
        (arn.service() == "scheduler").then_some(GroupId { account: arn.account()?, region, name })
    };
    group().ok_or_else(|| SchedulerError::Invalid(format!("Provided ResourceArn {text} is not valid.")))
}

impl Scheduler {
    async fn change_tags(
        &self,
        arn: &str,
        change: impl Fn(&mut BTreeMap<String, String>) -> Result<(), SchedulerError>,
    ) -> Result<(), SchedulerError> {
        let id = tagged(arn)?;
        self.db
            .transact(async |tx| {
                let group = self.group(&tx, &id).await?;
                let mut group = group.ok_or_else(|| SchedulerError::NoGroup(id.name.clone()))?;
                change(&mut group.tags)?;
                Ok(tx.set_record(keys::group(&id), &group)?)
            })
            .await
    }

    /// Gives a group these tags and no others.
    pub(crate) async fn replace_tags(&self, id: &GroupId, tags: &[Tag]) -> Result<(), SchedulerError> {
        let arn = super::service::group_arn(id).to_string();
        self.change_tags(&arn, |old| {
            *old = Tag::map(tags);
            Ok(())
        })
        .await
    }

    pub(crate) async fn tag_resource(self: Arc<Self>, _call: Call, input: TagResource) -> Result<(), SchedulerError> {
        self.change_tags(&input.resource_arn, |tags| {
            tags.extend(Tag::map(&input.tags));
            match tags.len() > GROUP_TAGS_MAX {
                true => Err(SchedulerError::Quota { what: "tags", limit: GROUP_TAGS_MAX }),
                false => Ok(()),
            }
        })
        .await
    }

    pub(crate) async fn untag_resource(
        self: Arc<Self>,
        _call: Call,
        input: UntagResource,
    ) -> Result<(), SchedulerError> {
        self.change_tags(&input.resource_arn, |tags| {
            input.tag_keys.iter().for_each(|key| drop(tags.remove(key)));
            Ok(())
        })
        .await
    }

    pub(crate) async fn list_tags_for_resource(
        self: Arc<Self>,
        _call: Call,
        input: ListTags,
    ) -> Result<ListTagsOutput, SchedulerError> {
        let id = tagged(&input.resource_arn)?;
        let group = self.group(&self.db.begin(), &id).await?;
        let group = group.ok_or_else(|| SchedulerError::NoGroup(id.name.clone()))?;
        Ok(ListTagsOutput { tags: Tag::list(&group.tags) })
    }
}
