//! What follows from a delivery of a part of a batch: decided without doing anything.

use std::collections::VecDeque;

use cauce_core::ports::ChangeRecord;

use super::position::Retried;
use super::settings::StreamSettings;

/// Records that are delivered together; none for the end of a window.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) records: Vec<ChangeRecord>,
    /// How often the consumer has failed with it; halving it does not count.
    pub(super) failures: u32,
    /// How often it was delivered.
    pub(super) deliveries: u32,
}

impl Piece {
    pub(super) fn new(records: Vec<ChangeRecord>) -> Piece {
        Piece { records, failures: 0, deliveries: 0 }
    }

    /// The records that have failed before, counted from the first, and those behind them, if there are any.
    pub(super) fn resumed(mut records: Vec<ChangeRecord>, retried: Option<Retried>) -> VecDeque<Piece> {
        let Some(Retried { records: tried, failures }) = retried else { return [Piece::new(records)].into() };
        let behind = records.split_off(tried.min(records.len()));
        let mut pieces = VecDeque::from([Piece { records, failures, deliveries: failures }]);
        if !behind.is_empty() {
            pieces.push_back(Piece::new(behind));
        }
        pieces
    }

    /// What is to be remembered of it while it waits to be tried again.
    pub(super) fn retried(&self) -> Option<Retried> {
        let records = self.records.len();
        (self.failures > 0 && records > 0).then_some(Retried { records, failures: self.failures })
    }

    /// Two halves, each of which has failed as often.
    pub(super) fn halves(mut self) -> [Piece; 2] {
        let second = self.records.split_off(self.records.len() / 2);
        let second = Piece { records: second, failures: self.failures, deliveries: self.deliveries };
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

/// What comes next for a piece that the consumer has failed with from a record on.
pub(super) fn after_failure(piece: &Piece, from: usize, settings: &StreamSettings) -> Next {
    if settings.bisects && from == 0 && piece.records.len() > 1 {
        return Next::Halve;
    }
    match settings.retries_max {
        Some(max) if piece.failures >= max => Next::GiveUp { from },
        _ => Next::Again { from },
    }
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;
    use cauce_core::ports::ChangeRecord;

    use super::{Next, Piece, Retried, after_failure};
    use crate::stream::StreamSettings;

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
    fn what_has_failed_goes_on_where_it_was() {
        let [whole] = &mut <[Piece; 1]>::try_from(Vec::from(Piece::resumed(records(3), None))).unwrap();
        assert_eq!((whole.records.len(), whole.retried()), (3, None));
        let retried = Retried { records: 2, failures: 4 };
        let pieces = Vec::from(Piece::resumed(records(3), Some(retried)));
        assert_eq!((pieces[0].retried(), pieces[1].retried()), (Some(retried), None));
        assert_eq!([pieces[0].records.clone(), pieces[1].records.clone()].concat(), records(3));
        assert_eq!(Piece::resumed(records(1), Some(retried))[0].retried(), Some(Retried { records: 1, failures: 4 }));
    }

    #[test]
    fn halves_are_the_whole_in_order() {
        let [first, second] = Piece { failures: 2, ..Piece::new(records(5)) }.halves();
        assert_eq!((first.records.len(), second.records.len(), second.failures), (2, 3, 2));
        assert_eq!([first.records, second.records].concat(), records(5));
    }
}
