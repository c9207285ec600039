//! EventBridge's layout in the store. Kinds 0x0400 to 0x04FF are its own, and none is ever given another meaning.
//!
//! | kind | key | row |
//! |---|---|---|
//! | 0x0401 | account, region, bus | a bus; the default bus has a row only once something of it was set |
//! | 0x0402 | account, region, bus, rule | a rule with its targets |
//! | 0x0403 | account, region, bus | how often the bus's rules have changed (counter) |
//! | 0x0404 | due (µs), account, region, rule | the next tick of a schedule |

use bytes::Bytes;
use cauce_core::{Account, Region, Timestamp};
use cauce_store::{Key, KeyError, KeyReader, Kind};

pub(crate) const BUS: Kind = Kind::new(0x0401);
pub(crate) const RULE: Kind = Kind::new(0x0402);
pub(crate) const GENERATION: Kind = Kind::new(0x0403);
pub(crate) const TICK: Kind = Kind::new(0x0404);

/// A bus, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BusId {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) name: String,
}

fn within(kind: Kind, account: Account, region: &Region) -> Key {
    Key::new(kind).u64(account.number()).str(region.as_str())
}

pub(crate) fn bus(id: &BusId) -> Bytes {
    within(BUS, id.account, &id.region).str(&id.name).build()
}

pub(crate) fn buses(account: Account, region: &Region) -> (Bytes, Bytes) {
    within(BUS, account, region).prefix_range()
}

pub(crate) fn rule(bus: &BusId, name: &str) -> Bytes {
    within(RULE, bus.account, &bus.region).str(&bus.name).str(name).build()
}

pub(crate) fn rules(bus: &BusId) -> (Bytes, Bytes) {
    within(RULE, bus.account, &bus.region).str(&bus.name).prefix_range()
}

pub(crate) fn generation(bus: &BusId) -> Bytes {
    within(GENERATION, bus.account, &bus.region).str(&bus.name).build()
}

/// A tick of a scheduled rule; schedules exist on the default bus only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TickId {
    pub(crate) due: Timestamp,
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) rule: String,
}

pub(crate) fn tick(id: &TickId) -> Bytes {
    let key = Key::new(TICK).i64(id.due.as_micros()).u64(id.account.number());
    key.str(id.region.as_str()).str(&id.rule).build()
}

pub(crate) fn ticks() -> (Bytes, Bytes) {
    Key::new(TICK).prefix_range()
}

pub(crate) fn read_tick(key: &[u8]) -> Result<TickId, KeyError> {
    let mut reader = KeyReader::new(key, TICK)?;
    let due = Timestamp::from_micros(reader.i64()?);
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    Ok(TickId { due, account, region, rule: reader.str()? })
}
