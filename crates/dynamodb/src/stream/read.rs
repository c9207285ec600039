//! GetShardIterator, GetRecords.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Call, ServiceError, Violations};
use cauce_store::{RangeReq, ReadReq, RowCodec as _};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::iterator::ShardIterator;
use super::model::{Stream, missing};
use super::record::{Placed, Written};
use super::shard::read_sequence;
use super::trim::read_trimmed;
use crate::error::Error;
use crate::keys::{self, StreamId};
use crate::service::DynamoDb;

/// The most records of one answer. AWS: API Reference, *GetRecords*.
pub const GET_RECORDS_MAX: usize = 1_000;

/// The most bytes of one answer, as `SizeBytes` counts them; one record alone may be larger. AWS: the same.
pub const GET_RECORDS_BYTES_MAX: usize = 1024 * 1024;

/// How long an iterator can be used. AWS: API Reference, *GetShardIterator*.
pub const ITERATOR_LASTS: Duration = Duration::from_secs(900);

const KINDS: [&str; 4] = ["AFTER_SEQUENCE_NUMBER", "LATEST", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"];

/// The longest and shortest texts that the model allows, in characters.
pub(super) const ARN_CHARS: (usize, usize) = (37, 1_024);
pub(super) const SHARD_CHARS: (usize, usize) = (28, 65);
const SEQUENCE_CHARS: (usize, usize) = (21, 40);
const ITERATOR_CHARS_MAX: usize = 2_048;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetShardIterator {
    pub(crate) stream_arn: String,
    shard_id: String,
    shard_iterator_type: String,
    sequence_number: Option<String>,
}

impl Input for GetShardIterator {
    fn validate(&self, v: &mut Violations) {
        v.length("streamArn", &self.stream_arn, ARN_CHARS.0, ARN_CHARS.1);
        v.length("shardId", &self.shard_id, SHARD_CHARS.0, SHARD_CHARS.1);
        v.one_of("shardIteratorType", &self.shard_iterator_type, &KINDS);
        if let Some(sequence) = &self.sequence_number {
            v.length("sequenceNumber", sequence, SEQUENCE_CHARS.0, SEQUENCE_CHARS.1);
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetShardIteratorOutput {
    shard_iterator: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetRecords {
    shard_iterator: String,
    limit: Option<i64>,
}

impl Input for GetRecords {
    fn validate(&self, v: &mut Violations) {
        v.length("shardIterator", &self.shard_iterator, 1, ITERATOR_CHARS_MAX);
        if let Some(limit) = self.limit {
            v.range("limit", limit, 1, GET_RECORDS_MAX as i64);
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetRecordsOutput {
    records: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_shard_iterator: Option<String>,
}

/// What policies must allow for a read: the stream that the iterator is of.
pub(crate) fn iterator_resource(call: &Call, input: &GetRecords) -> Vec<String> {
    let iterator = ShardIterator::read(&input.shard_iterator);
    vec![iterator.map_or_else(|_| call.arn("dynamodb", "table/*/stream/*").to_string(), |iterator| iterator.stream)]
}

/// A place in a shard.
pub(super) struct Place<'a> {
    pub(super) stream: &'a StreamId,
    pub(super) shard: u16,
    /// The number behind which to read; 0: the oldest record there is.
    pub(super) after: u64,
}

/// How much is wanted of a read.
pub(super) struct Amount {
    pub(super) records_max: usize,
    pub(super) bytes_max: usize,
}

/// Records of a shard in order.
pub(super) struct Page {
    pub(super) stream: Stream,
    pub(super) records: Vec<Placed>,
    /// Whether nothing will ever come behind them.
    pub(super) ended: bool,
}

impl GetShardIterator {
    /// The number behind which the iterator stands.
    fn after(&self, last: u64, trimmed: u64) -> Result<u64, Error> {
        let number = || {
            let text = self
                .sequence_number
                .as_deref()
                .ok_or_else(|| Error::values(format!("{} requires a SequenceNumber", self.shard_iterator_type)))?;
            read_sequence(text).ok_or_else(|| Error::invalid(format!("Invalid SequenceNumber: {text}")))
        };
        match self.shard_iterator_type.as_str() {
            "TRIM_HORIZON" => Ok(0),
            "LATEST" => Ok(last.max(trimmed)),
            "AT_SEQUENCE_NUMBER" => match number()? {
                number if number <= trimmed && trimmed > 0 => Err(Error::Trimmed),
                number => Ok(number.saturating_sub(1)),
            },
            _ => match number()? {
                number if number < trimmed => Err(Error::Trimmed),
                number => Ok(number),
            },
        }
    }
}

impl DynamoDb {
    /// The definition of a stream.
    pub(super) async fn stream(&self, id: &StreamId) -> Result<Stream, Error> {
        self.db.get(&keys::stream(id)).await?.ok_or_else(|| missing(id.arn().as_str()))
    }

    /// The last number that was committed in a shard, 0 if there is none, and the last that was removed.
    pub(super) async fn ends(&self, stream: &Stream, shard: u16) -> Result<(u64, u64), Error> {
        let last = RangeReq::new(keys::stream_records(stream.number, shard, 0, u64::MAX), 1).reversed();
        let gets = vec![keys::stream_trimmed(stream.number, shard)];
        let found = self.db.read(ReadReq { gets, ranges: vec![last] }).await?;
        let trimmed = found.gets.first().and_then(Option::as_ref).map(|row| read_trimmed(&row.val));
        let last = found.ranges.first().and_then(|page| page.rows.first());
        let last = last.map(|row| keys::read_stream_record(&row.key)).transpose().map_err(ServiceError::internal)?;
        Ok((last.unwrap_or(0), trimmed.transpose()?.unwrap_or(0)))
    }

    pub(crate) async fn get_shard_iterator(
        self: Arc<Self>,
        call: Call,
        input: GetShardIterator,
    ) -> Result<GetShardIteratorOutput, Error> {
        let id = StreamId::of_arn(&call, &input.stream_arn)?;
        let stream = self.stream(&id).await?;
        let no_shard = || Error::NotFound(format!("Shard: {} in Stream: {}", input.shard_id, input.stream_arn));
        let shard = stream.shard(&input.shard_id).ok_or_else(no_shard)?;
        let (last, trimmed) = self.ends(&stream, shard).await?;
        let after = input.after(last, trimmed)?;
        let iterator = ShardIterator { stream: input.stream_arn, shard, after, given: self.env.now() };
        Ok(GetShardIteratorOutput { shard_iterator: iterator.text() })
    }

    pub(crate) async fn get_records(self: Arc<Self>, call: Call, input: GetRecords) -> Result<GetRecordsOutput, Error> {
        let iterator = ShardIterator::read(&input.shard_iterator)?;
        let id = StreamId::of_arn(&call, &iterator.stream)?;
        let now = self.env.now();
        if now > iterator.given + ITERATOR_LASTS {
            return Err(Error::ExpiredIterator { given: iterator.given, now });
        }
        let records_max = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(GET_RECORDS_MAX);
        let amount = Amount { records_max: records_max.min(GET_RECORDS_MAX), bytes_max: GET_RECORDS_BYTES_MAX };
        let place = Place { stream: &id, shard: iterator.shard, after: iterator.after };
        let page = self.read_shard(&place, &amount).await?;
        let after = page.records.last().map_or(iterator.after, |last| last.sequence);
        let shown = |placed: &Placed| serde_json::to_value(placed.shown(&page.stream, &id, None));
        let records = page.records.iter().map(shown).collect::<Result<_, _>>().map_err(ServiceError::internal)?;
        self.streamed(&id, page.records.len(), page.records.iter().map(Placed::size_bytes).sum());
        let next = ShardIterator { after, given: now, ..iterator };
        Ok(GetRecordsOutput { records, next_shard_iterator: (!page.ended).then(|| next.text()) })
    }

    /// Reads on from a place: all that is there for good, so that nothing appears before the last record later.
    pub(super) async fn read_shard(&self, place: &Place<'_>, amount: &Amount) -> Result<Page, Error> {
        let key = keys::stream(place.stream);
        let known: Stream = self.stream(place.stream).await?;
        // The horizon comes first: what is decided by then is in the snapshot that is read after it.
        let flow = self.flows.of(known.number, known.shards);
        let horizon = flow.horizon(&self.db, place.shard).await?;
        let from = place.after.saturating_add(1);
        let range = keys::stream_records(known.number, place.shard, from, horizon.max(from));
        let read = ReadReq {
            gets: vec![key, keys::stream_trimmed(known.number, place.shard)],
            ranges: vec![RangeReq::new(range, amount.records_max)],
        };
        let found = self.db.read(read).await?;
        let [stream, trimmed] = found.gets.as_slice() else { return Err(missing(place.stream.arn().as_str())) };
        let Some(stream) = stream else { return Err(missing(place.stream.arn().as_str())) };
        let stream = Stream::decode_row(&stream.val).map_err(ServiceError::internal)?;
        let trimmed = trimmed.as_ref().map_or(Ok(0), |row| read_trimmed(&row.val))?;
        if place.after > 0 && place.after < trimmed {
            return Err(Error::Trimmed);
        }
        let page = found.ranges.into_iter().next().unwrap_or_default();
        let (mut records, mut bytes, mut cut) = (Vec::with_capacity(page.rows.len()), 0, page.more);
        for row in &page.rows {
            let sequence = keys::read_stream_record(&row.key).map_err(ServiceError::internal)?;
            let written = Written::decode_row(&row.val).map_err(ServiceError::internal)?;
            let placed = Placed { sequence, written };
            bytes += placed.size_bytes();
            if bytes > amount.bytes_max && !records.is_empty() {
                cut = true;
                break;
            }
            records.push(placed);
        }
        // No record is written to a stream that has ended, so what its snapshot shows is all.
        let ended = stream.ended.is_some() && !cut && horizon > place.after;
        Ok(Page { stream, records, ended })
    }
}
