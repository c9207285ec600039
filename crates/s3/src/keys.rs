//! The layout in the store. Kinds `0x0700..=0x07FF` are S3's, for ever.
//!
//! | kind | key | row |
//! |---|---|---|
//! | `0x0700` | bucket | [`Bucket`](crate::model::Bucket) |
//! | `0x0701` | account, bucket | empty: the buckets of an account in order |
//! | `0x0702` | bucket, key | [`Version`](crate::model::Version): the current version of an object |
//! | `0x0703` | bucket, key, sequence (descending) | [`Version`](crate::model::Version): an older version |
//! | `0x0704` | body id | [`BodyRow`](crate::bodies::BodyRow): a body that something refers to |
//! | `0x0705` | bucket, key, upload id | [`Upload`](crate::model::Upload): a multipart upload under way |
//! | `0x0706` | upload id, part number | [`Part`](crate::model::Part): a part of it |
//! | `0x0707` | upload id | [`Parts`](crate::model::Parts): the parts an object was completed from |

use cauce_core::Account;
use cauce_store::{Bytes, Key, Kind};

use crate::bodies::BodyId;
use crate::ids::UploadId;

const BUCKET: Kind = Kind::new(0x0700);
const ACCOUNT_BUCKET: Kind = Kind::new(0x0701);
const CURRENT: Kind = Kind::new(0x0702);
const OLDER: Kind = Kind::new(0x0703);
const BODY: Kind = Kind::new(0x0704);
const UPLOAD: Kind = Kind::new(0x0705);
const PART: Kind = Kind::new(0x0706);
const PARTS: Kind = Kind::new(0x0707);

pub(crate) fn bucket(name: &str) -> Bytes {
    Key::new(BUCKET).str(name).build()
}

pub(crate) fn buckets() -> (Bytes, Bytes) {
    Key::new(BUCKET).prefix_range()
}

pub(crate) fn account_bucket(account: Account, name: &str) -> Bytes {
    Key::new(ACCOUNT_BUCKET).u64(account.number()).str(name).build()
}

pub(crate) fn account_buckets(account: Account, prefix: &str) -> (Bytes, Bytes) {
    Key::new(ACCOUNT_BUCKET).u64(account.number()).str_prefix(prefix).prefix_range()
}

/// The bucket that an [`account_bucket`] key names.
pub(crate) fn account_bucket_name(key: &[u8]) -> Option<String> {
    let mut reader = cauce_store::KeyReader::new(key, ACCOUNT_BUCKET).ok()?;
    reader.u64().ok()?;
    reader.str().ok()
}

pub(crate) fn current(bucket: &str, key: &str) -> Bytes {
    Key::new(CURRENT).str(bucket).str(key).build()
}

/// All current versions whose object's key begins with `prefix`.
pub(crate) fn currents(bucket: &str, prefix: &str) -> (Bytes, Bytes) {
    Key::new(CURRENT).str(bucket).str_prefix(prefix).prefix_range()
}

pub(crate) fn older(bucket: &str, key: &str, sequence: u64) -> Bytes {
    Key::new(OLDER).str(bucket).str(key).u64_desc(sequence).build()
}

/// All older versions of one object, newest first.
pub(crate) fn olders_of(bucket: &str, key: &str) -> (Bytes, Bytes) {
    Key::new(OLDER).str(bucket).str(key).prefix_range()
}

/// All older versions whose object's key begins with `prefix`.
pub(crate) fn olders(bucket: &str, prefix: &str) -> (Bytes, Bytes) {
    Key::new(OLDER).str(bucket).str_prefix(prefix).prefix_range()
}

/// The object's key that a [`current`] or [`older`] row belongs to.
pub(crate) fn object_key(row_key: &[u8]) -> Option<String> {
    object_parts(row_key, CURRENT).or_else(|| object_parts(row_key, OLDER))
}

/// The object's key and the id of the upload that an [`upload`] row is about.
pub(crate) fn upload_parts(row_key: &[u8]) -> Option<(String, UploadId)> {
    let mut reader = cauce_store::KeyReader::new(row_key, UPLOAD).ok()?;
    reader.bytes().ok()?;
    let key = reader.str().ok()?;
    reader.raw().try_into().ok().map(|id| (key, UploadId(id)))
}

fn object_parts(row_key: &[u8], kind: Kind) -> Option<String> {
    let mut reader = cauce_store::KeyReader::new(row_key, kind).ok()?;
    reader.bytes().ok()?;
    reader.str().ok()
}

pub(crate) fn body(id: BodyId) -> Bytes {
    Key::new(BODY).raw(&id.0).build()
}

pub(crate) fn upload(bucket: &str, key: &str, id: UploadId) -> Bytes {
    Key::new(UPLOAD).str(bucket).str(key).raw(&id.0).build()
}

/// All uploads under way to keys that begin with `prefix`.
pub(crate) fn uploads(bucket: &str, prefix: &str) -> (Bytes, Bytes) {
    Key::new(UPLOAD).str(bucket).str_prefix(prefix).prefix_range()
}

pub(crate) fn part(upload: UploadId, number: u16) -> Bytes {
    Key::new(PART).raw(&upload.0).u16(number).build()
}

pub(crate) fn parts_of(upload: UploadId) -> (Bytes, Bytes) {
    Key::new(PART).raw(&upload.0).prefix_range()
}

pub(crate) fn parts(upload: UploadId) -> Bytes {
    Key::new(PARTS).raw(&upload.0).build()
}
