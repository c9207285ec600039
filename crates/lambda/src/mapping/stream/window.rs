//! Tumbling windows: what a function hands on from batch to batch of one span of time.
//!
//! AWS: Lambda Developer Guide, *Stateful stream processing in DynamoDB*.

use bytes::Bytes;
use cauce_core::{Arn, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The largest state, in bytes; a window whose state is larger ends early.
const STATE_BYTES_MAX: usize = 1024 * 1024;

/// The most bytes that a window adds to an event: the state, with room for what names the window.
pub(super) const WINDOW_BYTES_MAX: usize = STATE_BYTES_MAX + 4 * 1024;

/// A span of time, and what the function has said in it last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// Its first second.
    start_s: i64,
    state: Value,
}

/// What an event of a window has besides its records.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    window: Span,
    state: &'a Value,
    shard_id: &'a str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a Arn,
    is_final_invoke_for_window: bool,
    is_window_terminated_early: bool,
}

#[derive(Serialize)]
struct Span {
    start: String,
    end: String,
}

impl Window {
    /// The window of a moment, in which nothing has been said.
    pub(super) fn of(at: Timestamp, lasts_s: u32) -> Window {
        let lasts_s = i64::from(lasts_s.max(1));
        let start_s = at.as_secs().div_euclid(lasts_s).saturating_mul(lasts_s);
        Window { start_s, state: Value::Object(Map::new()) }
    }

    /// Whether it is the same span of time.
    pub(super) fn is(&self, other: &Window) -> bool {
        self.start_s == other.start_s
    }

    /// When it ends.
    pub(super) fn end(&self, lasts_s: u32) -> Timestamp {
        Timestamp::from_secs(self.start_s.saturating_add(i64::from(lasts_s)))
    }

    /// After the function has answered.
    pub(super) fn answered(self, answer: &[u8]) -> Window {
        let answer: Option<Value> = serde_json::from_slice(answer).ok();
        let state = answer.and_then(|mut answer| answer.get_mut("state").map(Value::take)).filter(Value::is_object);
        Window { state: state.unwrap_or_else(|| Value::Object(Map::new())), ..self }
    }

    /// Whether its state is too large for it to go on.
    pub(super) fn overflows(&self) -> bool {
        self.state.to_string().len() > STATE_BYTES_MAX
    }

    /// The event with what belongs to the window.
    pub(super) fn event(&self, records: &Bytes, lasts_s: u32, (shard_id, stream): (&str, &Arn), last: bool) -> Bytes {
        let end = self.end(lasts_s);
        let members = Members {
            window: Span { start: Timestamp::from_secs(self.start_s).iso_secs(), end: end.iso_secs() },
            state: &self.state,
            shard_id,
            event_source_arn: stream,
            is_final_invoke_for_window: last,
            is_window_terminated_early: last && self.overflows(),
        };
        let members = serde_json::to_vec(&members).unwrap_or_default();
        let (Some(records), Some(members)) = (records.strip_suffix(b"}"), members.strip_prefix(b"{")) else {
            return records.clone();
        };
        [records, b",", members].concat().into()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cauce_core::Timestamp;
    use serde_json::{Value, json};

    use super::{STATE_BYTES_MAX, Window};

    #[test]
    fn an_event_of_a_window_says_which_and_what_was_said() {
        let window = Window::of(Timestamp::from_secs(1_800_000_007), 5);
        assert!(window.is(&Window::of(Timestamp::from_secs(1_800_000_009), 5)));
        assert!(!window.is(&Window::of(Timestamp::from_secs(1_800_000_010), 5)));
        assert_eq!(window.end(5), Timestamp::from_secs(1_800_000_010));
        let stream = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/x".parse().unwrap();
        let window = window.answered(br#"{"state":{"n":1},"batchItemFailures":[]}"#);
        let event = window.event(&Bytes::from_static(br#"{"Records":[{}]}"#), 5, ("s0", &stream), true);
        let expected = json!({
            "Records": [{}],
            "window": { "start": "2027-01-15T08:00:05Z", "end": "2027-01-15T08:00:10Z" },
            "state": { "n": 1 },
            "shardId": "s0",
            "eventSourceARN": stream.as_str(),
            "isFinalInvokeForWindow": true,
            "isWindowTerminatedEarly": false,
        });
        assert_eq!(serde_json::from_slice::<Value>(&event).unwrap(), expected);
    }

    #[test]
    fn only_objects_are_states_and_large_ones_end_their_window() {
        let window = || Window::of(Timestamp::EPOCH, 1);
        for answer in ["", "null", "[]", r#"{"state":null}"#, r#"{"state":"x"}"#] {
            assert_eq!(window().answered(answer.as_bytes()), window(), "{answer}");
        }
        let large = json!({ "state": { "x": "y".repeat(STATE_BYTES_MAX) } }).to_string();
        assert!(window().answered(large.as_bytes()).overflows());
        assert!(!window().answered(br#"{"state":{"x":"y"}}"#).overflows());
    }
}
