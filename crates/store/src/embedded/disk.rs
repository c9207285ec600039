//! The disk as the engine sees it: a few files that can be read, written and synced. The seam where simulations put a disk
//! that loses power.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file. Offsets and lengths are in bytes.
pub trait DiskFile: fmt::Debug + Send + Sync + 'static {
    /// The length.
    ///
    /// # Errors
    /// Whatever the disk answers.
    fn len(&self) -> io::Result<u64>;

    /// Whether the length is 0.
    ///
    /// # Errors
    /// Whatever the disk answers.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// Whatever the disk answers; also if the file ends before `out` is full.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `data` at `offset`, growing the file as needed. Not durable before the next sync.
    ///
    /// # Errors
    /// Whatever the disk answers.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Cuts off or appends zeros.
    ///
    /// # Errors
    /// Whatever the disk answers.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Returns when all that was written before, and the length, survive a loss of power. After an error the engine never
    /// uses the file again: what then is on the disk is not known.
    ///
    /// # Errors
    /// Whatever the disk answers.
    fn sync(&self) -> io::Result<()>;
}

/// A place with files.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file, creating it if need be. Its name is not durable before [`sync_names`](Disk::sync_names).
    ///
    /// # Errors
    /// Whatever the disk answers.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Whether there is a file of this name.
    ///
    /// # Errors
    /// Whatever the disk answers.
    fn exists(&self, name: &str) -> io::Result<bool>;

    /// Gives a file another name, taking the place of a file that may have it: wholly or not at all, and durably with the
    /// next [`sync_names`](Disk::sync_names). Whoever has the file open keeps it.
    ///
    /// # Errors
    /// Whatever the disk answers.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Returns when all files that were created, and the names that were given, survive a loss of power.
    ///
    /// # Errors
    /// Whatever the disk answers.
    fn sync_names(&self) -> io::Result<()>;
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process has it.
    #[error("the data directory {} is in use by another process ({holder})", .dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// What the other process has left in the lock file, normally `pid N`.
        holder: String,
    },
    /// The file system refuses.
    #[error("the data directory {} cannot be used: {cause}", .dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// A directory of the machine, locked for this process as long as this lives.
#[derive(Debug)]
pub struct Directory {
    dir: PathBuf,
    _lock: File,
}

impl Directory {
    /// Creates the directory if need be (readable for its user alone), and locks it.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn open(dir: &Path) -> Result<Self, DirectoryError> {
        let failed = |cause| DirectoryError::Io { dir: dir.to_owned(), cause };
        create_durably(dir).map_err(failed)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who it is helps the reader of the message; that someone is there is known without.
                if lock.read_to_string(&mut holder).is_err() || holder.is_empty() {
                    holder = "which has not said who it is".to_owned();
                }
                return Err(DirectoryError::InUse { dir: dir.to_owned(), holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let name = |lock: &mut File| {
            lock.set_len(0)?;
            lock.seek(SeekFrom::Start(0))?;
            writeln!(lock, "pid {}", std::process::id())
        };
        name(&mut lock).map_err(failed)?;
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }
}

/// Creates a directory so that its name survives a loss of power.
fn create_durably(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if dir.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let dir = dir.canonicalize()?;
    dir.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

impl Disk for Directory {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.dir.join(name);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Arc::new(MachineFile(file)))
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        self.dir.join(name).try_exists()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

#[derive(Debug)]
struct MachineFile(File);

impl DiskFile for MachineFile {
    fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Lets redb keep its file on a [`Disk`].
#[derive(Debug)]
pub(super) struct RedbFile(pub(super) Arc<dyn DiskFile>);

impl redb::StorageBackend for RedbFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}
