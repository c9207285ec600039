//! Streams as stored.

use cauce_core::{Arn, Call, Timestamp};
use cauce_store::Record;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::keys::{StreamId, TableId};
use crate::model::KeySchema;

/// What records show of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ViewType {
    KeysOnly,
    NewImage,
    OldImage,
    NewAndOldImages,
}

impl ViewType {
    pub(crate) const NAMES: [&str; 4] = ["NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"];

    pub(crate) fn of_name(name: &str) -> Option<ViewType> {
        match name {
            "KEYS_ONLY" => Some(ViewType::KeysOnly),
            "NEW_IMAGE" => Some(ViewType::NewImage),
            "OLD_IMAGE" => Some(ViewType::OldImage),
            "NEW_AND_OLD_IMAGES" => Some(ViewType::NewAndOldImages),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            ViewType::KeysOnly => "KEYS_ONLY",
            ViewType::NewImage => "NEW_IMAGE",
            ViewType::OldImage => "OLD_IMAGE",
            ViewType::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }

    pub(crate) fn shows_new(self) -> bool {
        matches!(self, ViewType::NewImage | ViewType::NewAndOldImages)
    }

    pub(crate) fn shows_old(self) -> bool {
        matches!(self, ViewType::OldImage | ViewType::NewAndOldImages)
    }
}

/// The stream in the definition of its table: what a write needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableStream {
    /// Given once: the layout goes by it.
    pub(crate) number: u64,
    pub(crate) view: ViewType,
    pub(crate) shards: u16,
}

/// A stream. It outlives its being disabled and its table, as long as its records are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stream {
    pub(crate) number: u64,
    pub(crate) view: ViewType,
    pub(crate) shards: u16,
    /// The key of the table.
    pub(crate) key: KeySchema,
    pub(crate) created: Timestamp,
    /// When it was disabled, or its table deleted.
    pub(crate) ended: Option<Timestamp>,
}

impl Record for Stream {
    const VERSION: u8 = 1;
}

impl StreamId {
    pub(crate) fn arn(&self) -> Arn {
        let table = &self.table;
        let resource = format!("table/{}/stream/{}", table.name, self.label);
        Arn::new("dynamodb", &table.region, table.account, &resource)
    }

    /// The stream that an ARN names, which is of this account and region.
    pub(crate) fn of_arn(call: &Call, text: &str) -> Result<StreamId, Error> {
        let invalid = || Error::invalid("Invalid StreamArn");
        let arn: Arn = text.parse().map_err(|_| invalid())?;
        let rest = arn.resource().strip_prefix("table/").filter(|_| arn.service() == "dynamodb");
        let (name, label) = rest.and_then(|rest| rest.split_once("/stream/")).ok_or_else(invalid)?;
        if arn.account() != Some(call.account) || arn.region() != call.region.as_str() {
            return Err(missing(text));
        }
        let table = TableId { account: call.account, region: call.region.clone(), name: name.to_owned() };
        Ok(StreamId { table, label: label.to_owned() })
    }
}

/// That there is no such stream.
pub(crate) fn missing(arn: &str) -> Error {
    Error::NotFound(format!("Stream: {arn}"))
}
