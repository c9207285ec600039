//! The relay: from the outbox to whoever tells the events on.
//!
//! It is the same whatever wakes it: a schedule (polling publisher), the function that has just placed an order, or PostgreSQL's
//! notification (log tailing). Events are published before they are noted as published, so a relay that dies in between makes
//! others publish them again, under the same id.

use async_trait::async_trait;

use crate::database::{Database, Error as DatabaseError};
use crate::event::Event;

/// How many events are published at once. SNS: at most 10 messages a request.
pub const BATCH_MAX: i64 = 10;

/// Whoever tells events on.
#[async_trait]
pub trait Publisher: Sync {
    /// Publishes events; returns the ids of those that were accepted for good.
    async fn publish(&self, events: &[Event]) -> Result<Vec<String>, String>;
}

/// Why the relay stopped.
#[derive(Debug)]
pub enum Error {
    /// The outbox cannot be read or written.
    Database(DatabaseError),
    /// Not everything could be published; it stays in the outbox.
    Publish(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Database(cause) => write!(f, "{cause}"),
            Error::Publish(cause) => write!(f, "publishing: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<DatabaseError> for Error {
    fn from(cause: DatabaseError) -> Error {
        Error::Database(cause)
    }
}

/// Publishes what is due, until nothing is or `go_on` says no; returns how many events that were.
///
/// # Errors
/// [`Error`]; what is not published stays where it is, and is due again after the lease.
pub async fn drain(
    database: &Database,
    publisher: &impl Publisher,
    now_ms: impl Fn() -> i64,
    go_on: impl Fn() -> bool,
) -> Result<usize, Error> {
    let mut count = 0;
    while go_on() {
        let events = database.claim(BATCH_MAX, now_ms()).await?;
        if events.is_empty() {
            break;
        }
        let accepted = publisher.publish(&events).await.map_err(Error::Publish)?;
        let ids: Vec<&str> = accepted.iter().map(String::as_str).collect();
        database.published(&ids, now_ms()).await?;
        count += accepted.len();
        if accepted.len() < events.len() {
            return Err(Error::Publish(format!("{} of {} events", events.len() - accepted.len(), events.len())));
        }
    }
    Ok(count)
}
