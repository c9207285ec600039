//! What whoever works for a consumer needs and does, whatever the source is.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::Env;
use cauce_delivery::Delivery;
use cauce_store::Db;

use crate::consumer::{Consumer, Problem};
use crate::crew::{Crew, Outcome};
use crate::filter::Filters;

/// The pause after the first failure; it doubles with every further one.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause after a failure.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The longest wait for a throttled consumer, if it does not say before that there is room.
const THROTTLED_MAX: Duration = Duration::from_secs(5);

/// How much is taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intake {
    /// The most entries of a batch.
    pub entries_max: usize,
    /// How long a batch may be gathered.
    pub window: Duration,
    /// The most bytes of a batch: the JSON of its entries with one byte between them. A single larger entry is a batch.
    pub bytes_max: usize,
}

/// A consumer under one set of settings, and who works for it.
pub struct Duty<C> {
    /// How the log names it.
    pub name: String,
    /// Where positions are.
    pub db: Db,
    /// Clock and chance.
    pub env: Env,
    /// Carries messages about what is given up.
    pub delivery: Delivery,
    /// Who gets the batches.
    pub consumer: Arc<C>,
    /// Their size.
    pub intake: Intake,
    /// What is wanted.
    pub filters: Filters,
    /// Who works.
    pub crew: Arc<Crew>,
}

impl<C: Consumer> Duty<C> {
    /// Says what is wrong, and pauses; the pause after the next failure is longer.
    pub(crate) async fn rest(&self, problem: Problem, pause: &mut Duration) {
        tracing::debug!(consumer = %self.name, %problem, "nothing can be taken");
        self.crew.say(Outcome::Problem(problem.0));
        self.pause(pause).await;
    }

    /// Pauses, unless the crew is to stop; the next pause is longer.
    pub(crate) async fn pause(&self, pause: &mut Duration) {
        tokio::select! {
            () = self.crew.stopped() => {}
            () = self.env.sleep(*pause) => {}
        }
        *pause = (*pause * 2).min(PAUSE_MAX);
    }

    /// Waits until a throttled consumer may have room; false if the crew is to stop.
    pub(crate) async fn room(&self, pause: &mut Duration) -> bool {
        self.crew.say(Outcome::Throttled);
        tokio::select! {
            () = self.crew.stopped() => return false,
            () = self.consumer.room() => {}
            () = self.env.sleep(*pause) => {}
        }
        *pause = (*pause * 2).min(THROTTLED_MAX);
        true
    }
}
