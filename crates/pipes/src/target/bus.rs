//! Event buses: one event an event, whose detail is what the template makes of it.

use cauce_core::{Call, Timestamp};
use serde_json::{Value, json};

use super::{Kind, Prepared, operation};
use crate::flow::Flow;
use crate::parameters::BusParameters;
use crate::payload::{Sent, Trouble};

pub(super) async fn send(flow: &Flow, call: &Call, events: &[Prepared]) -> Result<Sent, Trouble> {
    let none = BusParameters::default();
    let parameters =
        flow.pipe.target_parameters.as_ref().and_then(|own| own.event_bridge_event_bus_parameters.as_ref());
    let parameters = parameters.unwrap_or(&none);
    let entries: Vec<Value> = events.iter().map(|event| entry(flow, parameters, event)).collect::<Result<_, _>>()?;
    let (answer, body) = operation(flow, call, (Kind::Bus, "PutEvents"), &json!({ "Entries": entries })).await?;
    let mut sent = Sent { answer: body, ..Sent::default() };
    let results = answer.get("Entries").and_then(Value::as_array);
    for (place, result) in results.into_iter().flatten().enumerate() {
        let text = |name: &str| result.get(name).and_then(Value::as_str);
        let Some(code) = text("ErrorCode") else { continue };
        sent.failed.insert(place);
        if sent.reason.is_empty() {
            sent.reason = format!("{code}: {}", text("ErrorMessage").unwrap_or_default());
        }
    }
    Ok(sent)
}

fn entry(flow: &Flow, parameters: &BusParameters, event: &Prepared) -> Result<Value, Trouble> {
    let service = Kind::Bus.service();
    let of = |name: &str, given| event.parameter(name, given, service);
    let from = if flow.pipe.of_stream() { "aws:dynamodb" } else { "aws:sqs" };
    let source = of("Source", parameters.source.as_ref())?.unwrap_or_else(|| format!("Pipe {}", flow.id.name));
    let detail_type =
        of("DetailType", parameters.detail_type.as_ref())?.unwrap_or_else(|| format!("Event from {from}"));
    let mut entry = json!({
        "EventBusName": flow.pipe.target.as_str(),
        "Source": source,
        "DetailType": detail_type,
        "Detail": event.text(),
    });
    let mut resources = Vec::new();
    for resource in parameters.resources.iter().flatten() {
        resources.extend(of("Resources", Some(resource))?);
    }
    let Some(map) = entry.as_object_mut() else { return Ok(entry) };
    if !resources.is_empty() {
        map.insert("Resources".to_owned(), resources.into());
    }
    if let Some(time) = of("Time", parameters.time.as_ref())? {
        let at = Timestamp::parse(&time).map(|at| at.as_millis());
        let seconds = at.map(|millis| millis as f64 / 1_000.0).or_else(|| time.parse::<f64>().ok());
        let unreadable = || Trouble::own(service, format!("Time: {time} is no time"));
        map.insert("Time".to_owned(), seconds.ok_or_else(unreadable)?.into());
    }
    Ok(entry)
}
