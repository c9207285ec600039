//! Rows with a version: the first byte says which layout the rest has, so that a later program reads what an earlier one wrote.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contract::Bytes;

/// Why a row does not decode, or a record does not encode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The row has a version that this program cannot read.
    #[error("row version {found} is not readable, this program writes {written}")]
    Version {
        /// The version byte of the row.
        found: u8,
        /// The version that this program writes.
        written: u8,
    },
    /// The payload is not what the version byte promises.
    #[error("the row does not decode: {0}")]
    Payload(String),
    /// The record cannot be written, for example a map whose keys are no texts.
    #[error("the record does not encode: {0}")]
    Encode(String),
}

/// How a value becomes a row and back. [`Record`] types get the JSON form; a hot row may implement this by hand with
/// [`RowWriter`](crate::RowWriter) and [`RowReader`](crate::RowReader). Either way the first byte is the version.
pub trait RowCodec: Sized {
    /// The row.
    ///
    /// # Errors
    /// [`RecordError::Encode`].
    fn encode_row(&self) -> Result<Bytes, RecordError>;

    /// The value.
    ///
    /// # Errors
    /// [`RecordError`] if the row cannot be read.
    fn decode_row(row: &[u8]) -> Result<Self, RecordError>;
}

/// A record stored as one version byte and JSON. Adding an optional field with `#[serde(default)]` needs no new version; any
/// other change of layout does, with a [`migrate`](Record::migrate) that reads the old ones.
pub trait Record: Serialize + DeserializeOwned {
    /// The version that this program writes, never 0.
    const VERSION: u8;

    /// Reads a payload of an older version.
    ///
    /// # Errors
    /// [`RecordError`] if it cannot; the default knows no older version.
    fn migrate(version: u8, payload: &[u8]) -> Result<Self, RecordError> {
        let _ = payload;
        Err(RecordError::Version { found: version, written: Self::VERSION })
    }
}

impl<R: Record> RowCodec for R {
    fn encode_row(&self) -> Result<Bytes, RecordError> {
        let mut row = Vec::with_capacity(256);
        row.push(Self::VERSION);
        serde_json::to_writer(&mut row, self).map_err(|error| RecordError::Encode(error.to_string()))?;
        Ok(row.into())
    }

    fn decode_row(row: &[u8]) -> Result<Self, RecordError> {
        let (version, payload) =
            row.split_first().ok_or_else(|| RecordError::Payload("the row is empty".to_owned()))?;
        if *version != Self::VERSION {
            return Self::migrate(*version, payload);
        }
        serde_json::from_slice(payload).map_err(|error| RecordError::Payload(error.to_string()))
    }
}
