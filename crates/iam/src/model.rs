//! What is stored: roles, users, keys, managed policies.

use std::fmt;

use cauce_core::{Account, Arn, Blob, Timestamp};
use cauce_store::Record;
use serde::{Deserialize, Serialize};

/// A name with a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    /// 1 to 128 characters, unique without regard to case.
    pub(crate) key: String,
    /// 0 to 256 characters.
    #[serde(default)]
    pub(crate) value: String,
}

/// A policy that exists only within its user or role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inline {
    pub(crate) name: String,
    pub(crate) document: String,
}

/// The permissions of a user or role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Permissions {
    /// Sorted by name.
    pub(crate) inline: Vec<Inline>,
    /// ARNs of managed policies in the order of attaching.
    pub(crate) attached: Vec<String>,
    pub(crate) boundary: Option<String>,
}

/// The stack's resource that made an entity: a repeated create of the same resource finds its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MadeBy {
    pub(crate) stack_id: String,
    pub(crate) logical_id: String,
    /// What tells a repeated create from the replacement of the resource.
    pub(crate) generated_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleRecord {
    pub(crate) name: String,
    /// `AROA...`
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) created: Timestamp,
    pub(crate) trust: String,
    pub(crate) description: Option<String>,
    pub(crate) session_s_max: u32,
    pub(crate) tags: Vec<Tag>,
    pub(crate) permissions: Permissions,
    pub(crate) made_by: Option<MadeBy>,
}

impl Record for RoleRecord {
    const VERSION: u8 = 1;
}

impl RoleRecord {
    pub(crate) fn arn(&self, account: Account) -> Arn {
        Arn::global("iam", account, &format!("role{}{}", self.path, self.name))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub(crate) name: String,
    /// `AIDA...`
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) created: Timestamp,
    pub(crate) tags: Vec<Tag>,
    pub(crate) permissions: Permissions,
    /// Ids of its access keys, oldest first.
    pub(crate) access_keys: Vec<String>,
    pub(crate) made_by: Option<MadeBy>,
}

impl Record for UserRecord {
    const VERSION: u8 = 1;
}

impl UserRecord {
    pub(crate) fn arn(&self, account: Account) -> Arn {
        Arn::global("iam", account, &format!("user{}{}", self.path, self.name))
    }
}

/// A long-lived key of a user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) account: Account,
    pub(crate) user: String,
    pub(crate) active: bool,
    pub(crate) created: Timestamp,
    pub(crate) made_by: Option<MadeBy>,
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRecord").field("id", &self.id).field("user", &self.user).finish_non_exhaustive()
    }
}

impl Record for KeyRecord {
    const VERSION: u8 = 1;
}

/// One version of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    pub(crate) number: u32,
    pub(crate) document: String,
    pub(crate) created: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyRecord {
    pub(crate) name: String,
    /// `ANPA...`
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) description: Option<String>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) default_version: u32,
    /// The number of the next version: numbers are never used again.
    pub(crate) next_version: u32,
    /// Oldest first.
    pub(crate) versions: Vec<VersionRecord>,
    pub(crate) made_by: Option<MadeBy>,
}

impl Record for PolicyRecord {
    const VERSION: u8 = 1;
}

impl PolicyRecord {
    pub(crate) fn arn(&self, account: Account) -> String {
        Arn::global("iam", account, &format!("policy{}{}", self.path, self.name)).to_string()
    }

    pub(crate) fn version(&self, number: u32) -> Option<&VersionRecord> {
        self.versions.iter().find(|v| v.number == number)
    }
}

/// What was said when a role was assumed, beyond the role itself. Most sessions have none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    pub(crate) policy: Option<String>,
    pub(crate) policy_arns: Vec<String>,
    pub(crate) tags: Vec<Tag>,
}

impl Record for SessionRecord {
    const VERSION: u8 = 1;
}

/// The secret from which temporary credentials are derived.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ServerKey {
    pub(crate) bytes: Blob,
}

impl Record for ServerKey {
    const VERSION: u8 = 1;
}
