//! Tags of log groups, in the present form (by ARN) and the older one (by name).

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::error::LogsError;
use super::names;
use super::open_group::Slot;
use super::service::Logs;

/// Tags of one resource. AWS: API reference, *TagResource*.
const TAGS_MAX: usize = 50;
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;
const KEY_PATTERN: &str = r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]+)$";
const VALUE_PATTERN: &str = r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$";

/// Tags by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// `TagResource`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TagResource {
    pub(crate) resource_arn: String,
    tags: Tags,
}

/// `UntagResource`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UntagResource {
    pub(crate) resource_arn: String,
    tag_keys: Vec<String>,
}

/// `ListTagsForResource`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListTagsForResource {
    pub(crate) resource_arn: String,
}

/// `TagLogGroup`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TagLogGroup {
    pub(crate) log_group_name: String,
    tags: Tags,
}

/// `UntagLogGroup`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UntagLogGroup {
    pub(crate) log_group_name: String,
    tags: Vec<String>,
}

/// The tags of a resource.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TagList {
    tags: Tags,
}

impl Input for TagResource {
    fn validate(&self, v: &mut Violations) {
        names::resource_arn(v, "resourceArn", &self.resource_arn);
        validate(v, &self.tags);
    }
}

impl Input for UntagResource {
    fn validate(&self, v: &mut Violations) {
        names::resource_arn(v, "resourceArn", &self.resource_arn);
        v.count("tagKeys", self.tag_keys.len(), 0, TAGS_MAX);
        self.tag_keys.iter().for_each(|key| validate_key(v, "tagKeys", key));
    }
}

impl Input for ListTagsForResource {
    fn validate(&self, v: &mut Violations) {
        names::resource_arn(v, "resourceArn", &self.resource_arn);
    }
}

impl Input for TagLogGroup {
    fn validate(&self, v: &mut Violations) {
        names::group(v, "logGroupName", &self.log_group_name);
        validate(v, &self.tags);
    }
}

impl Input for UntagLogGroup {
    fn validate(&self, v: &mut Violations) {
        names::group(v, "logGroupName", &self.log_group_name);
        v.count("tags", self.tags.len(), 1, TAGS_MAX);
        self.tags.iter().for_each(|key| validate_key(v, "tags", key));
    }
}

/// Tags as an input gives them.
pub(crate) fn validate(v: &mut Violations, tags: &Tags) {
    v.count("tags", tags.len(), 1, TAGS_MAX);
    for (key, value) in tags {
        validate_key(v, "tags", key);
        if !value.chars().all(allowed) {
            v.other(
                "tags",
                Some(value),
                &format!("Map value must satisfy regular expression pattern: {VALUE_PATTERN}"),
            );
        }
        v.length("tags", value, 0, VALUE_CHARS_MAX);
    }
}

fn validate_key(v: &mut Violations, member: &str, key: &str) {
    if key.is_empty() || !key.chars().all(allowed) {
        v.other(member, Some(key), &format!("Map keys must satisfy regular expression pattern: {KEY_PATTERN}"));
    }
    v.length(member, key, 1, KEY_CHARS_MAX);
}

/// Letters, separators and numbers of any script, and `_.:/=+-@`.
fn allowed(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}

/// Keys that begin with `aws:` belong to the provider.
pub(crate) fn refuse_reserved<'k>(mut keys: impl Iterator<Item = &'k String>) -> Result<(), LogsError> {
    let reserved = |key: &&String| key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    match keys.find(reserved) {
        Some(key) => {
            Err(LogsError::invalid(format!("Tag keys starting with 'aws:' are reserved for system use: {key}")))
        }
        None => Ok(()),
    }
}

impl Logs {
    fn tagged(&self, call: &Call, arn: &str) -> Result<Arc<Slot>, LogsError> {
        Ok(self.slot(call, &names::of_arn(call, arn)?))
    }

    async fn put_tags(&self, slot: &Slot, tags: Tags) -> Result<(), LogsError> {
        refuse_reserved(tags.keys())?;
        self.change_group(slot, |group| {
            group.tags.extend(tags);
            let count = group.tags.keys().filter(|key| !key.starts_with("aws:")).count();
            if count <= TAGS_MAX {
                return Ok(());
            }
            let message = format!("A resource can have at most {TAGS_MAX} tags; it would have {count}.");
            Err(LogsError::TooManyTags { message, resource: slot.name.arn() })
        })
        .await
    }

    async fn remove_tags(&self, slot: &Slot, keys: Vec<String>) -> Result<(), LogsError> {
        refuse_reserved(keys.iter())?;
        self.change_group(slot, |group| {
            group.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    /// `TagResource`.
    pub(crate) async fn tag_resource(self: Arc<Self>, call: Call, input: TagResource) -> Result<(), LogsError> {
        let slot = self.tagged(&call, &input.resource_arn)?;
        self.put_tags(&slot, input.tags).await
    }

    /// `UntagResource`.
    pub(crate) async fn untag_resource(self: Arc<Self>, call: Call, input: UntagResource) -> Result<(), LogsError> {
        let slot = self.tagged(&call, &input.resource_arn)?;
        self.remove_tags(&slot, input.tag_keys).await
    }

    /// `ListTagsForResource`.
    pub(crate) async fn list_tags_for_resource(
        self: Arc<Self>,
        call: Call,
        input: ListTagsForResource,
    ) -> Result<TagList, LogsError> {
        let slot = self.tagged(&call, &input.resource_arn)?;
        let group = self.group(&slot).await?;
        Ok(TagList { tags: group.tags.clone() })
    }

    /// `TagLogGroup`.
    pub(crate) async fn tag_log_group(self: Arc<Self>, call: Call, input: TagLogGroup) -> Result<(), LogsError> {
        self.put_tags(&self.slot(&call, &input.log_group_name), input.tags).await
    }

    /// `UntagLogGroup`.
    pub(crate) async fn untag_log_group(self: Arc<Self>, call: Call, input: UntagLogGroup) -> Result<(), LogsError> {
        self.remove_tags(&self.slot(&call, &input.log_group_name), input.tags).await
    }

    /// `ListTagsLogGroup`.
    pub(crate) async fn list_tags_log_group(
        self: Arc<Self>,
        call: Call,
        input: super::group::GroupByName,
    ) -> Result<TagList, LogsError> {
        let group = self.group(&self.slot(&call, &input.log_group_name)).await?;
        Ok(TagList { tags: group.tags.clone() })
    }
}
