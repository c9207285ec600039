//! The log: what was committed since the last checkpoint of the index. One file, written from its beginning again after each
//! checkpoint, so that its blocks are allocated once and a sync need not touch the file system's own journal.

use std::io;
use std::sync::Arc;

use super::disk::DiskFile;
use super::frame::{FrameWriter, HEADER_BYTES, Header, Logged, SECTOR_BYTES, decode_body};

/// The file grows by at least so much at a time, in zeros, ahead of what is written.
const GROWS_BY_BYTES_MIN: u64 = 256 * 1024;
/// The file grows by at most so much at a time beyond what a frame needs.
const GROWS_BY_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes that recovery reads at once while it looks for frames behind a damaged one.
const SEARCH_BYTES: usize = 1024 * 1024;

/// Which stretch of the log is meant: it changes with every checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch {
    /// Drawn once when the database was created.
    pub(super) secret: u64,
    /// Counts the checkpoints.
    pub(super) number: u64,
}

impl Epoch {
    pub(super) fn next(self) -> Self {
        Self { number: self.number.wrapping_add(1), ..self }
    }

    /// What marks the frames of this epoch: the finalizer of SplitMix64 over both.
    fn tag(self) -> u64 {
        let mut mixed = self.secret.wrapping_add(self.number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(
        "the log is damaged at byte {damaged_at}: a later frame at byte {later_at} proves that what is missing was once acknowledged"
    )]
    Damaged { damaged_at: u64, later_at: u64 },
    #[error("the log cannot be read at byte {at}: {reason}")]
    Unreadable { at: u64, reason: String },
}

/// What recovery has found in the log.
#[derive(Debug)]
pub(super) enum Found {
    /// The commits of a whole frame.
    Frame(Vec<Logged>),
    /// The end. `torn` if a frame was begun there that was never acknowledged.
    End { torn: bool },
}

/// The log under way.
pub(super) struct Log {
    file: Arc<dyn DiskFile>,
    epoch: Epoch,
    /// Where the next frame begins.
    end: u64,
    /// How long the file is.
    allocated: u64,
}

impl Log {
    pub(super) fn open(file: Arc<dyn DiskFile>, epoch: Epoch) -> io::Result<Self> {
        let allocated = file.len()?;
        Ok(Self { file, epoch, end: 0, allocated })
    }

    /// Bytes since the last checkpoint.
    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Appends a frame. It is durable when this returns.
    pub(super) fn append(&mut self, frame: &mut FrameWriter, first: u64) -> io::Result<()> {
        let frame = frame.finish(self.epoch.tag(), first);
        let end = self.end + frame.len() as u64;
        self.file.write_at(self.end, frame)?;
        if end > self.allocated {
            let grown = end + self.allocated.clamp(GROWS_BY_BYTES_MIN, GROWS_BY_BYTES_MAX);
            let zeros = vec![0; usize::try_from(grown - end).unwrap_or_default()];
            self.file.write_at(end, &zeros)?;
            self.allocated = grown;
        }
        self.file.sync()?;
        self.end = end;
        Ok(())
    }

    /// Begins again: all that was appended is in the index, which names `epoch` from now on.
    pub(super) fn restart(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        self.end = 0;
    }

    /// Reads the next frame while recovering. `expected` is the sequence that it must begin with.
    pub(super) fn recover_next(&mut self, expected: u64) -> Result<Found, LogError> {
        let at = self.end;
        let header = self.header_at(at)?;
        if let Some(header) = header {
            if header.first != expected {
                let reason = format!("its first commit is {}, expected {expected}", header.first);
                return Err(LogError::Unreadable { at, reason });
            }
            if let Some(body) = self.body_of(at, &header)? {
                let commits = decode_body(&body, header.commits)
                    .map_err(|error| LogError::Unreadable { at, reason: error.to_string() })?;
                self.end = at + header.frame_bytes();
                return Ok(Found::Frame(commits));
            }
        }
        match self.search_header(at + SECTOR_BYTES as u64)? {
            // Frames are written one at a time, each after the sync of the one before.
            Some(later_at) => Err(LogError::Damaged { damaged_at: at, later_at }),
            None => Ok(Found::End { torn: header.is_some() }),
        }
    }

    fn header_at(&self, at: u64) -> io::Result<Option<Header>> {
        let mut bytes = [0; HEADER_BYTES];
        if at + HEADER_BYTES as u64 > self.allocated {
            return Ok(None);
        }
        self.file.read_at(at, &mut bytes)?;
        Ok(Header::decode(&bytes, self.epoch.tag()))
    }

    fn body_of(&self, at: u64, header: &Header) -> io::Result<Option<Vec<u8>>> {
        if at + header.frame_bytes() > self.allocated {
            return Ok(None);
        }
        let mut body = vec![0; header.body_bytes as usize];
        self.file.read_at(at + HEADER_BYTES as u64, &mut body)?;
        Ok((crc32c::crc32c(&body) == header.body_crc).then_some(body))
    }

    /// Looks for a header of this epoch at or after `from`.
    fn search_header(&self, mut from: u64) -> io::Result<Option<u64>> {
        while from < self.allocated {
            let bytes = usize::try_from(self.allocated - from).unwrap_or(usize::MAX).min(SEARCH_BYTES);
            let mut window = vec![0; bytes];
            self.file.read_at(from, &mut window)?;
            let mut sectors = window.chunks(SECTOR_BYTES).zip((from..).step_by(SECTOR_BYTES));
            if let Some((_, at)) = sectors.find(|(sector, _)| Header::decode(sector, self.epoch.tag()).is_some()) {
                return Ok(Some(at));
            }
            from += bytes as u64;
        }
        Ok(None)
    }
}
