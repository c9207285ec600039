//! DynamoDB's layout in the store. Kinds 0x0A00 to 0x0AFF are its own, and none is ever given another meaning.
//!
//! | kind | key | row |
//! |---|---|---|
//! | 0x0A01 | account, region, table name | a table's definition |
//! | 0x0A02 | | the last number given to a table or stream (counter) |
//! | 0x0A03 | table, spread, partition key, sort key | an item |
//! | 0x0A04 | table, index, spread, partition key, sort key, digest of the item's key | what an index shows of an item |
//! | 0x0A05 | table, index (0: the table), 0 or 1 | how many items, how many bytes (counters) |
//! | 0x0A06 | table, index (0: the whole table) | rows that nobody can see any more, to be removed |
//! | 0x0A07 | table, index | how far an index that is being built has come |
//! | 0x0A08 | account, region, token | what a transaction with this token asked for |
//! | 0x0A09 | end (µs), account, region, token | when that may be forgotten |
//! | 0x0A10 | account, region, table name, label | a stream |
//! | 0x0A11 | stream, shard, sequence number | the record of a change |
//! | 0x0A12 | stream, shard | the last sequence number that was removed for its age |
//! | 0x0A18 | table, queue | a queue of items that expire, and how far it has been filled |
//! | 0x0A19 | table, queue, second, key of the item's row | that the item expires then |
//!
//! Tables, streams, indexes and queues go by numbers that are given once, so what is dropped and made again under the same name
//! begins empty. Streams have theirs from the same counter as tables, queues from the same as the indexes of their table.
//! `spread` is 32 bits of a hash of the partition key: it makes segments of a scan equal in size, and the order of a scan
//! says nothing, as in AWS. What sorts items of one partition is the sort key in its order-preserving bytes.

use std::borrow::Cow;

use bytes::Bytes;
use cauce_core::{Account, Region, Timestamp};
use cauce_store::{Key, KeyError, KeyReader, Kind, StoreError, Tx, prefix_end};
use sha2::{Digest as _, Sha256};

pub(crate) const TABLE: Kind = Kind::new(0x0A01);
pub(crate) const TABLE_NUMBER: Kind = Kind::new(0x0A02);
pub(crate) const ITEM: Kind = Kind::new(0x0A03);
pub(crate) const ENTRY: Kind = Kind::new(0x0A04);
pub(crate) const TOTAL: Kind = Kind::new(0x0A05);
pub(crate) const DROPPED: Kind = Kind::new(0x0A06);
pub(crate) const BACKFILL: Kind = Kind::new(0x0A07);
pub(crate) const TOKEN: Kind = Kind::new(0x0A08);
pub(crate) const TOKEN_END: Kind = Kind::new(0x0A09);
pub(crate) const STREAM: Kind = Kind::new(0x0A10);
pub(crate) const STREAM_RECORD: Kind = Kind::new(0x0A11);
pub(crate) const STREAM_TRIMMED: Kind = Kind::new(0x0A12);
pub(crate) const EXPIRING: Kind = Kind::new(0x0A18);
pub(crate) const EXPIRY: Kind = Kind::new(0x0A19);

/// A table, by the name that its users give.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TableId {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) name: String,
}

fn within(kind: Kind, account: Account, region: &Region) -> Key {
    Key::new(kind).u64(account.number()).str(region.as_str())
}

pub(crate) fn table(id: &TableId) -> Bytes {
    within(TABLE, id.account, &id.region).str(&id.name).build()
}

pub(crate) fn tables(account: Account, region: &Region) -> (Bytes, Bytes) {
    within(TABLE, account, region).prefix_range()
}

/// The tables of all accounts and regions.
pub(crate) fn all_tables() -> (Bytes, Bytes) {
    Key::new(TABLE).prefix_range()
}

/// Reads a key of [`table`].
pub(crate) fn read_table(key: &[u8]) -> Result<TableId, KeyError> {
    let mut reader = KeyReader::new(key, TABLE)?;
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    Ok(TableId { account, region, name: reader.str()? })
}

/// Draws a number for a table or a stream.
pub(crate) async fn draw_number(tx: &Tx) -> Result<u64, StoreError> {
    let key = Key::new(TABLE_NUMBER).build();
    let number = tx.get_counter(&key).await?.saturating_add(1);
    tx.add(key, 1)?;
    Ok(number.unsigned_abs())
}

/// The order-preserving bytes of a partition key and, where there is one, a sort key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KeyBytes<'a> {
    pub(crate) hash: Cow<'a, [u8]>,
    pub(crate) range: Option<Cow<'a, [u8]>>,
}

impl KeyBytes<'_> {
    fn put(&self, key: Key) -> Key {
        let key = key.u32(spread(&self.hash)).bytes(&self.hash);
        match &self.range {
            Some(range) => key.bytes(range),
            None => key,
        }
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update((self.hash.len() as u64).to_be_bytes());
        digest.update(&self.hash);
        digest.update(self.range.as_deref().unwrap_or_default());
        digest.finalize().into()
    }
}

/// Where in the order of a scan a partition key stands: FNV-1a in 64 bits, its bits mixed by multiplication, the upper half.
/// Written into rows: never to be changed.
pub(crate) fn spread(hash: &[u8]) -> u32 {
    const OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01B3;
    let mut mixed = hash.iter().fold(OFFSET, |mixed, byte| (mixed ^ u64::from(*byte)).wrapping_mul(PRIME));
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    u32::try_from((mixed ^ (mixed >> 33)) >> 32).unwrap_or_default()
}

/// What is read: the items of a table, or the entries of one of its indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    Items { table: u64 },
    Entries { table: u64, index: u32 },
}

impl Rows {
    fn start(self) -> Key {
        match self {
            Rows::Items { table } => Key::new(ITEM).u64(table),
            Rows::Entries { table, index } => Key::new(ENTRY).u64(table).u32(index),
        }
    }

    /// All of them.
    pub(crate) fn all(self) -> (Bytes, Bytes) {
        self.start().prefix_range()
    }

    /// Those of one segment of a scan.
    pub(crate) fn segment(self, segment: u32, total: u32) -> (Bytes, Bytes) {
        let bound = |segment: u32| (u64::from(segment) << 32).div_ceil(u64::from(total.max(1)));
        let at = |bound: u64| match u32::try_from(bound) {
            Ok(spread) => self.start().u32(spread).build(),
            Err(_) => self.all().1,
        };
        (at(bound(segment)), at(bound(segment.saturating_add(1))))
    }

    /// The partition of this partition key.
    pub(crate) fn partition(self, hash: &[u8]) -> Partition {
        Partition(self.start().u32(spread(hash)).bytes(hash))
    }
}

/// The rows of one partition key.
pub(crate) struct Partition(Key);

impl Partition {
    /// All of them.
    pub(crate) fn all(self) -> (Bytes, Bytes) {
        self.0.prefix_range()
    }

    /// The first place of rows with this sort key.
    pub(crate) fn at(&self, range: &[u8]) -> Bytes {
        self.0.clone().bytes(range).build()
    }

    /// The first place behind rows with this sort key.
    pub(crate) fn behind(&self, range: &[u8]) -> Bytes {
        prefix_end(&self.at(range))
    }

    /// Rows whose sort key begins so.
    pub(crate) fn beginning_with(self, prefix: &[u8]) -> (Bytes, Bytes) {
        let terminated = self.0.clone().bytes(prefix).build();
        let unterminated = terminated.len().saturating_sub(TERMINATOR_BYTES);
        let start = terminated.slice(..unterminated);
        let end = prefix_end(&start);
        (start, end)
    }
}

/// How many bytes [`Key::bytes`] ends a part with.
const TERMINATOR_BYTES: usize = 2;

/// An item.
pub(crate) fn item(table: u64, key: &KeyBytes<'_>) -> Bytes {
    key.put(Rows::Items { table }.start()).build()
}

/// What an index shows of an item: the index's own key, then who the item is. A digest, since the four parts together could
/// be longer than any key may be.
pub(crate) fn entry(table: u64, index: u32, key: &KeyBytes<'_>, item: &KeyBytes<'_>) -> Bytes {
    key.put(Rows::Entries { table, index }.start()).raw(&item.digest()).build()
}

/// How many items a table or index has, and how many bytes they are. Index 0 is the table itself.
pub(crate) fn item_count(table: u64, index: u32) -> Bytes {
    Key::new(TOTAL).u64(table).u32(index).u8(0).build()
}

pub(crate) fn byte_count(table: u64, index: u32) -> Bytes {
    Key::new(TOTAL).u64(table).u32(index).u8(1).build()
}

pub(crate) fn totals(table: u64) -> (Bytes, Bytes) {
    Key::new(TOTAL).u64(table).prefix_range()
}

/// Rows to be removed. Index 0: all of the table.
pub(crate) fn dropped(table: u64, index: u32) -> Bytes {
    Key::new(DROPPED).u64(table).u32(index).build()
}

pub(crate) fn all_dropped() -> (Bytes, Bytes) {
    Key::new(DROPPED).prefix_range()
}

pub(crate) fn read_dropped(key: &[u8]) -> Result<(u64, u32), KeyError> {
    let mut reader = KeyReader::new(key, DROPPED)?;
    Ok((reader.u64()?, reader.u32()?))
}

/// All entries of all indexes of a table.
pub(crate) fn all_entries(table: u64) -> (Bytes, Bytes) {
    Key::new(ENTRY).u64(table).prefix_range()
}

pub(crate) fn backfill(table: u64, index: u32) -> Bytes {
    Key::new(BACKFILL).u64(table).u32(index).build()
}

pub(crate) fn backfills() -> (Bytes, Bytes) {
    Key::new(BACKFILL).prefix_range()
}

/// The token of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenId {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) token: String,
}

pub(crate) fn token(id: &TokenId) -> Bytes {
    within(TOKEN, id.account, &id.region).str(&id.token).build()
}

pub(crate) fn token_end(end: Timestamp, id: &TokenId) -> Bytes {
    let key = Key::new(TOKEN_END).i64(end.as_micros()).u64(id.account.number());
    key.str(id.region.as_str()).str(&id.token).build()
}

/// The tokens that end before `now`.
pub(crate) fn ended_tokens(now: Timestamp) -> (Bytes, Bytes) {
    (Key::new(TOKEN_END).build(), Key::new(TOKEN_END).i64(now.as_micros()).build())
}

pub(crate) fn read_token_end(key: &[u8]) -> Result<TokenId, KeyError> {
    let mut reader = KeyReader::new(key, TOKEN_END)?;
    reader.i64()?;
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    Ok(TokenId { account, region, token: reader.str()? })
}

/// A stream of a table: the label is the moment at which it was enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamId {
    pub(crate) table: TableId,
    pub(crate) label: String,
}

pub(crate) fn stream(id: &StreamId) -> Bytes {
    within(STREAM, id.table.account, &id.table.region).str(&id.table.name).str(&id.label).build()
}

/// The streams of one table, or of all tables of an account and region.
pub(crate) fn streams(account: Account, region: &Region, table: Option<&str>) -> (Bytes, Bytes) {
    let all = within(STREAM, account, region);
    table.map_or_else(|| all.clone(), |name| all.clone().str(name)).prefix_range()
}

/// The streams of all accounts and regions.
pub(crate) fn all_streams() -> (Bytes, Bytes) {
    Key::new(STREAM).prefix_range()
}

/// Reads a key of [`stream`].
pub(crate) fn read_stream(key: &[u8]) -> Result<StreamId, KeyError> {
    let mut reader = KeyReader::new(key, STREAM)?;
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    Ok(StreamId { table: TableId { account, region, name: reader.str()? }, label: reader.str()? })
}

pub(crate) fn stream_record(stream: u64, shard: u16, sequence: u64) -> Bytes {
    Key::new(STREAM_RECORD).u64(stream).u16(shard).u64(sequence).build()
}

/// The records of a shard from one number on to before another.
pub(crate) fn stream_records(stream: u64, shard: u16, from: u64, before: u64) -> (Bytes, Bytes) {
    (stream_record(stream, shard, from), stream_record(stream, shard, before))
}

/// The sequence number in a key of [`stream_record`].
pub(crate) fn read_stream_record(key: &[u8]) -> Result<u64, KeyError> {
    let mut reader = KeyReader::new(key, STREAM_RECORD)?;
    reader.u64()?;
    reader.u16()?;
    reader.u64()
}

pub(crate) fn stream_trimmed(stream: u64, shard: u16) -> Bytes {
    Key::new(STREAM_TRIMMED).u64(stream).u16(shard).build()
}

/// A queue of items that expire.
pub(crate) fn expiring(table: u64, queue: u32) -> Bytes {
    Key::new(EXPIRING).u64(table).u32(queue).build()
}

/// The queues of all tables.
pub(crate) fn all_expiring() -> (Bytes, Bytes) {
    Key::new(EXPIRING).prefix_range()
}

pub(crate) fn read_expiring(key: &[u8]) -> Result<(u64, u32), KeyError> {
    let mut reader = KeyReader::new(key, EXPIRING)?;
    Ok((reader.u64()?, reader.u32()?))
}

pub(crate) fn expiry(table: u64, queue: u32, second: i64, item: &[u8]) -> Bytes {
    Key::new(EXPIRY).u64(table).u32(queue).i64(second).raw(item).build()
}

/// What stands in a queue.
pub(crate) fn expiries(table: u64, queue: u32) -> (Bytes, Bytes) {
    Key::new(EXPIRY).u64(table).u32(queue).prefix_range()
}

/// What stands in all queues of a table.
pub(crate) fn all_expiries(table: u64) -> (Bytes, Bytes) {
    Key::new(EXPIRY).u64(table).prefix_range()
}

/// The second, and the key of the item's row.
pub(crate) fn read_expiry(key: &[u8]) -> Result<(i64, Bytes), KeyError> {
    let mut reader = KeyReader::new(key, EXPIRY)?;
    reader.u64()?;
    reader.u32()?;
    let second = reader.i64()?;
    Ok((second, Bytes::copy_from_slice(reader.raw())))
}
