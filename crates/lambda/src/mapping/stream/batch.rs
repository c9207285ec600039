//! What follows from an invocation with a part of a batch: decided without doing anything.

use cauce_core::ports::ChangeRecord;
use serde_json::Value;

use super::settings::StreamSettings;

/// Records that the function is invoked with together; none for the end of a window.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) records: Vec<ChangeRecord>,
    /// How often the function has failed with it; halving it does not count.
    pub(super) failures: u32,
    /// How often the function was invoked with it.
    pub(super) invocations: u32,
}

impl Piece {
    pub(super) fn new(records: Vec<ChangeRecord>) -> Piece {
        Piece { records, failures: 0, invocations: 0 }
    }

    /// Two halves, each of which has failed as often.
    pub(super) fn halves(mut self) -> [Piece; 2] {
        let second = self.records.split_off(self.records.len() / 2);
        let second = Piece { records: second, failures: self.failures, invocations: self.invocations };
        [self, second]
    }
}

/// What comes next for a piece. `from` is the first record that is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Done,
    Again { from: usize },
    Halve,
    GiveUp { from: usize },
}

/// What comes next for a piece that the function has failed with from a record on.
pub(super) fn after_failure(piece: &Piece, from: usize, settings: &StreamSettings) -> Next {
    if settings.bisects && from == 0 && piece.records.len() > 1 {
        return Next::Halve;
    }
    match settings.retries_max {
        Some(max) if piece.failures >= max => Next::GiveUp { from },
        _ => Next::Again { from },
    }
}

/// The first record that the function says it could not process, none if it processed all; zero as well for an answer that
/// counts as a failure of all.
///
/// AWS: *Configuring partial batch response with DynamoDB and Lambda*, "Success and failure conditions": the lowest sequence
/// number is where to go on.
pub(super) fn first_failure(answer: &[u8], records: &[ChangeRecord]) -> Option<usize> {
    if answer.is_empty() {
        return None;
    }
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return Some(0) };
    let listed = match &answer {
        Value::Null => return None,
        Value::Object(map) => match map.get("batchItemFailures") {
            None | Some(Value::Null) => return None,
            Some(Value::Array(listed)) => listed,
            Some(_) => return Some(0),
        },
        _ => return Some(0),
    };
    let place = |item: &Value| {
        let id = item.get("itemIdentifier")?.as_str()?;
        records.iter().position(|record| record.sequence_number == id)
    };
    listed.iter().map(|item| place(item).unwrap_or(0)).min()
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;
    use cauce_core::ports::ChangeRecord;

    use super::{Next, Piece, after_failure, first_failure};
    use crate::mapping::stream::StreamSettings;

    fn records(count: u64) -> Vec<ChangeRecord> {
        let record = |position| ChangeRecord {
            position,
            sequence_number: format!("s{position}"),
            at: Timestamp::EPOCH,
            partition: 0,
            json: "{}".to_owned(),
        };
        (0..count).map(record).collect()
    }

    fn settings(bisects: bool, retries_max: Option<u32>) -> StreamSettings {
        StreamSettings {
            latest: false,
            lanes: 1,
            bisects,
            retries_max,
            age_max_s: None,
            on_failure: None,
            tumbling_s: 0,
        }
    }

    #[test]
    fn answers_say_where_to_go_on() {
        let records = records(3);
        let check = |answer: &str, expect: Option<usize>| {
            assert_eq!(first_failure(answer.as_bytes(), &records), expect, "{answer}");
        };
        for all_done in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            check(all_done, None);
        }
        check(r#"{"batchItemFailures":[{"itemIdentifier":"s2"}]}"#, Some(2));
        check(r#"{"batchItemFailures":[{"itemIdentifier":"s2"},{"itemIdentifier":"s1"}]}"#, Some(1));
        for all_failed in [
            "no json",
            "[]",
            r#"{"batchItemFailures":"s1"}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"s2"},{"itemIdentifier":"s9"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"id":"s1"}]}"#,
        ] {
            check(all_failed, Some(0));
        }
    }

    #[test]
    fn failures_are_repeated_halved_and_given_up() {
        let check = |count, failures, from, (bisects, retries), expect: Next| {
            let piece = Piece { failures, ..Piece::new(records(count)) };
            assert_eq!(after_failure(&piece, from, &settings(bisects, retries)), expect);
        };
        check(4, 900, 0, (false, None), Next::Again { from: 0 });
        check(4, 1, 0, (false, Some(2)), Next::Again { from: 0 });
        check(4, 2, 0, (false, Some(2)), Next::GiveUp { from: 0 });
        check(4, 0, 3, (false, Some(0)), Next::GiveUp { from: 3 });
        check(4, 0, 0, (true, Some(0)), Next::Halve);
        check(4, 0, 2, (true, Some(1)), Next::Again { from: 2 });
        check(1, 0, 0, (true, Some(0)), Next::GiveUp { from: 0 });
    }

    #[test]
    fn halves_are_the_whole_in_order() {
        let [first, second] = Piece { failures: 2, ..Piece::new(records(5)) }.halves();
        assert_eq!((first.records.len(), second.records.len(), second.failures), (2, 3, 2));
        assert_eq!([first.records, second.records].concat(), records(5));
    }
}
