//! A matcher that is slow and obvious, to compare with: flattens the event to a list of values and tries every combination.

pub(crate) mod generate;

use std::collections::BTreeMap;
use std::net::IpAddr;

/// A JSON value of an event.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// Thousandths, and which way to write it.
    Number(i64, u8),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// An alternative of a condition.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Null,
    Bool(bool),
    Number(i64, u8),
    Text(String),
    Prefix(String),
    Suffix(String),
    IgnoreCase(String),
    PrefixIgnoreCase(String),
    SuffixIgnoreCase(String),
    Wildcard(String),
    Compare(&'static str, i64),
    Between(bool, i64, i64, bool),
    Cidr(String),
    Exists(bool),
    ButTexts(Vec<String>),
    ButNumbers(Vec<i64>),
    /// Operator name and its texts.
    But(&'static str, Vec<String>),
}

/// A pattern object.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    Leaf(Vec<Op>),
    Object(Vec<(String, Rule)>),
    /// Stands under the name `$or`.
    Or(Vec<Vec<(String, Rule)>>),
}

pub(crate) fn number_text(thousandths: i64, style: u8) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let magnitude = thousandths.unsigned_abs();
    let (whole, rest) = (magnitude / 1000, magnitude % 1000);
    match style % 4 {
        0 if rest == 0 => format!("{sign}{whole}"),
        1 => format!("{sign}{magnitude}e-3"),
        2 => format!("{sign}{magnitude}.00E-3"),
        _ => format!("{sign}{whole}.{rest:03}"),
    }
}

fn quote(text: &str) -> String {
    // Sometimes with an escape that a plain writer would not make.
    serde_json::Value::from(text).to_string().replace('z', "\\u007a")
}

fn texts(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|t| quote(t)).collect::<Vec<_>>().join(","))
}

impl Json {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(value, style) => number_text(*value, *style),
            Self::Text(text) => quote(text),
            Self::List(items) => format!("[{}]", items.iter().map(Self::text).collect::<Vec<_>>().join(" , ")),
            Self::Object(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(name, value)| format!("{} : {}", quote(name), value.text())).collect();
                format!("{{{}}}", entries.join(","))
            }
        }
    }
}

impl Op {
    fn text(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(value, style) => number_text(*value, *style),
            Self::Text(text) => quote(text),
            Self::Prefix(text) => format!(r#"{{"prefix":{}}}"#, quote(text)),
            Self::Suffix(text) => format!(r#"{{"suffix":{}}}"#, quote(text)),
            Self::IgnoreCase(text) => format!(r#"{{"equals-ignore-case":{}}}"#, quote(text)),
            Self::PrefixIgnoreCase(text) => format!(r#"{{"prefix":{{"equals-ignore-case":{}}}}}"#, quote(text)),
            Self::SuffixIgnoreCase(text) => format!(r#"{{"suffix":{{"equals-ignore-case":{}}}}}"#, quote(text)),
            Self::Wildcard(text) => format!(r#"{{"wildcard":{}}}"#, quote(text)),
            Self::Compare(sign, value) => format!(r#"{{"numeric":["{sign}",{}]}}"#, number_text(*value, 0)),
            Self::Between(open_low, low, high, open_high) => format!(
                r#"{{"numeric":["{}",{},"{}",{}]}}"#,
                if *open_low { ">" } else { ">=" },
                number_text(*low, 1),
                if *open_high { "<" } else { "<=" },
                number_text(*high, 2)
            ),
            Self::Cidr(text) => format!(r#"{{"cidr":{}}}"#, quote(text)),
            Self::Exists(value) => format!(r#"{{"exists":{value}}}"#),
            Self::ButTexts(list) => format!(r#"{{"anything-but":{}}}"#, texts(list)),
            Self::ButNumbers(list) => {
                let list: Vec<String> = list.iter().map(|n| number_text(*n, 0)).collect();
                format!(r#"{{"anything-but":[{}]}}"#, list.join(","))
            }
            Self::But(name, list) => format!(r#"{{"anything-but":{{"{name}":{}}}}}"#, texts(list)),
        }
    }

    fn accepts(&self, value: &Json) -> bool {
        match (self, value) {
            (Self::Exists(exists), _) => *exists,
            (Self::Null, Json::Null) => true,
            (Self::Bool(a), Json::Bool(b)) => a == b,
            (Self::Number(a, _), Json::Number(b, _)) => a == b,
            (Self::Compare(sign, bound), Json::Number(n, _)) => match *sign {
                "=" => n == bound,
                "<" => n < bound,
                "<=" => n <= bound,
                ">" => n > bound,
                _ => n >= bound,
            },
            (Self::Between(open_low, low, high, open_high), Json::Number(n, _)) => {
                (if *open_low { n > low } else { n >= low }) && (if *open_high { n < high } else { n <= high })
            }
            (Self::Text(a), Json::Text(b)) => {
                a == b || matches!((a.parse::<IpAddr>(), b.parse::<IpAddr>()), (Ok(a), Ok(b)) if a == b)
            }
            (Self::Prefix(a), Json::Text(b)) => b.starts_with(a.as_str()),
            (Self::Suffix(a), Json::Text(b)) => b.ends_with(a.as_str()),
            (Self::IgnoreCase(a), Json::Text(b)) => b.to_lowercase() == a.to_lowercase(),
            (Self::PrefixIgnoreCase(a), Json::Text(b)) => b.to_lowercase().starts_with(&a.to_lowercase()),
            (Self::SuffixIgnoreCase(a), Json::Text(b)) => b.to_lowercase().ends_with(&a.to_lowercase()),
            (Self::Wildcard(a), Json::Text(b)) => wildcard(a.as_bytes(), b.as_bytes()),
            (Self::Cidr(a), Json::Text(b)) => {
                matches!((a.parse::<ipnet::IpNet>(), b.parse::<IpAddr>()), (Ok(net), Ok(address)) if net.contains(&address))
            }
            (Self::ButTexts(list), value) => !list.iter().any(|a| Self::TextOnly(a).accepts(value)),
            (Self::ButNumbers(list), value) => !list.iter().any(|a| Self::Number(*a, 0).accepts(value)),
            (Self::But(name, list), value) => !list.iter().any(|a| {
                let text = a.clone();
                let op = match *name {
                    "prefix" => Self::Prefix(text),
                    "suffix" => Self::Suffix(text),
                    "equals-ignore-case" => Self::IgnoreCase(text),
                    _ => Self::Wildcard(text),
                };
                op.accepts(value)
            }),
            _ => false,
        }
    }

    /// A text that is not taken for an address.
    #[allow(non_snake_case, reason = "reads like the variants beside it")]
    fn TextOnly(text: &str) -> TextOnly<'_> {
        TextOnly(text)
    }
}

struct TextOnly<'a>(&'a str);

impl TextOnly<'_> {
    fn accepts(&self, value: &Json) -> bool {
        matches!(value, Json::Text(text) if text == self.0)
    }
}

fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|n| wildcard(rest, text.get(n..).unwrap_or_default())),
        Some((byte, rest)) => text.split_first().is_some_and(|(first, text)| first == byte && wildcard(rest, text)),
    }
}

pub(crate) fn rule_text(entries: &[(String, Rule)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(name, rule)| match rule {
            Rule::Leaf(ops) => format!("{}:[{}]", quote(name), ops.iter().map(Op::text).collect::<Vec<_>>().join(",")),
            Rule::Object(inner) => format!("{}:{}", quote(name), rule_text(inner)),
            Rule::Or(list) => format!("\"$or\":[{}]", list.iter().map(|e| rule_text(e)).collect::<Vec<_>>().join(",")),
        })
        .collect();
    format!("{{{}}}", entries.join(", "))
}

type Branch = BTreeMap<String, Vec<Op>>;

fn join(path: Option<&str>, name: &str) -> String {
    path.map_or_else(|| name.to_owned(), |path| format!("{path}.{name}"))
}

fn multiply(entries: &[(String, Rule)], path: Option<&str>, mut branches: Vec<Branch>) -> Vec<Branch> {
    for (name, rule) in entries {
        match rule {
            Rule::Leaf(ops) => {
                for branch in &mut branches {
                    branch.insert(join(path, name), ops.clone());
                }
            }
            Rule::Object(inner) => branches = multiply(inner, Some(&join(path, name)), branches),
            Rule::Or(list) => {
                branches = list.iter().flat_map(|inner| multiply(inner, path, branches.clone())).collect()
            }
        }
    }
    branches
}

/// A value with its path and the elements of arrays that it is inside of.
struct Flat<'a> {
    path: String,
    value: &'a Json,
    elements: BTreeMap<usize, usize>,
}

fn flatten<'a>(
    value: &'a Json,
    path: Option<&str>,
    elements: &BTreeMap<usize, usize>,
    arrays: &mut usize,
    out: &mut Vec<Flat<'a>>,
) {
    match value {
        Json::Object(entries) => {
            for (name, value) in entries {
                flatten(value, Some(&join(path, name)), elements, arrays, out);
            }
        }
        Json::List(items) => {
            let array = *arrays;
            *arrays += 1;
            for (index, item) in items.iter().enumerate() {
                let mut inner = elements.clone();
                if matches!(item, Json::Object(_) | Json::List(_)) {
                    inner.insert(array, index);
                }
                flatten(item, path, &inner, arrays, out);
            }
        }
        _ => out.push(Flat { path: path.unwrap_or_default().to_owned(), value, elements: elements.clone() }),
    }
}

fn merge(a: &BTreeMap<usize, usize>, b: &BTreeMap<usize, usize>) -> Option<BTreeMap<usize, usize>> {
    let mut both = a.clone();
    for (array, index) in b {
        if *both.entry(*array).or_insert(*index) != *index {
            return None;
        }
    }
    Some(both)
}

fn search(conditions: &[(&String, &Vec<Op>)], flat: &[Flat<'_>], picked: &BTreeMap<usize, usize>) -> bool {
    let Some(((path, ops), rest)) = conditions.split_first() else { return true };
    let absent = !flat.iter().any(|f| f.path == **path && merge(picked, &f.elements).is_some());
    if absent && ops.iter().any(|op| matches!(op, Op::Exists(false))) && search(rest, flat, picked) {
        return true;
    }
    flat.iter()
        .filter(|f| f.path == **path && ops.iter().any(|op| op.accepts(f.value)))
        .any(|f| merge(picked, &f.elements).is_some_and(|both| search(rest, flat, &both)))
}

/// Whether `event`, an object, matches the pattern object with these entries.
pub(crate) fn matches(pattern: &[(String, Rule)], event: &Json) -> bool {
    let mut flat = Vec::new();
    flatten(event, None, &BTreeMap::new(), &mut 0, &mut flat);
    multiply(pattern, None, vec![Branch::new()])
        .iter()
        .any(|branch| search(&branch.iter().collect::<Vec<_>>(), &flat, &BTreeMap::new()))
}
