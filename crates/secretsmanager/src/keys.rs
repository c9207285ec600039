//! Secrets Manager's layout in the store. Kinds 0x0C00 to 0x0CFF are its own, and none is ever given another meaning.
//!
//! | kind | key | row |
//! |---|---|---|
//! | 0x0C01 | account, region, name | a secret: everything but the values |
//! | 0x0C02 | account, region, name, suffix of the ARN, version | the value of a version |
//! | 0x0C03 | end of the recovery window (µs), account, region, name | a secret that waits for its deletion |
//!
//! Values carry the suffix, so that those of a secret that was made anew under an old name are never those of the old one.

use bytes::Bytes;
use cauce_core::{Account, Region, Timestamp};
use cauce_store::{Key, KeyError, KeyReader, Kind};

const SECRET: Kind = Kind::new(0x0C01);
const VALUE: Kind = Kind::new(0x0C02);
const DELETION: Kind = Kind::new(0x0C03);

/// A secret's name, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretId {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) name: String,
}

fn within(kind: Kind, account: Account, region: &Region) -> Key {
    Key::new(kind).u64(account.number()).str(region.as_str())
}

pub(crate) fn secret(id: &SecretId) -> Bytes {
    within(SECRET, id.account, &id.region).str(&id.name).build()
}

pub(crate) fn secrets(account: Account, region: &Region) -> (Bytes, Bytes) {
    within(SECRET, account, region).prefix_range()
}

pub(crate) fn value(id: &SecretId, suffix: &str, version: &str) -> Bytes {
    within(VALUE, id.account, &id.region).str(&id.name).str(suffix).str(version).build()
}

pub(crate) fn values(id: &SecretId, suffix: &str) -> (Bytes, Bytes) {
    within(VALUE, id.account, &id.region).str(&id.name).str(suffix).prefix_range()
}

pub(crate) fn deletion(due: Timestamp, id: &SecretId) -> Bytes {
    Key::new(DELETION).i64(due.as_micros()).u64(id.account.number()).str(id.region.as_str()).str(&id.name).build()
}

pub(crate) fn deletions() -> (Bytes, Bytes) {
    Key::new(DELETION).prefix_range()
}

pub(crate) fn read_deletion(key: &[u8]) -> Result<(Timestamp, SecretId), KeyError> {
    let mut reader = KeyReader::new(key, DELETION)?;
    let due = Timestamp::from_micros(reader.i64()?);
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    Ok((due, SecretId { account, region, name: reader.str()? }))
}
