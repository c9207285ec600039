//! `$util`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use super::strings::argument_text;
use super::value::{Heap, Value};
use super::{RenderError, json};

/// What Java's `URLEncoder` leaves as it is besides letters and digits.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'*').remove(b'_').remove(b' ');

pub(super) fn call(heap: &mut Heap, name: &str, arguments: &[Value]) -> Result<Option<Value>, RenderError> {
    let [argument] = arguments else { return Ok(None) };
    let text = argument_text(heap, argument)?;
    Ok(Some(match name {
        "escapeJavaScript" => {
            let escaped = escape_java_script(&text);
            heap.text(escaped)?
        }
        "parseJson" => json::read(heap, &text)?,
        "urlEncode" => {
            let encoded = utf8_percent_encode(&text, FORM).to_string().replace(' ', "+");
            heap.text(encoded)?
        }
        "urlDecode" => {
            let spaced = text.replace('+', " ");
            let decoded = percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned();
            heap.text(decoded)?
        }
        "base64Encode" => heap.text(STANDARD.encode(text.as_bytes()))?,
        "base64Decode" => {
            let decoded = STANDARD
                .decode(text.as_bytes())
                .map_err(|error| RenderError::Method { method: "base64Decode", reason: error.to_string() })?;
            heap.text(String::from_utf8_lossy(&decoded).into_owned())?
        }
        _ => return Ok(None),
    }))
}

/// As `StringEscapeUtils.escapeJavaScript` of Apache Commons.
fn escape_java_script(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut units = [0; 2];
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' | '/' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
    out
}
