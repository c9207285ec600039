//! How a stream is followed.

use cauce_core::Arn;
use serde::{Deserialize, Serialize};

/// How a consumer follows a stream, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamSettings {
    /// Whether it began behind what was there; else with the oldest record.
    pub latest: bool,
    /// How many lanes follow a shard.
    pub lanes: u16,
    /// Whether a batch that failed is halved.
    pub bisects: bool,
    /// How often a batch is tried again; none: until it succeeds.
    pub retries_max: Option<u32>,
    /// How old records may be, in seconds; none: as old as there are.
    pub age_max_s: Option<u32>,
    /// Who is told of batches that were given up.
    pub on_failure: Option<Arn>,
    /// How long a tumbling window lasts, in seconds; 0: there are none.
    #[serde(default)]
    pub tumbling_s: u32,
}

impl StreamSettings {
    /// One lane, and no limits.
    pub fn new(latest: bool) -> StreamSettings {
        let (retries_max, age_max_s, on_failure) = (None, None, None);
        StreamSettings { latest, lanes: 1, bisects: false, retries_max, age_max_s, on_failure, tumbling_s: 0 }
    }
}
