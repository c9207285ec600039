//! Tags of APIs, stages, API keys and usage plans.
//!
//! AWS: API Gateway Developer Guide, "Tag API Gateway resources".

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::Tx;
use cauce_wire::{Api, Input, Operation};
use http::Method;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{ApiKey, RestApi, Stage, Texts, UsagePlan};
use crate::service::{ApiGateway, Located, at};

/// Tags of one thing.
pub(crate) const TAGS_MAX: usize = 50;

/// What a tag's key may not begin with.
const RESERVED: &str = "aws:";

/// AWS: *TagResource*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TagResource {
    resource_arn: String,
    tags: Option<Texts>,
}

/// AWS: *UntagResource* and *GetTags*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaggedResource {
    resource_arn: String,
    #[serde(default)]
    tag_keys: Vec<String>,
}

impl Input for TagResource {
    fn validate(&self, v: &mut Violations) {
        v.within("tagResourceInput", |v| v.required("tags", self.tags.as_ref()));
    }
}

impl Input for TaggedResource {}

impl Located for TagResource {
    fn location(&self) -> String {
        format!("/tags/{}", self.resource_arn)
    }
}

impl Located for TaggedResource {
    fn location(&self) -> String {
        format!("/tags/{}", self.resource_arn)
    }
}

/// AWS: *GetTags*, response.
#[derive(Debug, Serialize)]
pub(crate) struct Tags {
    tags: Texts,
}

/// Refuses tags that AWS refuses.
pub(crate) fn check_tags(tags: &Texts) -> Result<(), Error> {
    if tags.len() > TAGS_MAX {
        return Err(Error::bad(format!("{} tags are more than the limit of {TAGS_MAX}", tags.len())));
    }
    for (key, value) in tags {
        if !(1..=128).contains(&key.chars().count()) {
            return Err(Error::bad(format!("Invalid tag key: {key}. It must have 1 to 128 characters")));
        }
        if value.chars().count() > 256 {
            return Err(Error::bad(format!("Invalid tag value: {value}. It must have at most 256 characters")));
        }
        if key.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED)) {
            return Err(Error::bad(format!("Invalid tag key: {key}. aws: prefixed tag key names are not allowed")));
        }
    }
    Ok(())
}

impl ApiGateway {
    /// Changes the tags of whatever the ARN names.
    async fn change_tags(
        self: &Arc<Self>,
        tx: &Tx,
        call: &Call,
        arn: &str,
        change: impl FnOnce(&mut Texts) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let place = Place::of(call);
        let invalid = || Error::missing("Invalid Resource identifier specified");
        let path = arn
            .strip_prefix(&format!("arn:aws:apigateway:{}::/", place.region))
            .ok_or_else(|| Error::bad(format!("Invalid resource ARN specified: {arn}")))?;
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["restapis", id] => {
                let mut api: RestApi = self.api(tx, &place, id).await?;
                change(&mut api.tags)?;
                tx.set_record(keys::api(&place, id), &api)?;
            }
            ["restapis", id, "stages", name] => {
                self.api(tx, &place, id).await?;
                let key = keys::stage(id, name);
                let mut stage = tx.get_record::<Stage>(&key).await?.ok_or_else(invalid)?;
                change(&mut stage.tags)?;
                tx.set_record(key, &stage)?;
                self.api_changes(tx, id);
            }
            ["apikeys", id] => {
                let key = keys::api_key(&place, id);
                let mut api_key = tx.get_record::<ApiKey>(&key).await?.ok_or_else(invalid)?;
                change(&mut api_key.tags)?;
                tx.set_record(key, &api_key)?;
            }
            ["usageplans", id] => {
                let key = keys::usage_plan(&place, id);
                let mut plan = tx.get_record::<UsagePlan>(&key).await?.ok_or_else(invalid)?;
                change(&mut plan.tags)?;
                tx.set_record(key, &plan)?;
            }
            _ => return Err(Error::bad(format!("Invalid resource ARN specified: {arn}"))),
        }
        Ok(())
    }

    pub(crate) async fn tag_resource(self: Arc<Self>, call: Call, input: TagResource) -> Result<(), Error> {
        let added = input.tags.unwrap_or_default();
        check_tags(&added)?;
        self.db
            .transact(async |tx| {
                self.change_tags(&tx, &call, &input.resource_arn, |tags| {
                    tags.extend(added.clone());
                    let own: Texts = tags
                        .iter()
                        .filter(|(key, _)| !key.starts_with(RESERVED))
                        .map(|(k, v)| (k.clone(), v.clone()))
                        .collect();
                    check_tags(&own)
                })
                .await
            })
            .await
    }

    pub(crate) async fn untag_resource(self: Arc<Self>, call: Call, input: TaggedResource) -> Result<(), Error> {
        if input.tag_keys.is_empty() {
            return Err(Error::bad("tagKeys must not be empty"));
        }
        self.db
            .transact(async |tx| {
                self.change_tags(&tx, &call, &input.resource_arn, |tags| {
                    tags.retain(|key, _| !input.tag_keys.contains(key));
                    Ok(())
                })
                .await
            })
            .await
    }

    pub(crate) async fn get_tags(self: Arc<Self>, call: Call, input: TaggedResource) -> Result<Tags, Error> {
        let mut shown = Texts::new();
        // The transaction is never committed.
        let tx = self.db.begin();
        self.change_tags(&tx, &call, &input.resource_arn, |tags| {
            shown.clone_from(tags);
            Ok(())
        })
        .await?;
        Ok(Tags { tags: shown })
    }
}

pub(crate) fn operations(api: Api<ApiGateway>) -> Api<ApiGateway> {
    const TAGS: &str = "/tags/{resourceArn+}";
    api.operation(at(Operation::new("TagResource", ApiGateway::tag_resource), Method::PUT, TAGS, 204))
        .operation(
            at(Operation::new("UntagResource", ApiGateway::untag_resource), Method::DELETE, TAGS, 204)
                .query_list("tagKeys", "tagKeys"),
        )
        .operation(at(Operation::new("GetTags", ApiGateway::get_tags), Method::GET, TAGS, 200))
}
