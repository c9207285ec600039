//! `cauce explain`: why an event reaches the targets of rules, or why it does not.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cli;

/// The command.
pub(crate) async fn command(args: &cli::Explain) -> Result<()> {
    let client = crate::client_of(&args.client)?;
    let event = read(&args.event)?;
    let mut input = json!({ "Event": event, "EventBusName": args.bus });
    if let (Some(rule), Some(input)) = (&args.rule, input.as_object_mut()) {
        input.insert("Rule".to_owned(), rule.clone().into());
    }
    let explained = client.json("cauce", "Cauce.ExplainEvent", &input).await?;
    if args.client.output == cli::Output::Json {
        println!("{explained}");
        return Ok(());
    }
    for rule in explained.get("Rules").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
        println!("{} ({})", text("Rule"), text("State"));
        for line in text("Text").lines() {
            println!("  {line}");
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
