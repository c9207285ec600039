//! Enrichments: what is asked with the events of a batch, and answers the events for the target.
//!
//! AWS: EventBridge User Guide, *Event enrichment in Amazon EventBridge Pipes*.

use bytes::Bytes;
use cauce_core::{Arn, Call};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::flow::Flow;
use crate::payload::{Trouble, list};
use crate::target::{Kind, Prepared, function, gateway};

/// Asks a pipe's enrichment; the events for the target, none if it has nothing to say.
pub(crate) async fn enrich(flow: &Flow, call: &Call, arn: &Arn, events: &[Prepared]) -> Result<Vec<String>, Trouble> {
    let answer = match Kind::of(arn) {
        Some(Kind::Gateway) => {
            let parameters = flow.pipe.enrichment_parameters.as_ref().and_then(|own| own.http_parameters.as_ref());
            let Some(event) = events.first() else { return Ok(Vec::new()) };
            gateway::request(flow, call, arn, parameters, event).await?
        }
        _ => function::invoke(flow, call, arn, list(events.iter().map(|event| event.input.as_str()))).await?,
    };
    Ok(answered(&answer))
}

/// The events in an answer, each in JSON: those of a list, or the one that it is; none if it is empty.
fn answered(answer: &Bytes) -> Vec<String> {
    if let Ok(events) = serde_json::from_slice::<Vec<&RawValue>>(answer) {
        return events.into_iter().map(|event| event.get().to_owned()).collect();
    }
    let text = String::from_utf8_lossy(answer);
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Null) => Vec::new(),
        Ok(Value::Object(map)) if map.is_empty() => Vec::new(),
        Ok(Value::String(text)) if text.is_empty() => Vec::new(),
        Ok(_) => vec![text.into_owned()],
        Err(_) if text.is_empty() => Vec::new(),
        Err(_) => vec![Value::String(text.into_owned()).to_string()],
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
            let events = answered(&Bytes::from_static(answer.as_bytes()));
            let events = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
            assert_eq!(serde_json::Value::Array(events), expect, "{answer}");
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
