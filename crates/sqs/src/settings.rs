//! Queue attributes: what they must be, and how they are shown.
//!
//! AWS: Amazon SQS API Reference, *SetQueueAttributes* and *GetQueueAttributes*.

use std::collections::BTreeMap;

use cauce_core::Arn;
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::keys::QueueId;
use crate::model::{Fifo, Queue, RedriveAllowPolicy, RedrivePermission, RedrivePolicy, Settings};

/// The longest that a message can be hidden, in seconds.
pub const VISIBILITY_S_MAX: u32 = 43_200;
/// The longest delay, in seconds.
pub const DELAY_S_MAX: u32 = 900;
/// The longest wait of a reception, in seconds.
pub const WAIT_S_MAX: u32 = 20;
/// How many queues a redrive allow policy may name.
pub const REDRIVE_SOURCES_MAX: usize = 10;
/// The highest `maxReceiveCount`.
pub const RECEIVES_MAX: u32 = 1_000;

/// The counts that are attributes too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) visible: u64,
    pub(crate) in_flight: u64,
    pub(crate) delayed: u64,
}

/// All that can be read, in AWS's order.
pub(crate) const READABLE: [&str; 22] = [
    "QueueArn",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "VisibilityTimeout",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "DelaySeconds",
    "ReceiveMessageWaitTimeSeconds",
    "Policy",
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
    "All",
];

/// What cannot be set.
const READ_ONLY: [&str; 6] = [
    "QueueArn",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
];

impl Settings {
    /// The settings of a new queue: defaults, then `attributes`.
    pub(crate) fn create(name: &str, attributes: &BTreeMap<String, String>) -> Result<Settings, Error> {
        let mut settings = Settings::default();
        match attributes.get("FifoQueue").map(String::as_str) {
            Some("true") if name.ends_with(".fifo") => settings.fifo = Some(Fifo::default()),
            Some("true") => {
                return Err(Error::Value(
                    "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with \
                     .fifo suffix and be 1 to 80 in length."
                        .to_owned(),
                ));
            }
            Some("false") => return Err(Error::AttributeName("FifoQueue".to_owned())),
            Some(_) => return Err(Error::AttributeValue("FifoQueue".to_owned())),
            None => {}
        }
        settings.apply(attributes)?;
        Ok(settings)
    }

    /// Sets every one of `attributes`, or none.
    pub(crate) fn apply(&mut self, attributes: &BTreeMap<String, String>) -> Result<(), Error> {
        let mut changed = self.clone();
        for (name, value) in attributes {
            changed.set(name, value)?;
        }
        let given = |name: &str| attributes.get(name).is_some_and(|value| !value.is_empty() && value != "false");
        if given("KmsMasterKeyId") && given("SqsManagedSseEnabled") {
            return Err(Error::Value(
                "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."
                    .to_owned(),
            ));
        }
        if changed.fifo.is_some_and(|fifo| fifo.limit_is_per_group && !fifo.scope_is_group) {
            return Err(Error::Value(
                "The perMessageGroupId value for FifoThroughputLimit is allowed only when the value for DeduplicationScope is \
                 messageGroup."
                    .to_owned(),
            ));
        }
        *self = changed;
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let number = |min: u32, max: u32| {
            let number = value.parse::<u32>().ok().filter(|number| (min..=max).contains(number));
            number.ok_or_else(|| Error::AttributeValue(name.to_owned()))
        };
        match name {
            "DelaySeconds" => self.delay_s = number(0, DELAY_S_MAX)?,
            "MaximumMessageSize" => {
                let max = u32::try_from(crate::MESSAGE_BYTES_MAX).unwrap_or(u32::MAX);
                self.message_bytes_max = usize::try_from(number(1_024, max)?).unwrap_or(usize::MAX);
            }
            "MessageRetentionPeriod" => self.retention_s = number(60, 1_209_600)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait_s = number(0, WAIT_S_MAX)?,
            "VisibilityTimeout" => self.visibility_s = number(0, VISIBILITY_S_MAX)?,
            "Policy" => self.policy = (!value.is_empty()).then(|| value.to_owned()),
            "RedrivePolicy" => self.redrive = redrive(value)?,
            "RedriveAllowPolicy" => self.redrive_allow = redrive_allow(value)?,
            "KmsMasterKeyId" => {
                self.kms_key = (!value.is_empty()).then(|| value.to_owned());
                self.sse_sqs = self.sse_sqs && self.kms_key.is_none();
            }
            "KmsDataKeyReusePeriodSeconds" => self.kms_reuse_s = number(60, 86_400)?,
            "SqsManagedSseEnabled" => {
                self.sse_sqs = flag(name, value)?;
                if self.sse_sqs {
                    self.kms_key = None;
                }
            }
            "FifoQueue" if self.fifo.is_some() == (value == "true") => {}
            "FifoQueue" => {
                let why = "FifoQueue. Reason: Modifying queue type is not supported";
                return Err(Error::AttributeValue(why.to_owned()));
            }
            _ if READ_ONLY.contains(&name) => return Err(Error::AttributeName(name.to_owned())),
            _ => return self.set_fifo(name, value),
        }
        Ok(())
    }

    fn set_fifo(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let Some(fifo) = &mut self.fifo else { return Err(Error::AttributeName(name.to_owned())) };
        let choice = |no: &str, yes: &str| match value {
            _ if value == yes => Ok(true),
            _ if value == no => Ok(false),
            _ => Err(Error::AttributeValue(name.to_owned())),
        };
        match name {
            "ContentBasedDeduplication" => fifo.content_based = flag(name, value)?,
            "DeduplicationScope" => fifo.scope_is_group = choice("queue", "messageGroup")?,
            "FifoThroughputLimit" => fifo.limit_is_per_group = choice("perQueue", "perMessageGroupId")?,
            _ => return Err(Error::AttributeName(name.to_owned())),
        }
        Ok(())
    }
}

fn flag(name: &str, value: &str) -> Result<bool, Error> {
    value.parse().map_err(|_| Error::AttributeValue(name.to_owned()))
}

/// A number or a text that is one: AWS takes both.
fn whole(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Reads a redrive policy; an empty text removes it.
pub(crate) fn redrive(text: &str) -> Result<Option<RedrivePolicy>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |reason: &str| Error::value(text, "RedrivePolicy", reason);
    let Ok(Value::Object(map)) = serde_json::from_str(text) else {
        return Err(refuse("Redrive policy is not a valid JSON map."));
    };
    if let Some(name) = map.keys().find(|name| !["deadLetterTargetArn", "maxReceiveCount"].contains(&name.as_str())) {
        return Err(refuse(&format!("Redrive policy contains an unknown attribute: {name}.")));
    }
    let missing = |name: &str| refuse(&format!("Redrive policy does not contain mandatory attribute: {name}."));
    let arn = map.get("deadLetterTargetArn").ok_or_else(|| missing("deadLetterTargetArn"))?;
    let count = map.get("maxReceiveCount").ok_or_else(|| missing("maxReceiveCount"))?;
    let arn = arn.as_str().and_then(|arn| arn.parse::<Arn>().ok()).filter(|arn| QueueId::from_arn(arn).is_some());
    let arn = arn.ok_or_else(|| refuse("Invalid value for deadLetterTargetArn."))?;
    let max = whole(count).filter(|count| (1..=RECEIVES_MAX).contains(count)).ok_or_else(|| {
        let shown = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
        refuse(&format!("Invalid value for maxReceiveCount: {shown}, valid values are from 1 to 1000 both inclusive."))
    })?;
    Ok(Some(RedrivePolicy { dead_letter_target_arn: arn, max_receive_count: max }))
}

/// Reads a redrive allow policy; an empty text removes it.
fn redrive_allow(text: &str) -> Result<Option<RedriveAllowPolicy>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |reason: &str| Error::value(text, "RedriveAllowPolicy", reason);
    let document: Value =
        serde_json::from_str(text).map_err(|_| refuse("Redrive allow policy is not a valid JSON map."))?;
    let policy = RedriveAllowPolicy::deserialize(&document)
        .map_err(|_| refuse("redrivePermission must be one of allowAll, denyAll, byQueue."))?;
    let sources = policy.source_queue_arns.len();
    match policy.redrive_permission {
        RedrivePermission::ByQueue if !(1..=REDRIVE_SOURCES_MAX).contains(&sources) => Err(refuse(&format!(
            "sourceQueueArns must name 1 to {REDRIVE_SOURCES_MAX} queues when redrivePermission is byQueue."
        ))),
        RedrivePermission::AllowAll | RedrivePermission::DenyAll if sources > 0 => {
            Err(refuse("sourceQueueArns is allowed only when redrivePermission is byQueue."))
        }
        _ if !policy
            .source_queue_arns
            .iter()
            .all(|arn| arn.parse().is_ok_and(|arn| QueueId::from_arn(&arn).is_some())) =>
        {
            Err(refuse("sourceQueueArns must be ARNs of queues."))
        }
        _ => Ok(Some(policy)),
    }
}

/// The value of one attribute, if the queue has it.
pub(crate) fn shown(id: &QueueId, queue: &Queue, numbers: Numbers, name: &str) -> Option<String> {
    let settings = &queue.settings;
    Some(match name {
        "QueueArn" => id.arn().to_string(),
        "ApproximateNumberOfMessages" => numbers.visible.to_string(),
        "ApproximateNumberOfMessagesNotVisible" => numbers.in_flight.to_string(),
        "ApproximateNumberOfMessagesDelayed" => numbers.delayed.to_string(),
        "CreatedTimestamp" => queue.created.as_secs().to_string(),
        "LastModifiedTimestamp" => queue.modified.as_secs().to_string(),
        "VisibilityTimeout" => settings.visibility_s.to_string(),
        "MaximumMessageSize" => settings.message_bytes_max.to_string(),
        "MessageRetentionPeriod" => settings.retention_s.to_string(),
        "DelaySeconds" => settings.delay_s.to_string(),
        "ReceiveMessageWaitTimeSeconds" => settings.wait_s.to_string(),
        "Policy" => settings.policy.clone()?,
        "RedrivePolicy" => serde_json::to_string(settings.redrive.as_ref()?).ok()?,
        "RedriveAllowPolicy" => serde_json::to_string(settings.redrive_allow.as_ref()?).ok()?,
        "FifoQueue" => settings.fifo.map(|_| "true".to_owned())?,
        "ContentBasedDeduplication" => settings.fifo?.content_based.to_string(),
        "DeduplicationScope" => if settings.fifo?.scope_is_group { "messageGroup" } else { "queue" }.to_owned(),
        "FifoThroughputLimit" => {
            if settings.fifo?.limit_is_per_group { "perMessageGroupId" } else { "perQueue" }.to_owned()
        }
        "KmsMasterKeyId" => settings.kms_key.clone()?,
        "KmsDataKeyReusePeriodSeconds" => settings.kms_key.as_ref().map(|_| settings.kms_reuse_s.to_string())?,
        "SqsManagedSseEnabled" => settings.sse_sqs.to_string(),
        _ => return None,
    })
}

/// The first of `attributes` that is not what the queue has.
pub(crate) fn first_difference(
    id: &QueueId,
    queue: &Queue,
    wanted: &Settings,
    attributes: &BTreeMap<String, String>,
) -> Option<String> {
    let other = Queue { settings: wanted.clone(), ..queue.clone() };
    let value = |queue: &Queue, name: &str| shown(id, queue, Numbers::default(), name);
    attributes.keys().find(|name| value(queue, name) != value(&other, name)).cloned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Settings, redrive};
    use crate::error::Error;

    fn create(name: &str, attributes: &[(&str, &str)]) -> Result<Settings, Error> {
        let attributes: BTreeMap<_, _> = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::create(name, &attributes)
    }

    #[test]
    fn every_attribute_has_its_range() {
        for (name, min, max) in [
            ("DelaySeconds", 0, 900),
            ("MaximumMessageSize", 1_024, 1_048_576),
            ("MessageRetentionPeriod", 60, 1_209_600),
            ("ReceiveMessageWaitTimeSeconds", 0, 20),
            ("VisibilityTimeout", 0, 43_200),
            ("KmsDataKeyReusePeriodSeconds", 60, 86_400),
        ] {
            for (value, ok) in [(min, true), (max, true), (min - 1, false), (max + 1, false)] {
                assert_eq!(create("q", &[(name, &i64::to_string(&value))]).is_ok(), ok, "{name} {value}");
            }
            for value in ["", "x", "1.5", " 100"] {
                let message = create("q", &[(name, value)]).unwrap_err().to_string();
                assert_eq!(message, format!("Invalid value for the parameter {name}."));
            }
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let check = |name: &str, attributes: &[(&str, &str)], ok: bool| {
            assert_eq!(create(name, attributes).is_ok(), ok, "{name} {attributes:?}");
        };
        check("q.fifo", &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")], true);
        check("q", &[("FifoQueue", "true")], false);
        check("q.fifo", &[("FifoQueue", "false")], false);
        check("q", &[("ContentBasedDeduplication", "true")], false);
        check("q", &[("DeduplicationScope", "queue")], false);
        check("q.fifo", &[("FifoQueue", "true"), ("DeduplicationScope", "group")], false);
        check("q.fifo", &[("FifoQueue", "true"), ("FifoThroughputLimit", "perMessageGroupId")], false);
        let high = [
            ("FifoQueue", "true"),
            ("FifoThroughputLimit", "perMessageGroupId"),
            ("DeduplicationScope", "messageGroup"),
        ];
        check("q.fifo", &high, true);
        check("q", &[("KmsMasterKeyId", "alias/x"), ("SqsManagedSseEnabled", "true")], false);
        check("q", &[("KmsMasterKeyId", "alias/x"), ("SqsManagedSseEnabled", "false")], true);
        check("q", &[("QueueArn", "x")], false);
        check("q", &[("Nonsense", "x")], false);
    }

    #[test]
    fn redrive_policies_are_read() {
        let check = |text: &str, expect: &str| {
            let found = redrive(text).map(|policy| policy.map(|policy| policy.max_receive_count));
            let found = found.map_or_else(|error| error.to_string(), |count| format!("{count:?}"));
            assert!(found.contains(expect), "{text}: {found}");
        };
        let arn = "arn:aws:sqs:us-east-1:000000000000:d";
        check("", "None");
        check(&format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":3}}"#), "Some(3)");
        check(&format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"1000"}}"#), "Some(1000)");
        check(&format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":0}}"#), "valid values are from 1 to 1000");
        check(&format!(r#"{{"deadLetterTargetArn":"{arn}"}}"#), "mandatory attribute: maxReceiveCount");
        check(r#"{"maxReceiveCount":3}"#, "mandatory attribute: deadLetterTargetArn");
        check(r#"{"deadLetterTargetArn":"x","maxReceiveCount":3}"#, "deadLetterTargetArn");
        check("[]", "not a valid JSON map");
        check("{", "not a valid JSON map");
    }
}
