//! One worker: takes a batch from a queue, delivers it, settles what became of it.

use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Call, RequestId, ServiceError, Timestamp, Trace};

use crate::consumer::{Answer, Batch, Consumer, Delivered, Entry, Failed, Hold, Problem};
use crate::crew::Outcome;
use crate::duty::{Duty, PAUSE_MIN};
use crate::source::{Source, Taken};

/// How long one poll waits for the first message; a poll answers as soon as there is one.
const POLL_WAIT: Duration = Duration::from_secs(20);

/// How far what is hidden may fall short of the longest delivery before it is hidden for longer.
const HIDDEN_SLACK: Duration = Duration::from_secs(1);

/// The most handles that are settled in one commit.
const SETTLED_AT_ONCE: usize = 500;

/// How often a settlement is tried before the source shows the messages again.
const SETTLE_ATTEMPTS: u32 = 5;

/// The shortest time after which what is hidden is hidden anew.
const RENEWED_AFTER_MIN: Duration = Duration::from_millis(500);

/// What all workers of a crew share.
pub(crate) struct Post<C> {
    /// Who gets the batches, and who works.
    pub(crate) duty: Duty<C>,
    /// Where they come from.
    pub(crate) source: Box<dyn Source>,
}

/// Sets a worker to work, who is counted already.
pub(crate) fn begin<C: Consumer>(post: Arc<Post<C>>) {
    tokio::spawn(Worker { post, batch: Vec::new(), bytes: 0, rest: Vec::new(), pause: PAUSE_MIN }.run());
}

struct Worker<C> {
    post: Arc<Post<C>>,
    /// What is to be delivered.
    batch: Vec<Taken>,
    bytes: usize,
    /// What did not fit.
    rest: Vec<Taken>,
    pause: Duration,
}

/// What a look for a batch came to.
enum Found {
    Batch(Call),
    /// Something came, but nothing that is wanted.
    NothingForUs,
    Nothing,
}

/// What became of a batch.
enum Brought<R> {
    Answered(Answer<R>),
    /// It did not come to it; the batch goes back.
    Stopped,
    Unable(Problem),
}

impl<C: Consumer> Worker<C> {
    async fn run(mut self) {
        let crew = Arc::clone(&self.post.duty.crew);
        loop {
            let found = tokio::select! {
                biased;
                () = crew.stopped() => break,
                found = self.look() => found,
            };
            match found {
                Ok(Found::Batch(call)) => {
                    if crew.took() {
                        begin(Arc::clone(&self.post));
                    }
                    self.process(call).await;
                    crew.waits();
                }
                Ok(Found::NothingForUs) => self.pause = PAUSE_MIN,
                Ok(Found::Nothing) if crew.spares() => return,
                Ok(Found::Nothing) => {}
                Err(problem) => self.post.duty.rest(problem, &mut self.pause).await,
            }
        }
        self.give_back().await;
        crew.leaves();
    }

    /// Looks for a batch. What was taken is kept in `self`, whoever stops waiting for this.
    async fn look(&mut self) -> Result<Found, Problem> {
        let post = Arc::clone(&self.post);
        post.duty.consumer.ready().await?;
        let call = post.duty.consumer.call().await?;
        let came = self.gather(&call).await?;
        Ok(match (self.batch.is_empty(), came) {
            (false, _) => Found::Batch(call),
            (true, true) => Found::NothingForUs,
            (true, false) => Found::Nothing,
        })
    }

    /// Fills the batch until it is full, or its window has passed. Says whether anything came.
    async fn gather(&mut self, call: &Call) -> Result<bool, Problem> {
        let mut came = !self.rest.is_empty();
        let carried = std::mem::take(&mut self.rest);
        self.sort_out(call, carried).await?;
        let (env, intake) = (self.post.duty.env.clone(), self.post.duty.intake);
        while self.rest.is_empty() && self.batch.len() < intake.entries_max {
            let wait = match self.batch.first() {
                None => POLL_WAIT,
                Some(first) => {
                    let left = (first.at + intake.window).since(env.now());
                    if left.is_zero() {
                        break;
                    }
                    left.min(POLL_WAIT)
                }
            };
            let taken = self.post.source.take(call, intake.entries_max - self.batch.len(), wait).await?;
            if taken.is_empty() && self.batch.is_empty() {
                break;
            }
            came |= !taken.is_empty();
            self.sort_out(call, taken).await?;
            if self.batch.is_empty() {
                break;
            }
        }
        Ok(came)
    }

    /// Puts what fits the filters into the batch while there is room; deletes what does not fit them.
    async fn sort_out(&mut self, call: &Call, taken: Vec<Taken>) -> Result<(), Problem> {
        let mut unwanted = Vec::new();
        for one in taken {
            let fits = one.filtered.as_deref().is_none_or(|seen| self.post.duty.filters.fits(seen));
            if !fits {
                unwanted.push(one.handle);
                continue;
            }
            let bytes = one.record.len() + 1;
            let fits = self.batch.is_empty() || self.bytes + bytes <= self.post.duty.intake.bytes_max;
            if fits && self.rest.is_empty() {
                self.bytes += bytes;
                self.batch.push(one);
            } else {
                self.rest.push(one);
            }
        }
        if !unwanted.is_empty() {
            self.post.source.done(call, unwanted).await?;
        }
        Ok(())
    }

    async fn process(&mut self, mut call: Call) {
        let taken = std::mem::take(&mut self.batch);
        self.bytes = 0;
        let env = &self.post.duty.env;
        if let Some(header) = taken.first().and_then(|first| first.trace.as_deref()) {
            call.trace = Trace::from_header(header, env.entropy()).unwrap_or(call.trace);
        }
        call.request_id = RequestId::random(env.entropy());
        match self.bring(&call, &taken).await {
            Brought::Answered(answer) => {
                self.pause = PAUSE_MIN;
                self.settle(&call, &taken, &answer.failed).await;
                if answer.failed != Failed::Nothing {
                    self.keep_order(&call).await;
                }
            }
            Brought::Stopped => self.show_again(&call, &taken).await,
            // What was not deleted is shown again once its visibility timeout has passed, as on AWS.
            Brought::Unable(problem) => {
                self.keep_order(&call).await;
                self.post.duty.rest(problem, &mut self.pause).await;
            }
        }
    }

    /// Gives back what was taken behind a failure, so that it comes behind it again.
    async fn keep_order(&mut self, call: &Call) {
        if self.post.source.ordered() {
            let rest = std::mem::take(&mut self.rest);
            self.show_again(call, &rest).await;
        }
    }

    /// Delivers, and waits while there is no room: what was taken stays hidden, so that no reception is wasted.
    async fn bring(&self, call: &Call, taken: &[Taken]) -> Brought<C::Remark> {
        let duty = &self.post.duty;
        let batch = Batch { entries: taken.iter().map(entry).collect(), span: None };
        let mut hidden_until = None;
        let mut pause = PAUSE_MIN;
        loop {
            let delivered = match self.deliver(call, taken, &batch, &mut hidden_until).await {
                Ok(delivered) => delivered,
                Err(problem) => return Brought::Unable(problem),
            };
            match delivered {
                Delivered::Answered(answer) => return Brought::Answered(answer),
                Delivered::Closing => return Brought::Stopped,
                Delivered::Unable(problem) => return Brought::Unable(problem),
                Delivered::Throttled => {}
            }
            if !duty.room(&mut pause).await {
                return Brought::Stopped;
            }
        }
    }

    /// One delivery, while which the batch stays hidden.
    async fn deliver(
        &self,
        call: &Call,
        taken: &[Taken],
        batch: &Batch<'_>,
        hidden_until: &mut Option<Timestamp>,
    ) -> Result<Delivered<C::Remark>, Problem> {
        let duty = &self.post.duty;
        let lasts = self.post.source.hidden_for(call).await?;
        let until = hidden_until.or_else(|| taken.iter().map(|one| one.at + lasts).min());
        let delivery = duty.consumer.deliver(call, batch);
        match duty.consumer.hold().await? {
            Hold::UpTo(longest) => {
                let now = duty.env.now();
                if until.is_some_and(|until| until + HIDDEN_SLACK < now + longest) {
                    *hidden_until = Some(self.hide(call, taken, lasts.max(longest)).await);
                }
                Ok(delivery.await)
            }
            Hold::Renewed => {
                // Half of its time is left when it begins anew, so that a slow commit does not show the batch.
                let renewal = |until: Timestamp| (until - lasts / 2).max(duty.env.now() + RENEWED_AFTER_MIN);
                let mut next = until.map_or(duty.env.now() + lasts / 2, renewal);
                tokio::pin!(delivery);
                loop {
                    tokio::select! {
                        biased;
                        delivered = &mut delivery => return Ok(delivered),
                        () = duty.env.sleep_until(next) => {}
                    }
                    let until = self.hide(call, taken, lasts).await;
                    *hidden_until = Some(until);
                    next = renewal(until);
                }
            }
        }
    }

    /// Hides a batch for so long from now; says until when.
    async fn hide(&self, call: &Call, taken: &[Taken], lasts: Duration) -> Timestamp {
        let until = self.post.duty.env.now() + lasts;
        for handles in chunks(taken.iter().map(|one| one.handle.clone()).collect()) {
            // A role need not be allowed to; then others may see the batch before it is done with.
            if let Err(error) = self.post.source.hide(call, handles, lasts).await {
                tracing::debug!(consumer = %self.post.duty.name, %error, "a batch cannot be hidden for longer");
            }
        }
        until
    }

    /// Deletes what is done with. What is not stays hidden until its time has passed, and is shown again.
    async fn settle(&self, call: &Call, taken: &[Taken], failed: &Failed) {
        let crew = &self.post.duty.crew;
        let comes_again = |place: &usize| match failed {
            Failed::Nothing => false,
            Failed::All => true,
            Failed::These(places) => places.contains(place),
        };
        if *failed == Failed::All {
            return crew.say(Outcome::Failed);
        }
        let done = taken.iter().enumerate().filter(|(place, _)| !comes_again(place));
        for handles in chunks(done.map(|(_, one)| one.handle.clone()).collect()) {
            if let Err(error) = self.delete(call, handles).await {
                tracing::warn!(consumer = %self.post.duty.name, %error, "what is done with cannot be deleted; it comes again");
                return crew.say(Outcome::Problem(error.to_string()));
            }
        }
        crew.say(Outcome::Worked);
    }

    async fn delete(&self, call: &Call, handles: Vec<String>) -> Result<(), ServiceError> {
        let mut pause = PAUSE_MIN;
        for _ in 1..SETTLE_ATTEMPTS {
            match self.post.source.done(call, handles.clone()).await {
                // The store is busy or gone for a moment; anything else stays as it is.
                Err(error) if error.status() >= 500 => self.post.duty.env.sleep(pause).await,
                settled => return settled,
            }
            pause *= 2;
        }
        self.post.source.done(call, handles).await
    }

    /// Shows what was taken for nothing at once.
    async fn show_again(&self, call: &Call, batch: &[Taken]) {
        for handles in chunks(batch.iter().map(|one| one.handle.clone()).collect()) {
            if let Err(error) = self.post.source.hide(call, handles, Duration::ZERO).await {
                tracing::debug!(consumer = %self.post.duty.name, %error, "what was taken is shown again only after its timeout");
            }
        }
    }

    async fn give_back(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.append(&mut self.rest);
        if batch.is_empty() {
            return;
        }
        if let Ok(call) = self.post.duty.consumer.call().await {
            self.show_again(&call, &batch).await;
        }
    }
}

fn entry(taken: &Taken) -> Entry<'_> {
    Entry { id: &taken.id, json: &taken.record, at: taken.at }
}

fn chunks(handles: Vec<String>) -> Vec<Vec<String>> {
    handles.chunks(SETTLED_AT_ONCE).map(<[String]>::to_vec).collect()
}
