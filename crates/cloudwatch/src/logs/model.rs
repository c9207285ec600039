//! What a group and a stream are.

use std::collections::BTreeMap;

use cauce_store::{Bytes, Record, RecordError, RowCodec, RowReader, RowWriter};
use serde::{Deserialize, Serialize};

/// The storage class of a group. Cauce stores all alike; the class is remembered and reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum GroupClass {
    /// With AWS: all features.
    #[default]
    Standard,
    /// With AWS: cheaper, with fewer features.
    InfrequentAccess,
    /// With AWS: for delivery to other services, events kept for a day. Here they are kept as the retention policy says.
    Delivery,
}

/// A log group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Random, never 0; part of the keys of everything in the group.
    pub(crate) id: u64,
    pub(crate) created_ms: i64,
    pub(crate) retention_days: Option<u32>,
    #[serde(default)]
    pub(crate) class: GroupClass,
    #[serde(default)]
    pub(crate) protected: bool,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

impl Record for Group {
    const VERSION: u8 = 1;
}

impl Group {
    /// The first moment whose events are still kept, in milliseconds; the beginning of time without a retention policy.
    pub(crate) fn kept_from_ms(&self, now_ms: i64) -> i64 {
        const DAY_MS: i64 = 86_400_000;
        self.retention_days.map_or(0, |days| now_ms.saturating_sub(i64::from(days) * DAY_MS).max(0))
    }
}

const STREAM_VERSION: u8 = 1;

/// A log stream. Rewritten with every batch of events, so its row is encoded by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Random, never 0; part of the keys of its events.
    pub(crate) id: u64,
    pub(crate) created_ms: i64,
    /// What it holds, if it ever held anything.
    pub(crate) span: Option<Span>,
    /// Bytes of its events as the service counts them: 26 for each besides its text.
    pub(crate) stored_bytes: u64,
    /// The next event's sequence number. Follows the clock in microseconds where it can, so that events of different streams
    /// sort by their arrival; never goes back.
    pub(crate) next_sequence: u64,
}

/// The time that a stream's events span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) ingested_ms: i64,
}

impl RowCodec for Stream {
    fn encode_row(&self) -> Result<Bytes, RecordError> {
        let mut row = RowWriter::new(STREAM_VERSION);
        row.u64(self.id).varint(self.created_ms.cast_unsigned());
        row.varint(self.stored_bytes).varint(self.next_sequence).bool(self.span.is_some());
        if let Some(span) = self.span {
            for ms in [span.first_ms, span.last_ms, span.ingested_ms] {
                row.varint(ms.cast_unsigned());
            }
        }
        Ok(row.finish())
    }

    fn decode_row(row: &[u8]) -> Result<Stream, RecordError> {
        let (version, mut row) = RowReader::new(row)?;
        if version != STREAM_VERSION {
            return Err(RecordError::Version { found: version, written: STREAM_VERSION });
        }
        let (id, created_ms) = (row.u64()?, row.varint()?.cast_signed());
        let (stored_bytes, next_sequence) = (row.varint()?, row.varint()?);
        let span = if row.bool()? {
            let mut ms = || row.varint().map(u64::cast_signed);
            Some(Span { first_ms: ms()?, last_ms: ms()?, ingested_ms: ms()? })
        } else {
            None
        };
        row.end()?;
        Ok(Stream { id, created_ms, span, stored_bytes, next_sequence })
    }
}

#[cfg(test)]
mod tests {
    use cauce_store::RowCodec;

    use super::{Group, GroupClass, Span, Stream};

    #[test]
    fn a_stream_comes_back() {
        let spans = [None, Some(Span { first_ms: 1, last_ms: 1_700_000_000_000, ingested_ms: i64::MAX })];
        for span in spans {
            let stream = Stream { id: u64::MAX, created_ms: 5, span, stored_bytes: 300, next_sequence: 1 << 50 };
            assert_eq!(Stream::decode_row(&stream.encode_row().unwrap()).unwrap(), stream);
        }
        assert!(Stream::decode_row(&[2, 0]).is_err());
    }

    #[test]
    fn retention_counts_from_now() {
        let group = |retention_days| Group {
            id: 1,
            created_ms: 0,
            retention_days,
            class: GroupClass::Standard,
            protected: false,
            tags: Default::default(),
        };
        assert_eq!(group(None).kept_from_ms(1_000_000_000_000), 0);
        assert_eq!(group(Some(1)).kept_from_ms(1_000_000_000_000), 1_000_000_000_000 - 86_400_000);
        assert_eq!(group(Some(3_653)).kept_from_ms(5), 0);
    }
}
