//! Typed keys: a two-byte kind first, then parts whose bytes sort as their values do.
//!
//! | part | bytes |
//! |---|---|
//! | kind | 2, big-endian |
//! | `u16`, `u32`, `u64` | big-endian |
//! | `i64` | big-endian with the sign bit flipped |
//! | `u64_desc`, `i64_desc` | the complement of the above: larger values first |
//! | `str`, `bytes` | `0x00` becomes `0x00 0xFF`, then the terminator `0x00 0x01` |
//! | `str_prefix`, `raw` | as given: only as the last part |
//!
//! The terminator has two bytes so that whatever part follows cannot be taken for an escape.

use bytes::{BufMut, BytesMut};

use crate::contract::Bytes;

const ZERO: u8 = 0x00;
const ESCAPED: u8 = 0xFF;
const TERMINATOR: u8 = 0x01;

/// What a row is. The first two bytes of every key; a number once used is never given to anything else.
/// `0x0000..=0x00FF` belong to the store itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(pub u16);

impl Kind {
    /// A kind, for `const` declarations in a crate's `keys.rs`.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }
}

/// Builds a key part by part.
///
/// ```
/// use cauce_store::{Key, Kind};
/// const RULE: Kind = Kind::new(0x0203);
/// let all_of_bus = Key::new(RULE).str("default").prefix_range();
/// let one = Key::new(RULE).str("default").str("my-rule").build();
/// assert!(all_of_bus.0 <= one && one < all_of_bus.1);
/// ```
#[derive(Debug, Clone)]
pub struct Key {
    buf: BytesMut,
}

impl Key {
    /// Starts a key of this kind.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let mut buf = BytesMut::with_capacity(64);
        buf.put_u16(kind.0);
        Self { buf }
    }

    /// Appends a text.
    #[must_use]
    pub fn str(self, part: &str) -> Self {
        self.bytes(part.as_bytes())
    }

    /// Appends bytes of any length and content.
    #[must_use]
    pub fn bytes(mut self, part: &[u8]) -> Self {
        self.put_escaped(part);
        self.buf.put_slice(&[ZERO, TERMINATOR]);
        self
    }

    /// Appends the beginning of a text, so that [`prefix_range`](Key::prefix_range) covers all texts that begin so.
    /// Nothing may follow.
    #[must_use]
    pub fn str_prefix(mut self, part: &str) -> Self {
        self.put_escaped(part.as_bytes());
        self
    }

    /// Appends bytes as they are. Nothing may follow but parts of which the reader knows where they begin.
    #[must_use]
    pub fn raw(mut self, part: &[u8]) -> Self {
        self.buf.put_slice(part);
        self
    }

    /// Appends one byte.
    #[must_use]
    pub fn u8(mut self, part: u8) -> Self {
        self.buf.put_u8(part);
        self
    }

    /// Appends a number, ascending.
    #[must_use]
    pub fn u16(mut self, part: u16) -> Self {
        self.buf.put_u16(part);
        self
    }

    /// Appends a number, ascending.
    #[must_use]
    pub fn u32(mut self, part: u32) -> Self {
        self.buf.put_u32(part);
        self
    }

    /// Appends a number, ascending.
    #[must_use]
    pub fn u64(mut self, part: u64) -> Self {
        self.buf.put_u64(part);
        self
    }

    /// Appends a number, descending.
    #[must_use]
    pub fn u64_desc(self, part: u64) -> Self {
        self.u64(!part)
    }

    /// Appends a number, ascending.
    #[must_use]
    pub fn i64(self, part: i64) -> Self {
        self.u64(part.cast_unsigned() ^ (1 << 63))
    }

    /// Appends a number, descending.
    #[must_use]
    pub fn i64_desc(self, part: i64) -> Self {
        self.u64(!(part.cast_unsigned() ^ (1 << 63)))
    }

    /// The finished key.
    #[must_use]
    pub fn build(self) -> Bytes {
        self.buf.freeze()
    }

    /// Start and end of the range of all keys that begin with the parts given so far.
    #[must_use]
    pub fn prefix_range(self) -> (Bytes, Bytes) {
        let start = self.buf.freeze();
        let end = prefix_end(&start);
        (start, end)
    }

    fn put_escaped(&mut self, part: &[u8]) {
        for byte in part {
            self.buf.put_u8(*byte);
            if *byte == ZERO {
                self.buf.put_u8(ESCAPED);
            }
        }
    }
}

impl From<Key> for Bytes {
    fn from(key: Key) -> Self {
        key.build()
    }
}

/// The first key after all keys that begin with `prefix`. For a prefix of nothing but `0xFF` there is none, and a key longer
/// than any accepted one is returned.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Bytes {
    let kept = prefix.iter().rposition(|byte| *byte != 0xFF);
    let Some(last) = kept else { return Bytes::from(vec![0xFF; 16 * 1024]) };
    let mut end: Vec<u8> = prefix.iter().take(last + 1).copied().collect();
    if let Some(byte) = end.last_mut() {
        *byte += 1;
    }
    end.into()
}

/// Why a key does not read as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key ends where a part was expected.
    #[error("the key ends where a {0} was expected")]
    Short(&'static str),
    /// The key is of another kind.
    #[error("the key is of kind {found:#06x}, expected {expected:#06x}")]
    Kind {
        /// The kind in the key.
        found: u16,
        /// The kind asked for.
        expected: u16,
    },
    /// A text part is not UTF-8.
    #[error("a text part of the key is not UTF-8")]
    Text,
    /// A zero byte is followed by neither escape nor terminator.
    #[error("a part of the key is not escaped properly")]
    Escape,
    /// Parts are left over.
    #[error("{0} bytes follow the last expected part of the key")]
    Trailing(usize),
}

/// Takes a key apart again, in the order in which it was built.
#[derive(Debug, Clone)]
pub struct KeyReader<'a> {
    rest: &'a [u8],
}

impl<'a> KeyReader<'a> {
    /// Starts reading a key of this kind.
    ///
    /// # Errors
    /// [`KeyError::Kind`] if it is of another kind, [`KeyError::Short`] if it is no key at all.
    pub fn new(key: &'a [u8], kind: Kind) -> Result<Self, KeyError> {
        let mut reader = Self { rest: key };
        let found = reader.u16()?;
        if found != kind.0 {
            return Err(KeyError::Kind { found, expected: kind.0 });
        }
        Ok(reader)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`KeyError`] if there is none.
    pub fn str(&mut self) -> Result<String, KeyError> {
        String::from_utf8(self.bytes()?).map_err(|_| KeyError::Text)
    }

    /// Reads a part written by [`Key::bytes`].
    ///
    /// # Errors
    /// [`KeyError`] if there is none.
    pub fn bytes(&mut self) -> Result<Vec<u8>, KeyError> {
        let mut part = Vec::new();
        let mut bytes = self.rest.iter();
        while let Some(byte) = bytes.next() {
            if *byte != ZERO {
                part.push(*byte);
                continue;
            }
            match bytes.next() {
                Some(&ESCAPED) => part.push(ZERO),
                Some(&TERMINATOR) => {
                    self.rest = bytes.as_slice();
                    return Ok(part);
                }
                _ => return Err(KeyError::Escape),
            }
        }
        Err(KeyError::Short("text"))
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn u8(&mut self) -> Result<u8, KeyError> {
        self.array::<1>("u8").map(|[byte]| byte)
    }

    /// Reads a number.
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn u16(&mut self) -> Result<u16, KeyError> {
        self.array("u16").map(u16::from_be_bytes)
    }

    /// Reads a number.
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn u32(&mut self) -> Result<u32, KeyError> {
        self.array("u32").map(u32::from_be_bytes)
    }

    /// Reads a number.
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn u64(&mut self) -> Result<u64, KeyError> {
        self.array("u64").map(u64::from_be_bytes)
    }

    /// Reads a number written by [`Key::u64_desc`].
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn u64_desc(&mut self) -> Result<u64, KeyError> {
        self.u64().map(|bits| !bits)
    }

    /// Reads a number written by [`Key::i64`].
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn i64(&mut self) -> Result<i64, KeyError> {
        self.u64().map(|bits| (bits ^ (1 << 63)).cast_signed())
    }

    /// Reads a number written by [`Key::i64_desc`].
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn i64_desc(&mut self) -> Result<i64, KeyError> {
        self.u64().map(|bits| (!bits ^ (1 << 63)).cast_signed())
    }

    /// The rest of the key as it is.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.rest
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`KeyError::Trailing`] if anything is left.
    pub fn end(self) -> Result<(), KeyError> {
        if self.rest.is_empty() { Ok(()) } else { Err(KeyError::Trailing(self.rest.len())) }
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], KeyError> {
        let (part, rest) = self.rest.split_first_chunk::<N>().ok_or(KeyError::Short(what))?;
        self.rest = rest;
        Ok(*part)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_oneof};
    use proptest::{prop_assert_eq, proptest};

    use super::{Key, KeyError, KeyReader, Kind, prefix_end};

    const KIND: Kind = Kind::new(0x0102);

    /// A part of a key, and where it must sort among its like.
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
    enum Part {
        Bytes(Vec<u8>),
        U16(u16),
        U64(u64),
        I64(i64),
    }

    fn put(key: Key, part: &Part) -> Key {
        match part {
            Part::Bytes(part) => key.bytes(part),
            Part::U16(part) => key.u16(*part),
            Part::U64(part) => key.u64(*part),
            Part::I64(part) => key.i64(*part),
        }
    }

    fn awkward_bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![any::<u8>(), 0..3u8, 0xFE..=0xFFu8], 0..6)
    }

    /// Two keys of the same shape.
    fn pairs() -> impl Strategy<Value = Vec<(Part, Part)>> {
        let numbers = || prop_oneof![any::<u64>(), 0..3u64, (u64::MAX - 2)..=u64::MAX];
        let part = prop_oneof![
            (awkward_bytes(), awkward_bytes()).prop_map(|(a, b)| (Part::Bytes(a), Part::Bytes(b))),
            (any::<u16>(), any::<u16>()).prop_map(|(a, b)| (Part::U16(a), Part::U16(b))),
            (numbers(), numbers()).prop_map(|(a, b)| (Part::U64(a), Part::U64(b))),
            (numbers(), numbers()).prop_map(|(a, b)| (Part::I64(a.cast_signed()), Part::I64(b.cast_signed()))),
        ];
        // Often the same, so that later parts matter.
        let part = (part, any::<bool>()).prop_map(|((a, b), same)| if same { (a.clone(), a) } else { (a, b) });
        proptest::collection::vec(part, 0..5)
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_parts_do(pairs in pairs()) {
            let (a, b): (Vec<Part>, Vec<Part>) = pairs.into_iter().unzip();
            let key = |parts: &[Part]| parts.iter().fold(Key::new(KIND), put).build();
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        }

        #[test]
        fn keys_read_back(parts in pairs()) {
            let parts: Vec<Part> = parts.into_iter().map(|(part, _)| part).collect();
            let key = parts.iter().fold(Key::new(KIND), put).build();
            let mut reader = KeyReader::new(&key, KIND).unwrap();
            for part in &parts {
                let read = match part {
                    Part::Bytes(_) => Part::Bytes(reader.bytes().unwrap()),
                    Part::U16(_) => Part::U16(reader.u16().unwrap()),
                    Part::U64(_) => Part::U64(reader.u64().unwrap()),
                    Part::I64(_) => Part::I64(reader.i64().unwrap()),
                };
                prop_assert_eq!(&read, part);
            }
            reader.end().unwrap();
        }

        #[test]
        fn descending_numbers_descend(a: i64, b: i64) {
            let key = |number: i64| Key::new(KIND).i64_desc(number).u64_desc(number.cast_unsigned()).build();
            prop_assert_eq!(key(a).cmp(&key(b)), b.cmp(&a));
            let key = key(a);
            let mut reader = KeyReader::new(&key, KIND).unwrap();
            prop_assert_eq!(reader.i64_desc().unwrap(), a);
            prop_assert_eq!(reader.u64_desc().unwrap(), a.cast_unsigned());
        }

        #[test]
        fn a_prefix_range_holds_all_that_begins_so_and_nothing_else(prefix in awkward_bytes(), other in awkward_bytes()) {
            let (start, end) = Key::new(KIND).raw(&prefix).prefix_range();
            let key = Key::new(KIND).raw(&other).build();
            prop_assert_eq!(start <= key && key < end, other.starts_with(&prefix));
        }

        #[test]
        fn reading_any_bytes_does_no_harm(bytes in awkward_bytes()) {
            if let Ok(mut reader) = KeyReader::new(&bytes, Kind::new(0)) {
                drop((reader.str(), reader.u8(), reader.u32(), reader.bytes()));
            }
        }
    }

    #[test]
    fn layouts_stay_as_they_are() {
        fn check(key: Key, expect: &[u8]) {
            assert_eq!(key.build().as_ref(), expect);
        }
        check(Key::new(KIND), &[1, 2]);
        check(Key::new(KIND).str("a\0b"), &[1, 2, b'a', 0, 0xFF, b'b', 0, 1]);
        check(Key::new(KIND).str_prefix("a").raw(b"\0"), &[1, 2, b'a', 0]);
        check(Key::new(KIND).u8(7).u16(7).u32(7), &[1, 2, 7, 0, 7, 0, 0, 0, 7]);
        check(Key::new(KIND).i64(-1), &[1, 2, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        check(Key::new(KIND).i64(0), &[1, 2, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        check(Key::new(KIND).i64_desc(0), &[1, 2, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    }

    #[test]
    fn what_is_no_such_key_is_refused() {
        fn check<T: std::fmt::Debug>(read: Result<T, KeyError>, expect: KeyError) {
            assert_eq!(read.unwrap_err(), expect);
        }
        let key = Key::new(KIND).str("a").u8(1).build();
        check(KeyReader::new(&key, Kind::new(7)), KeyError::Kind { found: 0x0102, expected: 7 });
        check(KeyReader::new(b"x", KIND), KeyError::Short("u16"));
        let reader = || KeyReader::new(&key, KIND).unwrap();
        check(reader().u64(), KeyError::Short("u64"));
        check(reader().end(), KeyError::Trailing(4));
        check(KeyReader { rest: b"abc" }.str(), KeyError::Short("text"));
        check(KeyReader { rest: b"abc\0" }.str(), KeyError::Escape);
        check(KeyReader { rest: b"abc\0\x02" }.bytes(), KeyError::Escape);
        check(KeyReader { rest: b"\xFF\0\x01" }.str(), KeyError::Text);
        assert_eq!(prefix_end(b"\x01\xFF\xFF").as_ref(), b"\x02");
        assert!(prefix_end(b"\xFF\xFF") > b"\xFF\xFF\xFF"[..]);
    }
}
