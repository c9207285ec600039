//! Publishing up to ten messages at once.
//!
//! AWS: SNS API Reference, *PublishBatch*; SNS Developer Guide, *Amazon SNS message batching*.

use std::collections::HashSet;
use std::sync::Arc;

use cauce_core::Call;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::attribute::Attributes;
use crate::error::{Error, NO_TOPIC};
use crate::fan_out::{Budget, Cause, FAN_OUT_BYTES_MAX};
use crate::keys::TopicId;
use crate::message::{Draft, MESSAGE_BYTES_MAX, Message};
use crate::name;
use crate::publish::PublishOutput;
use crate::service::Sns;

/// How many messages a batch may have.
pub const BATCH_ENTRIES_MAX: usize = 10;

/// The longest id of an entry, in characters.
const ID_CHARS_MAX: usize = 80;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PublishBatch {
    pub(crate) topic_arn: String,
    publish_batch_request_entries: Vec<Entry>,
}

impl Input for PublishBatch {}

/// One message of a batch.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    id: String,
    message: String,
    subject: Option<String>,
    message_structure: Option<String>,
    #[serde(default)]
    message_attributes: Attributes,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PublishBatchOutput {
    successful: Vec<Published>,
    failed: Vec<Failed>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Published {
    id: String,
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    code: String,
    message: String,
    sender_fault: bool,
}

impl Failed {
    fn new(id: String, error: Error) -> Failed {
        let error = cauce_core::ServiceError::from(error);
        let sender_fault = error.fault() == cauce_core::Fault::Sender;
        Failed { id, code: error.query_code().to_owned(), message: error.message().to_owned(), sender_fault }
    }
}

/// Refuses what can be no batch.
fn check(entries: &[Entry]) -> Result<(), Error> {
    if entries.is_empty() {
        return Err(Error::EmptyBatch);
    }
    if entries.len() > BATCH_ENTRIES_MAX {
        return Err(Error::BatchEntries);
    }
    let is_id = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if entries.iter().any(|e| e.id.is_empty() || e.id.len() > ID_CHARS_MAX || !e.id.bytes().all(is_id)) {
        return Err(Error::BatchId);
    }
    let ids: HashSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    if ids.len() < entries.len() {
        return Err(Error::BatchIds);
    }
    Ok(())
}

impl Entry {
    fn into_draft(self) -> (String, Draft) {
        let draft = Draft {
            message: self.message,
            subject: self.subject,
            message_structure: self.message_structure,
            message_attributes: self.message_attributes,
            message_group_id: self.message_group_id,
            message_deduplication_id: self.message_deduplication_id,
        };
        (self.id, draft)
    }
}

impl Sns {
    pub(crate) async fn publish_batch(
        self: Arc<Self>,
        call: Call,
        input: PublishBatch,
    ) -> Result<PublishBatchOutput, Error> {
        check(&input.publish_batch_request_entries)?;
        let topic = name::topic(&call, &input.topic_arn)?;
        let entries: Vec<(String, Draft)> =
            input.publish_batch_request_entries.into_iter().map(Entry::into_draft).collect();
        let size: usize = entries.iter().map(|(_, draft)| draft.size()).sum();
        if size > MESSAGE_BYTES_MAX {
            return Err(Error::BatchLength);
        }
        if self.topic(&self.db.begin(), &topic).await?.is_none() {
            return Err(NO_TOPIC);
        }
        let mut output = PublishBatchOutput::default();
        let mut messages = Vec::with_capacity(entries.len());
        for (id, draft) in entries {
            let checked = draft.check().and_then(|()| draft.check_for(&topic));
            match checked.and_then(|()| draft.into_message(self.env.entropy().uuid(), self.env.now())) {
                Ok(message) => messages.push((id, message)),
                Err(error) => output.failed.push(Failed::new(id, error)),
            }
        }
        // The messages of a FIFO topic cannot leave a part of their fan-out for later: where all of them may be too much for one
        // transaction, each has its own.
        let subscriptions = match topic.is_fifo() {
            true => self.route(&self.db.begin(), &topic).await?.len(),
            false => 0,
        };
        let step = if size.saturating_mul(2).saturating_mul(subscriptions) > FAN_OUT_BYTES_MAX {
            1
        } else {
            BATCH_ENTRIES_MAX
        };
        for part in messages.chunks(step) {
            self.publish_part(&call, &topic, part, &mut output).await?;
        }
        Ok(output)
    }

    /// Publishes some messages in one transaction; one that the topic refuses leaves the others alone.
    async fn publish_part(
        &self,
        call: &Call,
        topic: &TopicId,
        part: &[(String, Message)],
        output: &mut PublishBatchOutput,
    ) -> Result<(), Error> {
        let published: Vec<Result<PublishOutput, Error>> = self
            .db
            .transact(async |tx| {
                let route = self.route(&tx, topic).await?;
                let mut budget = Budget::default();
                let mut published = Vec::with_capacity(part.len());
                for (_, message) in part {
                    match self.publish_in(&tx, &route, message.clone(), Cause::of(call), &mut budget).await {
                        Err(Error::Other(other)) => return Err(Error::Other(other)),
                        other => published.push(other),
                    }
                }
                Ok::<_, Error>(published)
            })
            .await?;
        for ((id, _), published) in part.iter().zip(published) {
            match published {
                Ok(PublishOutput { message_id, sequence_number }) => {
                    output.successful.push(Published { id: id.clone(), message_id, sequence_number });
                }
                Err(error) => output.failed.push(Failed::new(id.clone(), error)),
            }
        }
        Ok(())
    }
}
