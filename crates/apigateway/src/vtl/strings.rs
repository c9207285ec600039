//! The methods of texts and numbers. Positions count characters, where Java counts UTF-16 units.

use std::sync::Arc;

use regex_lite::{Captures, Regex, RegexBuilder};

use super::value::{Heap, Value};
use super::{OUTPUT_BYTES_MAX, RenderError, json};

/// The largest compiled regular expression, in bytes.
const REGEX_BYTES_MAX: usize = 64 * 1_024;
/// How deep the groups of a regular expression may nest.
const REGEX_DEPTH_MAX: u32 = 32;
/// What a search costs for each byte of text and each of the expression.
const REGEX_STEPS: usize = 1;

fn wrong(method: &'static str, reason: impl Into<String>) -> RenderError {
    RenderError::Method { method, reason: reason.into() }
}

pub(super) fn call(
    heap: &mut Heap,
    text: &Arc<str>,
    name: &str,
    arguments: &[Value],
) -> Result<Option<Value>, RenderError> {
    if let Some(value) = ask(heap, text, name, arguments)? {
        return Ok(Some(value));
    }
    let first = match arguments.first() {
        Some(Value::Text(first)) => Arc::clone(first),
        _ => "".into(),
    };
    Ok(Some(match (name, arguments) {
        ("toLowerCase", []) => heap.text(text.to_lowercase())?,
        ("toUpperCase", []) => heap.text(text.to_uppercase())?,
        ("trim", []) => heap.text(text.trim_matches(|c| c <= ' '))?,
        ("strip", []) => heap.text(text.trim())?,
        ("intern", []) => Value::Text(Arc::clone(text)),
        ("substring", [from]) => heap.text(substring(text, from, None)?)?,
        ("substring", [from, to]) => heap.text(substring(text, from, Some(to))?)?,
        ("charAt", [at]) => {
            let at = at.as_int().and_then(|at| usize::try_from(at).ok());
            let found = at.and_then(|at| text.chars().nth(at));
            heap.text(found.ok_or_else(|| wrong("charAt", "the index is outside of the text"))?.to_string())?
        }
        ("concat", [Value::Text(_)]) => heap.text(format!("{text}{first}"))?,
        ("replace", [Value::Text(_), Value::Text(by)]) => {
            let grown = text.len().saturating_add(text.len().saturating_add(1).saturating_mul(by.len()));
            heap.spend(text.len())?;
            if grown > OUTPUT_BYTES_MAX {
                // It may stay small all the same; then it is counted out first.
                let found = text.matches(&*first).count();
                heap.spend(found.saturating_mul(by.len()))?;
            }
            heap.text(text.replace(&*first, by))?
        }
        ("replaceAll", [Value::Text(_), Value::Text(by)]) => replace(heap, text, &first, by, usize::MAX)?,
        ("replaceFirst", [Value::Text(_), Value::Text(by)]) => replace(heap, text, &first, by, 1)?,
        ("split", [Value::Text(_)]) => split(heap, text, &first, 0)?,
        ("split", [Value::Text(_), Value::Int(limit)]) => split(heap, text, &first, *limit)?,
        ("toCharArray", []) => {
            heap.spend(text.len().saturating_mul(32))?;
            let chars = text.chars().map(|c| Value::Text(c.to_string().into())).collect();
            heap.list(chars, false)?
        }
        _ => return Ok(None),
    }))
}

/// The methods that only look.
fn ask(heap: &mut Heap, text: &str, name: &str, arguments: &[Value]) -> Result<Option<Value>, RenderError> {
    let count = |bytes: Option<usize>| {
        let before = bytes.and_then(|bytes| text.get(..bytes));
        before.map_or(Value::Int(-1), |before| Value::from_len(before.chars().count()))
    };
    Ok(Some(match (name, arguments) {
        ("length", []) => Value::from_len(text.chars().count()),
        ("isEmpty", []) => Value::Bool(text.is_empty()),
        ("isBlank", []) => Value::Bool(text.trim().is_empty()),
        ("contains", [Value::Text(part)]) => Value::Bool(text.contains(&**part)),
        ("startsWith", [Value::Text(part)]) => Value::Bool(text.starts_with(&**part)),
        ("endsWith", [Value::Text(part)]) => Value::Bool(text.ends_with(&**part)),
        ("equalsIgnoreCase", [Value::Text(other)]) => Value::Bool(text.to_lowercase() == other.to_lowercase()),
        ("indexOf", [Value::Text(part)]) => count(text.find(&**part)),
        ("lastIndexOf", [Value::Text(part)]) => count(text.rfind(&**part)),
        ("compareTo", [Value::Text(other)]) => Value::Int(match text.cmp(other) {
            std::cmp::Ordering::Less => -1,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => 1,
        }),
        ("matches", [Value::Text(pattern)]) => {
            let whole = regex(heap, "matches", &format!("^(?:{pattern})$"), text)?;
            Value::Bool(whole.is_match(text))
        }
        _ => return Ok(None),
    }))
}

fn substring(text: &str, from: &Value, to: Option<&Value>) -> Result<String, RenderError> {
    let outside = || wrong("substring", "the range is outside of the text");
    let place = |value: &Value| value.as_int().and_then(|at| usize::try_from(at).ok()).ok_or_else(outside);
    let from = place(from)?;
    let to = to.map(place).transpose()?;
    let len = text.chars().count();
    let to = to.unwrap_or(len);
    if from > to || to > len {
        return Err(outside());
    }
    Ok(text.chars().skip(from).take(to - from).collect())
}

/// A compiled expression, its use on `text` paid for.
fn regex(heap: &mut Heap, method: &'static str, pattern: &str, text: &str) -> Result<Regex, RenderError> {
    heap.spend(text.len().saturating_mul(pattern.len()).saturating_mul(REGEX_STEPS))?;
    let built = RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).nest_limit(REGEX_DEPTH_MAX).build();
    built.map_err(|error| wrong(method, error.to_string()))
}

fn replace(heap: &mut Heap, text: &str, pattern: &str, by: &str, times: usize) -> Result<Value, RenderError> {
    let regex = regex(heap, "replaceAll", pattern, text)?;
    let mut out = String::new();
    let mut last = 0;
    for captures in regex.captures_iter(text).take(times) {
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(text.get(last..whole.start()).unwrap_or(""));
        expand(&captures, by, &mut out)?;
        last = whole.end();
        if out.len() > OUTPUT_BYTES_MAX {
            return Err(RenderError::Limit { what: "bytes for a text", max: OUTPUT_BYTES_MAX });
        }
    }
    out.push_str(text.get(last..).unwrap_or(""));
    heap.text(out)
}

/// Java's replacement: `$1` is a group, and a backslash takes the next character as it is.
fn expand(captures: &Captures<'_>, by: &str, out: &mut String) -> Result<(), RenderError> {
    let mut chars = by.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '$' => {
                let group = chars.next().and_then(|c| c.to_digit(10)).and_then(|n| usize::try_from(n).ok());
                let group = group.filter(|group| *group < captures.len());
                let group = group.ok_or_else(|| wrong("replaceAll", "no such group"))?;
                out.push_str(captures.get(group).map_or("", |found| found.as_str()));
            }
            c => out.push(c),
        }
    }
    Ok(())
}

/// As Java splits: a limit of 0 leaves out empty texts at the end, a negative one keeps them.
fn split(heap: &mut Heap, text: &str, pattern: &str, limit: i64) -> Result<Value, RenderError> {
    let regex = regex(heap, "split", pattern, text)?;
    let pieces_max = usize::try_from(limit).ok().filter(|max| *max > 0).unwrap_or(usize::MAX);
    let mut pieces = Vec::new();
    let mut last = 0;
    for found in regex.find_iter(text) {
        if pieces.len() + 1 >= pieces_max {
            break;
        }
        // A match of nothing at the beginning makes no empty piece.
        if found.end() == 0 {
            continue;
        }
        pieces.push(text.get(last..found.start()).unwrap_or(""));
        last = found.end();
    }
    pieces.push(text.get(last..).unwrap_or(""));
    if limit == 0 {
        while pieces.len() > 1 && pieces.last().is_some_and(|piece| piece.is_empty()) {
            pieces.pop();
        }
    }
    heap.spend(pieces.len().saturating_mul(32))?;
    let pieces = pieces.into_iter().map(|piece| heap.text(piece)).collect::<Result<Vec<_>, _>>()?;
    heap.list(pieces, false)
}

/// The methods of numbers; `parseInt` and its like are static ones of Java's classes, which templates reach through any number.
pub(super) fn call_number(value: &Value, name: &str, arguments: &[Value]) -> Result<Option<Value>, RenderError> {
    Ok(Some(match (name, arguments) {
        ("intValue" | "longValue", []) => match value {
            #[expect(clippy::cast_possible_truncation, reason = "as Java narrows a double to a long")]
            Value::Float(number) => Value::Int(*number as i64),
            other => other.clone(),
        },
        ("doubleValue" | "floatValue", []) => value.as_float().map_or(Value::Null, Value::Float),
        ("parseInt" | "parseLong" | "valueOf", [Value::Text(text)]) => {
            Value::Int(text.parse().map_err(|_| wrong("parseInt", format!("{text:?} is no whole number")))?)
        }
        ("parseDouble", [Value::Text(text)]) => {
            Value::Float(text.parse().map_err(|_| wrong("parseDouble", format!("{text:?} is no number")))?)
        }
        ("compareTo", [other]) => {
            let order = value.as_float().zip(other.as_float()).map(|(left, right)| left.total_cmp(&right));
            order.map_or(Value::Null, |order| Value::Int(order as i64))
        }
        _ => return Ok(None),
    }))
}

/// The text of an argument that a tool takes; other values count as what they show.
pub(super) fn argument_text(heap: &Heap, value: &Value) -> Result<Arc<str>, RenderError> {
    match value {
        Value::Text(text) => Ok(Arc::clone(text)),
        Value::Null => Ok("".into()),
        other => json::show(heap, other).map(Arc::from),
    }
}
