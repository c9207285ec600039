//! How the embedded engine is run.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Clock, Entropy, SystemClock, SystemEntropy};

use crate::contract::Limits;

/// What to do when the disk has failed in a way after which nothing is known about it. Gets a message for people.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// How the embedded engine is run. [`Default`] is right for a server; sizes are in bytes.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// Memory for pages of the index. Used only as far as there is data, and the kernel
    /// caches the file as well. Default 16 MiB.
    pub cache_bytes: usize,
    /// What was committed goes into the index when the log holds so much. Commits wait when it holds twice as much and the
    /// index has not kept up. Bounds memory, and the work of opening after a crash. Default 16 MiB.
    pub checkpoint_log_bytes: u64,
    /// What was committed goes into the index when it is so many rows: bounds how many removed rows a scan meets. Default 32,768.
    pub checkpoint_rows: usize,
    /// What was committed goes into the index when it is so old. Default 1 s.
    pub checkpoint_every: Duration,
    /// Commits that share one sync. Default 4,096.
    pub batch_commits_max: usize,
    /// Bytes that share one sync (one commit may be larger). Default 1 MiB.
    pub batch_bytes_max: usize,
    /// Bytes that may wait for the committer before callers have to. Default 64 MiB.
    pub queue_bytes_max: usize,
    /// What is accepted.
    pub limits: Limits,
    /// The clock for leases, tokens and views.
    pub clock: Arc<dyn Clock>,
    /// Draws the secret of a new database.
    pub entropy: Arc<dyn Entropy>,
    /// What happens after a failed write or sync. Default: log it and abort the process, since what the disk then holds is not known and a
    /// sync that is tried again may falsely succeed.
    pub on_fatal: OnFatal,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 16 * 1024 * 1024,
            checkpoint_log_bytes: 16 * 1024 * 1024,
            checkpoint_rows: 32_768,
            checkpoint_every: Duration::from_secs(1),
            batch_commits_max: 4_096,
            batch_bytes_max: 1024 * 1024,
            queue_bytes_max: 64 * 1024 * 1024,
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            on_fatal: Arc::new(|message| {
                tracing::error!("{message}");
                eprintln!("cauce: {message}");
                std::process::abort();
            }),
        }
    }
}

impl std::fmt::Debug for EmbeddedOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedOptions").field("cache_bytes", &self.cache_bytes).finish_non_exhaustive()
    }
}
