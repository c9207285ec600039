//! Putting messages into queues: by request, and in the transactions of others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Call, Principal, Timestamp};
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::batch::{self, Failure};
use crate::error::Error;
use crate::held::{Held, Stock};
use crate::index::Known;
use crate::keys::{self, SentId};
use crate::message::{Content, Sent, Standing, sequence_number};
use crate::message_attribute::{self, AttributeValue, md5_of};
use crate::model::Queue;
use crate::service::Sqs;
use crate::settings::DELAY_S_MAX;

/// How long a deduplication id is remembered.
pub const DEDUPLICATION_LASTS: Duration = Duration::from_secs(300);
/// The longest message group or deduplication id, in characters.
pub const ID_CHARS_MAX: usize = 128;
/// The one system attribute that can be sent.
const TRACE_HEADER: &str = "AWSTraceHeader";

/// `SendMessage`, and an entry of `SendMessageBatch`, which has an id instead of a queue.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SendMessage {
    pub(crate) queue_url: Option<String>,
    id: Option<String>,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
    #[serde(default, alias = "MessageAttribute")]
    message_attributes: BTreeMap<String, AttributeValue>,
    #[serde(default, alias = "MessageSystemAttribute")]
    message_system_attributes: BTreeMap<String, AttributeValue>,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

impl Input for SendMessage {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SendMessageBatch {
    pub(crate) queue_url: Option<String>,
    #[serde(default, alias = "SendMessageBatchRequestEntry")]
    entries: Vec<SendMessage>,
}

impl Input for SendMessageBatch {}

/// What is said of a message that was sent.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SentMessage {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_message_body: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_system_attributes: Option<String>,
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SentBatch {
    #[serde(serialize_with = "flat_sent")]
    successful: Vec<SentMessage>,
    #[serde(serialize_with = "batch::flat_failed")]
    failed: Vec<Failure>,
}

fn flat_sent<S: serde::Serializer>(list: &Vec<SentMessage>, serializer: S) -> Result<S::Ok, S::Error> {
    cauce_wire::flattened("$cauce::Flat SendMessageBatchResultEntry", list, serializer)
}

/// A message on its way into a queue.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) content: Content,
    /// How long it is delayed, in seconds; as long as the queue says where nothing is given.
    pub(crate) delay_s: Option<u32>,
    /// When it was first sent, if it comes from another queue.
    pub(crate) sent: Option<Timestamp>,
    /// Whether it is left out if one with its deduplication id was sent lately.
    pub(crate) deduplicated: bool,
}

/// A message that is in a queue once the transaction commits.
#[derive(Clone, Debug)]
pub(crate) struct Enqueued {
    pub(crate) message_id: String,
    pub(crate) sequence: u64,
}

/// Who sent a message, as its attribute `SenderId` says.
pub(crate) fn sender_id(principal: &Principal) -> String {
    match principal {
        Principal::Root { account, .. } => account.to_string(),
        Principal::User { id, .. } | Principal::Session { id, .. } => id.clone(),
        Principal::Service { name, .. } => name.clone(),
        Principal::Anonymous => "anonymous".to_owned(),
    }
}

/// Refuses a group or deduplication id with other characters than AWS takes.
pub(crate) fn check_id(name: &str, value: &str) -> Result<(), Error> {
    let plain = value.bytes().all(|byte| byte.is_ascii_graphic());
    if plain && (1..=ID_CHARS_MAX).contains(&value.len()) {
        return Ok(());
    }
    let reason =
        format!("{name} can only include alphanumeric and punctuation characters. 1 to {ID_CHARS_MAX} in length.");
    Err(Error::value(value, name, &reason))
}

/// Refuses a message that its queue does not take, and says what the queue does with it.
pub(crate) fn check(queue: &Queue, mut content: Content, delay_s: Option<i64>) -> Result<Outgoing, Error> {
    let settings = &queue.settings;
    let delay_s = delay_s.map(|delay| {
        u32::try_from(delay).ok().filter(|delay| *delay <= DELAY_S_MAX).ok_or_else(|| {
            Error::value(delay, "DelaySeconds", &format!("DelaySeconds must be >= 0 and <= {DELAY_S_MAX}."))
        })
    });
    let delay_s = delay_s.transpose()?;
    message_attribute::check(&content.attributes)?;
    message_attribute::check_text(&content.body)?;
    if content.bytes() > settings.message_bytes_max {
        let limit = settings.message_bytes_max;
        let message =
            format!("One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.");
        return Err(Error::Value(message));
    }
    if let Some(group) = &content.group {
        check_id("MessageGroupId", group)?;
    }
    if let Some(id) = &content.deduplication_id {
        check_id("MessageDeduplicationId", id)?;
    }
    let unfit = "The request include parameter that is not valid for this queue type";
    let Some(fifo) = settings.fifo else {
        if let Some(id) = &content.deduplication_id {
            return Err(Error::value(id, "MessageDeduplicationId", unfit));
        }
        return Ok(Outgoing { content, delay_s, sent: None, deduplicated: false });
    };
    if let Some(delay) = delay_s.filter(|delay| *delay > 0) {
        return Err(Error::value(delay, "DelaySeconds", unfit));
    }
    if content.group.is_none() {
        return Err(Error::Missing("MessageGroupId".to_owned()));
    }
    if content.deduplication_id.is_none() {
        if !fifo.content_based {
            let message = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                 explicitly";
            return Err(Error::Value(message.to_owned()));
        }
        content.deduplication_id = Some(hex::encode(Sha256::digest(content.body.as_bytes())));
    }
    Ok(Outgoing { content, delay_s: None, sent: None, deduplicated: true })
}

/// What is said of a message that is not in its content.
struct Aside {
    id: Option<String>,
    md5_of_system_attributes: Option<String>,
}

impl SendMessage {
    fn outgoing(self, call: &Call, queue: &Queue) -> Result<(Outgoing, Aside), Error> {
        let trace_header = self.trace_header()?;
        let aside = Aside { id: self.id, md5_of_system_attributes: md5_of(self.message_system_attributes.iter()) };
        let body = self.message_body.filter(|body| !body.is_empty());
        let content = Content {
            sender_id: sender_id(&call.principal),
            body: body.ok_or_else(|| Error::Missing("MessageBody".to_owned()))?,
            attributes: self.message_attributes,
            trace_header,
            group: self.message_group_id,
            deduplication_id: self.message_deduplication_id,
            ..Content::default()
        };
        Ok((check(queue, content, self.delay_seconds)?, aside))
    }

    fn trace_header(&self) -> Result<Option<String>, Error> {
        let mut header = None;
        for (name, value) in &self.message_system_attributes {
            if name != TRACE_HEADER {
                let message =
                    format!("Message system attribute name '{name}' is invalid. Supported names: {TRACE_HEADER}.");
                return Err(Error::Value(message));
            }
            if value.data_type != "String" || value.string_value.as_deref().is_none_or(str::is_empty) {
                let message =
                    format!("The message system attribute '{name}' must have a non-empty value of type 'String'.");
                return Err(Error::Value(message));
            }
            header.clone_from(&value.string_value);
        }
        Ok(header)
    }
}

impl Aside {
    fn said(self, held: &Held, outgoing: &Outgoing, enqueued: Enqueued) -> SentMessage {
        SentMessage {
            id: self.id,
            md5_of_message_body: outgoing.content.md5_of_body(),
            md5_of_message_attributes: outgoing.content.md5_of_attributes(),
            md5_of_message_system_attributes: self.md5_of_system_attributes,
            message_id: enqueued.message_id,
            sequence_number: held.fifo().then(|| sequence_number(enqueued.sequence)),
        }
    }
}

/// A number drawn in a FIFO group by a transaction that has not ended.
struct Doubt {
    stock: Arc<Stock>,
    group: Arc<str>,
    sequence: u64,
}

impl Drop for Doubt {
    fn drop(&mut self) {
        if let Some(index) = self.stock.opened() {
            index.lock().settle(&self.group, self.sequence);
        }
        self.stock.changed.notify_one();
    }
}

impl Sqs {
    pub(crate) async fn send_message(self: Arc<Self>, call: Call, input: SendMessage) -> Result<SentMessage, Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        let (outgoing, aside) = input.outgoing(&call, &held.queue)?;
        let one = std::slice::from_ref(&outgoing);
        let sent = self.db.transact(async |tx| self.enqueue(&tx, &held, one).await).await?;
        let enqueued = sent.into_iter().next().ok_or(Error::NoQueue)?;
        Ok(aside.said(&held, &outgoing, enqueued))
    }

    pub(crate) async fn send_message_batch(
        self: Arc<Self>,
        call: Call,
        input: SendMessageBatch,
    ) -> Result<SentBatch, Error> {
        let held = self.addressed(&call, input.queue_url.as_deref()).await?;
        batch::check_ids("SendMessageBatchRequestEntry", input.entries.iter().map(|entry| entry.id.as_deref()))?;
        let bytes = |entry: &SendMessage| {
            let attributes = entry.message_attributes.iter().map(|(name, value)| name.len() + value.bytes());
            entry.message_body.as_ref().map_or(0, String::len) + attributes.sum::<usize>()
        };
        let sent: usize = input.entries.iter().map(bytes).sum();
        if sent > crate::MESSAGE_BYTES_MAX {
            return Err(Error::BatchBytes { sent });
        }
        let (mut asides, mut outgoings, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for entry in input.entries {
            let id = entry.id.clone();
            match entry.outgoing(&call, &held.queue) {
                Ok((outgoing, aside)) => {
                    asides.push(aside);
                    outgoings.push(outgoing);
                }
                Err(error) => failed.push(Failure::new(id.as_deref(), error)),
            }
        }
        let enqueued = match outgoings.is_empty() {
            true => Vec::new(),
            false => self.db.transact(async |tx| self.enqueue(&tx, &held, &outgoings).await).await?,
        };
        let said = asides.into_iter().zip(&outgoings).zip(enqueued);
        let successful = said.map(|((aside, outgoing), enqueued)| aside.said(&held, outgoing, enqueued)).collect();
        Ok(SentBatch { successful, failed })
    }

    /// Puts messages into a queue in the transaction `tx`: they are there if and only if it commits.
    pub(crate) async fn enqueue(&self, tx: &Tx, held: &Held, outgoings: &[Outgoing]) -> Result<Vec<Enqueued>, Error> {
        let queue = self.confirm(tx, held).await?;
        let now = self.env.now();
        let stock = &held.stock;
        let index = stock.index(&self.db, now).await?;
        let (mut enqueued, mut arrivals) = (Vec::with_capacity(outgoings.len()), Vec::with_capacity(outgoings.len()));
        for outgoing in outgoings {
            let sent_id = outgoing.deduplicated.then(|| sent_id(held, outgoing)).flatten();
            if let Some(sent_id) = &sent_id {
                let before: Option<Sent> = tx.get_record(&sent_id.key()).await?;
                if let Some(before) = before.filter(|before| before.expires > now) {
                    enqueued.push(Enqueued { message_id: before.message_id, sequence: before.sequence });
                    continue;
                }
            }
            let content = &outgoing.content;
            let message_id = match content.message_id.is_empty() {
                true => self.env.entropy().uuid(),
                false => content.message_id.clone(),
            };
            let group = content.group.as_deref().filter(|_| held.fifo()).map(Arc::<str>::from);
            let sequence = {
                let mut index = index.lock();
                let sequence = index.draw(now);
                if let Some(group) = &group {
                    index.doubt(group, sequence);
                }
                sequence
            };
            if let Some(group) = &group {
                tx.hold(Doubt { stock: Arc::clone(stock), group: Arc::clone(group), sequence });
            }
            if let Some(sent_id) = &sent_id {
                let expires = now + DEDUPLICATION_LASTS;
                let sent = Sent { expires, message_id: message_id.clone(), sequence };
                tx.set_record(sent_id.key(), &sent)?;
                tx.set(sent_id.expiry_key(expires), Vec::new());
            }
            let delay_s = outgoing.delay_s.unwrap_or(queue.settings.delay_s);
            let due = now + Duration::from_secs(u64::from(delay_s));
            let standing = Standing {
                sent: outgoing.sent.unwrap_or(now),
                due,
                receives: 0,
                first_received: Timestamp::EPOCH,
                nonce: 0,
                received: Timestamp::EPOCH,
                group: group.as_deref().map(str::to_owned),
            };
            tx.set_record(keys::standing(stock.life, sequence), &standing)?;
            tx.set(keys::content(stock.life, sequence), content.encode_with_id(&message_id));
            arrivals.push(Known { sequence, due, nonce: 0, group });
            enqueued.push(Enqueued { message_id, sequence });
        }
        if arrivals.is_empty() {
            return Ok(enqueued);
        }
        tx.add(keys::count(stock.life), i64::try_from(arrivals.len()).unwrap_or(i64::MAX))?;
        let stock = Arc::clone(stock);
        tx.on_commit(move || arrivals.into_iter().for_each(|known| stock.arrive(known, now)));
        // AWS: what a queue gets as dead letters is not sent to it.
        let sent = outgoings.iter().filter(|outgoing| outgoing.content.dead_letter_source.is_none());
        let sizes: Vec<f64> =
            sent.map(|outgoing| f64::from(u32::try_from(outgoing.content.bytes()).unwrap_or(u32::MAX))).collect();
        if let Some(meters) = self.meters_of(held) {
            tx.on_commit(move || {
                sizes.iter().for_each(|bytes| meters.sent_bytes.record(*bytes));
                meters.sent.record_times(1.0, sizes.len() as f64);
            });
        }
        Ok(enqueued)
    }
}

fn sent_id<'a>(held: &Held, outgoing: &'a Outgoing) -> Option<SentId<'a>> {
    let fifo = held.queue.settings.fifo?;
    let group = outgoing.content.group.as_deref().filter(|_| fifo.scope_is_group);
    let deduplication_id = outgoing.content.deduplication_id.as_deref()?;
    Some(SentId { life: held.stock.life, deduplication_id, group })
}
