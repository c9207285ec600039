//! A message: what it says, and where it stands. Two rows, because the one is large and never changes and the other is small
//! and changes with every reception.

use std::collections::BTreeMap;

use bytes::Bytes;
use cauce_core::Timestamp;
use cauce_store::{RecordError, RowCodec, RowReader, RowWriter};

use crate::message_attribute::{AttributeValue, md5_of};

const VERSION: u8 = 1;

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content {
    pub(crate) message_id: String,
    pub(crate) sender_id: String,
    pub(crate) body: String,
    pub(crate) attributes: BTreeMap<String, AttributeValue>,
    pub(crate) trace_header: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication_id: Option<String>,
    /// The queue from which it came here as a dead letter.
    pub(crate) dead_letter_source: Option<String>,
}

impl Content {
    /// What counts against the limits of size: body, and names, types and values of attributes.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + self.attributes.iter().map(|(name, value)| name.len() + value.bytes()).sum::<usize>()
    }

    pub(crate) fn md5_of_body(&self) -> String {
        use md5::{Digest as _, Md5};
        hex::encode(Md5::digest(self.body.as_bytes()))
    }

    pub(crate) fn md5_of_attributes(&self) -> Option<String> {
        md5_of(self.attributes.iter())
    }

    /// The row of this content under another id: a large message is not copied for the sake of a small field.
    pub(crate) fn encode_with_id(&self, message_id: &str) -> Bytes {
        let mut row = RowWriter::new(VERSION);
        row.str(message_id).str(&self.sender_id).str(&self.body);
        row.opt_str(self.trace_header.as_deref()).opt_str(self.group.as_deref());
        row.opt_str(self.deduplication_id.as_deref()).opt_str(self.dead_letter_source.as_deref());
        row.varint(self.attributes.len() as u64);
        for (name, value) in &self.attributes {
            row.str(name).str(&value.data_type).bool(value.is_binary()).bytes(value.as_bytes());
        }
        row.finish()
    }
}

impl RowCodec for Content {
    fn encode_row(&self) -> Result<Bytes, RecordError> {
        Ok(self.encode_with_id(&self.message_id))
    }

    fn decode_row(row: &[u8]) -> Result<Content, RecordError> {
        let mut row = open(row)?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let mut content = Content {
            message_id: row.str()?.to_owned(),
            sender_id: row.str()?.to_owned(),
            body: row.str()?.to_owned(),
            trace_header: owned(row.opt_str()?),
            group: owned(row.opt_str()?),
            deduplication_id: owned(row.opt_str()?),
            dead_letter_source: owned(row.opt_str()?),
            attributes: BTreeMap::new(),
        };
        for _ in 0..row.varint()? {
            let (name, data_type) = (row.str()?.to_owned(), row.str()?.to_owned());
            let value = if row.bool()? {
                AttributeValue::binary(data_type, Bytes::copy_from_slice(row.bytes()?))
            } else {
                AttributeValue::text(data_type, row.str()?.to_owned())
            };
            content.attributes.insert(name, value);
        }
        row.end()?;
        Ok(content)
    }
}

/// Where a message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When it was sent.
    pub(crate) sent: Timestamp,
    /// From when on it may be received.
    pub(crate) due: Timestamp,
    pub(crate) receives: u32,
    /// When it was first received; [`Timestamp::EPOCH`] if never.
    pub(crate) first_received: Timestamp,
    /// Names the last reception; 0 if there is none that counts.
    pub(crate) nonce: u64,
    /// When the last reception was.
    pub(crate) received: Timestamp,
    /// Its group, in a FIFO queue.
    pub(crate) group: Option<String>,
}

impl RowCodec for Standing {
    fn encode_row(&self) -> Result<Bytes, RecordError> {
        let mut row = RowWriter::new(VERSION);
        let us = |at: Timestamp| u64::try_from(at.as_micros()).unwrap_or(0);
        row.varint(us(self.sent)).varint(us(self.due)).varint(u64::from(self.receives));
        row.varint(us(self.first_received)).u64(self.nonce).varint(us(self.received)).opt_str(self.group.as_deref());
        Ok(row.finish())
    }

    fn decode_row(row: &[u8]) -> Result<Standing, RecordError> {
        let mut row = open(row)?;
        let at = |us: u64| Timestamp::from_micros(i64::try_from(us).unwrap_or(i64::MAX));
        let standing = Standing {
            sent: at(row.varint()?),
            due: at(row.varint()?),
            receives: u32::try_from(row.varint()?).unwrap_or(u32::MAX),
            first_received: at(row.varint()?),
            nonce: row.u64()?,
            received: at(row.varint()?),
            group: row.opt_str()?.map(str::to_owned),
        };
        row.end()?;
        Ok(standing)
    }
}

/// A FIFO message sent within the last five minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) expires: Timestamp,
    pub(crate) message_id: String,
    pub(crate) sequence: u64,
}

impl RowCodec for Sent {
    fn encode_row(&self) -> Result<Bytes, RecordError> {
        let mut row = RowWriter::new(VERSION);
        row.varint(u64::try_from(self.expires.as_micros()).unwrap_or(0)).str(&self.message_id).u64(self.sequence);
        Ok(row.finish())
    }

    fn decode_row(row: &[u8]) -> Result<Sent, RecordError> {
        let mut row = open(row)?;
        let expires = Timestamp::from_micros(i64::try_from(row.varint()?).unwrap_or(i64::MAX));
        let sent = Sent { expires, message_id: row.str()?.to_owned(), sequence: row.u64()? };
        row.end()?;
        Ok(sent)
    }
}

fn open(row: &[u8]) -> Result<RowReader<'_>, RecordError> {
    match RowReader::new(row)? {
        (VERSION, rest) => Ok(rest),
        (found, _) => Err(RecordError::Version { found, written: VERSION }),
    }
}

/// A sequence number as FIFO queues show it: 20 digits.
pub(crate) fn sequence_number(sequence: u64) -> String {
    format!("{sequence:020}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cauce_core::Timestamp;
    use cauce_store::RowCodec as _;

    use super::{Content, Sent, Standing};
    use crate::message_attribute::AttributeValue;

    #[test]
    fn rows_come_back() {
        let attributes = BTreeMap::from([
            ("a".to_owned(), AttributeValue::text("String".to_owned(), "é".to_owned())),
            ("b".to_owned(), AttributeValue::binary("Binary.x".to_owned(), vec![0, 255].into())),
        ]);
        let content = Content { body: "b".into(), group: Some("g".into()), attributes, ..Content::default() };
        assert_eq!(Content::decode_row(&content.encode_row().unwrap()).unwrap(), content);
        let at = Timestamp::from_millis(1_700_000_000_123);
        let standing =
            Standing { sent: at, due: at, receives: 3, first_received: at, nonce: 9, received: at, group: None };
        assert_eq!(Standing::decode_row(&standing.encode_row().unwrap()).unwrap(), standing);
        let sent = Sent { expires: at, message_id: "m".into(), sequence: 4 };
        assert_eq!(Sent::decode_row(&sent.encode_row().unwrap()).unwrap(), sent);
        assert!(Sent::decode_row(&[2]).is_err());
    }
}
