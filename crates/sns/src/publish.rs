//! Publishing one message.
//!
//! AWS: SNS API Reference, *Publish*.

use std::sync::Arc;

use cauce_core::Call;
use cauce_store::Tx;
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use crate::attribute::Attributes;
use crate::error::Error;
use crate::fan_out::{Budget, Cause};
use crate::fifo::Ordered;
use crate::message::{Draft, Message};
use crate::name;
use crate::route::Route;
use crate::service::Sns;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Publish {
    topic_arn: Option<String>,
    target_arn: Option<String>,
    phone_number: Option<String>,
    message: String,
    subject: Option<String>,
    message_structure: Option<String>,
    #[serde(default)]
    message_attributes: Attributes,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

impl Input for Publish {}

impl Publish {
    /// The ARN of what it is published to, for authorization.
    pub(crate) fn resource(&self) -> String {
        self.topic_arn.clone().or_else(|| self.target_arn.clone()).unwrap_or_else(|| "*".to_owned())
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PublishOutput {
    pub(crate) message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sequence_number: Option<String>,
}

impl Sns {
    pub(crate) async fn publish(self: Arc<Self>, call: Call, input: Publish) -> Result<PublishOutput, Error> {
        if input.phone_number.is_some() {
            return Err(Error::invalid("PhoneNumber Reason: SMS is not supported by this server"));
        }
        let draft = Draft {
            message: input.message,
            subject: input.subject,
            message_structure: input.message_structure,
            message_attributes: input.message_attributes,
            message_group_id: input.message_group_id,
            message_deduplication_id: input.message_deduplication_id,
        };
        draft.check()?;
        let id = match (input.topic_arn, input.target_arn) {
            (Some(_), Some(_)) => {
                let message = "TopicArn or TargetArn Reason: both cannot be specified at the same time";
                return Err(Error::invalid(message));
            }
            (Some(topic), None) => name::topic(&call, &topic)?,
            (None, Some(target)) if target.contains(":endpoint/") => {
                return Err(Error::invalid("TargetArn Reason: mobile push is not supported by this server"));
            }
            (None, Some(target)) => name::topic_in("TargetArn", &call, &target)?,
            (None, None) => {
                return Err(Error::invalid("TopicArn or TargetArn Reason: no value for required parameter"));
            }
        };
        draft.check_for(&id)?;
        let message = draft.into_message(self.env.entropy().uuid(), self.env.now())?;
        self.db
            .transact(async |tx| {
                let route = self.route(&tx, &id).await?;
                self.publish_in(&tx, &route, message.clone(), Cause::of(&call), &mut Budget::default()).await
            })
            .await
    }

    /// Publishes a message in the transaction `tx`.
    ///
    /// # Errors
    /// What a FIFO topic refuses.
    pub(crate) async fn publish_in(
        &self,
        tx: &Tx,
        route: &Route,
        message: Message,
        cause: Cause,
        budget: &mut Budget,
    ) -> Result<PublishOutput, Error> {
        let message = match route.id.is_fifo() {
            false => message,
            true => match self.order(tx, route, message).await? {
                Ordered::Next(message) => message,
                Ordered::Repeated { message_id, sequence } => {
                    return Ok(PublishOutput { message_id, sequence_number: Some(sequence) });
                }
            },
        };
        self.fan_out(tx, route, &message, cause, budget, None).await?;
        if let Some(meters) = self.meters_of(&route.id) {
            let bytes = message.default_text().len() as f64;
            tx.on_commit(move || {
                meters.published.count();
                meters.published_bytes.record(bytes);
            });
        }
        Ok(PublishOutput { message_id: message.id, sequence_number: message.sequence })
    }
}
