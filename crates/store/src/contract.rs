//! The contract between the store and its engines: batches of reads at one snapshot, and self-contained commits.
//!
//! An engine never holds an open read-write transaction. Reads and writes meet again only in the checks of a [`Commit`], so
//! that commits of different callers can share one fsync, and no lock or connection is held in between.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cauce_core::Timestamp;

use crate::error::{CommitError, StoreError};
use crate::watch::Watcher;

/// Keys and values: cheap to clone, compared bytewise.
pub type Bytes = bytes::Bytes;

/// Names one write of one key. Two different writes of a key never carry the same version; versions have no order that a
/// caller may rely on. Zero is "absent".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Version(pub u64);

impl Version {
    /// The version of a key that has no row.
    pub const ABSENT: Version = Version(0);
}

/// One key with its value, as one snapshot saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub val: Bytes,
    /// Which write of the key this is.
    pub version: Version,
}

/// A bounded scan of the keys `start <= key < end` in bytewise order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeReq {
    /// First key that may be returned.
    pub start: Bytes,
    /// First key that may not be returned any more.
    pub end: Bytes,
    /// At most so many rows; at most [`Limits::range_rows_max`].
    pub limit: usize,
    /// The range stops before the row with which its keys and values would have more bytes than these, but never before its
    /// first row; [`Limits::range_bytes_max`] where that is less.
    pub bytes_max: usize,
    /// From the end towards the start.
    pub reverse: bool,
}

impl RangeReq {
    /// The first `limit` rows of a pair as [`Key::prefix_range`](crate::Key::prefix_range) makes it.
    #[must_use]
    pub fn new((start, end): (Bytes, Bytes), limit: usize) -> Self {
        Self { start, end, limit, bytes_max: usize::MAX, reverse: false }
    }

    /// The same range, stopping after so many bytes.
    #[must_use]
    pub fn within_bytes(mut self, bytes_max: usize) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    /// The same range from its end.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.reverse = !self.reverse;
        self
    }

    /// What is left of this range after `last` was returned: the request for the next page.
    #[must_use]
    pub fn after(mut self, last: &[u8]) -> Self {
        if self.reverse {
            self.end = Bytes::copy_from_slice(last);
        } else {
            let mut start = Vec::with_capacity(last.len() + 1);
            start.extend_from_slice(last);
            start.push(0);
            self.start = start.into();
        }
        self
    }
}

/// The rows of one range, in the order asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RangeResp {
    /// The rows.
    pub rows: Vec<Row>,
    /// True if the range holds further rows, cut off by `limit`, by `bytes_max` or by [`Limits::range_bytes_max`].
    pub more: bool,
}

/// A batch of reads, answered at one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadReq {
    /// Single keys.
    pub gets: Vec<Bytes>,
    /// Ranges.
    pub ranges: Vec<RangeReq>,
}

/// The answers to a [`ReadReq`], in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadResp {
    /// One entry for each of `gets`.
    pub gets: Vec<Option<Row>>,
    /// One entry for each of `ranges`.
    pub ranges: Vec<RangeResp>,
}

/// What must still hold when a commit is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The key still carries this version ([`Version::ABSENT`]: still has no row).
    Key {
        /// The key.
        key: Bytes,
        /// The version it carried when it was read.
        version: Version,
    },
    /// The range would return exactly these rows: catches rows that came, went or changed (phantoms).
    Range {
        /// The range; its limits are part of the question.
        req: RangeReq,
        /// Key and version of every row it must return, in its order.
        seen: Vec<(Bytes, Version)>,
    },
    /// The lease row at `lease` still carries this fencing token. Failure is [`CommitError::Fenced`], never a conflict.
    Fence {
        /// Key of a lease row, see [`lease`](crate::Lease).
        lease: Bytes,
        /// The token that the owner was given.
        token: u64,
    },
}

/// One change. The mutations of a commit are applied in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mutation {
    /// Writes a row.
    Set {
        /// The key.
        key: Bytes,
        /// The value.
        val: Bytes,
    },
    /// Removes a row, if there is one.
    Clear {
        /// The key.
        key: Bytes,
    },
    /// Removes all rows with `start <= key < end`; at most [`Limits::clear_rows_max`] of them.
    ClearRange {
        /// First key to go.
        start: Bytes,
        /// First key to stay.
        end: Bytes,
    },
    /// Adds to a counter: a row of 8 bytes, big-endian two's complement, taken as 0 when absent; wraps around. Additions
    /// commute, so counting needs no check and never conflicts.
    Add {
        /// The key.
        key: Bytes,
        /// What to add; negative to subtract.
        delta: i64,
    },
}

/// A self-contained atomic change: if all checks hold, all mutations are applied, else none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// What must still hold.
    pub checks: Vec<Check>,
    /// What changes.
    pub muts: Vec<Mutation>,
    /// Idempotency token: a commit whose token was already applied answers `Ok` and changes nothing, for at least
    /// [`Limits::token_kept`].
    pub token: Option<[u8; 16]>,
    /// Channels whose watchers are woken after durability. A commit that fails rings nothing.
    pub ring: Vec<Bytes>,
}

/// What an engine accepts. Every field is a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a key.
    pub key_bytes_max: usize,
    /// Bytes of a value.
    pub value_bytes_max: usize,
    /// Checks plus mutations plus rings of a commit.
    pub commit_ops_max: usize,
    /// Bytes of all keys and values in a commit.
    pub commit_bytes_max: usize,
    /// Rows that one [`Mutation::ClearRange`] removes.
    pub clear_rows_max: usize,
    /// Rows that one range returns.
    pub range_rows_max: usize,
    /// Bytes after which a range stops and says `more`. It always returns one row if there is one.
    pub range_bytes_max: usize,
    /// Gets plus ranges of one [`ReadReq`].
    pub read_ops_max: usize,
    /// How long a [`View`] lives.
    pub view_lives: Duration,
    /// How long an idempotency token is remembered at least.
    pub token_kept: Duration,
    /// Whether the engine may answer [`CommitError::Unknown`]; then [`Tx`](crate::Tx) puts a token into every commit.
    pub may_lose_answers: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes_max: 8 * 1024,
            value_bytes_max: 8 * 1024 * 1024,
            commit_ops_max: 20_000,
            commit_bytes_max: 16 * 1024 * 1024,
            clear_rows_max: 65_536,
            range_rows_max: 20_000,
            range_bytes_max: 4 * 1024 * 1024,
            read_ops_max: 20_000,
            view_lives: Duration::from_secs(60),
            token_kept: Duration::from_secs(600),
            may_lose_answers: false,
        }
    }
}

/// An engine: one ordered map of bytes to bytes. Every engine gives
/// - atomic and durable commits: `Ok` means that the commit survives whatever is killed or unplugged;
/// - strict serializability of commits and reads: a read that starts after a commit has returned sees it;
/// - one [`read`](Store::read) = one snapshot;
/// - bytewise key order.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Answers all of `req` at one snapshot.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if a limit is exceeded, [`StoreError::Unavailable`] if the engine cannot answer.
    async fn read(&self, req: ReadReq) -> Result<ReadResp, StoreError>;

    /// Takes a snapshot that stays for [`Limits::view_lives`]: for exports, scans and start-up.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the engine cannot answer.
    async fn view(&self) -> Result<View, StoreError>;

    /// Applies a commit. Answers only when it is durable; concurrent calls share one fsync. A commit without mutations
    /// only checks.
    ///
    /// # Errors
    /// See [`CommitError`].
    async fn commit(&self, commit: Commit) -> Result<(), CommitError>;

    /// Registers for rings of `channel` from now on. A ring is a hint, never data: re-read after it, and poll anyway at the
    /// interval that [`Watcher::wait`] is given.
    fn watch(&self, channel: Bytes) -> Watcher;

    /// The clock of the store: the only one to be used for the expiry of leases.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the engine cannot answer.
    async fn now(&self) -> Result<Timestamp, StoreError>;

    /// What this engine accepts.
    fn limits(&self) -> Limits;
}

/// The read side of a snapshot that an engine keeps for a [`View`].
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// Answers all of `req` at the snapshot.
    ///
    /// # Errors
    /// As [`Store::read`], and [`StoreError::ViewExpired`] after the deadline.
    async fn read(&self, req: ReadReq) -> Result<ReadResp, StoreError>;
}

/// A snapshot of the whole store that stays the same however long it is read, up to [`Limits::view_lives`].
#[derive(Clone)]
pub struct View {
    snapshot: Arc<dyn Snapshot>,
}

impl View {
    /// Wraps the snapshot of an engine.
    #[must_use]
    pub fn new(snapshot: Arc<dyn Snapshot>) -> Self {
        Self { snapshot }
    }

    /// One value.
    ///
    /// # Errors
    /// As [`Snapshot::read`].
    pub async fn get(&self, key: &Bytes) -> Result<Option<Bytes>, StoreError> {
        let resp = self.snapshot.read(ReadReq { gets: vec![key.clone()], ranges: Vec::new() }).await?;
        Ok(resp.gets.into_iter().next().flatten().map(|row| row.val))
    }

    /// One page of a range; the next page is `req.after(last key)`.
    ///
    /// # Errors
    /// As [`Snapshot::read`].
    pub async fn range(&self, req: RangeReq) -> Result<RangeResp, StoreError> {
        let resp = self.snapshot.read(ReadReq { gets: Vec::new(), ranges: vec![req] }).await?;
        Ok(resp.ranges.into_iter().next().unwrap_or_default())
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}
