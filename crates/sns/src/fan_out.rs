//! From one message to an effect on every subscription that wants it.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use cauce_core::{Call, ServiceError, Trace};
use cauce_delivery::{Backoff, Effect, Policy, message as queue};
use cauce_store::Tx;

use crate::envelope::{Envelope, Kind, NOTIFICATION};
use crate::error::Error;
use crate::keys::TopicId;
use crate::message::Message;
use crate::model::{Protocol, Subscription, Topic};
use crate::route::{Active, Route};
use crate::service::{PRINCIPAL, Sns};

/// How many effects one transaction sends; the rest follows right after it.
pub const FAN_OUT_MAX: usize = 1_000;

/// How many bytes of payload one transaction sends: half of what a commit takes, since a queue keeps a message with more than
/// its text.
pub const FAN_OUT_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// The attribute of an effect that carries the rest of a fan-out: the id of the last subscription that has the message.
pub(crate) const AFTER: &str = "after";

/// The attribute that names the part, so that it is sent once.
pub(crate) const PART: &str = "part";

/// Attributes of an effect by HTTP.
pub(crate) const MESSAGE_TYPE: &str = "message-type";
pub(crate) const MESSAGE_ID: &str = "message-id";
pub(crate) const CONTENT_TYPE: &str = "content-type";
pub(crate) const RAW: &str = "raw";
pub(crate) const ENDPOINT: &str = "endpoint";
/// Requests a second, at most.
pub(crate) const THROTTLE: &str = "throttle";

/// What is left of what a transaction may send.
pub(crate) struct Budget {
    effects: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { effects: FAN_OUT_MAX, bytes: FAN_OUT_BYTES_MAX }
    }
}

impl Budget {
    fn take(&mut self, bytes: usize) -> bool {
        if self.effects == 0 || self.bytes < bytes {
            return false;
        }
        (self.effects, self.bytes) = (self.effects - 1, self.bytes - bytes);
        true
    }
}

/// Where a message comes from, for the effects that it causes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause {
    pub(crate) trace: Trace,
    pub(crate) hops: u8,
}

impl Cause {
    pub(crate) fn of(call: &Call) -> Cause {
        Cause { trace: call.trace, hops: 0 }
    }
}

/// The envelopes of a message by protocol, made when the first subscriber needs one.
struct Envelopes<'m> {
    sns: &'m Sns,
    route: &'m Route,
    message: &'m Message,
    made: HashMap<&'m str, Envelope>,
}

impl<'m> Envelopes<'m> {
    async fn of(&mut self, protocol: Protocol) -> Result<&Envelope, Error> {
        let text = self.message.text(protocol);
        if !self.made.contains_key(text) {
            let envelope = self.sns.envelope(&self.route.id, &self.route.topic, self.message, protocol).await?;
            self.made.insert(text, envelope);
        }
        let missing = || Error::Other(ServiceError::new(500, "InternalError", "an envelope is missing"));
        self.made.get(text).ok_or_else(missing)
    }
}

impl Sns {
    /// Sends a message to every subscription that wants it and whose id is greater than `after`; what exceeds the budget of the
    /// transaction goes on in an effect of its own.
    ///
    /// # Errors
    /// A FIFO topic has more subscriptions for a message of this size than one transaction takes.
    pub(crate) async fn fan_out(
        &self,
        tx: &Tx,
        route: &Route,
        message: &Message,
        cause: Cause,
        budget: &mut Budget,
        after: Option<&str>,
    ) -> Result<(), Error> {
        // One more than the budget takes says that there are more.
        let wanted = route.wanted(message, after.unwrap_or_default(), budget.effects.saturating_add(1))?;
        let mut envelopes = Envelopes { sns: self, route, message, made: HashMap::new() };
        let mut last: Option<&Active> = None;
        for active in &wanted {
            let effect = self.effect(route, message, active, cause, &mut envelopes).await?;
            if !budget.take(effect.payload.len()) {
                if route.id.is_fifo() {
                    let message = format!(
                        "Message too long: a FIFO topic sends at most {FAN_OUT_BYTES_MAX} bytes to all its subscriptions together"
                    );
                    return Err(Error::Invalid(message));
                }
                let after = last.map_or(after.unwrap_or_default(), |active| &*active.id);
                return self.send_rest(tx, route, message, cause, after).await;
            }
            self.delivery.send(tx, effect).await?;
            last = Some(active);
        }
        Ok(())
    }

    /// Leaves the subscriptions after `after` to an effect on the topic itself.
    async fn send_rest(
        &self,
        tx: &Tx,
        route: &Route,
        message: &Message,
        cause: Cause,
        after: &str,
    ) -> Result<(), Error> {
        let payload = serde_json::to_vec(message).map_err(|e| Error::Other(ServiceError::internal(e)))?;
        let effect = Effect {
            attributes: vec![(AFTER.to_owned(), after.to_owned()), (PART.to_owned(), self.env.entropy().uuid())],
            payload: payload.into(),
            ..self.outline(&route.id, cause)
        };
        Ok(self.delivery.send(tx, effect).await?)
    }

    /// An effect on the topic itself, to be made into what is needed.
    fn outline(&self, id: &TopicId, cause: Cause) -> Effect {
        let arn = id.arn();
        Effect {
            target: arn.clone(),
            cause: format!("topic/{}", id.name),
            service: PRINCIPAL.to_owned(),
            source: Some(arn),
            account: id.account,
            region: id.region.clone(),
            trace: cause.trace.child(self.env.entropy()),
            policy: rest_policy(),
            attributes: Vec::new(),
            hops: cause.hops,
            payload: Bytes::new(),
        }
    }

    async fn effect(
        &self,
        route: &Route,
        message: &Message,
        active: &Active,
        cause: Cause,
        envelopes: &mut Envelopes<'_>,
    ) -> Result<Effect, Error> {
        let subscription = &active.subscription;
        let (protocol, raw) = (subscription.protocol, subscription.wishes.raw);
        let payload = match protocol {
            _ if raw => message.text(protocol).to_owned(),
            Protocol::Lambda => envelopes.of(protocol).await?.record(&active.arn),
            _ => envelopes.of(protocol).await?.notification(&active.arn),
        };
        let attributes = match protocol {
            Protocol::Sqs => queue_attributes(message, raw),
            Protocol::Lambda => Vec::new(),
            Protocol::Http | Protocol::Https => web_attributes(&message.id, active),
        };
        Ok(Effect {
            target: active.target.clone(),
            policy: active.policy.clone(),
            attributes,
            payload: payload.into(),
            ..self.outline(&route.id, cause)
        })
    }

    /// Sends an endpoint what it may answer with a token.
    #[expect(clippy::too_many_arguments, reason = "the rows that the transaction has read")]
    pub(crate) async fn send_handshake(
        &self,
        tx: &Tx,
        call: &Call,
        topic: &Topic,
        id: &TopicId,
        own_id: &str,
        subscription: &Subscription,
        kind: Kind<'_>,
    ) -> Result<(), Error> {
        let (payload, message_id) = self.handshake(id, topic, kind).await?;
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let attributes = vec![
            text(MESSAGE_TYPE, kind.name()),
            text(MESSAGE_ID, &message_id),
            text(CONTENT_TYPE, "text/plain; charset=UTF-8"),
            text(ENDPOINT, &subscription.endpoint),
        ];
        let effect = Effect {
            target: id.subscription_arn(own_id),
            policy: Policy { dead_letter: None, ..crate::delivery_policy::retry_policy(topic, subscription) },
            attributes,
            payload: payload.into(),
            ..self.outline(id, Cause::of(call))
        };
        Ok(self.delivery.send(tx, effect).await?)
    }
}

/// The rest of a fan-out is the server's own work: it ends only with the topic.
fn rest_policy() -> Policy {
    Policy {
        retries_max: u32::MAX,
        age_max_ms: 14 * 24 * 3_600 * 1_000,
        backoff: Backoff::Exponential { first_ms: 10, last_ms: 30_000 },
        dead_letter: None,
    }
}

fn web_attributes(message_id: &str, active: &Active) -> Vec<(String, String)> {
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut attributes = vec![
        text(MESSAGE_TYPE, NOTIFICATION),
        text(MESSAGE_ID, message_id),
        text(CONTENT_TYPE, &active.content_type),
        text(ENDPOINT, &active.subscription.endpoint),
    ];
    if active.subscription.wishes.raw {
        attributes.push(text(RAW, "true"));
    }
    attributes.extend(active.throttle.map(|a_second| text(THROTTLE, &a_second.to_string())));
    attributes
}

/// What a queue needs to know besides the text.
fn queue_attributes(message: &Message, raw: bool) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    attributes.extend(message.group.as_ref().map(|group| (queue::GROUP_ID.to_owned(), group.clone())));
    attributes.extend(message.deduplication.as_ref().map(|id| (queue::DEDUPLICATION_ID.to_owned(), id.clone())));
    if raw {
        let values = message.attributes.iter();
        attributes.extend(values.map(|(name, value)| queue::attribute(name, &value.data_type, value.shown())));
    }
    attributes
}

/// The subscriptions of a large topic after the first part, as an effect carries them.
pub(crate) fn read_rest(effect: &Effect) -> Result<(Arc<Message>, String), ServiceError> {
    let message: Message = serde_json::from_slice(&effect.payload).map_err(ServiceError::internal)?;
    Ok((Arc::new(message), effect.attribute(AFTER).unwrap_or_default().to_owned()))
}
