//! What CloudWatch keeps of metrics in the store. Kinds `0x0540..=0x057F` are its own; numbers are never given to anything else.
//!
//! | kind | key | value |
//! |---|---|---|
//! | `0x0540` metric | metric id | [`MetricRecord`](super::registry::MetricRecord) |
//! | `0x0541` point | metric id, tier, first second, unit | [a distribution](super::point) |
//! | `0x0542` dashboard | account, name | [`Dashboard`](super::dashboard::Dashboard) |
//!
//! A metric's id is random; that no two metrics share a name is seen to in memory, where all of them are.

use cauce_core::Account;
use cauce_store::{Bytes, Key, KeyError, KeyReader, Kind};

use super::tier::Tier;
use super::unit::Unit;

const METRIC: Kind = Kind::new(0x0540);
const POINT: Kind = Kind::new(0x0541);
const DASHBOARD: Kind = Kind::new(0x0542);

/// A range of keys, as [`Key::prefix_range`] makes it.
pub(crate) type KeyRange = (Bytes, Bytes);

pub(crate) fn metric(id: u64) -> Bytes {
    Key::new(METRIC).u64(id).build()
}

pub(crate) fn all_metrics() -> KeyRange {
    Key::new(METRIC).prefix_range()
}

/// The id in a metric's key.
pub(crate) fn read_metric(key: &[u8]) -> Result<u64, KeyError> {
    let mut reader = KeyReader::new(key, METRIC)?;
    let id = reader.u64()?;
    reader.end().map(|()| id)
}

pub(crate) fn point(id: u64, tier: Tier, at_s: i64, unit: Unit) -> Bytes {
    Key::new(POINT).u64(id).u8(tier as u8).i64(at_s).u8(unit.place()).build()
}

/// The points of a tier from one second up to, and not with, another.
pub(crate) fn points_between(id: u64, tier: Tier, from_s: i64, until_s: i64) -> KeyRange {
    let bound = |at_s: i64| Key::new(POINT).u64(id).u8(tier as u8).i64(at_s).build();
    (bound(from_s), bound(until_s))
}

/// What a point's key says: first second, unit.
pub(crate) fn read_point(key: &[u8]) -> Result<(i64, Option<Unit>), KeyError> {
    let mut reader = KeyReader::new(key, POINT)?;
    reader.u64()?;
    reader.u8()?;
    let parts = (reader.i64()?, Unit::at(reader.u8()?));
    reader.end().map(|()| parts)
}

pub(crate) fn dashboard(account: Account, name: &str) -> Bytes {
    Key::new(DASHBOARD).u64(account.number()).str(name).build()
}

/// The dashboards of an account whose names begin with `prefix`.
pub(crate) fn dashboards_with_prefix(account: Account, prefix: &str) -> KeyRange {
    Key::new(DASHBOARD).u64(account.number()).str_prefix(prefix).prefix_range()
}

/// The name in a dashboard's key.
pub(crate) fn read_dashboard(key: &[u8]) -> Result<String, KeyError> {
    let mut reader = KeyReader::new(key, DASHBOARD)?;
    reader.u64()?;
    let name = reader.str()?;
    reader.end().map(|()| name)
}

#[cfg(test)]
mod tests {
    use super::{point, points_between, read_point};
    use crate::metrics::tier::Tier;
    use crate::metrics::unit::Unit;

    #[test]
    fn points_lie_in_the_order_of_time() {
        let keys = [(5, Unit::NONE), (60, Unit::NONE), (1_800_000_000, Unit::NONE)];
        let keys = keys.map(|(at, unit)| point(7, Tier::Minute, at, unit));
        assert!(keys.is_sorted());
        assert_eq!(read_point(&keys[1]), Ok((60, Some(Unit::NONE))));
        let (start, end) = points_between(7, Tier::Minute, 5, 60);
        assert_eq!(keys.map(|key| start <= key && key < end), [true, false, false]);
    }
}
