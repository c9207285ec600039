//! Topics: one message an event.

use cauce_core::Call;
use serde_json::{Value, json};

use super::{Kind, Prepared, failed_entries, operation};
use crate::flow::Flow;
use crate::payload::{Sent, Trouble};

pub(super) async fn send(flow: &Flow, call: &Call, events: &[Prepared]) -> Result<Sent, Trouble> {
    let entry = |(place, event): (usize, &Prepared)| json!({ "Id": place.to_string(), "Message": event.text() });
    let entries: Vec<Value> = events.iter().enumerate().map(entry).collect();
    let input = json!({ "TopicArn": flow.pipe.target.as_str(), "PublishBatchRequestEntries": entries });
    operation(flow, call, (Kind::Topic, "PublishBatch"), &input).await.map(failed_entries)
}
