//! Outputs as CBOR: structures and maps have no announced length, members that are none are not there, a timestamp has tag 1, and
//! the bytes of a blob are themselves.

use std::fmt::{self, Display};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cauce_core::{Blob, ServiceError, Timestamp};
use serde::ser::{self, Serialize};

const POSITIVE: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const OPEN_LIST: u8 = 0x9F;
const OPEN_MAP: u8 = 0xBF;
const BREAK: u8 = 0xFF;
const FALSE: u8 = 0xF4;
const TRUE: u8 = 0xF5;
const NULL: u8 = 0xF6;
const DOUBLE: u8 = 0xFB;
/// What follows is the number of seconds since the epoch.
const EPOCH_TAG: u8 = 0xC1;

/// The CBOR of an output; `()` is an empty body.
///
/// # Errors
/// 500 if the output has no such form, which is a mistake of ours.
pub(crate) fn encode<O: Serialize>(output: &O) -> Result<Bytes, ServiceError> {
    let mut out = Vec::with_capacity(512);
    let written = output.serialize(Writer { out: &mut out }).map_err(ServiceError::internal)?;
    Ok(if written == Written::Null { Bytes::new() } else { out.into() })
}

/// The answer of a failed operation.
pub(crate) fn error(error: &ServiceError) -> Bytes {
    let mut members = serde_json::Map::new();
    members.insert("__type".to_owned(), error.code().into());
    members.insert("message".to_owned(), error.message().into());
    members.extend(error.fields().iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    // Texts and values of JSON always have a form in CBOR.
    encode(&members).unwrap_or_default()
}

/// Whether a value is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Value,
    Null,
}

/// Why an output cannot be CBOR: a mistake in our code, never the client's.
#[derive(Debug)]
pub(super) struct CborError(String);

impl Display for CborError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output is no CBOR: {}", self.0)
    }
}

impl std::error::Error for CborError {}

impl ser::Error for CborError {
    fn custom<T: Display>(message: T) -> CborError {
        CborError(message.to_string())
    }
}

type Result1 = Result<Written, CborError>;

/// The first bytes of a value: what it is, and its length or the number itself.
fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    match number {
        0..=23 => out.push(major | number.to_le_bytes()[0]),
        24..=0xFF => out.extend([major | 24, number.to_le_bytes()[0]]),
        0x100..=0xFFFF => {
            out.push(major | 25);
            out.extend(number.to_be_bytes().iter().skip(6));
        }
        0x1_0000..=0xFFFF_FFFF => {
            out.push(major | 26);
            out.extend(number.to_be_bytes().iter().skip(4));
        }
        _ => {
            out.push(major | 27);
            out.extend(number.to_be_bytes());
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    fn byte(self, byte: u8) -> Result1 {
        self.out.push(byte);
        Ok(Written::Value)
    }

    fn open(self, first: u8) -> Open<'a> {
        self.out.push(first);
        Open { out: self.out, ends: 1 }
    }

    /// A map whose only member is the variant.
    fn variant(self, variant: &str) -> &'a mut Vec<u8> {
        self.out.push(OPEN_MAP);
        text(self.out, variant);
        self.out
    }
}

/// A list or map under way.
struct Open<'a> {
    out: &'a mut Vec<u8>,
    /// How many breaks end it.
    ends: usize,
}

impl Open<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CborError> {
        value.serialize(Writer { out: self.out }).map(drop)
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), CborError> {
        let before = self.out.len();
        text(self.out, name);
        if value.serialize(Writer { out: self.out })? == Written::Null {
            self.out.truncate(before);
        }
        Ok(())
    }

    fn finish(self) -> Result1 {
        self.out.extend(std::iter::repeat_n(BREAK, self.ends));
        Ok(Written::Value)
    }
}

macro_rules! integers {
    ($($signed:ident: $s:ty, $unsigned:ident: $u:ty;)*) => {$(
        fn $signed(self, n: $s) -> Result1 {
            let n = i64::from(n);
            match u64::try_from(n) {
                Ok(n) => head(self.out, POSITIVE, n),
                Err(_) => head(self.out, NEGATIVE, (!n).cast_unsigned()),
            }
            Ok(Written::Value)
        }

        fn $unsigned(self, n: $u) -> Result1 {
            head(self.out, POSITIVE, u64::from(n));
            Ok(Written::Value)
        }
    )*};
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = Written;
    type Error = CborError;
    type SerializeSeq = Open<'a>;
    type SerializeTuple = Open<'a>;
    type SerializeTupleStruct = Open<'a>;
    type SerializeTupleVariant = Open<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Open<'a>;
    type SerializeStructVariant = Open<'a>;

    integers! {
        serialize_i8: i8, serialize_u8: u8;
        serialize_i16: i16, serialize_u16: u16;
        serialize_i32: i32, serialize_u32: u32;
        serialize_i64: i64, serialize_u64: u64;
    }

    fn serialize_bool(self, value: bool) -> Result1 {
        self.byte(if value { TRUE } else { FALSE })
    }

    fn serialize_f32(self, value: f32) -> Result1 {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result1 {
        self.out.push(DOUBLE);
        self.out.extend(value.to_be_bytes());
        Ok(Written::Value)
    }

    fn serialize_char(self, value: char) -> Result1 {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result1 {
        text(self.out, value);
        Ok(Written::Value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result1 {
        head(self.out, BYTES, value.len() as u64);
        self.out.extend_from_slice(value);
        Ok(Written::Value)
    }

    fn serialize_none(self) -> Result1 {
        self.out.push(NULL);
        Ok(Written::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result1 {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result1 {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result1 {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result1 {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result1 {
        if name == Timestamp::WIRE_NAME {
            self.out.push(EPOCH_TAG);
        }
        if name == Blob::WIRE_NAME {
            let encoded = value.serialize(serde_json::value::Serializer).map_err(ser::Error::custom)?;
            let bytes = STANDARD.decode(encoded.as_str().unwrap_or_default()).map_err(ser::Error::custom)?;
            return self.serialize_bytes(&bytes);
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result1 {
        let out = self.variant(variant);
        value.serialize(Writer { out })?;
        Open { out, ends: 1 }.finish()
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Open<'a>, CborError> {
        match len {
            None => Ok(self.open(OPEN_LIST)),
            Some(len) => {
                head(self.out, LIST, len as u64);
                Ok(Open { out: self.out, ends: 0 })
            }
        }
    }

    fn serialize_tuple(self, len: usize) -> Result<Open<'a>, CborError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Open<'a>, CborError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Open<'a>, CborError> {
        let out = self.variant(variant);
        head(out, LIST, len as u64);
        Ok(Open { out, ends: 1 })
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Entries<'a>, CborError> {
        Ok(Entries { open: self.open(OPEN_MAP), before: 0 })
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Open<'a>, CborError> {
        Ok(self.open(OPEN_MAP))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Open<'a>, CborError> {
        let out = self.variant(variant);
        out.push(OPEN_MAP);
        Ok(Open { out, ends: 2 })
    }
}

macro_rules! elements {
    ($($shape:ident $method:ident)*) => {$(
        impl ser::$shape for Open<'_> {
            type Ok = Written;
            type Error = CborError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CborError> {
                self.element(value)
            }

            fn end(self) -> Result1 {
                self.finish()
            }
        }
    )*};
}

elements! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

macro_rules! members {
    ($($shape:ident)*) => {$(
        impl ser::$shape for Open<'_> {
            type Ok = Written;
            type Error = CborError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), CborError> {
                self.member(name, value)
            }

            fn end(self) -> Result1 {
                self.finish()
            }
        }
    )*};
}

members! { SerializeStruct SerializeStructVariant }

/// The entries of a map under way.
struct Entries<'a> {
    open: Open<'a>,
    /// Where the entry begins whose value is to come.
    before: usize,
}

impl ser::SerializeMap for Entries<'_> {
    type Ok = Written;
    type Error = CborError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CborError> {
        self.before = self.open.out.len();
        self.open.element(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CborError> {
        if value.serialize(Writer { out: self.open.out })? == Written::Null {
            self.open.out.truncate(self.before);
        }
        Ok(())
    }

    fn end(self) -> Result1 {
        self.open.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cauce_core::{Blob, ServiceError, Timestamp};
    use serde::Serialize;

    use super::{encode, error};

    #[derive(Serialize)]
    enum Kind {
        Plain,
        Wrapped(u8),
        Full { a: u8 },
    }

    #[derive(Serialize)]
    struct Output {
        t: &'static str,
        none: Option<u8>,
        n: i64,
        x: f64,
        at: Timestamp,
        part: Timestamp,
        blob: Blob,
        list: Vec<Option<bool>>,
        map: BTreeMap<&'static str, u64>,
        kinds: Vec<Kind>,
    }

    #[test]
    fn every_shape_has_its_bytes() {
        let output = Output {
            t: "é",
            none: None,
            n: -500,
            x: 1.5,
            at: Timestamp::from_secs(1_700_000_000),
            part: Timestamp::from_millis(1_500),
            blob: Blob("hi".into()),
            list: vec![Some(true), None, Some(false)],
            map: [("k", u64::MAX)].into(),
            kinds: vec![Kind::Plain, Kind::Wrapped(24), Kind::Full { a: 2 }],
        };
        let expect: &[&[u8]] = &[
            b"\xBF",
            b"\x61t\x62\xC3\xA9",
            b"\x61n\x39\x01\xF3",
            b"\x61x\xFB\x3F\xF8\0\0\0\0\0\0",
            b"\x62at\xC1\x1A\x65\x53\xF1\x00",
            b"\x64part\xC1\xFB\x3F\xF8\0\0\0\0\0\0",
            b"\x64blob\x42hi",
            b"\x64list\x83\xF5\xF6\xF4",
            b"\x63map\xBF\x61k\x1B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            b"\x65kinds\x83\x65Plain\xBF\x67Wrapped\x18\x18\xFF\xBF\x64Full\xBF\x61a\x02\xFF\xFF",
            b"\xFF",
        ];
        assert_eq!(encode(&output).unwrap(), expect.concat());
        assert_eq!(encode(&()).unwrap(), "");
    }

    #[test]
    fn errors_say_what_they_are() {
        let fault = ServiceError::new(400, "Some", "why").with_field("Detail", 5);
        let expect = b"\xBF\x66Detail\x05\x66__type\x64Some\x67message\x63why\xFF";
        assert_eq!(error(&fault), &expect[..]);
    }
}
