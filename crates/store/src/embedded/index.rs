//! The index: redb, holding all rows as of the last checkpoint, together with the sequence up to which that is complete. It is
//! written at checkpoints only, so it is always durable, and between them nothing of it is in memory but its cache.

use std::sync::Arc;

use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::disk::{DiskFile, RedbFile};
use super::log::Epoch;
use super::overlay::Overlay;
use crate::contract::{Bytes, Row, Version};
use crate::error::StoreError;
use crate::state::{Rows, RowsMut};
use crate::token;

type Cells = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Key -> version (8 bytes, little-endian), value.
const ROWS: Cells = TableDefinition::new("rows");
/// What the index knows of the log.
const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");

const FORMAT: u64 = 1;
const VERSION_BYTES: usize = 8;
/// Tokens forgotten at one checkpoint.
const TOKENS_FORGOTTEN_MAX: usize = 50_000;

/// Where the index stands: what a checkpoint stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The last commit that the index holds.
    pub(super) sequence: u64,
    /// The epoch of the log that holds the commits after it.
    pub(super) epoch: Epoch,
}

/// Anything redb can answer that is no success; its kinds make no difference to us.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct IndexError(Box<redb::Error>);

impl<E: Into<redb::Error>> From<E> for IndexError {
    fn from(error: E) -> Self {
        Self(Box::new(error.into()))
    }
}

impl From<IndexError> for StoreError {
    fn from(error: IndexError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// redb with our tables.
pub(super) struct Index {
    db: Database,
}

impl Index {
    /// Opens the file, recovering it as redb does; it then is as of the last checkpoint.
    pub(super) fn open(file: Arc<dyn DiskFile>, cache_bytes: usize) -> Result<Self, IndexError> {
        let db = Database::builder().set_cache_size(cache_bytes).create_with_backend(RedbFile(file))?;
        Ok(Self { db })
    }

    /// Where the last checkpoint left off.
    ///
    /// # Errors
    /// A message for people if the format is not ours.
    pub(super) fn position(&self) -> Result<Result<Position, String>, IndexError> {
        let meta = match self.db.begin_read()?.open_table(META) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Err("it is not one of this program".to_owned())),
            meta => meta?,
        };
        let field = |name| meta.get(name).map(|found| found.map(|guard| guard.value()));
        let (format, sequence) = (field("format")?, field("sequence")?);
        let (secret, number) = (field("log-secret")?, field("log-epoch")?);
        Ok(match (format, sequence, secret, number) {
            (Some(FORMAT), Some(sequence), Some(secret), Some(number)) => {
                Ok(Position { sequence, epoch: Epoch { secret, number } })
            }
            (Some(FORMAT), ..) => Err("it does not say where its log begins".to_owned()),
            (Some(other), ..) => Err(format!("its format is {other}, this program knows {FORMAT}")),
            (None, ..) => Err("it does not say its format".to_owned()),
        })
    }

    /// The rows as of the last checkpoint.
    pub(super) fn snapshot(&self) -> Result<IndexSnapshot, IndexError> {
        Ok(IndexSnapshot { rows: self.db.begin_read()?.open_table(ROWS)? })
    }

    /// Begins a checkpoint.
    pub(super) fn write(&self) -> Result<Writing, IndexError> {
        let mut txn = self.db.begin_write()?;
        // Else the first open after a crash walks the whole file.
        txn.set_quick_repair(true);
        Ok(Writing { txn })
    }
}

/// A checkpoint being written.
pub(super) struct Writing {
    txn: WriteTransaction,
}

impl Writing {
    /// The rows, to read and to change.
    pub(super) fn rows(&self) -> Result<WritingRows<'_>, IndexError> {
        Ok(WritingRows { rows: self.txn.open_table(ROWS)?, cell: Vec::new() })
    }

    /// Writes all that an overlay holds.
    pub(super) fn absorb(&self, overlay: &Overlay) -> Result<(), IndexError> {
        let mut rows = self.rows()?;
        for (key, written) in overlay.iter() {
            match &written.val {
                Some(val) => rows.insert(key, val, written.version)?,
                None => drop(rows.rows.remove(key.as_ref())?),
            }
        }
        Ok(())
    }

    /// Forgets the tokens used before `until` (microseconds).
    pub(super) fn forget_tokens(&self, until: i64) -> Result<(), IndexError> {
        let mut rows = self.txn.open_table(ROWS)?;
        let (start, end) = token::used_before(until);
        let mut old = Vec::new();
        for entry in rows.range::<&[u8]>(start.as_ref()..end.as_ref())?.take(TOKENS_FORGOTTEN_MAX) {
            old.push(Bytes::copy_from_slice(entry?.0.value()));
        }
        for by_time in old {
            if let Some((token, used)) = token::read_by_time(&by_time) {
                let key = token::key(&token);
                let cell = rows.get(key.as_ref())?.map(|cell| Bytes::copy_from_slice(cell.value()));
                // It may have been used again since.
                let last = cell.and_then(|cell| token::read_used(cell.get(VERSION_BYTES..)?));
                if last == Some(used) {
                    rows.remove(key.as_ref())?;
                }
            }
            rows.remove(by_time.as_ref())?;
        }
        Ok(())
    }

    /// Makes the checkpoint durable: the index holds everything up to `position`.
    pub(super) fn finish(self, position: Position) -> Result<(), IndexError> {
        {
            let mut meta = self.txn.open_table(META)?;
            meta.insert("format", FORMAT)?;
            meta.insert("sequence", position.sequence)?;
            meta.insert("log-secret", position.epoch.secret)?;
            meta.insert("log-epoch", position.epoch.number)?;
            // A snapshot wants the table to be there.
            self.txn.open_table(ROWS)?;
        }
        Ok(self.txn.commit()?)
    }
}

/// The rows of a [`Writing`].
pub(super) struct WritingRows<'txn> {
    rows: Table<'txn, &'static [u8], &'static [u8]>,
    /// Where version and value are put together.
    cell: Vec<u8>,
}

impl WritingRows<'_> {
    fn insert(&mut self, key: &[u8], val: &[u8], version: Version) -> Result<(), IndexError> {
        self.cell.clear();
        self.cell.extend_from_slice(&version.0.to_le_bytes());
        self.cell.extend_from_slice(val);
        self.rows.insert(key, self.cell.as_slice())?;
        Ok(())
    }
}

/// The rows as of one checkpoint.
pub(super) struct IndexSnapshot {
    rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl IndexSnapshot {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Row>, StoreError> {
        get(&self.rows, key)
    }

    /// Which write of a key this is.
    pub(super) fn version(&self, key: &[u8]) -> Result<Version, StoreError> {
        let found = self.rows.get(key).map_err(IndexError::from)?;
        found.map_or(Ok(Version::ABSENT), |cell| Ok(split(key, cell.value())?.0))
    }

    /// Walks `start <= key < end`, which must not be empty, from the end if `reverse`.
    pub(super) fn walk(&self, start: &[u8], end: &[u8], reverse: bool) -> Result<Walk<'_>, StoreError> {
        Walk::new(&self.rows, start, end, reverse)
    }
}

type Guard<'a> = redb::AccessGuard<'a, &'static [u8]>;

/// A walk over rows that can be looked at before they are taken.
pub(super) struct Walk<'a> {
    range: redb::Range<'a, &'static [u8], &'static [u8]>,
    reverse: bool,
    next: Option<(Guard<'a>, Guard<'a>)>,
}

impl<'a> Walk<'a> {
    fn new(
        rows: &'a impl ReadableTable<&'static [u8], &'static [u8]>,
        start: &[u8],
        end: &[u8],
        reverse: bool,
    ) -> Result<Self, StoreError> {
        let range = rows.range::<&[u8]>(start..end).map_err(IndexError::from)?;
        let mut walk = Self { range, reverse, next: None };
        walk.skip()?;
        Ok(walk)
    }

    /// The key of the next row.
    pub(super) fn key(&self) -> Option<&[u8]> {
        self.next.as_ref().map(|(key, _)| key.value())
    }

    /// The next row.
    pub(super) fn take(&mut self) -> Result<Option<Row>, StoreError> {
        let taken = self.next.as_ref().map(|(key, cell)| row(key.value(), cell.value())).transpose()?;
        self.skip()?;
        Ok(taken)
    }

    /// Goes on without the next row.
    pub(super) fn skip(&mut self) -> Result<(), StoreError> {
        let next = if self.reverse { self.range.next_back() } else { self.range.next() };
        self.next = next.transpose().map_err(IndexError::from)?;
        Ok(())
    }
}

/// The version and the value in a cell.
fn split<'c>(key: &[u8], cell: &'c [u8]) -> Result<(Version, &'c [u8]), StoreError> {
    let found = cell.split_first_chunk::<VERSION_BYTES>();
    let (version, val) = found.ok_or_else(|| StoreError::Corrupt {
        key: Bytes::copy_from_slice(key),
        reason: "the row has no version".to_owned(),
    })?;
    Ok((Version(u64::from_le_bytes(*version)), val))
}

fn row(key: &[u8], cell: &[u8]) -> Result<Row, StoreError> {
    let (version, val) = split(key, cell)?;
    Ok(Row { key: Bytes::copy_from_slice(key), val: Bytes::copy_from_slice(val), version })
}

fn get(rows: &impl ReadableTable<&'static [u8], &'static [u8]>, key: &[u8]) -> Result<Option<Row>, StoreError> {
    let found = rows.get(key).map_err(IndexError::from)?;
    found.map(|cell| row(key, cell.value())).transpose()
}

impl Rows for WritingRows<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Row>, StoreError> {
        get(&self.rows, key)
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(Row) -> bool,
    ) -> Result<(), StoreError> {
        let mut walk = Walk::new(&self.rows, start, end, reverse)?;
        while let Some(row) = walk.take()? {
            if !visit(row) {
                break;
            }
        }
        Ok(())
    }
}

impl RowsMut for WritingRows<'_> {
    fn put(&mut self, key: &Bytes, val: &Bytes, version: Version) -> Result<(), StoreError> {
        Ok(self.insert(key, val, version)?)
    }

    fn remove(&mut self, key: &Bytes) -> Result<(), StoreError> {
        self.rows.remove(key.as_ref()).map_err(IndexError::from)?;
        Ok(())
    }

    fn remove_range(&mut self, start: &[u8], end: &[u8]) -> Result<(), StoreError> {
        self.rows.retain_in::<&[u8], _>(start..end, |_, _| false).map_err(IndexError::from)?;
        Ok(())
    }
}
