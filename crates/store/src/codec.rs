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
