//! `GetLogEvents`: one stream, page by page, in either direction.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::{Db, RangeReq, ReadReq, StoreError};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::error::LogsError;
use super::keys;
use super::lane::read_row;
use super::names;
use super::page::{PAGE_EVENTS_MAX, Room};
use super::service::Logs;
use super::token::{self, Direction, Place};

/// Rows read at a time.
const READ_ROWS: usize = 256;

/// `GetLogEvents`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetLogEvents {
    pub(crate) log_group_name: Option<String>,
    pub(crate) log_group_identifier: Option<String>,
    pub(crate) log_stream_name: String,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<i64>,
    start_from_head: Option<bool>,
}

impl Input for GetLogEvents {
    fn validate(&self, v: &mut Violations) {
        names::optional_group(v, self.log_group_name.as_deref(), self.log_group_identifier.as_deref());
        names::stream(v, "logStreamName", &self.log_stream_name);
        limits(v, self.start_time, self.end_time, self.limit);
        token::validate(v, self.next_token.as_deref());
    }
}

/// What all operations that read events constrain alike.
pub(crate) fn limits(v: &mut Violations, start: Option<i64>, end: Option<i64>, limit: Option<i64>) {
    for (name, time) in [("startTime", start), ("endTime", end)] {
        if let Some(time) = time {
            v.range(name, time, 0, i64::MAX);
        }
    }
    if let Some(limit) = limit {
        v.range("limit", limit, 1, PAGE_EVENTS_MAX as i64);
    }
}

/// A page of events. Neither token is ever missing; one that comes back unchanged says that there is nothing more that way.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogEvents {
    events: Vec<OutputLogEvent>,
    next_forward_token: String,
    next_backward_token: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputLogEvent {
    timestamp: i64,
    message: String,
    ingestion_time: i64,
}

/// An event as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) place: Place,
    pub(crate) ingested_ms: i64,
    pub(crate) text: String,
}

impl Logs {
    /// `GetLogEvents`.
    pub(crate) async fn get_log_events(
        self: Arc<Self>,
        call: Call,
        input: GetLogEvents,
    ) -> Result<LogEvents, LogsError> {
        let name = names::either(&call, input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
        let group = self.group(&self.slot(&call, &name)).await?;
        let key = keys::stream(group.id, &input.log_stream_name);
        let stream = self.db.get::<super::model::Stream>(&key).await?.ok_or(LogsError::StreamNotFound)?;
        let kept_from = group.kept_from_ms(self.env.now().as_millis());
        let part = Part {
            group: group.id,
            stream: stream.id,
            from_ms: input.start_time.unwrap_or(0).max(kept_from),
            until_ms: input.end_time.unwrap_or(i64::MAX),
        };
        let token = match &input.next_token {
            Some(text) => Some(Direction::decode(text).ok_or_else(LogsError::token)?),
            None => None,
        };
        let forward = match token {
            Some(Direction::Forward(_)) => true,
            Some(Direction::Backward(_)) => false,
            None => input.start_from_head.unwrap_or(false),
        };
        let mut room = Room::new(input.limit);
        let events = if forward {
            let after = match token {
                Some(Direction::Forward(place)) => Some(place),
                _ => None,
            };
            part.forward(&self.db, after, &mut room).await?
        } else {
            let before = match token {
                Some(Direction::Backward(place)) => Some(place),
                _ => None,
            };
            part.backward(&self.db, before, &mut room).await?
        };
        // Without events one stands where one stood: at the token, or before everything that may still come.
        let stood = match token {
            Some(Direction::Forward(place) | Direction::Backward(place)) => place,
            None => Place { stream: stream.id, ..Place::start_of(part.from_ms) },
        };
        let first = events.first().map_or(stood, |event| event.place);
        let last = events.last().map_or(stood, |event| event.place);
        Ok(LogEvents {
            next_forward_token: Direction::Forward(last).encode(),
            next_backward_token: Direction::Backward(first).encode(),
            events: events.into_iter().map(OutputLogEvent::from).collect(),
        })
    }
}

impl From<Event> for OutputLogEvent {
    fn from(event: Event) -> OutputLogEvent {
        OutputLogEvent { timestamp: event.place.timestamp_ms, message: event.text, ingestion_time: event.ingested_ms }
    }
}

/// A stream's events of some time: from the first millisecond up to, and not with, the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) group: u64,
    pub(crate) stream: u64,
    pub(crate) from_ms: i64,
    pub(crate) until_ms: i64,
}

impl Part {
    fn key(&self, timestamp_ms: i64, sequence: u64) -> bytes::Bytes {
        keys::events_at(self.group, self.stream, timestamp_ms, sequence)
    }

    /// The keys of its events.
    pub(crate) fn keys(&self) -> keys::KeyRange {
        (self.key(self.from_ms, 0), self.key(self.until_ms, 0))
    }

    /// The ranges that hold the events after a place: what is left of the row in which it lies, and the rows after that.
    pub(crate) fn ranges_after(&self, after: Option<Place>, rows: usize) -> Vec<RangeReq> {
        let end = self.key(self.until_ms, 0);
        let whole = |start| RangeReq::new((start, end.clone()), rows);
        match after.filter(|place| place.timestamp_ms >= self.from_ms) {
            None => vec![whole(self.key(self.from_ms, 0))],
            Some(place) => {
                let next = match place.sequence.checked_add(1) {
                    Some(sequence) => self.key(place.timestamp_ms, sequence),
                    None => self.key(place.timestamp_ms.saturating_add(1), 0),
                };
                let row = RangeReq::new((self.key(place.timestamp_ms, 0), next.clone().min(end.clone())), 1).reversed();
                vec![row, whole(next)]
            }
        }
    }

    async fn forward(&self, db: &Db, after: Option<Place>, room: &mut Room) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        let mut ranges = self.ranges_after(after, READ_ROWS.min(room.events() + 1));
        loop {
            let last = ranges.last().cloned();
            let pages = db.read(ReadReq { gets: Vec::new(), ranges }).await?.ranges;
            for row in pages.iter().flat_map(|page| &page.rows) {
                for event in self.events_of(row)? {
                    if after.is_some_and(|after| event.place.same_stream_order() <= after.same_stream_order()) {
                        continue;
                    }
                    if !room.take(&event.text) {
                        return Ok(events);
                    }
                    events.push(event);
                }
            }
            match (last, pages.last().filter(|page| page.more).and_then(|page| page.rows.last())) {
                (Some(range), Some(row)) => ranges = vec![range.after(&row.key)],
                _ => return Ok(events),
            }
        }
    }

    async fn backward(&self, db: &Db, before: Option<Place>, room: &mut Room) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        let bound = before.filter(|place| place.timestamp_ms < self.until_ms);
        let end =
            bound.map_or_else(|| self.key(self.until_ms, 0), |place| self.key(place.timestamp_ms, place.sequence));
        let rows = READ_ROWS.min(room.events() + 1);
        let mut range = RangeReq::new((self.key(self.from_ms, 0), end), rows).reversed();
        'rows: loop {
            let page = db.range(range.clone()).await?;
            for row in &page.rows {
                for event in self.events_of(row)?.into_iter().rev() {
                    if before.is_some_and(|before| event.place.same_stream_order() >= before.same_stream_order()) {
                        continue;
                    }
                    if !room.take(&event.text) {
                        break 'rows;
                    }
                    events.push(event);
                }
            }
            match page.rows.last().filter(|_| page.more) {
                Some(row) => range = range.after(&row.key),
                None => break,
            }
        }
        events.reverse();
        Ok(events)
    }

    /// The events of a row.
    pub(crate) fn events_of(&self, row: &cauce_store::Row) -> Result<Vec<Event>, StoreError> {
        let (timestamp_ms, first, lines) = read_row(row)?;
        let ingested_ms = lines.ingested_ms;
        let event = |(sequence, text)| {
            let place = Place { timestamp_ms, sequence, stream: self.stream };
            Event { place, ingested_ms, text }
        };
        Ok((first..).zip(lines.texts).map(event).collect())
    }
}
