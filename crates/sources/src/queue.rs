//! A queue as a source.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cauce_core::ports::{Message, POLL_MESSAGES_MAX, Poll, Queues};
use cauce_core::{Arn, Call, Env, ServiceError, Timestamp};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::source::{Source, Taken};

/// How long what is known of the queue is taken for true.
const FACTS_KEPT: Duration = Duration::from_secs(60);

/// The attribute that carries the tracing header of who sent the message.
const TRACE_HEADER: &str = "AWSTraceHeader";

/// A queue, whose messages come as events show them.
pub(crate) struct QueueSource {
    queues: Arc<dyn Queues>,
    queue: Arn,
    env: Env,
    /// Whether there are filters, which want to see the body as JSON.
    filtered: bool,
    facts: Mutex<Option<(Timestamp, Duration)>>,
}

impl QueueSource {
    /// The queue of this ARN. `filtered` says whether filters will look at its messages.
    pub(crate) fn new(queues: Arc<dyn Queues>, queue: Arn, env: Env, filtered: bool) -> QueueSource {
        QueueSource { queues, queue, env, filtered, facts: Mutex::new(None) }
    }

    fn taken(&self, message: Message) -> Result<Taken, ServiceError> {
        let attributes: Map<String, Value> =
            message.attributes.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let trace = message.attributes.iter().find(|(name, _)| name == TRACE_HEADER).map(|(_, value)| value.clone());
        let record = |body| Record {
            message_id: &message.message_id,
            receipt_handle: &message.receipt_handle,
            body,
            attributes: &attributes,
            message_attributes: &message.message_attributes,
            md5_of_message_attributes: message.md5_of_message_attributes.as_deref(),
            md5_of_body: &message.md5_of_body,
            event_source: "aws:sqs",
            event_source_arn: self.queue.as_str(),
            aws_region: self.queue.region(),
        };
        let json = |record: &Record<'_>| serde_json::to_string(record).map_err(ServiceError::internal);
        let filtered = match self.filtered {
            true => Some(json(&record(Body::seen(&message.body)))?),
            false => None,
        };
        Ok(Taken {
            record: json(&record(Body::Text(&message.body)))?,
            filtered,
            trace,
            at: self.env.now(),
            id: message.message_id,
            handle: message.receipt_handle,
        })
    }
}

/// A message in an event. AWS: Lambda Developer Guide, *Using Lambda with Amazon SQS*; EventBridge User Guide, *Amazon Simple
/// Queue Service as a source*.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    body: Body<'a>,
    attributes: &'a Map<String, Value>,
    message_attributes: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<&'a str>,
    md5_of_body: &'a str,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

/// A body as a consumer gets it, or as filters see it: JSON objects have fields for them, all else is a text.
#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Text(&'a str),
    Object(&'a serde_json::value::RawValue),
}

impl Body<'_> {
    fn seen(text: &str) -> Body<'_> {
        match serde_json::from_str(text) {
            Ok(object) if text.trim_start().starts_with('{') => Body::Object(object),
            _ => Body::Text(text),
        }
    }
}

#[async_trait]
impl Source for QueueSource {
    fn ordered(&self) -> bool {
        self.queue.resource().ends_with(".fifo")
    }

    async fn hidden_for(&self, call: &Call) -> Result<Duration, ServiceError> {
        let now = self.env.now();
        if let Some((_, known)) = self.facts.lock().filter(|(at, _)| now.since(*at) < FACTS_KEPT) {
            return Ok(known);
        }
        let found = self.queues.facts(call, &self.queue).await?.visibility_timeout;
        *self.facts.lock() = Some((now, found));
        Ok(found)
    }

    async fn take(&self, call: &Call, max: usize, wait: Duration) -> Result<Vec<Taken>, ServiceError> {
        let messages_max = max.clamp(1, POLL_MESSAGES_MAX);
        let poll = Poll { queue: self.queue.clone(), messages_max, wait, visibility_timeout: None };
        let messages = self.queues.poll(call, poll).await?;
        messages.into_iter().map(|message| self.taken(message)).collect()
    }

    async fn done(&self, call: &Call, handles: Vec<String>) -> Result<(), ServiceError> {
        self.queues.delete(call, &self.queue, &handles).await
    }

    async fn hide(&self, call: &Call, handles: Vec<String>, lasts: Duration) -> Result<(), ServiceError> {
        self.queues.hide(call, &self.queue, &handles, lasts).await
    }
}
