//! What subscribers get: the JSON around a message, its signature, a function's record.
//!
//! AWS: SNS Developer Guide, *Amazon SNS message and JSON formats*; Lambda Developer Guide, *Invoking Lambda functions with
//! Amazon SNS notifications*.

use std::fmt::Write as _;

use cauce_core::{Arn, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::keys::TopicId;
use crate::message::Message;
use crate::model::{Protocol, SignatureVersion, Topic};
use crate::service::Sns;

/// The kinds of what goes to an endpoint, as bodies and headers name them.
pub(crate) const NOTIFICATION: &str = "Notification";
pub(crate) const SUBSCRIPTION_CONFIRMATION: &str = "SubscriptionConfirmation";
pub(crate) const UNSUBSCRIBE_CONFIRMATION: &str = "UnsubscribeConfirmation";

/// What goes to an endpoint besides messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'a> {
    /// The question whether it wants messages.
    SubscriptionConfirmation {
        /// What it answers.
        token: &'a str,
    },
    /// The news that its subscription has ended, and how to restore it.
    UnsubscribeConfirmation {
        /// What it answers to have the subscription back.
        token: &'a str,
        subscription: &'a Arn,
    },
}

impl Kind<'_> {
    /// As messages and headers name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::SubscriptionConfirmation { .. } => SUBSCRIPTION_CONFIRMATION,
            Kind::UnsubscribeConfirmation { .. } => UNSUBSCRIBE_CONFIRMATION,
        }
    }

    fn token(&self) -> &str {
        match self {
            Kind::SubscriptionConfirmation { token } | Kind::UnsubscribeConfirmation { token, .. } => token,
        }
    }

    fn text(&self, topic: &Arn) -> String {
        match self {
            Kind::SubscriptionConfirmation { .. } => format!(
                "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the SubscribeURL included \
                 in this message."
            ),
            Kind::UnsubscribeConfirmation { subscription, .. } => format!(
                "You have chosen to deactivate subscription {subscription}.\nTo cancel this operation and restore the \
                 subscription, visit the SubscribeURL included in this message."
            ),
        }
    }
}

/// What stays as it is in the values of URLs.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');

/// A message as every subscriber of one protocol gets it, up to what names the subscription.
pub(crate) struct Envelope {
    /// Up to the unsubscribe URL.
    head: String,
    /// After it.
    tail: String,
    endpoint: String,
    topic: Arn,
    message_id: String,
    at: Timestamp,
    subject: Option<String>,
    text: String,
    signed: Option<Signed>,
    attributes: Value,
}

struct Signed {
    version: SignatureVersion,
    signature: String,
    certificate_url: String,
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A member of an envelope, laid out as AWS does.
fn member(out: &mut String, name: &str, value: &str) {
    let comma = if out.is_empty() { "{" } else { "," };
    // Writing to a string cannot fail.
    let _ = write!(out, "{comma}\n  {} : {}", quoted(name), quoted(value));
}

impl Envelope {
    fn unsubscribe_url(&self, subscription: &Arn) -> String {
        let arn = utf8_percent_encode(subscription.as_str(), KEPT);
        format!("{}/?Action=Unsubscribe&SubscriptionArn={arn}", self.endpoint)
    }

    /// The JSON for queues and HTTP endpoints.
    pub(crate) fn notification(&self, subscription: &Arn) -> String {
        let mut out = String::with_capacity(self.head.len() + self.tail.len() + 256);
        out.push_str(&self.head);
        member(&mut out, "UnsubscribeURL", &self.unsubscribe_url(subscription));
        out.push_str(&self.tail);
        out
    }

    /// The event for functions.
    pub(crate) fn record(&self, subscription: &Arn) -> String {
        let signed = self.signed.as_ref();
        let record = json!({
            "Records": [{
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription.as_str(),
                "Sns": {
                    "Type": NOTIFICATION,
                    "MessageId": self.message_id,
                    "TopicArn": self.topic.as_str(),
                    "Subject": self.subject,
                    "Message": self.text,
                    "Timestamp": self.at.iso_millis(),
                    "SignatureVersion": signed.map_or("1", |signed| signed.version.name()),
                    "Signature": signed.map_or("", |signed| signed.signature.as_str()),
                    "SigningCertUrl": signed.map_or("", |signed| signed.certificate_url.as_str()),
                    "UnsubscribeUrl": self.unsubscribe_url(subscription),
                    "MessageAttributes": self.attributes,
                },
            }],
        });
        record.to_string()
    }
}

/// The text that is signed: names and values in the order of the names, one a line.
fn canonical(members: &[(&str, &str)]) -> String {
    members.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = write!(text, "{name}\n{value}\n");
        text
    })
}

impl Sns {
    async fn signed(&self, topic: &Topic, members: &[(&str, &str)]) -> Result<Signed, Error> {
        let version = topic.signature_version();
        let signature = self.sign(version, canonical(members)).await?;
        let certificate_url = format!("{}{}", self.options.endpoint, self.signer().await?.path());
        Ok(Signed { version, signature, certificate_url })
    }

    /// A message as subscribers of `protocol` get it, signed unless the topic is FIFO: its queues get no signature from AWS.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub(crate) async fn envelope(
        &self,
        id: &TopicId,
        topic: &Topic,
        message: &Message,
        protocol: Protocol,
    ) -> Result<Envelope, Error> {
        let (arn, at, text) = (id.arn(), message.at.iso_millis(), message.text(protocol));
        let mut members = vec![("Message", text), ("MessageId", message.id.as_str())];
        members.extend(message.subject.as_deref().map(|subject| ("Subject", subject)));
        members.extend([("Timestamp", at.as_str()), ("TopicArn", arn.as_str()), ("Type", NOTIFICATION)]);
        let signed = if id.is_fifo() { None } else { Some(self.signed(topic, &members).await?) };

        let mut head = String::with_capacity(text.len() + 1_024);
        member(&mut head, "Type", NOTIFICATION);
        member(&mut head, "MessageId", &message.id);
        message.sequence.iter().for_each(|sequence| member(&mut head, "SequenceNumber", sequence));
        member(&mut head, "TopicArn", arn.as_str());
        message.subject.iter().for_each(|subject| member(&mut head, "Subject", subject));
        member(&mut head, "Message", text);
        member(&mut head, "Timestamp", &at);
        if let Some(signed) = &signed {
            member(&mut head, "SignatureVersion", signed.version.name());
            member(&mut head, "Signature", &signed.signature);
            member(&mut head, "SigningCertURL", &signed.certificate_url);
        }
        let shown = message.attributes.iter();
        let shown = shown.map(|(name, a)| (name.clone(), json!({ "Type": a.data_type, "Value": a.shown() })));
        let attributes: Map<String, Value> = shown.collect();
        Ok(Envelope {
            head,
            tail: tail(&attributes),
            endpoint: self.options.endpoint.clone(),
            topic: arn,
            message_id: message.id.clone(),
            at: message.at,
            subject: message.subject.clone(),
            text: text.to_owned(),
            signed,
            attributes: Value::Object(attributes),
        })
    }

    /// The JSON of a question to an endpoint, and the id of its message.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub(crate) async fn handshake(
        &self,
        id: &TopicId,
        topic: &Topic,
        kind: Kind<'_>,
    ) -> Result<(String, String), Error> {
        let (arn, message_id, at) = (id.arn(), self.env.entropy().uuid(), self.env.now().iso_millis());
        let (text, token) = (kind.text(&arn), kind.token());
        let topic_value = utf8_percent_encode(arn.as_str(), KEPT);
        let url = format!("{}/?Action=ConfirmSubscription&TopicArn={topic_value}&Token={token}", self.options.endpoint);
        let members = [
            ("Message", text.as_str()),
            ("MessageId", &message_id),
            ("SubscribeURL", &url),
            ("Timestamp", &at),
            ("Token", token),
            ("TopicArn", arn.as_str()),
            ("Type", kind.name()),
        ];
        let signed = self.signed(topic, &members).await?;
        let mut out = String::new();
        for (name, value) in [
            ("Type", kind.name()),
            ("MessageId", &message_id),
            ("Token", token),
            ("TopicArn", arn.as_str()),
            ("Message", &text),
            ("SubscribeURL", &url),
            ("Timestamp", &at),
            ("SignatureVersion", signed.version.name()),
            ("Signature", &signed.signature),
            ("SigningCertURL", &signed.certificate_url),
        ] {
            member(&mut out, name, value);
        }
        out.push_str("\n}");
        Ok((out, message_id))
    }
}

/// The attributes and the end of an envelope.
fn tail(attributes: &Map<String, Value>) -> String {
    if attributes.is_empty() {
        return "\n}".to_owned();
    }
    let entries: Vec<String> =
        attributes.iter().map(|(name, value)| format!("    {} : {value}", quoted(name))).collect();
    format!(",\n  \"MessageAttributes\" : {{\n{}\n  }}\n}}", entries.join(",\n"))
}
