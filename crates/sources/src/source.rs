//! What batches are taken from.

use std::time::Duration;

use async_trait::async_trait;
use cauce_core::{Call, ServiceError, Timestamp};

/// One thing that was taken and is not settled yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Taken {
    /// By what consumers name it in their answers.
    pub(crate) id: String,
    /// By what the source knows this taking of it.
    pub(crate) handle: String,
    /// The JSON of its record in the event.
    pub(crate) record: String,
    /// The JSON that filters see, where there are filters.
    pub(crate) filtered: Option<String>,
    /// The tracing header that it came with.
    pub(crate) trace: Option<String>,
    /// When it was taken.
    pub(crate) at: Timestamp,
}

/// Gives out things, each to one taker at a time, and shows again what was not settled in time.
///
/// The caller is who the consumer acts as; the source asks whether it may. Errors are the source's own.
#[async_trait]
pub(crate) trait Source: Send + Sync + 'static {
    /// Whether what is taken waits for what was taken before it.
    fn ordered(&self) -> bool;

    /// How long what is taken stays hidden from others.
    async fn hidden_for(&self, call: &Call) -> Result<Duration, ServiceError>;

    /// Takes at most `max` things; waits for the first one up to `wait`.
    async fn take(&self, call: &Call, max: usize, wait: Duration) -> Result<Vec<Taken>, ServiceError>;

    /// They are done with.
    async fn done(&self, call: &Call, handles: Vec<String>) -> Result<(), ServiceError>;

    /// Hides them from others for so long from now; zero shows them at once.
    async fn hide(&self, call: &Call, handles: Vec<String>, lasts: Duration) -> Result<(), ServiceError>;
}
