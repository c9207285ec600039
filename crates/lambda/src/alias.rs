//! Aliases: names for versions, with a split of the traffic between two of them.
//!
//! AWS: Lambda API, *CreateAlias*, *GetAlias*, *UpdateAlias*, *ListAliases*, *DeleteAlias*.

use std::collections::BTreeMap;
use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::{RangeReq, Tx, decode_row};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::function::{check_revision, marker, read_marker};
use crate::keys;
use crate::model::{AliasRecord, VersionRecord};
use crate::name::{FunctionName, FunctionRef, LATEST, check_alias, check_name};
use crate::service::Lambda;

/// Aliases on one page of a list. AWS: 50.
const PAGE_MAX: usize = 50;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RoutingConfig {
    pub(crate) additional_version_weights: Option<BTreeMap<String, f64>>,
}

/// AWS: *CreateAlias* and *UpdateAlias*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AliasInput {
    pub(crate) function_name: String,
    pub(crate) name: String,
    pub(crate) function_version: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) routing_config: Option<RoutingConfig>,
    pub(crate) revision_id: Option<String>,
}

impl Input for AliasInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        check_alias(v, &self.name);
        if let Some(version) = self.function_version.as_deref()
            && version != LATEST
            && version.parse::<u64>().is_err()
        {
            let must = r"Member must satisfy regular expression pattern: (\$LATEST|[0-9]+)";
            v.other("FunctionVersion", Some(version), must);
        }
        if let Some(description) = &self.description {
            v.length("Description", description, 0, 256);
        }
    }
}

/// AWS: *GetAlias* and *DeleteAlias*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AliasName {
    pub(crate) function_name: String,
    pub(crate) name: String,
}

impl Input for AliasName {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        check_alias(v, &self.name);
    }
}

/// AWS: *ListAliases*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListAliasesInput {
    pub(crate) function_name: String,
    pub(crate) function_version: Option<String>,
    pub(crate) marker: Option<String>,
    pub(crate) max_items: Option<i64>,
}

impl Input for ListAliasesInput {
    fn validate(&self, v: &mut Violations) {
        check_name(v, &self.function_name);
        if let Some(n) = self.max_items {
            v.range("MaxItems", n, 1, 10_000);
        }
    }
}

/// AWS: *AliasConfiguration*.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AliasShown {
    pub(crate) alias_arn: String,
    pub(crate) name: String,
    pub(crate) function_version: String,
    pub(crate) description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) routing_config: Option<RoutingConfig>,
    pub(crate) revision_id: String,
}

/// AWS: *ListAliases*, response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListAliasesOutput {
    aliases: Vec<AliasShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
}

fn shown(name: &FunctionName, alias: &str, record: AliasRecord) -> AliasShown {
    let weights = (!record.weights.is_empty()).then_some(record.weights);
    AliasShown {
        alias_arn: name.qualified(alias).to_string(),
        name: alias.to_owned(),
        function_version: record.version,
        description: record.description,
        routing_config: weights.map(|w| RoutingConfig { additional_version_weights: Some(w) }),
        revision_id: record.revision,
    }
}

fn missing(name: &FunctionName, alias: &str) -> Error {
    Error::NotFound(format!("Cannot find alias arn: {}", name.qualified(alias)))
}

impl Lambda {
    async fn check_alias_versions(&self, tx: &Tx, name: &FunctionName, record: &AliasRecord) -> Result<(), Error> {
        for version in std::iter::once(&record.version).chain(record.weights.keys()) {
            if version == LATEST {
                continue;
            }
            let number = version.parse().unwrap_or(0);
            let found: Option<VersionRecord> = tx.get_record(&keys::version(name, number)).await?;
            if found.is_none() {
                return Err(Error::no_function(&name.qualified(version)));
            }
        }
        check_weights(record)
    }

    pub(crate) async fn create_alias(self: Arc<Self>, call: Call, input: AliasInput) -> Result<AliasShown, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let name = &reference.function;
        let Some(version) = input.function_version else {
            return Err(Error::InvalidParameter("FunctionVersion is required".to_owned()));
        };
        let record = AliasRecord {
            version,
            description: input.description.unwrap_or_default(),
            weights: input.routing_config.and_then(|r| r.additional_version_weights).unwrap_or_default(),
            revision: self.env.entropy().uuid(),
        };
        self.db
            .transact(async |tx| {
                self.function(&tx, &reference).await?;
                if tx.get(&keys::alias(name, &input.name)).await?.is_some() {
                    return Err(Error::Conflict(format!("Alias already exists: {}", name.qualified(&input.name))));
                }
                self.check_alias_versions(&tx, name, &record).await?;
                tx.set_record(keys::alias(name, &input.name), &record)?;
                Ok(())
            })
            .await?;
        self.changed(name);
        Ok(shown(name, &input.name, record))
    }

    pub(crate) async fn update_alias(self: Arc<Self>, call: Call, input: AliasInput) -> Result<AliasShown, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let name = &reference.function;
        let revision = self.env.entropy().uuid();
        let record = self
            .db
            .transact(async |tx| {
                self.function(&tx, &reference).await?;
                let found: Option<AliasRecord> = tx.get_record(&keys::alias(name, &input.name)).await?;
                let mut record = found.ok_or_else(|| missing(name, &input.name))?;
                check_revision(input.revision_id.as_deref(), &record.revision)?;
                if let Some(version) = &input.function_version {
                    record.version.clone_from(version);
                }
                if let Some(description) = &input.description {
                    record.description.clone_from(description);
                }
                if let Some(routing) = &input.routing_config {
                    record.weights = routing.additional_version_weights.clone().unwrap_or_default();
                }
                record.revision.clone_from(&revision);
                self.check_alias_versions(&tx, name, &record).await?;
                tx.set_record(keys::alias(name, &input.name), &record)?;
                Ok::<_, Error>(record)
            })
            .await?;
        self.changed(name);
        Ok(shown(name, &input.name, record))
    }

    pub(crate) async fn get_alias(self: Arc<Self>, call: Call, input: AliasName) -> Result<AliasShown, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let name = &reference.function;
        let tx = self.db.begin();
        self.function(&tx, &reference).await?;
        let found: Option<AliasRecord> = tx.get_record(&keys::alias(name, &input.name)).await?;
        Ok(shown(name, &input.name, found.ok_or_else(|| missing(name, &input.name))?))
    }

    pub(crate) async fn delete_alias(self: Arc<Self>, call: Call, input: AliasName) -> Result<(), Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let name = &reference.function;
        self.db
            .transact(async |tx| {
                self.function(&tx, &reference).await?;
                tx.clear(keys::alias(name, &input.name));
                tx.clear(keys::policy(name, &input.name));
                tx.clear(keys::event_invoke(name, &input.name));
                Ok::<_, Error>(())
            })
            .await?;
        self.changed(name);
        Ok(())
    }

    pub(crate) async fn list_aliases(
        self: Arc<Self>,
        call: Call,
        input: ListAliasesInput,
    ) -> Result<ListAliasesOutput, Error> {
        let reference = FunctionRef::resolve(&call, &input.function_name, None)?;
        let name = &reference.function;
        self.function(&self.db.begin(), &reference).await?;
        let most = input.max_items.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let mut request = RangeReq::new(keys::aliases(name), most + 1);
        if let Some(after) = input.marker.as_deref().map(read_marker).transpose()? {
            request = request.after(&keys::alias(name, &after));
        }
        let page = self.db.range(request).await?;
        let mut aliases: Vec<AliasShown> = Vec::new();
        for (at, row) in page.rows.iter().enumerate() {
            if at >= most {
                let next_marker = page.rows.get(most - 1).map(|row| keys::alias_of(&row.key)).transpose()?;
                return Ok(ListAliasesOutput { aliases, next_marker: next_marker.map(|n| marker(&n)) });
            }
            let record: AliasRecord = decode_row(row)?;
            let wanted = input.function_version.as_ref().is_none_or(|v| *v == record.version);
            if wanted {
                aliases.push(shown(name, &keys::alias_of(&row.key)?, record));
            }
        }
        Ok(ListAliasesOutput { aliases, next_marker: None })
    }
}

/// AWS: Lambda Developer Guide, *Implementing canary deployments with a weighted alias*.
fn check_weights(record: &AliasRecord) -> Result<(), Error> {
    if record.weights.is_empty() {
        return Ok(());
    }
    let no = |message: &str| Err(Error::InvalidParameter(message.to_owned()));
    if record.weights.len() > 1 {
        return no("Number of items in AdditionalVersionWeights cannot be greater than 1");
    }
    if record.version == LATEST || record.weights.contains_key(LATEST) {
        return no("$LATEST is not supported for an alias pointing to more than 1 version");
    }
    if record.weights.contains_key(&record.version) {
        return no(
            "Invalid function version. Function version in AdditionalVersionWeights should be different from the function version of the alias",
        );
    }
    if record.weights.values().any(|w| !(0.0..=1.0).contains(w)) {
        return no("AdditionalVersionWeights must be between 0.0 and 1.0");
    }
    Ok(())
}
