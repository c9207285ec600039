//! What is stored of a mapping, and how it is shown.

use std::collections::BTreeMap;

use cauce_core::{Account, Arn, Region, Timestamp};
use cauce_sources::Outcome;
use cauce_sources::stream::StreamSettings;
use cauce_store::Record;
use serde::{Deserialize, Serialize};

use super::input::{Filter, FilterCriteria, ScalingConfig};

use crate::event_invoke::DestinationConfig;

/// The answer of functions that say which messages they could not process.
pub(super) const REPORT_FAILURES: &str = "ReportBatchItemFailures";

/// How the last batch went, as a mapping says it.
fn last_result(outcome: Option<Outcome>) -> String {
    match outcome {
        None => "No records processed".to_owned(),
        Some(Outcome::Worked) => "OK".to_owned(),
        Some(Outcome::Failed) => "PROBLEM: Function call failed".to_owned(),
        Some(Outcome::Throttled) => "PROBLEM: Function is throttled".to_owned(),
        Some(Outcome::Problem(problem)) => format!("PROBLEM: {problem}"),
    }
}

/// A mapping, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MappingKey {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) uuid: String,
}

impl MappingKey {
    pub(crate) fn arn(&self) -> Arn {
        Arn::new("lambda", &self.region, self.account, &format!("event-source-mapping:{}", self.uuid))
    }
}

/// A mapping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MappingRecord {
    /// The function as called: with a version or an alias if one was named.
    pub(crate) function: Arn,
    pub(crate) source: Arn,
    pub(crate) batch_size: usize,
    pub(crate) window_s: u32,
    pub(crate) report_failures: bool,
    pub(crate) filters: Vec<String>,
    pub(crate) concurrency_max: Option<usize>,
    pub(crate) enabled: bool,
    /// It goes as soon as its crew has come to an end.
    pub(crate) deleting: bool,
    pub(crate) modified: Timestamp,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    /// What only mappings of streams have.
    #[serde(default)]
    pub(crate) stream: Option<StreamSettings>,
}

impl Record for MappingRecord {
    const VERSION: u8 = 1;
}

/// AWS: *EventSourceMappingConfiguration*.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Shown {
    #[serde(rename = "UUID")]
    pub(crate) uuid: String,
    batch_size: usize,
    maximum_batching_window_in_seconds: u32,
    event_source_arn: Arn,
    pub(crate) event_source_mapping_arn: Arn,
    function_arn: Arn,
    last_modified: Timestamp,
    last_processing_result: String,
    pub(crate) state: &'static str,
    state_transition_reason: &'static str,
    function_response_types: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter_criteria: Option<FilterCriteria>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scaling_config: Option<ScalingConfig>,
    #[serde(flatten)]
    stream: Option<StreamShown>,
}

/// What is shown of mappings of streams only. AWS shows -1 where there is no limit.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamShown {
    starting_position: &'static str,
    parallelization_factor: u16,
    destination_config: DestinationConfig,
    maximum_record_age_in_seconds: i64,
    bisect_batch_on_function_error: bool,
    maximum_retry_attempts: i64,
    tumbling_window_in_seconds: u32,
}

impl StreamShown {
    fn of(settings: &StreamSettings) -> StreamShown {
        let limit = |limit: Option<u32>| limit.map_or(-1, i64::from);
        StreamShown {
            starting_position: if settings.latest { "LATEST" } else { "TRIM_HORIZON" },
            parallelization_factor: settings.lanes,
            destination_config: DestinationConfig::of_failures(settings.on_failure.as_ref()),
            maximum_record_age_in_seconds: limit(settings.age_max_s),
            bisect_batch_on_function_error: settings.bisects,
            maximum_retry_attempts: limit(settings.retries_max),
            tumbling_window_in_seconds: settings.tumbling_s,
        }
    }
}

impl MappingRecord {
    /// As the API shows it.
    pub(crate) fn shown(&self, key: &MappingKey, state: &'static str, outcome: Option<Outcome>) -> Shown {
        let filters: Vec<Filter> = self.filters.iter().map(|f| Filter { pattern: Some(f.clone()) }).collect();
        Shown {
            uuid: key.uuid.clone(),
            batch_size: self.batch_size,
            maximum_batching_window_in_seconds: self.window_s,
            event_source_arn: self.source.clone(),
            event_source_mapping_arn: key.arn(),
            function_arn: self.function.clone(),
            last_modified: self.modified,
            last_processing_result: last_result(outcome),
            state,
            state_transition_reason: if self.stream.is_some() { "User action" } else { "USER_INITIATED" },
            function_response_types: if self.report_failures { vec![REPORT_FAILURES] } else { Vec::new() },
            filter_criteria: (!filters.is_empty()).then_some(FilterCriteria { filters: Some(filters) }),
            scaling_config: self
                .concurrency_max
                .and_then(|max| i64::try_from(max).ok())
                .map(|max| ScalingConfig { maximum_concurrency: Some(max) }),
            stream: self.stream.as_ref().map(StreamShown::of),
        }
    }
}
