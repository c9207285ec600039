//! JSON paths as pipes know them: `$.body.items[0].name`, `$.list[*]`.
//!
//! AWS: EventBridge User Guide, *Amazon EventBridge Pipes input transformation*.

use serde_json::Value;

/// A path into an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(usize),
    Elements,
}

impl Path {
    /// The path that a text is as a whole; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Path> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (index, after) = inside.split_once(']')?;
                steps.push(if index == "*" { Step::Elements } else { Step::Element(index.parse().ok()?) });
                rest = after;
            } else {
                let inside = rest.strip_prefix('.')?;
                let (name, after) = inside.split_at_checked(inside.find(['.', '[']).unwrap_or(inside.len()))?;
                let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | ':' | '#' | '@');
                match name {
                    "*" => steps.push(Step::Elements),
                    name if !name.is_empty() && name.chars().all(plain) => steps.push(Step::Member(name.to_owned())),
                    _ => return None,
                }
                rest = after;
            }
        }
        Some(Path(steps))
    }

    /// What is there; a path with `*` finds a list. `None` if there is nothing.
    pub(crate) fn select(&self, event: &Value) -> Option<Value> {
        select(&self.0, event)
    }
}

fn select(steps: &[Step], at: &Value) -> Option<Value> {
    let Some((step, rest)) = steps.split_first() else { return Some(at.clone()) };
    match step {
        Step::Member(name) => select(rest, at.get(name)?),
        Step::Element(index) => select(rest, at.get(index)?),
        Step::Elements => {
            let found = |values: &mut dyn Iterator<Item = &Value>| values.filter_map(|v| select(rest, v)).collect();
            match at {
                Value::Array(list) => Some(Value::Array(found(&mut list.iter()))),
                Value::Object(map) => Some(Value::Array(found(&mut map.values()))),
                _ => None,
            }
        }
    }
}

/// A parameter that may be a path: its text, or what the event has there as a text.
pub(crate) fn dynamic(parameter: &str, event: &Value) -> Option<String> {
    let Some(path) = Path::parse(parameter) else { return Some(parameter.to_owned()) };
    path.select(event).map(|value| plain(&value))
}

/// A value as a text: a string as it is, all else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A JSON text as a text: that of a string without its quotes, all else as it is.
pub(crate) fn plain_json(json: &str) -> String {
    match json.trim_start().starts_with('"') {
        true => serde_json::from_str(json).unwrap_or_else(|_| json.to_owned()),
        false => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Path, dynamic};

    #[test]
    fn paths_find_what_is_there() {
        let event = json!({ "body": { "a-b": [{ "x": 1 }, { "x": "t" }], "u/v": true }, "n": null });
        let check = |path: &str, expect: Option<serde_json::Value>| {
            assert_eq!(Path::parse(path).and_then(|path| path.select(&event)), expect, "{path}");
        };
        check("$.body.a-b[1].x", Some(json!("t")));
        check("$.body.a-b[*].x", Some(json!([1, "t"])));
        check("$.body.u/v", Some(json!(true)));
        check("$.n", Some(json!(null)));
        check("$", Some(event.clone()));
        check("$.body.a-b[2]", None);
        check("$.nope.x", None);
        for none in ["body", "$body", "$.", "$.a..b", "$.a[x]", "$.a b", "say $.a"] {
            assert_eq!(Path::parse(none), None, "{none}");
        }
    }

    #[test]
    fn parameters_are_paths_as_a_whole_or_not_at_all() {
        let event = json!({ "a": "x", "n": 5 });
        assert_eq!(dynamic("$.a", &event).as_deref(), Some("x"));
        assert_eq!(dynamic("$.n", &event).as_deref(), Some("5"));
        assert_eq!(dynamic("$.gone", &event), None);
        assert_eq!(dynamic("say $.a", &event).as_deref(), Some("say $.a"));
    }
}
