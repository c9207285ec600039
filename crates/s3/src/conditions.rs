//! Conditional requests: whether the object is as its caller believes.
//!
//! AWS: S3 User Guide, "Conditional requests"; RFC 9110, section 13.2.2 for their order.

use cauce_core::Timestamp;
use http::HeaderMap;

use crate::error::{Plain, Result, S3Error};

/// What the conditions of a request say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
    if_modified_since: Option<Timestamp>,
    if_unmodified_since: Option<Timestamp>,
    /// The headers' names in the order of the fields above, for the error.
    names: [&'static str; 4],
}

/// What to do with a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answer with the object.
    Go,
    /// 304: the caller has it.
    NotModified,
    /// 412, with the condition that failed.
    Failed(&'static str),
}

const REQUEST: [&str; 4] = ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"];
const COPY_SOURCE: [&str; 4] = [
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-unmodified-since",
];

impl Conditions {
    /// The conditions on the object that the request names.
    pub(crate) fn of_request(headers: &HeaderMap) -> Conditions {
        Conditions::read(headers, REQUEST)
    }

    /// The conditions on the source of a copy.
    pub(crate) fn of_copy_source(headers: &HeaderMap) -> Conditions {
        Conditions::read(headers, COPY_SOURCE)
    }

    fn read(headers: &HeaderMap, names: [&'static str; 4]) -> Conditions {
        let [if_match, if_none_match, if_modified_since, if_unmodified_since] = names;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        // A date that does not read is as if it were not there (RFC 9110).
        let date = |name: &str| text(name).and_then(parse_http_date);
        Conditions {
            if_match: text(if_match).map(str::to_owned),
            if_none_match: text(if_none_match).map(str::to_owned),
            if_modified_since: date(if_modified_since),
            if_unmodified_since: date(if_unmodified_since),
            names,
        }
    }

    /// Whether an object with this tag (without quotes) and time of change may be read.
    pub(crate) fn read_verdict(&self, etag: &str, modified: Timestamp) -> Verdict {
        let [if_match, if_none_match, _, if_unmodified_since] = self.names;
        // Dates on the wire have whole seconds.
        let modified_s = modified.as_secs();
        if let Some(tags) = &self.if_match {
            if !names_tag(tags, etag) {
                return Verdict::Failed(if_match);
            }
        } else if self.if_unmodified_since.is_some_and(|since| modified_s > since.as_secs()) {
            return Verdict::Failed(if_unmodified_since);
        }
        if let Some(tags) = &self.if_none_match {
            if names_tag(tags, etag) {
                return if self.names == REQUEST { Verdict::NotModified } else { Verdict::Failed(if_none_match) };
            }
        } else if self.if_modified_since.is_some_and(|since| modified_s <= since.as_secs()) {
            let [.., if_modified_since, _] = self.names;
            return if self.names == REQUEST { Verdict::NotModified } else { Verdict::Failed(if_modified_since) };
        }
        Verdict::Go
    }

    /// Whether an object may be written over what is there (its tag without quotes).
    ///
    /// # Errors
    /// 412, or 404 `NoSuchKey` if one must be there that is not.
    pub(crate) fn check_write(&self, key: &str, current: Option<&str>) -> Result<()> {
        if self.if_none_match.is_some() && current.is_some() {
            return Err(S3Error::PreconditionFailed { condition: "If-None-Match" });
        }
        match (&self.if_match, current) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(S3Error::no_such_key(key)),
            (Some(tags), Some(etag)) if names_tag(tags, etag) => Ok(()),
            (Some(_), Some(_)) => Err(S3Error::PreconditionFailed { condition: "If-Match" }),
        }
    }

    /// Refuses conditions that S3 does not know on writes.
    ///
    /// # Errors
    /// 501 `NotImplemented`.
    pub(crate) fn check_known_on_write(&self) -> Result<()> {
        let unknown = self.if_none_match.as_deref().is_some_and(|tags| tags.trim() != "*")
            || self.if_modified_since.is_some()
            || self.if_unmodified_since.is_some();
        if unknown { Err(Plain::NotImplemented.into()) } else { Ok(()) }
    }
}

/// Whether a list of tags as headers have it contains `etag`.
fn names_tag(tags: &str, etag: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| {
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || tag.trim_matches('"') == etag
    })
}

/// A date as HTTP has it.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok().map(Timestamp::from_secs)
}

/// A moment as HTTP writes it.
pub(crate) fn http_date(at: Timestamp) -> String {
    let since = std::time::Duration::from_secs(at.as_secs().unsigned_abs());
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + since)
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Conditions, Verdict, http_date, parse_http_date};

    const EARLIER: &str = "Sun, 22 Nov 2026 03:00:00 GMT";
    const LATER: &str = "Sun, 22 Nov 2026 05:00:00 GMT";

    fn conditions(headers: &[(&str, &str)]) -> Conditions {
        let pairs = headers.iter().map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        Conditions::of_request(&pairs.collect::<HeaderMap>())
    }

    #[test]
    fn reads_obey_rfc_9110() {
        let modified = parse_http_date("Sun, 22 Nov 2026 04:00:00 GMT").unwrap();
        let check = |headers: &[(&str, &str)], expect| {
            assert_eq!(conditions(headers).read_verdict("abc", modified), expect, "{headers:?}");
        };
        check(&[], Verdict::Go);
        check(&[("if-match", "\"abc\"")], Verdict::Go);
        check(&[("if-match", "abc")], Verdict::Go);
        check(&[("if-match", "*")], Verdict::Go);
        check(&[("if-match", "\"x\", \"abc\"")], Verdict::Go);
        check(&[("if-match", "\"x\"")], Verdict::Failed("If-Match"));
        check(&[("if-none-match", "\"abc\"")], Verdict::NotModified);
        check(&[("if-none-match", "\"x\"")], Verdict::Go);
        check(&[("if-modified-since", EARLIER)], Verdict::Go);
        check(&[("if-modified-since", LATER)], Verdict::NotModified);
        check(&[("if-modified-since", "nonsense")], Verdict::Go);
        check(&[("if-unmodified-since", EARLIER)], Verdict::Failed("If-Unmodified-Since"));
        check(&[("if-unmodified-since", LATER)], Verdict::Go);
        // A tag outweighs a date.
        check(&[("if-match", "\"abc\""), ("if-unmodified-since", EARLIER)], Verdict::Go);
        check(&[("if-none-match", "\"x\""), ("if-modified-since", LATER)], Verdict::Go);
    }

    #[test]
    fn writes_know_two_conditions() {
        let check = |headers: &[(&str, &str)], current: Option<&str>, ok: bool| {
            assert_eq!(conditions(headers).check_write("k", current).is_ok(), ok, "{headers:?} {current:?}");
        };
        check(&[("if-none-match", "*")], None, true);
        check(&[("if-none-match", "*")], Some("abc"), false);
        check(&[("if-match", "\"abc\"")], Some("abc"), true);
        check(&[("if-match", "\"abc\"")], Some("x"), false);
        check(&[("if-match", "\"abc\"")], None, false);
        check(&[], Some("x"), true);
        assert!(conditions(&[("if-none-match", "\"abc\"")]).check_known_on_write().is_err());
        assert!(conditions(&[("if-none-match", "*")]).check_known_on_write().is_ok());
    }

    #[test]
    fn dates_come_back() {
        let at = Timestamp::from_secs(1_795_320_000);
        assert_eq!(parse_http_date(&http_date(at)), Some(at));
    }
}
