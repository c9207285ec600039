//! Tags of parameters.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Tag, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys;
use crate::name::Reference;
use crate::service::ParameterStore;

/// How many tags a parameter may have. AWS: *AddTagsToResource*.
pub const TAGS_MAX: usize = 50;

const RESOURCE_TYPES: [&str; 9] = [
    "Document",
    "ManagedInstance",
    "MaintenanceWindow",
    "Parameter",
    "PatchBaseline",
    "OpsItem",
    "OpsMetadata",
    "Automation",
    "Association",
];

/// What the lengths do not say.
pub(crate) fn check(tags: &[Tag]) -> Result<(), Error> {
    if tags.len() > TAGS_MAX {
        return Err(Error::Tags);
    }
    if let Some(tag) = tags.iter().find(|tag| tag.key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(Error::Invalid(format!(
            "Tag key {} can't begin with aws:, which is reserved for AWS use.",
            tag.key
        )));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AddTagsToResource {
    resource_type: String,
    pub(crate) resource_id: String,
    tags: Vec<Tag>,
}

impl Input for AddTagsToResource {
    fn validate(&self, v: &mut Violations) {
        v.one_of("resourceType", &self.resource_type, &RESOURCE_TYPES);
        Tag::validate(v, &self.tags);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RemoveTagsFromResource {
    resource_type: String,
    pub(crate) resource_id: String,
    tag_keys: Vec<String>,
}

impl Input for RemoveTagsFromResource {
    fn validate(&self, v: &mut Violations) {
        v.one_of("resourceType", &self.resource_type, &RESOURCE_TYPES);
        for (n, key) in self.tag_keys.iter().enumerate() {
            v.within(format!("tagKeys.{}", n + 1), |v| v.length("member", key, 1, 128));
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsForResource {
    resource_type: String,
    pub(crate) resource_id: String,
}

impl Input for ListTagsForResource {
    fn validate(&self, v: &mut Violations) {
        v.one_of("resourceType", &self.resource_type, &RESOURCE_TYPES);
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct TagsOutput {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsForResourceOutput {
    tag_list: Vec<Tag>,
}

fn refuse_type(resource_type: &str) -> Result<(), Error> {
    if resource_type == "Parameter" { Ok(()) } else { Err(Error::ResourceType) }
}

impl ParameterStore {
    pub(crate) async fn change_tags(
        &self,
        call: &Call,
        id: &str,
        change: impl Fn(&mut BTreeMap<String, String>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let reference = Reference::read(call, id);
        self.db
            .transact(async |tx| {
                let mut found = self.find(&tx, &reference).await?.ok_or(Error::ResourceId)?;
                change(&mut found.tags)?;
                Ok(tx.set_record(keys::parameter(&reference.place, &found.name), &found)?)
            })
            .await
    }

    pub(crate) async fn add_tags_to_resource(
        self: Arc<Self>,
        call: Call,
        input: AddTagsToResource,
    ) -> Result<TagsOutput, Error> {
        refuse_type(&input.resource_type)?;
        check(&input.tags)?;
        self.change_tags(&call, &input.resource_id, |tags| {
            tags.extend(Tag::map(&input.tags));
            if tags.len() > TAGS_MAX { Err(Error::Tags) } else { Ok(()) }
        })
        .await?;
        Ok(TagsOutput {})
    }

    pub(crate) async fn remove_tags_from_resource(
        self: Arc<Self>,
        call: Call,
        input: RemoveTagsFromResource,
    ) -> Result<TagsOutput, Error> {
        refuse_type(&input.resource_type)?;
        self.change_tags(&call, &input.resource_id, |tags| {
            input.tag_keys.iter().for_each(|key| drop(tags.remove(key)));
            Ok(())
        })
        .await?;
        Ok(TagsOutput {})
    }

    pub(crate) async fn list_tags_for_resource(
        self: Arc<Self>,
        call: Call,
        input: ListTagsForResource,
    ) -> Result<ListTagsForResourceOutput, Error> {
        refuse_type(&input.resource_type)?;
        let reference = Reference::read(&call, &input.resource_id);
        let found = self.find(&self.db.begin(), &reference).await?.ok_or(Error::ResourceId)?;
        let tag_list = Tag::list(&found.tags);
        Ok(ListTagsForResourceOutput { tag_list })
    }
}
