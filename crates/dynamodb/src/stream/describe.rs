//! ListStreams, DescribeStream.

use std::sync::Arc;

use cauce_core::{Call, ServiceError, Timestamp, Violations};
use cauce_store::RangeReq;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::model::Stream;
use super::read::{ARN_CHARS, SHARD_CHARS};
use super::shard::{sequence_at, sequence_text};
use crate::description::elements;
use crate::error::Error;
use crate::keys::{self, StreamId};
use crate::request::{NAME_CHARS, validate_table};
use crate::schema::KeySchemaElement;
use crate::service::DynamoDb;

/// The most streams, or shards, of one answer. AWS: API Reference.
const PAGE_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListStreams {
    pub(crate) table_name: Option<String>,
    limit: Option<i64>,
    exclusive_start_stream_arn: Option<String>,
}

impl Input for ListStreams {
    fn validate(&self, v: &mut Violations) {
        if let Some(name) = &self.table_name {
            validate_table(v, name);
            v.length("tableName", name, NAME_CHARS.0, NAME_CHARS.1);
        }
        if let Some(limit) = self.limit {
            v.range("limit", limit, 1, PAGE_MAX as i64);
        }
        if let Some(arn) = &self.exclusive_start_stream_arn {
            v.length("exclusiveStartStreamArn", arn, ARN_CHARS.0, ARN_CHARS.1);
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListStreamsOutput {
    streams: Vec<ListedStream>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_stream_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListedStream {
    stream_arn: String,
    table_name: String,
    stream_label: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeStream {
    pub(crate) stream_arn: String,
    limit: Option<i64>,
    exclusive_start_shard_id: Option<String>,
    shard_filter: Option<ShardFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShardFilter {
    r#type: Option<String>,
    shard_id: Option<String>,
}

impl Input for DescribeStream {
    fn validate(&self, v: &mut Violations) {
        v.length("streamArn", &self.stream_arn, ARN_CHARS.0, ARN_CHARS.1);
        if let Some(limit) = self.limit {
            v.range("limit", limit, 1, PAGE_MAX as i64);
        }
        if let Some(shard) = &self.exclusive_start_shard_id {
            v.length("exclusiveStartShardId", shard, SHARD_CHARS.0, SHARD_CHARS.1);
        }
        if let Some(filter) = &self.shard_filter {
            v.within("shardFilter", |v| {
                if let Some(kind) = &filter.r#type {
                    v.one_of("type", kind, &["CHILD_SHARDS"]);
                }
                if let Some(shard) = &filter.shard_id {
                    v.length("shardId", shard, SHARD_CHARS.0, SHARD_CHARS.1);
                }
            });
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DescribeStreamOutput {
    stream_description: StreamDescription,
}

/// AWS: *StreamDescription*.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StreamDescription {
    stream_arn: String,
    stream_label: String,
    stream_status: &'static str,
    stream_view_type: &'static str,
    creation_request_date_time: Timestamp,
    table_name: String,
    key_schema: Vec<KeySchemaElement>,
    shards: Vec<Shard>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_shard_id: Option<String>,
}

/// AWS: *Shard*. Shards are never split, so none has a parent.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shard {
    shard_id: String,
    sequence_number_range: SequenceNumberRange,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SequenceNumberRange {
    starting_sequence_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending_sequence_number: Option<String>,
}

fn limit(given: Option<i64>) -> usize {
    given.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX)
}

impl DynamoDb {
    pub(crate) async fn list_streams(
        self: Arc<Self>,
        call: Call,
        input: ListStreams,
    ) -> Result<ListStreamsOutput, Error> {
        let all = keys::streams(call.account, &call.region, input.table_name.as_deref());
        let mut range = RangeReq::new(all, limit(input.limit));
        if let Some(start) = &input.exclusive_start_stream_arn {
            let start = keys::stream(&StreamId::of_arn(&call, start)?);
            // A start outside of the range is as good as its beginning, or its end.
            let after = range.clone().after(&start);
            range.start = after.start.clamp(range.start.clone(), range.end.clone());
        }
        let page = self.db.range(range).await?;
        let ids = page.rows.iter().map(|row| keys::read_stream(&row.key));
        let ids: Vec<StreamId> = ids.collect::<Result<_, _>>().map_err(ServiceError::internal)?;
        let last_evaluated_stream_arn = ids.last().filter(|_| page.more).map(|id| id.arn().to_string());
        let listed = |id: StreamId| ListedStream {
            stream_arn: id.arn().to_string(),
            table_name: id.table.name,
            stream_label: id.label,
        };
        Ok(ListStreamsOutput { streams: ids.into_iter().map(listed).collect(), last_evaluated_stream_arn })
    }

    pub(crate) async fn describe_stream(
        self: Arc<Self>,
        call: Call,
        input: DescribeStream,
    ) -> Result<DescribeStreamOutput, Error> {
        let id = StreamId::of_arn(&call, &input.stream_arn)?;
        let stream = self.stream(&id).await?;
        let no_shard = |shard: &str| Error::NotFound(format!("Shard: {shard} in Stream: {}", input.stream_arn));
        let place = |shard: &String| stream.shard(shard).ok_or_else(|| no_shard(shard));
        let first = match &input.exclusive_start_shard_id {
            Some(shard) => place(shard)?.saturating_add(1),
            None => 0,
        };
        let mut wanted: Vec<u16> = (first..stream.shards).collect();
        if let Some(shard) = input.shard_filter.as_ref().and_then(|filter| filter.shard_id.as_ref()) {
            place(shard)?;
            wanted.clear();
        }
        let more = wanted.len() > limit(input.limit);
        wanted.truncate(limit(input.limit));
        let mut shards = Vec::with_capacity(wanted.len());
        for shard in &wanted {
            shards.push(self.describe_shard(&stream, *shard).await?);
        }
        Ok(DescribeStreamOutput {
            stream_description: StreamDescription {
                stream_arn: id.arn().to_string(),
                stream_label: id.label,
                stream_status: if stream.ended.is_some() { "DISABLED" } else { "ENABLED" },
                stream_view_type: stream.view.name(),
                creation_request_date_time: stream.created,
                table_name: id.table.name,
                key_schema: elements(&stream.key),
                last_evaluated_shard_id: wanted.last().filter(|_| more).map(|shard| stream.shard_id(*shard)),
                shards,
            },
        })
    }

    async fn describe_shard(&self, stream: &Stream, shard: u16) -> Result<Shard, Error> {
        let starting = sequence_at(stream.created);
        let ending = match stream.ended {
            None => None,
            Some(_) => {
                let (last, trimmed) = self.ends(stream, shard).await?;
                Some(sequence_text(last.max(trimmed).max(starting)))
            }
        };
        let range =
            SequenceNumberRange { starting_sequence_number: sequence_text(starting), ending_sequence_number: ending };
        Ok(Shard { shard_id: stream.shard_id(shard), sequence_number_range: range })
    }
}
