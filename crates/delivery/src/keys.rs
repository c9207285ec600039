//! Delivery's layout in the store. Kinds 0x0100 to 0x01FF are delivery's, and none is ever given another meaning.
//!
//! | kind | key | row |
//! |---|---|---|
//! | 0x0101 | partition, lane, due (µs), effect id | an effect that waits for an attempt |
//! | 0x0102 | trace root, time (µs), span | one step of a causal tree |
//! | 0x0103 | hour, request id | which causal tree a request belongs to |
//! | 0x0104 | time (µs), effect id | an effect that was given up and had nowhere else to go |

use bytes::Bytes;
use cauce_core::{Arn, SpanId, Timestamp, TraceId};
use cauce_store::{Key, KeyError, KeyReader, Kind, Partition, partition_of};

use crate::effect::EffectId;

pub(crate) const PENDING: Kind = Kind::new(0x0101);
pub(crate) const STEP: Kind = Kind::new(0x0102);
pub(crate) const REQUEST: Kind = Kind::new(0x0103);
pub(crate) const DEAD: Kind = Kind::new(0x0104);

/// The partition that owns a target's lane.
pub(crate) fn partition(target: &Arn) -> Partition {
    partition_of(target.as_str().as_bytes())
}

fn lane(target: &Arn) -> Key {
    Key::new(PENDING).u16(partition(target).number()).str(target.as_str())
}

/// Where a waiting effect lies: within its target's lane, by the moment of its next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) due: Timestamp,
    pub(crate) id: EffectId,
}

impl Place {
    pub(crate) fn key(&self, target: &Arn) -> Bytes {
        lane(target).i64(self.due.as_micros()).raw(&self.id.0.to_be_bytes()).build()
    }

    /// Reads the lane's target and the place back from a key.
    pub(crate) fn read(key: &[u8]) -> Result<(String, Place), KeyError> {
        let mut reader = KeyReader::new(key, PENDING)?;
        reader.u16()?;
        let target = reader.str()?;
        let due = Timestamp::from_micros(reader.i64()?);
        let id = reader.raw().first_chunk::<16>().map(|b| EffectId(u128::from_be_bytes(*b)));
        Ok((target, Place { due, id: id.ok_or(KeyError::Short("effect id"))? }))
    }
}

/// All places of a lane.
pub(crate) fn lane_range(target: &Arn) -> (Bytes, Bytes) {
    lane(target).prefix_range()
}

/// All lanes of a partition.
pub(crate) fn partition_range(partition: Partition) -> (Bytes, Bytes) {
    Key::new(PENDING).u16(partition.number()).prefix_range()
}

pub(crate) fn step(root: TraceId, at: Timestamp, span: SpanId) -> Bytes {
    Key::new(STEP).raw(&root.0.to_be_bytes()).i64(at.as_micros()).u64(span.0).build()
}

pub(crate) fn steps_of(root: TraceId) -> (Bytes, Bytes) {
    Key::new(STEP).raw(&root.0.to_be_bytes()).prefix_range()
}

/// All steps of trees that began before `end`: a tree's id starts with the second of its birth.
pub(crate) fn steps_before(end: Timestamp) -> (Bytes, Bytes) {
    let seconds = u32::try_from(end.as_secs()).unwrap_or(0);
    (Key::new(STEP).build(), Key::new(STEP).u32(seconds).build())
}

fn hour(at: Timestamp) -> u32 {
    u32::try_from(at.as_secs() / 3_600).unwrap_or(0)
}

pub(crate) fn request(at: Timestamp, request_id: &str) -> Bytes {
    Key::new(REQUEST).u32(hour(at)).str(request_id).build()
}

pub(crate) fn requests_before(end: Timestamp) -> (Bytes, Bytes) {
    (Key::new(REQUEST).build(), Key::new(REQUEST).u32(hour(end)).build())
}

pub(crate) fn dead(at: Timestamp, id: EffectId) -> Bytes {
    Key::new(DEAD).i64(at.as_micros()).raw(&id.0.to_be_bytes()).build()
}

pub(crate) fn dead_before(end: Timestamp) -> (Bytes, Bytes) {
    (Key::new(DEAD).build(), Key::new(DEAD).i64(end.as_micros()).build())
}

pub(crate) fn dead_all() -> (Bytes, Bytes) {
    Key::new(DEAD).prefix_range()
}
