//! Documents as YAML: what JSON says, in blocks.
//!
//! YAML 1.2: every text stands in double quotes as in JSON, so that none can be taken for anything else.

use serde_json::Value;

/// Writes a document.
pub(crate) fn write(document: &Value) -> String {
    let mut out = "---\n".to_owned();
    match document {
        Value::Object(members) if !members.is_empty() => block(document, 0, &mut out),
        Value::Array(items) if !items.is_empty() => block(document, 0, &mut out),
        other => {
            out.push_str(&other.to_string());
            out.push('\n');
        }
    }
    out
}

/// A map or list that has something in it, a line each.
fn block(value: &Value, indent: usize, out: &mut String) {
    let lead = " ".repeat(indent);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                out.push_str(&lead);
                out.push_str(&key(name));
                out.push(':');
                rest(member, indent, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&lead);
                out.push('-');
                rest(item, indent, out);
            }
        }
        other => out.push_str(&other.to_string()),
    }
}

/// What stands behind a key or a dash.
fn rest(value: &Value, indent: usize, out: &mut String) {
    let is_block = match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if is_block {
        out.push('\n');
        block(value, indent + 2, out);
    } else {
        // Texts, numbers, `[]` and `{}` are the same in JSON.
        out.push(' ');
        out.push_str(&value.to_string());
        out.push('\n');
    }
}

/// A key, bare where it can only be a text.
fn key(name: &str) -> String {
    let bare = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&name.to_ascii_lowercase().as_str());
    if bare { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn documents_are_written_in_blocks() {
        let document = json!({
            "info": {"title": "a: b", "version": "1.0"},
            "empty": {},
            "list": [1, "two", ["three"], {"four": null}, []],
            "/path": true,
            "on": "x\n\"y\"",
        });
        let expect = concat!(
            "---\n\"/path\": true\nempty: {}\ninfo:\n  title: \"a: b\"\n  version: \"1.0\"\n",
            "list:\n  - 1\n  - \"two\"\n  -\n    - \"three\"\n  -\n    four: null\n  - []\n",
            "\"on\": \"x\\n\\\"y\\\"\"\n",
        );
        assert_eq!(super::write(&document), expect);
        assert_eq!(super::write(&json!({})), "---\n{}\n");
    }
}
