//! The hand-over between whoever invokes a function and the function's runtime: one job at a time.
//!
//! AWS: Lambda Developer Guide, *Using the Lambda runtime API for custom runtimes*.

use bytes::Bytes;
use cauce_core::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

/// What a runtime gets to do.
#[derive(Debug)]
pub(crate) struct Job {
    /// Its id, by which the runtime answers.
    pub(crate) request_id: String,
    /// What the handler receives.
    pub(crate) payload: Bytes,
    /// The function's ARN as it was called.
    pub(crate) invoked_arn: String,
    /// When the runtime must have answered.
    pub(crate) deadline: Timestamp,
    /// X-Ray's header.
    pub(crate) trace: String,
    /// What a mobile client says of itself, JSON.
    pub(crate) client_context: Option<String>,
    /// Whether its START line is written already.
    pub(crate) announced: bool,
    /// Who waits for the answer.
    pub(crate) reply: oneshot::Sender<Answer>,
}

/// How a function answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With a result.
    Result(Bytes),
    /// With an error document of its own.
    Error {
        /// The document.
        document: Bytes,
        /// Its kind, for the report line.
        kind: String,
    },
    /// With more than is allowed.
    TooLarge,
}

/// Where the runtime stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Started, has not asked for work yet.
    Starting,
    /// Could not start, and said so.
    InitFailed,
    /// Asked for work, or answered and is about to ask.
    Ready,
    /// Has work.
    Running,
}

/// Why the runtime's request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400: no such work.
    RequestId,
    /// 403: not now.
    Transition {
        /// Where it stands.
        from: Phase,
        /// What it asked for.
        to: &'static str,
    },
}

/// The hand-over itself.
#[derive(Debug)]
pub(crate) struct Exchange {
    state: Mutex<State>,
    phase: watch::Sender<Phase>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    init_error: Option<(Bytes, String)>,
    waiting: Option<oneshot::Sender<Job>>,
    queued: Option<Job>,
    running: Option<(String, oneshot::Sender<Answer>)>,
}

impl Exchange {
    /// Of a runtime that was just started.
    pub(crate) fn new() -> Exchange {
        let state = State { phase: Phase::Starting, init_error: None, waiting: None, queued: None, running: None };
        Exchange { state: Mutex::new(state), phase: watch::Sender::new(Phase::Starting) }
    }

    /// Follows the phase.
    pub(crate) fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Hands a job to the runtime, now or when it asks next.
    pub(crate) fn submit(&self, job: Job) {
        let mut state = self.state.lock();
        let job = match state.waiting.take() {
            None => job,
            Some(waiting) => match waiting.send(job) {
                Ok(()) => return,
                // The connection that asked is gone; the runtime will ask again.
                Err(job) => job,
            },
        };
        state.queued = Some(job);
    }

    /// Takes back a job that the runtime never took.
    pub(crate) fn withdraw(&self) -> Option<Job> {
        self.state.lock().queued.take()
    }

    /// The error document and its kind that the runtime posted instead of starting.
    pub(crate) fn init_error(&self) -> Option<(Bytes, String)> {
        self.state.lock().init_error.clone()
    }

    /// The runtime asks for work: it gets a job at once or waits on the returned receiver.
    ///
    /// # Errors
    /// [`Refusal::Transition`] while it has work.
    pub(crate) fn next(&self) -> Result<oneshot::Receiver<Job>, Refusal> {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Running | Phase::InitFailed) {
            return Err(Refusal::Transition { from: state.phase, to: "Ready" });
        }
        let (give, take) = oneshot::channel();
        match state.queued.take() {
            Some(job) => state.queued = give.send(job).err(),
            None => state.waiting = Some(give),
        }
        self.enter(&mut state, Phase::Ready);
        Ok(take)
    }

    /// The runtime has taken this job.
    pub(crate) fn taken(&self, request_id: String, reply: oneshot::Sender<Answer>) {
        let mut state = self.state.lock();
        state.running = Some((request_id, reply));
        self.enter(&mut state, Phase::Running);
    }

    /// Whether the runtime may answer `request_id` now.
    ///
    /// # Errors
    /// [`Refusal`] if it has no work, or other work.
    pub(crate) fn may_answer(&self, request_id: &str, to: &'static str) -> Result<(), Refusal> {
        let state = self.state.lock();
        match &state.running {
            Some((id, _)) if id == request_id => Ok(()),
            Some(_) => Err(Refusal::RequestId),
            None => Err(Refusal::Transition { from: state.phase, to }),
        }
    }

    /// The runtime answers.
    ///
    /// # Errors
    /// As [`Exchange::may_answer`].
    pub(crate) fn answer(&self, request_id: &str, to: &'static str, answer: Answer) -> Result<(), Refusal> {
        let mut state = self.state.lock();
        match state.running.take() {
            Some((id, reply)) if id == request_id => {
                self.enter(&mut state, Phase::Ready);
                drop(state);
                // Nobody may be waiting any more; the runtime need not know.
                let _ = reply.send(answer);
                Ok(())
            }
            Some(other) => {
                state.running = Some(other);
                Err(Refusal::RequestId)
            }
            None => Err(Refusal::Transition { from: state.phase, to }),
        }
    }

    /// The runtime says that it cannot start.
    ///
    /// # Errors
    /// [`Refusal::Transition`] once it has asked for work.
    pub(crate) fn init_failed(&self, document: Bytes, kind: String) -> Result<(), Refusal> {
        let mut state = self.state.lock();
        if state.phase != Phase::Starting {
            return Err(Refusal::Transition { from: state.phase, to: "InitError" });
        }
        state.init_error = Some((document, kind));
        self.enter(&mut state, Phase::InitFailed);
        Ok(())
    }

    fn enter(&self, state: &mut State, phase: Phase) {
        let starting = state.phase == Phase::Starting;
        state.phase = phase;
        // Only the way out of starting is waited for; telling of the others would cost a wake-up each.
        if starting {
            self.phase.send_replace(phase);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cauce_core::Timestamp;
    use tokio::sync::oneshot;

    use super::{Answer, Exchange, Job, Phase, Refusal};

    fn job(id: &str) -> (Job, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            request_id: id.into(),
            payload: Bytes::from_static(b"{}"),
            invoked_arn: String::new(),
            deadline: Timestamp::EPOCH,
            trace: String::new(),
            client_context: None,
            announced: false,
            reply,
        };
        (job, answer)
    }

    fn result() -> Answer {
        Answer::Result(Bytes::from_static(b"1"))
    }

    #[tokio::test]
    async fn a_job_is_handed_over_in_either_order() {
        for job_first in [true, false] {
            let exchange = Exchange::new();
            let (job, answer) = job("a");
            let take = if job_first {
                exchange.submit(job);
                exchange.next().unwrap()
            } else {
                let take = exchange.next().unwrap();
                exchange.submit(job);
                take
            };
            let job = take.await.unwrap();
            exchange.taken(job.request_id, job.reply);
            exchange.answer("a", "x", result()).unwrap();
            assert_eq!(answer.await.unwrap(), result());
        }
    }

    #[tokio::test]
    async fn what_comes_at_the_wrong_time_is_refused() {
        let exchange = Exchange::new();
        let transition = |from, to| Err(Refusal::Transition { from, to });
        assert_eq!(exchange.answer("a", "x", result()), transition(Phase::Starting, "x"));
        let take = exchange.next().unwrap();
        assert_eq!(exchange.init_failed(Bytes::new(), String::new()), transition(Phase::Ready, "InitError"));
        let (job, _answer) = job("a");
        exchange.submit(job);
        let job = take.await.unwrap();
        exchange.taken(job.request_id, job.reply);
        assert_eq!(exchange.next().map(|_| ()), transition(Phase::Running, "Ready"));
        assert_eq!(exchange.answer("b", "x", result()), Err(Refusal::RequestId));
        assert_eq!(exchange.answer("a", "x", result()), Ok(()));
        assert_eq!(exchange.answer("a", "x", result()), transition(Phase::Ready, "x"));
    }

    #[tokio::test]
    async fn a_job_nobody_took_comes_back() {
        let exchange = Exchange::new();
        drop(exchange.next().unwrap());
        let (job, _answer) = job("a");
        exchange.submit(job);
        assert_eq!(exchange.withdraw().unwrap().request_id, "a");
        assert!(exchange.withdraw().is_none());
    }
}
