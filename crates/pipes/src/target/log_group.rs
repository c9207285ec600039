//! Log groups: one log event an event.

use std::collections::BTreeMap;

use cauce_core::{Call, Timestamp};
use serde_json::{Value, json};

use super::{Kind, Prepared, operation};
use crate::flow::Flow;
use crate::payload::{Sent, Trouble};

/// A log event: when, its place in the batch, and what.
type Line = (i64, usize, String);

pub(super) async fn send(flow: &Flow, call: &Call, events: &[Prepared]) -> Result<Sent, Trouble> {
    let service = Kind::LogGroup.service();
    let parameters = flow.pipe.target_parameters.as_ref().and_then(|own| own.cloud_watch_logs_parameters.as_ref());
    let name = parameters.and_then(|parameters| parameters.log_stream_name.as_ref());
    let time = parameters.and_then(|parameters| parameters.timestamp.as_ref());
    let now = flow.pipes.env.now().as_millis();
    let mut streams: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for (place, event) in events.iter().enumerate() {
        let stream = event.parameter("LogStreamName", name, service)?.unwrap_or_else(|| flow.id.name.clone());
        let at = match event.parameter("Timestamp", time, service)? {
            None => now,
            Some(text) => {
                let read = text.parse().ok().or_else(|| Timestamp::parse(&text).map(Timestamp::as_millis));
                read.ok_or_else(|| Trouble::own(service, format!("Timestamp: {text} is no time")))?
            }
        };
        streams.entry(stream).or_default().push((at, place, event.text()));
    }
    let mut sent = Sent::default();
    for (stream, mut lines) in streams {
        lines.sort();
        if let Err(trouble) = put(flow, call, &stream, &lines).await {
            // What is in other streams already is not to come twice.
            if trouble.kind != crate::payload::TroubleKind::Own || lines.len() == events.len() {
                return Err(trouble);
            }
            sent.failed.extend(lines.iter().map(|(_, place, _)| *place));
            sent.reason = trouble.message;
        }
    }
    Ok(sent)
}

/// Puts log events into a stream, which is made if it is missing.
async fn put(flow: &Flow, call: &Call, stream: &str, lines: &[Line]) -> Result<(), Trouble> {
    let group = flow.pipe.target.resource().strip_prefix("log-group:").unwrap_or_default();
    let group = group.strip_suffix(":*").unwrap_or(group);
    let events: Vec<Value> = lines.iter().map(|(at, _, text)| json!({ "timestamp": at, "message": text })).collect();
    let input = json!({ "logGroupName": group, "logStreamName": stream, "logEvents": events });
    match operation(flow, call, (Kind::LogGroup, "PutLogEvents"), &input).await {
        Err(trouble) if trouble.message.contains("log stream does not exist") => {
            let made = json!({ "logGroupName": group, "logStreamName": stream });
            match operation(flow, call, (Kind::LogGroup, "CreateLogStream"), &made).await {
                Err(trouble) if !trouble.message.contains("already exists") => return Err(trouble),
                _ => {}
            }
            operation(flow, call, (Kind::LogGroup, "PutLogEvents"), &input).await.map(|_| ())
        }
        answer => answer.map(|_| ()),
    }
}
