//! What the destination of a mapping is told of records that were given up.
//!
//! AWS: Lambda Developer Guide, *Retain discarded records for a DynamoDB event source in Lambda*.

use bytes::Bytes;
use cauce_core::ports::ChangeRecord;
use cauce_core::{Arn, Call, Timestamp};
use cauce_delivery::{Effect, Policy, ROLE_ARN};
use serde::Serialize;

use super::super::duty::{Duty, SERVICE};
use super::batch::Piece;

/// Why records are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    RetryAttemptsExhausted,
    RecordAgeExceeded,
}

impl Why {
    fn name(self) -> &'static str {
        match self {
            Why::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Why::RecordAgeExceeded => "RecordAgeExceeded",
        }
    }
}

/// The last invocation with the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LastAnswer {
    pub(super) request_id: String,
    pub(super) executed_version: String,
    pub(super) failed: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    version: &'static str,
    timestamp: String,
    #[serde(rename = "DDBStreamBatchInfo")]
    batch: BatchInfo<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: &'a str,
    condition: &'static str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchInfo<'a> {
    shard_id: &'a str,
    start_sequence_number: &'a str,
    end_sequence_number: &'a str,
    approximate_arrival_of_first_record: String,
    approximate_arrival_of_last_record: String,
    batch_size: usize,
    stream_arn: &'a Arn,
}

/// The document about a piece.
pub(super) fn document(
    (duty, shard_id): (&Duty, &str),
    (call, last): (&Call, Option<&LastAnswer>),
    piece: &Piece,
    why: Why,
    now: Timestamp,
) -> Bytes {
    let arrival = |record: Option<&ChangeRecord>| record.map_or_else(String::new, |record| record.at.iso_secs());
    let (first, end) = (piece.records.first(), piece.records.last());
    let own = call.request_id.to_string();
    let document = Document {
        request_context: RequestContext {
            request_id: last.map_or(own.as_str(), |last| last.request_id.as_str()),
            function_arn: duty.record.function.as_str(),
            condition: why.name(),
            approximate_invoke_count: piece.invocations,
        },
        response_context: last.map(|last| ResponseContext {
            status_code: 200,
            executed_version: &last.executed_version,
            function_error: last.failed.then_some("Unhandled"),
        }),
        version: "1.0",
        timestamp: now.iso_millis(),
        batch: BatchInfo {
            shard_id,
            start_sequence_number: first.map_or("", |first| &first.sequence_number),
            end_sequence_number: end.map_or("", |end| &end.sequence_number),
            approximate_arrival_of_first_record: arrival(first),
            approximate_arrival_of_last_record: arrival(end),
            batch_size: piece.records.len(),
            stream_arn: &duty.record.source,
        },
    };
    serde_json::to_vec(&document).unwrap_or_default().into()
}

/// The message to a destination, sent as the function's role.
pub(super) fn message(duty: &Duty, call: &Call, to: &Arn, role: &Arn, payload: Bytes) -> Effect {
    Effect {
        target: to.clone(),
        cause: format!("event-source-mapping/{} (given up)", duty.key.uuid),
        service: SERVICE.to_owned(),
        source: Some(duty.record.function.clone()),
        account: duty.key.account,
        region: duty.key.region.clone(),
        trace: call.trace.child(duty.lambda.env.entropy()),
        policy: Policy::asynchronous_invocation(),
        attributes: vec![(ROLE_ARN.to_owned(), role.to_string())],
        hops: 0,
        payload,
    }
}
