//! What a queue sends to a function, and which messages it shall send again.

use lambda_runtime::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Messages.
#[derive(Debug, Deserialize)]
pub struct Batch {
    /// At least one.
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

/// A message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The message, whoever receives it.
    pub message_id: String,
    /// Its text.
    pub body: String,
}

impl Record {
    /// What the message says.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.body).map_err(|cause| format!("message {}: {cause}", self.message_id).into())
    }
}

/// The messages that have to come again; all others are done.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Failures {
    /// Notes that a message has to come again, and says why in the log.
    pub fn note(&mut self, record: &Record, why: &dyn std::fmt::Display) {
        println!("message {} failed: {why}", record.message_id);
        self.batch_item_failures.push(Failure { item_identifier: record.message_id.clone() });
    }
}
