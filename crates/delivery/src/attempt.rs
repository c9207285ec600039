//! One attempt at one effect, and what follows from it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Fault, ServiceError};
use cauce_store::{StoreError, Tx};
use tokio::sync::OwnedSemaphorePermit;

use crate::effect::Pending;
use crate::engine::Inner;
use crate::keys::{self, Place};
use crate::lane::Waiting;
use crate::lineage::Fate;
use crate::policy::{GivenUp, Next, Outcome, decide};
use crate::target::{Acceptance, Settled, Target};

/// The longest attempt. The longest function runs 15 minutes; what takes longer hangs.
const ATTEMPT_MAX: Duration = Duration::from_secs(16 * 60);

/// How an attempt ended, for its lane.
#[derive(Debug)]
pub(crate) enum Attempted {
    /// Its row is gone or moved.
    Settled(Place),
    /// Its row could not be changed; it is as it was.
    PutOff(Waiting),
}

/// Attempts an effect, and commits what follows.
pub(crate) async fn attempt(inner: Arc<Inner>, waiting: Waiting, _permit: OwnedSemaphorePermit) -> Attempted {
    let place = waiting.place;
    match attempt_and_settle(&inner, &waiting).await {
        Ok(()) => Attempted::Settled(place),
        Err(error) => {
            let target = &waiting.pending.effect.target;
            tracing::error!(%target, id = %place.id, ?error, "the outcome of an attempt cannot be stored; it will be repeated");
            Attempted::PutOff(waiting)
        }
    }
}

async fn attempt_and_settle(inner: &Arc<Inner>, waiting: &Waiting) -> Result<(), ServiceError> {
    let mut pending = Pending::clone(&waiting.pending);
    let Some(target) = inner.target(&pending.effect.target) else {
        let reason = format!("nothing here takes effects on {}", pending.effect.target);
        return settle(inner, waiting, pending, Outcome::Fail { code: "NO_RESOURCE".into(), reason }).await;
    };
    if !pending.accepted {
        match ask_again(inner, waiting, &target).await? {
            Asked::Taken => return Ok(()),
            Asked::Accepted(accepted) => pending = *accepted,
            Asked::Not(outcome) => return settle(inner, waiting, pending, outcome).await,
        }
    }
    let tries = pending.failures.counted + pending.failures.throttled + 1;
    let outcome = perform(inner, &target, waiting.place, &pending, tries).await;
    settle(inner, waiting, pending, outcome).await
}

/// Performs the effect; a target that panics or hangs has failed.
async fn perform(inner: &Inner, target: &Arc<dyn Target>, place: Place, pending: &Pending, tries: u32) -> Outcome {
    let work =
        futures_util::FutureExt::catch_unwind(AssertUnwindSafe(target.perform(place.id, &pending.effect, tries)));
    tokio::select! {
        done = work => done.unwrap_or_else(|_| Outcome::Retry {
            code: "InternalFailure".into(),
            reason: "the target failed unexpectedly".into(),
            counts: true,
        }),
        () = inner.env.sleep(ATTEMPT_MAX) => Outcome::Retry {
            code: "Timeout".into(),
            reason: format!("no answer within {} s", ATTEMPT_MAX.as_secs()),
            counts: true,
        },
    }
}

enum Asked {
    Taken,
    Accepted(Box<Pending>),
    Not(Outcome),
}

/// Asks a target again that could not be asked in the causing transaction.
async fn ask_again(inner: &Arc<Inner>, waiting: &Waiting, target: &Arc<dyn Target>) -> Result<Asked, ServiceError> {
    let tx = inner.db.begin();
    let pending = &waiting.pending;
    match target.accept(&tx, &pending.effect).await {
        Ok(Acceptance::Taken) => {
            fence(inner, &tx, pending)?;
            tx.clear(waiting.place.key(&pending.effect.target));
            let now = inner.env.now();
            inner.record(&tx, pending, pending.born, Some(now), Fate::Delivered { attempts: 1 }, "")?;
            tx.commit().await?;
            Ok(Asked::Taken)
        }
        Ok(Acceptance::Later(policy)) => {
            let mut accepted = Pending::clone(pending);
            accepted.accepted = true;
            if let Some(policy) = policy {
                accepted.effect.policy = policy;
            }
            Ok(Asked::Accepted(Box::new(accepted)))
        }
        Err(error) => {
            let (code, reason) = (error.code().to_owned(), error.message().to_owned());
            Ok(Asked::Not(match error.fault() {
                Fault::Sender => Outcome::Fail { code, reason },
                Fault::Receiver => Outcome::Retry { code, reason, counts: true },
            }))
        }
    }
}

fn fence(inner: &Inner, tx: &Tx, pending: &Pending) -> Result<(), ServiceError> {
    // A partition that has passed on is the new owner's; the row is attempted there.
    let owned = inner.owner.owned(keys::partition(&pending.effect.target)).ok_or(StoreError::Fenced)?;
    owned.fence(tx);
    Ok(())
}

/// Commits what follows from an outcome: the row goes, moves to its next attempt, or becomes a dead letter.
async fn settle(
    inner: &Arc<Inner>,
    waiting: &Waiting,
    mut pending: Pending,
    outcome: Outcome,
) -> Result<(), ServiceError> {
    match &outcome {
        Outcome::Done { .. } => {}
        Outcome::Retry { code, reason, counts } => {
            pending.last_error = Some((code.clone(), reason.clone()));
            if *counts {
                pending.failures.counted += 1;
                pending.failures.throttled = 0;
            } else {
                pending.failures.throttled += 1;
            }
        }
        Outcome::Fail { code, reason } => {
            pending.last_error = Some((code.clone(), reason.clone()));
            pending.failures.counted += 1;
        }
    }
    let now = inner.env.now();
    let next = decide(&pending.effect.policy, &outcome, pending.failures, pending.born, now, inner.env.entropy());
    inner
        .db
        .transact(async |tx| {
            fence(inner, &tx, &pending)?;
            tx.clear(waiting.place.key(&pending.effect.target));
            follow(inner, &tx, waiting.place, &pending, &outcome, &next).await
        })
        .await
}

async fn follow(
    inner: &Arc<Inner>,
    tx: &Tx,
    place: Place,
    pending: &Pending,
    outcome: &Outcome,
    next: &Next,
) -> Result<(), ServiceError> {
    let attempts = pending.failures.counted + pending.failures.throttled + u32::from(*next == Next::Settled);
    let settled = |given_up| Settled { outcome, attempts, given_up };
    match next {
        Next::Settled => {
            let now = inner.env.now();
            let Outcome::Done { detail } = outcome else { return Ok(()) };
            let fate = Fate::Delivered { attempts };
            inner.record(tx, pending, pending.born, Some(now), fate, detail)?;
            tell(inner, tx, pending, &settled(false)).await
        }
        Next::RetryAt(due) => inner.park(tx, place.id, *due, pending.clone()).await,
        Next::GiveUp(why) => {
            tell(inner, tx, pending, &settled(true)).await?;
            let (code, reason) = pending.last_error.clone().unwrap_or_default();
            let reason = match why {
                GivenUp::Refused => reason,
                GivenUp::RetriesExhausted => {
                    format!("{reason} (all {} retries failed)", pending.effect.policy.retries_max)
                }
                GivenUp::AgeExceeded => format!("{reason} (older than {} s)", pending.effect.policy.age_max_ms / 1_000),
            };
            inner.give_up(tx, place.id, pending, &code, &reason).await
        }
    }
}

async fn tell(inner: &Inner, tx: &Tx, pending: &Pending, end: &Settled<'_>) -> Result<(), ServiceError> {
    match inner.target(&pending.effect.target) {
        Some(target) => target.settled(tx, &pending.effect, end).await,
        None => Ok(()),
    }
}
