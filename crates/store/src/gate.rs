//! One attempt at a time on hot keys. Optimistic retries collapse when many transactions of one node want the same key: each
//! commit makes all others start again. So a transaction that has lost waits at the gate of the key it lost, and while anyone
//! waits there, newcomers that read the key wait as well. A range counts as its first key.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// How many gates there are. Keys share them by hash; sharing costs waiting, never correctness.
const GATES: usize = 256;

struct Gate {
    lock: Arc<Mutex<()>>,
    /// How many transactions hold it or wait for it.
    wanted: Arc<AtomicUsize>,
}

/// The gates of one [`Db`](crate::Db).
pub(crate) struct Gates {
    gates: Vec<Gate>,
}

/// The right to go on, given back on drop.
pub(crate) struct Pass {
    _guard: OwnedMutexGuard<()>,
    _wanted: Wanted,
}

struct Wanted(Arc<AtomicUsize>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gates {
    pub(crate) fn new() -> Self {
        Self { gates: (0..GATES).map(|_| Gate { lock: Arc::default(), wanted: Arc::default() }).collect() }
    }

    /// Whether anyone holds or wants the gate of `key`.
    pub(crate) fn hot(&self, key: &[u8]) -> bool {
        self.gate(key).is_some_and(|gate| gate.wanted.load(Ordering::Relaxed) > 0)
    }

    /// Waits at the gate of `key`. Whoever holds a pass must not come here again: one pass a transaction is what keeps
    /// gates free of deadlocks.
    pub(crate) async fn pass(&self, key: &[u8]) -> Option<Pass> {
        let gate = self.gate(key)?;
        gate.wanted.fetch_add(1, Ordering::Relaxed);
        let wanted = Wanted(Arc::clone(&gate.wanted));
        let guard = Arc::clone(&gate.lock).lock_owned().await;
        Some(Pass { _guard: guard, _wanted: wanted })
    }

    fn gate(&self, key: &[u8]) -> Option<&Gate> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let at = hasher.finish() % GATES as u64;
        self.gates.get(usize::try_from(at).ok()?)
    }
}
