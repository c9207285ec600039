//! `FilterLogEvents`: the events of a group's streams in one order, those that a pattern matches.
//!
//! A few streams are merged over the whole time asked for. A group with many is walked quarter by quarter of an hour, merging
//! only the streams that have events in it: rows of kind `active` say which. Either way a request reads no more than it answers
//! and examines no more than a fixed amount, and then gives a token.

use std::sync::Arc;

use cauce_core::{Call, Violations};
use cauce_store::{RangeReq, ReadReq, StoreError};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::error::{LogsError, corrupt};
use super::get::{Event, Part, limits};
use super::keys;
use super::lane::read_active_row;
use super::lines::EVENT_OVERHEAD_BYTES;
use super::merge::{Merge, Source};
use super::model::{Group, Stream};
use super::names;
use super::page::Room;
use super::pattern::Pattern;
use super::service::Logs;
use super::stream;
use super::token::{self, Place, Token};

/// Stream names in one request.
const NAMES_MAX: usize = 100;
/// Up to so many streams are merged over the whole time.
const STREAMS_AT_ONCE: usize = 100;
/// Streams with events in one quarter of an hour that one request can merge.
const QUARTER_STREAMS_MAX: usize = 100_000;
/// Quarters of an hour that one request looks into.
const QUARTERS_MAX: usize = 1_000;
/// Rows of kind `active` that one request looks through for streams of a prefix.
const ACTIVE_ROWS_MAX: usize = 50_000;
/// Steps of matching that one request may take, and after how many it lets others run.
const STEPS_MAX: usize = 32 * 1024 * 1024;
const STEPS_A_TURN: usize = 512 * 1024;
/// Rows read at a time.
const READ_ROWS: usize = 2_000;

/// `FilterLogEvents`. Events are always interleaved, and `unmask` has nothing to show: no data protection policies are kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FilterLogEvents {
    pub(crate) log_group_name: Option<String>,
    pub(crate) log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

impl Input for FilterLogEvents {
    fn validate(&self, v: &mut Violations) {
        names::optional_group(v, self.log_group_name.as_deref(), self.log_group_identifier.as_deref());
        if let Some(list) = &self.log_stream_names {
            v.count("logStreamNames", list.len(), 1, NAMES_MAX);
            list.iter().take(NAMES_MAX).for_each(|name| names::stream(v, "logStreamNames", name));
        }
        if let Some(prefix) = &self.log_stream_name_prefix {
            names::stream(v, "logStreamNamePrefix", prefix);
        }
        limits(v, self.start_time, self.end_time, self.limit);
        if let Some(pattern) = &self.filter_pattern {
            v.length("filterPattern", pattern, 0, super::pattern::PATTERN_CHARS_MAX);
        }
        token::validate(v, self.next_token.as_deref());
    }
}

/// A page of events.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FilteredLogEvents {
    events: Vec<FilteredLogEvent>,
    /// Always empty, as AWS has it since 2020.
    searched_log_streams: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FilteredLogEvent {
    log_stream_name: Arc<str>,
    timestamp: i64,
    message: String,
    ingestion_time: i64,
    event_id: String,
}

/// Which streams are meant.
enum Streams {
    /// These.
    Named(Vec<Source>),
    /// All whose names begin so: too many to be merged over the whole time.
    Prefix(String),
}

/// A request under way.
struct Search {
    pattern: Pattern,
    room: Room,
    steps: usize,
    turn: usize,
    events: Vec<FilteredLogEvent>,
    /// The last place looked at.
    seen: Option<Place>,
}

/// What comes next in a walk by quarters of an hour.
enum NextQuarter {
    /// Nothing more.
    None,
    /// Enough rows were looked through for one request; on from this quarter.
    NotYet(i64),
    /// This quarter, with these streams.
    Found(i64, Vec<Source>),
}

/// Why a search pauses.
enum Progress {
    /// Everything was looked at.
    Done,
    /// The answer is full, or enough was done for one request.
    Enough,
}

impl Logs {
    /// `FilterLogEvents`.
    pub(crate) async fn filter_log_events(
        self: Arc<Self>,
        call: Call,
        input: FilterLogEvents,
    ) -> Result<FilteredLogEvents, LogsError> {
        if input.log_stream_names.is_some() && input.log_stream_name_prefix.is_some() {
            let message = "LogStreamNames and LogStreamNamePrefix are mutually exclusive parameters.";
            return Err(LogsError::invalid(message));
        }
        let name = names::either(&call, input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
        let pattern = Pattern::compile(input.filter_pattern.as_deref().unwrap_or(""))
            .map_err(|_| LogsError::invalid("Invalid filter pattern"))?;
        let group = self.group(&self.slot(&call, &name)).await?;
        let after = match &input.next_token {
            None => None,
            Some(text) => match Token::decode(text) {
                Some(Token::Event { group: of, place }) if of == group.id => Some(place),
                _ => return Err(LogsError::token()),
            },
        };
        let part = Part {
            group: group.id,
            stream: 0,
            from_ms: input.start_time.unwrap_or(0).max(group.kept_from_ms(self.env.now().as_millis())),
            until_ms: input.end_time.map_or(i64::MAX, |end| end.saturating_add(1)),
        };
        let room = Room::new(input.limit);
        let mut search = Search { pattern, room, steps: STEPS_MAX, turn: 0, events: Vec::new(), seen: after };
        let progress = match self.streams(&group, &input, &part).await? {
            Streams::Named(sources) => self.search(part, sources, &mut search).await?,
            Streams::Prefix(prefix) => self.search_by_quarters(part, &prefix, &mut search).await?,
        };
        let next_token = match (progress, search.seen) {
            (Progress::Enough, Some(place)) => Some(Token::Event { group: group.id, place }.encode()),
            _ => None,
        };
        Ok(FilteredLogEvents { events: search.events, searched_log_streams: [], next_token })
    }

    async fn streams(&self, group: &Group, input: &FilterLogEvents, part: &Part) -> Result<Streams, LogsError> {
        let mut sources = Vec::new();
        if let Some(names) = &input.log_stream_names {
            let gets = names.iter().map(|name| keys::stream(group.id, name)).collect();
            for row in self.db.read(ReadReq { gets, ranges: Vec::new() }).await?.gets {
                let (name, stream) = stream::read_row(&row.ok_or(LogsError::StreamNotFound)?)?;
                sources.extend(source(name, &stream, part));
            }
            sources.sort_by_key(|source| source.stream);
            sources.dedup();
            return Ok(Streams::Named(sources));
        }
        let prefix = input.log_stream_name_prefix.clone().unwrap_or_default();
        let range = RangeReq::new(keys::streams_with_prefix(group.id, &prefix), STREAMS_AT_ONCE);
        let page = self.db.range(range).await?;
        if page.more {
            return Ok(Streams::Prefix(prefix));
        }
        for row in &page.rows {
            let (name, stream) = stream::read_row(row)?;
            sources.extend(source(name, &stream, part));
        }
        Ok(Streams::Named(sources))
    }

    /// Looks at the events of these streams.
    async fn search(&self, part: Part, sources: Vec<Source>, search: &mut Search) -> Result<Progress, LogsError> {
        let mut merge = Merge::open(&self.db, part, sources, search.seen, search.room.events()).await?;
        while let Some((event, stream)) = merge.next().await? {
            if !search.see(event, stream) {
                return Ok(Progress::Enough);
            }
            if search.turn >= STEPS_A_TURN {
                search.turn = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(Progress::Done)
    }

    async fn search_by_quarters(&self, part: Part, prefix: &str, search: &mut Search) -> Result<Progress, LogsError> {
        let from_ms = search.seen.map_or(part.from_ms, |place| place.timestamp_ms.max(part.from_ms));
        let end = keys::quarter_of(part.until_ms.saturating_sub(1)).saturating_add(1);
        let mut from = keys::quarter_of(from_ms);
        let mut rows_left = ACTIVE_ROWS_MAX;
        for _ in 0..QUARTERS_MAX {
            let (quarter, sources) = match self.next_quarter(part.group, from, end, prefix, &mut rows_left).await? {
                NextQuarter::None => return Ok(Progress::Done),
                NextQuarter::NotYet(quarter) => {
                    search.seen = search.seen.max(Some(Place::just_before(quarter * keys::QUARTER_MS)));
                    return Ok(Progress::Enough);
                }
                NextQuarter::Found(quarter, sources) => (quarter, sources),
            };
            let (start_ms, next_ms) = (quarter * keys::QUARTER_MS, (quarter + 1) * keys::QUARTER_MS);
            let window = Part { from_ms: part.from_ms.max(start_ms), until_ms: part.until_ms.min(next_ms), ..part };
            let sources = self.living(part.group, sources).await?;
            if let Progress::Enough = self.search(window, sources, search).await? {
                return Ok(Progress::Enough);
            }
            search.seen = search.seen.max(Some(Place::just_before(next_ms)));
            from = quarter + 1;
        }
        Ok(Progress::Enough)
    }

    /// The first quarter of an hour in which streams of this prefix have events, with those streams.
    async fn next_quarter(
        &self,
        group: u64,
        from: i64,
        end: i64,
        prefix: &str,
        rows_left: &mut usize,
    ) -> Result<NextQuarter, LogsError> {
        let mut range = RangeReq::new(keys::active_between(group, from, end), READ_ROWS);
        let mut found: Option<(i64, Vec<Source>)> = None;
        loop {
            let page = self.db.range(range.clone()).await?;
            for row in &page.rows {
                let (quarter, stream) = keys::read_active(&row.key).map_err(|error| corrupt(&row.key, error))?;
                match found {
                    Some((first, sources)) if first != quarter => return Ok(NextQuarter::Found(first, sources)),
                    None if *rows_left == 0 => return Ok(NextQuarter::NotYet(quarter)),
                    _ => *rows_left = rows_left.saturating_sub(1),
                }
                let name = read_active_row(row)?;
                if name.starts_with(prefix) {
                    let (_, sources) = found.get_or_insert_with(|| (quarter, Vec::new()));
                    sources.push(Source { stream, name: name.into() });
                    if sources.len() > QUARTER_STREAMS_MAX {
                        let message = format!(
                            "More than {QUARTER_STREAMS_MAX} log streams have events in one quarter of an hour; name streams or a prefix."
                        );
                        return Err(LogsError::invalid(message));
                    }
                }
            }
            match page.rows.last() {
                Some(row) if page.more => range = range.after(&row.key),
                _ => return Ok(found.map_or(NextQuarter::None, |(first, sources)| NextQuarter::Found(first, sources))),
            }
        }
    }

    /// Leaves out streams that were deleted and whose events are still being removed.
    async fn living(&self, group: u64, sources: Vec<Source>) -> Result<Vec<Source>, StoreError> {
        let mut living = Vec::with_capacity(sources.len());
        for chunk in sources.chunks(READ_ROWS) {
            let gets = chunk.iter().map(|source| keys::stream(group, &source.name)).collect();
            let rows = self.db.read(ReadReq { gets, ranges: Vec::new() }).await?.gets;
            for (source, row) in chunk.iter().zip(rows) {
                if let Some(row) = row
                    && stream::read_row(&row)?.1.id == source.stream
                {
                    living.push(source.clone());
                }
            }
        }
        Ok(living)
    }
}

/// A stream to be read, unless it has no events of that time.
fn source(name: String, stream: &Stream, part: &Part) -> Option<Source> {
    let span = stream.span.filter(|span| span.last_ms >= part.from_ms && span.first_ms < part.until_ms);
    span.map(|_| Source { stream: stream.id, name: name.into() })
}

impl Search {
    /// Looks at an event; false if the answer is full or enough was done, and then the event still waits to be looked at.
    fn see(&mut self, event: Event, stream: Arc<str>) -> bool {
        let steps = (event.text.len() + EVENT_OVERHEAD_BYTES).saturating_mul(self.pattern.cost());
        if self.steps == 0 {
            return false;
        }
        if self.pattern.matches(&event.text) {
            if !self.room.take(&event.text) {
                return false;
            }
            self.events.push(FilteredLogEvent {
                log_stream_name: stream,
                timestamp: event.place.timestamp_ms,
                event_id: event.place.event_id(),
                message: event.text,
                ingestion_time: event.ingested_ms,
            });
        }
        self.seen = Some(event.place);
        self.steps = self.steps.saturating_sub(steps);
        self.turn += steps;
        true
    }
}
