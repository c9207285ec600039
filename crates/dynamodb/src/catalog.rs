//! Definitions of tables, read with every operation and decoded when they change.
//!
//! Each transaction reads the table's row in the batch with the items it needs, so that a table dropped or an index added
//! meanwhile is a conflict. To know the keys of the items before the row is read, it is taken to be the one of last time;
//! where it is not, the batch is read again.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::ServiceError;
use cauce_store::{Db, RangeReq, RangeResp, ReadReq, RowCodec, Tx};
use parking_lot::RwLock;

use crate::error::Error;
use crate::keys;
use crate::model::Table;
use crate::table::TABLES_MAX;

/// How many definitions are kept decoded: AWS's quota of tables for a few accounts and regions. Beyond that all are forgotten.
const KEPT_MAX: usize = 16_384;

#[derive(Default)]
pub(crate) struct Catalog {
    kept: RwLock<HashMap<Bytes, (Bytes, Arc<Table>)>>,
}

/// What a snapshot shows: a table and some of its rows.
pub(crate) struct Seen {
    pub(crate) table: Arc<Table>,
    pub(crate) rows: Vec<Option<Bytes>>,
}

impl Catalog {
    /// The table as it was when it was last read.
    pub(crate) fn hint(&self, key: &Bytes) -> Option<Arc<Table>> {
        self.kept.read().get(key).map(|(_, table)| Arc::clone(table))
    }

    /// The definition in a row, for who reads or writes items: a table whose items are still arriving has none yet.
    pub(crate) fn decode(&self, key: &Bytes, row: Option<&Bytes>) -> Result<Arc<Table>, Error> {
        let table = self.decode_any(key, row)?;
        if table.past.arriving { Err(Error::NoTable) } else { Ok(table) }
    }

    fn decode_any(&self, key: &Bytes, row: Option<&Bytes>) -> Result<Arc<Table>, Error> {
        let row = row.ok_or(Error::NoTable)?;
        if let Some((known, table)) = self.kept.read().get(key)
            && known == row
        {
            return Ok(Arc::clone(table));
        }
        let table = Arc::new(Table::decode_row(row).map_err(ServiceError::internal)?);
        let mut kept = self.kept.write();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key.clone(), (row.clone(), Arc::clone(&table)));
        Ok(table)
    }

    /// Reads all tables, so that policies can be told of the first request to each.
    pub(crate) async fn read_all(&self, db: &Db) -> Result<(), Error> {
        let mut range = RangeReq::new(keys::all_tables(), TABLES_MAX);
        loop {
            let page = db.range(range.clone()).await?;
            for row in &page.rows {
                self.decode_any(&row.key, Some(&row.val))?;
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                _ => return Ok(()),
            }
        }
    }

    /// The table, whatever state it is in, outside of any transaction.
    pub(crate) async fn any(&self, db: &Db, key: &Bytes) -> Result<Arc<Table>, Error> {
        let row = db.get_bytes(key).await?;
        self.decode_any(key, row.as_ref())
    }

    /// The table, outside of any transaction.
    pub(crate) async fn table(&self, db: &Db, key: &Bytes) -> Result<Arc<Table>, Error> {
        let row = db.get_bytes(key).await?;
        self.decode(key, row.as_ref())
    }

    /// The table and the rows at the keys that `wanted` makes of it, checked by the transaction.
    pub(crate) async fn load(
        &self,
        tx: &Tx,
        key: &Bytes,
        wanted: impl Fn(&Table) -> Result<Vec<Bytes>, Error>,
    ) -> Result<Seen, Error> {
        let hint = self.hint(key).and_then(|table| wanted(&table).ok().map(|keys| (table, keys)));
        if let Some((hinted, mut keys)) = hint {
            keys.insert(0, key.clone());
            let mut rows = tx.get_many(&keys).await?;
            let table = self.decode(key, rows.first().and_then(Option::as_ref))?;
            if Arc::ptr_eq(&table, &hinted) {
                rows.remove(0);
                return Ok(Seen { table, rows });
            }
        }
        let row = tx.get(key).await?;
        let table = self.decode(key, row.as_ref())?;
        let rows = tx.get_many(&wanted(&table)?).await?;
        Ok(Seen { table, rows })
    }

    /// As [`load`](Catalog::load), for a read that is one snapshot.
    pub(crate) async fn read(
        &self,
        db: &Db,
        key: &Bytes,
        wanted: impl Fn(&Table) -> Result<Vec<Bytes>, Error>,
    ) -> Result<Seen, Error> {
        let mut table = match self.hint(key) {
            Some(table) => table,
            None => self.table(db, key).await?,
        };
        loop {
            // What a definition of last time refuses, the present one may take.
            let keys = wanted(&table);
            let mut gets = vec![key.clone()];
            gets.extend(keys.as_ref().map(|keys| keys.iter().cloned()).into_iter().flatten());
            let mut rows = db.read(ReadReq { gets, ranges: Vec::new() }).await?.gets;
            let current = self.decode(key, rows.first().and_then(Option::as_ref).map(|row| &row.val))?;
            if Arc::ptr_eq(&current, &table) {
                keys?;
                rows.remove(0);
                return Ok(Seen { table, rows: rows.into_iter().map(|row| row.map(|row| row.val)).collect() });
            }
            table = current;
        }
    }

    /// A range of rows, in one snapshot with the definition; `None` if that is no longer `table`.
    pub(crate) async fn read_range(
        &self,
        db: &Db,
        key: &Bytes,
        table: &Arc<Table>,
        range: RangeReq,
    ) -> Result<Option<RangeResp>, Error> {
        let mut answer = db.read(ReadReq { gets: vec![key.clone()], ranges: vec![range] }).await?;
        let row = answer.gets.pop().flatten();
        let current = self.decode(key, row.as_ref().map(|row| &row.val))?;
        let page = answer.ranges.pop().unwrap_or_default();
        Ok(Arc::ptr_eq(&current, table).then_some(page))
    }
}
