//! What the operations on mappings take, and what is refused of it without a look at anything else.
//!
//! AWS: Lambda API, *CreateEventSourceMapping*, *UpdateEventSourceMapping*.

use std::collections::BTreeMap;

use cauce_core::Violations;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::REPORT_FAILURES;
use crate::configuration::check_tags;
use crate::error::Error;
use crate::event_invoke::DestinationConfig;

/// The largest batch. AWS: *CreateEventSourceMapping*, `BatchSize`.
pub(super) const BATCH_MAX: i64 = 10_000;
/// The largest batch without a window, and of FIFO queues.
pub(super) const BATCH_WITHOUT_WINDOW_MAX: usize = 10;
/// The longest window, in seconds.
const WINDOW_S_MAX: i64 = 300;
/// The greatest age of records, in seconds.
const RECORD_AGE_S_MAX: i64 = 604_800;
/// The most retries of a batch.
const RETRIES_MAX: i64 = 10_000;
/// The most lanes of a shard.
const LANES_MAX: i64 = 10;
/// The longest tumbling window, in seconds.
const TUMBLING_S_MAX: i64 = 900;
/// The longest filter, in characters.
const FILTER_CHARS_MAX: usize = 4_096;

/// AWS: *FilterCriteria*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FilterCriteria {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filters: Option<Vec<Filter>>,
}

/// AWS: *Filter*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Filter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<String>,
}

/// AWS: *ScalingConfig*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ScalingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) maximum_concurrency: Option<i64>,
}

/// What a mapping may be told, at its making and later.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CreateMapping {
    pub(crate) function_name: String,
    pub(crate) event_source_arn: Option<String>,
    pub(crate) enabled: Option<bool>,
    pub(crate) batch_size: Option<i64>,
    pub(crate) maximum_batching_window_in_seconds: Option<i64>,
    pub(crate) filter_criteria: Option<FilterCriteria>,
    pub(crate) function_response_types: Option<Vec<String>>,
    pub(crate) scaling_config: Option<ScalingConfig>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    // Of streams.
    pub(crate) starting_position: Option<String>,
    starting_position_timestamp: Option<Value>,
    pub(crate) destination_config: Option<DestinationConfig>,
    pub(crate) maximum_record_age_in_seconds: Option<i64>,
    pub(crate) bisect_batch_on_function_error: Option<bool>,
    pub(crate) maximum_retry_attempts: Option<i64>,
    pub(crate) parallelization_factor: Option<i64>,
    pub(crate) tumbling_window_in_seconds: Option<i64>,
    // Of brokers.
    topics: Option<Value>,
    queues: Option<Value>,
    source_access_configurations: Option<Value>,
    self_managed_event_source: Option<Value>,
    amazon_managed_kafka_event_source_config: Option<Value>,
    self_managed_kafka_event_source_config: Option<Value>,
    #[serde(rename = "DocumentDBEventSourceConfig")]
    document_db_event_source_config: Option<Value>,
    // Of services that are not here.
    #[serde(rename = "KMSKeyArn")]
    kms_key_arn: Option<String>,
    metrics_config: Option<Value>,
    logging_config: Option<Value>,
    provisioned_poller_config: Option<Value>,
}

impl Input for CreateMapping {
    fn validate(&self, v: &mut Violations) {
        crate::name::check_name(v, &self.function_name);
        self.validate_settings(v);
    }
}

impl CreateMapping {
    fn validate_settings(&self, v: &mut Violations) {
        if let Some(size) = self.batch_size {
            v.range("BatchSize", size, 1, BATCH_MAX);
        }
        if let Some(window) = self.maximum_batching_window_in_seconds {
            v.range("MaximumBatchingWindowInSeconds", window, 0, WINDOW_S_MAX);
        }
        if let Some(types) = &self.function_response_types {
            v.count("FunctionResponseTypes", types.len(), 0, 1);
            types.iter().for_each(|kind| v.one_of("FunctionResponseTypes", kind, &[REPORT_FAILURES]));
        }
        if let Some(max) = self.scaling_config.and_then(|config| config.maximum_concurrency) {
            v.within("ScalingConfig", |v| v.range("MaximumConcurrency", max, 2, 1_000));
        }
        for filter in self.filter_criteria.iter().flat_map(|c| c.filters.iter().flatten()) {
            if let Some(pattern) = &filter.pattern {
                v.within("FilterCriteria", |v| v.length("Pattern", pattern, 0, FILTER_CHARS_MAX));
            }
        }
        let ranges = [
            ("MaximumRecordAgeInSeconds", self.maximum_record_age_in_seconds, (-1, RECORD_AGE_S_MAX)),
            ("MaximumRetryAttempts", self.maximum_retry_attempts, (-1, RETRIES_MAX)),
            ("ParallelizationFactor", self.parallelization_factor, (1, LANES_MAX)),
            ("TumblingWindowInSeconds", self.tumbling_window_in_seconds, (0, TUMBLING_S_MAX)),
        ];
        for (name, given, (min, max)) in ranges {
            given.into_iter().for_each(|given| v.range(name, given, min, max));
        }
        if let Some(position) = &self.starting_position {
            v.one_of("StartingPosition", position, &["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]);
        }
        if let Some(tags) = &self.tags {
            check_tags(v, tags);
        }
    }

    /// Refuses what mappings of such a source do not know, by name.
    pub(super) fn refuse_foreign(&self, of_stream: bool) -> Result<(), Error> {
        let destination = |config: &DestinationConfig| config.failure().or(config.success()).is_some();
        let of_streams = [
            ("StartingPosition", self.starting_position.is_some()),
            ("DestinationConfig", self.destination_config.as_ref().is_some_and(destination)),
            ("MaximumRecordAgeInSeconds", self.maximum_record_age_in_seconds.is_some()),
            ("BisectBatchOnFunctionError", self.bisect_batch_on_function_error == Some(true)),
            ("MaximumRetryAttempts", self.maximum_retry_attempts.is_some()),
            ("ParallelizationFactor", self.parallelization_factor.is_some()),
            ("TumblingWindowInSeconds", self.tumbling_window_in_seconds.is_some()),
        ];
        let of_queues =
            [("ScalingConfig", self.scaling_config.is_some_and(|config| config.maximum_concurrency.is_some()))];
        let of_others = [
            ("StartingPositionTimestamp", self.starting_position_timestamp.is_some()),
            ("Topics", self.topics.is_some()),
            ("Queues", self.queues.is_some()),
            ("SourceAccessConfigurations", self.source_access_configurations.is_some()),
            ("SelfManagedEventSource", self.self_managed_event_source.is_some()),
            ("AmazonManagedKafkaEventSourceConfig", self.amazon_managed_kafka_event_source_config.is_some()),
            ("SelfManagedKafkaEventSourceConfig", self.self_managed_kafka_event_source_config.is_some()),
            ("DocumentDBEventSourceConfig", self.document_db_event_source_config.is_some()),
        ];
        let foreign: &[(&str, bool)] = if of_stream { &of_queues } else { &of_streams };
        if let Some((name, _)) = foreign.iter().chain(&of_others).find(|(_, given)| *given) {
            return Err(Error::InvalidParameter(format!(
                "Unsupported {name} parameter for given event source mapping type."
            )));
        }
        let absent = [
            ("KMSKeyArn", self.kms_key_arn.as_deref().is_some_and(|key| !key.is_empty())),
            ("MetricsConfig", self.metrics_config.as_ref().is_some_and(|config| !is_empty(config))),
            ("LoggingConfig", self.logging_config.as_ref().is_some_and(|config| !is_empty(config))),
            (
                "ProvisionedPollerConfig",
                self.provisioned_poller_config.as_ref().is_some_and(|config| !is_empty(config)),
            ),
        ];
        match absent.iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(Error::InvalidParameter(format!("{name} is not supported by this server."))),
            None => Ok(()),
        }
    }

    pub(super) fn filters(&self) -> Option<Vec<String>> {
        let filters = self.filter_criteria.as_ref()?.filters.iter().flatten();
        Some(filters.map(|filter| filter.pattern.clone().unwrap_or_default()).collect())
    }
}

fn is_empty(config: &Value) -> bool {
    match config {
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(list) => list.is_empty(),
        value => value.is_null(),
    }
}

/// AWS: *UpdateEventSourceMapping*: the same, on an existing one.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct UpdateMapping {
    #[serde(rename = "UUID")]
    pub(crate) uuid: String,
    #[serde(rename = "FunctionName")]
    pub(crate) function_name: Option<String>,
    #[serde(rename = "Enabled")]
    pub(crate) enabled: Option<bool>,
    #[serde(rename = "BatchSize")]
    batch_size: Option<i64>,
    #[serde(rename = "MaximumBatchingWindowInSeconds")]
    maximum_batching_window_in_seconds: Option<i64>,
    #[serde(rename = "FilterCriteria")]
    filter_criteria: Option<FilterCriteria>,
    #[serde(rename = "FunctionResponseTypes")]
    function_response_types: Option<Vec<String>>,
    #[serde(rename = "ScalingConfig")]
    scaling_config: Option<ScalingConfig>,
    #[serde(rename = "DestinationConfig")]
    destination_config: Option<DestinationConfig>,
    #[serde(rename = "MaximumRecordAgeInSeconds")]
    maximum_record_age_in_seconds: Option<i64>,
    #[serde(rename = "BisectBatchOnFunctionError")]
    bisect_batch_on_function_error: Option<bool>,
    #[serde(rename = "MaximumRetryAttempts")]
    maximum_retry_attempts: Option<i64>,
    #[serde(rename = "ParallelizationFactor")]
    parallelization_factor: Option<i64>,
    #[serde(rename = "TumblingWindowInSeconds")]
    tumbling_window_in_seconds: Option<i64>,
    #[serde(rename = "SourceAccessConfigurations")]
    source_access_configurations: Option<Value>,
    #[serde(rename = "KMSKeyArn")]
    kms_key_arn: Option<String>,
    #[serde(rename = "MetricsConfig")]
    metrics_config: Option<Value>,
    #[serde(rename = "LoggingConfig")]
    logging_config: Option<Value>,
    #[serde(rename = "ProvisionedPollerConfig")]
    provisioned_poller_config: Option<Value>,
}

impl UpdateMapping {
    /// The settings that it changes.
    pub(super) fn settings(&self) -> CreateMapping {
        CreateMapping {
            enabled: self.enabled,
            batch_size: self.batch_size,
            maximum_batching_window_in_seconds: self.maximum_batching_window_in_seconds,
            filter_criteria: self.filter_criteria.clone(),
            function_response_types: self.function_response_types.clone(),
            scaling_config: self.scaling_config,
            destination_config: self.destination_config.clone(),
            maximum_record_age_in_seconds: self.maximum_record_age_in_seconds,
            bisect_batch_on_function_error: self.bisect_batch_on_function_error,
            maximum_retry_attempts: self.maximum_retry_attempts,
            parallelization_factor: self.parallelization_factor,
            tumbling_window_in_seconds: self.tumbling_window_in_seconds,
            source_access_configurations: self.source_access_configurations.clone(),
            kms_key_arn: self.kms_key_arn.clone(),
            metrics_config: self.metrics_config.clone(),
            logging_config: self.logging_config.clone(),
            provisioned_poller_config: self.provisioned_poller_config.clone(),
            ..CreateMapping::default()
        }
    }
}

impl Input for UpdateMapping {
    fn validate(&self, v: &mut Violations) {
        if let Some(name) = &self.function_name {
            crate::name::check_name(v, name);
        }
        self.settings().validate_settings(v);
    }
}

/// AWS: *GetEventSourceMapping*, *DeleteEventSourceMapping*.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct MappingId {
    #[serde(rename = "UUID")]
    pub(crate) uuid: String,
}

impl Input for MappingId {}

/// AWS: *ListEventSourceMappings*.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListMappings {
    pub(crate) event_source_arn: Option<String>,
    pub(crate) function_name: Option<String>,
    pub(crate) marker: Option<String>,
    pub(crate) max_items: Option<i64>,
}

impl Input for ListMappings {
    fn validate(&self, v: &mut Violations) {
        if let Some(name) = &self.function_name {
            crate::name::check_name(v, name);
        }
        if let Some(max) = self.max_items {
            v.range("MaxItems", max, 1, 10_000);
        }
    }
}
