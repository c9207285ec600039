//! Parameter Store's layout in the store. Kinds 0x0D00 to 0x0DFF are its own, and none is ever given another meaning.
//!
//! | kind | key | row |
//! |---|---|---|
//! | 0x0D01 | account, region, name | a parameter with its newest version, labels and tags |
//! | 0x0D02 | account, region, name, version | an older version |
//! | 0x0D03 | account, region, tier | how many parameters of a tier there are (counter) |

use bytes::Bytes;
use cauce_core::{Account, Region};
use cauce_store::{Key, Kind};

use crate::model::Tier;

const PARAMETER: Kind = Kind::new(0x0D01);
const VERSION: Kind = Kind::new(0x0D02);
const COUNT: Kind = Kind::new(0x0D03);

/// Where parameters are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) account: Account,
    pub(crate) region: Region,
}

fn within(kind: Kind, place: &Place) -> Key {
    Key::new(kind).u64(place.account.number()).str(place.region.as_str())
}

pub(crate) fn parameter(place: &Place, name: &str) -> Bytes {
    within(PARAMETER, place).str(name).build()
}

/// Every parameter whose name begins so.
pub(crate) fn parameters(place: &Place, prefix: &str) -> (Bytes, Bytes) {
    within(PARAMETER, place).str_prefix(prefix).prefix_range()
}

pub(crate) fn version(place: &Place, name: &str, version: u64) -> Bytes {
    within(VERSION, place).str(name).u64(version).build()
}

pub(crate) fn versions(place: &Place, name: &str) -> (Bytes, Bytes) {
    within(VERSION, place).str(name).prefix_range()
}

pub(crate) fn count(place: &Place, tier: Tier) -> Bytes {
    within(COUNT, place).str(tier.name()).build()
}
