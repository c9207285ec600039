//! Writers of SQLite's file, one after the other.
//!
//! SQLite makes a second writer sleep and try again, longer each time: among many processes the unlucky one waits for seconds. A
//! lock on a file beside the database lets the kernel wake whoever waits, and goes with its holder, however that ends. It is for
//! fairness alone: SQLite's own locks still keep writers apart.

use std::fs::{File, OpenOptions};
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use sqlx::{Any, Transaction};

use super::Error;

/// The lock.
#[derive(Clone, Debug)]
pub(super) struct Turns(PathBuf);

impl Turns {
    /// The lock of the database at `path`.
    pub(super) fn beside(path: &str) -> Turns {
        Turns(PathBuf::from(format!("{path}-turn")))
    }

    /// Waits until it is ours.
    pub(super) async fn wait(&self) -> Result<File, Error> {
        let path = self.0.clone();
        let locked = tokio::task::spawn_blocking(move || {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            file.lock()?;
            Ok(file)
        });
        locked.await.map_err(|cause| Error::Turn(std::io::Error::other(cause)))?.map_err(Error::Turn)
    }
}

/// A transaction that writes, in its turn. Dropped without commit it writes nothing.
pub(super) struct Write {
    tx: Transaction<'static, Any>,
    /// Given up after the transaction.
    _turn: Option<File>,
}

impl Write {
    pub(super) fn new(tx: Transaction<'static, Any>, turn: Option<File>) -> Write {
        Write { tx, _turn: turn }
    }

    /// Makes it durable.
    pub(super) async fn commit(self) -> Result<(), Error> {
        Ok(self.tx.commit().await?)
    }
}

impl Deref for Write {
    type Target = Transaction<'static, Any>;

    fn deref(&self) -> &Self::Target {
        &self.tx
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.tx
    }
}
