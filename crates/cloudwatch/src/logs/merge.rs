//! The events of several streams in one order, read as they are wanted.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use cauce_store::{Db, RangeReq, RangeResp, ReadReq, StoreError};

use super::get::{Event, Part};
use super::lines::EVENT_OVERHEAD_BYTES;
use super::token::Place;

/// Streams whose first rows are asked for in one read: each may give as many bytes as the store puts in one range.
const OPEN_STREAMS: usize = 16;
/// Rows read at a time from one stream, at first and at most.
const ROWS_FIRST_MAX: usize = 16;
const ROWS_MAX: usize = 256;
/// The text of events that are read ahead, in bytes; beyond that streams give back what they hold and are read again.
const AHEAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A stream to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) stream: u64,
    pub(crate) name: Arc<str>,
}

struct Cursor {
    source: Source,
    part: Part,
    /// Events that were read and not given yet.
    ahead: VecDeque<Event>,
    /// Where to read on; `None` at the end.
    rest: Option<RangeReq>,
    rows: usize,
}

/// Gives the events of several streams ordered by timestamp, then arrival. Holds one place a stream and a bounded number of bytes.
pub(crate) struct Merge<'d> {
    db: &'d Db,
    cursors: Vec<Cursor>,
    /// The next event's place of each stream that has one, and the stream's index.
    next: BinaryHeap<Reverse<(Place, usize)>>,
    ahead_bytes: usize,
}

impl<'d> Merge<'d> {
    /// Opens the streams at the first event after a place. `part` gives group and time; `wanted` is how many events are likely to
    /// be taken.
    pub(crate) async fn open(
        db: &'d Db,
        part: Part,
        sources: Vec<Source>,
        after: Option<Place>,
        wanted: usize,
    ) -> Result<Merge<'d>, StoreError> {
        let rows = (wanted / sources.len().max(1) + 1).clamp(2, ROWS_FIRST_MAX);
        let mut merge =
            Merge { db, cursors: Vec::with_capacity(sources.len()), next: BinaryHeap::new(), ahead_bytes: 0 };
        let mut sources = sources.into_iter();
        loop {
            let chunk: Vec<Source> = sources.by_ref().take(OPEN_STREAMS).collect();
            if chunk.is_empty() {
                return Ok(merge);
            }
            merge.open_some(part, chunk, after, rows).await?;
        }
    }

    async fn open_some(
        &mut self,
        part: Part,
        sources: Vec<Source>,
        after: Option<Place>,
        rows: usize,
    ) -> Result<(), StoreError> {
        let parts: Vec<Part> = sources.iter().map(|source| Part { stream: source.stream, ..part }).collect();
        let requests: Vec<Vec<RangeReq>> = parts.iter().map(|part| part.ranges_after(after, rows)).collect();
        let ranges = requests.iter().flatten().cloned().collect();
        let mut pages = self.db.read(ReadReq { gets: Vec::new(), ranges }).await?.ranges.into_iter();
        for ((source, part), requests) in sources.into_iter().zip(parts).zip(requests) {
            let mut cursor = Cursor { source, part, ahead: VecDeque::new(), rest: None, rows };
            for request in requests {
                let page = pages.next().unwrap_or_default();
                self.ahead_bytes += cursor.read(request, &page, &|place| after.is_none_or(|after| place > after))?;
            }
            let at = self.cursors.len();
            self.cursors.push(cursor);
            self.settle(at).await?;
        }
        Ok(())
    }

    /// The next event in order, with its stream's name.
    pub(crate) async fn next(&mut self) -> Result<Option<(Event, Arc<str>)>, StoreError> {
        while let Some(Reverse((place, at))) = self.next.pop() {
            let Some(cursor) = self.cursors.get_mut(at) else { continue };
            if cursor.ahead.is_empty() {
                // It gave back what it held: from here it is read again.
                let requests = cursor.part.ranges_after(Some(place.previous()), cursor.rows);
                let pages = self.db.read(ReadReq { gets: Vec::new(), ranges: requests.clone() }).await?.ranges;
                for (request, page) in requests.into_iter().zip(pages) {
                    self.ahead_bytes += cursor.read(request, &page, &|other| other >= place)?;
                }
            }
            let taken = cursor.ahead.front().is_some_and(|event| event.place == place);
            let event = if taken { cursor.ahead.pop_front() } else { None };
            let name = Arc::clone(&cursor.source.name);
            if let Some(event) = &event {
                self.ahead_bytes = self.ahead_bytes.saturating_sub(held(event));
            }
            self.settle(at).await?;
            // Without it the event has been removed meanwhile, and the next one is up.
            if let Some(event) = event {
                return Ok(Some((event, name)));
            }
        }
        Ok(None)
    }

    /// Puts a stream in line with its next event, reading until there is one or the end is reached.
    async fn settle(&mut self, at: usize) -> Result<(), StoreError> {
        let Some(cursor) = self.cursors.get_mut(at) else { return Ok(()) };
        while cursor.ahead.is_empty() {
            let Some(mut request) = cursor.rest.take() else { return Ok(()) };
            cursor.rows = (cursor.rows * 2).min(ROWS_MAX);
            request.limit = cursor.rows;
            let page = self.db.range(request.clone()).await?;
            self.ahead_bytes += cursor.read(request, &page, &|_| true)?;
        }
        let Some(front) = cursor.ahead.front() else { return Ok(()) };
        self.next.push(Reverse((front.place, at)));
        if self.ahead_bytes > AHEAD_BYTES_MAX {
            self.ahead_bytes = self.ahead_bytes.saturating_sub(cursor.ahead.iter().map(held).sum());
            cursor.ahead.clear();
            cursor.rest = None;
            cursor.rows = 1;
        }
        Ok(())
    }
}

/// What an event read ahead costs, in bytes.
fn held(event: &Event) -> usize {
    event.text.len() + EVENT_OVERHEAD_BYTES + size_of::<Event>()
}

impl Cursor {
    /// Takes in a page; returns what that costs.
    fn read(
        &mut self,
        request: RangeReq,
        page: &RangeResp,
        wanted: &dyn Fn(Place) -> bool,
    ) -> Result<usize, StoreError> {
        let mut bytes = 0;
        for row in &page.rows {
            for event in self.part.events_of(row)?.into_iter().filter(|event| wanted(event.place)) {
                bytes += held(&event);
                self.ahead.push_back(event);
            }
        }
        if !request.reverse {
            self.rest = page.rows.last().filter(|_| page.more).map(|row| request.after(&row.key));
        }
        Ok(bytes)
    }
}
