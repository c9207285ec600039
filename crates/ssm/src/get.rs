//! Parameters read by name.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::{Arn, Call, Timestamp, Violations};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::keys::{self, Place};
use crate::model::{Parameter, Type, Version};
use crate::name::{self, Reference, Selector, arn};
use crate::service::ParameterStore;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetParameter {
    pub(crate) name: String,
    with_decryption: Option<bool>,
}

impl Input for GetParameter {
    fn validate(&self, v: &mut Violations) {
        name::validate(v, &self.name);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetParameterOutput {
    parameter: Shown,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetParameters {
    pub(crate) names: Vec<String>,
    with_decryption: Option<bool>,
}

impl Input for GetParameters {
    fn validate(&self, v: &mut Violations) {
        name::validate_all(v, &self.names);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetParametersOutput {
    parameters: Vec<Shown>,
    invalid_parameters: Vec<String>,
}

/// A version of a parameter with its value.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Shown {
    name: String,
    r#type: &'static str,
    value: String,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<String>,
    last_modified_date: Timestamp,
    #[serde(rename = "ARN")]
    arn: Arn,
    data_type: String,
}

impl Shown {
    pub(crate) fn new(
        place: &Place,
        name: String,
        version: Version,
        selector: Option<&Selector>,
        plain: bool,
    ) -> Shown {
        let arn = arn(place, &name);
        let selector = selector.map(|selector| match selector {
            Selector::Version(number) => format!(":{number}"),
            Selector::Label(label) => format!(":{label}"),
        });
        Shown {
            r#type: version.r#type.name(),
            value: shown_value(&arn, &version, plain),
            name,
            version: version.number,
            selector,
            last_modified_date: version.modified,
            arn,
            data_type: version.data_type,
        }
    }
}

/// The value, or for a secure one that is not to be decrypted a text that says nothing of it and stays the same.
pub(crate) fn shown_value(arn: &Arn, version: &Version, plain: bool) -> String {
    if plain || version.r#type != Type::SecureString {
        return version.value.clone();
    }
    let digest = Sha256::digest(format!("{arn}:{}", version.number));
    format!("AQICAH{}", STANDARD.encode(digest))
}

impl ParameterStore {
    pub(crate) async fn get_parameter(
        self: Arc<Self>,
        call: Call,
        input: GetParameter,
    ) -> Result<GetParameterOutput, Error> {
        let reference = Reference::read(&call, &input.name);
        let plain = input.with_decryption.unwrap_or(false);
        Ok(GetParameterOutput { parameter: self.shown(&self.db.begin(), &reference, plain).await? })
    }

    pub(crate) async fn get_parameters(
        self: Arc<Self>,
        call: Call,
        input: GetParameters,
    ) -> Result<GetParametersOutput, Error> {
        let plain = input.with_decryption.unwrap_or(false);
        let mut names = input.names;
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let tx = self.db.begin();
        let mut out = GetParametersOutput { parameters: Vec::new(), invalid_parameters: Vec::new() };
        for name in names {
            match self.shown(&tx, &Reference::read(&call, &name), plain).await {
                Ok(shown) => out.parameters.push(shown),
                Err(Error::NotFound(_) | Error::NoVersion { .. }) => out.invalid_parameters.push(name),
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    async fn shown(&self, tx: &Tx, reference: &Reference, plain: bool) -> Result<Shown, Error> {
        let missing = || Error::NotFound(reference.names.first().cloned().unwrap_or_default());
        let found = self.find(tx, reference).await?.ok_or_else(missing)?;
        let name = found.name.clone();
        let version = self.selected(tx, &reference.place, found, reference.selector.as_ref()).await?;
        Ok(Shown::new(&reference.place, name, version, reference.selector.as_ref(), plain))
    }

    /// The version of a parameter that a selector names.
    pub(crate) async fn selected(
        &self,
        tx: &Tx,
        place: &Place,
        found: Parameter,
        selector: Option<&Selector>,
    ) -> Result<Version, Error> {
        let (number, what) = match selector {
            None => return Ok(found.newest),
            Some(Selector::Version(number)) => (Some(*number), format!("version {number}")),
            Some(Selector::Label(label)) => (found.labels.get(label).copied(), format!("label {label}")),
        };
        let missing = || Error::NoVersion { what: what.clone(), name: found.name.clone() };
        let number = number.ok_or_else(missing)?;
        if number == found.newest.number {
            return Ok(found.newest);
        }
        tx.get_record(&keys::version(place, &found.name, number)).await?.ok_or_else(missing)
    }
}
