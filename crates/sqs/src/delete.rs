//! Deleting messages that were received, and changing how long they stay hidden.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Call, Timestamp};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::batch::{self, Failure, Success};
use crate::error::Error;
use crate::held::Held;
use crate::keys;
use crate::message::Standing;
use crate::receipt::Receipt;
use crate::receive::{clear, decode};
use crate::service::{Sqs, required};
use crate::settings::VISIBILITY_S_MAX;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteMessage {
    pub(crate) queue_url: Option<String>,
    receipt_handle: Option<String>,
}

impl Input for DeleteMessage {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeleteMessageBatch {
    pub(crate) queue_url: Option<String>,
    #[serde(default, alias = "DeleteMessageBatchRequestEntry")]
    entries: Vec<Entry>,
}

impl Input for DeleteMessageBatch {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ChangeMessageVisibility {
    pub(crate) queue_url: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

impl Input for ChangeMessageVisibility {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ChangeMessageVisibilityBatch {
    pub(crate) queue_url: Option<String>,
    #[serde(default, alias = "ChangeMessageVisibilityBatchRequestEntry")]
    entries: Vec<Entry>,
}

impl Input for ChangeMessageVisibilityBatch {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeletedBatch {
    #[serde(serialize_with = "flat_deleted")]
    successful: Vec<Success>,
    #[serde(serialize_with = "batch::flat_failed")]
    failed: Vec<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ChangedBatch {
    #[serde(serialize_with = "flat_changed")]
    successful: Vec<Success>,
    #[serde(serialize_with = "batch::flat_failed")]
    failed: Vec<Failure>,
}

fn flat_deleted<S: serde::Serializer>(list: &Vec<Success>, serializer: S) -> Result<S::Ok, S::Error> {
    cauce_wire::flattened("$cauce::Flat DeleteMessageBatchResultEntry", list, serializer)
}

fn flat_changed<S: serde::Serializer>(list: &Vec<Success>, serializer: S) -> Result<S::Ok, S::Error> {
    cauce_wire::flattened("$cauce::Flat ChangeMessageVisibilityBatchResultEntry", list, serializer)
}

/// Reads how long a message shall stay hidden.
fn visibility(value: Option<i64>) -> Result<Duration, Error> {
    let value = value.ok_or_else(|| Error::Missing("VisibilityTimeout".to_owned()))?;
    let fits = u64::try_from(value).ok().filter(|value| *value <= u64::from(VISIBILITY_S_MAX));
    let reason = format!("VisibilityTimeout must be an integer between 0 and {VISIBILITY_S_MAX}");
    fits.map(Duration::from_secs).ok_or_else(|| Error::value(value, "VisibilityTimeout", &reason))
}

/// Sorts the outcomes of a batch.
fn sort(ids: impl Iterator<Item = Option<String>>, outcomes: Vec<Result<(), Error>>) -> (Vec<Success>, Vec<Failure>) {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, outcome) in ids.zip(outcomes) {
        match outcome {
            Ok(()) => successful.push(Success { id: id.unwrap_or_default() }),
            Err(error) => failed.push(Failure::new(id.as_deref(), error)),
        }
    }
    (successful, failed)
}

/// What is wrong with a handle in a transaction that goes on with the others.
#[derive(Clone, Copy)]
enum Wrong {
    /// Another reception has the message, or nobody.
    Expired,
    Unknown,
    NotInFlight,
    TooLong(u64),
}

impl Wrong {
    fn error(self, receipt: &Receipt) -> Error {
        let handle = receipt.handle();
        match self {
            Wrong::Expired => Error::value(handle, "ReceiptHandle", "The receipt handle has expired."),
            Wrong::Unknown => {
                let reason = "Message does not exist or is not available for visibility timeout change.";
                Error::value(handle, "ReceiptHandle", reason)
            }
            Wrong::NotInFlight => Error::NotInFlight,
            Wrong::TooLong(seconds) => {
                let limit = VISIBILITY_S_MAX;
                let reason = format!("Total VisibilityTimeout for the message is beyond the limit [{limit} seconds]");
                Error::value(seconds, "VisibilityTimeout", &reason)
            }
        }
    }
}

impl Sqs {
    pub(crate) async fn delete_message(self: Arc<Self>, call: Call, input: DeleteMessage) -> Result<(), Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        let handle = required(input.receipt_handle.as_deref(), "ReceiptHandle")?;
        self.delete(&held, &[Receipt::read(handle)]).await?.into_iter().collect()
    }

    pub(crate) async fn delete_message_batch(
        self: Arc<Self>,
        call: Call,
        input: DeleteMessageBatch,
    ) -> Result<DeletedBatch, Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        batch::check_ids("DeleteMessageBatchRequestEntry", input.entries.iter().map(|entry| entry.id.as_deref()))?;
        let receipts: Vec<_> = input.entries.iter().map(Entry::receipt).collect();
        let outcomes = self.delete(&held, &receipts).await?;
        let (successful, failed) = sort(input.entries.into_iter().map(|entry| entry.id), outcomes);
        Ok(DeletedBatch { successful, failed })
    }

    pub(crate) async fn change_message_visibility(
        self: Arc<Self>,
        call: Call,
        input: ChangeMessageVisibility,
    ) -> Result<(), Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        let receipt = Receipt::read(required(input.receipt_handle.as_deref(), "ReceiptHandle")?)?;
        let wish = visibility(input.visibility_timeout)?;
        self.hide(&held, &[Ok((receipt, wish))]).await?.into_iter().collect()
    }

    pub(crate) async fn change_message_visibility_batch(
        self: Arc<Self>,
        call: Call,
        input: ChangeMessageVisibilityBatch,
    ) -> Result<ChangedBatch, Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        let ids = input.entries.iter().map(|entry| entry.id.as_deref());
        batch::check_ids("ChangeMessageVisibilityBatchRequestEntry", ids)?;
        let wish = |entry: &Entry| Ok((entry.receipt()?, visibility(entry.visibility_timeout)?));
        let wishes: Vec<_> = input.entries.iter().map(wish).collect();
        let outcomes = self.hide(&held, &wishes).await?;
        let (successful, failed) = sort(input.entries.into_iter().map(|entry| entry.id), outcomes);
        Ok(ChangedBatch { successful, failed })
    }

    /// Deletes messages, in one commit. A handle of an earlier reception deletes nothing: that is success for a standard queue
    /// and refused for a FIFO queue, which lets only the reception that still hides the message delete it.
    pub(crate) async fn delete(
        &self,
        held: &Arc<Held>,
        receipts: &[Result<Receipt, Error>],
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let now = self.env.now();
        let wanted = current(held, receipts.iter().map(|receipt| receipt.as_ref().ok().copied()));
        let wrongs = self
            .db
            .transact(async |tx| {
                let standings = self.standings(&tx, held, &wanted).await?;
                let (mut wrongs, mut gone) = (vec![None; wanted.len()], Vec::new());
                for ((receipt, standing), wrong) in wanted.iter().zip(standings).zip(&mut wrongs) {
                    let (Some(receipt), Some(standing)) = (receipt, standing) else { continue };
                    let ours = standing.nonce == receipt.nonce;
                    if held.fifo() && (!ours || standing.due <= now) {
                        *wrong = Some(Wrong::Expired);
                    } else if ours && !gone.contains(&receipt.sequence) {
                        clear(&tx, held, receipt.sequence);
                        gone.push(receipt.sequence);
                    }
                }
                if !gone.is_empty() {
                    tx.add(keys::count(held.stock.life), -i64::try_from(gone.len()).unwrap_or(i64::MAX))?;
                    self.fence(&tx, &held.arn)?;
                }
                let stock = Arc::clone(&held.stock);
                tx.on_commit(move || {
                    let Some(index) = stock.opened() else { return };
                    let mut index = index.lock();
                    gone.into_iter().for_each(|sequence| index.remove(sequence));
                    // The next of a group may be received now, or there is room again; whoever waits for what is not there does
                    // not care.
                    if index.has_ready() {
                        stock.changed.notify_one();
                    }
                });
                Ok::<_, Error>(wrongs)
            })
            .await?;
        let outcomes = outcomes(receipts.iter().map(Result::as_ref), wrongs);
        if let Some(meters) = self.meters_of(held) {
            meters.deleted.record_times(1.0, outcomes.iter().filter(|outcome| outcome.is_ok()).count() as f64);
        }
        Ok(outcomes)
    }

    /// Changes until when messages are hidden, in one commit.
    pub(crate) async fn hide(
        &self,
        held: &Arc<Held>,
        wishes: &[Result<(Receipt, Duration), Error>],
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let now = self.env.now();
        let wanted = current(held, wishes.iter().map(|wish| wish.as_ref().ok().map(|(receipt, _)| *receipt)));
        let wrongs = self
            .db
            .transact(async |tx| {
                let standings = self.standings(&tx, held, &wanted).await?;
                let (mut wrongs, mut changes) = (vec![None; wanted.len()], Vec::new());
                for ((wish, standing), wrong) in wishes.iter().zip(standings).zip(&mut wrongs) {
                    let Ok((receipt, timeout)) = wish else { continue };
                    match change(receipt, standing, *timeout, now) {
                        Ok(standing) => {
                            tx.set_record(keys::standing(held.stock.life, receipt.sequence), &standing)?;
                            changes.push((receipt.sequence, receipt.nonce, standing.due));
                        }
                        Err(why) => *wrong = Some(why),
                    }
                }
                self.fence(&tx, &held.arn)?;
                let stock = Arc::clone(&held.stock);
                tx.on_commit(move || {
                    if let Some(index) = stock.opened() {
                        let mut index = index.lock();
                        changes.into_iter().for_each(|(sequence, nonce, due)| index.hide(sequence, nonce, due));
                    }
                    // The next message may be due sooner than everybody who waits believes.
                    stock.changed.notify_waiters();
                });
                Ok::<_, Error>(wrongs)
            })
            .await?;
        Ok(outcomes(wishes.iter().map(|wish| wish.as_ref().map(|(receipt, _)| receipt)), wrongs))
    }

    /// Where the messages of these receipts stand.
    async fn standings(
        &self,
        tx: &cauce_store::Tx,
        held: &Held,
        receipts: &[Option<Receipt>],
    ) -> Result<Vec<Option<Standing>>, Error> {
        let key = |receipt: &Receipt| keys::standing(held.stock.life, receipt.sequence);
        let keys: Vec<_> = receipts.iter().flatten().map(key).collect();
        let mut rows = tx.get_many(&keys).await?.into_iter();
        let mut next = |receipt: &Option<Receipt>| match receipt {
            Some(_) => rows.next().flatten().map(|row| decode(&row)).transpose(),
            None => Ok(None),
        };
        receipts.iter().map(&mut next).collect()
    }
}

impl Entry {
    fn receipt(&self) -> Result<Receipt, Error> {
        Receipt::read(required(self.receipt_handle.as_deref(), "ReceiptHandle")?)
    }
}

/// The receipts that are of the queue's present life; what was purged is gone.
fn current(held: &Held, receipts: impl Iterator<Item = Option<Receipt>>) -> Vec<Option<Receipt>> {
    receipts.map(|receipt| receipt.filter(|receipt| receipt.life == held.stock.life)).collect()
}

/// Where a message stands once it stays hidden for `timeout` from now on.
fn change(receipt: &Receipt, standing: Option<Standing>, timeout: Duration, now: Timestamp) -> Result<Standing, Wrong> {
    let standing = standing.filter(|standing| standing.nonce == receipt.nonce).ok_or(Wrong::Unknown)?;
    if standing.due <= now {
        return Err(Wrong::NotInFlight);
    }
    if now + timeout > standing.received + Duration::from_secs(u64::from(VISIBILITY_S_MAX)) {
        return Err(Wrong::TooLong(timeout.as_secs()));
    }
    Ok(Standing { due: now + timeout, ..standing })
}

fn outcomes<'a>(
    receipts: impl Iterator<Item = Result<&'a Receipt, &'a Error>>,
    wrongs: Vec<Option<Wrong>>,
) -> Vec<Result<(), Error>> {
    let outcome = |(receipt, wrong): (Result<&Receipt, &Error>, Option<Wrong>)| match (receipt, wrong) {
        (Err(error), _) => Err(error.clone()),
        (Ok(receipt), Some(wrong)) => Err(wrong.error(receipt)),
        (Ok(_), None) => Ok(()),
    };
    receipts.zip(wrongs).map(outcome).collect()
}
