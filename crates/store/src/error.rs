//! What can go wrong, in two enums: [`CommitError`] is what an engine answers to one commit attempt, [`StoreError`] is what
//! callers of [`Db`](crate::Db) and [`Tx`](crate::Tx) see after retries.

use crate::Bytes;

/// The answer of an engine to one [`Commit`](crate::Commit) that was not applied, or whose fate is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A check failed; nothing was applied. Read again and retry.
    #[error("conflict at key {}", show_key(.at))]
    Conflict {
        /// The key, or the start of the range, whose check failed.
        at: Bytes,
    },
    /// A [`Check::Fence`](crate::Check::Fence) failed: the lease has passed to another owner. Nothing was applied; never retry,
    /// whatever was decided from memory is out of date.
    #[error("fenced: the lease belongs to another owner")]
    Fenced,
    /// The connection to the engine broke while the commit was under way: it may or may not have been applied. Committing the
    /// same [`Commit`](crate::Commit) with the same token again settles it. The embedded engines never answer this.
    #[error("the fate of the commit is not known")]
    Unknown,
    /// A limit of [`Limits`](crate::Limits) was exceeded; nothing was applied.
    #[error("{what} is {value}, the limit is {limit}")]
    TooLarge {
        /// The limit that holds.
        limit: usize,
        /// The value that was asked for.
        value: usize,
        /// What was measured, with its unit, for example `"value bytes"`.
        what: &'static str,
    },
    /// The commit makes no sense for the rows it meets, for example an `Add` to a row that is no counter. Nothing was applied.
    #[error("invalid commit: {0}")]
    Invalid(String),
    /// The engine cannot answer: shut down, out of disk, or not reachable. Nothing was applied.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// What a caller of [`Db`](crate::Db) or [`Tx`](crate::Tx) gets when the store cannot do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Other transactions kept winning until the attempts were used up (or the one attempt, for [`Tx::commit`](crate::Tx::commit)).
    #[error("conflict at key {} after {attempts} attempts", show_key(.at))]
    Conflict {
        /// The key, or the start of the range, of the last conflict.
        at: Bytes,
        /// How many attempts were made.
        attempts: u32,
    },
    /// The partition that this transaction was fenced by has passed to another owner.
    #[error("fenced: the lease belongs to another owner")]
    Fenced,
    /// A limit was exceeded.
    #[error("{what} is {value}, the limit is {limit}")]
    TooLarge {
        /// The limit that holds.
        limit: usize,
        /// The value that was asked for.
        value: usize,
        /// What was measured, with its unit.
        what: &'static str,
    },
    /// A row does not decode: written by a newer version, or damaged.
    #[error("the row at key {} is corrupt: {reason}", show_key(.key))]
    Corrupt {
        /// The key of the row.
        key: Bytes,
        /// What is wrong with it.
        reason: String,
    },
    /// A request that no state of the store could satisfy: an error of the program, not of its user.
    #[error("invalid request to the store: {0}")]
    Invalid(String),
    /// A [`View`](crate::View) outlived its deadline.
    #[error("the view has outlived its deadline")]
    ViewExpired,
    /// The engine cannot answer, or the fate of a commit could not be settled.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

impl From<CommitError> for StoreError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { at } => Self::Conflict { at, attempts: 1 },
            CommitError::Fenced => Self::Fenced,
            CommitError::Unknown => Self::Unavailable("the fate of the commit is not known".to_owned()),
            CommitError::TooLarge { limit, value, what } => Self::TooLarge { limit, value, what },
            CommitError::Invalid(reason) => Self::Invalid(reason),
            CommitError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<StoreError> for cauce_core::ServiceError {
    /// A client never sees what ails the store: an exhausted conflict or an unavailable engine is 503 `ServiceUnavailable`,
    /// which SDKs repeat, anything else 500 `InternalFailure`. The cause goes to the log.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } | StoreError::Fenced | StoreError::Unavailable(_) => {
                let message = "The request has failed due to a temporary failure of the server.";
                Self::new(503, "ServiceUnavailable", message).with_cause(error)
            }
            other => Self::internal(other),
        }
    }
}

impl From<StoreError> for CommitError {
    /// For engines, whose commits read rows: a read that fails makes the commit fail.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { at, .. } => Self::Conflict { at },
            StoreError::Fenced => Self::Fenced,
            StoreError::TooLarge { limit, value, what } => Self::TooLarge { limit, value, what },
            StoreError::Invalid(reason) => Self::Invalid(reason),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Prints a key for people: printable ASCII as it is, the rest escaped, at most 64 bytes of it.
pub(crate) fn show_key(key: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 64;
    let mut shown: String = key.iter().take(SHOWN_BYTES_MAX).flat_map(|b| b.escape_ascii()).map(char::from).collect();
    if key.len() > SHOWN_BYTES_MAX {
        shown.push_str("...");
    }
    shown
}
