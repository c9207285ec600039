//! `cauce logs`: what a function has logged.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli;
use cauce_client::Client;

/// How often new lines are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How far back a look reaches again, in milliseconds: a line's time is when it was written, which may be before it was stored.
const AGAIN_MS: i64 = 10_000;

/// One line of a log group.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) at_ms: i64,
    pub(crate) text: String,
}

/// The lines of a group since a moment that a filter pattern passes, in the order of their times.
///
/// # Errors
/// What the server refuses.
pub(crate) async fn lines(client: &Client, group: &str, since_ms: i64, pattern: &str) -> Result<Vec<Line>> {
    let mut found = Vec::new();
    let mut input = json!({ "logGroupName": group, "startTime": since_ms, "filterPattern": pattern });
    loop {
        let page = client.json("logs", "Logs_20140328.FilterLogEvents", &input).await?;
        for event in page.get("events").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let at_ms = event.get("timestamp").and_then(Value::as_i64).unwrap_or_default();
            found.push(Line { id: text("eventId"), at_ms, text: text("message") });
        }
        match page.get("nextToken") {
            Some(token) if !token.is_null() => {
                if let Some(input) = input.as_object_mut() {
                    input.insert("nextToken".to_owned(), token.clone());
                }
            }
            _ => return Ok(found),
        }
    }
}

/// The command.
pub(crate) async fn command(args: &cli::Logs) -> Result<()> {
    let client = crate::client_of(&args.client)?;
    let group = format!("/aws/lambda/{}", args.function);
    let (mut seen, mut since) = (BTreeSet::new(), 0);
    loop {
        let mut latest = since;
        let mut now = BTreeSet::new();
        for line in lines(&client, &group, since, "").await? {
            latest = latest.max(line.at_ms - AGAIN_MS);
            if !seen.contains(&line.id) {
                print(&line, args.client.output);
            }
            now.insert(line.id);
        }
        if !args.follow {
            return Ok(());
        }
        (seen, since) = (now, latest);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn print(line: &Line, output: cli::Output) {
    let at = jiff::Timestamp::from_millisecond(line.at_ms).unwrap_or_default();
    match output {
        cli::Output::Json => println!("{}", json!({ "timestamp": line.at_ms, "message": line.text })),
        cli::Output::Text => println!("{} {}", at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"), line.text.trim_end()),
    }
}
