//! How much an answer with events holds.

use super::lines::EVENT_OVERHEAD_BYTES;

/// Events of one answer.
pub const PAGE_EVENTS_MAX: usize = 10_000;
/// Bytes of one answer, counted as the service counts events; one event is given however large.
pub const PAGE_BYTES_MAX: usize = 1_048_576;

/// The room that is left in an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    events: usize,
    bytes: usize,
    empty: bool,
}

impl Room {
    /// The room of an answer with at most `limit` events.
    pub(crate) fn new(limit: Option<i64>) -> Room {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_EVENTS_MAX);
        Room { events: limit.min(PAGE_EVENTS_MAX), bytes: PAGE_BYTES_MAX, empty: true }
    }

    /// Takes the room of one event; false if there is not enough.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        let bytes = text.len() + EVENT_OVERHEAD_BYTES;
        if self.events == 0 || (bytes > self.bytes && !self.empty) {
            return false;
        }
        self.events -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.empty = false;
        true
    }

    /// How many more events fit at most.
    pub(crate) fn events(&self) -> usize {
        self.events
    }
}
