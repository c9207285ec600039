//! Drives `atm`: puts transactions on the bus through its producer, and reads back from the logs who received which.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::deploy::StackOutputs;
use crate::logs;
use cauce_client::Client;

/// How long the events may take to arrive; they take milliseconds, a busy machine may take longer to start the functions.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);

/// How often the logs are looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One of the three consumers, and which transactions it must see.
struct Consumer {
    output: &'static str,
    sees: &'static str,
    wants: fn(&Value) -> bool,
}

const CONSUMERS: [Consumer; 3] = [
    Consumer { output: "Case1", sees: "result = approved", wants: |t| text(t, "result") == "approved" },
    Consumer { output: "Case2", sees: "location starts with NY-", wants: |t| text(t, "location").starts_with("NY-") },
    Consumer { output: "Case3", sees: "result is anything but approved", wants: |t| text(t, "result") != "approved" },
];

fn text<'a>(transaction: &'a Value, name: &str) -> &'a str {
    transaction.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A day's transactions at six machines: more than one request carries, with every kind of result.
fn transactions() -> Vec<Value> {
    let machines = ["MA-BOS-01", "NY-NYC-001", "NY-NYC-002", "NY-ALB-007", "CA-SFO-03", "TX-DAL-11"];
    let results = ["approved", "approved", "denied", "approved", "insufficient-funds"];
    let transaction = |n: usize| {
        let machine = machines.get(n % machines.len()).copied().unwrap_or_default();
        let result = results.get(n % results.len()).copied().unwrap_or_default();
        json!({
            "action": if n.is_multiple_of(4) { "deposit" } else { "withdrawal" }, "location": machine, "amount": 20 * (n % 15 + 1),
            "result": result, "transactionId": format!("{}", 123_456 + n), "cardPresent": true,
            "partnerBank": "Example Bank", "remainingFunds": 722.34,
        })
    };
    (0..24).map(transaction).collect()
}

/// Drives the deployed system; returns how many things were not as they should be.
pub(super) async fn drive(client: &Client, outputs: &StackOutputs) -> Result<usize> {
    let output = |name: &str| outputs.get(name).with_context(|| format!("the stack has no output {name}"));
    let sent = transactions();
    let began = Instant::now();
    let since_ms = jiff::Timestamp::now().as_millisecond() - 1_000;
    let request_id = produce(client, output("Producer")?, &sent).await?;
    let mut wrong = 0;
    let mut rows = Vec::new();
    for consumer in &CONSUMERS {
        let function = output(consumer.output)?;
        let expect: BTreeSet<String> =
            sent.iter().filter(|t| (consumer.wants)(t)).map(|t| text(t, "transactionId").to_owned()).collect();
        let received = received(client, function, since_ms, &expect).await?;
        let right = received.keys().eq(expect.iter()) && received.values().all(|&times| times == 1);
        wrong += usize::from(!right);
        rows.push((function, consumer.sees, expect, received, right));
    }
    println!(
        "  {} transactions put in one invocation, all logged after {:.0} ms",
        sent.len(),
        began.elapsed().as_secs_f64() * 1e3
    );
    for (function, sees, expect, received, right) in &rows {
        println!("\n  {function}: {sees}");
        println!(
            "    {} of {} expected events{}",
            received.len(),
            expect.len(),
            if *right { "" } else { "  <-- WRONG" }
        );
        for transaction in sent.iter().filter(|t| received.contains_key(text(t, "transactionId"))) {
            let (id, location, result) =
                (text(transaction, "transactionId"), text(transaction, "location"), text(transaction, "result"));
            let amount = transaction.get("amount").cloned().unwrap_or_default();
            println!("    {id}  {location:<10}  {amount:>4}  {result}");
        }
    }
    println!("\n  why: cauce trace {request_id} --endpoint {}", client.endpoint());
    Ok(wrong)
}

/// Invokes the producer; returns the request's id.
async fn produce(client: &Client, function: &str, transactions: &[Value]) -> Result<String> {
    let path = format!("/2015-03-31/functions/{function}/invocations");
    let body: Bytes = serde_json::to_vec(&json!({ "transactions": transactions }))?.into();
    let answer = client.rest("lambda", Method::POST, &path, Vec::new(), body).await?;
    let shown = String::from_utf8_lossy(&answer.body).into_owned();
    if !answer.status.is_success() || answer.headers.contains_key("x-amz-function-error") {
        bail!("{function} failed: {} {shown}", answer.status);
    }
    let response: Value = serde_json::from_slice(&answer.body)?;
    let ids = response.get("eventIds").and_then(Value::as_array).map_or(0, Vec::len);
    if ids != transactions.len() {
        bail!("{function} put {ids} of {} transactions: {shown}", transactions.len());
    }
    Ok(answer.headers.get("x-amzn-requestid").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned())
}

/// How often a function has logged each transaction, once it has logged all that are expected or the time is up.
async fn received(
    client: &Client,
    function: &str,
    since_ms: i64,
    expect: &BTreeSet<String>,
) -> Result<BTreeMap<String, usize>> {
    let end = Instant::now() + ARRIVAL_MAX;
    loop {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        let group = format!("/aws/lambda/{function}");
        // The group appears with the first line.
        let lines =
            logs::lines(client, &group, since_ms, "{ $.source = \"custom.myATMapp\" }").await.unwrap_or_default();
        for line in lines {
            let event: Value = serde_json::from_str(&line.text).unwrap_or_default();
            let detail = event.get("detail").cloned().unwrap_or_default();
            *found.entry(text(&detail, "transactionId").to_owned()).or_default() += 1;
        }
        if expect.iter().all(|id| found.contains_key(id)) || Instant::now() > end {
            return Ok(found);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
