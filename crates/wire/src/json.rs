//! JSON documents in and out.

use bytes::Bytes;
use cauce_core::ServiceError;
use memchr::memchr2_iter;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::document::Document;

/// How deep a JSON document may nest: the limit that `serde_json` keeps its stack safe with.
const JSON_DEPTH_MAX: usize = 127;

/// The code of every error of reading JSON.
pub(crate) const SERIALIZATION: &str = "SerializationException";

/// The structure that a JSON body holds; an empty body is an empty object.
pub(crate) fn decode<I: DeserializeOwned>(body: &[u8], validation_code: &'static str) -> Result<I, ServiceError> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    check_depth(body)?;
    // The fast way stops at the first thing it does not expect; the slow one knows where it is and that null is absent.
    serde_json::from_slice(body).or_else(|_| {
        let document = parse(body)?;
        I::deserialize(document).map_err(|error| error.into_service_error(validation_code, SERIALIZATION))
    })
}

/// The tree of a JSON body; an empty body is an empty object.
pub(crate) fn parse(body: &[u8]) -> Result<Document<'_>, ServiceError> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    check_depth(body)?;
    let document: Document<'_> = serde_json::from_slice(body).map_err(|cause| malformed(&cause))?;
    match document {
        Document::Map(_) => Ok(document),
        _ => Err(ServiceError::new(400, SERIALIZATION, "Expected map or null")),
    }
}

fn malformed(cause: &serde_json::Error) -> ServiceError {
    ServiceError::new(400, SERIALIZATION, format!("The request body is not valid JSON: {cause}"))
}

/// Refuses what nests too deep, also where the depth stands in members that nobody reads.
fn check_depth(body: &[u8]) -> Result<(), ServiceError> {
    if nests_deeper(body, JSON_DEPTH_MAX) {
        let message = format!("The request body nests deeper than the limit of {JSON_DEPTH_MAX} levels");
        return Err(ServiceError::new(400, SERIALIZATION, message));
    }
    Ok(())
}

/// Whether the arrays and objects of a JSON document nest deeper than so many levels, wherever in it.
pub fn nests_deeper(document: &[u8], levels: usize) -> bool {
    // Most documents do not even have that many brackets, and counting those is a scan at memory speed.
    if memchr2_iter(b'{', b'[', document).take(levels.saturating_add(1)).count() <= levels {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for &b in document {
        match b {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > levels {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// The JSON of an output; `()` is an empty body.
pub(crate) fn encode<O: Serialize>(output: &O) -> Result<Bytes, ServiceError> {
    let json = serde_json::to_vec(output).map_err(ServiceError::internal)?;
    Ok(if json == b"null" { Bytes::new() } else { json.into() })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::decode;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Inner {
        name: String,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    enum Kind {
        One,
        Two,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        text: String,
        number: Option<i32>,
        flag: Option<bool>,
        kind: Option<Kind>,
        #[serde(default)]
        list: Vec<Inner>,
    }

    #[test]
    fn what_is_wrong_is_said_as_aws_says_it() {
        let check = |body: &str, code: &str, message: &str| {
            let error = decode::<Input>(body.as_bytes(), "ValidationException").unwrap_err();
            assert_eq!((error.code(), error.message()), (code, message), "{body}");
        };
        let null = |at: &str| {
            format!(
                "1 validation error detected: Value null at '{at}' failed to satisfy constraint: Member must not be null"
            )
        };
        let invalid = "ValidationException";
        check("", invalid, &null("text"));
        check("{}", invalid, &null("text"));
        check(r#"{"Text":null}"#, invalid, &null("text"));
        check(r#"{"Text":"a","List":[{"Name":"b"},{}]}"#, invalid, &null("list.2.member.name"));
        check(r#"{"Text":"a","List":[null]}"#, invalid, &null("list.1.member"));
        let variant = "1 validation error detected: Value 'Six' at 'kind' failed to satisfy constraint: Member must satisfy \
                       enum value set: [One, Two]";
        check(r#"{"Text":"a","Kind":"Six"}"#, invalid, variant);
        let wrong = "SerializationException";
        check(r#"{"Text":5}"#, wrong, "NUMBER_VALUE can not be converted to a String");
        check(r#"{"Text":true}"#, wrong, "TRUE_VALUE can not be converted to a String");
        check(r#"{"Text":{}}"#, wrong, "Start of structure or map found where not expected.");
        check(r#"{"Text":"a","Number":"5"}"#, wrong, "STRING_VALUE can not be converted to a Number");
        check(r#"{"Text":"a","List":"x"}"#, wrong, "Expected list or null");
        check(r#"{"Text":"a","List":["x"]}"#, wrong, "Expected map or null");
        check("[]", wrong, "Expected map or null");
        check("5", wrong, "Expected map or null");
        check("{", wrong, "The request body is not valid JSON: EOF while parsing an object at line 1 column 1");
    }

    #[test]
    fn depth_is_limited_wherever_it_stands() {
        for open in ["[", r#"{"a":"#] {
            for member in ["Text", "Nobody"] {
                let deep = format!(r#"{{"{member}":{}"#, open.repeat(10_000));
                let error = decode::<Input>(deep.as_bytes(), "ValidationException").unwrap_err();
                assert_eq!(error.code(), "SerializationException");
                assert_eq!(error.message(), "The request body nests deeper than the limit of 127 levels");
            }
        }
        let brackets = format!(r#"{{"Text":"{}\"{{"}}"#, "[".repeat(10_000));
        assert!(decode::<Input>(brackets.as_bytes(), "ValidationException").is_ok());
    }

    #[test]
    fn a_null_member_is_an_absent_one() {
        let input: Input = decode(br#"{"Text":"a","List":null,"Number":null,"Other":{"x":[1]}}"#, "V").unwrap();
        assert_eq!(input, Input { text: "a".into(), number: None, flag: None, kind: None, list: vec![] });
    }
}
