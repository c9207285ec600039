//! Input templates: `{"who": <name>}`, as EventBridge fills them for the targets of rules and of pipes.
//!
//! What a template may name, and what a name stands for, is its service's; where it stands is the same everywhere.
//!
//! AWS: EventBridge User Guide, *Amazon EventBridge input transformation* and *Amazon EventBridge Pipes input transformation*.

use serde_json::Value;

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'t> {
    /// What stays as it is; not empty.
    Text(&'t str),
    /// The name of a variable, which stood in angle brackets.
    Variable(&'t str),
}

/// Cuts a template into texts and `<variables>`; a `<` that opens no name that `is_variable` is text.
pub fn parts(template: &str, is_variable: impl Fn(&str) -> bool) -> Vec<Part<'_>> {
    let (mut found, mut rest, mut from) = (Vec::new(), template, 0);
    while let Some(open) = rest.get(from..).and_then(|text| text.find('<')).map(|at| at + from) {
        let inside = rest.get(open + 1..).unwrap_or("");
        let Some((name, after)) = inside.split_once('>').filter(|(name, _)| is_variable(name)) else {
            from = open + 1;
            continue;
        };
        found.extend(rest.get(..open).filter(|text| !text.is_empty()).map(Part::Text));
        found.push(Part::Variable(name));
        (rest, from) = (after, 0);
    }
    found.extend(Some(rest).filter(|text| !text.is_empty()).map(Part::Text));
    found
}

/// Fills a template: each variable becomes what `write` says of its name, and of whether it stands inside a JSON text.
pub fn fill<'t>(parts: impl IntoIterator<Item = Part<'t>>, write: impl Fn(&str, bool) -> String) -> String {
    let (mut out, mut quoted) = (String::new(), false);
    for part in parts {
        match part {
            Part::Text(text) => {
                quoted = ends_in_text(text, quoted);
                out.push_str(text);
            }
            Part::Variable(name) => out.push_str(&write(name, quoted)),
        }
    }
    out
}

/// Whether a place behind `text` is inside a JSON text, if the place before it was (`quoted`) or was not.
fn ends_in_text(text: &str, mut quoted: bool) -> bool {
    let mut escaped = false;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    quoted
}

/// A text as it stands between the quotes of a JSON text.
pub fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::{escaped, fill, parts};

    #[test]
    fn variables_are_told_where_they_stand() {
        let check = |template: &str, expect: &str| {
            let write = |name: &str, quoted: bool| format!("({name} {quoted})");
            assert_eq!(fill(parts(template, |name| name == "a"), write), expect, "{template}");
        };
        check("", "");
        check("<a>", "(a false)");
        check(r#"{"x": <a>, "y": "is <a>"}"#, r#"{"x": (a false), "y": "is (a true)"}"#);
        check(r#""\"<a>" <a>"#, r#""\"(a true)" (a false)"#);
        check("1 < 2 <b> <<a><a", "1 < 2 <b> <(a false)<a");
    }

    #[test]
    fn texts_are_escaped_for_a_json_text() {
        assert_eq!(escaped("O\"Hara\n"), r#"O\"Hara\n"#);
    }
}
