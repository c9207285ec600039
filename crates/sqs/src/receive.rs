//! Receiving messages: waiting for them, and the one transaction that hides them from others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cauce_core::{Call, Timestamp};
use cauce_store::{RowCodec, StoreError, Tx};
use cauce_wire::Input;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::held::{ATTEMPT_LASTS, ATTEMPTS_MAX, Attempt, Held, Stock};
use crate::index::Index;
use crate::keys;
use crate::message::{Content, Standing, sequence_number};
use crate::message_attribute::{AttributeValue, md5_of};
use crate::receipt::Receipt;
use crate::send::{Outgoing, check_id};
use crate::service::Sqs;
use crate::settings::{VISIBILITY_S_MAX, WAIT_S_MAX};

/// How many messages a `ReceiveMessage` may ask for.
pub const RECEIVE_MESSAGES_MAX: i64 = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReceiveMessage {
    pub(crate) queue_url: Option<String>,
    #[serde(default, alias = "AttributeName")]
    attribute_names: Vec<String>,
    #[serde(default, alias = "MessageSystemAttributeName")]
    message_system_attribute_names: Vec<String>,
    #[serde(default, alias = "MessageAttributeName")]
    message_attribute_names: Vec<String>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    receive_request_attempt_id: Option<String>,
}

impl Input for ReceiveMessage {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ReceivedMessages {
    #[serde(serialize_with = "flat_messages", skip_serializing_if = "Vec::is_empty")]
    messages: Vec<ReceivedMessage>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ReceivedMessage {
    message_id: String,
    receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    md5_of_body: String,
    body: String,
    #[serde(serialize_with = "flat_attributes", skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    #[serde(serialize_with = "flat_message_attributes", skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<String, AttributeValue>,
}

fn flat_messages<S: serde::Serializer>(list: &Vec<ReceivedMessage>, serializer: S) -> Result<S::Ok, S::Error> {
    cauce_wire::flattened("$cauce::Flat Message", list, serializer)
}

fn flat_attributes<S: serde::Serializer>(
    map: &BTreeMap<&'static str, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    cauce_wire::flattened("$cauce::Flat Attribute Name Value", map, serializer)
}

fn flat_message_attributes<S: serde::Serializer>(
    map: &BTreeMap<String, AttributeValue>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    cauce_wire::flattened("$cauce::Flat MessageAttribute Name Value", map, serializer)
}

/// What is wanted of a reception.
pub(crate) struct Wish {
    pub(crate) messages_max: usize,
    /// Until when to wait for the first one.
    pub(crate) until: Timestamp,
    pub(crate) visibility: Option<Duration>,
    pub(crate) attempt: Option<String>,
}

/// A message that has been received.
pub(crate) struct Received {
    pub(crate) receipt: Receipt,
    pub(crate) standing: Standing,
    pub(crate) content: Content,
}

impl Received {
    /// Its system attributes, by their AWS names.
    pub(crate) fn attributes(&self, fifo: bool) -> BTreeMap<&'static str, String> {
        let (standing, content) = (&self.standing, &self.content);
        let mut attributes = BTreeMap::from([
            ("ApproximateReceiveCount", standing.receives.to_string()),
            ("ApproximateFirstReceiveTimestamp", standing.first_received.as_millis().to_string()),
            ("SentTimestamp", standing.sent.as_millis().to_string()),
            ("SenderId", content.sender_id.clone()),
        ]);
        let more = [
            ("AWSTraceHeader", content.trace_header.clone()),
            ("MessageGroupId", content.group.clone()),
            ("MessageDeduplicationId", content.deduplication_id.clone()),
            ("SequenceNumber", fifo.then(|| sequence_number(self.receipt.sequence))),
            ("DeadLetterQueueSourceArn", content.dead_letter_source.clone()),
        ];
        attributes.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
        attributes
    }
}

const SYSTEM_ATTRIBUTES: [&str; 10] = [
    "All",
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];

/// Whether `name` is among the wanted names: itself, `All`, `.*`, or a prefix followed by `.*`.
fn wanted(names: &[String], name: &str) -> bool {
    names.iter().any(|wanted| match wanted.as_str() {
        "All" | ".*" => true,
        wanted => wanted == name || wanted.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix)),
    })
}

impl ReceiveMessage {
    fn wish(&self, held: &Held, now: Timestamp) -> Result<Wish, Error> {
        let max = self.max_number_of_messages.unwrap_or(1);
        if !(1..=RECEIVE_MESSAGES_MAX).contains(&max) {
            let reason = format!("Must be between 1 and {RECEIVE_MESSAGES_MAX}, if provided.");
            return Err(Error::value(max, "MaxNumberOfMessages", &reason));
        }
        let seconds = |value: Option<i64>, name: &str, max: u32| {
            let Some(value) = value else { return Ok(None) };
            let reason = format!("Must be >= 0 and <= {max}, if provided.");
            let fits = u64::try_from(value).ok().filter(|value| *value <= u64::from(max));
            fits.map(|value| Some(Duration::from_secs(value))).ok_or_else(|| Error::value(value, name, &reason))
        };
        let wait = seconds(self.wait_time_seconds, "WaitTimeSeconds", WAIT_S_MAX)?;
        let visibility = seconds(self.visibility_timeout, "VisibilityTimeout", VISIBILITY_S_MAX)?;
        let names = self.attribute_names.iter().chain(&self.message_system_attribute_names);
        if let Some(unknown) = names.into_iter().find(|name| !SYSTEM_ATTRIBUTES.contains(&name.as_str())) {
            return Err(Error::AttributeName(unknown.clone()));
        }
        if let Some(attempt) = &self.receive_request_attempt_id {
            check_id("ReceiveRequestAttemptId", attempt)?;
            if !held.fifo() {
                let reason = "The request include parameter that is not valid for this queue type";
                return Err(Error::value(attempt, "ReceiveRequestAttemptId", reason));
            }
        }
        let wait = wait.unwrap_or(Duration::from_secs(u64::from(held.queue.settings.wait_s)));
        Ok(Wish {
            messages_max: usize::try_from(max).unwrap_or(1),
            until: now + wait,
            visibility,
            attempt: self.receive_request_attempt_id.clone(),
        })
    }

    fn shown(&self, received: Received, fifo: bool) -> ReceivedMessage {
        let mut attributes = received.attributes(fifo);
        let names =
            |name: &&str| self.attribute_names.iter().chain(&self.message_system_attribute_names).any(|n| n == name);
        attributes.retain(|name, _| names(&"All") || names(name));
        let md5_of_body = received.content.md5_of_body();
        let mut message_attributes = received.content.attributes;
        message_attributes.retain(|name, _| wanted(&self.message_attribute_names, name));
        ReceivedMessage {
            message_id: received.content.message_id,
            receipt_handle: received.receipt.handle(),
            md5_of_body,
            body: received.content.body,
            attributes,
            md5_of_message_attributes: md5_of(message_attributes.iter()),
            message_attributes,
        }
    }
}

/// Messages picked for a reception; those that are not taken by its end are put back.
struct Picked {
    stock: Arc<Stock>,
    sequences: Vec<u64>,
    /// Whether they were received before and are to be received again.
    again: bool,
}

impl Drop for Picked {
    fn drop(&mut self) {
        if self.sequences.is_empty() {
            return;
        }
        if let Some(index) = self.stock.opened() {
            let mut index = index.lock();
            self.sequences.iter().for_each(|sequence| index.put_back(*sequence));
        }
        self.stock.changed.notify_one();
    }
}

/// What a transaction does with the messages that were picked.
#[derive(Default)]
struct Takings {
    received: Vec<Received>,
    /// Deleted, expired, or moved to the dead-letter queue.
    gone: Vec<u64>,
    /// Hidden by another reception.
    hidden: Vec<(u64, u64, Timestamp)>,
}

impl Sqs {
    pub(crate) async fn receive_message(
        self: Arc<Self>,
        call: Call,
        input: ReceiveMessage,
    ) -> Result<ReceivedMessages, Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        let wish = input.wish(&held, self.env.now())?;
        let wish = Wish { until: wish.until.min(call.deadline), ..wish };
        let fifo = held.fifo();
        let received = self.receive(held, &wish).await?;
        Ok(ReceivedMessages { messages: received.into_iter().map(|received| input.shown(received, fifo)).collect() })
    }

    /// Receives messages as soon as there are any; none when the wait has passed.
    pub(crate) async fn receive(self: &Arc<Self>, held: Arc<Held>, wish: &Wish) -> Result<Vec<Received>, Error> {
        let meters = self.meters_of(&held);
        let received = self.receive_unmeasured(held, wish).await?;
        if let Some(meters) = meters {
            match received.len() {
                0 => meters.empty_receives.count(),
                n => meters.received.record_times(1.0, n as f64),
            }
        }
        Ok(received)
    }

    async fn receive_unmeasured(self: &Arc<Self>, held: Arc<Held>, wish: &Wish) -> Result<Vec<Received>, Error> {
        let mut held = held;
        // Who waits is told nothing, nor who asks a FIFO queue; AWS: Developer Guide, "Amazon SQS standard queue quotas" and
        // "Amazon SQS FIFO queue quotas".
        let short = !held.fifo() && self.env.now() >= wish.until;
        loop {
            let stock = Arc::clone(&held.stock);
            let index = stock.index(&self.db, self.env.now()).await?;
            loop {
                let changed = stock.changed.notified();
                tokio::pin!(changed);
                // Registered before the look, so that nothing that comes in between is missed.
                changed.as_mut().enable();
                if stock.closed.load(Ordering::SeqCst) {
                    break;
                }
                let now = self.env.now();
                if let Some(picked) = self.pick(&held, index, wish, now) {
                    let received = self.take(&held, picked, wish, now).await?;
                    self.refill(&stock);
                    if !received.is_empty() {
                        return Ok(received);
                    }
                    continue;
                }
                if now >= wish.until {
                    let full = index.lock().counts().in_flight >= stock.in_flight_max;
                    return if short && full { Err(Error::OverLimit(stock.in_flight_max)) } else { Ok(Vec::new()) };
                }
                if index.lock().wants_page() {
                    stock.fill(index, &self.db, now).await?;
                    continue;
                }
                let next = index.lock().next_due();
                let until = next.map_or(wish.until, |next| next.min(wish.until));
                tokio::select! {
                    () = changed => {}
                    () = self.env.sleep_until(until) => {}
                }
            }
            held = self.held(&held.id).await?;
        }
    }

    /// Reads the next page ahead, if one is wanted.
    fn refill(self: &Arc<Self>, stock: &Arc<Stock>) {
        let Some(true) = stock.opened().map(|index| index.lock().wants_page()) else { return };
        let (sqs, stock) = (Arc::clone(self), Arc::clone(stock));
        tokio::spawn(async move {
            let Some(index) = stock.opened() else { return };
            if let Err(error) = stock.fill(index, &sqs.db, sqs.env.now()).await {
                tracing::warn!(%error, "a page of messages cannot be read; it is tried again when it is needed");
            }
        });
    }

    fn pick(&self, held: &Held, index: &Mutex<Index>, wish: &Wish, now: Timestamp) -> Option<Picked> {
        let stock = Arc::clone(&held.stock);
        if let Some(attempt) = &wish.attempt {
            let attempts = stock.attempts.lock();
            let before = attempts.get(attempt).filter(|before| before.at + ATTEMPT_LASTS > now);
            if let Some(before) = before.filter(|before| index.lock().pick_again(&before.receptions)) {
                let sequences: Vec<u64> = before.receptions.iter().map(|(sequence, _)| *sequence).collect();
                drop(attempts);
                return (!sequences.is_empty()).then(|| Picked { stock, sequences, again: true });
            }
        }
        let sequences = {
            let mut index = index.lock();
            // What is in flight no longer makes room.
            index.advance(now);
            let room = stock.in_flight_max.saturating_sub(index.counts().in_flight);
            index.pick(now, wish.messages_max.min(room))
        };
        (!sequences.is_empty()).then(|| Picked { stock, sequences, again: false })
    }

    async fn take(
        self: &Arc<Self>,
        held: &Arc<Held>,
        mut picked: Picked,
        wish: &Wish,
        now: Timestamp,
    ) -> Result<Vec<Received>, Error> {
        let visibility = wish.visibility.unwrap_or(Duration::from_secs(u64::from(held.queue.settings.visibility_s)));
        let until = now + visibility;
        let (sequences, again) = (&picked.sequences, picked.again);
        let takings =
            self.db.transact(async |tx| self.take_in(&tx, held, sequences, again, (now, until)).await).await?;
        {
            let mut index = picked.stock.index(&self.db, now).await?.lock();
            takings.gone.iter().for_each(|sequence| index.remove(*sequence));
            takings.hidden.iter().for_each(|(sequence, nonce, due)| index.taken(*sequence, *nonce, *due));
        }
        if let (Some(attempt), false) = (&wish.attempt, takings.received.is_empty()) {
            let receptions =
                takings.received.iter().map(|taken| (taken.receipt.sequence, taken.receipt.nonce)).collect();
            let mut attempts = picked.stock.attempts.lock();
            if attempts.len() >= ATTEMPTS_MAX {
                attempts.retain(|_, attempt| attempt.at + ATTEMPT_LASTS > now);
            }
            if attempts.len() < ATTEMPTS_MAX {
                attempts.insert(attempt.clone(), Attempt { at: now, receptions });
            }
        }
        picked.sequences.clear();
        if !takings.gone.is_empty() {
            picked.stock.changed.notify_one();
        }
        Ok(takings.received)
    }

    async fn take_in(
        self: &Arc<Self>,
        tx: &Tx,
        held: &Arc<Held>,
        sequences: &[u64],
        again: bool,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Takings, Error> {
        let stock = &held.stock;
        let standings = sequences.iter().map(|sequence| keys::standing(stock.life, *sequence));
        let rows = tx.get_many(&standings.chain(contents(held, sequences)).collect::<Vec<_>>()).await?;
        let (standings, contents) = rows.split_at(sequences.len().min(rows.len()));
        let retention = Duration::from_secs(u64::from(held.queue.settings.retention_s));
        let dead_letters = self.dead_letters(held).await?;
        let receives_max = held.queue.settings.redrive.as_ref().map(|policy| policy.max_receive_count);
        let mut takings = Takings::default();
        let (mut dead, mut removed, mut taken) = (Vec::new(), 0_i64, Vec::new());
        for ((sequence, standing), content) in sequences.iter().copied().zip(standings).zip(contents) {
            let (Some(standing), Some(content)) = (standing, content) else {
                takings.gone.push(sequence);
                continue;
            };
            let mut standing: Standing = decode(standing)?;
            if standing.due > now && !again {
                takings.hidden.push((sequence, standing.nonce, standing.due));
                continue;
            }
            if standing.sent + retention <= now {
                clear(tx, held, sequence);
                removed += 1;
                takings.gone.push(sequence);
                continue;
            }
            let content: Content = decode(content)?;
            let spent = receives_max.is_some_and(|max| standing.receives >= max);
            if spent && !again && dead_letters.is_some() {
                dead.push((sequence, standing, content));
                continue;
            }
            let nonce = self.env.entropy().u64().max(1);
            standing.receives = standing.receives.saturating_add(1);
            if standing.first_received == Timestamp::EPOCH {
                standing.first_received = now;
            }
            (standing.nonce, standing.received, standing.due) = (nonce, now, until);
            tx.set_record(keys::standing(stock.life, sequence), &standing)?;
            taken.push((sequence, nonce, until));
            let receipt = Receipt { life: stock.life, sequence, nonce };
            takings.received.push(Received { receipt, standing, content });
        }
        if let Some(target) = dead_letters {
            removed += self.bury(tx, held, &target, dead, &mut takings).await?;
        }
        if removed > 0 {
            tx.add(keys::count(stock.life), -removed)?;
        }
        self.fence(tx, &held.arn)?;
        let stock = Arc::clone(stock);
        tx.on_commit(move || {
            if let Some(index) = stock.opened() {
                let mut index = index.lock();
                taken.into_iter().for_each(|(sequence, nonce, until)| index.taken(sequence, nonce, until));
            }
        });
        Ok(takings)
    }

    /// The queue's dead-letter queue. Where it is gone, messages stay and are received on, as on AWS.
    async fn dead_letters(&self, held: &Held) -> Result<Option<Arc<Held>>, Error> {
        let Some(policy) = &held.queue.settings.redrive else { return Ok(None) };
        let Some(id) = keys::QueueId::from_arn(&policy.dead_letter_target_arn) else { return Ok(None) };
        match self.held(&id).await {
            Ok(held) => Ok(Some(held)),
            Err(Error::NoQueue) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves messages that were received too often to the dead-letter queue; says how many.
    async fn bury(
        &self,
        tx: &Tx,
        held: &Held,
        target: &Held,
        dead: Vec<(u64, Standing, Content)>,
        takings: &mut Takings,
    ) -> Result<i64, Error> {
        if dead.is_empty() {
            return Ok(0);
        }
        let count = i64::try_from(dead.len()).unwrap_or(i64::MAX);
        let source = held.arn.to_string();
        let mut outgoings = Vec::with_capacity(dead.len());
        for (sequence, standing, content) in dead {
            clear(tx, held, sequence);
            takings.gone.push(sequence);
            let content = Content { dead_letter_source: Some(source.clone()), ..content };
            // AWS: the age of a standard queue's message goes on from when it was first sent.
            let sent = (!target.fifo()).then_some(standing.sent);
            outgoings.push(Outgoing { content, delay_s: None, sent, deduplicated: false });
        }
        self.enqueue(tx, target, &outgoings).await?;
        Ok(count)
    }
}

fn contents<'a>(held: &'a Held, sequences: &'a [u64]) -> impl Iterator<Item = cauce_store::Bytes> + 'a {
    sequences.iter().map(|sequence| keys::content(held.stock.life, *sequence))
}

/// Removes a message's rows.
pub(crate) fn clear(tx: &Tx, held: &Held, sequence: u64) {
    tx.clear(keys::standing(held.stock.life, sequence));
    tx.clear(keys::content(held.stock.life, sequence));
}

/// Decodes a row that was read.
pub(crate) fn decode<R: RowCodec>(row: &[u8]) -> Result<R, Error> {
    R::decode_row(row).map_err(|error| StoreError::Invalid(error.to_string()).into())
}
