//! Shards and sequence numbers, as clients see them.

use cauce_core::Timestamp;

use super::model::Stream;
use crate::keys::spread;

/// What sequence numbers are counted from, so that they have the 21 digits that clients insist on.
const SEQUENCE_BASE: u128 = 100_000_000_000_000_000_000;

/// The shard that takes the records of a partition key.
pub(super) fn shard_of(hash: &[u8], shards: u16) -> u16 {
    // The remainder is below `shards`.
    u16::try_from(spread(hash) % u32::from(shards.max(1))).unwrap_or_default()
}

/// A sequence number as a text. Such texts sort as the numbers do.
pub(super) fn sequence_text(sequence: u64) -> String {
    (SEQUENCE_BASE + u128::from(sequence)).to_string()
}

/// Reads what [`sequence_text`] has written.
pub(super) fn read_sequence(text: &str) -> Option<u64> {
    let number = text.parse::<u128>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    u64::try_from(number.checked_sub(SEQUENCE_BASE)?).ok()
}

/// The lowest number that is drawn at or after a moment.
pub(super) fn sequence_at(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(0)
}

impl Stream {
    /// The name of one of its shards.
    pub(super) fn shard_id(&self, shard: u16) -> String {
        let created = self.created.as_millis().max(0);
        format!("shardId-{created:020}-{shard:08x}")
    }

    /// The shard of this name.
    pub(super) fn shard(&self, id: &str) -> Option<u16> {
        (0..self.shards).find(|shard| self.shard_id(*shard) == id)
    }
}

#[cfg(test)]
mod tests {
    use super::{read_sequence, sequence_text, shard_of};

    #[test]
    fn sequence_numbers_are_long_ordered_and_read_back() {
        for (sequence, text) in [(0, "100000000000000000000"), (1_800_000_000_000_000, "100001800000000000000")] {
            assert_eq!((sequence_text(sequence), read_sequence(text)), (text.to_owned(), Some(sequence)));
        }
        assert_eq!(read_sequence(&sequence_text(u64::MAX)), Some(u64::MAX));
        for text in ["", "7", "+100000000000000000000", "99999999999999999999", "1e30", "900000000000000000000000"] {
            assert_eq!(read_sequence(text), None, "{text}");
        }
    }

    #[test]
    fn partitions_spread_over_shards() {
        let mut found = [0; 4];
        for number in 0..4_000 {
            found[usize::from(shard_of(format!("key-{number}").as_bytes(), 4))] += 1;
        }
        assert!(found.iter().all(|count| (900..1_100).contains(count)), "{found:?}");
    }
}
