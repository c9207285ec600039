//! Shard iterators: a place in a shard, as a text. They say everything themselves, so they outlive a restart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::Timestamp;
use cauce_store::{RowReader, RowWriter};

use crate::error::Error;

const VERSION: u8 = 1;

/// A place in a shard, and when it was given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShardIterator {
    /// The ARN of the stream.
    pub(super) stream: String,
    pub(super) shard: u16,
    /// The number behind which it stands; 0 is the oldest record that there is.
    pub(super) after: u64,
    pub(super) given: Timestamp,
}

impl ShardIterator {
    /// The text: the ARN, and the rest with a checksum.
    pub(super) fn text(&self) -> String {
        let mut row = RowWriter::new(VERSION);
        row.varint(u64::from(self.shard)).u64(self.after).u64(self.given.as_micros().cast_unsigned());
        let row = row.finish();
        let sum = u64::from(crc32fast::hash(&row));
        let mut whole = RowWriter::new(VERSION);
        whole.bytes(&row).varint(sum);
        format!("{}|1|{}", self.stream, STANDARD.encode(whole.finish()))
    }

    /// Reads such a text.
    pub(super) fn read(text: &str) -> Result<ShardIterator, Error> {
        ShardIterator::parse(text).ok_or_else(|| Error::invalid("Invalid ShardIterator"))
    }

    fn parse(text: &str) -> Option<ShardIterator> {
        let (stream, rest) = text.split_once("|1|")?;
        let bytes = STANDARD.decode(rest).ok()?;
        let (_, mut whole) = RowReader::new(&bytes).ok().filter(|(version, _)| *version == VERSION)?;
        let row = whole.bytes().ok()?;
        if whole.varint().ok()? != u64::from(crc32fast::hash(row)) {
            return None;
        }
        let (_, mut reader) = RowReader::new(row).ok()?;
        let shard = u16::try_from(reader.varint().ok()?).ok()?;
        let (after, given) = (reader.u64().ok()?, reader.u64().ok()?);
        let given = Timestamp::from_micros(given.cast_signed());
        Some(ShardIterator { stream: stream.to_owned(), shard, after, given })
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;

    use super::ShardIterator;

    #[test]
    fn iterators_read_back_and_notice_damage() {
        let stream = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2027-01-15T08:00:00.000";
        let iterator = ShardIterator { stream: stream.to_owned(), shard: 3, after: 77, given: Timestamp::from_secs(9) };
        let text = iterator.text();
        assert_eq!(ShardIterator::read(&text).unwrap(), iterator);
        for damaged in
            ["", "x", text.get(..text.len() - 4).unwrap(), &text.replace("|1|", "|2|"), &text.replace("|1|A", "|1|B")]
        {
            assert!(ShardIterator::read(damaged).is_err(), "{damaged}");
        }
    }
}
