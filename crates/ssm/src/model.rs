//! Parameters and their versions, as stored and as their users name them.

use std::collections::BTreeMap;

use cauce_core::Timestamp;
use cauce_store::Record;
use serde::{Deserialize, Serialize};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Type {
    String,
    StringList,
    SecureString,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Type::String => "String",
            Type::StringList => "StringList",
            Type::SecureString => "SecureString",
        }
    }
}

/// How large a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Tier {
    Standard,
    Advanced,
}

impl Tier {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tier::Standard => "Standard",
            Tier::Advanced => "Advanced",
        }
    }
}

/// A parameter. It has no `Debug`: its value is for whoever asks, not for a log.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// The number of the oldest version that is kept.
    pub(crate) oldest: u64,
    pub(crate) newest: Version,
    /// Labels, each with its version.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, u64>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

impl Record for Parameter {
    const VERSION: u8 = 1;
}

/// One version: all that a `PutParameter` says.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) value: String,
    pub(crate) r#type: Type,
    pub(crate) tier: Tier,
    pub(crate) data_type: String,
    pub(crate) description: Option<String>,
    pub(crate) allowed_pattern: Option<String>,
    pub(crate) modified: Timestamp,
    /// The ARN of who put it.
    pub(crate) modified_by: String,
}

impl Record for Version {
    const VERSION: u8 = 1;
}

impl Parameter {
    pub(crate) fn labels_of(&self, version: u64) -> Vec<String> {
        self.labels.iter().filter(|(_, of)| **of == version).map(|(label, _)| label.clone()).collect()
    }
}
