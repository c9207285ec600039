//! Which messages of a queue can be received next: held in memory by the queue's owner, rebuilt from the store when it is lost.
//!
//! A pure state machine, told of every change after its commit. It is a guide and never the truth: a reception reads the
//! message's row again in its own transaction, and what is gone or hidden there is left out. So an entry too many here costs a
//! read, and only an entry too few would be a mistake.
//!
//! Memory is bounded by a window: what lies behind the *frontier* is in the store alone, and comes in pages as the head is
//! worked off. In flight there are never more than the quota allows, so those are all held.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cauce_core::Timestamp;

/// How many messages that are not in flight are held. AWS looks for a free group among as many messages of a FIFO queue as may be
/// in flight there, and so is this.
pub const WINDOW_MAX: usize = 20_000;
/// Below how many receivable messages the next page is wanted.
const LOW_WATER: usize = 1_000;
/// Rows of a page.
pub(crate) const PAGE: usize = 5_000;

/// What is known of a message here.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) sequence: u64,
    pub(crate) due: Timestamp,
    /// Names its last reception, 0 if there is none that counts.
    pub(crate) nonce: u64,
    pub(crate) group: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    /// Never received, and not before then.
    Delayed(Timestamp),
    /// Being received: its commit is under way.
    Busy,
    InFlight(Timestamp),
}

struct Entry {
    state: State,
    nonce: u64,
    group: Option<Arc<str>>,
}

#[derive(Default)]
struct Group {
    /// Ready or delayed, in order.
    waiting: BTreeSet<u64>,
    /// How many are busy or in flight: as long as there are any, the group stands still.
    out: usize,
    /// Numbers drawn by transactions that have not ended: what comes after them must wait, lest they come too late.
    doubtful: BTreeSet<u64>,
    /// Under which number it is listed among the ready.
    listed: Option<u64>,
}

/// The counts that `GetQueueAttributes` shows, besides the number of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) in_flight: usize,
    pub(crate) delayed: usize,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Index {
    fifo: bool,
    entries: HashMap<u64, Entry>,
    /// A standard queue's ready messages; a FIFO queue's heads of groups that may move.
    ready: BTreeSet<u64>,
    timers: BTreeSet<(Timestamp, u64)>,
    groups: HashMap<Arc<str>, Group>,
    counts: Counts,
    last_sequence: u64,
    /// Messages with a higher number are in the store alone.
    frontier: Option<u64>,
    loading: bool,
    /// What arrived behind the frontier while a page was read, which may or may not contain it.
    late: Vec<Known>,
}

impl Index {
    /// Knows nothing yet: everything up to `last_sequence` is in the store.
    pub(crate) fn new(fifo: bool, last_sequence: u64) -> Index {
        Index { fifo, last_sequence, frontier: Some(0), ..Index::default() }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// How many messages are held.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.entries.len()
    }

    /// A number greater than all before: the time in microseconds, where that is.
    pub(crate) fn draw(&mut self, now: Timestamp) -> u64 {
        let at = u64::try_from(now.as_micros()).unwrap_or(0);
        self.last_sequence = at.max(self.last_sequence.saturating_add(1));
        self.last_sequence
    }

    /// A transaction under way has drawn `sequence` for `group`.
    pub(crate) fn doubt(&mut self, group: &Arc<str>, sequence: u64) {
        self.groups.entry(Arc::clone(group)).or_default().doubtful.insert(sequence);
        self.relist(group);
    }

    /// That transaction has ended.
    pub(crate) fn settle(&mut self, group: &Arc<str>, sequence: u64) {
        if let Some(found) = self.groups.get_mut(group) {
            found.doubtful.remove(&sequence);
        }
        self.relist(group);
    }

    /// A message has been committed.
    pub(crate) fn arrive(&mut self, known: Known, now: Timestamp) {
        if self.frontier.is_some_and(|frontier| known.sequence > frontier) {
            if self.loading {
                self.late.push(known);
            }
        } else if self.frontier.is_none() && self.waiting() >= WINDOW_MAX {
            self.frontier = Some(known.sequence.saturating_sub(1));
        } else {
            self.insert(known, now);
        }
    }

    fn waiting(&self) -> usize {
        self.entries.len().saturating_sub(self.counts.in_flight)
    }

    fn insert(&mut self, known: Known, now: Timestamp) {
        let Known { sequence, due, nonce, group } = known;
        if self.entries.contains_key(&sequence) {
            return;
        }
        self.entries.insert(sequence, Entry { state: State::Ready, nonce, group: group.clone() });
        if let Some(group) = &group {
            self.groups.entry(Arc::clone(group)).or_default().waiting.insert(sequence);
        }
        let state = match (due > now, nonce) {
            (false, _) => State::Ready,
            (true, 0) => State::Delayed(due),
            (true, _) => State::InFlight(due),
        };
        self.ready_or_not(sequence, State::Ready, state, group);
    }

    /// Moves a message from one state to another in every list.
    fn change(&mut self, sequence: u64, to: State) {
        let Some(entry) = self.entries.get_mut(&sequence) else { return };
        let from = std::mem::replace(&mut entry.state, to);
        let group = entry.group.clone();
        self.ready_or_not(sequence, from, to, group);
    }

    fn ready_or_not(&mut self, sequence: u64, from: State, to: State, group: Option<Arc<str>>) {
        if let Some(entry) = self.entries.get_mut(&sequence) {
            entry.state = to;
        }
        match from {
            State::Delayed(at) | State::InFlight(at) => {
                self.timers.remove(&(at, sequence));
            }
            State::Ready if !self.fifo => {
                self.ready.remove(&sequence);
            }
            State::Ready | State::Busy => {}
        }
        match to {
            State::Delayed(at) | State::InFlight(at) => {
                self.timers.insert((at, sequence));
            }
            State::Ready if !self.fifo => {
                self.ready.insert(sequence);
            }
            State::Ready | State::Busy => {}
        }
        let delayed = |state| usize::from(matches!(state, State::Delayed(_)));
        self.counts.delayed = (self.counts.delayed + delayed(to)).saturating_sub(delayed(from));
        let out = |state| usize::from(matches!(state, State::Busy | State::InFlight(_)));
        self.counts.in_flight = (self.counts.in_flight + out(to)).saturating_sub(out(from));
        let Some(name) = group else { return };
        if let Some(group) = self.groups.get_mut(&name) {
            group.out = (group.out + out(to)).saturating_sub(out(from));
            if out(to) == 0 {
                group.waiting.insert(sequence);
            } else {
                group.waiting.remove(&sequence);
            }
        }
        self.relist(&name);
    }

    /// Lists a group among the ready if it may move, and forgets it if nothing is left of it.
    fn relist(&mut self, name: &Arc<str>) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let head = group.waiting.first().copied();
        let ready = |head: &u64| self.entries.get(head).is_some_and(|entry| entry.state == State::Ready);
        let free = |head: &u64| group.out == 0 && group.doubtful.first().is_none_or(|doubtful| head < doubtful);
        let listed = head.filter(|head| free(head) && ready(head));
        if let Some(before) = std::mem::replace(&mut group.listed, listed) {
            self.ready.remove(&before);
        }
        self.ready.extend(listed);
        if group.waiting.is_empty() && group.doubtful.is_empty() && group.out == 0 {
            self.groups.remove(name);
        }
    }

    /// Lets everything whose time has come be received.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some(&(at, sequence)) = self.timers.first() {
            if at > now {
                return;
            }
            self.timers.remove(&(at, sequence));
            self.change(sequence, State::Ready);
        }
    }

    /// When the next message can be received that cannot be yet.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Whether anything can be received, as far as is known by now.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes at most `max` messages for reception: busy until [`Index::taken`], [`Index::put_back`] or [`Index::remove`].
    pub(crate) fn pick(&mut self, now: Timestamp, max: usize) -> Vec<u64> {
        self.advance(now);
        let mut picked = Vec::new();
        while let Some(head) = self.ready.first().copied().filter(|_| picked.len() < max) {
            match self.entries.get(&head).and_then(|entry| entry.group.clone()) {
                Some(group) if self.fifo => self.pick_group(&group, max, &mut picked),
                _ => {
                    self.ready.remove(&head);
                    self.change(head, State::Busy);
                    picked.push(head);
                }
            }
        }
        picked
    }

    fn pick_group(&mut self, name: &Arc<str>, max: usize, picked: &mut Vec<u64>) {
        let Some(group) = self.groups.get(name) else { return };
        let doubtful = group.doubtful.first().copied().unwrap_or(u64::MAX);
        let ready = |sequence: &u64| self.entries.get(sequence).is_some_and(|entry| entry.state == State::Ready);
        let run = group.waiting.iter().copied().take_while(|sequence| *sequence < doubtful && ready(sequence));
        let run: Vec<u64> = run.take(max - picked.len()).collect();
        for sequence in &run {
            self.change(*sequence, State::Busy);
        }
        picked.extend(run);
    }

    /// A reception has been committed: the message is hidden until `until`.
    pub(crate) fn taken(&mut self, sequence: u64, nonce: u64, until: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&sequence) {
            entry.nonce = nonce;
            self.change(sequence, State::InFlight(until));
        }
    }

    /// A reception has not come about.
    pub(crate) fn put_back(&mut self, sequence: u64) {
        if self.entries.get(&sequence).is_some_and(|entry| entry.state == State::Busy) {
            self.change(sequence, State::Ready);
        }
    }

    /// The reception `nonce` hides its message until `until` instead.
    pub(crate) fn hide(&mut self, sequence: u64, nonce: u64, until: Timestamp) {
        let current = |entry: &Entry| entry.nonce == nonce && matches!(entry.state, State::InFlight(_) | State::Ready);
        if self.entries.get(&sequence).is_some_and(current) {
            self.change(sequence, State::InFlight(until));
        }
    }

    /// The message is gone.
    pub(crate) fn remove(&mut self, sequence: u64) {
        self.change(sequence, State::Ready);
        let Some(entry) = self.entries.remove(&sequence) else { return };
        let Some(name) = entry.group else {
            self.ready.remove(&sequence);
            return;
        };
        if let Some(group) = self.groups.get_mut(&name) {
            group.waiting.remove(&sequence);
        }
        self.relist(&name);
    }

    /// Whether a message that was received is still hidden under that reception.
    pub(crate) fn is_in_flight(&self, sequence: u64, nonce: u64) -> bool {
        let in_flight = |entry: &Entry| entry.nonce == nonce && matches!(entry.state, State::InFlight(_));
        self.entries.get(&sequence).is_some_and(in_flight)
    }

    /// Takes these messages again, for a repeated reception: only if all of them are in flight still.
    pub(crate) fn pick_again(&mut self, receptions: &[(u64, u64)]) -> bool {
        let all = receptions.iter().all(|(sequence, nonce)| self.is_in_flight(*sequence, *nonce));
        if all {
            receptions.iter().for_each(|(sequence, _)| self.change(*sequence, State::Busy));
        }
        all
    }

    /// Whether anything lies behind the frontier.
    #[cfg(test)]
    pub(crate) fn has_more(&self) -> bool {
        self.frontier.is_some()
    }

    /// Whether the next page is wanted, and nobody reads it yet.
    pub(crate) fn wants_page(&self) -> bool {
        let low = if self.fifo { self.waiting() < WINDOW_MAX } else { self.ready.len() < LOW_WATER };
        self.frontier.is_some() && !self.loading && low && self.waiting() < WINDOW_MAX
    }

    /// Begins to read a page, if one is wanted: after which number.
    pub(crate) fn begin_load(&mut self) -> Option<u64> {
        let frontier = self.frontier.filter(|_| self.wants_page())?;
        self.loading = true;
        self.late.clear();
        Some(frontier)
    }

    /// The page has been read.
    pub(crate) fn end_load(&mut self, rows: Vec<Known>, more: bool, now: Timestamp) {
        self.loading = false;
        let frontier = rows.last().map(|row| row.sequence).or(self.frontier).unwrap_or(0);
        self.frontier = more.then_some(frontier);
        let late = std::mem::take(&mut self.late);
        for known in rows.into_iter().chain(late.into_iter().filter(|known| !more || known.sequence <= frontier)) {
            self.insert(known, now);
        }
    }

    /// The page could not be read.
    pub(crate) fn abort_load(&mut self) {
        self.loading = false;
        self.late.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cauce_core::Timestamp;

    use super::{Counts, Index, Known, PAGE, WINDOW_MAX};

    fn at(s: i64) -> Timestamp {
        Timestamp::from_secs(s)
    }

    fn known(sequence: u64, due_s: i64, group: &str) -> Known {
        let group = (!group.is_empty()).then(|| Arc::from(group));
        Known { sequence, due: at(due_s), nonce: 0, group }
    }

    fn index(fifo: bool) -> Index {
        let mut index = Index::new(fifo, 0);
        assert_eq!(index.begin_load(), Some(0));
        index.end_load(Vec::new(), false, at(0));
        index
    }

    #[test]
    fn messages_are_ready_hidden_and_ready_again() {
        let mut index = index(false);
        for sequence in [2, 1, 3] {
            index.arrive(known(sequence, if sequence == 3 { 5 } else { 0 }, ""), at(0));
        }
        assert_eq!(index.counts(), Counts { in_flight: 0, delayed: 1 });
        assert_eq!(index.pick(at(0), 10), [1, 2]);
        assert_eq!(index.pick(at(0), 10), [0; 0]);
        index.taken(1, 7, at(30));
        index.put_back(2);
        assert_eq!(index.pick(at(5), 10), [2, 3]);
        index.remove(2);
        index.taken(3, 8, at(40));
        index.hide(3, 9, at(1));
        assert_eq!(index.pick(at(29), 10), [0; 0]);
        index.hide(3, 8, at(29));
        assert_eq!(index.next_due(), Some(at(29)));
        assert_eq!(index.pick(at(30), 10), [1, 3]);
        [1, 3].into_iter().for_each(|sequence| index.remove(sequence));
        assert_eq!((index.counts(), index.held()), (Counts::default(), 0));
    }

    #[test]
    fn a_group_stands_still_while_one_of_it_is_out() {
        let mut index = index(true);
        for (sequence, group) in [(1, "a"), (2, "a"), (3, "b"), (4, "a")] {
            index.arrive(known(sequence, 0, group), at(0));
        }
        assert_eq!(index.pick(at(0), 1), [1]);
        assert_eq!(index.pick(at(0), 10), [3]);
        index.taken(1, 1, at(30));
        index.taken(3, 1, at(30));
        assert_eq!(index.pick(at(29), 10), [0; 0]);
        index.remove(1);
        assert_eq!(index.pick(at(29), 1), [2]);
        index.put_back(2);
        assert_eq!(index.pick(at(30), 10), [2, 4, 3]);
        [2, 4, 3].into_iter().for_each(|sequence| index.remove(sequence));
        assert!(index.groups.is_empty() && index.ready.is_empty());
    }

    #[test]
    fn what_is_in_doubt_holds_up_what_comes_after_it() {
        let mut index = index(true);
        let group: Arc<str> = Arc::from("g");
        index.doubt(&group, 1);
        index.doubt(&group, 2);
        index.arrive(known(2, 0, "g"), at(0));
        index.settle(&group, 2);
        assert_eq!(index.pick(at(0), 10), [0; 0]);
        index.arrive(known(1, 0, "g"), at(0));
        assert_eq!(index.pick(at(0), 10), [0; 0]);
        index.settle(&group, 1);
        assert_eq!(index.pick(at(0), 10), [1, 2]);
    }

    #[test]
    fn memory_is_a_window_and_nothing_behind_it_is_lost() {
        let mut index = index(false);
        let all = 3 * WINDOW_MAX as u64;
        for sequence in 1..=all {
            index.arrive(known(sequence, 0, ""), at(0));
        }
        assert_eq!(index.held(), WINDOW_MAX);
        let mut received = 0;
        loop {
            if let Some(after) = index.begin_load() {
                let rows: Vec<Known> = (after + 1..=all).take(PAGE).map(|sequence| known(sequence, 0, "")).collect();
                let more = rows.last().is_some_and(|last| last.sequence < all);
                // Arrives while the page is read, and is in it or not.
                if after < all {
                    index.arrive(known(after + 1, 0, ""), at(0));
                }
                index.end_load(rows, more, at(0));
                assert!(index.held() <= WINDOW_MAX + PAGE);
            }
            let picked = index.pick(at(0), 10);
            if picked.is_empty() {
                break;
            }
            for sequence in picked {
                received += 1;
                assert_eq!(sequence, received);
                index.remove(sequence);
            }
        }
        assert_eq!((received, index.held(), index.has_more()), (all, 0, false));
    }
}
