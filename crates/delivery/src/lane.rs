//! One target's waiting effects, in memory: a bounded window on the rows of its lane.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use cauce_core::{Arn, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::effect::Pending;
use crate::keys::Place;

/// The most effects of one lane that are held in memory; the rest waits in the store.
pub const LANE_ROWS_MAX: usize = 1_024;

/// The most payload bytes of one lane that are held in memory.
pub const LANE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Below this many effects in memory, a lane that has more in the store reads on.
const LOW_WATER: usize = LANE_ROWS_MAX / 2;

/// An effect in memory, with the moment of its next attempt. That is its place's, unless a commit failed and it is put off.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) place: Place,
    pub(crate) pending: Arc<Pending>,
}

#[derive(Debug, Default)]
struct State {
    /// By the moment of the attempt.
    ready: BTreeMap<(Timestamp, Place), Arc<Pending>>,
    /// The payload bytes in `ready`.
    bytes: usize,
    /// The places of `ready`.
    waiting: HashSet<Place>,
    /// What is being attempted. An effect may be offered anew, at the same place even, while its last attempt comes to its end.
    in_flight: HashSet<Place>,
    /// Whether the store has rows of this lane that are neither ready nor in flight.
    more: bool,
    /// Until when nothing is attempted, whatever is ready.
    rests_until: Timestamp,
}

/// A target's lane.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) target: Arn,
    state: Mutex<State>,
    pub(crate) wake: Notify,
}

/// What a lane can do next.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Attempt this.
    Attempt(Waiting),
    /// Nothing before then (`None`: nothing known), unless woken.
    Wait(Option<Timestamp>),
}

/// How full a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneDepth {
    /// Effects in memory that wait for an attempt.
    pub waiting: usize,
    /// Effects that are being attempted.
    pub in_flight: usize,
    /// Whether the store holds more than these.
    pub more: bool,
}

impl Lane {
    pub(crate) fn new(target: Arn, more: bool) -> Lane {
        Lane { target, state: Mutex::new(State { more, ..State::default() }), wake: Notify::new() }
    }

    /// Takes an effect whose row has just been committed.
    pub(crate) fn offer(&self, waiting: Waiting) {
        self.state.lock().insert(waiting.place.due, waiting);
        self.wake.notify_one();
    }

    /// What to do now, with `slots` attempts free.
    pub(crate) fn turn(&self, now: Timestamp, slots: bool) -> Turn {
        let mut state = self.state.lock();
        let rests_until = Some(state.rests_until).filter(|until| *until > now);
        // A lane that rests waits for the end of it with nothing to do, lest it is forgotten how long it has to.
        let Some((&(due, place), _)) = state.ready.first_key_value() else { return Turn::Wait(rests_until) };
        let due = rests_until.map_or(due, |until| until.max(due));
        if due > now || !slots {
            return Turn::Wait((due > now).then_some(due));
        }
        let Some((_, pending)) = state.ready.pop_first() else { return Turn::Wait(None) };
        state.bytes = state.bytes.saturating_sub(pending.effect.payload.len());
        state.waiting.remove(&place);
        state.in_flight.insert(place);
        Turn::Attempt(Waiting { place, pending })
    }

    /// Attempts nothing more before `until`.
    pub(crate) fn rest(&self, until: Timestamp) {
        self.state.lock().rests_until = until;
    }

    /// Whether to read on in the store.
    pub(crate) fn wants_rows(&self) -> bool {
        let mut state = self.state.lock();
        if !state.more || state.ready.len() >= LOW_WATER || state.bytes >= LANE_BYTES_MAX / 2 {
            return false;
        }
        // Whatever is offered from here on, and does not fit, sets it again; so does a read that is cut short.
        state.more = false;
        true
    }

    /// Whether this effect is in memory: a row of it that is read from the store says nothing new.
    pub(crate) fn holds(&self, place: &Place) -> bool {
        let state = self.state.lock();
        state.waiting.contains(place) || state.in_flight.contains(place)
    }

    /// Adds rows read from the store; `more` if the read was cut short.
    pub(crate) fn refill(&self, rows: Vec<Waiting>, more: bool) {
        let mut state = self.state.lock();
        state.more |= more;
        for waiting in rows {
            if !state.in_flight.contains(&waiting.place) {
                state.insert(waiting.place.due, waiting);
            }
        }
    }

    /// An attempt has ended and its row is gone or moved.
    pub(crate) fn ended(&self, place: Place) {
        self.state.lock().in_flight.remove(&place);
    }

    /// An attempt has ended but its row could not be changed: it is tried again at `at`.
    pub(crate) fn put_off(&self, waiting: Waiting, at: Timestamp) {
        let mut state = self.state.lock();
        state.in_flight.remove(&waiting.place);
        state.insert(at, waiting);
    }

    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.ready.is_empty() && state.in_flight.is_empty() && !state.more
    }

    pub(crate) fn depth(&self) -> LaneDepth {
        let state = self.state.lock();
        LaneDepth { waiting: state.ready.len(), in_flight: state.in_flight.len(), more: state.more }
    }
}

impl State {
    fn insert(&mut self, at: Timestamp, waiting: Waiting) {
        if self.waiting.contains(&waiting.place) {
            return;
        }
        let bytes = waiting.pending.effect.payload.len();
        if self.ready.len() >= LANE_ROWS_MAX || self.bytes.saturating_add(bytes) > LANE_BYTES_MAX {
            self.more = true;
            return;
        }
        self.bytes += bytes;
        self.waiting.insert(waiting.place);
        self.ready.insert((at, waiting.place), waiting.pending);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use cauce_core::{SeededEntropy, Timestamp, Trace};

    use super::{LANE_ROWS_MAX, Lane, LaneDepth, Turn, Waiting};
    use crate::effect::{Effect, EffectId, Pending};
    use crate::keys::Place;
    use crate::policy::{Failures, Policy};

    fn waiting(n: u128, due_ms: i64) -> Waiting {
        let effect = Effect {
            target: "arn:aws:lambda:us-east-1:000000000000:function:f".parse().unwrap(),
            cause: "test".into(),
            service: "events.amazonaws.com".into(),
            source: None,
            account: cauce_core::Account::DEFAULT,
            region: cauce_core::Region::default(),
            trace: Trace::start(Timestamp::EPOCH, &SeededEntropy::new(1)),
            policy: Policy::eventbridge(),
            attributes: vec![],
            hops: 0,
            payload: Bytes::from_static(b"{}"),
        };
        let pending =
            Pending { effect, born: Timestamp::EPOCH, accepted: true, failures: Failures::default(), last_error: None };
        Waiting { place: Place { due: Timestamp::from_millis(due_ms), id: EffectId(n) }, pending: Arc::new(pending) }
    }

    fn next(lane: &Lane, now_ms: i64) -> Option<u128> {
        match lane.turn(Timestamp::from_millis(now_ms), true) {
            Turn::Attempt(waiting) => Some(waiting.place.id.0),
            Turn::Wait(_) => None,
        }
    }

    #[test]
    fn the_earliest_due_comes_first_and_none_before_its_time() {
        let lane = Lane::new(waiting(0, 0).pending.effect.target.clone(), false);
        lane.offer(waiting(1, 20));
        lane.offer(waiting(2, 10));
        assert_eq!(next(&lane, 5), None);
        assert!(matches!(lane.turn(Timestamp::EPOCH, true), Turn::Wait(Some(at)) if at.as_millis() == 10));
        assert_eq!((next(&lane, 30), next(&lane, 30), next(&lane, 30)), (Some(2), Some(1), None));
        assert!(!lane.is_idle());
    }

    #[test]
    fn a_lane_that_rests_attempts_nothing_and_does_not_end() {
        let lane = Lane::new(waiting(0, 0).pending.effect.target.clone(), false);
        let at = Timestamp::from_millis;
        lane.offer(waiting(1, 0));
        lane.offer(waiting(2, 10));
        assert_eq!(next(&lane, 10), Some(1));
        lane.rest(at(60));
        assert!(matches!(lane.turn(at(59), true), Turn::Wait(Some(until)) if until == at(60)));
        assert_eq!(next(&lane, 60), Some(2));
        lane.rest(at(110));
        assert!(matches!(lane.turn(at(60), true), Turn::Wait(Some(until)) if until == at(110)));
        assert!(matches!(lane.turn(at(110), true), Turn::Wait(None)));
    }

    #[test]
    fn what_does_not_fit_stays_in_the_store_and_what_is_in_flight_is_not_taken_twice() {
        let lane = Lane::new(waiting(0, 0).pending.effect.target.clone(), false);
        for n in 0..LANE_ROWS_MAX as u128 + 5 {
            lane.offer(waiting(n, 0));
        }
        assert_eq!(lane.depth().waiting, LANE_ROWS_MAX);
        assert!(lane.depth().more);
        let mut taken = 0;
        while next(&lane, 0).is_some() {
            taken += 1;
        }
        assert_eq!(taken, LANE_ROWS_MAX);
        assert!(lane.wants_rows());
        lane.refill((0..LANE_ROWS_MAX as u128 + 5).map(|n| waiting(n, 0)).collect(), false);
        assert_eq!(lane.depth(), LaneDepth { waiting: 5, in_flight: LANE_ROWS_MAX, more: false });
        assert!(!lane.wants_rows());
    }

    #[test]
    fn what_was_put_off_is_not_brought_forward_by_its_row() {
        let lane = Lane::new(waiting(0, 0).pending.effect.target.clone(), false);
        lane.offer(waiting(1, 0));
        assert_eq!(next(&lane, 0), Some(1));
        lane.put_off(waiting(1, 0), Timestamp::from_millis(1_000));
        lane.refill(vec![waiting(1, 0)], false);
        assert_eq!((next(&lane, 999), next(&lane, 1_000), next(&lane, 1_000)), (None, Some(1), None));
        lane.ended(waiting(1, 0).place);
        assert!(lane.is_idle());
    }
}
