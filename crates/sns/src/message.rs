//! A message: what a publisher gives, checked, and what subscribers get of it.
//!
//! AWS: SNS API Reference, *Publish*.

use std::collections::BTreeMap;

use cauce_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attribute::{self, Attributes};
use crate::error::Error;
use crate::keys::TopicId;
use crate::model::Protocol;

/// The largest message, in bytes: text and attributes.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1_024;

/// The longest subject, in characters.
pub const SUBJECT_CHARS_MAX: usize = 100;

/// The longest message group id or deduplication id, in characters.
const ID_CHARS_MAX: usize = 128;

/// What a publisher gives.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Draft {
    #[serde(default)]
    pub(crate) message: String,
    pub(crate) subject: Option<String>,
    pub(crate) message_structure: Option<String>,
    #[serde(default)]
    pub(crate) message_attributes: Attributes,
    pub(crate) message_group_id: Option<String>,
    pub(crate) message_deduplication_id: Option<String>,
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    /// Of FIFO topics.
    pub(crate) sequence: Option<String>,
    text: String,
    /// The texts for protocols that get another one.
    own: BTreeMap<String, String>,
    pub(crate) subject: Option<String>,
    pub(crate) attributes: Attributes,
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
}

impl Draft {
    /// How many bytes of the limit it takes.
    pub(crate) fn size(&self) -> usize {
        self.message.len() + attribute::size(&self.message_attributes)
    }

    /// Refuses what can be no message, whatever its topic.
    ///
    /// # Errors
    /// What is wrong with it, in AWS's words.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(subject) = &self.subject {
            let len = subject.chars().count();
            if len == 0 || len > SUBJECT_CHARS_MAX || subject.chars().any(char::is_control) {
                return Err(Error::invalid("Subject"));
            }
        }
        if self.message.is_empty() {
            return Err(Error::invalid("Empty message"));
        }
        attribute::check(&self.message_attributes)?;
        if self.size() > MESSAGE_BYTES_MAX {
            return Err(Error::invalid("Message too long"));
        }
        Ok(())
    }

    /// Refuses what a topic of this kind does not take.
    ///
    /// # Errors
    /// What is wrong with it, in AWS's words.
    pub(crate) fn check_for(&self, topic: &TopicId) -> Result<(), Error> {
        for (name, id) in
            [("MessageGroupId", &self.message_group_id), ("MessageDeduplicationId", &self.message_deduplication_id)]
        {
            if let Some(id) = id.as_deref().filter(|id| !is_id(id)) {
                let message = format!(
                    "{name} Reason: Value '{id}' can only include alphanumeric and punctuation characters. 1 to \
                     {ID_CHARS_MAX} in length"
                );
                return Err(Error::Invalid(message));
            }
        }
        if topic.is_fifo() && self.message_group_id.is_none() {
            return Err(Error::invalid("The MessageGroupId parameter is required for FIFO topics"));
        }
        if !topic.is_fifo() && self.message_deduplication_id.is_some() {
            let message = "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid \
                           for this topic type";
            return Err(Error::invalid(message));
        }
        Ok(())
    }

    /// The texts by protocol, if the message says that it has several.
    ///
    /// # Errors
    /// If it is not what its structure says.
    pub(crate) fn texts(&self) -> Result<(String, BTreeMap<String, String>), Error> {
        match self.message_structure.as_deref() {
            None | Some("") => return Ok((self.message.clone(), BTreeMap::new())),
            Some("json") => {}
            Some(_) => return Err(Error::invalid("Invalid message structure. Must be json")),
        }
        let Ok(Value::Object(members)) = serde_json::from_str(&self.message) else {
            return Err(Error::invalid("Message Structure - JSON message body failed to parse"));
        };
        // A value that is no text makes its key be ignored.
        let texts = members.into_iter().filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            _ => None,
        });
        let mut texts: BTreeMap<String, String> = texts.collect();
        let default = texts.remove("default");
        let default =
            default.ok_or_else(|| Error::invalid("Message Structure - No default entry in JSON message body"))?;
        texts.retain(|name, _| Protocol::ALL.iter().any(|protocol| protocol.name() == name));
        Ok((default, texts))
    }

    /// The message that it becomes.
    ///
    /// # Errors
    /// As [`Draft::texts`].
    pub(crate) fn into_message(self, id: String, at: Timestamp) -> Result<Message, Error> {
        let (text, own) = self.texts()?;
        Ok(Message {
            id,
            at,
            sequence: None,
            text,
            own,
            subject: self.subject,
            attributes: self.message_attributes,
            group: self.message_group_id,
            deduplication: self.message_deduplication_id,
        })
    }
}

fn is_id(id: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

impl Message {
    /// The text for subscribers of this protocol.
    pub(crate) fn text(&self, protocol: Protocol) -> &str {
        self.own.get(protocol.name()).unwrap_or(&self.text)
    }

    /// The text for everybody else.
    pub(crate) fn default_text(&self) -> &str {
        &self.text
    }
}
