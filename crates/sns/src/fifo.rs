//! FIFO topics: order and deduplication.
//!
//! AWS: SNS Developer Guide, *Message ordering and deduplication strategies using Amazon SNS FIFO topics*.

use std::time::Duration;

use cauce_core::Timestamp;
use cauce_store::{RangeReq, Record, Tx};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::keys;
use crate::message::Message;
use crate::route::Route;
use crate::service::Sns;

/// How long a deduplication id is remembered.
pub(crate) const DEDUPLICATION_LASTS: Duration = Duration::from_secs(300);

/// How many ids that are no longer needed each message removes: more than it adds, so that they do not pile up.
const REMOVED_A_MESSAGE: usize = 4;

/// The number before the first of a topic: AWS's have 20 digits.
const SEQUENCE_BASE: u128 = 10_000_000_000_000_000_000;

/// What was published under a deduplication id.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Published {
    message_id: String,
    sequence: String,
    end: Timestamp,
}

impl Record for Published {
    const VERSION: u8 = 1;
}

/// What becomes of a message of a FIFO topic.
pub(crate) enum Ordered {
    /// It is the next.
    Next(Message),
    /// It was published before, under this message id and sequence number.
    Repeated { message_id: String, sequence: String },
}

impl Sns {
    /// Gives a message its deduplication id and its place in the order, unless it was published before.
    ///
    /// # Errors
    /// If the message has no deduplication id and the topic makes none.
    pub(crate) async fn order(&self, tx: &Tx, route: &Route, mut message: Message) -> Result<Ordered, Error> {
        let deduplication = match &message.deduplication {
            Some(given) => given.clone(),
            None if route.topic.is_content_based() => {
                let hash = Sha256::digest(message.default_text().as_bytes());
                hash.iter().map(|b| format!("{b:02x}")).collect()
            }
            None => {
                let message = "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                               explicitly";
                return Err(Error::invalid(message));
            }
        };
        let id = &route.id;
        let group = match route.topic.deduplicates_by_group() {
            true => message.group.clone().unwrap_or_default(),
            false => String::new(),
        };
        let now = self.env.now();
        let key = keys::deduplication(id, &group, &deduplication);
        let before = tx.get_record::<Published>(&key).await?;
        if let Some(before) = before.as_ref().filter(|before| before.end > now) {
            let (message_id, sequence) = (before.message_id.clone(), before.sequence.clone());
            return Ok(Ordered::Repeated { message_id, sequence });
        }
        if let Some(before) = &before {
            tx.clear(keys::deduplication_end(id, before.end, &group, &deduplication));
        }
        for row in tx.snapshot_range(RangeReq::new(keys::deduplication_ended(id, now), REMOVED_A_MESSAGE)).await? {
            let read = keys::read_deduplication_end(&row.key);
            let (group, deduplication) = read.map_err(|e| Error::Other(cauce_core::ServiceError::internal(e)))?;
            tx.clear(row.key);
            tx.clear(keys::deduplication(id, &group, &deduplication));
        }
        let counter = keys::sequence(id);
        // Read and written: two messages never get the same place, and places are given in the order of commits.
        let number = tx.get_counter(&counter).await? + 1;
        tx.add(counter, 1)?;
        let sequence = format!("{}", SEQUENCE_BASE + u128::try_from(number).unwrap_or(0));
        let end = now + DEDUPLICATION_LASTS;
        let published = Published { message_id: message.id.clone(), sequence: sequence.clone(), end };
        tx.set_record(key, &published)?;
        tx.set(keys::deduplication_end(id, end, &group, &deduplication), Vec::new());
        (message.sequence, message.deduplication) = (Some(sequence), Some(deduplication));
        Ok(Ordered::Next(message))
    }
}
