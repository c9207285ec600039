//! Tags of queues.
//!
//! AWS: SQS Developer Guide, "Amazon SQS cost allocation tags".

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::Call;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::queue::OneQueue;
use crate::service::Sqs;

/// How many tags a queue may have.
pub const TAGS_MAX: usize = 50;
/// The longest key of a tag, in characters.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// The longest value of a tag, in characters.
pub const TAG_VALUE_CHARS_MAX: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagQueue {
    pub(crate) queue_url: Option<String>,
    #[serde(default, alias = "Tag")]
    tags: BTreeMap<String, String>,
}

impl Input for TagQueue {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UntagQueue {
    pub(crate) queue_url: Option<String>,
    #[serde(default, alias = "TagKey")]
    tag_keys: Vec<String>,
}

impl Input for UntagQueue {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueueTags {
    #[serde(serialize_with = "flat_tags", skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

fn flat_tags<S: serde::Serializer>(map: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    cauce_wire::flattened("$cauce::Flat Tag Key Value", map, serializer)
}

/// Refuses tags that AWS refuses.
pub(crate) fn check(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if tags.len() > TAGS_MAX {
        return Err(Error::Value(format!("Too many tags: a queue can have at most {TAGS_MAX}.")));
    }
    let plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c));
    for (key, value) in tags {
        if !(1..=TAG_KEY_CHARS_MAX).contains(&key.chars().count()) || !plain(key) {
            return Err(Error::Value(format!(
                "Tag keys must be between 1 and {TAG_KEY_CHARS_MAX} characters in length."
            )));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Error::Value(format!("Tag keys cannot start with 'aws:': {key}.")));
        }
        if value.chars().count() > TAG_VALUE_CHARS_MAX || !plain(value) {
            let message = format!("Tag values must be between 0 and {TAG_VALUE_CHARS_MAX} characters in length.");
            return Err(Error::Value(message));
        }
    }
    Ok(())
}

impl Sqs {
    pub(crate) async fn tag_queue(self: Arc<Self>, call: Call, input: TagQueue) -> Result<(), Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        if input.tags.is_empty() {
            return Err(Error::Missing("Tags".to_owned()));
        }
        check(&input.tags)?;
        self.change(&held.id, |queue| {
            queue.tags.extend(input.tags);
            check(&queue.tags)
        })
        .await
    }

    pub(crate) async fn untag_queue(self: Arc<Self>, call: Call, input: UntagQueue) -> Result<(), Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        if input.tag_keys.is_empty() {
            return Err(Error::Missing("TagKeys".to_owned()));
        }
        self.change(&held.id, |queue| {
            queue.tags.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        })
        .await
    }

    pub(crate) async fn list_queue_tags(self: Arc<Self>, call: Call, input: OneQueue) -> Result<QueueTags, Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        Ok(QueueTags { tags: held.queue.tags.clone() })
    }
}
