//! Taking messages from queues: asked of `sqs`, by whatever polls a queue inside the program.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{Arn, Call, ServiceError};

/// One poll of a queue.
#[derive(Clone, Debug)]
pub struct Poll {
    /// The queue.
    pub queue: Arn,
    /// How many messages are wanted, at least 1 and at most [`POLL_MESSAGES_MAX`].
    pub messages_max: usize,
    /// How long to wait for the first one; the poll answers as soon as there is one.
    pub wait: Duration,
    /// How long the messages stay hidden from others; the queue's own time where none is given.
    pub visibility_timeout: Option<Duration>,
}

/// The most messages of one [`Poll`]: more than the ten of `ReceiveMessage`, so that a large batch is one commit.
pub const POLL_MESSAGES_MAX: usize = 100;

/// A message as a poll receives it, with every attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id, the same for every reception.
    pub message_id: String,
    /// Names this reception.
    pub receipt_handle: String,
    /// Its text.
    pub body: String,
    /// MD5 of the body, in hexadecimal.
    pub md5_of_body: String,
    /// MD5 of the message attributes, where it has some.
    pub md5_of_message_attributes: Option<String>,
    /// System attributes by their AWS names: `ApproximateReceiveCount`, `SentTimestamp`, `SenderId`, `MessageGroupId`, ...
    pub attributes: Vec<(String, String)>,
    /// Message attributes as functions see them in an event: name to `{stringValue, binaryValue, dataType, ...}`.
    pub message_attributes: Map<String, Value>,
}

/// What a poller needs to know of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFacts {
    /// The queue's visibility timeout.
    pub visibility_timeout: Duration,
    /// Whether it is a FIFO queue: then messages of one group are handed out in order, and only while none of the group is
    /// with another consumer.
    pub fifo: bool,
}

/// Takes messages from queues. `call` is the consumer (the session of a function's role), and is authorized by the
/// implementation: `sqs:ReceiveMessage`, to hide as well, `sqs:DeleteMessage`, `sqs:GetQueueAttributes`.
#[async_trait]
pub trait Queues: Send + Sync + 'static {
    /// What is known of a queue.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, `AccessDenied`.
    async fn facts(&self, call: &Call, queue: &Arn) -> Result<QueueFacts, ServiceError>;

    /// Receives messages; empty when the wait has passed without one.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, `AccessDenied`, `OverLimit`.
    async fn poll(&self, call: &Call, poll: Poll) -> Result<Vec<Message>, ServiceError>;

    /// Deletes messages by receipt handle, in one commit. What is gone already is success.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, `AccessDenied`, `ReceiptHandleIsInvalid`.
    async fn delete(&self, call: &Call, queue: &Arn, receipt_handles: &[String]) -> Result<(), ServiceError>;

    /// Sets how long from now messages stay hidden; zero shows them at once. What is gone already is left out.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, `AccessDenied`, `ReceiptHandleIsInvalid`.
    async fn hide(
        &self,
        call: &Call,
        queue: &Arn,
        receipt_handles: &[String],
        visibility_timeout: Duration,
    ) -> Result<(), ServiceError>;
}
