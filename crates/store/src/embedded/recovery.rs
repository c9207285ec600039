//! Opening: the index as of the last checkpoint, and on top of it what the log holds.

use std::sync::Arc;

use super::committer::{Committer, Fatal};
use super::disk::{DirectoryError, Disk};
use super::frame::FrameWriter;
use super::index::{Index, IndexError, Position};
use super::log::{Epoch, Found, Log, LogError};
use super::options::EmbeddedOptions;
use super::published::Published;
use crate::contract::Version;
use crate::state::apply;
use crate::token;

/// The files of a store.
const INDEX_FILE: &str = "index.redb";
/// The index until it is complete enough to be opened whatever happens.
const NEW_INDEX_FILE: &str = "index.redb.new";
const LOG_FILES: [&str; 2] = ["commits.0.log", "commits.1.log"];

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is in use, or not usable.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The disk refuses.
    #[error("the disk refuses: {0}")]
    Io(#[from] std::io::Error),
    /// What is on the disk is not what was once written there. Nothing was changed; restore a backup.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl From<IndexError> for OpenError {
    fn from(error: IndexError) -> Self {
        Self::Damaged(format!("the index: {error}"))
    }
}

impl From<LogError> for OpenError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Io(error) => Self::Io(error),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<Fatal> for OpenError {
    fn from(error: Fatal) -> Self {
        Self::Io(std::io::Error::other(error.to_string()))
    }
}

/// Opens the files and brings the index up to the last commit that was acknowledged.
pub(super) fn recover(disk: &dyn Disk, options: &EmbeddedOptions) -> Result<(Committer, Index), OpenError> {
    let known = disk.exists(INDEX_FILE)?;
    let index = if known { Index::open(disk.open(INDEX_FILE)?, options.cache_bytes)? } else { create(disk, options)? };
    let [even, odd] = LOG_FILES.map(|name| disk.open(name));
    let (even, odd) = (even?, odd?);
    if !known {
        // Nothing is written to a log before its index has its name for good. So this one has lost its index, and an empty
        // store must not take its place.
        if !even.is_empty()? || !odd.is_empty()? {
            return Err(OpenError::Damaged(format!("there is a log, but no {INDEX_FILE}")));
        }
        disk.rename(NEW_INDEX_FILE, INDEX_FILE)?;
        disk.sync_names()?;
    }
    let position = index.position()?.map_err(|reason| OpenError::Damaged(format!("the index: {reason}")))?;
    let mut log = Log::open(even, odd, position.epoch)?;
    let position = replay(&index, &mut log, position)?;
    log.switch_to(position.epoch);
    let published = Arc::new(Published::new(index.snapshot()?, Arc::clone(&options.clock), options.limits));
    let committer = Committer {
        log,
        sequence: position.sequence,
        published,
        rings: Arc::default(),
        clock: Arc::clone(&options.clock),
        limits: options.limits,
        frame: FrameWriter::default(),
    };
    Ok((committer, index))
}

/// Makes an empty index. redb does not open a file whose creation was cut short, so it gets its name when it is whole.
fn create(disk: &dyn Disk, options: &EmbeddedOptions) -> Result<Index, OpenError> {
    let file = disk.open(NEW_INDEX_FILE)?;
    file.set_len(0)?;
    let index = Index::open(file, options.cache_bytes)?;
    index.write()?.finish(Position { sequence: 0, epoch: Epoch { secret: options.entropy.u64(), number: 0 } })?;
    Ok(index)
}

/// Repeats on the index the commits that the log holds beyond `position`. Returns where the store stands then.
fn replay(index: &Index, log: &mut Log, position: Position) -> Result<Position, OpenError> {
    let mut sequence = position.sequence;
    let mut writing = None;
    let torn = loop {
        let commits = match log.recover_next(sequence + 1)? {
            Found::End { torn } => break torn,
            Found::Frame(commits) => commits,
        };
        let writing = match &writing {
            Some(writing) => writing,
            None => writing.insert(index.write()?),
        };
        let mut rows = writing.rows()?;
        for logged in commits {
            sequence += 1;
            let version = Version(sequence);
            let token = |rows: &mut _| match &logged.token {
                Some((token, used)) => token::remember(rows, token, *used, version),
                None => Ok(()),
            };
            apply(&mut rows, &logged.muts, version)
                .and_then(|()| token(&mut rows))
                .map_err(|error| OpenError::Damaged(format!("commit {sequence} of the log does not apply: {error}")))?;
        }
    };
    if writing.is_none() && !torn {
        return Ok(position);
    }
    tracing::info!(
        repeated = sequence - position.sequence,
        torn,
        "the store was not closed properly; its log is replayed"
    );
    // What is left of a torn frame must not meet the frames to come: they go to another epoch.
    let position = Position { sequence, epoch: log.epoch().next() };
    match writing {
        Some(writing) => writing,
        None => index.write()?,
    }
    .finish(position)?;
    Ok(position)
}
