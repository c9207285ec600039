//! The bytes of objects and parts: small ones in the store, larger ones in files.
//!
//! A file is written aside in `incoming/`, synced, renamed to `X/ID` (X: the first digit of ID) and its folder synced,
//! all before the row that refers to it is committed. So a crash leaves either no row and a file that nobody refers to,
//! which the next start sweeps away, or a row whose file is whole. A body that is no longer referred to is removed after
//! the commit that dropped it; what a crash prevents there, the sweep does too.

mod intake;
mod outflow;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cauce_core::Entropy;
use cauce_store::{Bytes, Db, ReadReq, RecordError, RowCodec, RowReader, RowWriter, Tx};
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use intake::{Digests, Received};
pub(crate) use outflow::Span;

use crate::error::{Result, S3Error};
use crate::keys;

/// Bodies up to this many bytes live in the store: there they share the commit's fsync, where a file would need three.
pub(crate) const INLINE_BYTES_MAX: usize = 16 * 1024;

/// How many files the sweep asks the store about at once.
const SWEEP_BATCH: usize = 1_000;

/// The name of a body.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BodyId(pub(crate) [u8; 16]);

impl BodyId {
    pub(crate) fn random(entropy: &dyn Entropy) -> BodyId {
        let mut id = [0; 16];
        entropy.fill(&mut id);
        BodyId(id)
    }

    fn parse(text: &str) -> Option<BodyId> {
        hex::decode(text).ok()?.try_into().ok().map(BodyId)
    }
}

impl fmt::Display for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for BodyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BodyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<BodyId, D::Error> {
        let text = String::deserialize(deserializer)?;
        BodyId::parse(&text).ok_or_else(|| serde::de::Error::custom("not a body id"))
    }
}

/// The row of a body that something refers to. Version 1: a byte for the place (0 file, 1 row), then the bytes after their
/// length if they are in the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BodyRow {
    /// The bytes are in the file of that id.
    File,
    /// The bytes are here.
    Inline(Bytes),
}

impl RowCodec for BodyRow {
    fn encode_row(&self) -> std::result::Result<Bytes, RecordError> {
        let mut row = RowWriter::new(1);
        match self {
            BodyRow::File => row.u8(0),
            BodyRow::Inline(bytes) => row.u8(1).bytes(bytes),
        };
        Ok(row.finish())
    }

    fn decode_row(row: &[u8]) -> std::result::Result<BodyRow, RecordError> {
        let (version, mut reader) = RowReader::new(row)?;
        let place = reader.u8()?;
        let body = match (version, place) {
            (1, 0) => BodyRow::File,
            (1, 1) => BodyRow::Inline(Bytes::copy_from_slice(reader.bytes()?)),
            (1, _) => return Err(RecordError::Payload(format!("the place of a body is {place}"))),
            _ => return Err(RecordError::Version { found: version, written: 1 }),
        };
        reader.end()?;
        Ok(body)
    }
}

/// A body whose bytes are durable, ready to be referred to.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) id: BodyId,
    row: BodyRow,
}

impl Kept {
    /// Writes the row of the body; belongs into the transaction that refers to it.
    pub(crate) fn refer(&self, tx: &Tx) -> Result<()> {
        Ok(tx.set_record(keys::body(self.id), &self.row)?)
    }
}

/// The folder of bodies. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bodies {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    pins: Mutex<Pins>,
}

/// Which files are being read, and which of those go when their last reader has gone.
#[derive(Default)]
struct Pins {
    readers: HashMap<BodyId, usize>,
    doomed: HashSet<BodyId>,
}

impl Bodies {
    /// Prepares the folder and removes what nothing in `db` refers to. Nobody may be writing to it meanwhile.
    pub(crate) async fn open(dir: &Path, db: &Db) -> Result<Bodies> {
        let shared = Shared { dir: dir.to_owned(), pins: Mutex::default() };
        let bodies = Bodies { shared: Arc::new(shared) };
        let prepared = bodies.clone();
        let found = blocking(move || prepared.prepare()).await?;
        for batch in found.chunks(SWEEP_BATCH) {
            let gets = batch.iter().map(|id| keys::body(*id)).collect();
            let rows = db.read(ReadReq { gets, ranges: Vec::new() }).await?.gets;
            let orphans: Vec<BodyId> =
                batch.iter().zip(&rows).filter(|(_, row)| row.is_none()).map(|(id, _)| *id).collect();
            if !orphans.is_empty() {
                tracing::info!(files = orphans.len(), "removing bodies that nothing refers to");
                bodies.remove_now(orphans).await;
            }
        }
        Ok(bodies)
    }

    /// Makes the folders, empties `incoming/`, and lists all files.
    fn prepare(&self) -> io::Result<Vec<BodyId>> {
        let dir = &self.shared.dir;
        let incoming = dir.join("incoming");
        fs::create_dir_all(&incoming)?;
        for entry in fs::read_dir(&incoming)? {
            fs::remove_file(entry?.path())?;
        }
        let mut found = Vec::new();
        for digit in "0123456789abcdef".chars() {
            let folder = dir.join(digit.to_string());
            fs::create_dir_all(&folder)?;
            for entry in fs::read_dir(&folder)? {
                found.extend(entry?.file_name().to_str().and_then(BodyId::parse));
            }
        }
        sync_folder(dir)?;
        // The folder itself is a name in another, which must not be lost while the store refers to what is in it.
        dir.canonicalize()?.parent().map_or(Ok(()), sync_folder)?;
        Ok(found)
    }

    fn path(&self, id: BodyId) -> PathBuf {
        let name = id.to_string();
        let folder: String = name.chars().take(1).collect();
        self.shared.dir.join(folder).join(name)
    }

    /// Removes the files of `ids` once the transaction is durable, and clears their rows in it.
    pub(crate) fn forget(&self, tx: &Tx, ids: Vec<BodyId>) {
        if ids.is_empty() {
            return;
        }
        for id in &ids {
            tx.clear(keys::body(*id));
        }
        let bodies = self.clone();
        tx.on_commit(move || {
            // Not waited for: the answer does not promise it, and a crash leaves it to the sweep.
            tokio::spawn(async move { bodies.remove_now(ids).await });
        });
    }

    /// Removes the file of a body that came to nothing: its commit was refused.
    pub(crate) async fn discard(&self, kept: &Kept) {
        if kept.row == BodyRow::File {
            self.remove_now(vec![kept.id]).await;
        }
    }

    /// Removes files, except those being read, which go when their readers have.
    async fn remove_now(&self, ids: Vec<BodyId>) {
        let mut free = ids;
        {
            let mut pins = self.shared.pins.lock();
            let pins = &mut *pins;
            free.retain(|id| !pins.readers.contains_key(id) || !pins.doomed.insert(*id));
        }
        let bodies = self.clone();
        let removed = blocking(move || {
            bodies.unlink(&free);
            Ok(())
        });
        if let Err(error) = removed.await {
            tracing::warn!(?error, "bodies could not be removed; the next start sweeps them");
        }
    }

    fn unlink(&self, ids: &[BodyId]) {
        for id in ids {
            match fs::remove_file(self.path(*id)) {
                Ok(()) => {}
                // A body in the store has no file.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(body = %id, %error, "a body could not be removed"),
            }
        }
    }

    fn pin(&self, ids: impl Iterator<Item = BodyId>) -> Pin {
        let ids: Vec<BodyId> = ids.collect();
        let mut pins = self.shared.pins.lock();
        for id in &ids {
            *pins.readers.entry(*id).or_insert(0) += 1;
        }
        Pin { bodies: self.clone(), ids }
    }
}

/// Keeps files from being removed while they are read.
struct Pin {
    bodies: Bodies,
    ids: Vec<BodyId>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut doomed = Vec::new();
        {
            let mut pins = self.bodies.shared.pins.lock();
            for id in &self.ids {
                let Some(readers) = pins.readers.get_mut(id) else { continue };
                *readers -= 1;
                if *readers == 0 {
                    pins.readers.remove(id);
                    doomed.extend(pins.doomed.take(id));
                }
            }
        }
        if !doomed.is_empty() {
            self.bodies.unlink(&doomed);
        }
    }
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    sync_or_die(&File::open(folder)?);
    Ok(())
}

/// After a failed fsync nobody knows what the disk holds, so there is nothing to go on with.
fn sync_or_die(file: &File) {
    if let Err(error) = file.sync_all() {
        tracing::error!(%error, "fsync failed; ending the process");
        std::process::abort();
    }
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(S3Error::internal),
        Err(stopped) => Err(S3Error::internal(stopped)),
    }
}

#[cfg(test)]
mod tests {
    use cauce_store::{Bytes, RowCodec};

    use super::{BodyId, BodyRow};

    #[test]
    fn rows_and_ids_come_back() {
        for row in [BodyRow::File, BodyRow::Inline(Bytes::new()), BodyRow::Inline(Bytes::from_static(b"abc"))] {
            assert_eq!(BodyRow::decode_row(&row.encode_row().unwrap()).unwrap(), row);
        }
        assert!(BodyRow::decode_row(&[1, 2]).is_err());
        assert!(BodyRow::decode_row(&[2, 0]).is_err());
        let id = BodyId([7; 16]);
        assert_eq!(BodyId::parse(&id.to_string()), Some(id));
        assert_eq!(serde_json::from_str::<BodyId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    }
}
