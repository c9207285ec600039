//! The layout in the store. Kinds `0x0300..=0x03FF` belong to Lambda.
//!
//! | kind | key | row |
//! |---|---|---|
//! | `0x0300` | account, region, function | [`FunctionRecord`](crate::model::FunctionRecord): `$LATEST` and what all versions share |
//! | `0x0301` | account, region, function, version | [`VersionRecord`](crate::model::VersionRecord) |
//! | `0x0302` | account, region, function, alias | [`AliasRecord`](crate::model::AliasRecord) |
//! | `0x0303` | account, region, function, qualifier | [`PolicyRecord`](crate::model::PolicyRecord) |
//! | `0x0304` | account, region, function, qualifier | [`EventInvokeRecord`](crate::model::EventInvokeRecord) |
//! | `0x0310` | account, region, UUID | the mapping |
//! | `0x0311` | account, region, source, function | the UUID of the one mapping between them |
//! | `0x0312` | account, region, UUID, shard, lane | where a lane of a mapping of a stream stands |

use cauce_core::{Account, Arn, Region, ServiceError};
use cauce_store::{Bytes, Key, KeyError, KeyReader, Kind};

use crate::mapping::MappingKey;
use crate::name::FunctionName;

const FUNCTION: Kind = Kind::new(0x0300);
const VERSION: Kind = Kind::new(0x0301);
const ALIAS: Kind = Kind::new(0x0302);
const POLICY: Kind = Kind::new(0x0303);
const EVENT_INVOKE: Kind = Kind::new(0x0304);
const MAPPING: Kind = Kind::new(0x0310);
const MAPPED: Kind = Kind::new(0x0311);
const POSITION: Kind = Kind::new(0x0312);

/// A range of keys: its first, and the first after it.
pub(crate) type Range = (Bytes, Bytes);

fn of(kind: Kind, name: &FunctionName) -> Key {
    Key::new(kind).u64(name.account.number()).str(name.region.as_str()).str(&name.name)
}

pub(crate) fn function(name: &FunctionName) -> Bytes {
    of(FUNCTION, name).build()
}

/// The functions of an account and region.
pub(crate) fn functions(account: Account, region: &Region) -> Range {
    Key::new(FUNCTION).u64(account.number()).str(region.as_str()).prefix_range()
}

/// The functions of all accounts and regions.
pub(crate) fn all_functions() -> Range {
    Key::new(FUNCTION).prefix_range()
}

pub(crate) fn version(name: &FunctionName, version: u64) -> Bytes {
    of(VERSION, name).u64(version).build()
}

pub(crate) fn versions(name: &FunctionName) -> Range {
    of(VERSION, name).prefix_range()
}

/// The versions of all functions.
pub(crate) fn all_versions() -> Range {
    Key::new(VERSION).prefix_range()
}

pub(crate) fn alias(name: &FunctionName, alias: &str) -> Bytes {
    of(ALIAS, name).str(alias).build()
}

pub(crate) fn aliases(name: &FunctionName) -> Range {
    of(ALIAS, name).prefix_range()
}

pub(crate) fn policy(name: &FunctionName, qualifier: &str) -> Bytes {
    of(POLICY, name).str(qualifier).build()
}

pub(crate) fn policies(name: &FunctionName) -> Range {
    of(POLICY, name).prefix_range()
}

pub(crate) fn event_invoke(name: &FunctionName, qualifier: &str) -> Bytes {
    of(EVENT_INVOKE, name).str(qualifier).build()
}

pub(crate) fn event_invokes(name: &FunctionName) -> Range {
    of(EVENT_INVOKE, name).prefix_range()
}

pub(crate) fn mapping(key: &MappingKey) -> Bytes {
    Key::new(MAPPING).u64(key.account.number()).str(key.region.as_str()).str(&key.uuid).build()
}

/// The mappings of an account and region.
pub(crate) fn mappings(account: Account, region: &Region) -> Range {
    Key::new(MAPPING).u64(account.number()).str(region.as_str()).prefix_range()
}

/// The mappings of all accounts and regions.
pub(crate) fn all_mappings() -> Range {
    Key::new(MAPPING).prefix_range()
}

pub(crate) fn mapped(account: Account, region: &Region, source: &Arn, function: &Arn) -> Bytes {
    Key::new(MAPPED).u64(account.number()).str(region.as_str()).str(source.as_str()).str(function.as_str()).build()
}

/// Where the lanes of a mapping stand; the shard and the lane are added.
pub(crate) fn positions(key: &MappingKey) -> Key {
    Key::new(POSITION).u64(key.account.number()).str(key.region.as_str()).str(&key.uuid)
}

/// The mapping that a key of kind `0x0310` names.
pub(crate) fn mapping_of(key: &[u8]) -> Result<MappingKey, KeyError> {
    let mut reader = KeyReader::new(key, MAPPING)?;
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    Ok(MappingKey { account, region, uuid: reader.str()? })
}

/// The function that a key of kind `0x0300` names.
pub(crate) fn function_of(key: &[u8]) -> Result<String, ServiceError> {
    last_text(key, FUNCTION)
}

/// The version that a key of kind `0x0301` names.
pub(crate) fn version_of(key: &[u8]) -> Result<u64, ServiceError> {
    let read = || {
        let mut reader = past_function(key, VERSION)?;
        reader.u64()
    };
    read().map_err(ServiceError::internal)
}

/// The alias that a key of kind `0x0302` names.
pub(crate) fn alias_of(key: &[u8]) -> Result<String, ServiceError> {
    past_function(key, ALIAS).and_then(|mut reader| reader.str()).map_err(ServiceError::internal)
}

/// The qualifier that a key of kind `0x0304` names.
pub(crate) fn event_invoke_of(key: &[u8]) -> Result<String, ServiceError> {
    past_function(key, EVENT_INVOKE).and_then(|mut reader| reader.str()).map_err(ServiceError::internal)
}

fn last_text(key: &[u8], kind: Kind) -> Result<String, ServiceError> {
    let read = || {
        let mut reader = KeyReader::new(key, kind)?;
        reader.u64()?;
        reader.str()?;
        reader.str()
    };
    read().map_err(ServiceError::internal)
}

fn past_function(key: &[u8], kind: Kind) -> Result<KeyReader<'_>, KeyError> {
    let mut reader = KeyReader::new(key, kind)?;
    reader.u64()?;
    reader.str()?;
    reader.str()?;
    Ok(reader)
}
