//! The way of events into a stream: one lane a stream, one commit at a time, and each takes along all that came meanwhile.
//!
//! Numbers are given to events by the lane in the order of its commits, so whoever reads a stream never sees an event appear
//! before one already seen, unless its timestamp says so. Lanes share nothing, so streams never conflict with one another; the
//! store gathers their commits into one fsync.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use cauce_core::Env;
use cauce_store::{Bytes, Db, Owner, RowWriter, StoreError};
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, oneshot};

use super::keys;
use super::lines::{EVENT_OVERHEAD_BYTES, Lines, ROW_BYTES_MAX, ROW_EVENTS_MAX};
use super::model::{Span, Stream};
use super::open_group::Slot;

/// How many lanes are kept; beyond that the idle ones go.
const LANES_MAX: usize = 65_536;
/// How much one commit gathers. With a row and a quarter an event this stays below the store's operations of a commit.
const COMMIT_EVENTS_MAX: usize = 9_000;
const COMMIT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many quarters of an hour a lane remembers to have marked.
const MARKED_MAX: usize = 8;
/// The version of the rows of kind `active`.
const ACTIVE_VERSION: u8 = 1;

/// An event to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewEvent {
    pub(crate) timestamp_ms: i64,
    /// Not empty.
    pub(crate) text: String,
}

/// Why events were not stored.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    NoGroup,
    NoStream,
    Store(StoreError),
}

/// Events of one caller on their way.
pub(crate) struct Waiting {
    pub(crate) events: Arc<[NewEvent]>,
    /// Whether the stream is made if it is missing.
    pub(crate) create: bool,
    /// Told the last sequence number once the events are durable.
    pub(crate) answer: oneshot::Sender<Result<u64, Refusal>>,
    /// The caller's share of what may wait.
    pub(crate) permit: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Whether a task is under way that will come back for more.
    flushing: bool,
}

/// What a lane knows of its stream, all of it as committed.
#[derive(Debug, Default)]
pub(crate) struct LaneState {
    read: bool,
    pub(crate) stream: Option<Stream>,
    /// Quarters whose row of kind `active` was written lately.
    pub(crate) marked: Vec<i64>,
}

impl LaneState {
    /// Makes the next holder read the stream anew: a change is under way whose end this one may not see.
    pub(crate) fn forget(&mut self) {
        self.read = false;
    }
}

/// One stream's lane.
pub(crate) struct Lane {
    pub(crate) group: u64,
    pub(crate) name: Arc<str>,
    pub(crate) key: Bytes,
    queue: Mutex<Queue>,
    state: Arc<tokio::sync::Mutex<LaneState>>,
}

impl Lane {
    /// The lane's knowledge, for whoever changes the stream by other means. Held together with the group's slot.
    pub(crate) async fn state(&self, db: &Db) -> Result<OwnedMutexGuard<LaneState>, StoreError> {
        let mut state = Arc::clone(&self.state).lock_owned().await;
        if !state.read {
            state.stream = db.get(&self.key).await?;
            state.marked.clear();
            state.read = true;
        }
        Ok(state)
    }

    /// What goes into the next commit; `None`, and the end of the task, if nothing waits.
    fn take(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.queue.lock();
        let (mut batch, mut events, mut bytes) = (Vec::new(), 0, 0);
        while let Some(next) = queue.waiting.front() {
            events += next.events.len();
            bytes += next.events.iter().map(|event| event.text.len()).sum::<usize>();
            if !batch.is_empty() && (events > COMMIT_EVENTS_MAX || bytes > COMMIT_BYTES_MAX) {
                break;
            }
            batch.extend(queue.waiting.pop_front());
        }
        queue.flushing = !batch.is_empty();
        queue.flushing.then_some(batch)
    }
}

/// A group's id and a stream's name.
type LaneName = (u64, Arc<str>);

/// All lanes in use.
#[derive(Default)]
pub(crate) struct Lanes(Mutex<HashMap<LaneName, Arc<Lane>>>);

impl Lanes {
    pub(crate) fn lane(&self, group: u64, name: &str) -> Arc<Lane> {
        let mut lanes = self.0.lock();
        let at = (group, Arc::from(name));
        if let Some(lane) = lanes.get(&at) {
            return Arc::clone(lane);
        }
        if lanes.len() >= LANES_MAX {
            // All that a lane knows is in the store, and nobody but this map knows an idle one.
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        let lane = Arc::new(Lane {
            group,
            name: Arc::clone(&at.1),
            key: keys::stream(group, name),
            queue: Mutex::default(),
            state: Arc::default(),
        });
        lanes.insert(at, Arc::clone(&lane));
        lane
    }
}

/// Lets the next event begin a new task should this one end by a panic: else the stream would wait for it for ever.
struct Flushing<'l>(&'l Lane);

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.queue.lock().flushing = false;
    }
}

/// What a flush needs of the program.
#[derive(Clone)]
pub(crate) struct Committer {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) owner: Owner,
}

impl Committer {
    /// Puts events in line, and sees to it that somebody commits them. A caller that goes away changes nothing.
    pub(crate) fn enqueue(&self, slot: &Arc<Slot>, lane: &Arc<Lane>, waiting: Waiting) {
        let mut queue = lane.queue.lock();
        queue.waiting.push_back(waiting);
        if !queue.flushing {
            queue.flushing = true;
            tokio::spawn(self.clone().flush(Arc::clone(slot), Arc::clone(lane)));
        }
    }

    async fn flush(self, slot: Arc<Slot>, lane: Arc<Lane>) {
        let unlucky = Flushing(&lane);
        while let Some(batch) = lane.take() {
            if let Err(cause) = self.commit(&slot, &lane, batch).await {
                tracing::warn!(group = %slot.name.name, stream = %lane.name, %cause, "log events were not stored");
            }
        }
        std::mem::forget(unlucky);
    }

    /// Stores a batch and answers everybody in it.
    async fn commit(&self, slot: &Slot, lane: &Lane, batch: Vec<Waiting>) -> Result<(), StoreError> {
        let in_use = match slot.in_use(&self.db).await {
            Ok(in_use) if in_use.group().is_some_and(|group| group.id == lane.group) => in_use,
            Ok(_) => {
                answer(batch, &Err(Refusal::NoGroup));
                return Ok(());
            }
            Err(cause) => return refuse(batch, cause),
        };
        let mut state = match lane.state(&self.db).await {
            Ok(state) => state,
            Err(cause) => return refuse(batch, cause),
        };
        let (stored, refused): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|waiting| waiting.create || state.stream.is_some());
        answer(refused, &Err(Refusal::NoStream));
        if stored.is_empty() {
            return Ok(());
        }
        let now = self.env.now();
        let stream = state.stream.clone().unwrap_or_else(|| self.new_stream());
        let floor = u64::try_from(now.as_micros()).unwrap_or(0);
        let plan = Plan::new(lane.group, stream, floor, now.as_millis(), stored.iter().flat_map(|w| w.events.iter()));
        if let Err(cause) = self.write(slot, lane, &plan, &state.marked).await {
            // Whether it was applied may be unknown: what memory holds is read anew.
            state.forget();
            return refuse(stored, cause);
        }
        for quarter in &plan.quarters {
            if !state.marked.contains(quarter) {
                state.marked.insert(0, *quarter);
            }
        }
        state.marked.truncate(MARKED_MAX);
        let last = plan.stream.next_sequence.saturating_sub(1);
        state.stream = Some(plan.stream);
        drop(state);
        drop(in_use);
        answer(stored, &Ok(last));
        Ok(())
    }

    async fn write(&self, slot: &Slot, lane: &Lane, plan: &Plan, marked: &[i64]) -> Result<(), StoreError> {
        let tx = self.db.begin();
        slot.fence(&self.owner, &tx)?;
        for (key, row) in &plan.rows {
            tx.set(key.clone(), row.clone());
        }
        for quarter in plan.quarters.iter().filter(|quarter| !marked.contains(quarter)) {
            tx.set(keys::active(lane.group, *quarter, plan.stream.id), active_row(&lane.name));
        }
        tx.set_record(lane.key.clone(), &plan.stream)?;
        tx.add(keys::stored_bytes(lane.group), i64::try_from(plan.bytes).unwrap_or(i64::MAX))?;
        tx.commit().await
    }

    /// A stream that begins now.
    pub(crate) fn new_stream(&self) -> Stream {
        Stream {
            id: self.env.entropy().u64().max(1),
            created_ms: self.env.now().as_millis(),
            span: None,
            stored_bytes: 0,
            next_sequence: 1,
        }
    }
}

/// The value of a row of kind `active`.
fn active_row(name: &str) -> Bytes {
    let mut row = RowWriter::new(ACTIVE_VERSION);
    row.str(name);
    row.finish()
}

/// The stream's name in a row of kind `active`.
pub(crate) fn read_active_row(row: &cauce_store::Row) -> Result<String, StoreError> {
    let read = || {
        let (_, mut reader) = cauce_store::RowReader::new(&row.val)?;
        reader.str().map(str::to_owned)
    };
    read().map_err(|error| super::error::corrupt(&row.key, error))
}

fn answer(batch: Vec<Waiting>, result: &Result<u64, Refusal>) {
    for waiting in batch {
        drop(waiting.permit);
        // Who no longer waits has gone away; that is no concern of the events.
        let _ = waiting.answer.send(result.clone());
    }
}

fn refuse(batch: Vec<Waiting>, cause: StoreError) -> Result<(), StoreError> {
    answer(batch, &Err(Refusal::Store(cause.clone())));
    Err(cause)
}

/// What a commit writes.
#[derive(Debug)]
struct Plan {
    rows: Vec<(Bytes, Bytes)>,
    /// The stream as it is afterwards.
    stream: Stream,
    /// The quarters of an hour in which its events lie, each once.
    quarters: Vec<i64>,
    /// The bytes of its events as the service counts them.
    bytes: u64,
}

impl Plan {
    /// Decides: numbers from `floor` or where the stream stands, rows of events that follow one another with one timestamp.
    fn new<'e>(
        group: u64,
        mut stream: Stream,
        floor: u64,
        ingested_ms: i64,
        events: impl Iterator<Item = &'e NewEvent>,
    ) -> Plan {
        let mut sequence = stream.next_sequence.max(floor);
        let mut plan = Rows { group, stream: stream.id, ingested_ms, rows: Vec::new(), open: None };
        let (mut quarters, mut bytes) = (Vec::new(), 0_u64);
        for event in events {
            plan.push(event, sequence);
            sequence += 1;
            bytes += (event.text.len() + EVENT_OVERHEAD_BYTES) as u64;
            let at = event.timestamp_ms;
            if !quarters.contains(&keys::quarter_of(at)) {
                quarters.push(keys::quarter_of(at));
            }
            let span = stream.span.get_or_insert(Span { first_ms: at, last_ms: at, ingested_ms });
            *span = Span { first_ms: span.first_ms.min(at), last_ms: span.last_ms.max(at), ingested_ms };
        }
        plan.close();
        stream.next_sequence = sequence;
        stream.stored_bytes = stream.stored_bytes.saturating_add(bytes);
        Plan { rows: plan.rows, stream, quarters, bytes }
    }
}

struct Rows<'e> {
    group: u64,
    stream: u64,
    ingested_ms: i64,
    rows: Vec<(Bytes, Bytes)>,
    open: Option<OpenRow<'e>>,
}

struct OpenRow<'e> {
    timestamp_ms: i64,
    first: u64,
    bytes: usize,
    texts: Vec<&'e str>,
}

impl<'e> Rows<'e> {
    fn push(&mut self, event: &'e NewEvent, sequence: u64) {
        let fits = |row: &OpenRow<'_>| {
            row.timestamp_ms == event.timestamp_ms
                && row.texts.len() < ROW_EVENTS_MAX
                && row.bytes + event.text.len() <= ROW_BYTES_MAX
        };
        if !self.open.as_ref().is_some_and(fits) {
            self.close();
        }
        let row = self.open.get_or_insert_with(|| OpenRow {
            timestamp_ms: event.timestamp_ms,
            first: sequence,
            bytes: 0,
            texts: Vec::new(),
        });
        row.bytes += event.text.len();
        row.texts.push(&event.text);
    }

    fn close(&mut self) {
        if let Some(row) = self.open.take() {
            let key = keys::events_at(self.group, self.stream, row.timestamp_ms, row.first);
            self.rows.push((key, Lines::encode(self.ingested_ms, &row.texts)));
        }
    }
}

/// Reads the events of a row, each with its sequence number.
pub(crate) fn read_row(row: &cauce_store::Row) -> Result<(i64, u64, Lines), StoreError> {
    let (timestamp_ms, first) = keys::read_events(&row.key).map_err(|error| super::error::corrupt(&row.key, error))?;
    let lines = Lines::decode(&row.val).map_err(|error| super::error::corrupt(&row.key, error))?;
    Ok((timestamp_ms, first, lines))
}

#[cfg(test)]
mod tests {
    use super::{NewEvent, Plan};
    use crate::logs::keys;
    use crate::logs::lines::Lines;
    use crate::logs::model::{Span, Stream};

    fn plan(events: &[(i64, &str)]) -> Plan {
        let stream = Stream { id: 2, created_ms: 0, span: None, stored_bytes: 100, next_sequence: 10 };
        let events: Vec<NewEvent> =
            events.iter().map(|(at, text)| NewEvent { timestamp_ms: *at, text: (*text).to_owned() }).collect();
        Plan::new(1, stream, 5, 77, events.iter())
    }

    #[test]
    fn neighbours_of_one_timestamp_share_a_row() {
        let plan = plan(&[(5, "a"), (5, "b"), (6, "c"), (5, "d"), (900_000, "e")]);
        let rows: Vec<(i64, u64, Vec<String>)> = plan
            .rows
            .iter()
            .map(|(key, row)| {
                let (at, first) = keys::read_events(key).unwrap();
                (at, first, Lines::decode(row).unwrap().texts)
            })
            .collect();
        let row = |at, first, texts: &[&str]| (at, first, texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
        assert_eq!(rows, [row(5, 10, &["a", "b"]), row(6, 12, &["c"]), row(5, 13, &["d"]), row(900_000, 14, &["e"])]);
        assert_eq!(plan.stream.next_sequence, 15);
        assert_eq!(plan.stream.stored_bytes, 100 + 5 * 27);
        assert_eq!(plan.stream.span, Some(Span { first_ms: 5, last_ms: 900_000, ingested_ms: 77 }));
        assert_eq!(plan.quarters, [0, 1]);
    }

    #[test]
    fn rows_are_bounded() {
        let long = "x".repeat(40_000);
        assert_eq!(plan(&[(1, &long), (1, &long)]).rows.len(), 2);
        assert_eq!(plan(&vec![(1, "x"); 2_500]).rows.len(), 3);
        assert_eq!(plan(&[(1, &"x".repeat(1_000_000))]).rows.len(), 1);
    }
}
