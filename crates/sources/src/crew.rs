//! Who works for a consumer: how many, and until when.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// How the last batch went, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The consumer has worked.
    Worked,
    /// It has failed.
    Failed,
    /// It has no room.
    Throttled,
    /// Nothing could be taken, or nothing be done with it.
    Problem(String),
}

/// The workers of one consumer under one set of settings.
pub struct Crew {
    /// How many may work at once.
    max: usize,
    count: watch::Sender<Count>,
    stop: watch::Sender<bool>,
    outcome: Mutex<Option<Outcome>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    workers: usize,
    /// Those of them that wait for a batch.
    waiting: usize,
}

impl Crew {
    /// A crew of one, which waits, and of at most `max`.
    pub fn new(max: usize) -> Arc<Crew> {
        Arc::new(Crew {
            max: max.max(1),
            count: watch::Sender::new(Count { workers: 1, waiting: 1 }),
            stop: watch::Sender::new(false),
            outcome: Mutex::new(None),
        })
    }

    /// One that waited has got a batch. True if another must take its place, who is counted already.
    pub(crate) fn took(&self) -> bool {
        let stopped = *self.stop.borrow();
        let mut another = false;
        self.count.send_modify(|count| {
            count.waiting -= 1;
            another = count.waiting == 0 && count.workers < self.max && !stopped;
            if another {
                *count = Count { workers: count.workers + 1, waiting: 1 };
            }
        });
        another
    }

    /// One that worked waits again.
    pub(crate) fn waits(&self) {
        self.count.send_modify(|count| count.waiting += 1);
    }

    /// One waited in vain: whether it may go, because another waits too. If so it is not counted any more.
    pub(crate) fn spares(&self) -> bool {
        self.count.send_if_modified(|count| {
            let spare = count.waiting > 1;
            if spare {
                *count = Count { workers: count.workers - 1, waiting: count.waiting - 1 };
            }
            spare
        })
    }

    /// One that waited goes for good.
    pub(crate) fn leaves(&self) {
        self.count.send_modify(|count| *count = Count { workers: count.workers - 1, waiting: count.waiting - 1 });
    }

    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Completes once the crew is to stop.
    pub(crate) async fn stopped(&self) {
        // The sender is this crew's own.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    /// Completes once nobody works any more.
    pub(crate) async fn ended(&self) {
        let _ = self.count.subscribe().wait_for(|count| count.workers == 0).await;
    }

    fn has_ended(&self) -> bool {
        self.count.borrow().workers == 0
    }

    /// Remembers how it went.
    pub fn say(&self, outcome: Outcome) {
        *self.outcome.lock() = Some(outcome);
    }
}

/// What a consumer's crews do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It works.
    Works,
    /// It was told to stop, and has batches under way.
    Ends,
    /// Nobody is there.
    None,
}

/// The crews of all consumers, by what names each. One whose settings have changed has a new crew while the old one ends.
pub struct Crews<K>(Mutex<HashMap<K, Vec<Arc<Crew>>>>);

impl<K> Default for Crews<K> {
    fn default() -> Crews<K> {
        Crews(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Crews<K> {
    /// Makes a crew the current one of a consumer. Those before it are told to stop, and given back while they work.
    #[must_use]
    pub fn begin(&self, key: &K, crew: Arc<Crew>) -> Vec<Arc<Crew>> {
        let mut all = self.0.lock();
        let crews = all.entry(key.clone()).or_default();
        crews.iter().for_each(|crew| crew.stop());
        crews.retain(|crew| !crew.has_ended());
        let before = crews.clone();
        crews.push(crew);
        before
    }

    /// Tells the crews of a consumer to stop.
    pub fn stop(&self, key: &K) {
        self.of(key).iter().for_each(|crew| crew.stop());
    }

    /// Tells all to stop.
    pub fn stop_all(&self) {
        self.0.lock().values().flatten().for_each(|crew| crew.stop());
    }

    /// Completes when nobody works for the consumer any more.
    pub async fn ended(&self, key: &K) {
        for crew in self.of(key) {
            crew.ended().await;
        }
        let mut all = self.0.lock();
        if all.get(key).is_some_and(|crews| crews.iter().all(|crew| crew.has_ended())) {
            all.remove(key);
        }
    }

    /// Completes when nobody works any more.
    pub async fn all_ended(&self) {
        let all: Vec<Arc<Crew>> = self.0.lock().values().flatten().cloned().collect();
        for crew in all {
            crew.ended().await;
        }
    }

    /// What the consumer's crews do, and how its last batch went; `None` before the first.
    pub fn activity(&self, key: &K) -> (Activity, Option<Outcome>) {
        let crews = self.of(key);
        let outcome = crews.last().and_then(|crew| crew.outcome.lock().clone());
        let activity = match crews.last() {
            Some(crew) if !*crew.stop.borrow() => Activity::Works,
            _ if crews.iter().all(|crew| crew.has_ended()) => Activity::None,
            _ => Activity::Ends,
        };
        (activity, outcome)
    }

    fn of(&self, key: &K) -> Vec<Arc<Crew>> {
        self.0.lock().get(key).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, Crew};

    #[test]
    fn somebody_always_waits_until_all_hands_are_needed() {
        let crew = Crew::new(3);
        let count = || *crew.count.borrow();
        assert!(crew.took() && crew.took());
        assert_eq!(count(), Count { workers: 3, waiting: 1 });
        assert!(!crew.took(), "three are all");
        assert_eq!(count(), Count { workers: 3, waiting: 0 });
        crew.waits();
        assert!(!crew.spares(), "the only one that waits stays");
        crew.waits();
        assert!(crew.spares());
        assert_eq!(count(), Count { workers: 2, waiting: 1 });
    }

    #[test]
    fn nobody_joins_a_crew_that_stops() {
        let crew = Crew::new(3);
        crew.stop();
        assert!(!crew.took());
        crew.waits();
        crew.leaves();
        assert!(crew.has_ended());
    }
}
