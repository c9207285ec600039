//! Wake-ups: a committed ring wakes whoever watches its channel. Rings are hints and carry no data.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::Clock;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::contract::Bytes;

/// Who watches what. An entry lives as long as someone watches it, so the map is bounded by the number of live watchers.
#[derive(Default)]
pub(crate) struct Rings {
    channels: Mutex<HashMap<Bytes, watch::Sender<()>>>,
}

impl Rings {
    /// Registers a watcher that sees every ring from now on.
    pub(crate) fn watch(self: &Arc<Self>, channel: Bytes, clock: Arc<dyn Clock>) -> Watcher {
        let mut receiver =
            self.channels.lock().entry(channel.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        receiver.mark_unchanged();
        Watcher { receiver: Some(receiver), channel, rings: Arc::clone(self), clock }
    }

    /// Wakes all watchers of `channel`.
    pub(crate) fn ring(&self, channel: &[u8]) {
        if let Some(sender) = self.channels.lock().get(channel) {
            sender.send_replace(());
        }
    }

    fn forget(&self, channel: &[u8]) {
        let mut channels = self.channels.lock();
        if channels.get(channel).is_some_and(|sender| sender.receiver_count() == 0) {
            channels.remove(channel);
        }
    }
}

/// Watches one channel. A ring between two calls of [`wait`](Watcher::wait) is not lost: the second returns at once. So the
/// right order is *watch, then read, then wait*:
///
/// ```
/// # use std::time::Duration;
/// # use cauce_store::{Bytes, Db};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let db = Db::memory(); let looks = 1;
/// let mut watcher = db.watcher(Bytes::from_static(b"work"));
/// for _ in 0..looks {
///     // read what there is to do, do it, and then:
///     watcher.wait(Duration::from_millis(5)).await;
/// }
/// # }
/// ```
pub struct Watcher {
    receiver: Option<watch::Receiver<()>>,
    channel: Bytes,
    rings: Arc<Rings>,
    clock: Arc<dyn Clock>,
}

impl Watcher {
    /// Returns when the channel has rung since the last call (true), or after `max_wait` (false).
    pub async fn wait(&mut self, max_wait: Duration) -> bool {
        let Some(receiver) = &mut self.receiver else { return false };
        tokio::select! {
            biased;
            rung = receiver.changed() => rung.is_ok(),
            () = self.clock.sleep(max_wait) => false,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.receiver = None;
        self.rings.forget(&self.channel);
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("channel", &self.channel).finish_non_exhaustive()
    }
}
