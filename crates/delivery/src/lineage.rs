//! Who caused what, when, with which outcome.
//!
//! A step is written in the transaction of what it describes. Steps are kept for [`KEPT`], then swept.

use std::time::Duration;

use bytes::Bytes;
use cauce_core::{RequestId, Timestamp, Trace, TraceId};
use cauce_store::{Db, RangeReq, Record, StoreError, Tx, decode_row};
use serde::{Deserialize, Serialize};

use crate::keys;

/// How long lineage is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The most steps of one tree that are read at once.
pub const STEPS_MAX: usize = 1_000;

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It was done in the transaction that recorded it.
    Done,
    /// It waits for its first attempt or the next one.
    Waiting,
    /// It was performed after so many attempts.
    Delivered {
        /// How many attempts it took.
        attempts: u32,
    },
    /// It was given up and lies among the dead letters.
    DeadLettered {
        /// A short machine-readable code.
        code: String,
        /// Why, for people.
        reason: String,
        /// The dead-letter queue's ARN; `None` if it is kept by the engine itself.
        queue: Option<String>,
    },
}

/// One step of a causal tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Where it stands in the tree.
    pub trace: Trace,
    /// When it began.
    pub at: Timestamp,
    /// When its fate was sealed; `None` while it waits.
    pub ended: Option<Timestamp>,
    /// What happened: `events:PutEvents`, `rule/default/case1`.
    pub what: String,
    /// To what: an ARN or a name.
    pub to: String,
    /// The request in which it happened.
    pub request_id: Option<RequestId>,
    /// What became of it.
    pub fate: Fate,
    /// What else is worth knowing: an event id, an invocation's request id, the last error.
    pub detail: String,
}

impl Record for Step {
    const VERSION: u8 = 1;
}

#[derive(Serialize, Deserialize)]
struct RequestRoot {
    root: TraceId,
}

impl Record for RequestRoot {
    const VERSION: u8 = 1;
}

/// Records a step in the transaction that does it, and makes it findable by its request id if it has one.
///
/// # Errors
/// [`StoreError`] if the row cannot be written.
pub fn record(tx: &Tx, step: &Step) -> Result<(), StoreError> {
    tx.set_record(keys::step(step.trace.root, step.at, step.trace.span), step)?;
    if let Some(id) = &step.request_id {
        tx.set_record(keys::request(step.at, id.as_str()), &RequestRoot { root: step.trace.root })?;
    }
    Ok(())
}

/// The steps of a causal tree in the order of their beginning, at most [`STEPS_MAX`].
///
/// # Errors
/// [`StoreError`] if the rows cannot be read.
pub async fn tree(db: &Db, root: TraceId) -> Result<Vec<Step>, StoreError> {
    let tx = db.begin();
    let rows = tx.snapshot_range(RangeReq::new(keys::steps_of(root), STEPS_MAX)).await?;
    rows.iter().map(decode_row::<Step>).collect()
}

/// The causal tree to which a request of the last [`KEPT`] belongs.
///
/// # Errors
/// [`StoreError`] if the rows cannot be read.
pub async fn tree_of_request(db: &Db, request_id: &str, now: Timestamp) -> Result<Option<TraceId>, StoreError> {
    let hours = KEPT.as_secs() / 3_600 + 1;
    let keys: Vec<Bytes> =
        (0..=hours).map(|h| keys::request(now - Duration::from_secs(h * 3_600), request_id)).collect();
    for key in keys {
        if let Some(found) = db.get::<RequestRoot>(&key).await? {
            return Ok(Some(found.root));
        }
    }
    Ok(None)
}

/// Removes what is older than [`KEPT`].
///
/// # Errors
/// [`StoreError`] if the commit fails.
pub(crate) async fn sweep(db: &Db, now: Timestamp) -> Result<(), StoreError> {
    let end = now - KEPT;
    let tx = db.begin();
    tx.clear_range(keys::steps_before(end));
    tx.clear_range(keys::requests_before(end));
    tx.commit().await
}
