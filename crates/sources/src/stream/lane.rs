//! One lane: reads a shard, delivers what is its own, batch after batch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::ports::{ChangeRecord, STREAM_RECORDS_MAX, StreamPosition, StreamRead};
use cauce_core::{Call, RequestId, ServiceError, Timestamp};
use cauce_delivery::Effect;

use super::batch::{Next, Piece, after_failure};
use super::discard::{Discard, Why};
use super::foreman::StreamPost;
use super::position::Position;
use super::window::{WINDOW_BYTES_MAX, Window};
use crate::consumer::{Batch, Consumer, Delivered, Entry, Failed, Problem, Span};
use crate::crew::Outcome;
use crate::duty::{Duty, PAUSE_MIN};

/// How long one read waits for the first record; a read answers as soon as there is one.
const READ_WAIT: Duration = Duration::from_secs(20);

/// After how many records of others a lane remembers how far it has read.
const PASSED_BY_MAX: usize = 1_000;

/// A lane at work.
pub(super) struct Lane<C: Consumer> {
    post: Arc<StreamPost<C>>,
    /// The position that is stored.
    position: Position,
    /// The tumbling window that is open, with what the consumer has said last.
    window: Option<Window>,
    /// Behind which record the shard is read next.
    read: StreamPosition,
    batch: Vec<ChangeRecord>,
    bytes: usize,
    /// When the first record of the batch was read.
    began: Timestamp,
    /// What did not fit.
    rest: VecDeque<ChangeRecord>,
    /// How many records of others were read since the position was stored.
    passed_by: usize,
    /// Whether nothing more can come that belongs to the open window, as far as was read.
    caught_up: bool,
    /// Whether the shard has come to its end.
    ended: bool,
    last: Option<C::Remark>,
    pause: Duration,
}

/// What became of a piece.
enum Brought {
    /// The first record with which it failed.
    Failed(usize),
    Done,
    /// It did not come to it.
    Stopped,
    Unable(Problem),
}

impl<C: Consumer> Lane<C> {
    pub(super) fn new(post: Arc<StreamPost<C>>, position: Position) -> Lane<C> {
        Lane {
            post,
            read: position.after,
            window: position.window.clone(),
            position,
            batch: Vec::new(),
            bytes: 0,
            began: Timestamp::EPOCH,
            rest: VecDeque::new(),
            passed_by: 0,
            caught_up: false,
            ended: false,
            last: None,
            pause: PAUSE_MIN,
        }
    }

    fn duty(&self) -> &Duty<C> {
        &self.post.duty
    }

    /// Follows the shard until the crew is to stop.
    pub(super) async fn run(mut self) {
        let crew = Arc::clone(&self.duty().crew);
        while !crew.is_stopped() {
            let gathered = tokio::select! {
                biased;
                () = crew.stopped() => break,
                gathered = self.gather() => gathered,
            };
            match gathered {
                Ok(()) if self.window_ends() => self.close_window().await,
                Ok(()) if !self.batch.is_empty() => self.work_off().await,
                Ok(()) if self.ended => self.wait_at_the_end().await,
                Ok(()) => self.pause = PAUSE_MIN,
                Err(problem) => self.post.duty.rest(problem, &mut self.pause).await,
            }
            if self.passed_by >= PASSED_BY_MAX && self.batch.is_empty() {
                self.settle(None, None).await;
            }
        }
    }

    /// Nothing comes any more: waits for the end of the open window, or of the crew.
    async fn wait_at_the_end(&self) {
        let (crew, env) = (&self.duty().crew, &self.duty().env);
        match &self.window {
            None => crew.stopped().await,
            Some(open) => tokio::select! {
                () = crew.stopped() => {}
                () = env.sleep_until(open.end(self.tumbling_s())) => {}
            },
        }
    }

    /// Fills the batch until it is full, or its window has passed. What was read is kept in `self`, whoever stops waiting.
    async fn gather(&mut self) -> Result<(), Problem> {
        let post = Arc::clone(&self.post);
        let (duty, env) = (&post.duty, &post.duty.env);
        let call = duty.consumer.call().await?;
        self.fill();
        let mut more = true;
        while self.rest.is_empty() && self.batch.len() < duty.intake.entries_max && !self.ended {
            let until = match (self.batch.is_empty(), &self.window) {
                (false, _) => self.began + duty.intake.window,
                (true, Some(open)) => open.end(self.tumbling_s()),
                (true, None) => env.now() + READ_WAIT,
            };
            let left = until.since(env.now()).min(READ_WAIT);
            if left.is_zero() && !more {
                break;
            }
            let (stream, shard) = (post.stream.clone(), self.position.shard);
            let read = StreamRead { stream, shard, after: self.read, records_max: STREAM_RECORDS_MAX, wait: left };
            let page = match post.streams.read(&call, read).await {
                Err(error) if error.code() == "TrimmedDataAccessException" => {
                    tracing::warn!(consumer = %duty.name, "records were removed for their age before they were read");
                    self.read = 0;
                    continue;
                }
                page => page?,
            };
            more = page.records.len() >= STREAM_RECORDS_MAX;
            self.ended = page.ended;
            let behind = |open: &Window| page.records.last().is_none_or(|last| last.at >= open.end(self.tumbling_s()));
            self.caught_up = self.window.as_ref().is_some_and(behind);
            self.take(page.records);
            if self.batch.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Takes what is this lane's own, and wanted.
    fn take(&mut self, records: Vec<ChangeRecord>) {
        for record in records {
            self.read = record.position;
            if self.position.takes(record.partition) && self.duty().filters.fits(&record.json) {
                self.rest.push_back(record);
            } else {
                self.passed_by += 1;
            }
        }
        self.fill();
    }

    /// Moves what fits into the batch.
    fn fill(&mut self) {
        while self.batch.len() < self.duty().intake.entries_max {
            let Some(record) = self.rest.pop_front() else { return };
            let bytes = record.json.len() + 1;
            let reserved = if self.tumbling_s() > 0 { WINDOW_BYTES_MAX } else { 0 };
            let room = self.bytes + bytes + reserved <= self.duty().intake.bytes_max;
            let fits = |first: &ChangeRecord| room && self.same_window(first, &record);
            if !self.batch.first().is_none_or(fits) {
                return self.rest.push_front(record);
            }
            if self.batch.is_empty() {
                self.began = self.duty().env.now();
            }
            self.bytes += bytes;
            self.batch.push(record);
        }
    }

    fn tumbling_s(&self) -> u32 {
        self.post.settings.tumbling_s
    }

    fn same_window(&self, one: &ChangeRecord, other: &ChangeRecord) -> bool {
        let of = |record: &ChangeRecord| Window::of(record.at, self.tumbling_s());
        self.tumbling_s() == 0 || of(one).is(&of(other))
    }

    /// Whether the open window is over: by the clock, by a record of a later one, or because its state is too large.
    fn window_ends(&self) -> bool {
        let Some(open) = &self.window else { return false };
        let over = match self.batch.first() {
            Some(first) => !open.is(&Window::of(first.at, self.tumbling_s())),
            None => {
                let time_is_up = self.duty().env.now() >= open.end(self.tumbling_s());
                time_is_up && (self.caught_up || self.ended)
            }
        };
        over || open.overflows()
    }

    /// Delivers to the consumer for the last time in the open window. Ends early only if the crew is to stop.
    async fn close_window(&mut self) {
        let mut piece = Piece::new(Vec::new());
        while !self.duty().crew.is_stopped() {
            match self.bring(&mut piece).await {
                Brought::Stopped => return,
                Brought::Unable(problem) => {
                    self.post.duty.rest(problem, &mut self.pause).await;
                    continue;
                }
                Brought::Failed(from)
                    if matches!(after_failure(&piece, from, &self.post.settings), Next::Again { .. }) =>
                {
                    piece.failures = piece.failures.saturating_add(1);
                    self.post.duty.pause(&mut self.pause).await;
                    continue;
                }
                Brought::Failed(_) | Brought::Done => {}
            }
            self.pause = PAUSE_MIN;
            self.window = None;
            self.settle(None, None).await;
            return;
        }
    }

    /// Brings the batch to its end: each record is processed, or given up. Ends early only if the crew is to stop.
    async fn work_off(&mut self) {
        self.bytes = 0;
        self.last = None;
        // What has failed before the program ended goes on where it was.
        let records = std::mem::take(&mut self.batch);
        let same = records.first().is_some_and(|first| first.position == self.position.after + 1);
        let mut pieces = Piece::resumed(records, self.position.retried.take().filter(|_| same));
        while let Some(mut piece) = pieces.pop_front() {
            if !self.give_up_old(&mut piece, pieces.front()).await || self.duty().crew.is_stopped() {
                return;
            }
            if piece.records.is_empty() {
                continue;
            }
            let next = match self.bring(&mut piece).await {
                Brought::Stopped => return,
                Brought::Unable(problem) => {
                    self.post.duty.rest(problem, &mut self.pause).await;
                    pieces.push_front(piece);
                    continue;
                }
                Brought::Done => Next::Done,
                Brought::Failed(from) => after_failure(&piece, from, &self.post.settings),
            };
            if !self.follow(next, piece, &mut pieces).await {
                return;
            }
        }
    }

    /// Does what comes next for a piece; false if the crew is to stop.
    async fn follow(&mut self, next: Next, mut piece: Piece, pieces: &mut VecDeque<Piece>) -> bool {
        match next {
            Next::Done => {
                self.pause = PAUSE_MIN;
                self.duty().crew.say(Outcome::Worked);
                self.settle(pieces.front(), None).await
            }
            Next::Halve => {
                let [first, second] = piece.halves();
                pieces.push_front(second);
                pieces.push_front(first);
                true
            }
            Next::Again { from } => {
                piece.records.drain(..from);
                piece.failures = piece.failures.saturating_add(1);
                // Stored each time: how often it was tried must not begin anew with the program.
                if !self.settle(Some(&piece), None).await {
                    return false;
                }
                self.post.duty.pause(&mut self.pause).await;
                pieces.push_front(piece);
                true
            }
            Next::GiveUp { from } => {
                piece.records.drain(..from);
                self.give_up(&piece, pieces.front(), Why::RetryAttemptsExhausted).await
            }
        }
    }

    /// Gives up the records of a piece that are too old; false if the crew is to stop.
    async fn give_up_old(&mut self, piece: &mut Piece, behind: Option<&Piece>) -> bool {
        let Some(age_max) = self.post.settings.age_max_s else { return true };
        let now = self.duty().env.now();
        let age_max = Duration::from_secs(u64::from(age_max));
        let old = piece.records.iter().take_while(|record| now.since(record.at) > age_max).count();
        if old == 0 {
            return true;
        }
        let kept = piece.records.split_off(old);
        let records = std::mem::replace(&mut piece.records, kept);
        let given_up = Piece { records, failures: piece.failures, deliveries: piece.deliveries };
        let behind = if piece.records.is_empty() { behind } else { Some(&*piece) };
        self.give_up(&given_up, behind, Why::RecordAgeExceeded).await
    }

    /// Passes records by that the consumer could not process, and tells who is to be told; false if the crew is to stop.
    async fn give_up(&mut self, piece: &Piece, behind: Option<&Piece>, why: Why) -> bool {
        let post = Arc::clone(&self.post);
        let duty = &post.duty;
        tracing::debug!(consumer = %duty.name, records = piece.records.len(), ?why, "records are given up");
        let Some(to) = &post.settings.on_failure else { return self.settle(behind, None).await };
        loop {
            let discard = Discard {
                to,
                records: &piece.records,
                deliveries: piece.deliveries,
                why,
                shard_id: &self.position.shard_id,
                stream: &post.stream,
            };
            match duty.consumer.given_up(&discard, self.last.as_ref()).await {
                Ok(effect) => return self.settle(behind, effect).await,
                Err(problem) => duty.rest(problem, &mut self.pause).await,
            }
            if duty.crew.is_stopped() {
                return false;
            }
        }
    }

    /// Stores how far everything is settled: up to before the next piece, or what was gathered, or what did not fit, or what
    /// was read. Tries until it can; false if the crew is to stop first.
    async fn settle(&mut self, behind: Option<&Piece>, effect: Option<Effect>) -> bool {
        let next = behind.and_then(|piece| piece.records.first()).or(self.batch.first()).or(self.rest.front());
        let after = next.map_or(self.read, |next| next.position.saturating_sub(1));
        let retried = behind.and_then(Piece::retried);
        let position = Position { after, window: self.window.clone(), retried, ..self.position.clone() };
        let post = Arc::clone(&self.post);
        let duty = &post.duty;
        loop {
            let stored = duty.db.transact(async |tx| {
                post.owned.fence(&tx);
                position.put(&tx, &duty.consumer.positions()).map_err(ServiceError::from)?;
                match &effect {
                    Some(effect) => duty.delivery.send(&tx, effect.clone()).await,
                    None => Ok::<_, ServiceError>(()),
                }
            });
            match stored.await {
                Ok(()) => {
                    // Who works on it knows how often it has failed.
                    self.position = Position { retried: None, ..position };
                    self.passed_by = 0;
                    return true;
                }
                Err(error) => duty.rest(error.into(), &mut self.pause).await,
            }
            if duty.crew.is_stopped() {
                return false;
            }
        }
    }

    /// The window of a piece: the open one, or one that it opens.
    fn window_of(&self, piece: &Piece) -> Option<Window> {
        let first = match piece.records.first() {
            Some(first) if self.tumbling_s() > 0 => Window::of(first.at, self.tumbling_s()),
            Some(_) => return None,
            None => return self.window.clone(),
        };
        Some(self.window.clone().filter(|open| open.is(&first)).unwrap_or(first))
    }

    /// Delivers a piece, and waits while there is no room for it.
    async fn bring(&mut self, piece: &mut Piece) -> Brought {
        let post = Arc::clone(&self.post);
        let duty = &post.duty;
        let window = self.window_of(piece);
        let span = Span { shard_id: &self.position.shard_id, window: window.as_ref() };
        let batch = Batch { entries: piece.records.iter().map(entry).collect(), span: Some(span) };
        let mut pause = PAUSE_MIN;
        let answer = loop {
            let call = match duty.consumer.call().await {
                Ok(call) => Call { request_id: RequestId::random(duty.env.entropy()), ..call },
                Err(problem) => return Brought::Unable(problem),
            };
            match duty.consumer.deliver(&call, &batch).await {
                Delivered::Answered(answer) => break answer,
                Delivered::Closing => return Brought::Stopped,
                Delivered::Unable(problem) => return Brought::Unable(problem),
                Delivered::Throttled => {}
            }
            if !duty.room(&mut pause).await {
                return Brought::Stopped;
            }
        };
        drop(batch);
        piece.deliveries = piece.deliveries.saturating_add(1);
        self.last = Some(answer.remark);
        // A consumer names what it could not process; the stream goes on with the first of that.
        let from = match answer.failed {
            Failed::Nothing => None,
            Failed::All => Some(0),
            Failed::These(places) => places.first().copied(),
        };
        if from == Some(0) {
            duty.crew.say(Outcome::Failed);
        } else {
            self.window = window.map(|window| window.answered(answer.state));
        }
        from.map_or(Brought::Done, Brought::Failed)
    }
}

fn entry(record: &ChangeRecord) -> Entry<'_> {
    Entry { id: &record.sequence_number, json: &record.json, at: record.at }
}
