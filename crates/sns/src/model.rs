//! Topics and subscriptions as they are stored.

use std::collections::BTreeMap;

use cauce_core::{Account, Timestamp};
use cauce_store::Record;
use serde::{Deserialize, Serialize};

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Topic {
    pub(crate) created: Timestamp,
    /// What was set, by the names of the API; what was not set has its default.
    pub(crate) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

impl Record for Topic {
    const VERSION: u8 = 1;
}

impl Topic {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.attribute(name).is_some_and(|set| set.eq_ignore_ascii_case(value))
    }

    /// Whether messages without a deduplication id are told apart by their text.
    pub(crate) fn is_content_based(&self) -> bool {
        self.is("ContentBasedDeduplication", "true")
    }

    /// Whether deduplication ids count within their message group only.
    pub(crate) fn deduplicates_by_group(&self) -> bool {
        self.is("FifoThroughputScope", "MessageGroup")
    }

    /// The hash of its signatures.
    pub(crate) fn signature_version(&self) -> SignatureVersion {
        if self.is("SignatureVersion", "2") { SignatureVersion::Sha256 } else { SignatureVersion::Sha1 }
    }
}

/// How messages of a topic are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SignatureVersion {
    /// Version 1.
    Sha1,
    /// Version 2.
    Sha256,
}

impl SignatureVersion {
    pub(crate) fn name(self) -> &'static str {
        match self {
            SignatureVersion::Sha1 => "1",
            SignatureVersion::Sha256 => "2",
        }
    }
}

/// How a subscriber is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    Sqs,
    Lambda,
    Http,
    Https,
}

impl Protocol {
    pub(crate) const ALL: [Protocol; 4] = [Protocol::Sqs, Protocol::Lambda, Protocol::Http, Protocol::Https];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Protocol::Sqs => "sqs",
            Protocol::Lambda => "lambda",
            Protocol::Http => "http",
            Protocol::Https => "https",
        }
    }

    /// Whether the endpoint has to confirm that it wants messages.
    pub(crate) fn is_web(self) -> bool {
        matches!(self, Protocol::Http | Protocol::Https)
    }
}

/// What a filter policy is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FilterScope {
    #[default]
    MessageAttributes,
    MessageBody,
}

impl FilterScope {
    pub(crate) fn name(self) -> &'static str {
        match self {
            FilterScope::MessageAttributes => "MessageAttributes",
            FilterScope::MessageBody => "MessageBody",
        }
    }
}

/// What can be set of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wishes {
    #[serde(default)]
    pub(crate) raw: bool,
    #[serde(default)]
    pub(crate) filter_policy: Option<String>,
    #[serde(default)]
    pub(crate) filter_scope: FilterScope,
    /// As it was given.
    #[serde(default)]
    pub(crate) redrive_policy: Option<String>,
    /// As it was given.
    #[serde(default)]
    pub(crate) delivery_policy: Option<String>,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: String,
    pub(crate) owner: Account,
    /// Who subscribed, as an ARN.
    pub(crate) principal: String,
    pub(crate) created: Timestamp,
    pub(crate) confirmed: bool,
    /// Whether the confirmation was signed.
    #[serde(default)]
    pub(crate) authenticated: bool,
    /// Whether only signed requests may end it.
    #[serde(default)]
    pub(crate) authenticate_on_unsubscribe: bool,
    /// What the endpoint answers to confirm.
    #[serde(default)]
    pub(crate) token: Option<String>,
    #[serde(flatten)]
    pub(crate) wishes: Wishes,
}

impl Record for Subscription {
    const VERSION: u8 = 1;
}

/// A subscription that was ended by the link in its messages, for as long as its endpoint can restore it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) at: Timestamp,
    /// As it was, but for the token, which restores it.
    pub(crate) subscription: Subscription,
}

impl Record for Ended {
    const VERSION: u8 = 1;
}

impl Subscription {
    /// The queue of what cannot be delivered.
    pub(crate) fn dead_letter(&self) -> Option<cauce_core::Arn> {
        let policy: serde_json::Value = serde_json::from_str(self.wishes.redrive_policy.as_deref()?).ok()?;
        policy.get("deadLetterTargetArn")?.as_str()?.parse().ok()
    }
}
