//! Whoever takes effects.

use std::time::Duration;

use async_trait::async_trait;
use cauce_core::{Arn, ServiceError};
use cauce_store::Tx;

use crate::effect::{Effect, EffectId};
use crate::policy::{Outcome, Policy};

/// What a target says to an effect inside the transaction that causes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It has taken the effect in this transaction: exactly once, nothing remains to be done.
    Taken,
    /// It wants to perform the effect after the commit, at least once, under its own policy if it gives one.
    Later(Option<Policy>),
}

/// How an effect ended, for [`Target::settled`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled<'a> {
    /// The last attempt's outcome.
    pub outcome: &'a Outcome,
    /// How often it was attempted.
    pub attempts: u32,
    /// Whether it was given up.
    pub given_up: bool,
}

/// Takes the effects on one service's resources. One per ARN service name, handed to the engine when it is opened.
#[async_trait]
pub trait Target: Send + Sync + 'static {
    /// Decides, in the causing transaction, whether and how the effect is taken: is the target there, may the source reach it?
    ///
    /// # Errors
    /// A 4xx error is final: the effect goes to its dead letters with that code and message, in the same transaction. After a
    /// 5xx error the engine asks again, under the effect's own policy.
    async fn accept(&self, tx: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError>;

    /// Performs an effect that was accepted for later. May be called again for the same id after a crash.
    async fn perform(&self, id: EffectId, effect: &Effect, attempt: u32) -> Outcome;

    /// Called in the transaction that removes a performed effect, so that what follows from its end (a destination) commits
    /// with it. Nothing by default.
    ///
    /// # Errors
    /// The removal is then tried again, and the effect may be performed again.
    async fn settled(&self, tx: &Tx, effect: &Effect, end: &Settled<'_>) -> Result<(), ServiceError> {
        let _ = (tx, effect, end);
        Ok(())
    }

    /// How many effects on this target are performed at once.
    fn concurrency(&self, target: &Arn) -> usize {
        let _ = target;
        64
    }

    /// How long its lane rests after it has begun to perform this effect, so that an endpoint gets no more of them a second than
    /// it wants. Other lanes do not wait for it.
    fn rest(&self, effect: &Effect) -> Duration {
        let _ = effect;
        Duration::ZERO
    }
}
