//! Attributes of subscriptions: what may be set, and what is shown.
//!
//! AWS: SNS API Reference, *SetSubscriptionAttributes* and *GetSubscriptionAttributes*.

use std::collections::BTreeMap;

use cauce_core::Arn;
use serde_json::Value;

use crate::delivery_policy::DeliveryPolicy;
use crate::error::Error;
use crate::filter;
use crate::keys::TopicId;
use crate::model::{FilterScope, Protocol, Subscription, Topic, Wishes};

/// Whom a subscription is for, as far as its attributes depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    pub(crate) topic: &'a TopicId,
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: &'a str,
}

impl Wishes {
    /// The attributes that Subscribe names, checked.
    ///
    /// # Errors
    /// What is wrong with one, in Subscribe's words.
    pub(crate) fn read(about: &About<'_>, given: &BTreeMap<String, String>) -> Result<Wishes, Error> {
        let within = |error: Error| match error {
            Error::Invalid(why) => Error::Invalid(format!("Attributes Reason: {why}")),
            other => other,
        };
        let mut wishes = Wishes::default();
        // The scope says how the policy is to be read.
        let scope = given.get_key_value("FilterPolicyScope");
        let others = given.iter().filter(|(name, _)| *name != "FilterPolicyScope");
        for (name, value) in scope.into_iter().chain(others) {
            wishes.set(about, name, value).map_err(within)?;
        }
        Ok(wishes)
    }

    /// Changes one attribute, as SetSubscriptionAttributes does.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn set(&mut self, about: &About<'_>, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "RawMessageDelivery" => {
                self.raw = match value.to_ascii_lowercase().as_str() {
                    "true" if about.protocol == Protocol::Lambda => {
                        let message = "Delivery protocol [lambda] does not support raw message delivery.";
                        return Err(Error::invalid(message));
                    }
                    "true" => true,
                    "false" => false,
                    _ => {
                        let message = format!("RawMessageDelivery: Invalid value [{value}]. Must be true or false.");
                        return Err(Error::Invalid(message));
                    }
                };
            }
            "FilterPolicy" => {
                self.filter_policy = match value.trim() {
                    "" => None,
                    policy => filter::check(policy, self.filter_scope)?.then(|| policy.to_owned()),
                };
            }
            "FilterPolicyScope" => {
                let scope = match value {
                    "MessageAttributes" => FilterScope::MessageAttributes,
                    "MessageBody" => FilterScope::MessageBody,
                    _ => {
                        let message = format!(
                            "FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
                        );
                        return Err(Error::Invalid(message));
                    }
                };
                if let Some(policy) = &self.filter_policy {
                    filter::check(policy, scope)?;
                }
                self.filter_scope = scope;
            }
            "RedrivePolicy" => self.redrive_policy = redrive(about, value)?,
            "DeliveryPolicy" if value.is_empty() => self.delivery_policy = None,
            "DeliveryPolicy" if !about.protocol.is_web() => {
                let protocol = about.protocol.name();
                let message =
                    format!("DeliveryPolicy: Delivery protocol [{protocol}] does not support delivery policies.");
                return Err(Error::Invalid(message));
            }
            "DeliveryPolicy" => {
                DeliveryPolicy::of_subscription(value)?;
                self.delivery_policy = Some(value.to_owned());
            }
            "SubscriptionRoleArn" | "ReplayPolicy" => {
                return Err(Error::Invalid(format!("{name} is not supported by this server")));
            }
            _ => return Err(Error::invalid("AttributeName")),
        }
        Ok(())
    }
}

fn redrive(about: &About<'_>, value: &str) -> Result<Option<String>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    let policy: Value =
        serde_json::from_str(value).map_err(|_| Error::invalid("RedrivePolicy: failed to parse JSON."))?;
    let members = policy.as_object().ok_or_else(|| Error::invalid("RedrivePolicy: failed to parse JSON."))?;
    if members.is_empty() {
        return Ok(None);
    }
    if let Some(other) = members.keys().find(|name| *name != "deadLetterTargetArn") {
        return Err(Error::Invalid(format!("RedrivePolicy: unknown member {other}")));
    }
    let queue = policy.get("deadLetterTargetArn").and_then(Value::as_str).and_then(|arn| arn.parse::<Arn>().ok());
    let refused = || Error::invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn");
    let queue = queue.filter(|queue| queue.service() == "sqs" && queue.account().is_some()).ok_or_else(refused)?;
    if queue.region() != about.topic.region.as_str() {
        return Err(refused());
    }
    let fifo_queue = queue.resource().ends_with(".fifo");
    if about.topic.is_fifo() && about.endpoint.ends_with(".fifo") && !fifo_queue {
        let message = "RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.";
        return Err(Error::invalid(message));
    }
    if !about.topic.is_fifo() && fifo_queue {
        return Err(Error::invalid(
            "RedrivePolicy: must use a standard queue as DLQ for a subscription to a standard topic.",
        ));
    }
    Ok(Some(value.to_owned()))
}

/// The whole of a subscription's attributes, as GetSubscriptionAttributes shows it.
pub(crate) fn shown(
    id: &TopicId,
    own_id: &str,
    topic: &Topic,
    subscription: &Subscription,
) -> BTreeMap<String, String> {
    let wishes = &subscription.wishes;
    let mut shown = BTreeMap::new();
    let mut add = |name: &str, value: String| drop(shown.insert(name.to_owned(), value));
    add("SubscriptionArn", id.subscription_arn(own_id).to_string());
    add("TopicArn", id.arn().to_string());
    add("Protocol", subscription.protocol.name().to_owned());
    add("Endpoint", subscription.endpoint.clone());
    add("Owner", subscription.owner.to_string());
    add("SubscriptionPrincipal", subscription.principal.clone());
    add("PendingConfirmation", (!subscription.confirmed).to_string());
    add("ConfirmationWasAuthenticated", subscription.authenticated.to_string());
    add("RawMessageDelivery", wishes.raw.to_string());
    if let Some(policy) = &wishes.filter_policy {
        add("FilterPolicy", policy.clone());
        add("FilterPolicyScope", wishes.filter_scope.name().to_owned());
    }
    if let Some(policy) = &wishes.redrive_policy {
        add("RedrivePolicy", policy.clone());
    }
    if let Some(policy) = &wishes.delivery_policy {
        add("DeliveryPolicy", policy.clone());
    }
    if subscription.protocol.is_web() {
        let policy = DeliveryPolicy::in_effect(topic, wishes.delivery_policy.as_deref());
        add("EffectiveDeliveryPolicy", policy.effective_of_subscription().to_string());
    }
    shown
}
