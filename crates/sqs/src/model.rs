//! Queues, as stored.

use std::collections::BTreeMap;

use cauce_core::{Arn, Timestamp};
use cauce_store::Record;
use serde::{Deserialize, Serialize};

use crate::keys::{Life, QueueId};
use crate::settings::{Numbers, READABLE, shown};

/// A queue with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Queue {
    pub(crate) life: Life,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    #[serde(default)]
    pub(crate) purged: Option<Timestamp>,
    pub(crate) settings: Settings,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

impl Record for Queue {
    const VERSION: u8 = 1;
}

impl Queue {
    /// What a queue's attributes are where nothing is set.
    pub(crate) fn default_attributes(id: &QueueId) -> BTreeMap<String, String> {
        let fifo = id.name.ends_with(".fifo").then(Fifo::default);
        let settings = Settings { fifo, ..Settings::default() };
        let queue = Queue {
            life: 0,
            created: Timestamp::EPOCH,
            modified: Timestamp::EPOCH,
            purged: None,
            settings,
            tags: BTreeMap::new(),
        };
        let value = |name: &&str| Some(((*name).to_owned(), shown(id, &queue, Numbers::default(), name)?));
        READABLE.iter().filter_map(value).collect()
    }
}

/// What `SetQueueAttributes` sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) delay_s: u32,
    pub(crate) message_bytes_max: usize,
    pub(crate) retention_s: u32,
    pub(crate) wait_s: u32,
    pub(crate) visibility_s: u32,
    #[serde(default)]
    pub(crate) policy: Option<String>,
    #[serde(default)]
    pub(crate) redrive: Option<RedrivePolicy>,
    #[serde(default)]
    pub(crate) redrive_allow: Option<RedriveAllowPolicy>,
    #[serde(default)]
    pub(crate) fifo: Option<Fifo>,
    #[serde(default)]
    pub(crate) kms_key: Option<String>,
    pub(crate) kms_reuse_s: u32,
    pub(crate) sse_sqs: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            delay_s: 0,
            message_bytes_max: crate::MESSAGE_BYTES_MAX,
            retention_s: 345_600,
            wait_s: 0,
            visibility_s: 30,
            policy: None,
            redrive: None,
            redrive_allow: None,
            fifo: None,
            kms_key: None,
            kms_reuse_s: 300,
            sse_sqs: true,
        }
    }
}

/// What only FIFO queues have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fifo {
    pub(crate) content_based: bool,
    /// Whether deduplication is within a message group, and not the whole queue.
    pub(crate) scope_is_group: bool,
    /// Whether the throughput limit is that of a message group, and not of the whole queue.
    pub(crate) limit_is_per_group: bool,
}

/// Where messages go that are received too often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedrivePolicy {
    pub(crate) dead_letter_target_arn: Arn,
    pub(crate) max_receive_count: u32,
}

/// Who may send its dead letters here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedriveAllowPolicy {
    pub(crate) redrive_permission: RedrivePermission,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) source_queue_arns: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RedrivePermission {
    AllowAll,
    DenyAll,
    ByQueue,
}
