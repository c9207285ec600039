//! The parameters of sources, enrichments and targets, as the API and the store have them, and what the model says of them.
//!
//! AWS: EventBridge Pipes API Reference, *PipeSourceParameters*, *PipeEnrichmentParameters*, *PipeTargetParameters*,
//! *PipeLogConfigurationParameters*.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cauce_core::Violations;
use cauce_sources::FILTERS_MAX;
use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::path::Path;

/// The largest batch.
const BATCH_MAX: i64 = 10_000;
/// The longest window, in seconds.
const WINDOW_S_MAX: i64 = 300;
/// The greatest age of records, in seconds.
const RECORD_AGE_S_MAX: i64 = 604_800;
/// The most retries of a batch.
const RETRIES_MAX: i64 = 10_000;
/// The most lanes of a shard.
const LANES_MAX: i64 = 10;
/// The longest filter, in characters.
const FILTER_CHARS_MAX: usize = 4_096;
/// The longest input template, in characters.
const TEMPLATE_CHARS_MAX: usize = 8_192;
/// The longest ARN, in characters.
const ARN_CHARS_MAX: usize = 1_600;

/// The pattern of ARNs in the model.
const ARN_PATTERN: &str = concat!(
    "arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-]+):",
    "([a-z]{2,4}((-gov)|(-de)|(-iso([a-z]?)))?-[a-z]+(-\\d{1})?)?:(\\d{12})?:(.+)"
);
const ROLE_PATTERN: &str = "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z0-9+=,.@\\-_/]+";
const PATH_PATTERN: &str = "\\$(\\.[\\w/_-]+(\\[(\\d+|\\*)\\])*)*";
const LOG_GROUP_PATTERN: &str = concat!(
    "(^arn:aws([a-z]|\\-)*:logs:([a-z]{2,4}((-gov)|(-de)|(-iso([a-z]?)))?-[a-z]+(-\\d{1})?):(\\d{12}):",
    "log-group:[\\.\\-_/#A-Za-z0-9]{1,512}(:\\*)?)"
);

static ARN: LazyLock<Option<Regex>> = LazyLock::new(|| anchored(ARN_PATTERN));
static ROLE: LazyLock<Option<Regex>> = LazyLock::new(|| anchored(ROLE_PATTERN));
static LOG_GROUP: LazyLock<Option<Regex>> = LazyLock::new(|| anchored(LOG_GROUP_PATTERN));

fn anchored(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{pattern})$")).ok()
}

/// What nobody here knows, to be refused by name.
pub(crate) type Unknown = BTreeMap<String, Value>;

/// AWS: *PipeSourceParameters*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SourceParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) filter_criteria: Option<FilterCriteria>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sqs_queue_parameters: Option<QueueParameters>,
    #[serde(default, rename = "DynamoDBStreamParameters", skip_serializing_if = "Option::is_none")]
    pub(crate) stream_parameters: Option<StreamParameters>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

/// AWS: *FilterCriteria*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FilterCriteria {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) filters: Option<Vec<Filter>>,
}

/// AWS: *Filter*.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Filter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<String>,
}

/// AWS: *PipeSourceSqsQueueParameters*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct QueueParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch_size: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maximum_batching_window_in_seconds: Option<i64>,
}

/// AWS: *PipeSourceDynamoDBStreamParameters*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StreamParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) starting_position: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch_size: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maximum_batching_window_in_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maximum_record_age_in_seconds: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maximum_retry_attempts: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parallelization_factor: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on_partial_batch_item_failure: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead_letter_config: Option<DeadLetterConfig>,
}

/// AWS: *DeadLetterConfig*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeadLetterConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) arn: Option<String>,
}

/// AWS: *PipeEnrichmentParameters*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EnrichmentParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) input_template: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) http_parameters: Option<HttpParameters>,
}

/// AWS: *PipeTargetHttpParameters*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HttpParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path_parameter_values: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) header_parameters: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) query_string_parameters: Option<BTreeMap<String, String>>,
}

/// AWS: *PipeTargetParameters*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TargetParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) input_template: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lambda_function_parameters: Option<FunctionParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sqs_queue_parameters: Option<MessageParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) http_parameters: Option<HttpParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event_bridge_event_bus_parameters: Option<BusParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cloud_watch_logs_parameters: Option<LogParameters>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

/// AWS: *PipeTargetLambdaFunctionParameters*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FunctionParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) invocation_type: Option<String>,
}

/// AWS: *PipeTargetSqsQueueParameters*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MessageParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message_group_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message_deduplication_id: Option<String>,
}

/// AWS: *PipeTargetEventBridgeEventBusParameters*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BusParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resources: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<String>,
}

/// AWS: *PipeTargetCloudWatchLogsParameters*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LogParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log_stream_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp: Option<String>,
}

/// AWS: *PipeLogConfigurationParameters*.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LogConfiguration {
    pub(crate) level: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cloudwatch_logs_log_destination: Option<LogDestination>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) include_execution_data: Option<Vec<String>>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

/// AWS: *CloudwatchLogsLogDestinationParameters*.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LogDestination {
    pub(crate) log_group_arn: String,
}

/// An ARN, where the model wants one.
pub(crate) fn validate_arn(v: &mut Violations, name: &str, arn: &str) {
    v.length(name, arn, 1, ARN_CHARS_MAX);
    if let Some(regex) = &*ARN {
        v.pattern(name, arn, ARN_PATTERN, regex);
    }
}

pub(crate) fn validate_role(v: &mut Violations, arn: &str) {
    v.length("roleArn", arn, 1, ARN_CHARS_MAX);
    if let Some(regex) = &*ROLE {
        v.pattern("roleArn", arn, ROLE_PATTERN, regex);
    }
}

fn validate_path(v: &mut Violations, name: &str, path: Option<&String>) {
    let Some(path) = path else { return };
    v.length(name, path, 1, 256);
    if Path::parse(path).is_none() {
        let constraint = format!("Member must satisfy regular expression pattern: {PATH_PATTERN}");
        v.other(name, Some(path), &constraint);
    }
}

fn validate_text(v: &mut Violations, name: &str, text: Option<&String>, min: usize, max: usize) {
    if let Some(text) = text {
        v.length(name, text, min, max);
    }
}

fn validate_numbers(v: &mut Violations, numbers: &[(&str, Option<i64>, (i64, i64))]) {
    for (name, given, (min, max)) in numbers {
        given.iter().for_each(|given| v.range(name, *given, *min, *max));
    }
}

impl SourceParameters {
    pub(crate) fn validate(&self, v: &mut Violations) {
        if let Some(filters) = self.filter_criteria.as_ref().and_then(|criteria| criteria.filters.as_ref()) {
            v.within("filterCriteria", |v| {
                v.count("filters", filters.len(), 0, FILTERS_MAX);
                for (n, filter) in filters.iter().enumerate() {
                    v.within(format!("filters.{}.member", n + 1), |v| {
                        validate_text(v, "pattern", filter.pattern.as_ref(), 0, FILTER_CHARS_MAX);
                    });
                }
            });
        }
        let batches = |size, window| {
            [("batchSize", size, (1, BATCH_MAX)), ("maximumBatchingWindowInSeconds", window, (0, WINDOW_S_MAX))]
        };
        if let Some(queue) = &self.sqs_queue_parameters {
            let numbers = batches(queue.batch_size, queue.maximum_batching_window_in_seconds);
            v.within("sqsQueueParameters", |v| validate_numbers(v, &numbers));
        }
        if let Some(stream) = &self.stream_parameters {
            v.within("dynamoDBStreamParameters", |v| {
                validate_numbers(v, &batches(stream.batch_size, stream.maximum_batching_window_in_seconds));
                stream.validate(v);
            });
        }
    }

    /// These, and of others what these leave out.
    pub(crate) fn over(self, others: SourceParameters) -> SourceParameters {
        SourceParameters {
            filter_criteria: self.filter_criteria.or(others.filter_criteria),
            sqs_queue_parameters: self.sqs_queue_parameters.or(others.sqs_queue_parameters),
            stream_parameters: self.stream_parameters.or(others.stream_parameters),
            unknown: self.unknown,
        }
    }

    /// The patterns of the filters; none lets everything through.
    pub(crate) fn patterns(&self) -> Vec<String> {
        let filters = self.filter_criteria.iter().flat_map(|criteria| criteria.filters.iter().flatten());
        filters.filter_map(|filter| filter.pattern.clone()).collect()
    }
}

impl StreamParameters {
    fn validate(&self, v: &mut Violations) {
        validate_numbers(
            v,
            &[
                ("maximumRecordAgeInSeconds", self.maximum_record_age_in_seconds, (-1, RECORD_AGE_S_MAX)),
                ("maximumRetryAttempts", self.maximum_retry_attempts, (-1, RETRIES_MAX)),
                ("parallelizationFactor", self.parallelization_factor, (1, LANES_MAX)),
            ],
        );
        if let Some(position) = &self.starting_position {
            v.one_of("startingPosition", position, &["TRIM_HORIZON", "LATEST"]);
        }
        if let Some(wish) = &self.on_partial_batch_item_failure {
            v.one_of("onPartialBatchItemFailure", wish, &["AUTOMATIC_BISECT"]);
        }
        if let Some(arn) = self.dead_letter_config.as_ref().and_then(|config| config.arn.as_ref()) {
            v.within("deadLetterConfig", |v| validate_arn(v, "arn", arn));
        }
    }
}

impl HttpParameters {
    fn validate(&self, v: &mut Violations) {
        for (name, map) in
            [("headerParameters", &self.header_parameters), ("queryStringParameters", &self.query_string_parameters)]
        {
            for (key, value) in map.iter().flatten() {
                v.within(name, |v| {
                    v.length("key", key, 0, 512);
                    v.length("value", value, 0, 512);
                });
            }
        }
    }
}

impl EnrichmentParameters {
    pub(crate) fn validate(&self, v: &mut Violations) {
        validate_text(v, "inputTemplate", self.input_template.as_ref(), 0, TEMPLATE_CHARS_MAX);
        if let Some(http) = &self.http_parameters {
            v.within("httpParameters", |v| http.validate(v));
        }
    }
}

impl TargetParameters {
    /// These, and of others what these leave out.
    pub(crate) fn over(self, others: TargetParameters) -> TargetParameters {
        let bus = self.event_bridge_event_bus_parameters;
        TargetParameters {
            input_template: self.input_template.or(others.input_template),
            lambda_function_parameters: self.lambda_function_parameters.or(others.lambda_function_parameters),
            sqs_queue_parameters: self.sqs_queue_parameters.or(others.sqs_queue_parameters),
            http_parameters: self.http_parameters.or(others.http_parameters),
            event_bridge_event_bus_parameters: bus.or(others.event_bridge_event_bus_parameters),
            cloud_watch_logs_parameters: self.cloud_watch_logs_parameters.or(others.cloud_watch_logs_parameters),
            unknown: self.unknown,
        }
    }

    pub(crate) fn validate(&self, v: &mut Violations) {
        validate_text(v, "inputTemplate", self.input_template.as_ref(), 0, TEMPLATE_CHARS_MAX);
        if let Some(kind) = self.lambda_function_parameters.as_ref().and_then(|f| f.invocation_type.as_ref()) {
            v.within("lambdaFunctionParameters", |v| {
                v.one_of("invocationType", kind, &["REQUEST_RESPONSE", "FIRE_AND_FORGET"]);
            });
        }
        if let Some(message) = &self.sqs_queue_parameters {
            v.within("sqsQueueParameters", |v| {
                validate_text(v, "messageGroupId", message.message_group_id.as_ref(), 0, 100);
                validate_text(v, "messageDeduplicationId", message.message_deduplication_id.as_ref(), 0, 100);
            });
        }
        if let Some(http) = &self.http_parameters {
            v.within("httpParameters", |v| http.validate(v));
        }
        if let Some(bus) = &self.event_bridge_event_bus_parameters {
            v.within("eventBridgeEventBusParameters", |v| {
                validate_text(v, "detailType", bus.detail_type.as_ref(), 1, 128);
                validate_text(v, "source", bus.source.as_ref(), 1, 256);
                validate_path(v, "time", bus.time.as_ref());
                v.count("resources", bus.resources.as_ref().map_or(0, Vec::len), 0, 10);
            });
        }
        if let Some(log) = &self.cloud_watch_logs_parameters {
            v.within("cloudWatchLogsParameters", |v| {
                validate_text(v, "logStreamName", log.log_stream_name.as_ref(), 1, 256);
                validate_path(v, "timestamp", log.timestamp.as_ref());
            });
        }
    }
}

impl LogConfiguration {
    pub(crate) fn validate(&self, v: &mut Violations) {
        v.one_of("level", &self.level, &["OFF", "ERROR", "INFO", "TRACE"]);
        for option in self.include_execution_data.iter().flatten() {
            v.one_of("includeExecutionData", option, &["ALL"]);
        }
        if let (Some(destination), Some(regex)) = (&self.cloudwatch_logs_log_destination, &*LOG_GROUP) {
            v.within("cloudwatchLogsLogDestination", |v| {
                v.length("logGroupArn", &destination.log_group_arn, 1, ARN_CHARS_MAX);
                v.pattern("logGroupArn", &destination.log_group_arn, LOG_GROUP_PATTERN, regex);
            });
        }
    }
}
