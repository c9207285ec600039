//! Buses, rules and targets, as stored and as their users name them.

use std::collections::BTreeMap;

use cauce_core::{Arn, Timestamp};
use cauce_store::Record;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The bus that every account and region has.
pub(crate) const DEFAULT_BUS: &str = "default";

/// A bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bus {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    /// The resource policy's document.
    pub(crate) policy: Option<Value>,
    #[serde(default)]
    pub(crate) dead_letter: Option<String>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

impl Record for Bus {
    const VERSION: u8 = 1;
}

/// Whether a rule acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleState {
    /// It acts.
    Enabled,
    /// It does not.
    Disabled,
    /// It acts, on read-only management events too; here the same as `Enabled`.
    EnabledWithAllCloudtrailManagementEvents,
}

impl RuleState {
    pub(crate) const ALL: [&'static str; 3] = ["ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"];

    pub(crate) fn acts(self) -> bool {
        self != RuleState::Disabled
    }
}

/// A rule with its targets: one row, so that both change together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) pattern: Option<String>,
    pub(crate) schedule: Option<String>,
    pub(crate) state: RuleState,
    pub(crate) description: Option<String>,
    pub(crate) role: Option<String>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) targets: Vec<Target>,
    /// The moment of the next tick, while it is scheduled and enabled.
    pub(crate) next_tick: Option<Timestamp>,
    /// What `rate(...)` counts from.
    pub(crate) anchor: Timestamp,
}

impl Record for Rule {
    const VERSION: u8 = 1;
}

/// A target of a rule, as the API names its members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Target {
    /// Names it within its rule.
    pub id: String,
    /// Whom events go to.
    pub arn: String,
    /// The role that sends them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// A constant sent in place of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// A JSON path of the part that is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_path: Option<String>,
    /// How the event is rewritten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_transformer: Option<InputTransformer>,
    /// How long and how often it is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// Where events go that cannot be delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_config: Option<DeadLetterConfig>,
    /// For FIFO queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqs_parameters: Option<SqsParameters>,
    /// For HTTP targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_parameters: Option<Value>,
    /// Members of the API for targets that this server does not reach.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Picks parts of an event and fits them into a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InputTransformer {
    /// JSON paths by the name that the template uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_paths_map: Option<BTreeMap<String, String>>,
    /// The template.
    pub input_template: String,
}

/// How long and how often a target is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RetryPolicy {
    /// 0 to 185.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_retry_attempts: Option<i64>,
    /// 60 to 86,400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_event_age_in_seconds: Option<i64>,
}

/// A dead-letter queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeadLetterConfig {
    /// The queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
}

/// What FIFO queues need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SqsParameters {
    /// The message group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_group_id: Option<String>,
}

impl Target {
    /// The target's ARN, which was checked when the target was put.
    pub(crate) fn arn(&self) -> Option<Arn> {
        self.arn.parse().ok()
    }
}
