//! Labels: names of versions that can be moved.
//!
//! AWS: *Systems Manager User Guide*, "Working with parameter labels".

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::Parameter;
use crate::name::{self, Reference};
use crate::service::ParameterStore;

/// The most labels of a version. AWS: *LabelParameterVersion*.
pub const LABELS_MAX: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LabelParameterVersion {
    pub(crate) name: String,
    parameter_version: Option<i64>,
    labels: Vec<String>,
}

fn validate_labels(v: &mut Violations, labels: &[String]) {
    v.count("labels", labels.len(), 1, LABELS_MAX);
    for (n, label) in labels.iter().enumerate() {
        v.within(format!("labels.{}", n + 1), |v| v.length("member", label, 1, 100));
    }
}

impl Input for LabelParameterVersion {
    fn validate(&self, v: &mut Violations) {
        name::validate(v, &self.name);
        validate_labels(v, &self.labels);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LabelParameterVersionOutput {
    invalid_labels: Vec<String>,
    parameter_version: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UnlabelParameterVersion {
    pub(crate) name: String,
    parameter_version: i64,
    labels: Vec<String>,
}

impl Input for UnlabelParameterVersion {
    fn validate(&self, v: &mut Violations) {
        name::validate(v, &self.name);
        validate_labels(v, &self.labels);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UnlabelParameterVersionOutput {
    removed_labels: Vec<String>,
    invalid_labels: Vec<String>,
}

fn is_label(label: &str) -> bool {
    let folded = label.to_ascii_lowercase();
    let reserved = folded.starts_with("aws") || folded.starts_with("ssm");
    let begins = label.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    begins && !reserved && label.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}

impl ParameterStore {
    pub(crate) async fn label_parameter_version(
        self: Arc<Self>,
        call: Call,
        input: LabelParameterVersion,
    ) -> Result<LabelParameterVersionOutput, Error> {
        let reference = Reference::read(&call, &input.name);
        let (good, invalid_labels): (Vec<String>, Vec<String>) =
            input.labels.into_iter().partition(|label| is_label(label));
        self.db
            .transact(async |tx| {
                let mut found = self.find(&tx, &reference).await?.ok_or_else(|| Error::NotFound(input.name.clone()))?;
                let version = match input.parameter_version {
                    None => found.newest.number,
                    Some(number) => self.existing(&tx, &reference.place, &found, number).await?,
                };
                found.labels.extend(good.iter().map(|label| (label.clone(), version)));
                if found.labels_of(version).len() > LABELS_MAX {
                    return Err(Error::Labels);
                }
                tx.set_record(keys::parameter(&reference.place, &found.name), &found)?;
                Ok(LabelParameterVersionOutput { invalid_labels: invalid_labels.clone(), parameter_version: version })
            })
            .await
    }

    pub(crate) async fn unlabel_parameter_version(
        self: Arc<Self>,
        call: Call,
        input: UnlabelParameterVersion,
    ) -> Result<UnlabelParameterVersionOutput, Error> {
        let reference = Reference::read(&call, &input.name);
        self.db
            .transact(async |tx| {
                let mut found = self.find(&tx, &reference).await?.ok_or_else(|| Error::NotFound(input.name.clone()))?;
                let version = self.existing(&tx, &reference.place, &found, input.parameter_version).await?;
                let attached = |label: &String| found.labels.get(label) == Some(&version);
                let (removed, invalid): (Vec<String>, Vec<String>) = input.labels.iter().cloned().partition(attached);
                found.labels.retain(|label, _| !removed.contains(label));
                tx.set_record(keys::parameter(&reference.place, &found.name), &found)?;
                Ok(UnlabelParameterVersionOutput { removed_labels: removed, invalid_labels: invalid })
            })
            .await
    }

    /// The number, if the parameter has such a version.
    async fn existing(&self, tx: &Tx, place: &Place, found: &Parameter, number: i64) -> Result<u64, Error> {
        let missing = || Error::NoVersion { what: format!("version {number}"), name: found.name.clone() };
        let version = u64::try_from(number).map_err(|_| missing())?;
        if version == found.newest.number || tx.get(&keys::version(place, &found.name, version)).await?.is_some() {
            return Ok(version);
        }
        Err(missing())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn labels() {
        let good = ["a", "Prod_1", "my.label-2", "_x"];
        let bad = ["1a", "aws-x", "SSM", "a b", "a/b", ""];
        assert!(good.iter().all(|label| super::is_label(label)));
        assert!(bad.iter().all(|label| !super::is_label(label)));
    }
}
