//! The rows that hold events: all events of one commit that follow one another and have one timestamp share a row. A function
//! writes its lines in bursts within a millisecond, so this is a third of the rows or less.

use bytes::Bytes;
use cauce_store::{RecordError, RowReader, RowWriter};

/// What the service adds to the length of an event's text when it counts bytes. AWS: API reference, *PutLogEvents*.
pub(crate) const EVENT_OVERHEAD_BYTES: usize = 26;
/// A row is closed once it holds this many bytes of text...
pub(crate) const ROW_BYTES_MAX: usize = 64 * 1024;
/// ... or this many events.
pub(crate) const ROW_EVENTS_MAX: usize = 1_000;

const VERSION: u8 = 1;

/// Events of one timestamp with consecutive sequence numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) ingested_ms: i64,
    pub(crate) texts: Vec<String>,
}

impl Lines {
    /// The row of these texts.
    pub(crate) fn encode(ingested_ms: i64, texts: &[&str]) -> Bytes {
        let mut row = RowWriter::new(VERSION);
        row.varint(ingested_ms.cast_unsigned()).varint(texts.len() as u64);
        for text in texts {
            row.str(text);
        }
        row.finish()
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Lines, RecordError> {
        let (version, mut row) = RowReader::new(row)?;
        if version != VERSION {
            return Err(RecordError::Version { found: version, written: VERSION });
        }
        let (ingested_ms, count) = (row.varint()?.cast_signed(), row.varint()?);
        // Not trusted as a capacity: a row that lies about its count ends below.
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(row.str()?.to_owned());
        }
        row.end()?;
        Ok(Lines { ingested_ms, texts })
    }

    /// The bytes of these events as the service counts them.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.texts.iter().map(|text| text.len() + EVENT_OVERHEAD_BYTES).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::Lines;

    proptest! {
        #[test]
        fn lines_come_back(ingested_ms in 0..i64::MAX, texts in proptest::collection::vec(any::<String>(), 0..20)) {
            let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
            let row = Lines::encode(ingested_ms, &refs);
            prop_assert_eq!(Lines::decode(&row).unwrap(), Lines { ingested_ms, texts: texts.clone() });
            for cut in 0..row.len() {
                prop_assert!(Lines::decode(&row[..cut]).is_err());
            }
        }
    }
}
