//! Records that are a day old, or as old as the options say, are removed, and with the last of them a stream that has ended.

use std::time::Duration;

use bytes::Bytes;
use cauce_core::{ServiceError, Timestamp};
use cauce_store::{RangeReq, Row, RowReader, RowWriter, decode_row};

use super::model::Stream;
use super::shard::sequence_at;
use crate::error::Error;
use crate::keys;
use crate::service::DynamoDb;

/// How long records are kept unless they are to be kept longer. AWS: Developer Guide, *Change data capture for DynamoDB Streams*.
pub const STREAM_RETENTION: Duration = Duration::from_secs(24 * 3_600);

/// The longest that they can be kept, as in a stream of Kinesis. AWS: API Reference, *IncreaseStreamRetentionPeriod*.
pub const STREAM_RETENTION_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);

/// How many records one step removes.
const TRIMMED_MAX: usize = 1_000;

/// How many streams are looked at together.
const STREAMS_MAX: usize = 1_000;

const VERSION: u8 = 1;

/// The row that says up to which number a shard was trimmed.
pub(super) fn trimmed_row(last: u64) -> Bytes {
    let mut row = RowWriter::new(VERSION);
    row.u64(last);
    row.finish()
}

/// Reads a row of [`trimmed_row`].
pub(super) fn read_trimmed(row: &[u8]) -> Result<u64, Error> {
    let read = || {
        let (_, mut reader) = RowReader::new(row)?;
        reader.u64()
    };
    Ok(read().map_err(ServiceError::internal)?)
}

/// The keys from one on up to and with another.
fn through(first: &Row, last: &Row) -> (Bytes, Bytes) {
    let mut end = last.key.to_vec();
    end.push(0);
    (first.key.clone(), end.into())
}

impl DynamoDb {
    /// Removes some records of each stream that are old enough; whether any stream has more of them.
    pub(crate) async fn trim_streams(&self, now: Timestamp) -> Result<bool, Error> {
        let mut streams = RangeReq::new(keys::all_streams(), STREAMS_MAX);
        let mut more = false;
        loop {
            let page = self.db.range(streams.clone()).await?;
            for row in &page.rows {
                more |= self.trim(row, now).await?;
            }
            match page.rows.last() {
                Some(last) if page.more => streams = streams.after(&last.key),
                _ => return Ok(more),
            }
        }
    }

    async fn trim(&self, row: &Row, now: Timestamp) -> Result<bool, Error> {
        let stream: Stream = decode_row(row)?;
        let kept_from = now - self.options.stream_retention;
        let mut more = false;
        for shard in 0..stream.shards {
            let old = keys::stream_records(stream.number, shard, 0, sequence_at(kept_from));
            let page = self.db.range(RangeReq::new(old, TRIMMED_MAX)).await?;
            more |= page.more;
            let (Some(first), Some(last)) = (page.rows.first(), page.rows.last()) else { continue };
            let sequence = keys::read_stream_record(&last.key).map_err(ServiceError::internal)?;
            self.db
                .transact(async |tx| {
                    tx.clear_range(through(first, last));
                    tx.set(keys::stream_trimmed(stream.number, shard), trimmed_row(sequence));
                    Ok::<_, Error>(())
                })
                .await?;
        }
        if !more && stream.ended.is_some_and(|ended| ended < kept_from) {
            self.db
                .transact(async |tx| {
                    tx.clear(row.key.clone());
                    for shard in 0..stream.shards {
                        tx.clear(keys::stream_trimmed(stream.number, shard));
                        // Numbers may be a little ahead of the clock.
                        tx.clear_range(keys::stream_records(stream.number, shard, 0, u64::MAX));
                    }
                    Ok::<_, Error>(())
                })
                .await?;
            self.flows.forget(stream.number);
        }
        Ok(more)
    }
}
