//! Secrets and versions, as stored and as their users name them.

use std::collections::BTreeMap;
use std::fmt;

use cauce_core::{Arn, Blob, Timestamp, Violations};
use cauce_store::Record;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::SecretId;

/// The largest value, in bytes. AWS: Secrets Manager quotas.
pub const VALUE_BYTES_MAX: usize = 65_536;

/// How many random characters end the ARN of a secret.
pub(crate) const SUFFIX_CHARS: usize = 6;

/// A secret: everything but the values of its versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Secret {
    pub(crate) name: String,
    /// Ends its ARN, so that a secret made anew under an old name is another one to policies.
    pub(crate) suffix: String,
    pub(crate) description: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
    /// The day on which a value was last read.
    pub(crate) accessed: Option<Timestamp>,
    /// When it goes, once it is marked for deletion.
    pub(crate) deletion: Option<Timestamp>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    /// The resource policy's document.
    #[serde(default)]
    pub(crate) policy: Option<String>,
    /// By version id.
    #[serde(default)]
    pub(crate) versions: BTreeMap<String, Version>,
}

impl Record for Secret {
    const VERSION: u8 = 1;
}

/// A version of a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) created: Timestamp,
    /// The staging labels attached to it; none makes it a deprecated version.
    pub(crate) stages: Vec<String>,
}

impl Secret {
    pub(crate) fn arn(&self, id: &SecretId) -> Arn {
        Arn::new("secretsmanager", &id.region, id.account, &format!("secret:{}-{}", self.name, self.suffix))
    }

    /// Refuses what waits for its deletion.
    pub(crate) fn live(self) -> Result<Secret, Error> {
        if self.deletion.is_some() { Err(Error::deleted()) } else { Ok(self) }
    }
}

/// What a version keeps. Never shown in a log.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum SecretValue {
    /// `SecretString`.
    Text(String),
    /// `SecretBinary`.
    Binary(Blob),
}

impl Record for SecretValue {
    const VERSION: u8 = 1;
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue")
    }
}

/// The value that a request gives, if it gives one.
pub(crate) fn given(text: Option<String>, blob: Option<Blob>) -> Result<Option<SecretValue>, Error> {
    match (text, blob) {
        (Some(_), Some(_)) => Err(Error::Parameter(
            "You can't specify both a binary secret value and a string secret value in the same secret.".to_owned(),
        )),
        (Some(text), None) => Ok(Some(SecretValue::Text(text))),
        (None, Some(blob)) => Ok(Some(SecretValue::Binary(blob))),
        (None, None) => Ok(None),
    }
}

/// Reports a value of a length that is not allowed, without repeating it.
pub(crate) fn validate_value(v: &mut Violations, text: Option<&str>, blob: Option<&Blob>) {
    let mut check = |name: &str, len: usize| {
        if len == 0 {
            v.other(name, Some(""), "Member must have length greater than or equal to 1");
        } else if len > VALUE_BYTES_MAX {
            v.other(name, Some("***"), &format!("Member must have length less than or equal to {VALUE_BYTES_MAX}"));
        }
    };
    if let Some(text) = text {
        check("secretString", text.len());
    }
    if let Some(blob) = blob {
        check("secretBinary", blob.0.len());
    }
}

/// The three members with which most answers begin.
#[derive(Debug, Serialize)]
pub(crate) struct Named {
    #[serde(rename = "ARN")]
    pub(crate) arn: Arn,
    #[serde(rename = "Name")]
    pub(crate) name: String,
    #[serde(rename = "VersionId", skip_serializing_if = "Option::is_none")]
    pub(crate) version_id: Option<String>,
}
