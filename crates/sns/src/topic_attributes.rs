//! Attributes of topics: what may be set, and what is shown.
//!
//! AWS: SNS API Reference, *SetTopicAttributes* and *GetTopicAttributes*.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::delivery_policy::DeliveryPolicy;
use crate::error::Error;
use crate::keys::TopicId;
use crate::model::Topic;
use crate::permission::default_policy;
use crate::service::Sns;

/// The longest display name, in characters.
const DISPLAY_NAME_CHARS_MAX: usize = 100;

/// The protocols whose deliveries AWS can report to CloudWatch Logs, and what can be set of each. Kept and shown, since templates
/// set them; the lineage of every message tells what became of it.
const FEEDBACK_PROTOCOLS: &[&str] = &["Application", "Firehose", "HTTP", "Lambda", "SQS"];
const FEEDBACK_KINDS: &[&str] = &["SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"];

/// How many confirmed and pending subscriptions a topic has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) confirmed: i64,
    pub(crate) pending: i64,
}

fn is_boolean(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
}

fn is_feedback(name: &str) -> bool {
    let kind = FEEDBACK_PROTOCOLS.iter().find_map(|protocol| name.strip_prefix(protocol));
    kind.is_some_and(|kind| FEEDBACK_KINDS.contains(&kind))
}

impl Sns {
    /// Refuses what may not be the attribute `name` of a topic.
    ///
    /// # Errors
    /// What is wrong with it, without the words by which CreateTopic and SetTopicAttributes begin.
    fn check_topic_attribute(&self, topic: &TopicId, name: &str, value: &str) -> Result<(), Error> {
        let one_of = |allowed: &[&str]| {
            let message = format!("{name}: Invalid value [{value}]. Must be one of {}.", allowed.join(", "));
            if allowed.contains(&value) { Ok(()) } else { Err(Error::Invalid(message)) }
        };
        let boolean = || {
            let message = format!("{name}: Invalid value [{value}]. Must be true or false.");
            if is_boolean(value) { Ok(()) } else { Err(Error::Invalid(message)) }
        };
        match name {
            "DisplayName" => {
                let is_shown = value.chars().count() <= DISPLAY_NAME_CHARS_MAX && !value.chars().any(char::is_control);
                if is_shown { Ok(()) } else { Err(Error::invalid("DisplayName")) }
            }
            "Policy" if value.is_empty() => Ok(()),
            "Policy" => self.check_policy(value),
            "DeliveryPolicy" if value.is_empty() => Ok(()),
            "DeliveryPolicy" => DeliveryPolicy::of_topic(value).map(drop),
            "KmsMasterKeyId" => Ok(()),
            "SignatureVersion" => one_of(&["1", "2"]),
            "TracingConfig" => one_of(&["PassThrough", "Active"]),
            "ContentBasedDeduplication" if !topic.is_fifo() => {
                Err(Error::invalid("Content-based deduplication can only be set for FIFO topics"))
            }
            "ContentBasedDeduplication" => boolean(),
            "FifoThroughputScope" if !topic.is_fifo() => {
                Err(Error::invalid("FifoThroughputScope can only be set for FIFO topics"))
            }
            "FifoThroughputScope" => one_of(&["Topic", "MessageGroup"]),
            "ArchivePolicy" if value.is_empty() => Ok(()),
            "ArchivePolicy" => Err(Error::invalid("ArchivePolicy: archives are not supported by this server")),
            name if is_feedback(name) => check_feedback(name, value),
            _ => Err(Error::invalid("AttributeName")),
        }
    }

    /// The attributes that CreateTopic names, checked.
    ///
    /// # Errors
    /// What is wrong with one, in CreateTopic's words.
    pub(crate) fn topic_attributes(
        &self,
        topic: &TopicId,
        given: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut attributes = BTreeMap::new();
        for (name, value) in given.iter().filter(|(name, _)| *name != "FifoTopic") {
            let within = |error: Error| match error {
                Error::Invalid(why) if why == "AttributeName" => {
                    Error::Invalid(format!("Attributes Reason: Unknown attribute {name}"))
                }
                Error::Invalid(why) => Error::Invalid(format!("Attributes Reason: {why}")),
                other => other,
            };
            self.check_topic_attribute(topic, name, value).map_err(within)?;
            set(&mut attributes, name, value);
        }
        Ok(attributes)
    }

    /// Changes one attribute, as SetTopicAttributes does.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn set_topic_attribute(
        &self,
        id: &TopicId,
        topic: &mut Topic,
        name: &str,
        value: &str,
    ) -> Result<(), Error> {
        self.check_topic_attribute(id, name, value)?;
        set(&mut topic.attributes, name, value);
        Ok(())
    }
}

/// A role by its ARN, or a rate in percent.
fn check_feedback(name: &str, value: &str) -> Result<(), Error> {
    if name.ends_with("SampleRate") {
        let is_percent = value.is_empty() || value.parse::<u8>().is_ok_and(|rate| rate <= 100);
        let message = format!("{name}: value provided is not an integer between 0-100");
        return if is_percent { Ok(()) } else { Err(Error::Invalid(message)) };
    }
    let is_role = value.parse::<cauce_core::Arn>().is_ok_and(|arn| arn.service() == "iam");
    if value.is_empty() || is_role { Ok(()) } else { Err(Error::Invalid(format!("{name}: invalid role ARN"))) }
}

/// An empty policy is none; true and false are written small.
fn set(attributes: &mut BTreeMap<String, String>, name: &str, value: &str) {
    let resets = matches!(name, "Policy" | "DeliveryPolicy" | "ArchivePolicy" | "KmsMasterKeyId");
    if value.is_empty() && resets {
        attributes.remove(name);
    } else if name == "ContentBasedDeduplication" {
        attributes.insert(name.to_owned(), value.to_ascii_lowercase());
    } else {
        attributes.insert(name.to_owned(), value.to_owned());
    }
}

/// The whole of a topic's attributes, as GetTopicAttributes shows it.
pub(crate) fn shown(id: &TopicId, topic: &Topic, counts: Counts) -> BTreeMap<String, String> {
    let mut shown = topic.attributes.clone();
    let mut add = |name: &str, value: String| {
        shown.entry(name.to_owned()).or_insert(value);
    };
    add("TopicArn", id.arn().to_string());
    add("Owner", id.account.to_string());
    add("DisplayName", String::new());
    add("Policy", default_policy(id).to_string());
    add("SubscriptionsConfirmed", counts.confirmed.max(0).to_string());
    add("SubscriptionsPending", counts.pending.max(0).to_string());
    add("SubscriptionsDeleted", "0".to_owned());
    let policy = topic.attribute("DeliveryPolicy").and_then(|text| DeliveryPolicy::of_topic(text).ok());
    add("EffectiveDeliveryPolicy", policy.unwrap_or_default().effective_of_topic().to_string());
    if id.is_fifo() {
        add("FifoTopic", "true".to_owned());
        add("ContentBasedDeduplication", "false".to_owned());
        add("FifoThroughputScope", "Topic".to_owned());
    }
    shown
}

/// Whether a topic that exists has the attributes that a repeated CreateTopic asks for; JSON is compared by meaning.
pub(crate) fn agree(topic: &Topic, wanted: &BTreeMap<String, String>) -> bool {
    let same = |name: &str, wanted: &str| {
        let Some(set) = topic.attribute(name) else {
            return matches!((name, wanted), (_, "" | "false") | ("FifoThroughputScope", "Topic"));
        };
        let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
        set == wanted || parsed(set).is_some_and(|set| Some(set) == parsed(wanted))
    };
    wanted.iter().all(|(name, value)| same(name, value))
}
