//! Input templates: `{"who": <$.body.name>, "pipe": <aws.pipes.pipe-name>}`.
//!
//! AWS: EventBridge User Guide, *Amazon EventBridge Pipes input transformation*.

use cauce_core::Timestamp;
use cauce_core::template::{self, escaped};
use serde_json::Value;

use crate::path::Path;

/// What a template may say besides the event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) pipe_arn: &'a str,
    pub(crate) pipe_name: &'a str,
    pub(crate) source_arn: &'a str,
    pub(crate) enrichment_arn: &'a str,
    pub(crate) target_arn: &'a str,
    pub(crate) ingested: Timestamp,
}

/// An event as it came, and as paths see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// As it came, in JSON.
    pub(crate) json: String,
    raw: Value,
    /// With what its source encodes (the body of a message) decoded; `None` if nothing is.
    decoded: Option<Value>,
}

impl Event {
    /// The event of a queue, whose `body`, if it is JSON, is looked into.
    pub(crate) fn of_queue(json: String) -> Event {
        let mut event = Event::of(json);
        let is_container = |value: &Value| value.is_object() || value.is_array();
        let body = event.raw.get("body").and_then(Value::as_str);
        let body: Option<Value> = body.and_then(|text| serde_json::from_str(text).ok()).filter(is_container);
        if let Some(body) = body {
            let mut decoded = event.raw.clone();
            if let Some(member) = decoded.get_mut("body") {
                *member = body;
            }
            event.decoded = Some(decoded);
        }
        event
    }

    /// An event that hides nothing: a record of a stream, or what an enrichment has answered.
    pub(crate) fn of(json: String) -> Event {
        Event { raw: serde_json::from_str(&json).unwrap_or_default(), json, decoded: None }
    }

    /// As paths see it.
    pub(crate) fn seen(&self) -> &Value {
        self.decoded.as_ref().unwrap_or(&self.raw)
    }
}

fn value(name: &str, event: &Event, about: &Circumstances<'_>) -> Option<Value> {
    Some(match name {
        "aws.pipes.pipe-arn" => about.pipe_arn.into(),
        "aws.pipes.pipe-name" => about.pipe_name.into(),
        "aws.pipes.source-arn" => about.source_arn.into(),
        "aws.pipes.enrichment-arn" => about.enrichment_arn.into(),
        "aws.pipes.target-arn" => about.target_arn.into(),
        "aws.pipes.event.ingestion-time" => about.ingested.iso_millis().into(),
        "aws.pipes.event" => event.raw.clone(),
        "aws.pipes.event.json" => event.seen().clone(),
        name => Path::parse(name)?.select(event.seen())?,
    })
}

/// What a template makes of an event, in JSON: as it is written, or as a text if that is no JSON.
///
/// A variable inside a JSON text becomes part of that text: strings escaped, objects and lists without their quotes. One that
/// stands alone becomes the JSON value. What the event does not have is empty.
pub(crate) fn fill(template: &str, event: &Event, about: &Circumstances<'_>) -> String {
    let variable = |name: &str| name.starts_with("aws.pipes.") || Path::parse(name).is_some();
    let parts = template::parts(template, variable);
    let out = template::fill(parts, |name, quoted| match (value(name, event, about), quoted) {
        (Some(Value::String(text)), true) => escaped(&text),
        (Some(other), true) => other.to_string().replace('"', ""),
        (Some(value), false) => value.to_string(),
        (None, true) => String::new(),
        (None, false) => "\"\"".to_owned(),
    });
    match serde_json::from_str::<serde::de::IgnoredAny>(&out) {
        Ok(_) => out,
        Err(_) => Value::String(out).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;
    use serde_json::{Value, json};

    use super::{Circumstances, Event, fill};

    fn queued(event: Value) -> Event {
        Event::of_queue(event.to_string())
    }

    fn filled(template: &str, event: &Event, about: &Circumstances<'_>) -> Value {
        serde_json::from_str(&fill(template, event, about)).unwrap()
    }

    fn check(template: &str, expect: Value) {
        let body = r#"{"name":"O\"Hara","n":1.5,"list":[{"x":1},{"x":2}],"o":{"a":"b"}}"#;
        let event = queued(json!({ "messageId": "m1", "body": body, "attributes": { "SenderId": "me" } }));
        let about = Circumstances {
            pipe_arn: "arn:pipe",
            pipe_name: "p",
            source_arn: "arn:source",
            enrichment_arn: "arn:enrichment",
            target_arn: "arn:target",
            ingested: Timestamp::EPOCH,
        };
        assert_eq!(filled(template, &event, &about), expect, "{template}");
    }

    #[test]
    fn templates_are_filled() {
        check(r#""Hello, sender""#, json!("Hello, sender"));
        check("Hello, sender", json!("Hello, sender"));
        check("<$.attributes.SenderId>", json!("me"));
        check(r#""Hello, <$.attributes.SenderId>""#, json!("Hello, me"));
        check(r#"{"a": <$.body.name>, "b": "<$.body.name>"}"#, json!({ "a": "O\"Hara", "b": "O\"Hara" }));
        check(
            r#"{"n": <$.body.n>, "x": <$.body.list[1].x>, "all": <$.body.list[*].x>}"#,
            json!({ "n": 1.5, "x": 2, "all": [1, 2] }),
        );
        check(r#"{"o": <$.body.o>, "t": "is <$.body.o>"}"#, json!({ "o": { "a": "b" }, "t": "is {a:b}" }));
        check(r#"{"gone": <$.body.gone>, "t": "<$.gone>"}"#, json!({ "gone": "", "t": "" }));
        check("<$.body.list>", json!([{ "x": 1 }, { "x": 2 }]));
        check("1 < 2 and <b> is no variable", json!("1 < 2 and <b> is no variable"));
    }

    #[test]
    fn reserved_variables_say_what_is_around() {
        check(
            r#"{"arn": <aws.pipes.pipe-arn>, "name": "<aws.pipes.pipe-name>", "from": <aws.pipes.source-arn>}"#,
            json!({ "arn": "arn:pipe", "name": "p", "from": "arn:source" }),
        );
        check(
            r#"[<aws.pipes.enrichment-arn>, <aws.pipes.target-arn>, <aws.pipes.event.ingestion-time>]"#,
            json!(["arn:enrichment", "arn:target", "1970-01-01T00:00:00.000Z"]),
        );
    }

    #[test]
    fn events_come_raw_or_with_their_body_decoded() {
        let event = queued(json!({ "body": r#"{"a":1}"# }));
        let about = Circumstances {
            pipe_arn: "",
            pipe_name: "",
            source_arn: "",
            enrichment_arn: "",
            target_arn: "",
            ingested: Timestamp::EPOCH,
        };
        assert_eq!(filled("<aws.pipes.event>", &event, &about), json!({ "body": r#"{"a":1}"# }));
        assert_eq!(filled("<aws.pipes.event.json>", &event, &about), json!({ "body": { "a": 1 } }));
        let text = queued(json!({ "body": "no json" }));
        assert_eq!(filled("<$.body>", &text, &about), json!("no json"));
        let number = queued(json!({ "body": "12" }));
        assert_eq!(filled(r#"{"b": <$.body>}"#, &number, &about), json!({ "b": "12" }));
        let enriched = Event::of(json!({ "body": r#"{"a":1}"# }).to_string());
        assert_eq!(filled("<$.body>", &enriched, &about), json!(r#"{"a":1}"#));
    }
}
