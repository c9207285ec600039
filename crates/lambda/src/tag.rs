//! Tags of functions and of event source mappings.
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
use crate::mapping::{MappingKey, MappingRecord};
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

/// What has tags.
enum Tagged {
    Function(FunctionRef),
    Mapping(MappingKey),
}

fn tagged(call: &Call, resource: &str) -> Result<Tagged, Error> {
    let invalid = || Error::InvalidParameter(format!("Invalid resource ARN: {resource}"));
    let arn: Arn = resource.parse().map_err(|_| invalid())?;
    if let Some(uuid) = arn.resource().strip_prefix("event-source-mapping:") {
        let key = MappingKey { account: call.account, region: call.region.clone(), uuid: uuid.to_owned() };
        return if key.arn() == arn { Ok(Tagged::Mapping(key)) } else { Err(invalid()) };
    }
    let reference = FunctionRef::resolve(call, arn.as_str(), None)?;
    if reference.qualifier.is_some() {
        let message = "Tags on function aliases and versions are not supported. Please specify a function ARN.";
        return Err(Error::InvalidParameter(message.to_owned()));
    }
    Ok(Tagged::Function(reference))
}

fn no_mapping() -> Error {
    Error::NotFound("The resource you requested does not exist.".to_owned())
}

impl Lambda {
    pub(crate) async fn tag_resource(self: Arc<Self>, call: Call, input: TagResourceInput) -> Result<(), Error> {
        self.retag(&call, &input.resource, |tags| {
            tags.extend(input.tags.clone());
            if tags.len() > TAGS_MAX {
                return Err(Error::InvalidParameter(format!(
                    "A resource has at most {TAGS_MAX} tags, this one would have {}",
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
        let tagged = tagged(call, resource)?;
        self.db
            .transact(async |tx| {
                match &tagged {
                    Tagged::Function(reference) => {
                        let mut record = self.function(&tx, reference).await?;
                        change(&mut record.tags)?;
                        tx.set_record(keys::function(&reference.function), &record)?;
                    }
                    Tagged::Mapping(key) => {
                        let found: Option<MappingRecord> = tx.get_record(&keys::mapping(key)).await?;
                        let mut record = found.ok_or_else(no_mapping)?;
                        change(&mut record.tags)?;
                        tx.set_record(keys::mapping(key), &record)?;
                    }
                }
                Ok::<_, Error>(())
            })
            .await
    }

    /// Gives a resource exactly these tags.
    pub(crate) async fn set_tags(
        &self,
        call: &Call,
        resource: &str,
        wanted: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        self.retag(call, resource, |tags| {
            tags.clone_from(wanted);
            Ok(())
        })
        .await
    }

    pub(crate) async fn list_tags(self: Arc<Self>, call: Call, input: ListTagsInput) -> Result<ListTagsOutput, Error> {
        let tx = self.db.begin();
        let tags = match tagged(&call, &input.resource)? {
            Tagged::Function(reference) => self.function(&tx, &reference).await?.tags,
            Tagged::Mapping(key) => {
                let found: Option<MappingRecord> = tx.get_record(&keys::mapping(&key)).await?;
                found.ok_or_else(no_mapping)?.tags
            }
        };
        Ok(ListTagsOutput { tags })
    }
}
