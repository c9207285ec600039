//! Outputs as XML: structures become elements, lists `<member>`s, maps `<entry><key/><value/></entry>`.
//!
//! What serde calls none becomes nothing; a timestamp, known by its newtype's name, becomes ISO 8601; so does what
//! [`flattened`] marks become a row of elements without one around them.

use std::fmt::{self, Display, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::{Fault, ServiceError, Timestamp};
use serde::ser::{self, Serialize};

/// What the names of flattened lists and maps begin with, as newtypes.
const FLAT: &str = "$cauce::Flat ";

/// Serializes a list or a map that the query protocol writes flattened, as the model's `flattened` trait says. In JSON it is as
/// any other.
///
/// `shape` is `$cauce::Flat ELEMENT` for a list and `$cauce::Flat ELEMENT KEY VALUE` for a map: what each element is called, and
/// in a map what its key and its value are called.
///
/// # Errors
/// What the serializer says.
pub fn flattened<T, S>(shape: &'static str, value: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize + ?Sized,
    S: ser::Serializer,
{
    serializer.serialize_newtype_struct(shape, value)
}

/// The whole answer of a successful operation; `output` is none where the operation has no output members.
pub(crate) fn answer(
    operation: &str,
    xmlns: &str,
    request_id: &str,
    output: Option<&dyn erased_serde::Serialize>,
) -> Result<String, ServiceError> {
    let mut out = String::with_capacity(512);
    // Writing to a string cannot fail.
    let _ = write!(out, "<{operation}Response xmlns=\"{xmlns}\">");
    if let Some(output) = output {
        let _ = write!(out, "<{operation}Result>");
        erased_serde::serialize(output, Writer { out: &mut out, name: None, flat: None })
            .map_err(ServiceError::internal)?;
        let _ = write!(out, "</{operation}Result>");
    }
    out.push_str("<ResponseMetadata><RequestId>");
    escape(&mut out, request_id);
    let _ = writeln!(out, "</RequestId></ResponseMetadata></{operation}Response>");
    Ok(out)
}

/// The answer of a failed operation.
pub(crate) fn error(error: &ServiceError, xmlns: &str, request_id: &str) -> String {
    let mut out = String::with_capacity(512);
    let kind = match error.fault() {
        Fault::Sender => "Sender",
        Fault::Receiver => "Receiver",
    };
    let _ = write!(out, "<ErrorResponse xmlns=\"{xmlns}\"><Error><Type>{kind}</Type>");
    write_error(&mut out, error.query_code(), error);
    out.push_str("</Error><RequestId>");
    escape(&mut out, request_id);
    out.push_str("</RequestId></ErrorResponse>\n");
    out
}

/// The answer of a failed operation of S3.
pub(crate) fn rest_error(error: &ServiceError, resource: &str, request_id: &str) -> String {
    let mut out = String::with_capacity(512);
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    write_error(&mut out, error.query_code(), error);
    for (name, text) in [("Resource", resource), ("RequestId", request_id), ("HostId", request_id)] {
        element(&mut out, name, text);
    }
    out.push_str("</Error>");
    out
}

fn write_error(out: &mut String, code: &str, error: &ServiceError) {
    element(out, "Code", code);
    element(out, "Message", error.message());
    for (name, value) in error.fields() {
        match value {
            serde_json::Value::String(text) => element(out, name, text),
            other => element(out, name, &other.to_string()),
        }
    }
}

fn element(out: &mut String, name: &str, text: &str) {
    open(out, name);
    escape(out, text);
    close(out, name);
}

/// Appends `text` with what XML reserves escaped. Control characters that XML cannot carry become U+FFFD.
pub(crate) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A bare carriage return would be read back as a line feed.
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(c),
            '\0'..='\x1F' | '\u{FFFE}' | '\u{FFFF}' => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
}

/// Why an output cannot be XML: a mistake in our code, never the client's.
#[derive(Debug)]
pub(crate) struct XmlError(String);

impl Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output is no XML: {}", self.0)
    }
}

impl std::error::Error for XmlError {}

impl ser::Error for XmlError {
    fn custom<T: Display>(message: T) -> XmlError {
        XmlError(message.to_string())
    }
}

fn open(out: &mut String, name: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Writes a value as the element `name`; without a name, a structure's members alone.
struct Writer<'a> {
    out: &'a mut String,
    name: Option<&'a str>,
    /// How the list or map that follows is flattened, after [`FLAT`].
    flat: Option<&'static str>,
}

impl<'a> Writer<'a> {
    fn text(self, text: &str) -> Result<(), XmlError> {
        let Some(name) = self.name else { return Err(ser::Error::custom("an output is a structure")) };
        element(self.out, name, text);
        Ok(())
    }

    fn compound(self, member: &'static str) -> Compound<'a> {
        let (mut name, mut names) = (self.name, [member, "key", "value"]);
        if let Some(flat) = self.flat {
            name = None;
            names.iter_mut().zip(flat.split(' ')).for_each(|(name, given)| *name = given);
        }
        if let Some(name) = name {
            open(self.out, name);
        }
        let [member, key, value] = names;
        Compound { out: self.out, name, member, key, value, close_also: None }
    }
}

/// The members of a structure, list or map being written.
struct Compound<'a> {
    out: &'a mut String,
    name: Option<&'a str>,
    /// What each element of a list is called.
    member: &'static str,
    /// What the key of each entry of a map is called.
    key: &'static str,
    /// What its value is called.
    value: &'static str,
    /// The variant that wraps the members, closed before the element itself.
    close_also: Option<&'static str>,
}

impl Compound<'_> {
    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), XmlError> {
        value.serialize(Writer { out: self.out, name: Some(name), flat: None })
    }

    fn finish(self) -> Result<(), XmlError> {
        for name in [self.close_also, self.name].into_iter().flatten() {
            close(self.out, name);
        }
        Ok(())
    }
}

macro_rules! displayed {
    ($($method:ident: $type:ty)*) => {$(
        fn $method(self, value: $type) -> Result<(), XmlError> {
            self.text(&value.to_string())
        }
    )*};
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = ();
    type Error = XmlError;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    displayed! {
        serialize_bool: bool serialize_i8: i8 serialize_i16: i16 serialize_i32: i32 serialize_i64: i64 serialize_i128: i128
        serialize_u8: u8 serialize_u16: u16 serialize_u32: u32 serialize_u64: u64 serialize_u128: u128 serialize_char: char
    }

    fn serialize_f32(self, value: f32) -> Result<(), XmlError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), XmlError> {
        // The names of XML Schema, which are those of the AWS protocols.
        match value {
            v if v.is_nan() => self.text("NaN"),
            f64::INFINITY => self.text("Infinity"),
            f64::NEG_INFINITY => self.text("-Infinity"),
            // Debug keeps the fraction of a whole number, as AWS does (`5.0`).
            v => self.text(&format!("{v:?}")),
        }
    }

    fn serialize_str(self, value: &str) -> Result<(), XmlError> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), XmlError> {
        self.text(&STANDARD.encode(value))
    }

    fn serialize_none(self) -> Result<(), XmlError> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), XmlError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), XmlError> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), XmlError> {
        Ok(())
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<(), XmlError> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), XmlError> {
        if let Some(flat) = name.strip_prefix(FLAT) {
            return value.serialize(Writer { flat: Some(flat), ..self });
        }
        if name != Timestamp::WIRE_NAME {
            return value.serialize(self);
        }
        let seconds = value.serialize(serde_json::value::Serializer).map_err(ser::Error::custom)?;
        let at = match (seconds.as_i64(), seconds.as_f64()) {
            (Some(whole), _) => Timestamp::from_secs(whole),
            (None, Some(part)) => Timestamp::from_secs_f64(part).unwrap_or_default(),
            (None, None) => return Err(ser::Error::custom("a timestamp is a number of seconds")),
        };
        self.text(&at.iso_millis())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), XmlError> {
        let mut compound = self.compound("member");
        compound.member(variant, value)?;
        compound.finish()
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Compound<'a>, XmlError> {
        match self.name {
            Some(_) => Ok(self.compound("member")),
            None => Err(ser::Error::custom("an output is a structure")),
        }
    }

    fn serialize_tuple(self, len: usize) -> Result<Compound<'a>, XmlError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Compound<'a>, XmlError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'a>, XmlError> {
        self.serialize_struct_variant(name, index, variant, len)
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Compound<'a>, XmlError> {
        match self.name {
            Some(_) => Ok(self.compound("entry")),
            None => Err(ser::Error::custom("an output is a structure")),
        }
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Compound<'a>, XmlError> {
        Ok(self.compound("member"))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Compound<'a>, XmlError> {
        let mut compound = self.compound("member");
        open(compound.out, variant);
        compound.close_also = Some(variant);
        Ok(compound)
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident)*) => {$(
        impl ser::$trait for Compound<'_> {
            type Ok = ();
            type Error = XmlError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), XmlError> {
                self.member(self.member, value)
            }

            fn end(self) -> Result<(), XmlError> {
                self.finish()
            }
        }
    )*};
}

elements! {
    SerializeSeq serialize_element SerializeTuple serialize_element
    SerializeTupleStruct serialize_field SerializeTupleVariant serialize_field
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Compound<'_> {
            type Ok = ();
            type Error = XmlError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), XmlError> {
                self.member(key, value)
            }

            fn end(self) -> Result<(), XmlError> {
                self.finish()
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = XmlError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), XmlError> {
        open(self.out, self.member);
        self.member(self.key, key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), XmlError> {
        self.member(self.value, value)?;
        close(self.out, self.member);
        Ok(())
    }

    fn end(self) -> Result<(), XmlError> {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cauce_core::{Blob, ServiceError, Timestamp};
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use quick_xml::events::Event;
    use serde::Serialize;

    use super::{answer, error, flattened, rest_error};

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Inner {
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    }

    #[derive(Serialize)]
    enum Kind {
        Plain,
        Wrapped(u8),
        Full { a: u8 },
    }

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Output {
        text: String,
        none: Option<String>,
        number: Option<i64>,
        ratio: f64,
        flag: bool,
        at: Timestamp,
        whole: Timestamp,
        blob: Blob,
        list: Vec<Inner>,
        empty: Vec<String>,
        nested: Vec<Vec<u8>>,
        map: BTreeMap<String, Inner>,
        kinds: Vec<Kind>,
    }

    #[test]
    fn every_shape_has_its_elements() {
        let output = Output {
            text: "a<b>&\"c\"\r\u{1}".into(),
            none: None,
            number: Some(-5),
            ratio: 5.0,
            flag: true,
            at: Timestamp::from_millis(1_700_000_000_250),
            whole: Timestamp::from_secs(5),
            blob: Blob("hi".into()),
            list: vec![Inner { name: "x".into(), note: Some("y".into()) }, Inner { name: String::new(), note: None }],
            empty: vec![],
            nested: vec![vec![1], vec![]],
            map: [("k".into(), Inner { name: "v".into(), note: None })].into(),
            kinds: vec![Kind::Plain, Kind::Wrapped(1), Kind::Full { a: 2 }],
        };
        let expect = "<DoResponse xmlns=\"urn:x\"><DoResult>\
            <Text>a&lt;b&gt;&amp;&quot;c&quot;&#xD;\u{FFFD}</Text><Number>-5</Number><Ratio>5.0</Ratio><Flag>true</Flag>\
            <At>2023-11-14T22:13:20.250Z</At><Whole>1970-01-01T00:00:05.000Z</Whole><Blob>aGk=</Blob>\
            <List><member><Name>x</Name><Note>y</Note></member><member><Name></Name></member></List><Empty></Empty>\
            <Nested><member><member>1</member></member><member></member></Nested>\
            <Map><entry><key>k</key><value><Name>v</Name></value></entry></Map>\
            <Kinds><member>Plain</member><member><Wrapped>1</Wrapped></member><member><Full><a>2</a></Full></member></Kinds>\
            </DoResult><ResponseMetadata><RequestId>r1</RequestId></ResponseMetadata></DoResponse>\n";
        assert_eq!(answer("Do", "urn:x", "r1", Some(&output)).unwrap(), expect);
    }

    #[test]
    fn answers_without_output_and_errors() {
        let expect =
            "<DoResponse xmlns=\"urn:x\"><ResponseMetadata><RequestId>r1</RequestId></ResponseMetadata></DoResponse>\n";
        assert_eq!(answer("Do", "urn:x", "r1", None).unwrap(), expect);
        let fault = ServiceError::new(400, "SomeException", "a < b").with_query_code("Some").with_field("Detail", 5);
        let expect = "<ErrorResponse xmlns=\"urn:x\"><Error><Type>Sender</Type><Code>Some</Code><Message>a &lt; b</Message>\
            <Detail>5</Detail></Error><RequestId>r1</RequestId></ErrorResponse>\n";
        assert_eq!(error(&fault, "urn:x", "r1"), expect);
        let expect = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>Some</Code><Message>a &lt; b</Message>\
            <Detail>5</Detail><Resource>/b/k</Resource><RequestId>r1</RequestId><HostId>r1</HostId></Error>";
        assert_eq!(rest_error(&fault, "/b/k", "r1"), expect);
        assert!(answer("Do", "urn:x", "r1", Some(&5)).is_err());
    }

    fn messages<S: serde::Serializer>(list: &Vec<Inner>, serializer: S) -> Result<S::Ok, S::Error> {
        flattened("$cauce::Flat Message", list, serializer)
    }

    fn attributes<S: serde::Serializer>(map: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
        flattened("$cauce::Flat Attribute Name Value", map, serializer)
    }

    #[derive(Serialize)]
    struct Flat {
        #[serde(serialize_with = "messages")]
        list: Vec<Inner>,
        #[serde(serialize_with = "attributes")]
        map: BTreeMap<String, String>,
    }

    #[test]
    fn flattened_lists_and_maps_have_no_element_around_them() {
        let inner = |name: &str| Inner { name: name.into(), note: None };
        let map = [("k".to_owned(), "v".to_owned()), ("l".to_owned(), "w".to_owned())].into();
        let output = Flat { list: vec![inner("x"), inner("y")], map };
        let expect = "<Message><Name>x</Name></Message><Message><Name>y</Name></Message>\
            <Attribute><Name>k</Name><Value>v</Value></Attribute><Attribute><Name>l</Name><Value>w</Value></Attribute>";
        assert!(answer("Do", "urn:x", "r1", Some(&output)).unwrap().contains(expect));
        let json = r#"{"list":[{"name":"x"},{"name":"y"}],"map":{"k":"v","l":"w"}}"#;
        assert_eq!(serde_json::to_string(&output).unwrap().to_lowercase(), json);
    }

    #[derive(Serialize)]
    struct Texts {
        texts: Vec<String>,
    }

    /// The texts of all elements called `member`, as a reader of XML sees them.
    fn members(xml: &str) -> Vec<String> {
        let mut reader = quick_xml::Reader::from_str(xml);
        let (mut out, mut text, mut inside) = (Vec::new(), String::new(), false);
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) if start.name().as_ref() == "member" => (text, inside) = (String::new(), true),
                Event::End(end) if end.name().as_ref() == "member" => {
                    inside = false;
                    out.push(std::mem::take(&mut text));
                }
                Event::Text(part) if inside => text.push_str(&part),
                Event::GeneralRef(part) if inside => match part.resolve_char_ref().unwrap() {
                    Some(c) => text.push(c),
                    None => text.push_str(quick_xml::escape::resolve_predefined_entity(&part).unwrap()),
                },
                Event::Eof => return out,
                _ => {}
            }
        }
    }

    proptest! {
        #[test]
        fn a_reader_of_xml_sees_what_was_written(texts in proptest::collection::vec(any::<String>(), 0..8)) {
            let xml = answer("Do", "urn:x", "r1", Some(&Texts { texts: texts.clone() })).unwrap();
            let carried = |c: char| if c < ' ' && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{FFFE}' | '\u{FFFF}') { '\u{FFFD}' } else { c };
            let expect: Vec<String> = texts.iter().map(|text| text.chars().map(carried).collect()).collect();
            prop_assert_eq!(members(&xml), expect);
        }
    }
}
