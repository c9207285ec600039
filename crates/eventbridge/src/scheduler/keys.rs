//! The scheduler's layout in the store. Kinds 0x0E00 to 0x0EFF are its own, and none is ever given another meaning.
//!
//! | kind | key | row |
//! |---|---|---|
//! | 0x0E00 | account, region, group | a group; the default group has a row only once something of it was set |
//! | 0x0E01 | account, region, group, schedule | a schedule |
//! | 0x0E02 | due (µs), account, region, group, schedule | the next occurrence of a schedule |
//! | 0x0E03 | account, region | how many schedules there are (counter) |
//! | 0x0E04 | account, region | how many groups there are (counter) |

use bytes::Bytes;
use cauce_core::{Account, Region, Timestamp};
use cauce_store::{Key, KeyError, KeyReader, Kind};

const GROUP: Kind = Kind::new(0x0E00);
const SCHEDULE: Kind = Kind::new(0x0E01);
const OCCURRENCE: Kind = Kind::new(0x0E02);
const SCHEDULES: Kind = Kind::new(0x0E03);
const GROUPS: Kind = Kind::new(0x0E04);

/// A group, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupId {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) name: String,
}

/// A schedule, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScheduleId {
    pub(crate) group: GroupId,
    pub(crate) name: String,
}

fn within(kind: Kind, account: Account, region: &Region) -> Key {
    Key::new(kind).u64(account.number()).str(region.as_str())
}

pub(crate) fn group(id: &GroupId) -> Bytes {
    within(GROUP, id.account, &id.region).str(&id.name).build()
}

pub(crate) fn groups(account: Account, region: &Region) -> (Bytes, Bytes) {
    within(GROUP, account, region).prefix_range()
}

pub(crate) fn schedule(id: &ScheduleId) -> Bytes {
    within(SCHEDULE, id.group.account, &id.group.region).str(&id.group.name).str(&id.name).build()
}

/// All schedules of a region, those of one group together.
pub(crate) fn schedules(account: Account, region: &Region) -> (Bytes, Bytes) {
    within(SCHEDULE, account, region).prefix_range()
}

pub(crate) fn schedules_of(group: &GroupId) -> (Bytes, Bytes) {
    within(SCHEDULE, group.account, &group.region).str(&group.name).prefix_range()
}

pub(crate) fn schedules_count(account: Account, region: &Region) -> Bytes {
    within(SCHEDULES, account, region).build()
}

pub(crate) fn groups_count(account: Account, region: &Region) -> Bytes {
    within(GROUPS, account, region).build()
}

pub(crate) fn occurrence(due: Timestamp, id: &ScheduleId) -> Bytes {
    let key = Key::new(OCCURRENCE).i64(due.as_micros()).u64(id.group.account.number());
    key.str(id.group.region.as_str()).str(&id.group.name).str(&id.name).build()
}

pub(crate) fn occurrences() -> (Bytes, Bytes) {
    Key::new(OCCURRENCE).prefix_range()
}

pub(crate) fn read_occurrence(key: &[u8]) -> Result<(Timestamp, ScheduleId), KeyError> {
    let mut reader = KeyReader::new(key, OCCURRENCE)?;
    let due = Timestamp::from_micros(reader.i64()?);
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    let group = GroupId { account, region, name: reader.str()? };
    Ok((due, ScheduleId { group, name: reader.str()? }))
}

/// The group in the key of a schedule.
pub(crate) fn group_of(key: &[u8]) -> Result<String, KeyError> {
    let mut reader = KeyReader::new(key, SCHEDULE)?;
    reader.u64()?;
    reader.str()?;
    reader.str()
}
