//! Queues: one message an event.

use cauce_core::Call;
use serde_json::{Value, json};

use super::{Kind, Prepared, failed_entries, operation};
use crate::flow::Flow;
use crate::payload::{Sent, Trouble};

pub(super) async fn send(flow: &Flow, call: &Call, events: &[Prepared]) -> Result<Sent, Trouble> {
    let target = &flow.pipe.target;
    let parameters = flow.pipe.target_parameters.as_ref().and_then(|own| own.sqs_queue_parameters.as_ref());
    let group = parameters.and_then(|parameters| parameters.message_group_id.as_ref());
    let deduplication = parameters.and_then(|parameters| parameters.message_deduplication_id.as_ref());
    let service = Kind::Queue.service();
    let entry = |(place, event): (usize, &Prepared)| -> Result<Value, Trouble> {
        let mut entry = json!({ "Id": place.to_string(), "MessageBody": event.text() });
        let ids = [("MessageGroupId", group), ("MessageDeduplicationId", deduplication)];
        for (name, given) in ids {
            if let (Some(text), Some(map)) = (event.parameter(name, given, service)?, entry.as_object_mut()) {
                map.insert(name.to_owned(), text.into());
            }
        }
        Ok(entry)
    };
    let entries: Vec<Value> = events.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
    // The host of a queue's URL says nothing.
    let url = format!("http://sqs/{}/{}", target.account_str(), target.resource());
    let input = json!({ "QueueUrl": url, "Entries": entries });
    operation(flow, call, (Kind::Queue, "SendMessageBatch"), &input).await.map(failed_entries)
}
