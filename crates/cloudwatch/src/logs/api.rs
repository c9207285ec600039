//! The operations of CloudWatch Logs.

use std::sync::Arc;

use cauce_core::Call;
use cauce_wire::{Api, JsonVersion, Operation, Protocol, ServiceInfo};

use super::names::{group_resource, stream_resource};
use super::service::Logs;

/// How CloudWatch Logs is spoken to.
pub static INFO: ServiceInfo = ServiceInfo {
    name: "logs",
    signing_name: "logs",
    protocols: &[Protocol::Json { version: JsonVersion::V1_1, target_prefix: "Logs_20140328" }],
    validation_code: "InvalidParameterException",
};

/// The largest body of `PutLogEvents`, in bytes: a megabyte of text, most of it escaped.
const PUT_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// All operations on this service.
pub fn api(logs: Arc<Logs>) -> Api<Logs> {
    streams_and_events(tags(groups(Api::new(&INFO, logs))))
}

/// The ARN that a tagging operation names is the resource.
fn named(arn: &str) -> Vec<String> {
    vec![arn.to_owned()]
}

/// The group itself, for the older tagging operations.
fn bare_group(call: &Call, name: &str) -> Vec<String> {
    vec![call.arn("logs", &format!("log-group:{name}")).to_string()]
}

fn groups(api: Api<Logs>) -> Api<Logs> {
    api.operation(
        Operation::new("CreateLogGroup", Logs::create_log_group)
            .resource(|call, input| group_resource(call, Some(&input.log_group_name), None)),
    )
    .operation(
        Operation::new("DeleteLogGroup", Logs::delete_log_group)
            .resource(|call, input| group_resource(call, Some(&input.log_group_name), None)),
    )
    .operation(
        Operation::new("DescribeLogGroups", Logs::describe_log_groups)
            .resource(|call, _| group_resource(call, None, None)),
    )
    .operation(
        Operation::new("PutRetentionPolicy", Logs::put_retention_policy)
            .resource(|call, input| group_resource(call, Some(&input.log_group_name), None)),
    )
    .operation(
        Operation::new("DeleteRetentionPolicy", Logs::delete_retention_policy)
            .resource(|call, input| group_resource(call, Some(&input.log_group_name), None)),
    )
    .operation(
        Operation::new("PutLogGroupDeletionProtection", Logs::put_log_group_deletion_protection)
            .resource(|call, input| group_resource(call, None, Some(&input.log_group_identifier))),
    )
}

fn tags(api: Api<Logs>) -> Api<Logs> {
    api.operation(Operation::new("TagResource", Logs::tag_resource).resource(|_, input| named(&input.resource_arn)))
        .operation(
            Operation::new("UntagResource", Logs::untag_resource).resource(|_, input| named(&input.resource_arn)),
        )
        .operation(
            Operation::new("ListTagsForResource", Logs::list_tags_for_resource)
                .resource(|_, input| named(&input.resource_arn)),
        )
        .operation(
            Operation::new("TagLogGroup", Logs::tag_log_group)
                .resource(|call, input| bare_group(call, &input.log_group_name)),
        )
        .operation(
            Operation::new("UntagLogGroup", Logs::untag_log_group)
                .resource(|call, input| bare_group(call, &input.log_group_name)),
        )
        .operation(
            Operation::new("ListTagsLogGroup", Logs::list_tags_log_group)
                .resource(|call, input| bare_group(call, &input.log_group_name)),
        )
}

fn streams_and_events(api: Api<Logs>) -> Api<Logs> {
    api.operation(
        Operation::new("CreateLogStream", Logs::create_log_stream)
            .resource(|call, input| stream_resource(call, &input.log_group_name, &input.log_stream_name)),
    )
    .operation(
        Operation::new("DeleteLogStream", Logs::delete_log_stream)
            .resource(|call, input| stream_resource(call, &input.log_group_name, &input.log_stream_name)),
    )
    .operation(Operation::new("DescribeLogStreams", Logs::describe_log_streams).resource(|call, input| {
        group_resource(call, input.log_group_name.as_deref(), input.log_group_identifier.as_deref())
    }))
    .operation(
        Operation::new("PutLogEvents", Logs::put_log_events)
            .resource(|call, input| stream_resource(call, &input.log_group_name, &input.log_stream_name))
            .body_bytes_max(PUT_BODY_BYTES_MAX),
    )
    .operation(Operation::new("GetLogEvents", Logs::get_log_events).resource(|call, input| {
        let group = input.log_group_name.as_deref().or(input.log_group_identifier.as_deref()).unwrap_or("");
        let group = super::names::of_identifier(call, group).unwrap_or_default();
        stream_resource(call, &group, &input.log_stream_name)
    }))
    .operation(Operation::new("FilterLogEvents", Logs::filter_log_events).resource(|call, input| {
        group_resource(call, input.log_group_name.as_deref(), input.log_group_identifier.as_deref())
    }))
}
