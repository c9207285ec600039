//! Form parameters, made into the tree that their dotted names describe.

use std::borrow::Cow;

use cauce_core::ServiceError;
use percent_encoding::percent_decode;

use crate::document::Form;

/// How many parameters a form may have.
const FORM_PARAMETERS_MAX: usize = 10_000;
/// How many parts a parameter's name may have.
const FORM_DEPTH_MAX: usize = 32;

/// The code of every error of reading a form.
pub(crate) const MALFORMED: &str = "MalformedInput";

/// The tree of a form body or query string.
///
/// # Errors
/// 400 `MalformedInput`: too many parameters, a name with too many parts, bytes that are not UTF-8.
pub(crate) fn parse(form: &[u8]) -> Result<Form<'_>, ServiceError> {
    let mut root = Form::default();
    for (at, pair) in form.split(|&b| b == b'&').filter(|pair| !pair.is_empty()).enumerate() {
        if at >= FORM_PARAMETERS_MAX {
            let message = format!("The request has more than the limit of {FORM_PARAMETERS_MAX} parameters");
            return Err(ServiceError::new(400, MALFORMED, message));
        }
        let (name, value) = match memchr::memchr(b'=', pair) {
            Some(at) => (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default()),
            None => (pair, &b""[..]),
        };
        insert(&mut root, decode(name)?, decode(value)?)?;
    }
    Ok(root)
}

fn insert<'a>(root: &mut Form<'a>, name: Cow<'a, str>, value: Cow<'a, str>) -> Result<(), ServiceError> {
    let mut node = root;
    let mut parts = 0;
    match name {
        Cow::Borrowed(name) => {
            for part in name.split('.') {
                parts += 1;
                check_parts(parts)?;
                node = node.children.entry(Cow::Borrowed(part)).or_default();
            }
        }
        Cow::Owned(name) => {
            for part in name.split('.') {
                parts += 1;
                check_parts(parts)?;
                node = node.children.entry(Cow::Owned(part.to_owned())).or_default();
            }
        }
    }
    // The first of several values counts, as it does for the parameter that names the action.
    node.text.get_or_insert(value);
    Ok(())
}

fn check_parts(parts: usize) -> Result<(), ServiceError> {
    if parts <= FORM_DEPTH_MAX {
        return Ok(());
    }
    let message = format!("A parameter's name has more than the limit of {FORM_DEPTH_MAX} parts");
    Err(ServiceError::new(400, MALFORMED, message))
}

/// Percent-decodes with `+` for a space. A percent sign without two hex digits is refused.
pub(crate) fn decode(text: &[u8]) -> Result<Cow<'_, str>, ServiceError> {
    let not_text = || ServiceError::new(400, MALFORMED, "A parameter is not valid percent-encoded UTF-8");
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| not_text());
    }
    if !escapes_are_whole(text) {
        return Err(not_text());
    }
    let spaced: Vec<u8> = text.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
    String::from_utf8(percent_decode(&spaced).collect()).map(Cow::Owned).map_err(|_| not_text())
}

/// Whether every percent sign is followed by two hex digits.
pub(crate) fn escapes_are_whole(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text)
        .all(|at| text.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{any, prop_assert_eq, proptest};
    use serde::Deserialize;

    use super::parse;
    use crate::document::Document;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase", default)]
    struct Input {
        name: Option<String>,
        count: Option<u32>,
        ratio: Option<f64>,
        flag: Option<bool>,
        at: Option<cauce_core::Timestamp>,
        blob: Option<cauce_core::Blob>,
        list: Vec<String>,
        numbers: Option<Vec<i64>>,
        tags: Vec<Tag>,
        map: BTreeMap<String, String>,
        nested: Option<Nested>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Tag {
        key: String,
        value: String,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Nested {
        mode: String,
        deeper: Option<Box<Nested>>,
    }

    fn read(form: &str) -> Result<Input, (String, String)> {
        let said = |e: cauce_core::ServiceError| (e.code().to_owned(), e.message().to_owned());
        let form = parse(form.as_bytes()).map_err(said)?;
        Input::deserialize(Document::Form(form))
            .map_err(|e| said(e.into_service_error("ValidationError", "MalformedInput")))
    }

    #[test]
    fn forms_are_read() {
        let check = |form: &str, expect: Input| assert_eq!(read(form), Ok(expect), "{form}");
        let text = |text: &str| Some(text.to_owned());
        let list = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        check("", Input::default());
        check("Action=X&Version=1&Unknown.a.b=c", Input::default());
        check("Name=a+b%26%C3%A9", Input { name: text("a b&é"), ..Input::default() });
        check("Name=", Input { name: text(""), ..Input::default() });
        check("Name=a&Name=b", Input { name: text("a"), ..Input::default() });
        let typed = Input { count: Some(7), ratio: Some(0.5), flag: Some(true), ..Input::default() };
        check("Count=7&Ratio=0.5&Flag=true", typed);
        let at = cauce_core::Timestamp::from_millis(1_700_000_000_250);
        check("At=2023-11-14T22%3A13%3A20.250Z", Input { at: Some(at), ..Input::default() });
        check("Blob=aGk%3D", Input { blob: Some(cauce_core::Blob("hi".into())), ..Input::default() });
        let three = || Input { list: list(&["a", "b", "c"]), ..Input::default() };
        check("List.member.1=a&List.member.2=b&List.member.3=c", three());
        check("List.3=c&List.1=a&List.2=b", three());
        check("List.Item.10=c&List.Item.9=b&List.Item.1=a", three());
        check(
            "List=&Map=&Tags=&Nested.Mode=x",
            Input { nested: Some(Nested { mode: "x".into(), deeper: None }), ..Input::default() },
        );
        check("Numbers.member.1=-5", Input { numbers: Some(vec![-5]), ..Input::default() });
        check("Numbers=", Input { numbers: Some(vec![]), ..Input::default() });
        let tags = vec![Tag { key: "k".into(), value: "v".into() }, Tag { key: "l".into(), value: String::new() }];
        check(
            "Tags.member.1.Key=k&Tags.member.1.Value=v&Tags.member.2.Key=l&Tags.member.2.Value=",
            Input { tags, ..Input::default() },
        );
        let map = || Input { map: [("k".into(), "v".into()), ("l".into(), "w".into())].into(), ..Input::default() };
        check("Map.entry.1.key=k&Map.entry.1.value=v&Map.entry.2.key=l&Map.entry.2.value=w", map());
        check("Map.1.Name=k&Map.1.Value=v&Map.2.Name=l&Map.2.Value=w", map());
        let deeper = Some(Box::new(Nested { mode: "y".into(), deeper: None }));
        check(
            "Nested.Mode=x&Nested.Deeper.Mode=y",
            Input { nested: Some(Nested { mode: "x".into(), deeper }), ..Input::default() },
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let check = |form: &str, code: &str, message: &str| {
            assert_eq!(read(form), Err((code.to_owned(), message.to_owned())), "{form}");
        };
        let null = |at: &str| {
            format!(
                "1 validation error detected: Value null at '{at}' failed to satisfy constraint: Member must not be null"
            )
        };
        check("Tags.member.1.Value=v", "ValidationError", &null("tags.1.member.key"));
        check("Nested.Deeper.Mode=x", "ValidationError", &null("nested.mode"));
        check("Count=x", "MalformedInput", "STRING_VALUE can not be converted to a Number");
        check("Flag=maybe", "MalformedInput", "STRING_VALUE can not be converted to a Boolean");
        check("Name.x=1", "MalformedInput", "Start of structure or map found where not expected.");
        check("List=x", "MalformedInput", "Expected list or null");
        check("Nested=x", "MalformedInput", "Expected map or null");
        check("Name=%zz", "MalformedInput", "A parameter is not valid percent-encoded UTF-8");
        check("Name=%ff", "MalformedInput", "A parameter is not valid percent-encoded UTF-8");
        check("%", "MalformedInput", "A parameter is not valid percent-encoded UTF-8");
        let deep = format!("Nested{}=x", ".Deeper".repeat(40));
        check(&deep, "MalformedInput", "A parameter's name has more than the limit of 32 parts");
        let many = (0..10_001).map(|n| format!("List.member.{n}=x")).collect::<Vec<_>>().join("&");
        check(&many, "MalformedInput", "The request has more than the limit of 10000 parameters");
    }

    fn encode(text: &str) -> String {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(name in any::<String>(), list in proptest::collection::vec(any::<String>(), 0..20), map in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..5), count in any::<u32>()) {
            let mut form = format!("Name={}&Count={count}", encode(&name));
            for (at, item) in list.iter().enumerate() {
                form += &format!("&List.member.{}={}", at + 1, encode(item));
            }
            for (at, (key, value)) in map.iter().enumerate() {
                form += &format!("&Map.entry.{0}.key={1}&Map.entry.{0}.value={2}", at + 1, encode(key), encode(value));
            }
            let expect = Input { name: Some(name), count: Some(count), list, map, ..Input::default() };
            prop_assert_eq!(read(&form), Ok(expect));
        }

        #[test]
        fn no_form_makes_it_fail_badly(form in "[a-zA-Z0-9.=&%+]{0,80}") {
            let _ = read(&form);
            let _ = read(&format!("List.{form}"));
            let _ = read(&format!("Map.{form}"));
        }
    }
}
