//! Tags of pipes.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Arn, Call, TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::PipesError;
use crate::keys::{self, PipeId};
use crate::model::Wanted;
use crate::service::Pipes;

/// How many tags a pipe may have.
const TAGS_MAX: usize = 50;

/// The longest ARN of a pipe, in characters.
const ARN_CHARS_MAX: usize = 1_600;

pub(crate) fn validate_tags(v: &mut Violations, tags: &BTreeMap<String, String>) {
    v.count("tags", tags.len(), 1, TAGS_MAX);
    v.within("tags", |v| {
        for (key, value) in tags {
            v.length("key", key, 1, TAG_KEY_CHARS_MAX);
            v.length("value", value, 0, TAG_VALUE_CHARS_MAX);
        }
    });
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TagResource {
    pub(crate) resource_arn: String,
    tags: BTreeMap<String, String>,
}

impl Input for TagResource {
    fn validate(&self, v: &mut Violations) {
        v.length("resourceArn", &self.resource_arn, 1, ARN_CHARS_MAX);
        validate_tags(v, &self.tags);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UntagResource {
    pub(crate) resource_arn: String,
    tag_keys: Vec<String>,
}

impl Input for UntagResource {
    fn validate(&self, v: &mut Violations) {
        v.length("resourceArn", &self.resource_arn, 1, ARN_CHARS_MAX);
        v.count("tagKeys", self.tag_keys.len(), 0, TAGS_MAX);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListTags {
    pub(crate) resource_arn: String,
}

impl Input for ListTags {
    fn validate(&self, v: &mut Violations) {
        v.length("resourceArn", &self.resource_arn, 1, ARN_CHARS_MAX);
    }
}

#[derive(Serialize)]
pub(crate) struct ListTagsOutput {
    tags: BTreeMap<String, String>,
}

/// The pipe that an ARN names.
fn tagged(text: &str) -> Result<PipeId, PipesError> {
    let id = text.parse::<Arn>().ok().and_then(|arn| PipeId::of_arn(&arn));
    id.ok_or_else(|| PipesError::field("resourceArn", "Invalid ARN."))
}

impl Pipes {
    /// Changes the tags of a pipe.
    pub(crate) async fn change_tags(
        &self,
        id: &PipeId,
        change: impl Fn(&mut BTreeMap<String, String>),
    ) -> Result<(), PipesError> {
        let _turn = self.changing.lock().await;
        self.db
            .transact(async |tx| {
                let mut pipe = self.pipe(&tx, id).await?;
                if pipe.wanted == Wanted::Deleted {
                    return Err(PipesError::NotFound(id.name.clone()));
                }
                change(&mut pipe.tags);
                if pipe.tags.len() > TAGS_MAX {
                    return Err(PipesError::Quota { what: "tags", limit: TAGS_MAX });
                }
                Ok(tx.set_record(keys::pipe(id), &pipe)?)
            })
            .await
    }

    pub(crate) async fn tag_resource(self: Arc<Self>, _call: Call, input: TagResource) -> Result<(), PipesError> {
        self.change_tags(&tagged(&input.resource_arn)?, |tags| tags.extend(input.tags.clone())).await
    }

    pub(crate) async fn untag_resource(self: Arc<Self>, _call: Call, input: UntagResource) -> Result<(), PipesError> {
        let id = tagged(&input.resource_arn)?;
        self.change_tags(&id, |tags| tags.retain(|key, _| !input.tag_keys.contains(key))).await
    }

    pub(crate) async fn list_tags_for_resource(
        self: Arc<Self>,
        _call: Call,
        input: ListTags,
    ) -> Result<ListTagsOutput, PipesError> {
        let pipe = self.pipe(&self.db.begin(), &tagged(&input.resource_arn)?).await?;
        Ok(ListTagsOutput { tags: pipe.tags })
    }
}
