//! A queue as the target of effects: the message is in the queue when what caused it is committed.
//!
//! What an effect says of its message besides the body is in its attributes, see [`cauce_delivery::message`].

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::ServiceError;
use cauce_core::ports::Access;
use cauce_delivery::{Acceptance, Effect, EffectId, Outcome, Target, message};
use cauce_store::Tx;

use crate::error::Error;
use crate::held::Held;
use crate::keys::QueueId;
use crate::message::Content;
use crate::message_attribute::AttributeValue;
use crate::send::check;
use crate::service::Sqs;

/// Takes effects on queues; register it for `sqs`.
pub struct QueueTarget {
    sqs: Arc<Sqs>,
}

impl QueueTarget {
    /// The target that puts messages into the queues of `sqs`.
    pub fn new(sqs: Arc<Sqs>) -> QueueTarget {
        QueueTarget { sqs }
    }

    async fn held(&self, effect: &Effect) -> Result<Arc<Held>, ServiceError> {
        let missing = || {
            let message = format!("The specified queue does not exist: {}", effect.target);
            ServiceError::new(404, "NO_RESOURCE", message)
        };
        let id = QueueId::from_arn(&effect.target).ok_or_else(missing)?;
        match self.sqs.held(&id).await {
            Err(Error::NoQueue) => Err(missing()),
            other => Ok(other?),
        }
    }
}

fn attribute(data_type: &str, value: &str) -> Result<AttributeValue, ServiceError> {
    let data_type = data_type.to_owned();
    if !data_type.starts_with("Binary") {
        return Ok(AttributeValue::text(data_type, value.to_owned()));
    }
    let bytes = STANDARD.decode(value).map_err(|why| malformed(why.to_string()))?;
    Ok(AttributeValue::binary(data_type, bytes.into()))
}

fn malformed(why: String) -> ServiceError {
    ServiceError::new(400, "INVALID_MESSAGE", format!("no message of a queue: {why}"))
}

#[async_trait]
impl Target for QueueTarget {
    async fn accept(&self, tx: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError> {
        let held = self.held(effect).await?;
        let access = Access {
            action: "sqs:SendMessage",
            resource: effect.target.as_str(),
            resource_policy: held.queue.settings.policy.as_deref(),
            context: Vec::new(),
        };
        effect.authorize(&*self.sqs.identity, &self.sqs.env, &access).await?;
        let body = std::str::from_utf8(&effect.payload).map_err(|why| malformed(why.to_string()))?;
        let owned = |name: &str| effect.attribute(name).map(str::to_owned);
        let mut content = Content {
            message_id: String::new(),
            sender_id: effect.service.clone(),
            body: body.to_owned(),
            group: owned(message::GROUP_ID),
            // A dead letter keeps what was said of the message, which only a FIFO queue takes.
            deduplication_id: owned(message::DEDUPLICATION_ID).filter(|_| held.fifo()),
            trace_header: owned(message::TRACE_HEADER),
            ..Content::default()
        };
        for (name, value) in &effect.attributes {
            if let Some((name, data_type)) = message::read_attribute_name(name) {
                content.attributes.insert(name.to_owned(), attribute(data_type, value)?);
            }
        }
        let outgoing = [check(&held.queue, content, None)?];
        self.sqs.enqueue(tx, &held, &outgoing).await?;
        Ok(Acceptance::Taken)
    }

    async fn perform(&self, _id: EffectId, _effect: &Effect, _attempt: u32) -> Outcome {
        Outcome::Fail {
            code: "INTERNAL".to_owned(),
            reason: "a queue takes messages in the causing transaction".to_owned(),
        }
    }
}
