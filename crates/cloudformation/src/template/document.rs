//! From text to a tree: JSON, or YAML 1.1 as CloudFormation reads it, short tags included.
//!
//! AWS: *CloudFormation User Guide*, "CloudFormation template format". Scalars of YAML stay the text that the author wrote
//! unless reading and printing them gives the same text back: account `012345678901` and version `1.10` must survive.

use std::collections::HashMap;
use std::fmt;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::TemplateError;
use crate::limits::{ALIAS_NODES_MAX, TEMPLATE_DEPTH_MAX};

/// What to do with YAML aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aliases {
    /// Refuse them, as the service does.
    Refused,
    /// Put what they name in their place, as `aws cloudformation package` does before it sends a template; at most
    /// [`ALIAS_NODES_MAX`] nodes.
    Expanded,
}

/// Reads a template: JSON if it begins with a brace, YAML else. Short tags become their long form (`!Ref X` is
/// `{"Ref": "X"}`).
///
/// # Errors
/// What is not well formed, with line and column; duplicate keys, depth beyond [`TEMPLATE_DEPTH_MAX`], aliases where they
/// are refused, unknown tags.
pub fn parse(text: &str, aliases: Aliases) -> Result<Value, TemplateError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value = if text.trim_start().starts_with('{') { json(text)? } else { yaml(text, aliases)? };
    if value.is_object() { Ok(value) } else { Err(TemplateError::format("unsupported structure.")) }
}

fn too_deep() -> String {
    format!("maps and lists may nest {TEMPLATE_DEPTH_MAX} levels deep at most")
}

fn json(text: &str) -> Result<Value, TemplateError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Unique { depth: 0 }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => {
                let cause = error.to_string();
                let cause = cause.split(" at line ").next().unwrap_or_default();
                TemplateError::format(format!("JSON not well-formed: {cause}. (line {line}, column {column})"))
            }
            _ => TemplateError::format(format!("JSON not well-formed. (line {line}, column {column})")),
        }
    })
}

/// Reads JSON and refuses what `serde_json` lets pass: a key that comes twice.
struct Unique {
    depth: usize,
}

impl Unique {
    fn deeper<E: serde::de::Error>(&self) -> Result<Unique, E> {
        let depth = self.depth + 1;
        if depth > TEMPLATE_DEPTH_MAX { Err(E::custom(too_deep())) } else { Ok(Unique { depth }) }
    }
}

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self.deeper()?)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.deeper()?)?;
            if entries.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate key '{key}'")));
            }
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }
}

/// A map or list that is still open.
struct Open {
    kind: OpenKind,
    tag: Option<Short>,
    anchor: usize,
}

enum OpenKind {
    List(Vec<Value>),
    Map { entries: Map<String, Value>, key: Option<String> },
}

/// What a tag says of its node.
#[derive(Clone, Copy)]
enum Short {
    /// A function: the long name.
    Function(&'static str),
    /// `!!str`.
    Text,
    /// Another tag of the core schema: what is written decides.
    Core,
}

const SHORT_TAGS: &[(&str, &str)] = &[
    ("Ref", "Ref"),
    ("Condition", "Condition"),
    ("And", "Fn::And"),
    ("Base64", "Fn::Base64"),
    ("Cidr", "Fn::Cidr"),
    ("Contains", "Fn::Contains"),
    ("EachMemberEquals", "Fn::EachMemberEquals"),
    ("EachMemberIn", "Fn::EachMemberIn"),
    ("Equals", "Fn::Equals"),
    ("FindInMap", "Fn::FindInMap"),
    ("GetAtt", "Fn::GetAtt"),
    ("GetAZs", "Fn::GetAZs"),
    ("If", "Fn::If"),
    ("ImportValue", "Fn::ImportValue"),
    ("Join", "Fn::Join"),
    ("Length", "Fn::Length"),
    ("Not", "Fn::Not"),
    ("Or", "Fn::Or"),
    ("RefAll", "Fn::RefAll"),
    ("Select", "Fn::Select"),
    ("Split", "Fn::Split"),
    ("Sub", "Fn::Sub"),
    ("ToJsonString", "Fn::ToJsonString"),
    ("Transform", "Fn::Transform"),
    ("ValueOf", "Fn::ValueOf"),
    ("ValueOfAll", "Fn::ValueOfAll"),
];

struct Builder {
    aliases: Aliases,
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    alias_nodes: usize,
    root: Option<Value>,
    documents: usize,
}

fn malformed(mark: &Marker, cause: &str) -> TemplateError {
    let cause = if cause.is_empty() { ".".to_owned() } else { format!(": {cause}.") };
    TemplateError::format(format!("YAML not well-formed{cause} (line {}, column {})", mark.line(), mark.col() + 1))
}

fn yaml(text: &str, aliases: Aliases) -> Result<Value, TemplateError> {
    let mut parser = Parser::new_from_str(text);
    let mut builder =
        Builder { aliases, open: Vec::new(), anchors: HashMap::new(), alias_nodes: 0, root: None, documents: 0 };
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| malformed(error.marker(), ""))?;
        if event == Event::StreamEnd {
            break;
        }
        builder.event(event, &span.start)?;
    }
    Ok(builder.root.unwrap_or(Value::Null))
}

impl Builder {
    fn event(&mut self, event: Event<'_>, at: &Marker) -> Result<(), TemplateError> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(malformed(at, "a template is one document"));
                }
            }
            Event::Alias(anchor) => self.alias(anchor, at)?,
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| short(&tag, at)).transpose()?;
                let is_key = matches!(self.open.last(), Some(Open { kind: OpenKind::Map { key: None, .. }, .. }));
                if is_key {
                    self.key(text.into_owned(), at)?;
                } else {
                    let value = scalar(text.into_owned(), style, tag);
                    self.close(value, anchor, at)?;
                }
            }
            Event::SequenceStart(anchor, tag) => {
                let tag = tag.map(|tag| short(&tag, at)).transpose()?;
                self.open(Open { kind: OpenKind::List(Vec::new()), tag, anchor }, at)?;
            }
            Event::MappingStart(anchor, tag) => {
                let tag = tag.map(|tag| short(&tag, at)).transpose()?;
                self.open(Open { kind: OpenKind::Map { entries: Map::new(), key: None }, tag, anchor }, at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(done) = self.open.pop() else { return Err(malformed(at, "")) };
                let value = match done.kind {
                    OpenKind::List(items) => Value::Array(items),
                    OpenKind::Map { entries, .. } => Value::Object(entries),
                };
                self.close(tagged(value, done.tag), done.anchor, at)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn open(&mut self, open: Open, at: &Marker) -> Result<(), TemplateError> {
        if let Some(Open { kind: OpenKind::Map { key: None, .. }, .. }) = self.open.last() {
            return Err(malformed(at, "a key must be a text"));
        }
        if self.open.len() >= TEMPLATE_DEPTH_MAX {
            return Err(malformed(at, &too_deep()));
        }
        self.open.push(open);
        Ok(())
    }

    fn key(&mut self, text: String, at: &Marker) -> Result<(), TemplateError> {
        if text == "<<" {
            return Err(malformed(at, "hash merges are not supported"));
        }
        if let Some(Open { kind: OpenKind::Map { entries, key }, .. }) = self.open.last_mut() {
            if entries.contains_key(&text) {
                return Err(malformed(at, &format!("duplicate key '{text}'")));
            }
            *key = Some(text);
        }
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn close(&mut self, value: Value, anchor: usize, at: &Marker) -> Result<(), TemplateError> {
        if anchor != 0 && self.aliases == Aliases::Expanded {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open { kind: OpenKind::List(items), .. }) => items.push(value),
            Some(Open { kind: OpenKind::Map { entries, key }, .. }) => {
                let Some(key) = key.take() else { return Err(malformed(at, "a key must be a text")) };
                entries.insert(key, value);
            }
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: &Marker) -> Result<(), TemplateError> {
        if self.aliases == Aliases::Refused {
            return Err(TemplateError::function("YAML aliases are not allowed in CloudFormation templates"));
        }
        let Some(value) = self.anchors.get(&anchor).cloned() else {
            return Err(malformed(at, "an alias stands inside its own anchor"));
        };
        let (nodes, depth) = measure(&value);
        self.alias_nodes = self.alias_nodes.saturating_add(nodes);
        if self.alias_nodes > ALIAS_NODES_MAX {
            let limit = format!("aliases expand to more than {ALIAS_NODES_MAX} nodes");
            return Err(malformed(at, &limit));
        }
        if self.open.len() + depth > TEMPLATE_DEPTH_MAX {
            return Err(malformed(at, &too_deep()));
        }
        self.close(value, 0, at)
    }
}

/// Nodes and depth of a tree; the depth is bounded by construction.
fn measure(value: &Value) -> (usize, usize) {
    let fold = |(nodes, depth): (usize, usize), child: &Value| {
        let (n, d) = measure(child);
        (nodes + n, depth.max(d + 1))
    };
    match value {
        Value::Array(items) => items.iter().fold((1, 1), fold),
        Value::Object(entries) => entries.values().fold((1, 1), fold),
        _ => (1, 0),
    }
}

fn short(tag: &Tag, at: &Marker) -> Result<Short, TemplateError> {
    if tag.is_yaml_core_schema() {
        return match tag.suffix.as_str() {
            "str" => Ok(Short::Text),
            "int" | "float" | "bool" | "null" | "map" | "seq" => Ok(Short::Core),
            other => Err(malformed(at, &format!("the tag !!{other} is not supported"))),
        };
    }
    let known = SHORT_TAGS.iter().find(|(name, _)| tag.handle == "!" && *name == tag.suffix);
    match known {
        Some((_, long)) => Ok(Short::Function(long)),
        None => Err(malformed(at, &format!("the tag {}{} is not supported", tag.handle, tag.suffix))),
    }
}

fn tagged(value: Value, tag: Option<Short>) -> Value {
    let Some(Short::Function(name)) = tag else { return value };
    let value = match value {
        // `!GetAtt Resource.Some.Attribute`: the attribute may contain dots, the resource's name may not.
        Value::String(text) if name == "Fn::GetAtt" => match text.split_once('.') {
            Some((resource, attribute)) => Value::from(vec![resource, attribute]),
            None => Value::String(text),
        },
        other => other,
    };
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

fn scalar(text: String, style: ScalarStyle, tag: Option<Short>) -> Value {
    match tag {
        Some(Short::Function(_)) => tagged(Value::String(text), tag),
        Some(Short::Text) => Value::String(text),
        None if style != ScalarStyle::Plain => Value::String(text),
        None | Some(Short::Core) => plain(text),
    }
}

/// The type of a plain scalar by YAML 1.1, except where reading it would lose how it was written.
fn plain(text: String) -> Value {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    number(&text).map_or(Value::String(text), Value::Number)
}

/// The number that a text names, if printing the number gives the very text back.
pub(crate) fn number(text: &str) -> Option<Number> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || first == b'-') {
        return None;
    }
    let number = match text.parse::<i64>() {
        Ok(whole) => Number::from(whole),
        Err(_) => Number::from_f64(text.parse::<f64>().ok()?)?,
    };
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Aliases, parse};

    fn check(text: &str, expect: &Value) {
        assert_eq!(&parse(text, Aliases::Refused).unwrap(), expect, "{text}");
    }

    fn refused(text: &str, expect: &str) {
        assert_eq!(parse(text, Aliases::Refused).unwrap_err().to_string(), expect, "{text}");
    }

    #[test]
    fn scalars_keep_what_was_written() {
        check("a: 012345678901", &json!({"a": "012345678901"}));
        check("a: 1.10", &json!({"a": "1.10"}));
        check("a: 1.5", &json!({"a": 1.5}));
        check("a: 30", &json!({"a": 30}));
        check("a: -7", &json!({"a": -7}));
        check("a: 0644", &json!({"a": "0644"}));
        check("a: 1_000", &json!({"a": "1_000"}));
        check("a: 2012-10-17", &json!({"a": "2012-10-17"}));
        check("a: '30'", &json!({"a": "30"}));
        check("a: yes\nb: off\nc: ~", &json!({"a": true, "b": false, "c": null}));
        check("a: !!str 5", &json!({"a": "5"}));
        check("a: |\n  two\n  lines\n", &json!({"a": "two\nlines\n"}));
        check("yes: 1", &json!({"yes": 1}));
    }

    #[test]
    fn short_tags_become_functions_at_any_depth() {
        check("a: !Ref X", &json!({"a": {"Ref": "X"}}));
        check("a: !GetAtt X.Outputs.Y", &json!({"a": {"Fn::GetAtt": ["X", "Outputs.Y"]}}));
        check("a: !GetAtt [X, Arn]", &json!({"a": {"Fn::GetAtt": ["X", "Arn"]}}));
        check(
            "a: !Sub\n  - '${b}'\n  - b: !Join ['-', [!Ref C, 5]]",
            &json!({"a": {"Fn::Sub": ["${b}", {"b": {"Fn::Join": ["-", [{"Ref": "C"}, 5]]}}]}}),
        );
        check(
            "a: !If [C, !Ref B, !Ref 'AWS::NoValue']",
            &json!({"a": {"Fn::If": ["C", {"Ref": "B"}, {"Ref": "AWS::NoValue"}]}}),
        );
        check("a: !GetAZs ''", &json!({"a": {"Fn::GetAZs": ""}}));
        check("a: !Not [!Condition C]", &json!({"a": {"Fn::Not": [{"Condition": "C"}]}}));
        check("a: !Base64\n  Fn::Sub: x", &json!({"a": {"Fn::Base64": {"Fn::Sub": "x"}}}));
    }

    #[test]
    fn malformed_texts_are_refused_with_their_place() {
        refused("a: 1\na: 2", "Template format error: YAML not well-formed: duplicate key 'a'. (line 2, column 1)");
        refused("a: [1, 2", "Template format error: YAML not well-formed. (line 2, column 1)");
        refused(
            "a: !Foo 1",
            "Template format error: YAML not well-formed: the tag !Foo is not supported. (line 1, column 4)",
        );
        refused("just text", "Template format error: unsupported structure.");
        refused("", "Template format error: unsupported structure.");
        refused("{\"a\": 1,}", "Template format error: JSON not well-formed. (line 1, column 9)");
        refused(
            "{\"a\": 1,\n \"a\": 2}",
            "Template format error: JSON not well-formed: duplicate key 'a'. (line 2, column 8)",
        );
        refused("a: &x 1\nb: *x", "Template error: YAML aliases are not allowed in CloudFormation templates");
        refused("? [a]\n: b", "Template format error: YAML not well-formed: a key must be a text. (line 1, column 3)");
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}{}", "{\"a\":".repeat(10_000), "1");
        assert!(parse(&deep, Aliases::Refused).is_err());
        let deep = format!("a: {}", "[".repeat(10_000));
        assert!(parse(&deep, Aliases::Refused).is_err());
        let deep = format!("a: {}1{}", "[".repeat(90), "]".repeat(90));
        assert!(parse(&deep, Aliases::Refused).is_ok());
    }

    #[test]
    fn aliases_expand_within_their_budget() {
        let value = parse("a: &x {b: 1}\nc: *x", Aliases::Expanded).unwrap();
        assert_eq!(value, json!({"a": {"b": 1}, "c": {"b": 1}}));
        let mut bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
        for n in 1..12 {
            let alias = format!("*a{},", n - 1).repeat(10);
            bomb.push_str(&format!("a{n}: &a{n} [{alias}]\n"));
        }
        let error = parse(&bomb, Aliases::Expanded).unwrap_err().to_string();
        assert!(error.contains("aliases expand to more than 50000 nodes"), "{error}");
    }
}
