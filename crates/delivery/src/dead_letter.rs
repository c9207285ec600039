//! Where effects go that cannot be delivered.
//!
//! An effect whose policy names a dead-letter queue goes there, as an effect on that queue with the attributes that AWS
//! documents for EventBridge (User Guide, "Using dead-letter queues"). One without a queue is kept here for [`KEPT`]: AWS
//! drops it, Cauce loses nothing silently.

use std::time::Duration;

use cauce_core::{Arn, Entropy, Timestamp};
use cauce_store::{Db, RangeReq, RecordError, Row, RowCodec as _, StoreError, Tx, decode_row};

use crate::effect::{Effect, EffectId, Pending};
use crate::policy::Policy;
use crate::{keys, message};

/// How long a dead letter without a queue is kept: as long as the longest that a queue would.
pub const KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The most dead letters that are read at once.
pub const LETTERS_MAX: usize = 1_000;

/// How the cause of an effect ends that carries another one, or an event, that was given up.
pub const LETTER: &str = " (dead letter)";

/// Whether an effect carries another one that was given up.
pub(crate) fn is_letter(effect: &Effect) -> bool {
    effect.cause.ends_with(LETTER)
}

/// The effect that puts `pending` into `queue`.
pub(crate) fn letter(pending: &Pending, queue: Arn, code: &str, reason: &str, entropy: &dyn Entropy) -> Effect {
    let effect = &pending.effect;
    let said = |name: &str, value: String| message::attribute(name, "String", value);
    let mut attributes = vec![
        said("ERROR_CODE", code.to_owned()),
        said("ERROR_MESSAGE", reason.to_owned()),
        said("RETRY_ATTEMPTS", pending.failures.counted.saturating_sub(1).to_string()),
        said("TARGET_ARN", effect.target.to_string()),
    ];
    if let Some(source) = &effect.source {
        // EventBridge's name for it; what else can be a source of effects has no other name.
        attributes.push(said("RULE_ARN", source.to_string()));
    }
    // What the message said of itself it says still; a FIFO queue takes none without a group.
    attributes.extend(effect.attributes.iter().filter(|(name, _)| message::is_about_message(name)).cloned());
    Effect {
        target: queue,
        cause: format!("{}{LETTER}", effect.cause),
        service: effect.service.clone(),
        source: effect.source.clone(),
        account: effect.account,
        region: effect.region.clone(),
        trace: effect.trace.child(entropy),
        policy: Policy { dead_letter: None, ..Policy::eventbridge() },
        attributes,
        hops: effect.hops.saturating_add(1),
        payload: effect.payload.clone(),
    }
}

/// Keeps an effect that has nowhere else to go.
pub(crate) fn keep(
    tx: &Tx,
    now: Timestamp,
    id: EffectId,
    pending: &Pending,
    code: &str,
    reason: &str,
) -> Result<(), RecordError> {
    tracing::warn!(target = %pending.effect.target, cause = pending.effect.cause, code, reason, "an effect is given up; it is kept among the dead letters");
    let mut pending = pending.clone();
    pending.last_error = Some((code.to_owned(), reason.to_owned()));
    tx.set(keys::dead(now, id), pending.encode_row()?);
    Ok(())
}

/// An effect that was given up and had no dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The effect, payload and all.
    pub effect: Effect,
    /// When it was sent.
    pub sent: Timestamp,
    /// A short machine-readable code.
    pub code: String,
    /// Why it was given up, for people.
    pub reason: String,
}

/// The oldest kept dead letters, at most [`LETTERS_MAX`].
///
/// # Errors
/// [`StoreError`] if they cannot be read.
pub async fn dead_letters(db: &Db) -> Result<Vec<DeadLetter>, StoreError> {
    let tx = db.begin();
    let rows = tx.snapshot_range(RangeReq::new(keys::dead_all(), LETTERS_MAX)).await?;
    let read = |row: &Row| {
        let pending: Pending = decode_row(row)?;
        let (code, reason) = pending.last_error.unwrap_or_default();
        Ok(DeadLetter { effect: pending.effect, sent: pending.born, code, reason })
    };
    rows.iter().map(read).collect()
}

/// Removes what has been kept for [`KEPT`].
pub(crate) async fn sweep(db: &Db, now: Timestamp) -> Result<(), StoreError> {
    let tx = db.begin();
    tx.clear_range(keys::dead_before(now - KEPT));
    tx.commit().await
}
