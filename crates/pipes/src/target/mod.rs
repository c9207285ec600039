//! Targets: where a batch of events goes, and how.
//!
//! AWS: EventBridge User Guide, *Amazon EventBridge Pipes targets*.

mod bus;
pub(crate) mod function;
pub(crate) mod gateway;
mod log_group;
mod queue;
mod topic;

use std::collections::BTreeSet;

use bytes::Bytes;
use cauce_core::{Arn, Call};
use serde_json::Value;

use crate::flow::Flow;
use crate::path::{dynamic, plain_json};
use crate::payload::{PAYLOAD_BYTES_MAX, Sent, Trouble};
use crate::template::Event;

/// The kinds of targets, and of enrichments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Function,
    Queue,
    Topic,
    Bus,
    LogGroup,
    Gateway,
}

impl Kind {
    /// What an ARN names; `None` for what is not here.
    pub(crate) fn of(arn: &Arn) -> Option<Kind> {
        let resource = arn.resource();
        match arn.service() {
            "lambda" if resource.starts_with("function:") => Some(Kind::Function),
            "sqs" => Some(Kind::Queue),
            "sns" if !resource.ends_with(".fifo") => Some(Kind::Topic),
            "events" if resource.starts_with("event-bus/") => Some(Kind::Bus),
            "logs" if resource.starts_with("log-group:") => Some(Kind::LogGroup),
            "execute-api" if resource.split('/').count() >= 3 => Some(Kind::Gateway),
            _ => None,
        }
    }

    /// How many events it takes at once. AWS: *Amazon EventBridge Pipes batching and concurrency*, "Supported batchable
    /// targets".
    pub(crate) fn events_max(self) -> usize {
        match self {
            Kind::Function | Kind::LogGroup => 10_000,
            Kind::Queue | Kind::Topic | Kind::Bus => 10,
            Kind::Gateway => 1,
        }
    }

    /// How many bytes it takes at once, with room for what names each event. The limits are those of its batch operation.
    pub(crate) fn bytes_max(self) -> usize {
        match self {
            Kind::Function | Kind::Gateway => PAYLOAD_BYTES_MAX,
            Kind::Queue | Kind::Bus | Kind::LogGroup => 1_000 * 1_024,
            Kind::Topic => 240 * 1_024,
        }
    }

    /// The service, as logs and reasons name it.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Kind::Function => "lambda",
            Kind::Queue => "sqs",
            Kind::Topic => "sns",
            Kind::Bus => "events",
            Kind::LogGroup => "logs",
            Kind::Gateway => "execute-api",
        }
    }
}

/// An event on its way, and what it is sent as.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// As it came from the source or the enrichment; dynamic parameters look into it.
    pub(crate) event: Event,
    /// What the template makes of it, in JSON.
    pub(crate) input: String,
}

impl Prepared {
    /// What it is sent as where texts are sent.
    fn text(&self) -> String {
        plain_json(&self.input)
    }

    /// What a parameter says for this event, which may be a path into it.
    fn parameter(&self, name: &str, given: Option<&String>, service: &str) -> Result<Option<String>, Trouble> {
        let Some(given) = given else { return Ok(None) };
        match dynamic(given, self.event.seen()) {
            Some(text) => Ok(Some(text)),
            None => Err(Trouble::own(service, format!("{name}: the event has nothing at {given}"))),
        }
    }
}

/// Sends events to a pipe's target.
pub(crate) async fn send(flow: &Flow, call: &Call, events: &[Prepared]) -> Result<Sent, Trouble> {
    let target = &flow.pipe.target;
    let Some(kind) = Kind::of(target) else {
        return Err(Trouble::own(target.service(), "The target is not supported by this server."));
    };
    if events.len() > kind.events_max() {
        let message =
            format!("{} events are more than the {} that the target takes at once.", events.len(), kind.events_max());
        return Err(Trouble::own(kind.service(), message));
    }
    match kind {
        Kind::Function => function::send(flow, call, events).await,
        Kind::Queue => queue::send(flow, call, events).await,
        Kind::Topic => topic::send(flow, call, events).await,
        Kind::Bus => bus::send(flow, call, events).await,
        Kind::LogGroup => log_group::send(flow, call, events).await,
        Kind::Gateway => {
            let parameters = flow.pipe.target_parameters.as_ref().and_then(|own| own.http_parameters.as_ref());
            let Some(event) = events.first() else { return Ok(Sent::default()) };
            let answer = gateway::request(flow, call, target, parameters, event).await?;
            Ok(Sent { answer, ..Sent::default() })
        }
    }
}

/// Performs an operation with a JSON input; its answer.
async fn operation(
    flow: &Flow,
    call: &Call,
    (kind, name): (Kind, &str),
    input: &Value,
) -> Result<(Value, Bytes), Trouble> {
    let input = serde_json::to_vec(input).unwrap_or_default();
    let answer = flow.pipes.ports.services.operation(call, kind.service(), name, input.into()).await;
    if answer.status >= 300 {
        return Err(Trouble::answered(kind.service(), &answer));
    }
    Ok((serde_json::from_slice(&answer.body).unwrap_or_default(), answer.body))
}

/// What an answer says whose `Failed` names entries by the `Id` they were given: their places.
fn failed_entries((answer, body): (Value, Bytes)) -> Sent {
    let failed = answer.get("Failed").and_then(Value::as_array);
    let text = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut sent = Sent { answer: body, ..Sent::default() };
    for entry in failed.into_iter().flatten() {
        if let Ok(place) = text(entry, "Id").parse() {
            sent.failed.insert(place);
        }
        if sent.reason.is_empty() {
            sent.reason = format!("{}: {}", text(entry, "Code"), text(entry, "Message"));
        }
    }
    sent
}

/// Those of a group that come behind one that has failed must come again behind it.
pub(crate) fn keep_order(failed: &mut BTreeSet<usize>, groups: &[Option<String>]) {
    let mut stopped: Vec<&String> = Vec::new();
    for (place, group) in groups.iter().enumerate() {
        let Some(group) = group else { continue };
        if failed.contains(&place) {
            stopped.push(group);
        } else if stopped.contains(&group) {
            failed.insert(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Kind, keep_order};

    #[test]
    fn arns_name_kinds() {
        let check = |arn: &str, expect: Option<Kind>| {
            let arn = arn.replace('@', "us-east-1:000000000000");
            assert_eq!(Kind::of(&arn.parse().unwrap()), expect, "{arn}");
        };
        check("arn:aws:lambda:@:function:f:live", Some(Kind::Function));
        check("arn:aws:sqs:@:q.fifo", Some(Kind::Queue));
        check("arn:aws:sns:@:t", Some(Kind::Topic));
        check("arn:aws:sns:@:t.fifo", None);
        check("arn:aws:events:@:event-bus/default", Some(Kind::Bus));
        check("arn:aws:events:@:rule/r", None);
        check("arn:aws:logs:@:log-group:g:*", Some(Kind::LogGroup));
        check("arn:aws:execute-api:@:abc/prod/POST/x", Some(Kind::Gateway));
        check("arn:aws:events:@:api-destination/d/1", None);
        check("arn:aws:states:@:stateMachine:s", None);
    }

    #[test]
    fn a_group_waits_for_what_has_failed() {
        let group = |name: &str| Some(name.to_owned());
        let groups = [group("a"), group("b"), group("a"), None, group("b")];
        let mut failed = BTreeSet::from([0]);
        keep_order(&mut failed, &groups);
        assert_eq!(failed, BTreeSet::from([0, 2]));
        let mut failed = BTreeSet::from([3]);
        keep_order(&mut failed, &groups);
        assert_eq!(failed, BTreeSet::from([3]));
    }
}
