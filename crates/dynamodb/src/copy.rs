//! Copies of tables as they were at a moment, made in the background: backups, and tables that are restored.
//!
//! A copy is a row that says what is copied where to, and how far it has come; each step writes some items and moves that on, in
//! one transaction. So whatever is killed whenever, a copy goes on where it was.

use bytes::Bytes;
use cauce_core::ServiceError;
use cauce_store::{RangeReq, Record, Tx};
use serde::{Deserialize, Serialize};

use crate::backup::{Backup, BackupStatus};
use crate::change::{By, Changed};
use crate::error::Error;
use crate::history::{Origin, Piece};
use crate::keys;
use crate::model::Table;
use crate::service::DynamoDb;
use crate::value::encode_item;

/// How many items one step copies.
const COPIED_MAX: usize = 200;

/// How many bytes of items one step copies, unless one item alone is larger: with the entries of all indexes they must fit one
/// commit.
const COPIED_BYTES_MAX: usize = 512 * 1024;

/// How many copies are gone on with in turn.
const COPIES_MAX: usize = 64;

/// Where items go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Destination {
    /// The key of a table's row.
    Table(Vec<u8>),
    /// The key of a backup's row.
    Backup(Vec<u8>),
}

/// A copy under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copy {
    pub(crate) origin: Origin,
    /// The key of the row, of a table or a backup, that remembers that it is being copied.
    pub(crate) source: Vec<u8>,
    pub(crate) destination: Destination,
    /// The key parts of the item to go on with.
    pub(crate) from: Vec<u8>,
}

impl Record for Copy {
    const VERSION: u8 = 1;
}

impl DynamoDb {
    /// One step of each copy; whether there was any.
    pub(crate) async fn copy_some(&self) -> Result<bool, Error> {
        let copies = self.db.range(RangeReq::new(keys::copies(), COPIES_MAX)).await?.rows;
        for row in &copies {
            let Some(copy) = self.db.get::<Copy>(&row.key).await? else { continue };
            let piece = self.piece(&copy.origin, &copy.from, COPIED_MAX, COPIED_BYTES_MAX).await?;
            self.db.transact(async |tx| self.copy_in(&tx, &row.key, &copy, &piece).await).await?;
        }
        Ok(!copies.is_empty())
    }

    async fn copy_in(&self, tx: &Tx, key: &Bytes, copy: &Copy, piece: &Piece) -> Result<(), Error> {
        // Whoever else has gone on with it meanwhile has done this.
        let Some(mut current) = tx.get_record::<Copy>(key).await?.filter(|current| current == copy) else {
            return Ok(());
        };
        match &copy.destination {
            Destination::Table(table) => self.put_items(tx, &Bytes::from(table.clone()), piece).await?,
            Destination::Backup(backup) => put_backup_items(tx, &Bytes::from(backup.clone()), piece).await?,
        }
        match &piece.next {
            Some(next) => {
                current.from = next.to_vec();
                tx.set_record(key.clone(), &current)?;
            }
            None => {
                tx.clear(key.clone());
                let number = keys::read_copy(key).map_err(ServiceError::internal)?;
                finish(tx, number, copy).await?;
            }
        }
        Ok(())
    }

    async fn put_items(&self, tx: &Tx, table_key: &Bytes, piece: &Piece) -> Result<(), Error> {
        let Some(table) = tx.get_record::<Table>(table_key).await? else { return Ok(()) };
        let at = self.moment();
        for (parts, item) in &piece.items {
            let row_key = keys::item_of_parts(table.number, parts);
            let changed = Changed { table: &table, row_key: &row_key, old: None, new: Some(item), by: By::Request, at };
            self.write(tx, &changed).await?;
        }
        Ok(())
    }
}

async fn put_backup_items(tx: &Tx, backup_key: &Bytes, piece: &Piece) -> Result<(), Error> {
    let Some(mut backup) = tx.get_record::<Backup>(backup_key).await? else { return Ok(()) };
    for (parts, item) in &piece.items {
        let row = encode_item(item);
        backup.items += 1;
        backup.bytes += u64::try_from(row.len()).unwrap_or(u64::MAX);
        tx.set(keys::backup_item(backup.number, parts), row);
    }
    Ok(tx.set_record(backup_key.clone(), &backup)?)
}

/// The last item is there: the copy is what it is to be, and its source need not remember any more.
async fn finish(tx: &Tx, number: u64, copy: &Copy) -> Result<(), Error> {
    match &copy.destination {
        Destination::Table(key) => {
            let key = Bytes::from(key.clone());
            if let Some(mut table) = tx.get_record::<Table>(&key).await? {
                table.past.arriving = false;
                tx.set_record(key, &table)?;
            }
        }
        Destination::Backup(key) => {
            let key = Bytes::from(key.clone());
            if let Some(mut backup) = tx.get_record::<Backup>(&key).await? {
                backup.status = BackupStatus::Available;
                tx.set_record(key, &backup)?;
            }
        }
    }
    let source = Bytes::from(copy.source.clone());
    match copy.origin {
        Origin::Table { .. } => {
            if let Some(mut table) = tx.get_record::<Table>(&source).await? {
                table.past.copies.remove(&number);
                tx.set_record(source, &table)?;
            }
        }
        Origin::Backup { .. } => {
            if let Some(mut backup) = tx.get_record::<Backup>(&source).await? {
                backup.restores.remove(&number);
                tx.set_record(source, &backup)?;
            }
        }
    }
    Ok(())
}
