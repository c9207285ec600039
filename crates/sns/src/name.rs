//! Names of topics, and ARNs as requests give them.

use cauce_core::{Arn, Call};

use crate::error::Error;
use crate::keys::TopicId;

/// The longest name of a topic, in characters.
pub(crate) const TOPIC_CHARS_MAX: usize = 256;

/// Whether a topic may be called so.
///
/// AWS: SNS API Reference, *CreateTopic*, "Name".
pub(crate) fn is_topic_name(name: &str, fifo: bool) -> bool {
    let stem = match name.strip_suffix(".fifo") {
        Some(stem) if fifo => stem,
        None if !fifo => name,
        _ => return false,
    };
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !stem.is_empty() && name.len() <= TOPIC_CHARS_MAX && stem.bytes().all(is_allowed)
}

/// How many parts a text has that should be an ARN.
fn elements(text: &str) -> usize {
    text.split(':').count()
}

/// Reads the ARN in the parameter `parameter`.
///
/// # Errors
/// AWS's words for what is no ARN, and for one of another service.
fn sns_arn(parameter: &str, text: &str) -> Result<Arn, Error> {
    let found = elements(text);
    if found < 6 {
        let message = format!("{parameter} Reason: An ARN must have at least 6 elements, not {found}");
        return Err(Error::Invalid(message));
    }
    let arn: Arn = text.parse().map_err(|_| Error::invalid(parameter))?;
    if arn.service() != "sns" { Err(Error::invalid(parameter)) } else { Ok(arn) }
}

fn topic_of(arn: &Arn, name: &str) -> Option<TopicId> {
    Some(TopicId { account: arn.account()?, region: arn.region().parse().ok()?, name: name.to_owned() })
}

/// The topic that a request names.
///
/// # Errors
/// AWS's words for what names no topic of this region.
pub(crate) fn topic(call: &Call, text: &str) -> Result<TopicId, Error> {
    topic_in("TopicArn", call, text)
}

/// As [`topic`], for a parameter of another name.
///
/// # Errors
/// As [`topic`].
pub(crate) fn topic_in(parameter: &str, call: &Call, text: &str) -> Result<TopicId, Error> {
    let arn = sns_arn(parameter, text)?;
    let id = topic_of(&arn, arn.resource()).ok_or_else(|| Error::invalid(parameter))?;
    let known = is_topic_name(&id.name, id.is_fifo());
    if id.region == call.region && known { Ok(id) } else { Err(Error::invalid(parameter)) }
}

/// The topic that an ARN names, if it names one.
pub(crate) fn topic_from_arn(arn: &Arn) -> Option<TopicId> {
    let id = topic_of(arn, arn.resource())?;
    is_topic_name(&id.name, id.is_fifo()).then_some(id)
}

/// The topic and the id of the subscription that an ARN names.
pub(crate) fn subscription_from_arn(arn: &Arn) -> Option<(TopicId, String)> {
    let (name, id) = arn.resource().split_once(':')?;
    Some((topic_of(arn, name)?, id.to_owned()))
}

/// The subscription that a request names.
///
/// # Errors
/// AWS's words for what names none.
pub(crate) fn subscription(text: &str) -> Result<(TopicId, String), Error> {
    let arn = sns_arn("SubscriptionArn", text)?;
    if elements(text) == 6 {
        return Err(Error::invalid("SubscriptionId"));
    }
    subscription_from_arn(&arn).ok_or_else(|| Error::invalid("SubscriptionArn"))
}

#[cfg(test)]
mod tests {
    use super::is_topic_name;

    #[test]
    fn names_are_those_that_aws_allows() {
        for (name, fifo, allowed) in [
            ("a", false, true),
            ("A-b_9", false, true),
            ("", false, false),
            ("a.b", false, false),
            ("a b", false, false),
            ("é", false, false),
            ("a.fifo", true, true),
            ("a.fifo", false, false),
            (".fifo", true, false),
            ("a", true, false),
        ] {
            assert_eq!(is_topic_name(name, fifo), allowed, "{name} {fifo}");
        }
        assert!(is_topic_name(&"a".repeat(256), false) && !is_topic_name(&"a".repeat(257), false));
    }
}
