//! CBOR into the tree of values that forms are read from too.
//!
//! Headers are read by `ciborium-ll`; what nests, and how much there is, is bounded here. Nothing is allocated because a header
//! announces it: lists and texts grow with what is really there.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::ServiceError;
use ciborium_ll::{Decoder, Header, simple};
use serde::de::DeserializeOwned;

use crate::document::Document;
use crate::json::SERIALIZATION;

/// How deep a body may nest: as JSON may.
const CBOR_DEPTH_MAX: usize = 127;
/// How many values a body may have: a megabyte of them would take a hundred in memory.
const CBOR_VALUES_MAX: usize = 400_000;
/// How many bytes of a text are read at a time.
const PIECE_BYTES: usize = 4_096;

/// The structure that a CBOR body holds; an empty body is an empty structure.
///
/// # Errors
/// 400 `SerializationException`, or a violated constraint under `validation_code`.
pub(crate) fn decode<I: DeserializeOwned>(body: &[u8], validation_code: &'static str) -> Result<I, ServiceError> {
    let document = if body.is_empty() { Document::Map(Vec::new()) } else { parse(body).map_err(Malformed::refuse)? };
    I::deserialize(document).map_err(|error| error.into_service_error(validation_code, SERIALIZATION))
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Malformed {
    Syntax,
    TooDeep,
    TooMany,
    NoMap,
}

impl Malformed {
    fn refuse(self) -> ServiceError {
        let message = match self {
            Malformed::Syntax => "The request body is not valid CBOR".to_owned(),
            Malformed::TooDeep => format!("The request body nests deeper than the limit of {CBOR_DEPTH_MAX} levels"),
            Malformed::TooMany => format!("The request body has more than the limit of {CBOR_VALUES_MAX} values"),
            Malformed::NoMap => "Expected map or null".to_owned(),
        };
        ServiceError::new(400, SERIALIZATION, message)
    }
}

fn parse(body: &[u8]) -> Result<Document<'static>, Malformed> {
    let mut reader = Reader { decoder: Decoder::from(body), values: 0 };
    let document = reader.value(0)?.ok_or(Malformed::Syntax)?;
    if reader.decoder.offset() != body.len() {
        return Err(Malformed::Syntax);
    }
    match document {
        Document::Map(_) => Ok(document),
        _ => Err(Malformed::NoMap),
    }
}

struct Reader<'b> {
    decoder: Decoder<&'b [u8]>,
    values: usize,
}

impl Reader<'_> {
    /// The next value; none where a list or map of unknown length ends.
    fn value(&mut self, depth: usize) -> Result<Option<Document<'static>>, Malformed> {
        self.values += 1;
        if self.values > CBOR_VALUES_MAX {
            return Err(Malformed::TooMany);
        }
        if depth > CBOR_DEPTH_MAX {
            return Err(Malformed::TooDeep);
        }
        Ok(Some(match self.pull()? {
            Header::Positive(n) => i64::try_from(n).map_or(Document::U64(n), Document::I64),
            Header::Negative(n) => {
                // -1 - n, which is the complement; what is below the smallest long can only be a double.
                i64::try_from(n).map_or(Document::F64(-1.0 - n as f64), |n| Document::I64(!n))
            }
            Header::Float(n) => Document::F64(n),
            Header::Simple(simple::FALSE) => Document::Bool(false),
            Header::Simple(simple::TRUE) => Document::Bool(true),
            Header::Simple(simple::NULL | simple::UNDEFINED) => Document::Null,
            Header::Simple(_) => return Err(Malformed::Syntax),
            // Of tags only that of a time is of use here, and the number in it says it all.
            Header::Tag(_) => return self.value(depth + 1)?.map(Some).ok_or(Malformed::Syntax),
            Header::Break => return Ok(None),
            Header::Bytes(len) => Document::Text(Cow::Owned(STANDARD.encode(self.bytes(len)?))),
            Header::Text(len) => Document::Text(Cow::Owned(self.text(len)?)),
            Header::Array(len) => Document::List(self.list(len, depth)?),
            Header::Map(len) => Document::Map(self.map(len, depth)?),
        }))
    }

    fn pull(&mut self) -> Result<Header, Malformed> {
        self.decoder.pull().map_err(|_| Malformed::Syntax)
    }

    fn bytes(&mut self, len: Option<usize>) -> Result<Vec<u8>, Malformed> {
        let (mut whole, mut piece) = (Vec::new(), [0; PIECE_BYTES]);
        let mut segments = self.decoder.bytes(len);
        while let Some(mut segment) = segments.pull().map_err(|_| Malformed::Syntax)? {
            while let Some(read) = segment.pull(&mut piece).map_err(|_| Malformed::Syntax)? {
                whole.extend_from_slice(read);
            }
        }
        Ok(whole)
    }

    fn text(&mut self, len: Option<usize>) -> Result<String, Malformed> {
        let (mut whole, mut piece) = (String::new(), [0; PIECE_BYTES]);
        let mut segments = self.decoder.text(len);
        while let Some(mut segment) = segments.pull().map_err(|_| Malformed::Syntax)? {
            while let Some(read) = segment.pull(&mut piece).map_err(|_| Malformed::Syntax)? {
                whole.push_str(read);
            }
        }
        Ok(whole)
    }

    fn list(&mut self, len: Option<usize>, depth: usize) -> Result<Vec<Document<'static>>, Malformed> {
        let mut list = Vec::new();
        while len.is_none_or(|len| list.len() < len) {
            match (self.value(depth + 1)?, len) {
                (Some(value), _) => list.push(value),
                (None, None) => break,
                (None, Some(_)) => return Err(Malformed::Syntax),
            }
        }
        Ok(list)
    }

    fn map(
        &mut self,
        len: Option<usize>,
        depth: usize,
    ) -> Result<Vec<(Cow<'static, str>, Document<'static>)>, Malformed> {
        let mut map = Vec::new();
        while len.is_none_or(|len| map.len() < len) {
            let key = match (self.pull()?, len) {
                (Header::Text(len), _) => Cow::Owned(self.text(len)?),
                (Header::Break, None) => break,
                _ => return Err(Malformed::Syntax),
            };
            map.push((key, self.value(depth + 1)?.ok_or(Malformed::Syntax)?));
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{CBOR_VALUES_MAX, Document, Malformed, parse};
    use crate::cbor::encode;

    fn text(text: &str) -> Document<'static> {
        Document::Text(text.to_owned().into())
    }

    /// The value of the only member, `a`.
    fn member(value: &[u8]) -> Result<Document<'static>, Malformed> {
        let body = [b"\xA1\x61a", value].concat();
        match parse(&body)? {
            Document::Map(mut map) if map.len() == 1 => Ok(map.remove(0).1),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_form_is_read() {
        let check = |value: &[u8], expect: Document<'static>| assert_eq!(member(value), Ok(expect), "{value:02x?}");
        check(b"\x00", Document::I64(0));
        check(b"\x18\xFF", Document::I64(255));
        check(b"\x1B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", Document::U64(u64::MAX));
        check(b"\x20", Document::I64(-1));
        check(b"\x3B\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", Document::I64(i64::MIN));
        check(b"\x3B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", Document::F64(-18_446_744_073_709_551_616.0));
        check(b"\xF9\x3E\x00", Document::F64(1.5));
        check(b"\xFA\x3F\xC0\x00\x00", Document::F64(1.5));
        check(b"\xFB\x3F\xF8\x00\x00\x00\x00\x00\x00", Document::F64(1.5));
        check(b"\xF4", Document::Bool(false));
        check(b"\xF5", Document::Bool(true));
        check(b"\xF6", Document::Null);
        check(b"\xF7", Document::Null);
        check(b"\xC1\x1A\x65\x53\xF1\x00", Document::I64(1_700_000_000));
        check(b"\xC1\xFB\x3F\xF8\x00\x00\x00\x00\x00\x00", Document::F64(1.5));
        check(b"\x42hi", text("aGk="));
        check(b"\x5F\x41h\x41i\xFF", text("aGk="));
        check(b"\x62hi", text("hi"));
        check(b"\x7F\x61h\x60\x61i\xFF", text("hi"));
        check(b"\x82\x01\x02", Document::List(vec![Document::I64(1), Document::I64(2)]));
        check(b"\x9F\x01\x02\xFF", Document::List(vec![Document::I64(1), Document::I64(2)]));
        check(b"\xBF\x61b\x01\xFF", Document::Map(vec![("b".into(), Document::I64(1))]));
    }

    #[test]
    fn what_is_no_body_is_refused() {
        let check = |value: &[u8], expect: Malformed| assert_eq!(member(value), Err(expect), "{value:02x?}");
        for broken in [
            &b""[..],
            b"\xFF",
            b"\x1C",
            b"\x61",
            b"\x61\xFF",
            b"\x9F\x01",
            b"\x82\x01\xFF",
            b"\xC1\xFF",
            b"\xE0",
            b"\x01\x01",
        ] {
            check(broken, Malformed::Syntax);
        }
        // Keys are texts, and a map's value must be there.
        check(b"\xA1\x01\x01", Malformed::Syntax);
        check(b"\xBF\x61b\xFF", Malformed::Syntax);
        assert_eq!(parse(b"\x80"), Err(Malformed::NoMap));
        assert_eq!(parse(b"\x01"), Err(Malformed::NoMap));
    }

    #[test]
    fn nothing_announced_is_allocated_and_nothing_nests_too_deep() {
        for announced in [
            &b"\x9B\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF"[..],
            b"\xBB\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            b"\x7B\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            b"\x5B\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        ] {
            assert_eq!(member(announced), Err(Malformed::Syntax));
        }
        for open in [&b"\x81"[..], b"\x9F", b"\xC1", b"\xA1\x61a", b"\xBF\x61a"] {
            assert_eq!(member(&open.repeat(100_000)), Err(Malformed::TooDeep));
        }
        let many = [b"\x9F".to_vec(), vec![0; CBOR_VALUES_MAX], b"\xFF".to_vec()].concat();
        assert_eq!(member(&many), Err(Malformed::TooMany));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail_badly(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
            let _ = member(&body);
        }

        #[test]
        fn what_is_written_is_read(texts in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..10), numbers in proptest::collection::vec(any::<i64>(), 0..10), ratio in any::<f64>()) {
            let output = (texts.clone(), numbers.clone(), ratio);
            let body = [&b"\xA1\x61a"[..], &encode(&output).unwrap()].concat();
            let Document::Map(mut map) = parse(&body).unwrap() else { panic!("no map") };
            let Document::List(parts) = map.remove(0).1 else { panic!("no list") };
            let expect = Document::Map(texts.into_iter().map(|(k, v)| (k.into(), Document::Text(v.into()))).collect());
            prop_assert_eq!(&parts[0], &expect);
            prop_assert_eq!(&parts[1], &Document::List(numbers.into_iter().map(Document::I64).collect()));
            prop_assert!(matches!(parts[2], Document::F64(read) if read.to_bits() == ratio.to_bits()));
        }
    }
}
