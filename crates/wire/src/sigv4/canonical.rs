//! The canonical request: one spelling of a request, so that both sides hash the same bytes.

use std::borrow::Cow;

use http::HeaderMap;
use percent_encoding::percent_decode;
use sha2::{Digest as _, Sha256};

/// Where canonical bytes go: straight into a hash, or into a buffer to look at.
pub(crate) trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for Sha256 {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

/// How a service spells paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathStyle {
    /// Dot segments and repeated slashes removed, then encoded once more as it came.
    Normalized,
    /// S3: each byte means itself; decoded and encoded once.
    Verbatim,
}

/// The parts of a request that are signed, before any decoding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CanonicalRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) path_style: PathStyle,
    /// The raw query, without the question mark.
    pub(crate) query: &'a str,
    /// A query parameter to leave out: the signature itself, when it stands in the query.
    pub(crate) query_without: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    /// The `Host`, where it is not among the headers.
    pub(crate) host: &'a str,
    /// Names in lower case, separated by semicolons.
    pub(crate) signed_headers: &'a str,
    /// The last line: a hex hash or a keyword.
    pub(crate) payload_hash: &'a str,
}

impl CanonicalRequest<'_> {
    /// Writes the canonical request.
    pub(crate) fn write(&self, out: &mut impl Sink) {
        out.put(self.method.as_bytes());
        out.put(b"\n");
        write_path(out, self.path, self.path_style);
        out.put(b"\n");
        write_query(out, self.query, self.query_without);
        out.put(b"\n");
        for name in self.signed_headers.split(';') {
            out.put(name.as_bytes());
            out.put(b":");
            self.write_header(out, name);
            out.put(b"\n");
        }
        out.put(b"\n");
        out.put(self.signed_headers.as_bytes());
        out.put(b"\n");
        out.put(self.payload_hash.as_bytes());
    }

    fn write_header(&self, out: &mut impl Sink, name: &str) {
        let mut values = self.headers.get_all(name).iter().peekable();
        if values.peek().is_none() && name == "host" {
            out.put(self.host.as_bytes());
        }
        let mut first = true;
        for value in values {
            if !first {
                out.put(b",");
            }
            first = false;
            write_header_value(out, value.as_bytes());
        }
    }
}

/// Trimmed, with runs of spaces made one.
fn write_header_value(out: &mut impl Sink, value: &[u8]) {
    let value = value.trim_ascii();
    if !value.windows(2).any(|pair| pair == b"  ") {
        return out.put(value);
    }
    for (at, word) in value.split(|&b| b == b' ').filter(|word| !word.is_empty()).enumerate() {
        if at > 0 {
            out.put(b" ");
        }
        out.put(word);
    }
}

/// Whether a byte stands for itself in a URI: RFC 3986's unreserved characters.
const fn unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// Percent-encodes everything but unreserved characters and what `also` lets through.
pub(crate) fn write_encoded(out: &mut impl Sink, bytes: &[u8], also: Option<u8>) {
    let keep = |b: u8| unreserved(b) || Some(b) == also;
    let mut rest = bytes;
    while !rest.is_empty() {
        let run = rest.iter().position(|&b| !keep(b)).unwrap_or(rest.len());
        let (plain, tail) = rest.split_at(run);
        out.put(plain);
        rest = tail;
        if let Some((&b, tail)) = rest.split_first() {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
            out.put(&[b'%', digit(b >> 4), digit(b & 15)]);
            rest = tail;
        }
    }
}

fn write_path(out: &mut impl Sink, path: &str, style: PathStyle) {
    match style {
        _ if path == "/" || path.is_empty() => out.put(b"/"),
        PathStyle::Verbatim => {
            let decoded: Cow<'_, [u8]> = percent_decode(path.as_bytes()).into();
            write_encoded(out, &decoded, Some(b'/'));
        }
        PathStyle::Normalized => {
            let mut kept: Vec<&str> = Vec::new();
            for segment in path.split('/') {
                match segment {
                    "" | "." => {}
                    ".." => drop(kept.pop()),
                    other => kept.push(other),
                }
            }
            for segment in &kept {
                out.put(b"/");
                write_encoded(out, segment.as_bytes(), None);
            }
            // A path that ends in a slash, or was only dots and slashes, keeps one.
            if kept.is_empty() || path.ends_with('/') {
                out.put(b"/");
            }
        }
    }
}

fn write_query(out: &mut impl Sink, query: &str, without: Option<&str>) {
    if query.is_empty() {
        return;
    }
    let encode = |text: &str| {
        let spaced = text.as_bytes().iter().map(|&b| if b == b'+' { b' ' } else { b }).collect::<Vec<u8>>();
        let decoded: Cow<'_, [u8]> = percent_decode(&spaced).into();
        let mut encoded = Vec::with_capacity(decoded.len());
        write_encoded(&mut encoded, &decoded, None);
        encoded
    };
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(name, _)| Some(*name) != without)
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort_unstable();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.put(b"&");
        }
        out.put(name);
        out.put(b"=");
        out.put(value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{PathStyle, write_encoded, write_header_value, write_path, write_query};

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn paths() {
        let check = |path: &str, normalized: &str, verbatim: &str| {
            assert_eq!(text(|out| write_path(out, path, PathStyle::Normalized)), normalized, "{path}");
            assert_eq!(text(|out| write_path(out, path, PathStyle::Verbatim)), verbatim, "{path}");
        };
        check("", "/", "/");
        check("/", "/", "/");
        check("//", "/", "//");
        check("/example/..", "/", "/example/..");
        check("/./", "/", "/./");
        check("/./example", "/example", "/./example");
        check("//example//", "/example/", "//example//");
        check("/a/../../b", "/b", "/a/../../b");
        check("/functions/arn%3Aaws", "/functions/arn%253Aaws", "/functions/arn%3Aaws");
        check("/functions/arn:aws", "/functions/arn%3Aaws", "/functions/arn%3Aaws");
        check("/a%2fb+c%20d", "/a%252fb%2Bc%2520d", "/a/b%2Bc%20d");
        check("/ሴ", "/%E1%88%B4", "/%E1%88%B4");
    }

    #[test]
    fn queries() {
        let check = |query: &str, expect: &str| assert_eq!(text(|out| write_query(out, query, Some("sig"))), expect);
        check("", "");
        check("b=2&a=1", "a=1&b=2");
        check("a=b&a=a&A=z", "A=z&a=a&a=b");
        check("flag&x=", "flag=&x=");
        check("a=%7e&b=%2f&c=d e+f", "a=~&b=%2F&c=d%20e%20f");
        check("sig=1&a=1&sig=2", "a=1");
        check("a=1&&b", "a=1&b=");
        check("a=b=c", "a=b%3Dc");
    }

    #[test]
    fn header_values() {
        let check =
            |value: &str, expect: &str| assert_eq!(text(|out| write_header_value(out, value.as_bytes())), expect);
        check("  a   b  c ", "a b c");
        check("a b", "a b");
        check("", "");
    }

    proptest! {
        #[test]
        fn encoding_is_undone_by_decoding(bytes in any::<Vec<u8>>()) {
            let encoded = text(|out| write_encoded(out, &bytes, None));
            prop_assert_eq!(percent_encoding::percent_decode_str(&encoded).collect::<Vec<u8>>(), bytes);
        }

        #[test]
        fn a_canonical_query_is_its_own_canonical_form(query in "[a-z%=&+/ ]{0,40}") {
            let once = text(|out| write_query(out, &query, None));
            let twice = text(|out| write_query(out, &once, None));
            prop_assert_eq!(once, twice);
        }
    }
}
