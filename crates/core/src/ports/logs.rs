//! Writing log lines: asked of `cloudwatch`.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Account, Region, ServiceError, Timestamp};

/// One line with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// Its text, without the line end; not UTF-8 is shown with replacement characters.
    pub text: Bytes,
}

/// Lines for one stream, in order.
#[derive(Clone, Debug)]
pub struct LogBatch {
    /// The account that owns the group.
    pub account: Account,
    /// The group's region.
    pub region: Region,
    /// For example `/aws/lambda/name`; made when missing.
    pub group: String,
    /// Made when missing.
    pub stream: String,
    /// The lines.
    pub lines: Vec<LogLine>,
}

/// Takes log lines from inside the program.
#[async_trait]
pub trait Logs: Send + Sync + 'static {
    /// Appends the lines; returns when they are durable.
    ///
    /// # Errors
    /// Only when the store refuses.
    async fn append(&self, batch: LogBatch) -> Result<(), ServiceError>;
}
