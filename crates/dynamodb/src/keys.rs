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
//! | 0x0A60 | table, key parts of an item, moment (µs) | what the item was before its change of that moment |
//! | 0x0A61 | table, moment (µs), key parts of an item | that there is such a row of history |
//! | 0x0A62 | table | the key of a table's row: that there may be history of it |
//! | 0x0A63 | account, region, backup id | a backup |
//! | 0x0A64 | backup, key parts of an item | an item of a backup |
//! | 0x0A65 | copy | how far a copy has come that makes a backup or fills a restored table |
//! | 0x0A66 | account, region, export id | an export |
//! | 0x0A67 | export | the key of an export's row: that it is under way |
//! | 0x0A68 | export, number | a file of an export that is under way |
//! | 0x0A69 | account, region, import id | an import |
//! | 0x0A6A | table | the key of an import's row: that it is under way |
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
pub(crate) const HISTORY: Kind = Kind::new(0x0A60);
pub(crate) const HISTORY_MOMENT: Kind = Kind::new(0x0A61);
pub(crate) const KEPT_HISTORY: Kind = Kind::new(0x0A62);
pub(crate) const BACKUP: Kind = Kind::new(0x0A63);
pub(crate) const BACKUP_ITEM: Kind = Kind::new(0x0A64);
pub(crate) const COPY: Kind = Kind::new(0x0A65);
pub(crate) const EXPORT: Kind = Kind::new(0x0A66);
pub(crate) const RUNNING_EXPORT: Kind = Kind::new(0x0A67);
pub(crate) const EXPORT_FILE: Kind = Kind::new(0x0A68);
pub(crate) const IMPORT: Kind = Kind::new(0x0A69);
pub(crate) const RUNNING_IMPORT: Kind = Kind::new(0x0A6A);

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

/// Draws a number for a table, a stream or a backup.
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

/// How many bytes of the key of an item's row say the kind and the table.
const TABLE_PREFIX_BYTES: usize = 10;

/// How many bytes a moment has.
const MOMENT_BYTES: usize = 8;

/// What of the key of an item's row says which item of its table it is: everything behind the number. No item's parts begin with
/// those of another.
pub(crate) fn item_parts(row_key: &[u8]) -> &[u8] {
    row_key.get(TABLE_PREFIX_BYTES..).unwrap_or_default()
}

/// The item with these parts.
pub(crate) fn item_of_parts(table: u64, parts: &[u8]) -> Bytes {
    Key::new(ITEM).u64(table).raw(parts).build()
}

/// The items of a table from these parts on.
pub(crate) fn items_from(table: u64, parts: &[u8]) -> (Bytes, Bytes) {
    (item_of_parts(table, parts), Key::new(ITEM).u64(table).prefix_range().1)
}

/// What an item was before its change of a moment.
pub(crate) fn history(table: u64, parts: &[u8], moment: Timestamp) -> Bytes {
    Key::new(HISTORY).u64(table).raw(parts).i64(moment.as_micros()).build()
}

/// The history of the items from some parts on, up to others if they are given.
pub(crate) fn histories(table: u64, from: &[u8], end: Option<&[u8]>) -> (Bytes, Bytes) {
    let end = match end {
        Some(end) => Key::new(HISTORY).u64(table).raw(end).build(),
        None => Key::new(HISTORY).u64(table).prefix_range().1,
    };
    (Key::new(HISTORY).u64(table).raw(from).build(), end)
}

/// The history of one item after a moment.
pub(crate) fn histories_after(table: u64, parts: &[u8], moment: Timestamp) -> (Bytes, Bytes) {
    let first = Timestamp::from_micros(moment.as_micros().saturating_add(1));
    (history(table, parts, first), Key::new(HISTORY).u64(table).raw(parts).prefix_range().1)
}

/// The parts and the moment in a key of [`history`].
pub(crate) fn read_history(key: &[u8]) -> Result<(Bytes, Timestamp), KeyError> {
    let parts = item_parts(key);
    let (parts, moment) = parts.split_at_checked(parts.len().saturating_sub(MOMENT_BYTES)).unwrap_or_default();
    Ok((Bytes::copy_from_slice(parts), read_moment(moment)?))
}

/// The moment in its bytes, as [`Key::i64`] writes them.
fn read_moment(bytes: &[u8]) -> Result<Timestamp, KeyError> {
    let mut key = HISTORY.0.to_be_bytes().to_vec();
    key.extend_from_slice(bytes);
    Ok(Timestamp::from_micros(KeyReader::new(&key, HISTORY)?.i64()?))
}

/// That there is a row of history.
pub(crate) fn history_moment(table: u64, moment: Timestamp, parts: &[u8]) -> Bytes {
    Key::new(HISTORY_MOMENT).u64(table).i64(moment.as_micros()).raw(parts).build()
}

/// All moments of a table's history.
pub(crate) fn history_moments(table: u64) -> (Bytes, Bytes) {
    Key::new(HISTORY_MOMENT).u64(table).prefix_range()
}

/// The moments of a table's history before another.
pub(crate) fn history_moments_to(table: u64, before: Timestamp) -> (Bytes, Bytes) {
    (history_moments(table).0, Key::new(HISTORY_MOMENT).u64(table).i64(before.as_micros()).build())
}

/// The moment and the parts in a key of [`history_moment`].
pub(crate) fn read_history_moment(key: &[u8]) -> Result<(Timestamp, Bytes), KeyError> {
    let mut reader = KeyReader::new(key, HISTORY_MOMENT)?;
    reader.u64()?;
    let moment = Timestamp::from_micros(reader.i64()?);
    Ok((moment, Bytes::copy_from_slice(reader.raw())))
}

/// All history of a table.
pub(crate) fn all_history(table: u64) -> (Bytes, Bytes) {
    Key::new(HISTORY).u64(table).prefix_range()
}

pub(crate) fn kept_history(table: u64) -> Bytes {
    Key::new(KEPT_HISTORY).u64(table).build()
}

pub(crate) fn kept_histories() -> (Bytes, Bytes) {
    Key::new(KEPT_HISTORY).prefix_range()
}

pub(crate) fn read_kept_history(key: &[u8]) -> Result<u64, KeyError> {
    KeyReader::new(key, KEPT_HISTORY)?.u64()
}

/// The id of what has a number of its own from [`draw_number`]: no other has the same, whatever the clock does.
pub(crate) fn dated(at: Timestamp, number: u64) -> String {
    format!("{:014}-{number:08x}", at.as_micros() / 1_000)
}

/// A backup: its id begins with the millisecond of its creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BackupId {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) id: String,
}

pub(crate) fn backup(id: &BackupId) -> Bytes {
    within(BACKUP, id.account, &id.region).str(&id.id).build()
}

pub(crate) fn backups(account: Account, region: &Region) -> (Bytes, Bytes) {
    within(BACKUP, account, region).prefix_range()
}

pub(crate) fn read_backup(key: &[u8]) -> Result<BackupId, KeyError> {
    let mut reader = KeyReader::new(key, BACKUP)?;
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    Ok(BackupId { account, region, id: reader.str()? })
}

pub(crate) fn backup_item(backup: u64, parts: &[u8]) -> Bytes {
    Key::new(BACKUP_ITEM).u64(backup).raw(parts).build()
}

/// The items of a backup from some parts on.
pub(crate) fn backup_items_from(backup: u64, parts: &[u8]) -> (Bytes, Bytes) {
    (backup_item(backup, parts), Key::new(BACKUP_ITEM).u64(backup).prefix_range().1)
}

pub(crate) fn copy(number: u64) -> Bytes {
    Key::new(COPY).u64(number).build()
}

pub(crate) fn copies() -> (Bytes, Bytes) {
    Key::new(COPY).prefix_range()
}

pub(crate) fn read_copy(key: &[u8]) -> Result<u64, KeyError> {
    KeyReader::new(key, COPY)?.u64()
}

/// An export: its id begins with the millisecond of its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportId {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) id: String,
}

pub(crate) fn export(id: &ExportId) -> Bytes {
    within(EXPORT, id.account, &id.region).str(&id.id).build()
}

pub(crate) fn exports(account: Account, region: &Region) -> (Bytes, Bytes) {
    within(EXPORT, account, region).prefix_range()
}

pub(crate) fn read_export(key: &[u8]) -> Result<ExportId, KeyError> {
    let mut reader = KeyReader::new(key, EXPORT)?;
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    Ok(ExportId { account, region, id: reader.str()? })
}

pub(crate) fn running_export(number: u64) -> Bytes {
    Key::new(RUNNING_EXPORT).u64(number).build()
}

pub(crate) fn running_exports() -> (Bytes, Bytes) {
    Key::new(RUNNING_EXPORT).prefix_range()
}

pub(crate) fn export_file(export: u64, number: u32) -> Bytes {
    Key::new(EXPORT_FILE).u64(export).u32(number).build()
}

pub(crate) fn export_files(export: u64) -> (Bytes, Bytes) {
    Key::new(EXPORT_FILE).u64(export).prefix_range()
}

/// An import: its id begins with the millisecond of its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImportId {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) id: String,
}

pub(crate) fn import(id: &ImportId) -> Bytes {
    within(IMPORT, id.account, &id.region).str(&id.id).build()
}

pub(crate) fn imports(account: Account, region: &Region) -> (Bytes, Bytes) {
    within(IMPORT, account, region).prefix_range()
}

pub(crate) fn read_import(key: &[u8]) -> Result<ImportId, KeyError> {
    let mut reader = KeyReader::new(key, IMPORT)?;
    let account = Account::new(reader.u64()?).ok_or(KeyError::Short("account"))?;
    let region = Region::new(&reader.str()?).map_err(|_| KeyError::Text)?;
    Ok(ImportId { account, region, id: reader.str()? })
}

pub(crate) fn running_import(table: u64) -> Bytes {
    Key::new(RUNNING_IMPORT).u64(table).build()
}

pub(crate) fn running_imports() -> (Bytes, Bytes) {
    Key::new(RUNNING_IMPORT).prefix_range()
}
