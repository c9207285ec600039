//! Drives `products`: a product's whole life through the API, requests that must be refused, and then everything that happened to it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use http::Method;
use serde_json::{Value, json};

use super::api::{Api, api_key};
use crate::deploy::StackOutputs;
use cauce_client::Client;

/// How long events may take to arrive; they take milliseconds, a busy machine may take longer to start the functions.
const ARRIVAL_MAX: Duration = Duration::from_secs(60);

/// How often the events are looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The keys of those who use the API.
const USERS: [&str; 2] = ["products_clerk", "products_visitor"];

/// A request, who sends it, the status it must get, and the event it must leave.
struct Step {
    user: usize,
    method: Method,
    path: &'static str,
    body: &'static str,
    status: u16,
    event: Option<&'static str>,
}

const fn step(
    user: usize,
    method: Method,
    path: &'static str,
    body: &'static str,
    status: u16,
    event: Option<&'static str>,
) -> Step {
    Step { user, method, path, body, status, event }
}

const GOOD: &str = r#"{"id":5,"code":"TV-1","name":"Television","price":999.9}"#;

/// The life of product 5, and what must not happen to it.
const LIFE: [Step; 11] = [
    step(0, Method::POST, "/products", r#"{"id":5,"code":"","name":"Television","price":999.9}"#, 400, None),
    step(0, Method::POST, "/products", r#"{"id":"five","code":"TV-1","name":"Television","price":999.9}"#, 400, None),
    step(0, Method::POST, "/products", GOOD, 201, Some("CREATED")),
    step(0, Method::POST, "/products", GOOD, 409, None),
    step(1, Method::GET, "/products/5", "", 200, Some("READ")),
    step(1, Method::GET, "/products/five", "", 400, None),
    step(0, Method::PUT, "/products/5", r#"{"code":"TV-2","name":"Television","price":899}"#, 200, Some("UPDATED")),
    step(0, Method::PUT, "/products/6", GOOD, 400, None),
    step(1, Method::GET, "/products", "", 200, None),
    step(0, Method::DELETE, "/products/5", "", 200, Some("DELETED")),
    step(1, Method::GET, "/products/5", "", 404, None),
];

/// The status and the document of an answer.
async fn call(api: &Api<'_>, method: Method, path: &str, body: &str, key: &str) -> Result<(u16, Value)> {
    let (status, answer) = api.call(method, path, body, ("x-api-key", key)).await?;
    Ok((status, serde_json::from_str(&answer).with_context(|| format!("{path} answers {answer}"))?))
}

/// The events of product 5.
async fn events(api: &Api<'_>, key: &str) -> Result<Vec<Value>> {
    let (status, page) = call(api, Method::GET, "/products/5/events", "", key).await?;
    match page.get("events").and_then(Value::as_array) {
        Some(events) if status == 200 => Ok(events.clone()),
        _ => bail!("GET /products/5/events: {status} {page}"),
    }
}

/// Drives the deployed system; returns how many things were not as they should be.
pub(super) async fn drive(client: &Client, outputs: &StackOutputs) -> Result<usize> {
    let api = Api::of(client, outputs)?;
    let [clerk, visitor] = USERS;
    let keys = [api_key(client, clerk).await?, api_key(client, visitor).await?];
    let [clerk, _] = &keys;
    // What earlier runs against the same data left is not ours.
    let before = events(&api, &clerk.value).await?.len();
    let (status, _) = call(&api, Method::GET, "/products", "", "nobody's key").await?;
    let mut wrong = usize::from(status != 403);
    println!("  GET /products with an unknown key: {status}{}", mark(status == 403));
    let mut expect = Vec::new();
    for step in &LIFE {
        let Some(key) = keys.get(step.user) else { continue };
        let (status, answer) = call(&api, step.method.clone(), step.path, step.body, &key.value).await?;
        let right = status == step.status;
        wrong += usize::from(!right);
        println!("  {} {} {}\n    {status} {answer}{}", step.method, step.path, step.body, mark(right));
        expect.extend(step.event.map(|event| json!({ "event": event, "user": key.id })));
    }
    let answered = Instant::now();
    let events = loop {
        let mut events = events(&api, &clerk.value).await?;
        let events = events.split_off(before.min(events.len()));
        if events.len() >= expect.len() || answered.elapsed() > ARRIVAL_MAX {
            break events;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let took = answered.elapsed().as_secs_f64() * 1e3;
    println!("\n  GET /products/5/events: everything that happened to product 5, {took:.0} ms after the last answer");
    let shown = |event: &Value, name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    for event in &events {
        let time = event.get("time").and_then(Value::as_i64).unwrap_or_default();
        let time = jiff::Timestamp::from_millisecond(time).map(|time| format!("{time:.3}")).unwrap_or_default();
        println!("    {time}  {:<8} {:<5} by {}", shown(event, "event"), shown(event, "code"), shown(event, "user"));
    }
    let found: Vec<Value> =
        events.iter().map(|event| json!({ "event": shown(event, "event"), "user": shown(event, "user") })).collect();
    if found != expect {
        println!("    instead of {}  <-- WRONG", Value::from(expect));
        wrong += 1;
    }
    println!("\n  more: systems/products/traffic load, with AWS_ENDPOINT_URL={}", client.endpoint());
    Ok(wrong)
}

fn mark(right: bool) -> &'static str {
    if right { "" } else { "  <-- WRONG" }
}
