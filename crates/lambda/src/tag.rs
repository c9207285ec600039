//! Tags of functions.
//!
//! AWS: Lambda API, *TagResource*, *UntagResource*, *ListTags*.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Arn, Call, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::configuration::check_tags;
use crate::error::Error;
use crate::keys;
use crate::name::FunctionRef;
use crate::service::Lambda;

/// The most tags of a function. AWS: 50.
const TAGS_MAX: usize = 50;

/// AWS: *TagResource*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagResourceInput {
    pub(crate) resource: String,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Input for TagResourceInput {
    fn validate(&self, v: &mut Violations) {
        check_tags(v, &self.tags);
    }
}

/// AWS: *UntagResource*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UntagResourceInput {
    pub(crate) resource: String,
    pub(crate) tag_keys: Vec<String>,
}

impl Input for UntagResourceInput {}

/// AWS: *ListTags*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsInput {
    pub(crate) resource: String,
}

impl Input for ListTagsInput {}

/// AWS: *ListTags*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsOutput {
    tags: BTreeMap<String, String>,
}

fn tagged(call: &Call, resource: &str) -> Result<FunctionRef, Error> {
    let invalid = || Error::InvalidParameter(format!("Invalid resource ARN: {resource}"));
    let arn: Arn = resource.parse().map_err(|_| invalid())?;
    let reference = FunctionRef::resolve(call, arn.as_str(), None)?;
    if reference.qualifier.is_some() {
        let message = "Tags on function aliases and versions are not supported. Please specify a function ARN.";
        return Err(Error::InvalidParameter(message.to_owned()));
    }
    Ok(reference)
}

impl Lambda {
    pub(crate) async fn tag_resource(self: Arc<Self>, call: Call, input: TagResourceInput) -> Result<(), Error> {
        self.retag(&call, &input.resource, |tags| {
            tags.extend(input.tags.clone());
            if tags.len() > TAGS_MAX {
                return Err(Error::InvalidParameter(format!(
                    "A function has at most {TAGS_MAX} tags, this one would have {}",
                    tags.len()
                )));
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn untag_resource(self: Arc<Self>, call: Call, input: UntagResourceInput) -> Result<(), Error> {
        self.retag(&call, &input.resource, |tags| {
            tags.retain(|key, _| !input.tag_keys.contains(key));
            Ok(())
        })
        .await
    }

    async fn retag(
        &self,
        call: &Call,
        resource: &str,
        change: impl Fn(&mut BTreeMap<String, String>) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let reference = tagged(call, resource)?;
        self.db
            .transact(async |tx| {
                let mut record = self.function(&tx, &reference).await?;
                change(&mut record.tags)?;
                tx.set_record(keys::function(&reference.function), &record)?;
                Ok::<_, Error>(())
            })
            .await
    }

    pub(crate) async fn list_tags(self: Arc<Self>, call: Call, input: ListTagsInput) -> Result<ListTagsOutput, Error> {
        let reference = tagged(&call, &input.resource)?;
        Ok(ListTagsOutput { tags: self.function(&self.db.begin(), &reference).await?.tags })
    }
}
