//! The part of an object that a `Range` header asks for.

use crate::error::{Plain, Result};

/// Bytes `start..end` of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl ByteRange {
    pub(crate) fn len(self) -> u64 {
        self.end - self.start
    }
}

/// What a `Range` header asks of an object of `bytes`; `None` for all of it. S3 answers one range only, and treats what does
/// not read as one as if it were not there.
///
/// # Errors
/// `InvalidRange` if nothing of the object is in it.
pub(crate) fn parse_range(header: &str, bytes: u64) -> Result<Option<ByteRange>> {
    let Some((first, last)) = header.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        text if text.bytes().all(|b| b.is_ascii_digit()) => text.parse::<u64>().ok().map(Some),
        _ => None,
    };
    let (Some(first), Some(last)) = (number(first), number(last)) else { return Ok(None) };
    let range = match (first, last) {
        (None, None) => return Ok(None),
        (Some(first), Some(last)) if last < first => return Ok(None),
        (Some(start), last) => ByteRange { start, end: last.map_or(bytes, |last| last.saturating_add(1).min(bytes)) },
        (None, Some(suffix)) => ByteRange { start: bytes.saturating_sub(suffix), end: bytes },
    };
    if range.start >= range.end { Err(Plain::InvalidRange.into()) } else { Ok(Some(range)) }
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn ranges() {
        let check = |header: &str, bytes: u64, expect: Option<Option<(u64, u64)>>| {
            let got = parse_range(header, bytes).ok().map(|range| range.map(|r| (r.start, r.end)));
            assert_eq!(got, expect, "{header} of {bytes}");
        };
        check("bytes=0-4", 10, Some(Some((0, 5))));
        check("bytes=5-", 10, Some(Some((5, 10))));
        check("bytes=-3", 10, Some(Some((7, 10))));
        check("bytes=-30", 10, Some(Some((0, 10))));
        check("bytes=0-99", 10, Some(Some((0, 10))));
        check("bytes=0-18446744073709551615", 10, Some(Some((0, 10))));
        // Not satisfiable.
        check("bytes=10-", 10, None);
        check("bytes=-0", 10, None);
        check("bytes=0-0", 0, None);
        // No range at all.
        for header in ["bytes=", "bytes=-", "bytes=4-2", "bytes=0-1,3-4", "bytes=a-b", "lines=0-1", "bytes=+1-2", ""] {
            check(header, 10, Some(None));
        }
    }
}
