//! Time and chance, handed around together.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Wait;
use crate::{Clock, Entropy, SystemClock, SystemEntropy, Timestamp};

/// What a service may know of the outside world: the time, and chance. Cheap to clone.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Env {
    /// An environment of these two.
    pub fn new(clock: impl Clock, entropy: impl Entropy) -> Env {
        Env { clock: Arc::new(clock), entropy: Arc::new(entropy) }
    }

    /// The machine's clock and random source.
    pub fn system() -> Env {
        Env::new(SystemClock, SystemEntropy)
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Completes after `duration`.
    pub fn sleep(&self, duration: Duration) -> Wait {
        self.clock.sleep(duration)
    }

    /// Completes at `at`.
    pub fn sleep_until(&self, at: Timestamp) -> Wait {
        self.clock.sleep_until(at)
    }

    /// The source of chance.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// The clock itself.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Env")
    }
}
