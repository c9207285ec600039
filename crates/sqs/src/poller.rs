//! Queues for what polls them inside the program: answers [`Queues`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::ports::{Access, Message, POLL_MESSAGES_MAX, Poll, QueueFacts, Queues};
use cauce_core::{Arn, Call, ServiceError};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::held::Held;
use crate::keys::QueueId;
use crate::receipt::Receipt;
use crate::receive::{Received, Wish};
use crate::service::Sqs;

impl Sqs {
    /// The queue, if the caller may do `action` to it.
    async fn allowed(&self, call: &Call, queue: &Arn, action: &str) -> Result<Arc<Held>, ServiceError> {
        let held = match QueueId::from_arn(queue) {
            Some(id) => self.held(&id).await,
            None => Err(Error::NoQueue),
        };
        let policy = held.as_ref().ok().and_then(|held| held.queue.settings.policy.as_deref());
        let access = Access { action, resource: queue.as_str(), resource_policy: policy, context: Vec::new() };
        self.identity.authorize(call, &access).await?;
        Ok(held?)
    }
}

/// A message as events show it.
fn message(received: Received, fifo: bool) -> Message {
    let attributes = received.attributes(fifo).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let content = &received.content;
    let mut message_attributes = Map::new();
    for (name, value) in &content.attributes {
        let mut shown = json!({
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": value.data_type,
        });
        let (field, text) = match (&value.binary_value, &value.string_value) {
            (Some(blob), _) => ("binaryValue", STANDARD.encode(&blob.0)),
            (None, text) => ("stringValue", text.clone().unwrap_or_default()),
        };
        if let Value::Object(shown) = &mut shown {
            shown.insert(field.to_owned(), text.into());
        }
        message_attributes.insert(name.clone(), shown);
    }
    Message {
        receipt_handle: received.receipt.handle(),
        md5_of_body: content.md5_of_body(),
        md5_of_message_attributes: content.md5_of_attributes(),
        attributes,
        message_attributes,
        message_id: received.content.message_id,
        body: received.content.body,
    }
}

/// Answers [`Queues`].
pub struct QueuePoller {
    sqs: Arc<Sqs>,
}

impl QueuePoller {
    /// The queues of `sqs`.
    pub fn new(sqs: Arc<Sqs>) -> QueuePoller {
        QueuePoller { sqs }
    }
}

#[async_trait]
impl Queues for QueuePoller {
    async fn facts(&self, call: &Call, queue: &Arn) -> Result<QueueFacts, ServiceError> {
        let held = self.sqs.allowed(call, queue, "sqs:GetQueueAttributes").await?;
        let visibility_timeout = Duration::from_secs(u64::from(held.queue.settings.visibility_s));
        Ok(QueueFacts { visibility_timeout, fifo: held.fifo() })
    }

    async fn poll(&self, call: &Call, poll: Poll) -> Result<Vec<Message>, ServiceError> {
        let held = self.sqs.allowed(call, &poll.queue, "sqs:ReceiveMessage").await?;
        let fifo = held.fifo();
        let wish = Wish {
            messages_max: poll.messages_max.clamp(1, POLL_MESSAGES_MAX),
            until: self.sqs.env.now() + poll.wait,
            visibility: poll.visibility_timeout,
            attempt: None,
        };
        Ok(self.sqs.receive(held, &wish).await?.into_iter().map(|received| message(received, fifo)).collect())
    }

    async fn delete(&self, call: &Call, queue: &Arn, receipt_handles: &[String]) -> Result<(), ServiceError> {
        let held = self.sqs.allowed(call, queue, "sqs:DeleteMessage").await?;
        let receipts = receipt_handles.iter().map(|handle| Receipt::read(handle)).collect::<Result<Vec<_>, _>>()?;
        let receipts: Vec<_> = receipts.into_iter().map(Ok).collect();
        // What another reception has by now is not ours to delete; it is as if it were gone.
        self.sqs.delete(&held, &receipts).await?;
        Ok(())
    }

    async fn hide(
        &self,
        call: &Call,
        queue: &Arn,
        receipt_handles: &[String],
        visibility_timeout: Duration,
    ) -> Result<(), ServiceError> {
        // Whoever may receive may hold on to what it has received: the policy that AWS manages for pollers
        // (AWSLambdaSQSQueueExecutionRole) allows no more.
        let held = self.sqs.allowed(call, queue, "sqs:ReceiveMessage").await?;
        let receipts = receipt_handles.iter().map(|handle| Receipt::read(handle)).collect::<Result<Vec<_>, _>>()?;
        let wishes: Vec<_> = receipts.into_iter().map(|receipt| Ok((receipt, visibility_timeout))).collect();
        self.sqs.hide(&held, &wishes).await?;
        Ok(())
    }
}
