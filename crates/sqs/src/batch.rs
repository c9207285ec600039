//! What the batch operations share: ids of entries, and failures of some of them.

use std::collections::HashSet;

use cauce_core::{Fault, ServiceError};
use serde::Serialize;

use crate::error::Error;

/// How many entries a batch may have.
pub const BATCH_ENTRIES_MAX: usize = 10;
/// The longest id of an entry, in characters.
pub const BATCH_ID_CHARS_MAX: usize = 80;

/// An entry that failed.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Failure {
    id: String,
    sender_fault: bool,
    code: String,
    message: String,
}

impl Failure {
    pub(crate) fn new(id: Option<&str>, error: Error) -> Failure {
        let error = ServiceError::from(error);
        Failure {
            id: id.unwrap_or_default().to_owned(),
            sender_fault: error.fault() == Fault::Sender,
            code: error.query_code().to_owned(),
            message: error.message().to_owned(),
        }
    }
}

pub(crate) fn flat_failed<S: serde::Serializer>(list: &Vec<Failure>, serializer: S) -> Result<S::Ok, S::Error> {
    cauce_wire::flattened("$cauce::Flat BatchResultErrorEntry", list, serializer)
}

/// An entry that succeeded without more to say.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Success {
    pub(crate) id: String,
}

/// Refuses a batch whose ids are not as AWS wants them; `kind` is what its entries are called.
pub(crate) fn check_ids<'a>(kind: &'static str, ids: impl Iterator<Item = Option<&'a str>>) -> Result<(), Error> {
    let ids: Vec<Option<&str>> = ids.collect();
    if ids.is_empty() {
        return Err(Error::BatchEmpty(kind));
    }
    if ids.len() > BATCH_ENTRIES_MAX {
        return Err(Error::BatchEntries(ids.len()));
    }
    let mut seen = HashSet::new();
    for id in ids {
        let id = id.ok_or_else(|| Error::Missing(format!("{kind}.1.Id")))?;
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !plain || !(1..=BATCH_ID_CHARS_MAX).contains(&id.len()) {
            return Err(Error::BatchId);
        }
        if !seen.insert(id) {
            return Err(Error::BatchIds(id.to_owned()));
        }
    }
    Ok(())
}
