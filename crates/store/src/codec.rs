//! A writer and a reader for rows encoded by hand: varints, fixed numbers, length-prefixed bytes.

use crate::contract::Bytes;
use crate::record::RecordError;

/// Builds a row. The first byte is the version.
#[derive(Debug, Clone)]
pub struct RowWriter {
    buf: Vec<u8>,
}

impl RowWriter {
    /// Starts a row of this version.
    #[must_use]
    pub fn new(version: u8) -> Self {
        let mut buf = Vec::with_capacity(64);
        buf.push(version);
        Self { buf }
    }

    /// Appends an unsigned number in LEB128: 1 byte below 128, at most 10.
    pub fn varint(&mut self, number: u64) -> &mut Self {
        put_varint(&mut self.buf, number);
        self
    }

    /// Appends a number in 8 bytes, big-endian.
    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.buf.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Appends one byte.
    pub fn u8(&mut self, number: u8) -> &mut Self {
        self.buf.push(number);
        self
    }

    /// Appends a flag as one byte.
    pub fn bool(&mut self, flag: bool) -> &mut Self {
        self.u8(u8::from(flag))
    }

    /// Appends bytes after their length.
    pub fn bytes(&mut self, part: &[u8]) -> &mut Self {
        put_bytes(&mut self.buf, part);
        self
    }

    /// Appends a text after its length.
    pub fn str(&mut self, part: &str) -> &mut Self {
        self.bytes(part.as_bytes())
    }

    /// Appends a flag and, if there is one, a text.
    pub fn opt_str(&mut self, part: Option<&str>) -> &mut Self {
        self.bool(part.is_some());
        if let Some(part) = part {
            self.str(part);
        }
        self
    }

    /// The finished row.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.buf.into()
    }
}

/// Appends `number` in LEB128.
pub(crate) fn put_varint(buf: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        buf.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    buf.push(number.to_le_bytes()[0]);
}

/// Appends `part` after its length.
pub(crate) fn put_bytes(buf: &mut Vec<u8>, part: &[u8]) {
    put_varint(buf, part.len() as u64);
    buf.extend_from_slice(part);
}

/// Reads a row in the order in which it was written.
#[derive(Debug, Clone)]
pub struct RowReader<'a> {
    rest: &'a [u8],
}

impl<'a> RowReader<'a> {
    /// Reads the version byte, and goes on after it.
    ///
    /// # Errors
    /// [`RecordError::Payload`] if the row is empty.
    pub fn new(row: &'a [u8]) -> Result<(u8, Self), RecordError> {
        let mut reader = Self { rest: row };
        let version = reader.u8()?;
        Ok((version, reader))
    }

    /// Reads bytes that carry no version byte.
    pub(crate) fn bare(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Reads a number written by [`RowWriter::varint`].
    ///
    /// # Errors
    /// [`RecordError::Payload`] if it is cut off or longer than 64 bits.
    pub fn varint(&mut self) -> Result<u64, RecordError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(RecordError::Payload("a varint is longer than 64 bits".to_owned()))
    }

    /// Reads a number written by [`RowWriter::u64`].
    ///
    /// # Errors
    /// [`RecordError::Payload`] if it is cut off.
    pub fn u64(&mut self) -> Result<u64, RecordError> {
        let (part, rest) = self.rest.split_first_chunk::<8>().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(u64::from_be_bytes(*part))
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`RecordError::Payload`] if the row has ended.
    pub fn u8(&mut self) -> Result<u8, RecordError> {
        let (byte, rest) = self.rest.split_first().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(*byte)
    }

    /// Reads a flag.
    ///
    /// # Errors
    /// [`RecordError::Payload`] if it is neither 0 nor 1.
    pub fn bool(&mut self) -> Result<bool, RecordError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(RecordError::Payload(format!("a flag is {other}"))),
        }
    }

    /// Reads bytes written by [`RowWriter::bytes`].
    ///
    /// # Errors
    /// [`RecordError::Payload`] if they are cut off.
    pub fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let len = usize::try_from(self.varint()?).map_err(|_| cut_off())?;
        let (part, rest) = self.rest.split_at_checked(len).ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(part)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`RecordError::Payload`] if it is cut off or not UTF-8.
    pub fn str(&mut self) -> Result<&'a str, RecordError> {
        std::str::from_utf8(self.bytes()?).map_err(|error| RecordError::Payload(error.to_string()))
    }

    /// Reads what [`RowWriter::opt_str`] wrote.
    ///
    /// # Errors
    /// As [`str`](RowReader::str).
    pub fn opt_str(&mut self) -> Result<Option<&'a str>, RecordError> {
        if self.bool()? { self.str().map(Some) } else { Ok(None) }
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`RecordError::Payload`] if anything is left.
    pub fn end(self) -> Result<(), RecordError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(RecordError::Payload(format!("{} bytes follow the last field", self.rest.len())))
    }
}

fn cut_off() -> RecordError {
    RecordError::Payload("the row is cut off".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::{prop_assert_eq, proptest};

    use super::{RowReader, RowWriter};

    proptest! {
        #[test]
        fn rows_round_trip(number: u64, fixed: u64, flag: bool, text in ".{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut writer = RowWriter::new(3);
            writer.varint(number).u64(fixed).bool(flag).str(&text).bytes(&bytes).opt_str(flag.then_some(&text)).u8(9);
            let row = writer.finish();
            let (version, mut reader) = RowReader::new(&row).unwrap();
            prop_assert_eq!(version, 3);
            prop_assert_eq!(reader.varint().unwrap(), number);
            prop_assert_eq!(reader.u64().unwrap(), fixed);
            prop_assert_eq!(reader.bool().unwrap(), flag);
            prop_assert_eq!(reader.str().unwrap(), &text);
            prop_assert_eq!(reader.bytes().unwrap(), &bytes);
            prop_assert_eq!(reader.opt_str().unwrap(), flag.then_some(text.as_str()));
            prop_assert_eq!(reader.rest(), &[9]);
            prop_assert_eq!(reader.u8().unwrap(), 9);
            reader.end().unwrap();
        }

        #[test]
        fn reading_any_bytes_does_no_harm(row in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok((_, mut reader)) = RowReader::new(&row) {
                drop((reader.varint(), reader.opt_str(), reader.bytes().map(<[u8]>::len), reader.u64(), reader.bool()));
            }
        }
    }

    #[test]
    fn layouts_stay_as_they_are() {
        fn check(number: u64, expect: &[u8]) {
            let mut writer = RowWriter::new(1);
            writer.varint(number);
            assert_eq!(writer.finish().as_ref(), [&[1], expect].concat());
        }
        check(0, &[0]);
        check(127, &[127]);
        check(128, &[0x80, 1]);
        check(u64::MAX, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]);
        let mut writer = RowWriter::new(1);
        writer.str("ab").opt_str(None).u64(2);
        assert_eq!(writer.finish().as_ref(), [1, 2, b'a', b'b', 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    }

    #[test]
    fn what_was_not_written_so_is_refused() {
        fn check<T: std::fmt::Debug>(row: &[u8], read: impl Fn(&mut RowReader<'_>) -> Result<T, super::RecordError>) {
            let (_, mut reader) = RowReader::new(row).unwrap();
            assert!(read(&mut reader).is_err(), "{row:?}");
        }
        assert!(RowReader::new(b"").is_err());
        check(&[1, 0x80], |reader| reader.varint());
        check(&[&[1][..], &[0xFF; 9], &[2]].concat(), |reader| reader.varint());
        check(&[&[1][..], &[0xFF; 10], &[1]].concat(), |reader| reader.varint());
        check(&[1, 5, 0, 0], |reader| reader.bytes().map(<[u8]>::to_vec));
        check(&[1, 1, 0xFF], |reader| reader.str().map(str::to_owned));
        check(&[1, 2], |reader| reader.bool());
        check(&[1, 0], |reader| reader.u64());
        check(&[1, 0], |reader| reader.clone().end());
    }
}
