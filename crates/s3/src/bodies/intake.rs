//! Taking a body in while it streams: hashed on the way, in the store if it is small, else in a file written aside.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use cauce_store::Bytes;
use futures_util::StreamExt as _;
use sha2::Digest as _;
use tokio::task::JoinHandle;

use super::{Bodies, BodyId, BodyRow, INLINE_BYTES_MAX, Kept, blocking, sync_folder, sync_or_die};
use crate::checksum::{Algorithm, Hasher};
use crate::error::{Result, S3Error};
use crate::request::ByteStream;

/// How many bytes are gathered before they are hashed and written. Two such buffers exist for each upload: one being filled,
/// one being written.
const BUFFER_BYTES: usize = 512 * 1024;

/// What is computed over the bytes while they pass.
#[derive(Clone, Debug)]
pub(crate) struct Digests {
    md5: md5::Md5,
    sha256: Option<sha2::Sha256>,
    checksums: Vec<Hasher>,
}

impl Digests {
    /// The MD5 always; the SHA-256 if the request promises one; and these checksums.
    pub(crate) fn new(sha256: bool, checksums: impl IntoIterator<Item = Algorithm>) -> Digests {
        Digests {
            md5: md5::Md5::new(),
            sha256: sha256.then(sha2::Sha256::new),
            checksums: checksums.into_iter().map(Hasher::new).collect(),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        for checksum in &mut self.checksums {
            checksum.update(bytes);
        }
    }
}

/// A body that has come in whole, but is not durable yet. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) checksums: Vec<(Algorithm, Vec<u8>)>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Inline(Bytes),
    File(Staged),
}

/// A file in `incoming/`, removed unless it is kept.
#[derive(Debug)]
struct Staged {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Staged {
    /// Makes the bytes durable, then the name.
    fn settle(mut self, to: &Path) -> io::Result<()> {
        sync_or_die(&self.file);
        fs::rename(&self.path, to)?;
        self.kept = true;
        to.parent().map_or(Ok(()), sync_folder)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a staged body could not be removed");
        }
    }
}

/// The digests and the file, handed back and forth between the reader of the stream and the thread that may block.
struct Work {
    digests: Digests,
    staged: Option<Staged>,
    path: PathBuf,
}

impl Work {
    fn absorb(mut self: Box<Work>, chunk: &[u8]) -> io::Result<Box<Work>> {
        self.digests.update(chunk);
        let mut staged = match self.staged.take() {
            Some(staged) => staged,
            None => {
                let file = File::options().write(true).create_new(true).open(&self.path)?;
                Staged { path: self.path.clone(), file, kept: false }
            }
        };
        staged.file.write_all(chunk)?;
        self.staged = Some(staged);
        Ok(self)
    }
}

/// Who has the work at the moment.
enum Hand {
    Here(Box<Work>),
    There(JoinHandle<io::Result<Box<Work>>>),
}

impl Hand {
    async fn back(self) -> Result<Box<Work>> {
        match self {
            Hand::Here(work) => Ok(work),
            Hand::There(task) => task.await.map_err(S3Error::internal)?.map_err(S3Error::internal),
        }
    }
}

impl Bodies {
    /// Takes `stream` in, at most `bytes_max` of it.
    ///
    /// # Errors
    /// Those of the stream; `EntityTooLarge`.
    pub(crate) async fn receive(
        &self,
        id: BodyId,
        stream: &mut ByteStream,
        digests: Digests,
        bytes_max: u64,
    ) -> Result<Received> {
        let path = self.shared.dir.join("incoming").join(id.to_string());
        let mut hand = Hand::Here(Box::new(Work { digests, staged: None, path }));
        let mut buffer = BytesMut::new();
        let mut bytes = 0;
        while let Some(part) = stream.next().await {
            let part = part.map_err(S3Error::Service)?;
            bytes += part.len() as u64;
            if bytes > bytes_max {
                return Err(S3Error::EntityTooLarge { bytes, bytes_max });
            }
            buffer.extend_from_slice(&part);
            if buffer.len() >= BUFFER_BYTES {
                let chunk = buffer.split().freeze();
                let work = hand.back().await?;
                hand = Hand::There(tokio::task::spawn_blocking(move || work.absorb(&chunk)));
            }
        }
        let mut work = hand.back().await?;
        let place = if work.staged.is_none() && buffer.len() <= INLINE_BYTES_MAX {
            work.digests.update(&buffer);
            Place::Inline(buffer.freeze())
        } else {
            work = blocking(move || work.absorb(&buffer)).await?;
            match work.staged.take() {
                Some(staged) => Place::File(staged),
                None => return Err(S3Error::internal(io::Error::other("no file was written"))),
            }
        };
        let digests = work.digests;
        Ok(Received {
            bytes,
            md5: digests.md5.finalize().into(),
            sha256: digests.sha256.map(|sha256| sha256.finalize().into()),
            checksums: digests.checksums.into_iter().map(|hasher| (hasher.algorithm(), hasher.finish())).collect(),
            place,
        })
    }

    /// Makes a body durable, so that a row may refer to it.
    pub(crate) async fn keep(&self, id: BodyId, received: Received) -> Result<Kept> {
        match received.place {
            Place::Inline(bytes) => Ok(Kept { id, row: BodyRow::Inline(bytes) }),
            Place::File(staged) => {
                let to = self.path(id);
                blocking(move || staged.settle(&to)).await?;
                Ok(Kept { id, row: BodyRow::File })
            }
        }
    }
}
