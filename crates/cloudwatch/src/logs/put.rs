//! `PutLogEvents`, and lines that come from inside the program.

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::{LogBatch, LogLine, Logs as LogsPort};
use cauce_core::{Call, ServiceError, Violations};
use cauce_wire::Input;
use serde::{Deserialize, Serialize};

use super::error::LogsError;
use super::group::CreateLogGroup;
use super::lane::{NewEvent, Refusal};
use super::lines::EVENT_OVERHEAD_BYTES;
use super::names;
use super::open_group::Slot;
use super::service::Logs;
use super::token::TIMESTAMP_MS_MAX;

/// Events of one request.
pub const PUT_EVENTS_MAX: usize = 10_000;
/// Bytes of one request: the text of its events and 26 for each.
pub const PUT_BYTES_MAX: usize = 1_048_576;
/// The time that the events of one request may span, in milliseconds.
pub const PUT_SPAN_MS_MAX: i64 = 24 * 3_600_000;
/// How old an event may be, in milliseconds.
pub const EVENT_AGE_MS_MAX: i64 = 14 * 24 * 3_600_000;
/// How far ahead of the clock an event may be, in milliseconds.
pub const EVENT_AHEAD_MS_MAX: i64 = 2 * 3_600_000;
/// Events of one piece of a batch from inside the program.
const APPEND_EVENTS_MAX: usize = 4_000;
/// Events of one request whose violations are listed.
const VIOLATIONS_MAX: usize = 10;

/// `PutLogEvents`. The sequence token is of no meaning any more and not looked at.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutLogEvents {
    pub(crate) log_group_name: String,
    pub(crate) log_stream_name: String,
    log_events: Vec<InputLogEvent>,
}

/// An event as a client sends it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct InputLogEvent {
    timestamp: i64,
    message: String,
}

impl Input for PutLogEvents {
    fn validate(&self, v: &mut Violations) {
        names::group(v, "logGroupName", &self.log_group_name);
        names::stream(v, "logStreamName", &self.log_stream_name);
        v.count("logEvents", self.log_events.len(), 1, PUT_EVENTS_MAX);
        let bad =
            self.log_events.iter().enumerate().filter(|(_, event)| event.timestamp < 0 || event.message.is_empty());
        for (at, event) in bad.take(VIOLATIONS_MAX) {
            v.within(format!("logEvents.{}.member", at + 1), |v| {
                v.range("timestamp", event.timestamp, 0, i64::MAX);
                v.length("message", &event.message, 1, usize::MAX);
            });
        }
    }
}

/// What became of the events.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutLogEventsOutput {
    next_sequence_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_log_events_info: Option<RejectedLogEvents>,
}

/// Which events were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RejectedLogEvents {
    /// The first that is too new.
    #[serde(skip_serializing_if = "Option::is_none")]
    too_new_log_event_start_index: Option<usize>,
    /// The first that is not too old.
    #[serde(skip_serializing_if = "Option::is_none")]
    too_old_log_event_end_index: Option<usize>,
    /// The first that retention keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    expired_log_event_end_index: Option<usize>,
}

/// Decides which events are stored: those from the first index up to, and not with, the second.
fn judge(
    events: &[InputLogEvent],
    now_ms: i64,
    kept_from_ms: i64,
) -> Result<(usize, usize, RejectedLogEvents), LogsError> {
    let sizes = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD_BYTES);
    if let Some(size) = sizes.clone().find(|size| *size > PUT_BYTES_MAX) {
        let message = format!("Log event too large: {size} bytes exceeds limit of {PUT_BYTES_MAX}");
        return Err(LogsError::invalid(message));
    }
    let total: usize = sizes.sum();
    if total > PUT_BYTES_MAX {
        return Err(LogsError::invalid(format!("Upload too large: {total} bytes exceeds limit of {PUT_BYTES_MAX}")));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        let message = "Log events in a single PutLogEvents request must be in chronological order.";
        return Err(LogsError::invalid(message));
    }
    // In order of time, so what is too old comes first and what is too new comes last.
    let before = |limit_ms: i64| events.partition_point(|event| event.timestamp < limit_ms);
    let some = |index: usize| (index > 0).then_some(index);
    let (old, expired) = (before(now_ms.saturating_sub(EVENT_AGE_MS_MAX)), before(kept_from_ms));
    let start = old.max(expired);
    let end = events.partition_point(|event| event.timestamp <= now_ms.saturating_add(EVENT_AHEAD_MS_MAX)).max(start);
    let rejected = RejectedLogEvents {
        too_new_log_event_start_index: (end < events.len()).then_some(end),
        too_old_log_event_end_index: some(old),
        expired_log_event_end_index: some(expired),
    };
    let kept = events.get(start..end).unwrap_or_default();
    if let (Some(first), Some(last)) = (kept.first(), kept.last())
        && last.timestamp - first.timestamp > PUT_SPAN_MS_MAX
    {
        let message = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
        return Err(LogsError::invalid(message));
    }
    Ok((start, end, rejected))
}

impl Logs {
    /// `PutLogEvents`.
    pub(crate) async fn put_log_events(
        self: Arc<Self>,
        call: Call,
        input: PutLogEvents,
    ) -> Result<PutLogEventsOutput, LogsError> {
        let slot = self.slot(&call, &input.log_group_name);
        let group = self.group(&slot).await?;
        let now_ms = self.env.now().as_millis();
        let (start, end, rejected) = judge(&input.log_events, now_ms, group.kept_from_ms(now_ms))?;
        let lane = self.lanes.lane(group.id, &input.log_stream_name);
        let events: Vec<NewEvent> = input
            .log_events
            .into_iter()
            .take(end)
            .skip(start)
            .map(|event| NewEvent { timestamp_ms: event.timestamp, text: event.message })
            .collect();
        let last = if events.is_empty() {
            let state = lane.state(&self.db).await?;
            state.stream.as_ref().map(|stream| stream.next_sequence - 1).ok_or(LogsError::StreamNotFound)?
        } else {
            self.add(&slot, &lane, events.into(), false).await.map_err(|refusal| match refusal {
                Refusal::NoGroup => LogsError::GroupNotFound,
                Refusal::NoStream => LogsError::StreamNotFound,
                Refusal::Store(cause) => LogsError::Store(cause),
            })?
        };
        Ok(PutLogEventsOutput {
            next_sequence_token: format!("49{last:054}"),
            rejected_log_events_info: (rejected != RejectedLogEvents::default()).then_some(rejected),
        })
    }

    /// The id of a group that is made if it is missing, again if it is deleted meanwhile.
    async fn group_or_new(&self, slot: &Slot) -> Result<u64, LogsError> {
        loop {
            match self.group(slot).await {
                Ok(group) => return Ok(group.id),
                Err(LogsError::GroupNotFound) => {}
                Err(error) => return Err(error),
            }
            let group = self.new_group(&slot.name, &CreateLogGroup::default())?;
            match self.make_group(slot, group).await {
                Ok(()) | Err(LogsError::GroupExists) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn append_piece(&self, slot: &Arc<Slot>, stream: &str, events: Vec<NewEvent>) -> Result<(), LogsError> {
        let events: Arc<[NewEvent]> = events.into();
        loop {
            let lane = self.lanes.lane(self.group_or_new(slot).await?, stream);
            match self.add(slot, &lane, Arc::clone(&events), true).await {
                Ok(_) => return Ok(()),
                Err(Refusal::Store(cause)) => return Err(LogsError::Store(cause)),
                // Deleted meanwhile: the lines are worth a new group, as a function's are with AWS. However often: each time
                // somebody's deletion has succeeded, so this does not go on by itself.
                Err(Refusal::NoGroup | Refusal::NoStream) => {}
            }
        }
    }
}

#[async_trait]
impl LogsPort for Logs {
    /// A batch that is larger than one request may be is stored in pieces, in order.
    async fn append(&self, batch: LogBatch) -> Result<(), ServiceError> {
        let slot = self.slot_of(batch.account, &batch.region, &batch.group);
        let mut events: Vec<NewEvent> = batch.lines.iter().flat_map(events_of).collect();
        while !events.is_empty() {
            let (mut bytes, mut count) = (0, 0);
            while let Some(event) = events.get(count) {
                bytes += event.text.len() + EVENT_OVERHEAD_BYTES;
                if count > 0 && (bytes > PUT_BYTES_MAX || count == APPEND_EVENTS_MAX) {
                    break;
                }
                count += 1;
            }
            let rest = events.split_off(count);
            self.append_piece(&slot, &batch.stream, events).await?;
            events = rest;
        }
        Ok(())
    }
}

/// The events of a line: one, unless it is longer than an event may be.
fn events_of(line: &LogLine) -> Vec<NewEvent> {
    const PIECE_BYTES_MAX: usize = PUT_BYTES_MAX - EVENT_OVERHEAD_BYTES;
    let timestamp_ms = line.at.as_millis().clamp(0, TIMESTAMP_MS_MAX);
    let text = String::from_utf8_lossy(&line.text);
    // An event is never empty; an empty line is a line end.
    let mut rest: &str = if text.is_empty() { "\n" } else { &text };
    let mut events = Vec::with_capacity(1);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at_checked(rest.floor_char_boundary(PIECE_BYTES_MAX)).unwrap_or((rest, ""));
        events.push(NewEvent { timestamp_ms, text: piece.to_owned() });
        rest = after;
    }
    events
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cauce_core::Timestamp;
    use cauce_core::ports::LogLine;

    use super::{
        EVENT_AGE_MS_MAX, EVENT_AHEAD_MS_MAX, InputLogEvent, PUT_BYTES_MAX, PUT_SPAN_MS_MAX, events_of, judge,
    };

    const NOW: i64 = 1_800_000_000_000;

    fn events(timestamps: &[i64]) -> Vec<InputLogEvent> {
        timestamps.iter().map(|timestamp| InputLogEvent { timestamp: *timestamp, message: "x".to_owned() }).collect()
    }

    /// Start, end, too new, too old, expired.
    type Judged = (usize, usize, Option<usize>, Option<usize>, Option<usize>);

    fn check(timestamps: &[i64], kept_from: i64, expect: Result<Judged, &str>) {
        let judged = judge(&events(timestamps), NOW, kept_from);
        let judged = judged.map(|(start, end, r)| {
            let (new, old) = (r.too_new_log_event_start_index, r.too_old_log_event_end_index);
            (start, end, new, old, r.expired_log_event_end_index)
        });
        assert_eq!(judged.map_err(|error| error.to_string()), expect.map_err(str::to_owned), "{timestamps:?}");
    }

    #[test]
    fn time_decides() {
        let (old, ahead) = (NOW - EVENT_AGE_MS_MAX, NOW + EVENT_AHEAD_MS_MAX);
        check(&[NOW], 0, Ok((0, 1, None, None, None)));
        check(&[NOW, NOW, NOW + 1], 0, Ok((0, 3, None, None, None)));
        check(&[old], 0, Ok((0, 1, None, None, None)));
        check(&[old - 1], 0, Ok((1, 1, None, Some(1), None)));
        check(&[old - 2, old - 1, NOW, ahead, ahead + 1], 0, Ok((2, 4, Some(4), Some(2), None)));
        check(&[ahead + 1, ahead + 2], 0, Ok((0, 0, Some(0), None, None)));
        check(&[NOW - 10, NOW], NOW - 5, Ok((1, 2, None, None, Some(1))));
        check(&[old - 1, NOW - 10, NOW], NOW - 5, Ok((2, 3, None, Some(1), Some(2))));
        check(&[NOW - PUT_SPAN_MS_MAX, NOW], 0, Ok((0, 2, None, None, None)));
        let span = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
        check(&[NOW - PUT_SPAN_MS_MAX - 1, NOW], 0, Err(span));
        // What is rejected does not count for the span.
        check(&[old - 1, NOW - PUT_SPAN_MS_MAX, NOW], 0, Ok((1, 3, None, Some(1), None)));
        let order = "Log events in a single PutLogEvents request must be in chronological order.";
        check(&[NOW, NOW - 1], 0, Err(order));
    }

    #[test]
    fn size_decides() {
        let of = |lengths: &[usize]| {
            let events: Vec<InputLogEvent> =
                lengths.iter().map(|len| InputLogEvent { timestamp: NOW, message: "x".repeat(*len) }).collect();
            judge(&events, NOW, 0).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(of(&[PUT_BYTES_MAX - 26]), Ok(()));
        assert_eq!(
            of(&[PUT_BYTES_MAX - 25]),
            Err("Log event too large: 1048577 bytes exceeds limit of 1048576".to_owned())
        );
        assert_eq!(of(&[PUT_BYTES_MAX / 2 - 26; 2]), Ok(()));
        assert_eq!(
            of(&[PUT_BYTES_MAX / 2 - 26, PUT_BYTES_MAX / 2 - 25]),
            Err("Upload too large: 1048577 bytes exceeds limit of 1048576".to_owned())
        );
    }

    #[test]
    fn a_line_becomes_events() {
        let check = |text: &[u8], expect: &[&str]| {
            let line = LogLine { at: Timestamp::from_micros(5_999), text: Bytes::copy_from_slice(text) };
            let events = events_of(&line);
            assert!(events.iter().all(|event| event.timestamp_ms == 5));
            assert_eq!(events.iter().map(|event| event.text.as_str()).collect::<Vec<_>>(), expect);
        };
        check(b"hello", &["hello"]);
        check(b"", &["\n"]);
        check(b"a\xFFb", &["a\u{FFFD}b"]);
        let long = "ä".repeat(600_000);
        let line = LogLine { at: Timestamp::EPOCH, text: Bytes::from(long.clone().into_bytes()) };
        let pieces = events_of(&line);
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces.into_iter().map(|event| event.text).collect::<String>(), long);
    }
}
