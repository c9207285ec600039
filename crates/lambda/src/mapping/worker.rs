//! One worker: takes a batch, invokes the function with it, settles what became of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use cauce_core::{Call, RequestId, ServiceError, Timestamp, Trace};
use serde_json::Value;

use super::duty::{Duty, EVENT_FRAME_BYTES, PAUSE_MIN, event};
use super::source::{Source, Taken};
use crate::error::{Error, Throttle};
use crate::flight::{Flown, LogWish};
use crate::invoke::PAYLOAD_BYTES_MAX;
use crate::model::Deployment;

/// How long one poll waits for the first message; a poll answers as soon as there is one.
const POLL_WAIT: Duration = Duration::from_secs(20);

/// How far what is hidden may fall short of the function's timeout before it is hidden for longer.
const HIDDEN_SLACK: Duration = Duration::from_secs(1);

/// The most handles that are settled in one commit.
const SETTLED_AT_ONCE: usize = 500;

/// How often a settlement is tried before the source shows the messages again.
const SETTLE_ATTEMPTS: u32 = 5;

/// What all workers of a crew share.
pub(super) struct Post {
    pub(super) duty: Duty,
    pub(super) source: Box<dyn Source>,
}

/// Sets a worker to work, who is counted already.
pub(super) fn begin(post: Arc<Post>) {
    tokio::spawn(
        Worker { post, batch: Vec::new(), bytes: EVENT_FRAME_BYTES, rest: Vec::new(), pause: PAUSE_MIN }.run(),
    );
}

struct Worker {
    post: Arc<Post>,
    /// What the function is to be invoked with.
    batch: Vec<Taken>,
    bytes: usize,
    /// What did not fit.
    rest: Vec<Taken>,
    pause: Duration,
}

/// What a look for a batch came to.
enum Found {
    Batch(Call, Arc<Deployment>),
    /// Something came, but nothing for the function.
    NothingForUs,
    Nothing,
}

/// What became of an invocation.
enum Invoked {
    Answered(Box<Flown>),
    /// It did not come to it; the batch goes back.
    Stopped,
    Failed(Error),
}

impl Worker {
    async fn run(mut self) {
        let crew = Arc::clone(&self.post.duty.crew);
        loop {
            let found = tokio::select! {
                biased;
                () = crew.stopped() => break,
                found = self.look() => found,
            };
            match found {
                Ok(Found::Batch(call, deployment)) => {
                    if crew.took() {
                        begin(Arc::clone(&self.post));
                    }
                    self.process(call, deployment).await;
                    crew.waits();
                }
                Ok(Found::NothingForUs) => self.pause = PAUSE_MIN,
                Ok(Found::Nothing) if crew.spares() => return,
                Ok(Found::Nothing) => {}
                Err(error) => self.post.duty.rest(&error, &mut self.pause).await,
            }
        }
        self.give_back().await;
        crew.leaves();
    }

    /// Looks for a batch. What was taken is kept in `self`, whoever stops waiting for this.
    async fn look(&mut self) -> Result<Found, Error> {
        let deployment = self.post.duty.lambda.deployment(&self.post.duty.function).await?;
        if deployment.reserved_concurrency == Some(0) {
            // It was switched off: what would be taken could only be given back.
            return Err(Error::Throttled(Throttle::Reserved));
        }
        let call = self.post.duty.call(&deployment).await?;
        let came = self.gather(&call).await?;
        Ok(match (self.batch.is_empty(), came) {
            (false, _) => Found::Batch(call, deployment),
            (true, true) => Found::NothingForUs,
            (true, false) => Found::Nothing,
        })
    }

    /// Fills the batch until it is full, or its window has passed. Says whether anything came.
    async fn gather(&mut self, call: &Call) -> Result<bool, Error> {
        let mut came = !self.rest.is_empty();
        let carried = std::mem::take(&mut self.rest);
        self.sort_out(call, carried).await?;
        let (env, size) = (self.post.duty.lambda.env.clone(), self.post.duty.record.batch_size);
        let window = Duration::from_secs(u64::from(self.post.duty.record.window_s));
        while self.rest.is_empty() && self.batch.len() < size {
            let wait = match self.batch.first() {
                None => POLL_WAIT,
                Some(first) => {
                    let left = (first.at + window).since(env.now());
                    if left.is_zero() {
                        break;
                    }
                    left.min(POLL_WAIT)
                }
            };
            let taken = self.post.source.take(call, size - self.batch.len(), wait).await?;
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
    async fn sort_out(&mut self, call: &Call, taken: Vec<Taken>) -> Result<(), Error> {
        let mut unwanted = Vec::new();
        for one in taken {
            let fits = one.filtered.as_deref().is_none_or(|seen| self.post.duty.filters.fits(seen));
            if !fits {
                unwanted.push(one.handle);
                continue;
            }
            let bytes = one.record.len() + 1;
            let fits = self.batch.is_empty() || self.bytes + bytes <= PAYLOAD_BYTES_MAX;
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

    async fn process(&mut self, mut call: Call, deployment: Arc<Deployment>) {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = EVENT_FRAME_BYTES;
        let lambda = &self.post.duty.lambda;
        if let Some(header) = batch.first().and_then(|first| first.trace.as_deref()) {
            call.trace = Trace::from_header(header, lambda.env.entropy()).unwrap_or(call.trace);
        }
        call.request_id = RequestId::random(lambda.env.entropy());
        let began = lambda.env.now();
        let outcome = self.invoke(&call, deployment, &batch).await;
        self.note(&call, began, &batch, &outcome);
        match outcome {
            Invoked::Answered(flown) => {
                self.pause = PAUSE_MIN;
                self.settle(&call, &batch, &flown).await;
            }
            Invoked::Stopped => self.show_again(&call, &batch).await,
            // What was not deleted is shown again once its visibility timeout has passed, as on AWS.
            Invoked::Failed(error) => self.post.duty.rest(&error, &mut self.pause).await,
        }
    }

    /// Invokes the function, and waits while it is throttled: what was taken stays hidden, so that no reception is wasted.
    async fn invoke(&self, call: &Call, mut deployment: Arc<Deployment>, batch: &[Taken]) -> Invoked {
        let duty = &self.post.duty;
        let event = event(batch.iter().map(|one| one.record.as_str()));
        let mut hidden_until = None;
        let mut pause = PAUSE_MIN;
        loop {
            if let Err(error) = self.stay_hidden(call, &deployment, batch, &mut hidden_until).await {
                return Invoked::Failed(error.into());
            }
            match duty.lambda.run(&deployment, duty.work(call, &event), LogWish::default()).await {
                Ok((_, flown)) => return Invoked::Answered(Box::new(flown)),
                Err(Error::Throttled(Throttle::Closing)) => return Invoked::Stopped,
                Err(Error::Throttled(_)) => {}
                Err(error) => return Invoked::Failed(error),
            }
            if !duty.room(&mut pause).await {
                return Invoked::Stopped;
            }
            // What throttles it may have been lifted meanwhile.
            deployment = match duty.lambda.deployment(&duty.function).await {
                Ok(deployment) => deployment,
                Err(error) => return Invoked::Failed(error),
            };
        }
    }

    /// Hides the batch for as long as the function may run, if it would be shown before.
    async fn stay_hidden(
        &self,
        call: &Call,
        deployment: &Deployment,
        batch: &[Taken],
        hidden_until: &mut Option<Timestamp>,
    ) -> Result<(), ServiceError> {
        let source = &self.post.source;
        let lasts = source.hidden_for(call).await?;
        let now = self.post.duty.lambda.env.now();
        let until = hidden_until.or_else(|| batch.iter().map(|one| one.at + lasts).min());
        let longest = deployment.plans.iter().map(|(_, plan)| plan.timeout).max().unwrap_or_default();
        if until.is_none_or(|until| until + HIDDEN_SLACK >= now + longest) {
            return Ok(());
        }
        let lasts = lasts.max(longest);
        for handles in chunks(batch.iter().map(|one| one.handle.clone()).collect()) {
            // A role need not be allowed to; then others may see the batch before the function has answered.
            if let Err(error) = source.hide(call, handles, lasts).await {
                tracing::debug!(mapping = %self.post.duty.key.uuid, %error, "a batch cannot be hidden for longer");
            }
        }
        *hidden_until = Some(now + lasts);
        Ok(())
    }

    /// Deletes what is done with. What is not stays hidden until its time has passed, and is shown again.
    async fn settle(&self, call: &Call, batch: &[Taken], flown: &Flown) {
        let crew = &self.post.duty.crew;
        let failed = match (flown.error, self.post.duty.record.report_failures) {
            (Some(_), _) => None,
            (None, false) => Some(HashSet::new()),
            (None, true) => failures(&flown.payload, batch),
        };
        let Some(failed) = failed else { return crew.say("PROBLEM: Function call failed") };
        let done = batch.iter().filter(|one| !failed.contains(one.id.as_str()));
        for handles in chunks(done.map(|one| one.handle.clone()).collect()) {
            if let Err(error) = self.delete(call, handles).await {
                tracing::warn!(mapping = %self.post.duty.key.uuid, %error, "what is done with cannot be deleted; it comes again");
                return crew.say(format!("PROBLEM: {error}"));
            }
        }
        crew.say("OK");
    }

    async fn delete(&self, call: &Call, handles: Vec<String>) -> Result<(), ServiceError> {
        let mut pause = PAUSE_MIN;
        for _ in 1..SETTLE_ATTEMPTS {
            match self.post.source.done(call, handles.clone()).await {
                // The store is busy or gone for a moment; anything else stays as it is.
                Err(error) if error.status() >= 500 => self.post.duty.lambda.env.sleep(pause).await,
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
                tracing::debug!(mapping = %self.post.duty.key.uuid, %error, "what was taken is shown again only after its timeout");
            }
        }
    }

    async fn give_back(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.append(&mut self.rest);
        if batch.is_empty() {
            return;
        }
        let deployment = self.post.duty.lambda.deployment(&self.post.duty.function).await;
        if let Ok(deployment) = deployment
            && let Ok(call) = self.post.duty.call(&deployment).await
        {
            self.show_again(&call, &batch).await;
        }
    }

    fn note(&self, call: &Call, began: Timestamp, batch: &[Taken], outcome: &Invoked) {
        let failure = match outcome {
            Invoked::Answered(flown) if flown.error.is_none() => String::new(),
            Invoked::Answered(flown) => flown.error_kind.clone(),
            Invoked::Failed(error) => error.to_string(),
            Invoked::Stopped => return,
        };
        self.post.duty.note(call, began, batch.len(), &failure);
    }
}

fn chunks(handles: Vec<String>) -> Vec<Vec<String>> {
    handles.chunks(SETTLED_AT_ONCE).map(<[String]>::to_vec).collect()
}

/// The ids that the function says it could not process; `None` if its answer counts as a failure of the whole batch.
///
/// AWS: Lambda Developer Guide, *Handling errors for an SQS event source in Lambda*, "Success and failure conditions".
fn failures(answer: &[u8], batch: &[Taken]) -> Option<HashSet<String>> {
    let answer: Value = if answer.is_empty() { Value::Null } else { serde_json::from_slice(answer).ok()? };
    let listed = match &answer {
        Value::Null => return Some(HashSet::new()),
        Value::Object(map) => match map.get("batchItemFailures") {
            None | Some(Value::Null) => return Some(HashSet::new()),
            Some(list) => list.as_array()?,
        },
        _ => return None,
    };
    let mut failed = HashSet::new();
    for item in listed {
        let id = item.get("itemIdentifier")?.as_str()?;
        if !batch.iter().any(|one| one.id == id) {
            return None;
        }
        failed.insert(id.to_owned());
    }
    Some(failed)
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;

    use super::super::source::Taken;
    use super::failures;

    fn taken(id: &str) -> Taken {
        Taken {
            id: id.into(),
            handle: format!("h-{id}"),
            record: format!("{{\"messageId\":\"{id}\"}}"),
            filtered: None,
            trace: None,
            at: Timestamp::EPOCH,
        }
    }

    #[test]
    fn answers_of_functions_that_report_failures() {
        let batch = [taken("a"), taken("b")];
        let check = |answer: &str, expect: Option<&[&str]>| {
            let found = failures(answer.as_bytes(), &batch).map(|set| {
                let mut list: Vec<String> = set.into_iter().collect();
                list.sort();
                list
            });
            assert_eq!(found, expect.map(|list| list.iter().map(|s| (*s).to_owned()).collect()), "{answer}");
        };
        for all_done in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            check(all_done, Some(&[]));
        }
        check(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, Some(&["b"]));
        check(r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"a"}]}"#, Some(&["a", "b"]));
        for all_failed in [
            "no json",
            "[]",
            r#""text""#,
            r#"{"batchItemFailures":"b"}"#,
            r#"{"batchItemFailures":[{}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#,
            r#"{"batchItemFailures":[{"id":"b"}]}"#,
        ] {
            check(all_failed, None);
        }
    }
}
