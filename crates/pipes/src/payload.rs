//! What is sent to enrichments and targets, and what they answer.

use std::collections::BTreeSet;

use bytes::Bytes;
use cauce_core::ServiceError;
use cauce_core::ports::ServiceResponse;
use cauce_sources::push_list;
use serde_json::Value;

/// The most bytes of the JSON of a batch, without the brackets around it. AWS: *Amazon EventBridge Pipes batching and
/// concurrency*: 6 MB, as much as a function takes.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 6 * 1_024 * 1_024 - 2;

/// The longest answer that a reason repeats, in bytes.
const REASON_BYTES_MAX: usize = 1_024;

/// Why a stage did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) kind: TroubleKind,
    pub(crate) status: u16,
    pub(crate) message: String,
    /// Whose answer it is.
    pub(crate) service: String,
}

/// Whose trouble it is. AWS: *Amazon EventBridge Pipes error handling and troubleshooting*: only the user's counts as an
/// attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// There is no room now.
    Throttled,
    /// The service failed.
    Internal,
    /// The user's: a permission, a missing resource, code that fails.
    Own,
}

impl Trouble {
    /// The user's own, found here.
    pub(crate) fn own(service: &str, message: impl Into<String>) -> Trouble {
        Trouble { kind: TroubleKind::Own, status: 400, message: message.into(), service: service.to_owned() }
    }

    fn new(service: &str, status: u16, code: &str, message: String) -> Trouble {
        let throttled = status == 429 || code.contains("Throttl") || code.contains("TooManyRequests");
        let kind = match status {
            _ if throttled => TroubleKind::Throttled,
            500.. => TroubleKind::Internal,
            _ => TroubleKind::Own,
        };
        Trouble { kind, status, message, service: service.to_owned() }
    }

    /// What a service has refused.
    pub(crate) fn refused(service: &str, error: &ServiceError) -> Trouble {
        Trouble::new(service, error.status(), error.code(), error.to_string())
    }

    /// A service's answer that is no success.
    pub(crate) fn answered(service: &str, answer: &ServiceResponse) -> Trouble {
        let header = answer.headers.iter().find(|(name, _)| name == "x-amzn-errortype");
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let member = |name: &str| body.get(name).and_then(Value::as_str);
        let code = header.map(|(_, value)| value.as_str()).or_else(|| member("__type")).unwrap_or("");
        let code = code.rsplit('#').next().unwrap_or(code);
        let message = match member("message").or_else(|| member("Message")) {
            Some(message) => format!("{code}: {message}"),
            None => {
                let shown = answer.body.get(..REASON_BYTES_MAX).unwrap_or(&answer.body);
                format!("{code}{} {}", answer.status, String::from_utf8_lossy(shown))
            }
        };
        Trouble::new(service, answer.status, code, message)
    }
}

/// What became of the events that a target was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sent {
    /// The places of those that it has not taken.
    pub(crate) failed: BTreeSet<usize>,
    /// Why, of the first of them.
    pub(crate) reason: String,
    /// What it has answered, if that is worth a look.
    pub(crate) answer: Bytes,
}

/// A list of events that are JSON, in JSON.
pub(crate) fn list<'a>(events: impl Iterator<Item = &'a str>) -> Bytes {
    let mut out = String::new();
    push_list(&mut out, events);
    out.into()
}
