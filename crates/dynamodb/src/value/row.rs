//! Items as rows of the store: compact, without names of types, numbers in their key bytes.

use std::collections::BTreeSet;

use bytes::Bytes;
use cauce_store::{RecordError, RowReader, RowWriter};

use super::{AttributeValue, Item, NESTING_MAX};
use crate::number::{NUMBER_BYTES_MAX, Number};

/// The version that rows begin with.
const VERSION: u8 = 1;

// The byte that a value begins with. Numbered for ever.
const S: u8 = 1;
const N: u8 = 2;
const B: u8 = 3;
const FALSE: u8 = 4;
const TRUE: u8 = 5;
const NULL: u8 = 6;
const M: u8 = 7;
const L: u8 = 8;
const SS: u8 = 9;
const NS: u8 = 10;
const BS: u8 = 11;

/// The row of an item: a version, then names and values.
pub fn encode_item(item: &Item) -> Bytes {
    let mut row = RowWriter::new(VERSION);
    put_map(&mut row, item);
    row.finish()
}

/// The item of a row that [`encode_item`] wrote.
///
/// # Errors
/// [`RecordError`] for any other bytes.
pub fn decode_item(row: &[u8]) -> Result<Item, RecordError> {
    let (version, mut reader) = RowReader::new(row)?;
    if version != VERSION {
        return Err(RecordError::Payload(format!("an item has version {version}")));
    }
    let item = map(&mut reader, NESTING_MAX)?;
    reader.end()?;
    Ok(item)
}

fn put_map(row: &mut RowWriter, map: &Item) {
    row.varint(map.len() as u64);
    for (name, value) in map {
        row.str(name);
        put(row, value);
    }
}

fn put(row: &mut RowWriter, value: &AttributeValue) {
    match value {
        AttributeValue::S(text) => {
            row.u8(S).str(text);
        }
        AttributeValue::N(number) => put_number(row.u8(N), *number),
        AttributeValue::B(bytes) => {
            row.u8(B).bytes(bytes);
        }
        AttributeValue::Bool(truth) => {
            row.u8(if *truth { TRUE } else { FALSE });
        }
        AttributeValue::Null => {
            row.u8(NULL);
        }
        AttributeValue::M(map) => put_map(row.u8(M), map),
        AttributeValue::L(list) => put_all(row.u8(L), list, put),
        AttributeValue::Ss(set) => put_all(row.u8(SS), set, |row, text| {
            row.str(text);
        }),
        AttributeValue::Ns(set) => put_all(row.u8(NS), set, |row, number| put_number(row, *number)),
        AttributeValue::Bs(set) => put_all(row.u8(BS), set, |row, bytes| {
            row.bytes(bytes);
        }),
    }
}

fn put_all<'a, T: 'a>(
    row: &mut RowWriter,
    all: impl IntoIterator<Item = &'a T, IntoIter: ExactSizeIterator>,
    put: impl Fn(&mut RowWriter, &T),
) {
    let all = all.into_iter();
    row.varint(all.len() as u64);
    all.for_each(|one| put(row, one));
}

fn put_number(row: &mut RowWriter, number: Number) {
    let mut bytes = Vec::with_capacity(NUMBER_BYTES_MAX);
    number.put_key_bytes(&mut bytes);
    row.bytes(&bytes);
}

fn map(reader: &mut RowReader<'_>, levels: usize) -> Result<Item, RecordError> {
    let count = reader.varint()?;
    (0..count).map(|_| Ok((reader.str()?.to_owned(), value(reader, levels)?))).collect()
}

fn value(reader: &mut RowReader<'_>, levels: usize) -> Result<AttributeValue, RecordError> {
    let below = || levels.checked_sub(1).ok_or_else(|| RecordError::Payload("an item nests too deep".to_owned()));
    Ok(match reader.u8()? {
        S => AttributeValue::S(reader.str()?.to_owned()),
        N => AttributeValue::N(number(reader)?),
        B => AttributeValue::B(Bytes::copy_from_slice(reader.bytes()?)),
        FALSE => AttributeValue::Bool(false),
        TRUE => AttributeValue::Bool(true),
        NULL => AttributeValue::Null,
        M => AttributeValue::M(map(reader, below()?)?),
        L => {
            let (count, levels) = (reader.varint()?, below()?);
            AttributeValue::L((0..count).map(|_| value(reader, levels)).collect::<Result<_, _>>()?)
        }
        SS => AttributeValue::Ss(set(reader, |reader| reader.str().map(str::to_owned))?),
        NS => AttributeValue::Ns(set(reader, number)?),
        BS => AttributeValue::Bs(set(reader, |reader| reader.bytes().map(Bytes::copy_from_slice))?),
        other => return Err(RecordError::Payload(format!("a value begins with {other}"))),
    })
}

fn set<'a, T: Ord>(
    reader: &mut RowReader<'a>,
    member: impl Fn(&mut RowReader<'a>) -> Result<T, RecordError>,
) -> Result<BTreeSet<T>, RecordError> {
    let count = reader.varint()?;
    (0..count).map(|_| member(reader)).collect()
}

fn number(reader: &mut RowReader<'_>) -> Result<Number, RecordError> {
    let bytes = reader.bytes()?;
    Number::from_key_bytes(bytes).ok_or_else(|| RecordError::Payload(format!("{bytes:?} is no number")))
}
