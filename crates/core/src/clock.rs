//! The only way to know the time or to wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::Timestamp;

/// A wait that ends at some moment of its clock.
pub type Wait = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Tells the time and waits for it. Everything above `store` that needs either takes it from here, so that a test can run
/// hours in milliseconds.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Completes at `at`, at once if it has passed.
    fn sleep_until(&self, at: Timestamp) -> Wait;

    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> Wait {
        self.sleep_until(self.now() + duration)
    }
}

/// The machine's clock, with tokio's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn sleep_until(&self, at: Timestamp) -> Wait {
        Box::pin(tokio::time::sleep(at.since(self.now())))
    }
}

/// A clock that a test moves by hand; sleepers wake when it passes their moment.
#[derive(Clone, Debug)]
pub struct ManualClock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    now: Mutex<Timestamp>,
    moved: Notify,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> ManualClock {
        ManualClock { shared: Arc::new(Shared { now: Mutex::new(start), moved: Notify::new() }) }
    }

    /// Moves the clock forward and wakes whoever waited for a moment now passed.
    pub fn advance(&self, by: Duration) {
        {
            let mut now = self.shared.now.lock();
            *now = *now + by;
        }
        self.shared.moved.notify_waiters();
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.shared.now.lock()
    }

    fn sleep_until(&self, at: Timestamp) -> Wait {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            loop {
                let moved = shared.moved.notified();
                tokio::pin!(moved);
                // Registered before the check, so that a move between the check and the wait is not missed.
                moved.as_mut().enable();
                if *shared.now.lock() >= at {
                    return;
                }
                moved.await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Clock, ManualClock};
    use crate::Timestamp;

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_moment_has_come() {
        let clock = ManualClock::new(Timestamp::EPOCH);
        let sleeper = tokio::spawn(clock.sleep(Duration::from_secs(60)));
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
    }
}
