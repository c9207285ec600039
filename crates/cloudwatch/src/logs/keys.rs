//! What CloudWatch keeps of logs in the store. Kinds `0x0500..=0x05FF` are CloudWatch's, those from `0x0540` on for metrics; numbers are
//! never given to anything else.
//!
//! | kind | key | value |
//! |---|---|---|
//! | `0x0500` group | account, region, name | [`Group`](super::model::Group) |
//! | `0x0501` stored bytes | group id | counter |
//! | `0x0502` stream | group id, name | [`Stream`](super::model::Stream) |
//! | `0x0503` events | group id, stream id, timestamp, first sequence number | [`Lines`](super::lines::Lines): events of one timestamp |
//! | `0x0504` active | group id, quarter of an hour, stream id | the stream's name: it has events of that quarter |
//! | `0x0505` reclaim | group id, stream id (0: the whole group) | nothing: its events are to be removed |
//! | `0x0506` stream maker | group id, name | the stack and logical id that made the stream, where one did |
//!
//! A group and a stream get a random id when they are made, so that what is left of a deleted one can be removed later while
//! another of the same name is filled.

use cauce_core::{Account, Region};
use cauce_store::{Bytes, Key, KeyError, KeyReader, Kind};

const GROUP: Kind = Kind::new(0x0500);
const STORED_BYTES: Kind = Kind::new(0x0501);
const STREAM: Kind = Kind::new(0x0502);
const EVENTS: Kind = Kind::new(0x0503);
const ACTIVE: Kind = Kind::new(0x0504);
const RECLAIM: Kind = Kind::new(0x0505);
const STREAM_MAKER: Kind = Kind::new(0x0506);

/// A range of keys, as [`Key::prefix_range`] makes it.
pub(crate) type KeyRange = (Bytes, Bytes);

/// How much time one row of kind `active` stands for, in milliseconds. Written into keys: never to be changed.
pub(crate) const QUARTER_MS: i64 = 15 * 60 * 1_000;

/// The quarter of an hour in which a timestamp lies.
pub(crate) fn quarter_of(timestamp_ms: i64) -> i64 {
    timestamp_ms.div_euclid(QUARTER_MS)
}

fn groups(account: Account, region: &Region) -> Key {
    Key::new(GROUP).u64(account.number()).str(region.as_str())
}

pub(crate) fn group(account: Account, region: &Region, name: &str) -> Bytes {
    groups(account, region).str(name).build()
}

/// The groups of an account and region whose names begin with `prefix`.
pub(crate) fn groups_with_prefix(account: Account, region: &Region, prefix: &str) -> KeyRange {
    groups(account, region).str_prefix(prefix).prefix_range()
}

/// All groups of all accounts.
pub(crate) fn all_groups() -> KeyRange {
    Key::new(GROUP).prefix_range()
}

/// What a group's key says: account number, region, name.
pub(crate) fn read_group(key: &[u8]) -> Result<(u64, String, String), KeyError> {
    let mut reader = KeyReader::new(key, GROUP)?;
    let parts = (reader.u64()?, reader.str()?, reader.str()?);
    reader.end().map(|()| parts)
}

pub(crate) fn stored_bytes(group: u64) -> Bytes {
    Key::new(STORED_BYTES).u64(group).build()
}

pub(crate) fn stream(group: u64, name: &str) -> Bytes {
    Key::new(STREAM).u64(group).str(name).build()
}

/// The streams of a group whose names begin with `prefix`.
pub(crate) fn streams_with_prefix(group: u64, prefix: &str) -> KeyRange {
    Key::new(STREAM).u64(group).str_prefix(prefix).prefix_range()
}

/// The name in a stream's key.
pub(crate) fn read_stream(key: &[u8]) -> Result<String, KeyError> {
    let mut reader = KeyReader::new(key, STREAM)?;
    reader.u64()?;
    let name = reader.str()?;
    reader.end().map(|()| name)
}

/// The place of events; also of a bound between two events.
pub(crate) fn events_at(group: u64, stream: u64, timestamp_ms: i64, sequence: u64) -> Bytes {
    Key::new(EVENTS).u64(group).u64(stream).i64(timestamp_ms).u64(sequence).build()
}

pub(crate) fn events_of_stream(group: u64, stream: u64) -> KeyRange {
    Key::new(EVENTS).u64(group).u64(stream).prefix_range()
}

pub(crate) fn events_of_group(group: u64) -> KeyRange {
    Key::new(EVENTS).u64(group).prefix_range()
}

/// What the key of events says: timestamp, first sequence number.
pub(crate) fn read_events(key: &[u8]) -> Result<(i64, u64), KeyError> {
    let mut reader = KeyReader::new(key, EVENTS)?;
    reader.u64()?;
    reader.u64()?;
    let parts = (reader.i64()?, reader.u64()?);
    reader.end().map(|()| parts)
}

pub(crate) fn active(group: u64, quarter: i64, stream: u64) -> Bytes {
    Key::new(ACTIVE).u64(group).i64(quarter).u64(stream).build()
}

/// The rows of kind `active` of a group from one quarter up to, and not with, another.
pub(crate) fn active_between(group: u64, from: i64, until: i64) -> KeyRange {
    (active(group, from, 0), active(group, until, 0))
}

pub(crate) fn active_of_group(group: u64) -> KeyRange {
    Key::new(ACTIVE).u64(group).prefix_range()
}

/// What the key of kind `active` says: quarter, stream id.
pub(crate) fn read_active(key: &[u8]) -> Result<(i64, u64), KeyError> {
    let mut reader = KeyReader::new(key, ACTIVE)?;
    reader.u64()?;
    let parts = (reader.i64()?, reader.u64()?);
    reader.end().map(|()| parts)
}

/// Stream 0 stands for the whole group.
pub(crate) fn reclaim(group: u64, stream: u64) -> Bytes {
    Key::new(RECLAIM).u64(group).u64(stream).build()
}

pub(crate) fn all_reclaims() -> KeyRange {
    Key::new(RECLAIM).prefix_range()
}

/// What the key of kind `reclaim` says: group id, stream id.
pub(crate) fn read_reclaim(key: &[u8]) -> Result<(u64, u64), KeyError> {
    let mut reader = KeyReader::new(key, RECLAIM)?;
    let parts = (reader.u64()?, reader.u64()?);
    reader.end().map(|()| parts)
}

pub(crate) fn stream_maker(group: u64, name: &str) -> Bytes {
    Key::new(STREAM_MAKER).u64(group).str(name).build()
}

pub(crate) fn stream_makers_of_group(group: u64) -> KeyRange {
    Key::new(STREAM_MAKER).u64(group).prefix_range()
}

#[cfg(test)]
mod tests {
    use super::{active, active_between, events_at, quarter_of, read_active, read_events};

    #[test]
    fn events_lie_in_the_order_of_time_then_sequence() {
        let keys = [(0, 1), (0, 2), (1, 0), (1_700_000_000_000, 7), (1_700_000_000_001, 1)]
            .map(|(ts, seq)| events_at(1, 2, ts, seq));
        assert!(keys.is_sorted());
        assert_eq!(read_events(&events_at(1, 2, 5, 9)), Ok((5, 9)));
    }

    #[test]
    fn a_quarter_is_fifteen_minutes() {
        assert_eq!((quarter_of(0), quarter_of(899_999), quarter_of(900_000)), (0, 0, 1));
        let (start, end) = active_between(1, 2, 4);
        let within = |quarter| {
            let key = active(1, quarter, u64::MAX);
            start <= key && key < end
        };
        assert_eq!([1, 2, 3, 4].map(within), [false, true, true, false]);
        assert_eq!(read_active(&active(1, 2, 3)), Ok((2, 3)));
    }
}
