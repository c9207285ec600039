//! The log: what was committed since the index was last written.
//!
//! Two files take turns. A checkpoint begins by switching to the other file, and once the index is durable the file before is
//! free. Files are written over from their beginning, so that their blocks are allocated once and a sync need not touch the file
//! system's own journal. Which stretch is meant is the [`Epoch`]: it counts the switches, and even epochs lie in the first file.

use std::io;
use std::sync::Arc;

use super::disk::DiskFile;
use super::frame::{FrameWriter, HEADER_BYTES, Header, Logged, SECTOR_BYTES, decode_body};

/// A file grows by at least so much at a time, in zeros, ahead of what is written.
const GROWS_BY_BYTES_MIN: u64 = 256 * 1024;
/// A file grows by at most so much at a time beyond what a frame needs.
const GROWS_BY_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes that recovery reads at once while it looks for frames behind a damaged one.
const SEARCH_BYTES: usize = 1024 * 1024;

/// A stretch of the log between two switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch {
    /// Drawn once when the database was created.
    pub(super) secret: u64,
    /// Counts the switches.
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
        "the log is damaged at byte {damaged_at} of epoch {epoch}: a later frame at byte {later_at} of epoch {later_epoch} proves that \
         what is missing was once acknowledged"
    )]
    Damaged { epoch: u64, damaged_at: u64, later_epoch: u64, later_at: u64 },
    #[error("the log cannot be read at byte {at} of epoch {epoch}: {reason}")]
    Unreadable { epoch: u64, at: u64, reason: String },
}

/// What recovery has found in the log.
#[derive(Debug)]
pub(super) enum Found {
    /// The commits of a whole frame.
    Frame(Vec<Logged>),
    /// The end. `torn` if a frame was begun there that was never acknowledged.
    End { torn: bool },
}

struct LogFile {
    file: Arc<dyn DiskFile>,
    /// How long it is.
    allocated: u64,
}

/// The log under way.
pub(super) struct Log {
    even: LogFile,
    odd: LogFile,
    epoch: Epoch,
    /// Where the next frame begins.
    end: u64,
}

impl Log {
    /// The log, about to be read or written from the beginning of `epoch`.
    pub(super) fn open(even: Arc<dyn DiskFile>, odd: Arc<dyn DiskFile>, epoch: Epoch) -> io::Result<Self> {
        let open = |file: Arc<dyn DiskFile>| file.len().map(|allocated| LogFile { file, allocated });
        Ok(Self { even: open(even)?, odd: open(odd)?, epoch, end: 0 })
    }

    /// Bytes of the present epoch.
    pub(super) fn bytes(&self) -> u64 {
        self.end
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Appends a frame. It is durable when this returns.
    pub(super) fn append(&mut self, frame: &mut FrameWriter, first: u64) -> io::Result<()> {
        let frame = frame.finish(self.epoch.tag(), first);
        let log_file = if self.epoch.number.is_multiple_of(2) { &mut self.even } else { &mut self.odd };
        log_file.write(self.end, frame)?;
        log_file.file.sync()?;
        self.end += frame.len() as u64;
        Ok(())
    }

    /// Goes on in the next epoch. All of the epoch before the present one must be in the index by now.
    pub(super) fn switch_to(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        self.end = 0;
    }

    /// Reads the next frame while recovering. `expected` is the sequence that it must begin with.
    pub(super) fn recover_next(&mut self, expected: u64) -> Result<Found, LogError> {
        let (epoch, at) = (self.epoch, self.end);
        let header = self.of(epoch).header_at(at, epoch)?;
        if let Some(header) = header {
            let unreadable = |reason| LogError::Unreadable { epoch: epoch.number, at, reason };
            if header.first != expected {
                return Err(unreadable(format!("its first commit is {}, expected {expected}", header.first)));
            }
            if let Some(body) = self.of(epoch).body_of(at, &header)? {
                let commits = decode_body(&body, header.commits).map_err(|error| unreadable(error.to_string()))?;
                self.end = at + header.frame_bytes();
                return Ok(Found::Frame(commits));
            }
        }
        // Frames are written one at a time, each after the sync of the one before. So if any comes later, what is not
        // readable here was durable once.
        let damaged = |later: Epoch, later_at| LogError::Damaged {
            epoch: epoch.number,
            damaged_at: at,
            later_epoch: later.number,
            later_at,
        };
        if let Some(later_at) = self.of(epoch).search_header(at + SECTOR_BYTES as u64, epoch)? {
            return Err(damaged(epoch, later_at));
        }
        let next = epoch.next();
        match self.of(next).search_header(0, next)? {
            None => Ok(Found::End { torn: header.is_some() }),
            // The sequence of its first frame tells whether anything is missing between.
            Some(0) if header.is_none() => {
                self.switch_to(next);
                self.recover_next(expected)
            }
            Some(later_at) => Err(damaged(next, later_at)),
        }
    }

    fn of(&self, epoch: Epoch) -> &LogFile {
        if epoch.number.is_multiple_of(2) { &self.even } else { &self.odd }
    }
}

impl LogFile {
    fn write(&mut self, at: u64, frame: &[u8]) -> io::Result<()> {
        let end = at + frame.len() as u64;
        self.file.write_at(at, frame)?;
        if end > self.allocated {
            let grown = end + self.allocated.clamp(GROWS_BY_BYTES_MIN, GROWS_BY_BYTES_MAX);
            let zeros = vec![0; usize::try_from(grown - end).unwrap_or_default()];
            self.file.write_at(end, &zeros)?;
            self.allocated = grown;
        }
        Ok(())
    }

    fn header_at(&self, at: u64, epoch: Epoch) -> io::Result<Option<Header>> {
        let mut bytes = [0; HEADER_BYTES];
        if at + HEADER_BYTES as u64 > self.allocated {
            return Ok(None);
        }
        self.file.read_at(at, &mut bytes)?;
        Ok(Header::decode(&bytes, epoch.tag()))
    }

    fn body_of(&self, at: u64, header: &Header) -> io::Result<Option<Vec<u8>>> {
        if at + header.frame_bytes() > self.allocated {
            return Ok(None);
        }
        let mut body = vec![0; header.body_bytes as usize];
        self.file.read_at(at + HEADER_BYTES as u64, &mut body)?;
        Ok((crc32c::crc32c(&body) == header.body_crc).then_some(body))
    }

    /// Looks for a header of `epoch` at or after `from`.
    fn search_header(&self, mut from: u64, epoch: Epoch) -> io::Result<Option<u64>> {
        while from < self.allocated {
            let bytes = usize::try_from(self.allocated - from).unwrap_or(usize::MAX).min(SEARCH_BYTES);
            let mut window = vec![0; bytes];
            self.file.read_at(from, &mut window)?;
            let mut sectors = window.chunks(SECTOR_BYTES).zip((from..).step_by(SECTOR_BYTES));
            if let Some((_, at)) = sectors.find(|(sector, _)| Header::decode(sector, epoch.tag()).is_some()) {
                return Ok(Some(at));
            }
            from += bytes as u64;
        }
        Ok(None)
    }
}
