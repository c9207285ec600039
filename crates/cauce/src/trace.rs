//! `cauce trace`: what a request caused.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli;

/// The command.
pub(crate) async fn command(args: &cli::Trace) -> Result<()> {
    let client = crate::client_of(&args.client)?;
    let found = client.json("cauce", "Cauce.GetTrace", &json!({ "Id": args.request_id })).await?;
    match args.client.output {
        cli::Output::Json => println!("{found}"),
        cli::Output::Text => print!("{}", drawing(&found)),
    }
    Ok(())
}

/// The steps as a tree, each with the milliseconds since the first.
fn drawing(found: &Value) -> String {
    let steps: Vec<&Value> = found.get("Steps").and_then(Value::as_array).into_iter().flatten().collect();
    let text = |step: &Value, name: &str| step.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut below: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    let known: Vec<String> = steps.iter().map(|step| text(step, "Span")).collect();
    for step in &steps {
        let parent = text(step, "Parent");
        // A step whose parent was not recorded stands at the root.
        let parent = if known.contains(&parent) { parent } else { String::new() };
        below.entry(parent).or_default().push(step);
    }
    let start = steps.iter().filter_map(|step| step.get("AtMicros")?.as_i64()).min().unwrap_or_default();
    let mut out = format!("{}\n", found.get("TraceId").and_then(Value::as_str).unwrap_or_default());
    draw(&mut out, &below, "", "", start);
    out
}

fn draw(out: &mut String, below: &BTreeMap<String, Vec<&Value>>, parent: &str, indent: &str, start: i64) {
    // A tree deeper than any chain of causes that delivery allows is no tree.
    if indent.len() > 256 {
        return;
    }
    let steps = below.get(parent).map(Vec::as_slice).unwrap_or_default();
    for (n, step) in steps.iter().enumerate() {
        let last = n + 1 == steps.len();
        let text = |name: &str| step.get(name).and_then(Value::as_str).unwrap_or_default();
        let micros = |name: &str| step.get(name).and_then(Value::as_i64);
        let at = micros("AtMicros").unwrap_or(start);
        let took =
            micros("EndedMicros").map(|end| format!(" in {:.1} ms", (end - at) as f64 / 1e3)).unwrap_or_default();
        let detail = text("Detail");
        let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
        out.push_str(&format!(
            "{indent}{} +{:.1} ms  {} -> {}: {}{took}{detail}\n",
            if last { "└─" } else { "├─" },
            (at - start) as f64 / 1e3,
            text("What"),
            text("To"),
            text("Fate"),
        ));
        let deeper = format!("{indent}{}  ", if last { " " } else { "│" });
        draw(out, below, text("Span"), &deeper, start);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_tree_is_drawn() {
        let found = json!({"TraceId": "1-a-b", "Steps": [
            {"Span": "1", "Parent": "x", "AtMicros": 1_000, "EndedMicros": 1_000, "What": "events:PutEvents", "To": "bus", "Fate": "done", "Detail": ""},
            {"Span": "2", "Parent": "1", "AtMicros": 1_500, "EndedMicros": 4_500, "What": "rule", "To": "f", "Fate": "delivered", "Detail": "d"},
            {"Span": "3", "Parent": "1", "AtMicros": 1_500, "What": "rule", "To": "g", "Fate": "waiting", "Detail": ""},
        ]});
        let expect = "1-a-b\n\
            └─ +0.0 ms  events:PutEvents -> bus: done in 0.0 ms\n\
            \x20  ├─ +0.5 ms  rule -> f: delivered in 3.0 ms (d)\n\
            \x20  └─ +0.5 ms  rule -> g: waiting\n";
        assert_eq!(super::drawing(&found), expect);
    }
}
