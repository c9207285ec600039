//! Enrichments: what is asked with the events of a batch, and answers the events for the target.
//!
//! AWS: EventBridge User Guide, *Event enrichment in Amazon EventBridge Pipes*.

use bytes::Bytes;
use cauce_core::Call;
use serde_json::Value;

use crate::flow::Flow;
use crate::path::plain;
use crate::payload::{Trouble, list};
use crate::target::{Kind, Prepared, function, gateway};

/// Asks a pipe's enrichment; the events for the target, none if it has nothing to say.
pub(crate) async fn enrich(flow: &Flow, call: &Call, events: &[Prepared]) -> Result<Vec<Value>, Trouble> {
    let Some(arn) = &flow.pipe.enrichment else {
        return Ok(events.iter().map(|event| event.input.clone()).collect());
    };
    let answer = match Kind::of(arn) {
        Some(Kind::Gateway) => {
            let parameters = flow.pipe.enrichment_parameters.as_ref().and_then(|own| own.http_parameters.as_ref());
            let Some(event) = events.first() else { return Ok(Vec::new()) };
            gateway::request(flow, call, arn, parameters, event).await?
        }
        _ => {
            let inputs: Vec<Value> = events.iter().map(|event| event.input.clone()).collect();
            function::invoke(flow, call, arn, list(&inputs)).await?
        }
    };
    Ok(answered(&answer))
}

/// The events in an answer: those of a list, or the one that it is; none if it is empty.
fn answered(answer: &Bytes) -> Vec<Value> {
    let value = serde_json::from_slice(answer).unwrap_or_else(|_| String::from_utf8_lossy(answer).into_owned().into());
    match value {
        Value::Array(events) => events,
        Value::Null => Vec::new(),
        Value::Object(map) if map.is_empty() => Vec::new(),
        other if plain(&other).is_empty() => Vec::new(),
        other => vec![other],
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::answered;

    #[test]
    fn answers_are_events() {
        let check = |answer: &'static str, expect: serde_json::Value| {
            assert_eq!(serde_json::Value::Array(answered(&Bytes::from_static(answer.as_bytes()))), expect, "{answer}");
        };
        for empty in ["", "null", "{}", "[]", "\"\""] {
            check(empty, json!([]));
        }
        check("[{}]", json!([{}]));
        check(r#"[{"a":1},2]"#, json!([{ "a": 1 }, 2]));
        check(r#"{"a":1}"#, json!([{ "a": 1 }]));
        check("no json", json!(["no json"]));
    }
}
