//! The index: redb, holding all rows. Commits go into it without a sync; a checkpoint makes durable what it holds, together
//! with the sequence up to which that is complete.

use std::sync::Arc;

use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction,
};

use super::disk::{DiskFile, RedbFile};
use super::frame::UsedToken;
use super::log::Epoch;
use crate::contract::{Bytes, Row, Version};
use crate::error::StoreError;
use crate::state::{Rows, RowsMut};

/// Key -> version (8 bytes, little-endian), value.
const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");
/// Idempotency token -> when it was used, in microseconds.
const TOKENS: TableDefinition<'static, &[u8], i64> = TableDefinition::new("tokens");
/// When a token was used, the token: for forgetting the oldest first.
const TOKENS_BY_TIME: TableDefinition<'static, (i64, &[u8]), ()> = TableDefinition::new("tokens-by-time");
/// What the index knows of the log.
const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");

const FORMAT: u64 = 1;
const VERSION_BYTES: usize = 8;
/// Tokens forgotten at one checkpoint.
const TOKENS_FORGOTTEN_MAX: usize = 100_000;

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
    /// Opens the file, recovering it as redb does; [`position`](Index::position) is then that of the last checkpoint.
    pub(super) fn open(file: Arc<dyn DiskFile>, cache_bytes: usize) -> Result<Self, IndexError> {
        let db = Database::builder().set_cache_size(cache_bytes).create_with_backend(RedbFile(file))?;
        Ok(Self { db })
    }

    /// Where the last checkpoint left off; `None` if there never was one.
    ///
    /// # Errors
    /// A message for people if the format is not ours.
    pub(super) fn position(&self) -> Result<Result<Option<Position>, String>, IndexError> {
        let meta = match self.db.begin_read()?.open_table(META) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Ok(None)),
            meta => meta?,
        };
        let field = |name| meta.get(name).map(|found| found.map(|guard| guard.value()));
        let (format, sequence) = (field("format")?, field("sequence")?);
        let (secret, number) = (field("log-secret")?, field("log-epoch")?);
        Ok(match (format, sequence, secret, number) {
            (Some(FORMAT), Some(sequence), Some(secret), Some(number)) => {
                Ok(Some(Position { sequence, epoch: Epoch { secret, number } }))
            }
            (Some(FORMAT), ..) => Err("it does not say where its log begins".to_owned()),
            (Some(other), ..) => Err(format!("its format is {other}, this program knows {FORMAT}")),
            (None, ..) => Err("it does not say its format".to_owned()),
        })
    }

    /// Begins to apply commits. They are not durable, and not seen by snapshots, before [`Writing::publish`].
    pub(super) fn write(&self) -> Result<Writing, IndexError> {
        let mut txn = self.db.begin_write()?;
        // The log makes them durable, not this.
        txn.set_durability(Durability::None)?;
        Ok(Writing { txn })
    }

    /// What was published last.
    pub(super) fn snapshot(&self) -> Result<IndexSnapshot, IndexError> {
        Ok(IndexSnapshot { rows: self.db.begin_read()?.open_table(ROWS)? })
    }

    /// Makes durable all that was published, and that the index holds everything up to `position`. Forgets the tokens
    /// used before `tokens_until` (microseconds).
    pub(super) fn checkpoint(&self, position: Position, tokens_until: i64) -> Result<(), IndexError> {
        let mut txn = self.db.begin_write()?;
        txn.set_durability(Durability::Immediate)?;
        // Else the first open after a crash walks the whole file.
        txn.set_quick_repair(true);
        {
            let mut meta = txn.open_table(META)?;
            meta.insert("format", FORMAT)?;
            meta.insert("sequence", position.sequence)?;
            meta.insert("log-secret", position.epoch.secret)?;
            meta.insert("log-epoch", position.epoch.number)?;
            // A snapshot wants the table to be there.
            txn.open_table(ROWS)?;
            forget_tokens(&txn, tokens_until)?;
        }
        txn.commit()?;
        Ok(())
    }
}

fn forget_tokens(txn: &WriteTransaction, until: i64) -> Result<(), IndexError> {
    let mut by_time = txn.open_table(TOKENS_BY_TIME)?;
    let mut tokens = txn.open_table(TOKENS)?;
    let before = (until, &[][..]);
    for entry in by_time.extract_from_if(..before, |_, ()| true)?.take(TOKENS_FORGOTTEN_MAX) {
        tokens.remove(entry?.0.value().1)?;
    }
    Ok(())
}

/// Commits being applied.
pub(super) struct Writing {
    txn: WriteTransaction,
}

impl Writing {
    /// The rows, to read and to change.
    pub(super) fn rows(&self) -> Result<WritingRows<'_>, IndexError> {
        Ok(WritingRows { rows: self.txn.open_table(ROWS)?, cell: Vec::new() })
    }

    /// Whether a commit with this token was applied.
    pub(super) fn knows_token(&self, token: &[u8; 16]) -> Result<bool, IndexError> {
        Ok(self.txn.open_table(TOKENS)?.get(&token[..])?.is_some())
    }

    pub(super) fn remember_token(&self, (token, used): UsedToken) -> Result<(), IndexError> {
        self.txn.open_table(TOKENS)?.insert(&token[..], used)?;
        self.txn.open_table(TOKENS_BY_TIME)?.insert((used, &token[..]), ())?;
        Ok(())
    }

    /// Lets new snapshots see what was applied.
    pub(super) fn publish(self) -> Result<(), IndexError> {
        Ok(self.txn.commit()?)
    }

    /// Forgets what was applied.
    pub(super) fn abandon(self) -> Result<(), IndexError> {
        Ok(self.txn.abort()?)
    }
}

/// The rows of a [`Writing`].
pub(super) struct WritingRows<'txn> {
    rows: Table<'txn, &'static [u8], &'static [u8]>,
    /// Where version and value are put together.
    cell: Vec<u8>,
}

/// A published state of the index that stays as it is.
pub(super) struct IndexSnapshot {
    rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

fn row(key: &[u8], cell: &[u8]) -> Result<Row, StoreError> {
    let key = Bytes::copy_from_slice(key);
    let Some((version, val)) = cell.split_first_chunk::<VERSION_BYTES>() else {
        return Err(StoreError::Corrupt { key, reason: "the row has no version".to_owned() });
    };
    Ok(Row { key, val: Bytes::copy_from_slice(val), version: Version(u64::from_le_bytes(*version)) })
}

fn get(rows: &impl ReadableTable<&'static [u8], &'static [u8]>, key: &[u8]) -> Result<Option<Row>, StoreError> {
    let found = rows.get(key).map_err(IndexError::from)?;
    found.map(|cell| row(key, cell.value())).transpose()
}

fn scan(
    rows: &impl ReadableTable<&'static [u8], &'static [u8]>,
    (start, end): (&[u8], &[u8]),
    reverse: bool,
    visit: &mut dyn FnMut(Row) -> bool,
) -> Result<(), StoreError> {
    let mut range = rows.range::<&[u8]>(start..end).map_err(IndexError::from)?;
    while let Some(entry) = if reverse { range.next_back() } else { range.next() } {
        let (key, cell) = entry.map_err(IndexError::from)?;
        if !visit(row(key.value(), cell.value())?) {
            break;
        }
    }
    Ok(())
}

impl Rows for IndexSnapshot {
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
        scan(&self.rows, (start, end), reverse, visit)
    }
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
        scan(&self.rows, (start, end), reverse, visit)
    }
}

impl RowsMut for WritingRows<'_> {
    fn put(&mut self, key: &[u8], val: &[u8], version: Version) -> Result<(), StoreError> {
        self.cell.clear();
        self.cell.extend_from_slice(&version.0.to_le_bytes());
        self.cell.extend_from_slice(val);
        self.rows.insert(key, self.cell.as_slice()).map_err(IndexError::from)?;
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.rows.remove(key).map_err(IndexError::from)?;
        Ok(())
    }

    fn remove_range(&mut self, start: &[u8], end: &[u8]) -> Result<(), StoreError> {
        self.rows.retain_in::<&[u8], _>(start..end, |_, _| false).map_err(IndexError::from)?;
        Ok(())
    }
}
