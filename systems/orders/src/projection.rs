//! The projection: from events to what is known of each client, each event counted once.
//!
//! Messages come at least once and in any order. So an event is remembered in the same transaction that counts it, and what is
//! counted does not depend on the order: a sum, a number, and the latest of all times.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::event::{Client, Event};
use crate::order::Cents;

/// How many events of one client are counted in one transaction. DynamoDB: at most 100 items, of which one is the summary.
pub const EVENTS_MAX: usize = 99;

/// How often a transaction is tried while others change the same client.
pub const ATTEMPTS_MAX: u32 = 12;

/// What one transaction does: it remembers each event, which must be new, and adds to the client's summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counting<'a> {
    /// Whose events.
    pub client: &'a Client,
    /// Those that must be new.
    pub events: Vec<&'a Event>,
    /// What they add.
    pub total_cents: Cents,
    /// The latest of them, in milliseconds since 1970.
    pub latest_ms: i64,
    /// Whether the summary's last purchase is older and becomes [`Counting::latest_ms`], or is not older and stays: either must
    /// be true for the transaction to go through.
    pub is_latest: bool,
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything of it is done.
    Done,
    /// Nothing of it is done.
    Refused {
        /// The places of the events that were counted before.
        known: Vec<usize>,
        /// Whether [`Counting::is_latest`] is not so.
        not_so: bool,
    },
    /// Nothing of it is done, because of other transactions at the same time.
    Conflict,
}

/// Where clients' summaries are kept.
#[async_trait]
pub trait ReadModel: Sync {
    /// Does all of it or nothing.
    async fn count(&self, counting: &Counting<'_>) -> Result<Outcome, String>;

    /// Waits a moment before the `attempt`-th repetition.
    async fn pause(&self, attempt: u32);
}

/// Counts events of any clients; returns for each, in their order, why it could not be counted, or `None` if it is.
pub async fn project(model: &impl ReadModel, events: &[Event]) -> Vec<Option<String>> {
    let mut of_client: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (n, event) in events.iter().enumerate() {
        of_client.entry(event.order.client.id).or_default().push(n);
    }
    let mut failures = vec![None; events.len()];
    for places in of_client.into_values() {
        for places in places.chunks(EVENTS_MAX) {
            let group: Vec<&Event> = places.iter().filter_map(|n| events.get(*n)).collect();
            if let Err(why) = project_client(model, group).await {
                for n in places {
                    if let Some(failure) = failures.get_mut(*n) {
                        *failure = Some(why.clone());
                    }
                }
            }
        }
    }
    failures
}

/// Counts events of one client.
async fn project_client(model: &impl ReadModel, events: Vec<&Event>) -> Result<(), String> {
    // A message may be twice in one batch.
    let events: BTreeMap<&str, &Event> = events.into_iter().map(|event| (event.id.as_str(), event)).collect();
    let mut events: Vec<&Event> = events.into_values().collect();
    let mut is_latest = true;
    for attempt in 0..ATTEMPTS_MAX {
        let Some(counting) = counting(&events, is_latest) else { return Ok(()) };
        match model.count(&counting).await? {
            Outcome::Done => return Ok(()),
            Outcome::Refused { known, not_so } => {
                let mut place = 0..;
                events.retain(|_| place.next().is_none_or(|n| !known.contains(&n)));
                is_latest ^= not_so;
            }
            Outcome::Conflict => model.pause(attempt).await,
        }
    }
    Err(format!("others changed the same client {ATTEMPTS_MAX} times"))
}

/// The transaction that counts these events of one client; `None` if there are none.
fn counting<'a>(events: &[&'a Event], is_latest: bool) -> Option<Counting<'a>> {
    let newest = events.iter().max_by_key(|event| event.order.placed_at_ms)?;
    let total = events.iter().map(|event| event.order.total_cents.0).sum();
    Some(Counting {
        client: &newest.order.client,
        events: events.to_vec(),
        total_cents: Cents(total),
        latest_ms: newest.order.placed_at_ms,
        is_latest,
    })
}
