//! Each event is counted once, in whatever order and however often it comes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside #[test]")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;
use orders::event::{Client, Event, OrderPlaced};
use orders::order::Cents;
use orders::projection::{ATTEMPTS_MAX, Counting, Outcome, ReadModel, project};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Summary {
    total: i64,
    orders: usize,
    last_ms: Option<i64>,
}

/// What the table would do, in memory.
#[derive(Default)]
struct Table {
    known: Mutex<BTreeSet<String>>,
    summaries: Mutex<BTreeMap<i64, Summary>>,
    /// How many transactions fail first because of others.
    conflicts: Mutex<u32>,
    /// Transactions after which the answer is lost: done, but the caller is told that it failed.
    lost: Mutex<u32>,
}

fn take(counter: &Mutex<u32>) -> bool {
    let mut left = counter.lock().unwrap();
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

#[async_trait]
impl ReadModel for Table {
    async fn count(&self, counting: &Counting<'_>) -> Result<Outcome, String> {
        if take(&self.conflicts) {
            return Ok(Outcome::Conflict);
        }
        let mut known = self.known.lock().unwrap();
        let mut summaries = self.summaries.lock().unwrap();
        let summary = summaries.entry(counting.client.id).or_default();
        let before: Vec<usize> =
            counting.events.iter().enumerate().filter(|(_, e)| known.contains(&e.id)).map(|(n, _)| n).collect();
        let so = summary.last_ms.is_none_or(|last| last < counting.latest_ms) == counting.is_latest;
        if !before.is_empty() || !so {
            return Ok(Outcome::Refused { known: before, not_so: !so });
        }
        known.extend(counting.events.iter().map(|event| event.id.clone()));
        summary.total += counting.total_cents.0;
        summary.orders += counting.events.len();
        if counting.is_latest {
            summary.last_ms = Some(counting.latest_ms);
        }
        if take(&self.lost) { Err("the answer was lost".to_owned()) } else { Ok(Outcome::Done) }
    }

    async fn pause(&self, _: u32) {}
}

fn event(id: usize, client: i64, cents: i64, at: i64) -> Event {
    let client = Client { id: client, name: "Bob".to_owned(), email: "bob@anemailprovider.com".to_owned() };
    let order = OrderPlaced { id_order: at, placed_at_ms: at, client, total_cents: Cents(cents), products: Vec::new() };
    Event { id: format!("e{id}"), order }
}

fn summary(table: &Table, client: i64) -> Summary {
    table.summaries.lock().unwrap().get(&client).cloned().unwrap_or_default()
}

/// Numbers that look random and are the same each time.
fn shuffled(count: usize, seed: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    let mut state = seed;
    for n in (1..count).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        places.swap(n, (state >> 33) % (n + 1));
    }
    places
}

#[tokio::test]
async fn redelivery_and_reordering_change_nothing() {
    let events: Vec<Event> =
        (0..60).map(|n| event(n, i64::try_from(n % 3).unwrap(), 100 + 7 * n as i64, 1_000 + n as i64)).collect();
    for seed in 0..40 {
        let table = Table::default();
        // Every event three times, in any order, in batches of any size.
        let mut sent: Vec<Event> = Vec::new();
        for round in 0..3 {
            sent.extend(shuffled(events.len(), seed * 3 + round).into_iter().map(|n| events[n].clone()));
        }
        for batch in sent.chunks(1 + seed % 13) {
            assert_eq!(project(&table, batch).await, vec![None; batch.len()]);
        }
        for client in 0..3 {
            let own: Vec<&Event> = events.iter().filter(|e| e.order.client.id == client).collect();
            let expect = Summary {
                total: own.iter().map(|e| e.order.total_cents.0).sum(),
                orders: own.len(),
                last_ms: own.iter().map(|e| e.order.placed_at_ms).max(),
            };
            assert_eq!(summary(&table, client), expect, "seed {seed}");
        }
    }
}

#[tokio::test]
async fn the_same_event_twice_in_a_batch_is_one() {
    let table = Table::default();
    let batch = [event(1, 1, 500, 10), event(1, 1, 500, 10), event(2, 1, 300, 5)];
    assert_eq!(project(&table, &batch).await, vec![None; 3]);
    assert_eq!(summary(&table, 1), Summary { total: 800, orders: 2, last_ms: Some(10) });
}

#[tokio::test]
async fn a_lost_answer_is_no_second_counting() {
    let table = Table { lost: Mutex::new(1), ..Table::default() };
    let batch = [event(1, 1, 500, 10), event(2, 2, 100, 11)];
    let failures = project(&table, &batch).await;
    assert!(failures[0].is_some() && failures[1].is_none(), "{failures:?}");
    assert_eq!(project(&table, &batch).await, vec![None; 2]);
    assert_eq!(summary(&table, 1), Summary { total: 500, orders: 1, last_ms: Some(10) });
    assert_eq!(summary(&table, 2), Summary { total: 100, orders: 1, last_ms: Some(11) });
}

#[tokio::test]
async fn conflicts_are_repeated_but_not_for_ever() {
    let table = Table { conflicts: Mutex::new(ATTEMPTS_MAX - 1), ..Table::default() };
    assert_eq!(project(&table, &[event(1, 1, 5, 1)]).await, vec![None]);
    let table = Table { conflicts: Mutex::new(ATTEMPTS_MAX), ..Table::default() };
    assert!(project(&table, &[event(1, 1, 5, 1)]).await[0].is_some());
    assert_eq!(summary(&table, 1), Summary::default());
}
