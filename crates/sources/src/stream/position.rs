//! Where lanes stand.

use std::collections::BTreeMap;

use cauce_core::ports::{StreamFacts, StreamPosition};
use cauce_store::{Key, RangeReq, Record, StoreError, Tx, decode_row};
use serde::{Deserialize, Serialize};

use super::window::Window;

/// The most lanes of a consumer: 4 shards with 10 lanes each, with room for more shards.
const LANES_MAX: usize = 1_000;

/// Where a lane stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The shard, by its place among the stream's.
    pub shard: u16,
    /// The lane, from 0.
    pub lane: u16,
    /// The name of the shard.
    pub shard_id: String,
    /// How many lanes there are beside it.
    pub lanes: u16,
    /// The record up to which everything is settled.
    pub after: StreamPosition,
    /// The tumbling window that is open.
    #[serde(default)]
    pub window: Option<Window>,
    /// What has failed of what comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried: Option<Retried>,
}

/// Records that were tried together, and have failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// How many there are.
    pub records: usize,
    /// How often they have failed.
    pub failures: u32,
}

impl Record for Position {
    const VERSION: u8 = 1;
}

/// The lanes of a new consumer: behind what is there (`latest`), or before the oldest record.
pub fn first_positions(facts: &StreamFacts, latest: bool, lanes: u16) -> Vec<Position> {
    let shards = (0..).zip(facts.shards.iter().zip(&facts.latest));
    let lane = |(shard, (shard_id, last)): (u16, (&String, &StreamPosition)), lane| Position {
        shard,
        lane,
        shard_id: shard_id.clone(),
        lanes,
        after: if latest { *last } else { 0 },
        window: None,
        retried: None,
    };
    shards.flat_map(|of_shard| (0..lanes).map(move |n| lane(of_shard, n))).collect()
}

/// The same lanes, if there are as many of each shard as are wanted; else others, none of which passes a record by.
fn relaned(found: Vec<Position>, lanes: u16) -> Vec<Position> {
    let complete = !found.is_empty() && found.iter().all(|position| position.lanes == lanes);
    if complete {
        return found;
    }
    let mut lowest: BTreeMap<u16, Position> = BTreeMap::new();
    for position in found {
        let known = lowest.entry(position.shard).or_insert_with(|| position.clone());
        known.after = known.after.min(position.after);
    }
    let of_shard = |known: Position| {
        (0..lanes).map(move |lane| Position { lane, lanes, window: None, retried: None, ..known.clone() })
    };
    lowest.into_values().flat_map(of_shard).collect()
}

/// The lanes of a consumer: those that are stored, or, if their number has changed, new ones that take their place.
pub(super) async fn lanes_in(tx: &Tx, key: &Key, lanes: u16) -> Result<Vec<Position>, StoreError> {
    let rows = tx.range(RangeReq::new(key.clone().prefix_range(), LANES_MAX)).await?;
    let found: Vec<Position> = rows.iter().map(decode_row).collect::<Result<_, _>>()?;
    let wanted = relaned(found.clone(), lanes);
    if wanted != found {
        rows.iter().for_each(|row| tx.clear(row.key.clone()));
        wanted.iter().try_for_each(|position| position.put(tx, key))?;
    }
    Ok(wanted)
}

impl Position {
    /// Writes the row, below the key of its consumer ([`Consumer::positions`](crate::Consumer::positions)).
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn put(&self, tx: &Tx, key: &Key) -> Result<(), StoreError> {
        tx.set_record(key.clone().u16(self.shard).u16(self.lane).build(), self)
    }

    /// Whether the lane takes the records of a partition key.
    pub(super) fn takes(&self, partition: u32) -> bool {
        // The lowest bits have chosen the shard.
        (partition >> 8) % u32::from(self.lanes.max(1)) == u32::from(self.lane)
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::ports::StreamFacts;

    use super::{Position, first_positions, relaned};

    fn facts() -> StreamFacts {
        StreamFacts { shards: vec!["s0".to_owned(), "s1".to_owned()], latest: vec![5, 9] }
    }

    fn places(positions: &[Position]) -> Vec<(u16, u16, u64)> {
        positions.iter().map(|position| (position.shard, position.lane, position.after)).collect()
    }

    #[test]
    fn a_consumer_begins_where_it_is_told() {
        assert_eq!(places(&first_positions(&facts(), true, 1)), [(0, 0, 5), (1, 0, 9)]);
        assert_eq!(places(&first_positions(&facts(), false, 2)), [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)]);
    }

    #[test]
    fn other_lanes_pass_nothing_by() {
        let mut found = first_positions(&facts(), true, 2);
        assert_eq!(relaned(found.clone(), 2), found);
        found[1].after = 3;
        assert_eq!(places(&relaned(found.clone(), 1)), [(0, 0, 3), (1, 0, 9)]);
        assert_eq!(places(&relaned(found, 3))[..3], [(0, 0, 3), (0, 1, 3), (0, 2, 3)]);
    }

    #[test]
    fn each_partition_has_one_lane_of_its_shard() {
        let lanes = first_positions(&facts(), true, 4);
        for partition in (0..40_000).step_by(97) {
            assert_eq!(lanes[..4].iter().filter(|lane| lane.takes(partition)).count(), 1);
        }
    }
}
