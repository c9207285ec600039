//! Published versions.
//!
//! AWS: Lambda API, *PublishVersion*, *ListVersionsByFunction*.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::RangeReq;
use cauce_store::decode_row;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::function::{check_revision, marker, publish_latest, read_marker};
use crate::keys;
use crate::model::{AliasRecord, Configuration, FunctionConfiguration, VersionRecord};
use crate::name::{FunctionRef, LATEST, check_name};
use crate::service::Lambda;

/// Versions on one page of a list. AWS: 50.
const PAGE_MAX: usize = 50;

/// AWS: *PublishVersion*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PublishVersionInput {
    pub(crate) function_name: String,
    #[serde(rename = "CodeSha256")]
    pub(crate) code_sha256: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) revision_id: Option<String>,
}

impl Input for PublishVersionInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        if let Some(description) = &self.description {
            v.length("Description", description, 0, 256);
        }
    }
}

/// AWS: *ListVersionsByFunction*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListVersionsInput {
    pub(crate) function_name: String,
    pub(crate) marker: Option<String>,
    pub(crate) max_items: Option<i64>,
}

impl Input for ListVersionsInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        if let Some(n) = self.max_items {
            v.range("MaxItems", n, 1, 10_000);
        }
    }
}

/// AWS: *ListVersionsByFunction*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListVersionsOutput {
    versions: Vec<FunctionConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
}

/// Whether nothing that a version keeps has changed.
fn same(a: &Configuration, b: &Configuration) -> bool {
    let essence = |c: &Configuration| Configuration {
        modified: cauce_core::Timestamp::EPOCH,
        revision: String::new(),
        description: String::new(),
        ..c.clone()
    };
    essence(a) == essence(b)
}

impl Lambda {
    pub(crate) async fn publish_version(
        self: Arc<Self>,
        call: Call,
        input: PublishVersionInput,
    ) -> Result<FunctionConfiguration, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let name = reference.function.clone();
        let revision = self.env.entropy().uuid();
        let shown = self
            .db
            .transact(async |tx| {
                let mut record = self.function(&tx, &reference).await?;
                check_revision(input.revision_id.as_deref(), &record.latest.revision)?;
                if let Some(expected) = input.code_sha256.as_deref().filter(|sha| *sha != record.latest.code.sha256) {
                    return Err(Error::InvalidParameter(format!(
                        "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({}). Please try again with the \
                         CodeSHA256 in $LATEST.",
                        record.latest.code.sha256
                    )));
                }
                let last: Option<VersionRecord> = tx.get_record(&keys::version(&name, record.last_version)).await?;
                let configuration = match last.filter(|last| same(&last.configuration, &record.latest)) {
                    Some(unchanged) => unchanged.configuration,
                    None => {
                        let description = input.description.as_deref();
                        let published = publish_latest(&tx, &name, &mut record, description, &revision)?;
                        tx.set_record(keys::function(&name), &record)?;
                        published
                    }
                };
                let version = record.last_version.to_string();
                Ok(configuration.shown(&name, &version, Some(&version)))
            })
            .await?;
        self.changed(&name);
        Ok(shown)
    }

    pub(crate) async fn list_versions(
        self: Arc<Self>,
        call: Call,
        input: ListVersionsInput,
    ) -> Result<ListVersionsOutput, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let name = &reference.function;
        let record = self.function(&self.db.begin(), &reference).await?;
        let most = input.max_items.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let after = input.marker.as_deref().map(read_marker).transpose()?;
        let mut versions = Vec::new();
        let mut request = RangeReq::new(keys::versions(name), most + 1);
        match after.as_deref() {
            None => versions.push(record.latest.shown(name, LATEST, Some(LATEST))),
            Some(LATEST) => {}
            Some(version) => {
                let number = version.parse().map_err(|_| Error::InvalidParameter("Invalid Marker".to_owned()))?;
                request = request.after(&keys::version(name, number));
            }
        }
        let page = self.db.range(request).await?;
        for row in &page.rows {
            if versions.len() >= most {
                let next_marker = versions.last().map(|v| marker(&v.version));
                return Ok(ListVersionsOutput { versions, next_marker });
            }
            let number = keys::version_of(&row.key)?.to_string();
            let version: VersionRecord = decode_row(row)?;
            versions.push(version.configuration.shown(name, &number, Some(&number)));
        }
        Ok(ListVersionsOutput { versions, next_marker: None })
    }

    /// Deletes a version that no alias uses. One that is not there is success, as on AWS.
    pub(crate) async fn delete_version(&self, reference: &FunctionRef, version: &str) -> Result<(), Error> {
        let name = &reference.function;
        let Ok(number) = version.parse::<u64>() else {
            let message = "Deletion of aliases is not currently supported.";
            return Err(Error::InvalidParameter(message.to_owned()));
        };
        let aliases = self.all::<AliasRecord>(keys::aliases(name)).await?;
        let mut users = Vec::new();
        for (key, alias) in &aliases {
            if alias.version == version || alias.weights.contains_key(version) {
                users.push(name.qualified(&keys::alias_of(key)?).to_string());
            }
        }
        if !users.is_empty() {
            return Err(Error::Conflict(format!(
                "Function ({}) can not be deleted because the following aliases reference it: [{}]",
                name.qualified(version),
                users.join(", ")
            )));
        }
        self.db
            .transact(async |tx| {
                self.function(&tx, &FunctionRef { function: name.clone(), qualifier: None }).await?;
                tx.clear(keys::version(name, number));
                tx.clear(keys::policy(name, version));
                tx.clear(keys::event_invoke(name, version));
                Ok::<_, Error>(())
            })
            .await
    }
}
