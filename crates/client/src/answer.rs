//! Reading answers: JSON, XML, and the errors in both.

use anyhow::{Context as _, Result};
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use serde_json::Value;

use crate::client::Incoming;

/// What the server refused, in its words.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ServiceFailure {
    /// For example `ValidationError`.
    pub code: String,
    /// Why, for people.
    pub message: String,
}

/// An element of an XML answer.
#[derive(Clone, Debug, Default)]
pub struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The first child by this name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The element at a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&Element> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The text at a path of names, empty if there is none.
    pub fn text(&self, path: &[&str]) -> &str {
        self.at(path).map_or("", |element| &element.text)
    }

    /// The members of the list at a path.
    pub fn members(&self, path: &[&str]) -> impl Iterator<Item = &Element> {
        self.at(path).into_iter().flat_map(|list| list.children.iter().filter(|child| child.name == "member"))
    }
}

/// The value of a successful JSON answer.
pub(crate) fn json(answer: Incoming) -> Result<Value> {
    let value: Value = if answer.body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&answer.body).context("the answer is no JSON")?
    };
    if answer.status.is_success() {
        return Ok(value);
    }
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let header = answer.headers.get("x-amzn-errortype").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let code = Some(text("__type")).filter(|code| !code.is_empty()).unwrap_or_else(|| header.to_owned());
    let code = code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default().to_owned();
    let message = Some(text("message")).filter(|m| !m.is_empty()).unwrap_or_else(|| text("Message"));
    Err(ServiceFailure { code, message }.into())
}

/// The root element of a successful XML answer.
pub(crate) fn xml(answer: Incoming) -> Result<Element> {
    let root = parse(&answer.body)?;
    if answer.status.is_success() {
        return Ok(root);
    }
    let error = root.child("Error").unwrap_or(&root);
    let (code, message) = (error.text(&["Code"]).to_owned(), error.text(&["Message"]).to_owned());
    Err(ServiceFailure { code, message }.into())
}

/// The deepest XML that is read.
const DEPTH_MAX: usize = 64;

fn parse(body: &[u8]) -> Result<Element> {
    let text = std::str::from_utf8(body).context("the answer is no text")?;
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().context("the answer is no XML")? {
            Event::Start(start) => {
                anyhow::ensure!(open.len() < DEPTH_MAX, "the answer is nested deeper than {DEPTH_MAX}");
                let name = start.local_name().as_ref().to_owned();
                open.push(Element { name, ..Element::default() });
            }
            Event::Empty(empty) => {
                let name = empty.local_name().as_ref().to_owned();
                if let Some(parent) = open.last_mut() {
                    parent.children.push(Element { name, ..Element::default() });
                }
            }
            Event::End(_) => {
                if let Some(done) = open.pop()
                    && let Some(parent) = open.last_mut()
                {
                    parent.children.push(done);
                }
            }
            Event::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&resolve(&reference)?);
                }
            }
            Event::CData(data) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&data.xml10_content());
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    open.pop().and_then(|mut root| root.children.pop()).context("the answer is empty")
}

fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> Result<String> {
    if let Some(character) = reference.resolve_char_ref().context("the answer is no XML")? {
        return Ok(character.to_string());
    }
    quick_xml::escape::resolve_predefined_entity(reference)
        .map(str::to_owned)
        .context("the answer names an unknown entity")
}
