//! Tags on buses and rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Arn, Call, Tag, Violations};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, BusId};
use crate::model::DEFAULT_BUS;
use crate::service::EventBridge;

/// How many tags a resource may have.
pub const TAGS_MAX: usize = 50;

#[derive(Deserialize)]
pub(crate) struct TagResource {
    #[serde(rename = "ResourceARN")]
    pub(crate) resource_arn: String,
    #[serde(rename = "Tags")]
    tags: Vec<Tag>,
}

impl Input for TagResource {
    fn validate(&self, v: &mut Violations) {
        v.length("resourceARN", &self.resource_arn, 1, 1_600);
        Tag::validate(v, &self.tags);
    }
}

#[derive(Deserialize)]
pub(crate) struct UntagResource {
    #[serde(rename = "ResourceARN")]
    pub(crate) resource_arn: String,
    #[serde(rename = "TagKeys")]
    tag_keys: Vec<String>,
}

impl Input for UntagResource {
    fn validate(&self, v: &mut Violations) {
        v.length("resourceARN", &self.resource_arn, 1, 1_600);
    }
}

#[derive(Deserialize)]
pub(crate) struct ListTagsForResource {
    #[serde(rename = "ResourceARN")]
    pub(crate) resource_arn: String,
}

impl Input for ListTagsForResource {
    fn validate(&self, v: &mut Violations) {
        v.length("resourceARN", &self.resource_arn, 1, 1_600);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsForResourceOutput {
    tags: Vec<Tag>,
}

/// What an ARN of this service names.
enum Tagged {
    Bus(BusId),
    Rule(BusId, String),
}

fn tagged(text: &str) -> Result<Tagged, Error> {
    let bad =
        || Error::Invalid(format!("Parameter {text} is not valid. Reason: Provided Arn is not in correct format."));
    let arn: Arn = text.parse().map_err(|_| bad())?;
    let account = arn.account().ok_or_else(bad)?;
    let region = arn.region().parse().map_err(|_| bad())?;
    let bus = |name: &str| BusId { account, region, name: name.to_owned() };
    match arn.resource().split_once('/') {
        Some(("event-bus", name)) => Ok(Tagged::Bus(bus(name))),
        Some(("rule", rest)) => match rest.split_once('/') {
            Some((name, rule)) => Ok(Tagged::Rule(bus(name), rule.to_owned())),
            None => Ok(Tagged::Rule(bus(DEFAULT_BUS), rest.to_owned())),
        },
        _ => Err(bad()),
    }
}

impl EventBridge {
    async fn change_tags(
        &self,
        arn: &str,
        change: impl Fn(&mut BTreeMap<String, String>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let tagged = tagged(arn)?;
        self.db
            .transact(async |tx| {
                match &tagged {
                    Tagged::Bus(id) => {
                        let mut bus = self.bus(&tx, id).await?;
                        change(&mut bus.tags)?;
                        tx.set_record(keys::bus(id), &bus)?;
                    }
                    Tagged::Rule(id, name) => {
                        let mut rule = self.rule(&tx, id, name).await?;
                        change(&mut rule.tags)?;
                        tx.set_record(keys::rule(id, name), &rule)?;
                    }
                }
                Ok(())
            })
            .await
    }

    pub(crate) async fn tag_resource(self: Arc<Self>, _call: Call, input: TagResource) -> Result<(), Error> {
        self.change_tags(&input.resource_arn, |tags| {
            tags.extend(Tag::map(&input.tags));
            if tags.len() > TAGS_MAX { Err(Error::Limit) } else { Ok(()) }
        })
        .await
    }

    pub(crate) async fn untag_resource(self: Arc<Self>, _call: Call, input: UntagResource) -> Result<(), Error> {
        self.change_tags(&input.resource_arn, |tags| {
            input.tag_keys.iter().for_each(|key| drop(tags.remove(key)));
            Ok(())
        })
        .await
    }

    pub(crate) async fn list_tags_for_resource(
        self: Arc<Self>,
        _call: Call,
        input: ListTagsForResource,
    ) -> Result<ListTagsForResourceOutput, Error> {
        let tags = self.tags(&self.db.begin(), &tagged(&input.resource_arn)?).await?;
        Ok(ListTagsForResourceOutput { tags: Tag::list(&tags) })
    }

    async fn tags(&self, tx: &Tx, tagged: &Tagged) -> Result<BTreeMap<String, String>, Error> {
        Ok(match tagged {
            Tagged::Bus(id) => self.bus(tx, id).await?.tags,
            Tagged::Rule(id, name) => self.rule(tx, id, name).await?.tags,
        })
    }
}
