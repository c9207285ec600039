//! Tumbling windows: what a consumer hands on from batch to batch of one span of time.
//!
//! AWS: Lambda Developer Guide, *Stateful stream processing in DynamoDB*.

use cauce_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The largest state, in bytes; a window whose state is larger ends early.
const STATE_BYTES_MAX: usize = 1024 * 1024;

/// The most bytes that a window adds to an event: the state, with room for what names the window.
pub(super) const WINDOW_BYTES_MAX: usize = STATE_BYTES_MAX + 4 * 1024;

/// A span of time, and what the consumer has said in it last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Its first second.
    start_s: i64,
    state: Value,
}

impl Window {
    /// The window of a moment, in which nothing has been said. Windows last `lasts_s` seconds.
    pub fn of(at: Timestamp, lasts_s: u32) -> Window {
        let lasts_s = i64::from(lasts_s.max(1));
        let start_s = at.as_secs().div_euclid(lasts_s).saturating_mul(lasts_s);
        Window { start_s, state: Value::Object(Map::new()) }
    }

    /// Whether it is the same span of time.
    pub(super) fn is(&self, other: &Window) -> bool {
        self.start_s == other.start_s
    }

    /// When it ends, if windows last so long.
    pub fn end(&self, lasts_s: u32) -> Timestamp {
        Timestamp::from_secs(self.start_s.saturating_add(i64::from(lasts_s)))
    }

    /// After the consumer has answered, with what it hands on; only objects are states.
    pub(super) fn answered(self, state: Option<Value>) -> Window {
        Window { state: state.filter(Value::is_object).unwrap_or_else(|| Value::Object(Map::new())), ..self }
    }

    /// Whether its state is too large for it to go on.
    pub fn overflows(&self) -> bool {
        self.state.to_string().len() > STATE_BYTES_MAX
    }

    /// When it begins.
    pub fn start(&self) -> Timestamp {
        Timestamp::from_secs(self.start_s)
    }

    /// What the consumer has said in it last, an object.
    pub fn state(&self) -> &Value {
        &self.state
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;
    use serde_json::json;

    use super::{STATE_BYTES_MAX, Window};

    #[test]
    fn a_window_is_a_span_of_time() {
        let window = Window::of(Timestamp::from_secs(1_800_000_007), 5);
        assert!(window.is(&Window::of(Timestamp::from_secs(1_800_000_009), 5)));
        assert!(!window.is(&Window::of(Timestamp::from_secs(1_800_000_010), 5)));
        assert_eq!(
            (window.start(), window.end(5)),
            (Timestamp::from_secs(1_800_000_005), Timestamp::from_secs(1_800_000_010))
        );
    }

    #[test]
    fn only_objects_are_states_and_large_ones_end_their_window() {
        let window = || Window::of(Timestamp::EPOCH, 1);
        for state in [None, Some(json!(null)), Some(json!([])), Some(json!("x"))] {
            assert_eq!(window().answered(state), window());
        }
        assert!(window().answered(Some(json!({ "x": "y".repeat(STATE_BYTES_MAX) }))).overflows());
        assert!(!window().answered(Some(json!({ "x": "y" }))).overflows());
    }
}
