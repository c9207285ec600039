//! Pipes as stored.

use std::collections::BTreeMap;
use std::time::Duration;

use cauce_core::{Arn, Timestamp};
use cauce_sources::stream::StreamSettings;
use cauce_store::Record;
use serde::{Deserialize, Serialize};

use crate::parameters::{EnrichmentParameters, LogConfiguration, SourceParameters, TargetParameters};

/// The batch of a queue where nothing is said. AWS: *Amazon Simple Queue Service as a source*.
const QUEUE_BATCH: i64 = 10;
/// The batch of a stream where nothing is said. AWS: *Amazon DynamoDB stream as a source*.
const STREAM_BATCH: i64 = 100;

/// What a pipe is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Wanted {
    Running,
    Stopped,
    Deleted,
}

impl Wanted {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Wanted::Running => "RUNNING",
            Wanted::Stopped => "STOPPED",
            Wanted::Deleted => "DELETED",
        }
    }
}

/// Why a pipe is not what it is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// `CREATE_FAILED` and the like.
    pub(crate) state: String,
    pub(crate) reason: String,
}

/// A pipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pipe {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) source: Arn,
    pub(crate) source_parameters: SourceParameters,
    pub(crate) enrichment: Option<Arn>,
    pub(crate) enrichment_parameters: Option<EnrichmentParameters>,
    pub(crate) target: Arn,
    pub(crate) target_parameters: Option<TargetParameters>,
    pub(crate) role: Arn,
    pub(crate) log_configuration: Option<LogConfiguration>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) wanted: Wanted,
    #[serde(default)]
    pub(crate) failure: Option<Failure>,
    /// What made it, if a stack did: a repeated creation finds what the first one made.
    #[serde(default)]
    pub(crate) made_by: Option<String>,
}

impl Record for Pipe {
    const VERSION: u8 = 1;
}

impl Pipe {
    /// Whether its source is a stream; else it is a queue.
    pub(crate) fn of_stream(&self) -> bool {
        self.source.service() == "dynamodb"
    }

    /// Fills in what a request leaves out, for a target that takes so many events at once.
    pub(crate) fn fill_in(&mut self, events_max: i64) {
        let parameters = &mut self.source_parameters;
        match self.source.service() {
            "dynamodb" => {
                let stream = parameters.stream_parameters.get_or_insert_default();
                stream.batch_size.get_or_insert(STREAM_BATCH.min(events_max));
                stream.maximum_batching_window_in_seconds.get_or_insert(0);
                stream.maximum_record_age_in_seconds.get_or_insert(-1);
                stream.maximum_retry_attempts.get_or_insert(-1);
                stream.parallelization_factor.get_or_insert(1);
            }
            _ => {
                let queue = parameters.sqs_queue_parameters.get_or_insert_default();
                queue.batch_size.get_or_insert(QUEUE_BATCH.min(events_max));
                queue.maximum_batching_window_in_seconds.get_or_insert(0);
            }
        }
    }

    /// The size of its batches, and how long one may be gathered.
    pub(crate) fn batches(&self) -> (usize, Duration) {
        let parameters = &self.source_parameters;
        let (size, window) = match (&parameters.stream_parameters, &parameters.sqs_queue_parameters) {
            (Some(stream), _) => (stream.batch_size, stream.maximum_batching_window_in_seconds),
            (None, Some(queue)) => (queue.batch_size, queue.maximum_batching_window_in_seconds),
            (None, None) => (None, None),
        };
        let size = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(1);
        (size, Duration::from_secs(window.and_then(|window| u64::try_from(window).ok()).unwrap_or(0)))
    }

    /// How its stream is followed, if it has one.
    pub(crate) fn stream_settings(&self) -> Option<StreamSettings> {
        let stream = self.source_parameters.stream_parameters.as_ref().filter(|_| self.of_stream())?;
        let limit = |limit: Option<i64>| limit.and_then(|limit| u32::try_from(limit).ok());
        let latest = stream.starting_position.as_deref() == Some("LATEST");
        let dead_letter = stream.dead_letter_config.as_ref().and_then(|config| config.arn.as_ref());
        Some(StreamSettings {
            lanes: stream.parallelization_factor.and_then(|lanes| u16::try_from(lanes).ok()).unwrap_or(1),
            bisects: stream.on_partial_batch_item_failure.is_some(),
            retries_max: limit(stream.maximum_retry_attempts),
            age_max_s: limit(stream.maximum_record_age_in_seconds),
            on_failure: dead_letter.and_then(|arn| arn.parse().ok()),
            ..StreamSettings::new(latest)
        })
    }

    /// The input template of the target, if there is one.
    pub(crate) fn target_template(&self) -> Option<&str> {
        self.target_parameters.as_ref()?.input_template.as_deref()
    }

    /// The input template of the enrichment, if there is one.
    pub(crate) fn enrichment_template(&self) -> Option<&str> {
        self.enrichment_parameters.as_ref()?.input_template.as_deref()
    }
}
