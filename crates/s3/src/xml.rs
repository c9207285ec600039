//! Reading and writing the XML of S3: small documents, held whole.

use std::fmt::Display;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use crate::error::{Plain, Result};

/// The largest document accepted, in bytes: the completion of 10,000 parts with the longest checksums stays below it.
pub(crate) const XML_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How deep elements may nest; the deepest document of S3 has 7 levels.
const DEPTH_MAX: usize = 16;

/// The namespace of S3's documents.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// An element that was read. Namespaces and attributes say nothing in S3's requests, so they are dropped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    /// Its own text, without that of its children.
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Reads a document whose root element is `root`.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub(crate) fn parse(document: &[u8], root: &str) -> Result<Element> {
        let element = read(document).ok_or(Plain::MalformedXml)?;
        if element.name == root { Ok(element) } else { Err(Plain::MalformedXml.into()) }
    }

    /// The only child of that name.
    ///
    /// # Errors
    /// `MalformedXML` if there are several.
    pub(crate) fn child(&self, name: &str) -> Result<Option<&Element>> {
        let mut named = self.children.iter().filter(|child| child.name == name);
        match (named.next(), named.next()) {
            (found, None) => Ok(found),
            _ => Err(Plain::MalformedXml.into()),
        }
    }

    /// The text of the only child of that name.
    ///
    /// # Errors
    /// `MalformedXML` if there are several.
    pub(crate) fn text_of(&self, name: &str) -> Result<Option<&str>> {
        Ok(self.child(name)?.map(|child| child.text.as_str()))
    }

    /// As [`text_of`](Element::text_of), for a child that must be there.
    ///
    /// # Errors
    /// `MalformedXML` if there is none or more than one.
    pub(crate) fn required(&self, name: &str) -> Result<&str> {
        self.text_of(name)?.ok_or_else(|| Plain::MalformedXml.into())
    }

    /// A flag.
    ///
    /// # Errors
    /// `MalformedXML` if the text is neither `true` nor `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.text_of(name)?.map(str::trim) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(Plain::MalformedXml.into()),
        }
    }

    /// Refuses children that are not among `names`.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub(crate) fn only(&self, names: &[&str]) -> Result<()> {
        let known = self.children.iter().all(|child| names.contains(&child.name.as_str()));
        if known { Ok(()) } else { Err(Plain::MalformedXml.into()) }
    }
}

/// The root element; `None` if the document is not well-formed, too deep, or declares entities of its own.
fn read(document: &[u8]) -> Option<Element> {
    let text = std::str::from_utf8(document).ok()?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                if root.is_some() || open.len() >= DEPTH_MAX {
                    return None;
                }
                open.push(Element { name: local_name(&start)?, ..Element::default() });
            }
            Event::End(_) => {
                let element = open.pop()?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => root = Some(element),
                }
            }
            Event::Text(part) => add_text(&mut open, &part.xml_content(XmlVersion::Implicit1_0))?,
            Event::CData(part) => add_text(&mut open, &part.xml_content(XmlVersion::Implicit1_0))?,
            Event::GeneralRef(reference) => {
                let mut buffer = [0; 4];
                let resolved = match reference.resolve_char_ref().ok()? {
                    Some(c) => &*c.encode_utf8(&mut buffer),
                    None => resolve_predefined_entity(&reference)?,
                };
                open.last_mut()?.text.push_str(resolved);
            }
            Event::DocType(_) => return None,
            Event::Eof => return root.filter(|_| open.is_empty()),
            _ => {}
        }
    }
}

fn local_name(start: &BytesStart<'_>) -> Option<String> {
    // An attribute that does not read makes the document malformed, though none of them says anything.
    start.attributes().all(|attribute| attribute.is_ok()).then(|| start.local_name().as_ref().to_owned())
}

/// Text outside of the root may only be white space.
fn add_text(open: &mut [Element], text: &str) -> Option<()> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return None,
    }
    Some(())
}

/// A document being written.
#[derive(Debug)]
pub(crate) struct Writer {
    out: String,
    open: Vec<&'static str>,
}

impl Writer {
    /// A document of S3 whose root element is `root`.
    pub(crate) fn new(root: &'static str) -> Writer {
        let out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{NAMESPACE}\">");
        Writer { out, open: vec![root] }
    }

    /// A document of S3 whose root element has a text and nothing else.
    pub(crate) fn with_text(root: &'static str, text: &str) -> String {
        let mut writer = Writer::new(root);
        escape_into(&mut writer.out, text);
        writer.finish()
    }

    /// A document without namespace, as errors have it.
    pub(crate) fn bare(root: &'static str) -> Writer {
        Writer { out: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root}>"), open: vec![root] }
    }

    /// Writes an element with text.
    pub(crate) fn text(&mut self, name: &str, text: impl Display) -> &mut Writer {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
        escape_into(&mut self.out, &text.to_string());
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
        self
    }

    /// Writes an element if there is a text.
    pub(crate) fn maybe(&mut self, name: &str, text: Option<impl Display>) -> &mut Writer {
        if let Some(text) = text {
            self.text(name, text);
        }
        self
    }

    /// Writes an element around what `inside` writes.
    pub(crate) fn within(&mut self, name: &'static str, inside: impl FnOnce(&mut Writer)) -> &mut Writer {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
        self.open.push(name);
        inside(self);
        self.close();
        self
    }

    /// Writes an element around one other with a text.
    pub(crate) fn around(&mut self, outer: &'static str, name: &str, text: impl Display) -> &mut Writer {
        self.within(outer, |w| {
            w.text(name, text);
        })
    }

    /// Writes the owner as a grantee: the one element of S3's answers whose attribute clients read.
    pub(crate) fn grantee(&mut self, id: &str) -> &mut Writer {
        self.out
            .push_str("<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">");
        self.text("ID", id);
        self.out.push_str("</Grantee>");
        self
    }

    fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }

    /// The document.
    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }
}

/// Control characters become references: not well-formed XML 1.0 in the strict sense, but what S3 does, and what clients that
/// do not ask for `encoding-type=url` expect.
fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            c if c.is_ascii_control() => out.push_str(&format!("&#x{:x};", u32::from(c))),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Element, Writer};

    fn check(document: &str, expect: Option<&str>) {
        let shown = Element::parse(document.as_bytes(), "A").ok().map(|element| show(&element));
        assert_eq!(shown.as_deref(), expect, "{document}");
    }

    fn show(element: &Element) -> String {
        let children: String = element.children.iter().map(show).collect();
        format!("{}[{}{}]", element.name, element.text, children)
    }

    #[test]
    fn documents_read_as_elements_with_text() {
        check("<A/>", Some("A[]"));
        check("<?xml version=\"1.0\"?>\n<A xmlns=\"x\"><B>1</B><n:B>2</n:B></A>\n", Some("A[B[1]B[2]]"));
        check("<A>a&amp;b&#65;&#x42;<![CDATA[<c>]]></A>", Some("A[a&bAB<c>]"));
        check("\u{feff}<A> x </A>", Some("A[ x ]"));
        check("<A><!-- no --></A>", Some("A[]"));
    }

    #[test]
    fn what_is_not_well_formed_or_dangerous_is_refused() {
        for document in [
            "",
            "A",
            "<A>",
            "<A></B>",
            "<B/>",
            "<A/><A/>",
            "<A/>x",
            "<A>&unknown;</A>",
            "<!DOCTYPE A [<!ENTITY b \"b\">]><A>&b;</A>",
            "<A b=></A>",
        ] {
            check(document, None);
        }
        let deep = format!("<A>{}{}</A>", "<A>".repeat(16), "</A>".repeat(16));
        check(&deep, None);
        assert!(Element::parse(b"<A>\xff</A>", "A").is_err());
    }

    #[test]
    fn a_child_that_must_be_single_is() {
        let element = Element::parse(b"<A><B>1</B><B>2</B><C>true</C></A>", "A").unwrap();
        assert!(element.text_of("B").is_err());
        assert_eq!(element.flag("C").unwrap(), Some(true));
        assert_eq!(element.flag("D").unwrap(), None);
        assert!(element.only(&["B", "C"]).is_ok() && element.only(&["B"]).is_err());
    }

    proptest! {
        #[test]
        fn text_comes_back(text in any::<String>()) {
            let text = text.replace(['\0', '\u{feff}'], "");
            let mut writer = Writer::new("A");
            writer.within("B", |w| { w.text("C", &text); });
            let element = Element::parse(writer.finish().as_bytes(), "A").unwrap();
            assert_eq!(element.children[0].children[0].text, text);
        }
    }
}
