//! The grammar of JSON over bytes: validation, and the content of texts.

use crate::error::EventError;
use crate::limits::{EVENT_BYTES_MAX, EVENT_DEPTH_MAX};

/// Whether `text` is a JSON number and nothing else.
pub(crate) fn is_number(text: &[u8]) -> bool {
    number_end(text, 0) == Some(text.len())
}

/// Where the number that starts at `at` ends, if one does.
fn number_end(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = |mut at: usize| {
        let start = at;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        (at > start).then_some(at)
    };
    let mut at = at + usize::from(bytes.get(at) == Some(&b'-'));
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { digits(at)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(at)?;
    }
    Some(at)
}

/// Writes what the raw content of a JSON text stands for behind `out`. Half a surrogate pair becomes U+FFFD. Returns whether every
/// escape was one of JSON's; an unknown one stands for the character after the backslash.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let mut well_formed = true;
    let mut at = 0;
    while let Some(rest) = raw.get(at..) {
        let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
        out.extend_from_slice(rest.get(..plain).unwrap_or_default());
        let Some(escape) = rest.get(plain + 1) else {
            return well_formed && plain == rest.len();
        };
        at += plain + 2;
        match escape {
            b'"' | b'\\' | b'/' => out.push(*escape),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let Some(unit) = hex4(raw, at) else {
                    well_formed = false;
                    continue;
                };
                at += 4;
                let mut code = unit;
                if (0xd800..0xdc00).contains(&unit)
                    && raw.get(at..at + 2) == Some(b"\\u")
                    && let Some(low) = hex4(raw, at + 2).filter(|low| (0xdc00..0xe000).contains(low))
                {
                    code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    at += 6;
                }
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => {
                well_formed = false;
                out.push(*escape);
            }
        }
    }
    well_formed
}

fn hex4(raw: &[u8], at: usize) -> Option<u32> {
    let digits = raw.get(at..at + 4)?;
    digits.iter().try_fold(0, |sum, b| Some(sum << 4 | char::from(*b).to_digit(16)?))
}

/// Checks that `event` is one JSON object in UTF-8, nested at most [`EVENT_DEPTH_MAX`] deep.
///
/// Takes no memory that grows with the event; nesting is kept in a bit a level. Names may repeat, and `\u` escapes may name half a
/// surrogate pair, as RFC 8259 allows.
///
/// # Errors
/// What is wrong, and where.
pub fn validate(event: &[u8]) -> Result<(), EventError> {
    if event.len() > EVENT_BYTES_MAX {
        return Err(EventError::TooLarge { bytes: event.len(), bytes_max: EVENT_BYTES_MAX });
    }
    if let Err(fault) = std::str::from_utf8(event) {
        return Err(EventError::NotJson { offset: fault.valid_up_to(), expected: "UTF-8" });
    }
    let at = space(event, 0);
    let mut checker = Checker { bytes: event, at, kinds: [0; LEVEL_WORDS], depth: 0 };
    checker.value()?;
    while checker.depth > 0 {
        checker.entry()?;
    }
    let end = space(event, checker.at);
    if end < event.len() {
        return Err(EventError::NotJson { offset: end, expected: "the end of the event" });
    }
    if event.get(at) != Some(&b'{') {
        return Err(EventError::NotObject);
    }
    Ok(())
}

const LEVEL_WORDS: usize = EVENT_DEPTH_MAX as usize / 64 + 1;

struct Checker<'a> {
    bytes: &'a [u8],
    at: usize,
    /// One bit a level: it is an object.
    kinds: [u64; LEVEL_WORDS],
    depth: usize,
}

impl Checker<'_> {
    fn fault<T>(&self, expected: &'static str) -> Result<T, EventError> {
        Err(EventError::NotJson { offset: self.at.min(self.bytes.len()), expected })
    }

    /// One value, or the opening bracket with the first name of an object.
    #[inline]
    fn value(&mut self) -> Result<(), EventError> {
        match self.bytes.get(self.at) {
            Some(b'"') => self.text(),
            Some(b'{') => {
                self.open(true)?;
                if self.bytes.get(self.at) == Some(&b'}') {
                    self.close()
                } else {
                    self.name().and_then(|()| self.value_below())
                }
            }
            Some(b'[') => {
                self.open(false)?;
                if self.bytes.get(self.at) == Some(&b']') { self.close() } else { self.value_below() }
            }
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => match number_end(self.bytes, self.at) {
                Some(end) => {
                    self.at = end;
                    Ok(())
                }
                None => self.fault("a value"),
            },
        }
    }

    /// The first value of an object or array just opened. Brackets that follow each other directly are opened here in a loop, so that
    /// depth costs no stack.
    fn value_below(&mut self) -> Result<(), EventError> {
        loop {
            match self.bytes.get(self.at) {
                Some(b'{') => {
                    self.open(true)?;
                    if self.bytes.get(self.at) == Some(&b'}') {
                        return self.close();
                    }
                    self.name()?;
                }
                Some(b'[') => {
                    self.open(false)?;
                    if self.bytes.get(self.at) == Some(&b']') {
                        return self.close();
                    }
                }
                _ => return self.value(),
            }
        }
    }

    /// What follows a value inside an object or array: its end, or a comma and the next entry.
    #[inline]
    fn entry(&mut self) -> Result<(), EventError> {
        self.at = space(self.bytes, self.at);
        let level = self.depth - 1;
        let object = self.kinds.get(level / 64).is_some_and(|word| word >> (level % 64) & 1 == 1);
        match self.bytes.get(self.at) {
            Some(b',') => {
                self.at = space(self.bytes, self.at + 1);
                if object {
                    self.name()?;
                }
                self.value()
            }
            Some(b'}') if object => self.close(),
            Some(b']') if !object => self.close(),
            _ => self.fault("a comma or a closing bracket"),
        }
    }

    fn open(&mut self, object: bool) -> Result<(), EventError> {
        if self.depth >= EVENT_DEPTH_MAX as usize {
            return Err(EventError::TooDeep { depth_max: EVENT_DEPTH_MAX });
        }
        if let Some(word) = self.kinds.get_mut(self.depth / 64) {
            *word = *word & !(1 << (self.depth % 64)) | u64::from(object) << (self.depth % 64);
        }
        self.depth += 1;
        self.at = space(self.bytes, self.at + 1);
        Ok(())
    }

    fn close(&mut self) -> Result<(), EventError> {
        self.depth -= 1;
        self.at += 1;
        Ok(())
    }

    fn name(&mut self) -> Result<(), EventError> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return self.fault("a name");
        }
        self.text()?;
        self.at = space(self.bytes, self.at);
        if self.bytes.get(self.at) != Some(&b':') {
            return self.fault("a colon");
        }
        self.at = space(self.bytes, self.at + 1);
        Ok(())
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), EventError> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) == Some(word) {
            self.at = end;
            return Ok(());
        }
        self.fault("a value")
    }

    #[inline]
    fn text(&mut self) -> Result<(), EventError> {
        self.at += 1;
        loop {
            self.at = plain_end(self.bytes, self.at);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => match self.bytes.get(self.at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                    Some(b'u') if hex4(self.bytes, self.at + 2).is_some() => self.at += 6,
                    _ => return self.fault("an escape"),
                },
                Some(_) => return self.fault("no control character"),
                None => return self.fault("a closing quote"),
            }
        }
    }
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Marks the bytes of `word` that are zero. The lowest mark is right; those above it may be wrong.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// The eight bytes from `at` on, the first one lowest.
#[inline]
fn eight(bytes: &[u8], at: usize) -> Option<u64> {
    let chunk = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(<[u8; 8]>::try_from(chunk).ok()?))
}

/// The first quote, backslash or control character from `at` on.
#[inline]
pub(crate) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = eight(bytes, at) {
        let quote = zero_bytes(word ^ (ONES * b'"' as u64));
        let backslash = zero_bytes(word ^ (ONES * b'\\' as u64));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = quote | backslash | control;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|b| *b != b'"' && *b != b'\\' && *b >= 0x20) {
        at += 1;
    }
    at
}

/// The first quote or bracket from `at` on, outside a text; a few bytes that are neither may be reported too.
#[inline]
pub(crate) fn structure(bytes: &[u8], mut at: usize) -> usize {
    // Without these bits all four brackets are 0x59, and besides them only `Y`, `y`, `_` and DEL.
    const BRACKET_BITS: u64 = ONES * 0xd9;
    while let Some(word) = eight(bytes, at) {
        let found = zero_bytes(word ^ (ONES * b'"' as u64)) | zero_bytes((word & BRACKET_BITS) ^ (ONES * 0x59));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|b| !matches!(b, b'"' | b'{' | b'[' | b'}' | b']')) {
        at += 1;
    }
    at
}

/// The first byte from `at` on that is no white space.
#[inline]
pub(crate) fn space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::validate;
    use crate::error::EventError;

    fn check(event: &str, expect: bool) {
        assert_eq!(validate(event.as_bytes()).is_ok(), expect, "{event}");
    }

    #[test]
    fn grammar_is_that_of_json() {
        for event in [
            r#"{}"#,
            r#" {"a":[1,-0.5e+3,true,false,null,"x\né\\",{},[],[[]],[{}]],"b":{"c":{"d":0}}} "#,
            r#"{"a":"é","a":2}"#,
            r#"{"a":[[1],[2]]}"#,
        ] {
            check(event, true);
            assert!(serde_json::from_str::<serde_json::Value>(event).is_ok(), "{event}");
        }
        for event in [
            "",
            "{",
            "}",
            "[]",
            "1",
            "{}x",
            "{]",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":tru}"#,
            r#"{"a":"x}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12"}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":[1 2]}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":-}"#,
            r#"{"a":[}"#,
            r#"{'a':1}"#,
            r#"{"a":+1}"#,
        ] {
            check(event, false);
        }
        assert!(validate(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn depth_is_an_error_and_no_overflow() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        check(&nested(999), true);
        assert_eq!(validate(nested(10_000).as_bytes()), Err(EventError::TooDeep { depth_max: 1000 }));
        assert_eq!(validate("[".repeat(10_000).as_bytes()), Err(EventError::TooDeep { depth_max: 1000 }));
        assert_eq!(validate("{\"a\":".repeat(10_000).as_bytes()), Err(EventError::TooDeep { depth_max: 1000 }));
    }
}
