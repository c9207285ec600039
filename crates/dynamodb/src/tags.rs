//! Tags on tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Arn, Call, Tag, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, TableId};
use crate::model::Table;
use crate::service::DynamoDb;

/// How many tags a table may have.
pub const TAGS_MAX: usize = 50;

pub(crate) fn to_map(tags: &[Tag]) -> Result<BTreeMap<String, String>, Error> {
    let map = Tag::map(tags);
    if map.len() < tags.len() {
        return Err(Error::values("Tag keys must be unique"));
    }
    check_count(&map)?;
    Ok(map)
}

fn check_count(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if tags.len() > TAGS_MAX {
        return Err(Error::values(format!("Too many tags: the limit is {TAGS_MAX} tags a resource")));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TagResource {
    pub(crate) resource_arn: String,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UntagResource {
    pub(crate) resource_arn: String,
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsOfResource {
    pub(crate) resource_arn: String,
}

fn validate_arn(v: &mut Violations, arn: &str) {
    v.length("resourceArn", arn, 1, 1_283);
}

impl Input for TagResource {
    fn validate(&self, v: &mut Violations) {
        validate_arn(v, &self.resource_arn);
        Tag::validate(v, &self.tags);
    }
}

impl Input for UntagResource {
    fn validate(&self, v: &mut Violations) {
        validate_arn(v, &self.resource_arn);
        self.tag_keys.iter().for_each(|key| v.length("tagKeys.member", key, 1, 128));
    }
}

impl Input for ListTagsOfResource {
    fn validate(&self, v: &mut Violations) {
        validate_arn(v, &self.resource_arn);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListTagsOutput {
    tags: Vec<Tag>,
}

/// The table that an ARN names.
fn tagged(call: &Call, text: &str) -> Result<TableId, Error> {
    let bad = || Error::invalid(format!("Invalid TableArn: Invalid ResourceArn provided as input {text}"));
    let arn: Arn = text.parse().map_err(|_| bad())?;
    let name = arn.resource().strip_prefix("table/").filter(|name| !name.contains('/')).ok_or_else(bad)?;
    if arn.service() != "dynamodb" {
        return Err(bad());
    }
    if arn.account() != Some(call.account) || arn.region() != call.region.as_str() {
        return Err(missing(text));
    }
    Ok(TableId { account: call.account, region: call.region.clone(), name: name.to_owned() })
}

/// AWS's own spelling.
fn missing(arn: &str) -> Error {
    Error::NotFound(format!("ResourcArn: {arn}"))
}

impl DynamoDb {
    pub(crate) async fn tag_resource(self: Arc<Self>, call: Call, input: TagResource) -> Result<(), Error> {
        let id = tagged(&call, &input.resource_arn)?;
        let tags = to_map(&input.tags)?;
        self.change_table(&id, |table| {
            table.tags.extend(tags.clone());
            check_count(&table.tags)
        })
        .await
        .map_err(|error| not_tagged(error, &input.resource_arn))
    }

    pub(crate) async fn untag_resource(self: Arc<Self>, call: Call, input: UntagResource) -> Result<(), Error> {
        let id = tagged(&call, &input.resource_arn)?;
        self.change_table(&id, |table| {
            input.tag_keys.iter().for_each(|key| drop(table.tags.remove(key)));
            Ok(())
        })
        .await
        .map_err(|error| not_tagged(error, &input.resource_arn))
    }

    pub(crate) async fn list_tags_of_resource(
        self: Arc<Self>,
        call: Call,
        input: ListTagsOfResource,
    ) -> Result<ListTagsOutput, Error> {
        let id = tagged(&call, &input.resource_arn)?;
        let table = self.catalog.table(&self.db, &keys::table(&id)).await;
        let table = table.map_err(|error| not_tagged(error, &input.resource_arn))?;
        Ok(ListTagsOutput { tags: Tag::list(&table.tags) })
    }

    /// Changes a table's definition in a transaction.
    pub(crate) async fn change_table<T>(
        &self,
        id: &TableId,
        change: impl Fn(&mut Table) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let key = keys::table(id);
        self.db
            .transact(async |tx| {
                let mut table = tx.get_record::<Table>(&key).await?.ok_or(Error::NoTable)?;
                let changed = change(&mut table)?;
                tx.set_record(key.clone(), &table)?;
                Ok(changed)
            })
            .await
    }
}

fn not_tagged(error: Error, arn: &str) -> Error {
    match error {
        Error::NoTable => missing(arn),
        other => other,
    }
}
