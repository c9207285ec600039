//! Idempotency tokens as rows: one by token, to look it up, and one by time, to forget the oldest first.

use cauce_core::Timestamp;

use crate::contract::{Bytes, Version};
use crate::error::StoreError;
use crate::key::{Key, KeyReader};
use crate::keys::{TOKEN, TOKEN_BY_TIME};
use crate::state::RowsMut;

/// An idempotency token.
pub(crate) type Token = [u8; 16];

/// Where a token lies. Its row holds when it was used, in microseconds.
pub(crate) fn key(token: &Token) -> Bytes {
    Key::new(TOKEN).raw(token).build()
}

fn by_time(token: &Token, used: i64) -> Bytes {
    Key::new(TOKEN_BY_TIME).i64(used).raw(token).build()
}

/// Remembers that a token was used.
pub(crate) fn remember(
    rows: &mut (impl RowsMut + ?Sized),
    token: &Token,
    used: Timestamp,
    version: Version,
) -> Result<(), StoreError> {
    let used = used.as_micros();
    rows.put(&key(token), &Bytes::copy_from_slice(&used.to_be_bytes()), version)?;
    rows.put(&by_time(token, used), &Bytes::new(), version)
}

/// Reads the row at [`key`].
pub(crate) fn read_used(val: &[u8]) -> Option<i64> {
    val.try_into().ok().map(i64::from_be_bytes)
}

/// The range of the rows by time, of all tokens used before `until` (microseconds).
pub(crate) fn used_before(until: i64) -> (Bytes, Bytes) {
    let (start, _) = Key::new(TOKEN_BY_TIME).prefix_range();
    (start, Key::new(TOKEN_BY_TIME).i64(until).build())
}

/// Takes the key of a row by time apart.
pub(crate) fn read_by_time(key: &[u8]) -> Option<(Token, i64)> {
    let mut reader = KeyReader::new(key, TOKEN_BY_TIME).ok()?;
    let used = reader.i64().ok()?;
    Some((reader.raw().try_into().ok()?, used))
}
