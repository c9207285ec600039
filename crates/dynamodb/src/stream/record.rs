//! Records: what is written of a change, and how clients see it.

use bytes::Bytes;
use cauce_core::{ServiceError, Timestamp};
use cauce_store::{RecordError, RowCodec, RowReader, RowWriter, StoreError, Tx};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::model::{Stream, ViewType};
use super::shard::{sequence_text, shard_of};
use crate::change::{By, Changed};
use crate::error::Error;
use crate::keys::{self, StreamId};
use crate::service::DynamoDb;
use crate::value::{Item, decode_item, encode_item, item_size_bytes};

const VERSION: u8 = 1;

/// The version of records that AWS writes.
const EVENT_VERSION: &str = "1.1";

/// Who deletes items that have expired.
const EXPIRER: &str = "dynamodb.amazonaws.com";

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Insert,
    Modify,
    Remove,
}

impl Event {
    /// None for a write that has changed nothing: AWS records none.
    fn of(old: Option<&Item>, new: Option<&Item>) -> Option<Event> {
        match (old, new) {
            (None, Some(_)) => Some(Event::Insert),
            (Some(old), Some(new)) if old != new => Some(Event::Modify),
            (Some(_), None) => Some(Event::Remove),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Event::Insert => "INSERT",
            Event::Modify => "MODIFY",
            Event::Remove => "REMOVE",
        }
    }

    /// Its byte in rows, for ever.
    fn code(self) -> u8 {
        match self {
            Event::Insert => 1,
            Event::Modify => 2,
            Event::Remove => 3,
        }
    }

    fn of_code(code: u8) -> Result<Event, RecordError> {
        match code {
            1 => Ok(Event::Insert),
            2 => Ok(Event::Modify),
            3 => Ok(Event::Remove),
            other => Err(RecordError::Payload(format!("a record is of kind {other}"))),
        }
    }
}

/// The record of a change, as stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Written {
    event: Event,
    /// Whether the item had expired.
    expired: bool,
    pub(super) at: Timestamp,
    keys: Item,
    new: Option<Item>,
    old: Option<Item>,
}

impl RowCodec for Written {
    fn encode_row(&self) -> Result<Bytes, RecordError> {
        let mut row = RowWriter::new(VERSION);
        row.u8(self.event.code()).bool(self.expired).u64(self.at.as_micros().cast_unsigned());
        row.bytes(&encode_item(&self.keys));
        for image in [&self.new, &self.old] {
            row.bytes(&image.as_ref().map(encode_item).unwrap_or_default());
        }
        Ok(row.finish())
    }

    fn decode_row(row: &[u8]) -> Result<Written, RecordError> {
        let (version, mut reader) = RowReader::new(row)?;
        if version != VERSION {
            return Err(RecordError::Version { found: version, written: VERSION });
        }
        let (event, expired) = (Event::of_code(reader.u8()?)?, reader.bool()?);
        let at = Timestamp::from_micros(reader.u64()?.cast_signed());
        let keys = decode_item(reader.bytes()?)?;
        let mut image = || match reader.bytes()? {
            [] => Ok(None),
            image => decode_item(image).map(Some),
        };
        let (new, old) = (image()?, image()?);
        reader.end()?;
        Ok(Written { event, expired, at, keys, new, old })
    }
}

/// AWS: *Record*, of which the members that tell what changed are shown by [`Change`].
#[derive(Debug, Serialize)]
pub(crate) struct Record<'a> {
    #[serde(rename = "eventID")]
    event_id: String,
    #[serde(rename = "eventName")]
    event_name: &'static str,
    #[serde(rename = "eventVersion")]
    event_version: &'static str,
    #[serde(rename = "eventSource")]
    event_source: &'static str,
    #[serde(rename = "awsRegion")]
    aws_region: &'a str,
    dynamodb: Change<'a>,
    #[serde(rename = "userIdentity", skip_serializing_if = "Option::is_none")]
    user_identity: Option<UserIdentity>,
    /// In events of functions only.
    #[serde(rename = "eventSourceARN", skip_serializing_if = "Option::is_none")]
    event_source_arn: Option<&'a str>,
}

/// AWS: *StreamRecord*.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Change<'a> {
    approximate_creation_date_time: i64,
    keys: &'a Item,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_image: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_image: Option<&'a Item>,
    sequence_number: String,
    size_bytes: usize,
    stream_view_type: &'static str,
}

/// AWS: *Identity*; in events its members begin with small letters.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum UserIdentity {
    #[serde(rename_all = "PascalCase")]
    InAnswer { principal_id: &'static str, r#type: &'static str },
    #[serde(rename_all = "camelCase")]
    InEvent { principal_id: &'static str, r#type: &'static str },
}

impl UserIdentity {
    fn expirer(in_event: bool) -> UserIdentity {
        let (principal_id, r#type) = (EXPIRER, "Service");
        match in_event {
            true => UserIdentity::InEvent { principal_id, r#type },
            false => UserIdentity::InAnswer { principal_id, r#type },
        }
    }
}

/// A record with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) sequence: u64,
    pub(super) written: Written,
}

impl Placed {
    pub(super) fn size_bytes(&self) -> usize {
        let Written { keys, new, old, .. } = &self.written;
        let images = new.iter().chain(old).map(item_size_bytes);
        item_size_bytes(keys) + images.sum::<usize>()
    }

    /// The partition key of the item, in order-preserving bytes.
    pub(super) fn partition(&self, stream: &Stream) -> Vec<u8> {
        stream.key.key_of(&self.written.keys).map(|key| key.hash.into_owned()).unwrap_or_default()
    }

    /// As clients see it, or, with the ARN of the stream, as functions do.
    pub(super) fn shown<'a>(
        &'a self,
        stream: &Stream,
        id: &'a StreamId,
        event_source_arn: Option<&'a str>,
    ) -> Record<'a> {
        let Written { event, expired, at, keys, new, old } = &self.written;
        let digest = Sha256::digest([stream.number.to_be_bytes(), self.sequence.to_be_bytes()].concat());
        Record {
            event_id: digest.iter().take(EVENT_ID_BYTES).map(|byte| format!("{byte:02x}")).collect(),
            event_name: event.name(),
            event_version: EVENT_VERSION,
            event_source: "aws:dynamodb",
            aws_region: id.table.region.as_str(),
            dynamodb: Change {
                approximate_creation_date_time: at.as_secs(),
                keys,
                new_image: new.as_ref(),
                old_image: old.as_ref(),
                sequence_number: sequence_text(self.sequence),
                size_bytes: self.size_bytes(),
                stream_view_type: stream.view.name(),
            },
            user_identity: expired.then(|| UserIdentity::expirer(event_source_arn.is_some())),
            event_source_arn,
        }
    }
}

/// How many bytes an id of an event has.
const EVENT_ID_BYTES: usize = 16;

/// What a view shows of a change.
fn written(view: ViewType, event: Event, changed: &Changed<'_>, at: Timestamp) -> Option<Written> {
    let item = changed.new.or(changed.old)?;
    Some(Written {
        event,
        expired: changed.by == By::Expiry,
        at,
        keys: changed.table.key.attributes_of(item),
        new: changed.new.filter(|_| view.shows_new()).cloned(),
        old: changed.old.filter(|_| view.shows_old()).cloned(),
    })
}

impl DynamoDb {
    /// Records a change in the stream of its table, if there is one.
    pub(crate) async fn record_change(&self, tx: &Tx, changed: &Changed<'_>) -> Result<(), Error> {
        let Some(stream) = &changed.table.stream else { return Ok(()) };
        let Some(event) = Event::of(changed.old, changed.new) else { return Ok(()) };
        let now = self.env.now();
        let Some(written) = written(stream.view, event, changed, now) else { return Ok(()) };
        let key = changed.table.key.key_of(&written.keys);
        let shard = key.map_or(0, |key| shard_of(&key.hash, stream.shards));
        let owned = self.owner.owned_for(&stream.number.to_be_bytes());
        let foreign = || StoreError::Unavailable(format!("stream {} has another owner", stream.number));
        owned.ok_or_else(foreign)?.fence(tx);
        let doubt = self.flows.of(stream.number, stream.shards).draw(&self.db, shard, now).await?;
        let row = written.encode_row().map_err(ServiceError::internal)?;
        tx.set(keys::stream_record(stream.number, shard, doubt.sequence), row);
        tx.hold(doubt);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;
    use cauce_store::RowCodec as _;

    use super::{Event, Written};
    use crate::value::{AttributeValue, Item};

    fn item(pairs: &[(&str, &str)]) -> Item {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), AttributeValue::S((*text).to_owned()))).collect()
    }

    #[test]
    fn rows_read_back() {
        let (keys, whole) = (item(&[("id", "a")]), item(&[("id", "a"), ("x", "")]));
        for (event, new, old) in [
            (Event::Insert, Some(whole.clone()), None),
            (Event::Modify, Some(whole.clone()), Some(keys.clone())),
            (Event::Remove, None, Some(whole)),
            (Event::Remove, None, None),
        ] {
            let at = Timestamp::from_micros(1_800_000_000_123_456);
            let written = Written { event, expired: event == Event::Remove, at, keys: keys.clone(), new, old };
            let row = written.encode_row().unwrap();
            assert_eq!(Written::decode_row(&row).unwrap(), written);
            assert!(Written::decode_row(&row[..row.len() - 1]).is_err());
        }
        assert!(Written::decode_row(&[2]).is_err());
    }

    #[test]
    fn what_changes_nothing_is_no_event() {
        let (a, b) = (item(&[("id", "a")]), item(&[("id", "b")]));
        assert_eq!(Event::of(None, Some(&a)), Some(Event::Insert));
        assert_eq!(Event::of(Some(&a), Some(&b)), Some(Event::Modify));
        assert_eq!(Event::of(Some(&a), None), Some(Event::Remove));
        assert_eq!(Event::of(Some(&a), Some(&a)), None);
        assert_eq!(Event::of(None, None), None);
    }
}
