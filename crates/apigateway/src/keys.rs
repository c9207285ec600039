//! API Gateway's layout in the store. Kinds 0x0B00 to 0x0B7F are the control plane's, and none is ever given another meaning.
//!
//! | kind | key | row |
//! |---|---|---|
//! | 0x0B01 | account, region, API | a REST API |
//! | 0x0B02 | API | whose it is |
//! | 0x0B03 | API | what it consists of |
//! | 0x0B04 | API, deployment | a deployment |
//! | 0x0B05 | API, deployment | what it has copied |
//! | 0x0B06 | API, stage | a stage |
//! | 0x0B07 | account, region, key | an API key |
//! | 0x0B08 | account, region, value | the id of the key with this value |
//! | 0x0B09 | account, region, plan | a usage plan |
//! | 0x0B0A | account, region, plan, key | a key in a usage plan |
//! | 0x0B0B | account, region, key, plan | the same, from the key's side |
//! | 0x0B0C | account, region | what the account has set |
//!
//! Kinds 0x0B80 to 0x0BFF are the execution plane's.
//!
//! | kind | key | row |
//! |---|---|---|
//! | 0x0B80 | account, region, plan, key, day on which the quota's period began | requests, a counter |
//! | 0x0B81 | account, region, plan, key, day | requests, a counter |
//! | 0x0B82 | account, region, plan, key, day on which the quota's period began | what was granted besides the quota |

use bytes::Bytes;
use cauce_core::{Account, Region};
use cauce_store::{Key, KeyError, KeyReader, Kind};

pub(crate) const API: Kind = Kind::new(0x0B01);
pub(crate) const OWNER: Kind = Kind::new(0x0B02);
pub(crate) const DEFINITION: Kind = Kind::new(0x0B03);
pub(crate) const DEPLOYMENT: Kind = Kind::new(0x0B04);
pub(crate) const SNAPSHOT: Kind = Kind::new(0x0B05);
pub(crate) const STAGE: Kind = Kind::new(0x0B06);
pub(crate) const API_KEY: Kind = Kind::new(0x0B07);
pub(crate) const API_KEY_VALUE: Kind = Kind::new(0x0B08);
pub(crate) const USAGE_PLAN: Kind = Kind::new(0x0B09);
pub(crate) const PLAN_KEY: Kind = Kind::new(0x0B0A);
pub(crate) const KEY_PLAN: Kind = Kind::new(0x0B0B);
pub(crate) const ACCOUNT: Kind = Kind::new(0x0B0C);
pub(crate) const USAGE: Kind = Kind::new(0x0B80);
pub(crate) const DAILY_USAGE: Kind = Kind::new(0x0B81);
pub(crate) const EXTENSION: Kind = Kind::new(0x0B82);

/// The rows of a range.
pub(crate) type Range = (Bytes, Bytes);

/// An account in a region.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) account: Account,
    pub(crate) region: Region,
}

impl Place {
    pub(crate) fn of(call: &cauce_core::Call) -> Place {
        Place { account: call.account, region: call.region.clone() }
    }

    fn key(&self, kind: Kind) -> Key {
        Key::new(kind).u64(self.account.number()).str(self.region.as_str())
    }
}

pub(crate) fn api(place: &Place, id: &str) -> Bytes {
    place.key(API).str(id).build()
}

pub(crate) fn apis(place: &Place) -> Range {
    place.key(API).prefix_range()
}

pub(crate) fn owner(api: &str) -> Bytes {
    Key::new(OWNER).str(api).build()
}

pub(crate) fn definition(api: &str) -> Bytes {
    Key::new(DEFINITION).str(api).build()
}

pub(crate) fn deployment(api: &str, id: &str) -> Bytes {
    Key::new(DEPLOYMENT).str(api).str(id).build()
}

pub(crate) fn deployments(api: &str) -> Range {
    Key::new(DEPLOYMENT).str(api).prefix_range()
}

pub(crate) fn snapshot(api: &str, deployment: &str) -> Bytes {
    Key::new(SNAPSHOT).str(api).str(deployment).build()
}

pub(crate) fn snapshots(api: &str) -> Range {
    Key::new(SNAPSHOT).str(api).prefix_range()
}

pub(crate) fn stage(api: &str, name: &str) -> Bytes {
    Key::new(STAGE).str(api).str(name).build()
}

pub(crate) fn stages(api: &str) -> Range {
    Key::new(STAGE).str(api).prefix_range()
}

pub(crate) fn api_key(place: &Place, id: &str) -> Bytes {
    place.key(API_KEY).str(id).build()
}

pub(crate) fn api_keys(place: &Place) -> Range {
    place.key(API_KEY).prefix_range()
}

pub(crate) fn api_key_value(place: &Place, value: &str) -> Bytes {
    place.key(API_KEY_VALUE).str(value).build()
}

pub(crate) fn usage_plan(place: &Place, id: &str) -> Bytes {
    place.key(USAGE_PLAN).str(id).build()
}

pub(crate) fn usage_plans(place: &Place) -> Range {
    place.key(USAGE_PLAN).prefix_range()
}

pub(crate) fn plan_key(place: &Place, plan: &str, key: &str) -> Bytes {
    place.key(PLAN_KEY).str(plan).str(key).build()
}

pub(crate) fn plan_keys(place: &Place, plan: &str) -> Range {
    place.key(PLAN_KEY).str(plan).prefix_range()
}

pub(crate) fn key_plan(place: &Place, key: &str, plan: &str) -> Bytes {
    place.key(KEY_PLAN).str(key).str(plan).build()
}

pub(crate) fn key_plans(place: &Place, key: &str) -> Range {
    place.key(KEY_PLAN).str(key).prefix_range()
}

/// The plan that a row of [`key_plans`] names.
pub(crate) fn plan_of(row: &[u8]) -> Result<String, KeyError> {
    let mut reader = KeyReader::new(row, KEY_PLAN)?;
    reader.u64()?;
    reader.str()?;
    reader.str()?;
    reader.str()
}

pub(crate) fn account(place: &Place) -> Bytes {
    place.key(ACCOUNT).build()
}

/// How many requests a key has made under a plan since `day` (of 1970), on which the quota's period began.
pub(crate) fn usage(place: &Place, plan: &str, key: &str, day: i64) -> Bytes {
    place.key(USAGE).str(plan).str(key).u64(day.unsigned_abs()).build()
}

/// How many requests a key has made under a plan on a day (of 1970).
pub(crate) fn daily_usage(place: &Place, plan: &str, key: &str, day: i64) -> Bytes {
    place.key(DAILY_USAGE).str(plan).str(key).u64(day.unsigned_abs()).build()
}

/// What a key was granted under a plan besides the quota of the period that began on `day` (of 1970).
pub(crate) fn extension(place: &Place, plan: &str, key: &str, day: i64) -> Bytes {
    place.key(EXTENSION).str(plan).str(key).u64(day.unsigned_abs()).build()
}
