//! One invocation on its way: find or start a sandbox, have it done, write the report.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cauce_core::ports::FunctionError;
use cauce_core::{ServiceError, Timestamp};
use tokio::sync::oneshot;

use crate::fleet::{Fleet, Permit};
use crate::sandbox::exchange::Answer;
use crate::sandbox::report::{Crash, Report, init_report};
use crate::sandbox::scribe::End;
use crate::sandbox::{INIT_MAX, Landing, Plan, RESPONSE_BYTES_MAX, Sandbox, StartError, Work};

/// How many sandboxes may turn out to have died while idle before the next one is started fresh.
const DEAD_IDLE_MAX: usize = 8;

/// What is wanted of the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogWish {
    /// The last 4 KiB.
    pub(crate) tail: bool,
    /// To know when the log service has taken everything.
    pub(crate) written: bool,
}

/// How an invocation ended.
#[derive(Debug)]
pub(crate) struct Flown {
    pub(crate) payload: Bytes,
    pub(crate) error: Option<FunctionError>,
    /// The kind of the error.
    pub(crate) error_kind: String,
    pub(crate) tail: Option<oneshot::Receiver<Bytes>>,
    pub(crate) written: Option<oneshot::Receiver<()>>,
    /// How long the function itself took, as the report says.
    pub(crate) duration: Duration,
}

/// Runs one invocation to its end, even if the caller stops waiting: a function that has begun goes on, as on AWS.
///
/// # Errors
/// The function did not run: no room, or its role cannot be assumed.
pub(crate) fn fly(
    fleet: &Arc<Fleet>,
    plan: Arc<Plan>,
    permit: Permit,
    work: Work,
    wish: LogWish,
) -> impl Future<Output = Result<Flown, ServiceError>> + Send + use<> {
    let flight = Flight { fleet: Arc::clone(fleet), plan, work, wish };
    Unbroken(Some(Box::pin(async move {
        let flown = flight.fly().await;
        drop(permit);
        flown
    })))
}

struct Flight {
    fleet: Arc<Fleet>,
    plan: Arc<Plan>,
    work: Work,
    wish: LogWish,
}

impl Flight {
    fn now(&self) -> Timestamp {
        self.fleet.host.env.now()
    }

    async fn fly(self) -> Result<Flown, ServiceError> {
        for _ in 0..DEAD_IDLE_MAX {
            let Some(sandbox) = self.fleet.take_idle(&self.plan) else { break };
            let begun = self.now();
            match sandbox.run(&self.work, begun + self.plan.timeout, false).await {
                Landing::NotTaken => self.fleet.lost(),
                landing => return Ok(self.land(sandbox, landing, begun, None).await),
            }
        }
        self.cold().await
    }

    /// AWS: an init phase of up to 10 seconds; if it fails, it is repeated once as part of the invocation.
    async fn cold(self) -> Result<Flown, ServiceError> {
        let begun = self.now();
        let sandbox = self.start().await?;
        match sandbox.initialized(begun + INIT_MAX).await {
            Ok(()) => {
                let init = Some(self.now().since(begun));
                let begun = self.now();
                let landing = sandbox.run(&self.work, begun + self.plan.timeout, false).await;
                return Ok(self.land(sandbox, landing, begun, init).await);
            }
            Err(failure @ StartError::Crash(Crash::InvalidEntrypoint(_))) => {
                // It would not be there the second time either.
                sandbox.scribe().start(&self.work.request_id, &self.plan.version).await;
                return Ok(self.not_started(sandbox, failure, begun).await);
            }
            Err(failure) => {
                sandbox.scribe().line(init_report(self.now().since(begun), &failure)).await;
                drop(sandbox);
                self.fleet.lost();
            }
        }
        let sandbox = self.start().await?;
        let begun = self.now();
        sandbox.scribe().start(&self.work.request_id, &self.plan.version).await;
        match sandbox.initialized(begun + self.plan.timeout).await {
            Ok(()) => {
                let landing = sandbox.run(&self.work, begun + self.plan.timeout, true).await;
                Ok(self.land(sandbox, landing, begun, None).await)
            }
            Err(failure) => Ok(self.not_started(sandbox, failure, begun).await),
        }
    }

    async fn start(&self) -> Result<Box<Sandbox>, ServiceError> {
        self.fleet.make_room()?;
        match Sandbox::start(&self.fleet.host, Arc::clone(&self.plan)).await {
            Ok(sandbox) => Ok(Box::new(sandbox)),
            Err(failure) => {
                self.fleet.lost();
                Err(match failure {
                    StartError::Service(error) => error,
                    other => {
                        tracing::error!(function = %self.plan.pool, ?other, "a sandbox cannot be started");
                        ServiceError::new(500, "ServiceException", "The sandbox of the function could not be started.")
                    }
                })
            }
        }
    }

    /// The runtime did not start, and this was the last try.
    async fn not_started(&self, sandbox: Box<Sandbox>, failure: StartError, begun: Timestamp) -> Flown {
        match failure {
            StartError::Crash(crash) => self.land(sandbox, Landing::Crashed(crash), begun, None).await,
            StartError::TimedOut => {
                let crash = Crash::TimedOut { after: self.plan.timeout };
                self.land(sandbox, Landing::Crashed(crash), begun, None).await
            }
            StartError::Reported { document, kind } => {
                let report = self.report(begun, None, None);
                let duration = report.duration;
                let (tail, written) = self.end(&sandbox, Vec::new(), report).await;
                self.fleet.lost();
                let error = Some(FunctionError::Unhandled);
                Flown { payload: document, error, error_kind: kind, tail, written, duration }
            }
            StartError::Service(error) => {
                let crash = Crash::Platform(error.message().to_owned());
                self.land(sandbox, Landing::Crashed(crash), begun, None).await
            }
        }
    }

    /// Writes the report and decides what becomes of the sandbox.
    async fn land(&self, sandbox: Box<Sandbox>, landing: Landing, begun: Timestamp, init: Option<Duration>) -> Flown {
        let id = &self.work.request_id;
        let (payload, error_kind, crash, reusable) = match landing {
            Landing::Answered(Answer::Result(payload)) => (payload, None, None, true),
            Landing::Answered(Answer::Error { document, kind }) => (document, Some(kind), None, true),
            Landing::Answered(Answer::TooLarge) => {
                let crash = Crash::ResponseTooLarge { bytes_max: RESPONSE_BYTES_MAX };
                (crash.document(id), Some(crash.kind().to_owned()), Some(crash), true)
            }
            Landing::Crashed(crash) => (crash.document(id), Some(crash.kind().to_owned()), Some(crash), false),
            Landing::NotTaken => {
                let crash = Crash::Platform("the runtime ended before it took its work".to_owned());
                (crash.document(id), Some(crash.kind().to_owned()), Some(crash), false)
            }
        };
        let lines = crash.as_ref().map(|c| c.log_lines(id, self.now())).unwrap_or_default();
        let report = self.report(begun, init, crash);
        let duration = report.duration;
        let (tail, written) = self.end(&sandbox, lines, report).await;
        if reusable {
            self.fleet.give_back(sandbox);
        } else {
            self.fleet.lost();
        }
        // Lambda reports every failure as unhandled; the other word is that of a runtime long gone.
        let error = error_kind.is_some().then_some(FunctionError::Unhandled);
        Flown { payload, error, error_kind: error_kind.unwrap_or_default(), tail, written, duration }
    }

    fn report(&self, begun: Timestamp, init: Option<Duration>, crash: Option<Crash>) -> Report {
        let duration = self.now().since(begun);
        Report { request_id: self.work.request_id.clone(), duration, memory_mb: self.plan.memory_mb, init, crash }
    }

    async fn end(
        &self,
        sandbox: &Sandbox,
        lines: Vec<String>,
        report: Report,
    ) -> (Option<oneshot::Receiver<Bytes>>, Option<oneshot::Receiver<()>>) {
        let (tail, tail_of) = wish(self.wish.tail);
        let (written, written_of) = wish(self.wish.written);
        sandbox.scribe().end(End { lines, report, tail, written }).await;
        (tail_of, written_of)
    }
}

fn wish<T>(wanted: bool) -> (Option<oneshot::Sender<T>>, Option<oneshot::Receiver<T>>) {
    if !wanted {
        return (None, None);
    }
    let (sender, receiver) = oneshot::channel();
    (Some(sender), Some(receiver))
}

/// A future that runs to its end in a task of its own if it is dropped before.
struct Unbroken<T: Send + 'static>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T: Send + 'static> Future for Unbroken<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(future) = self.0.as_mut() else { return Poll::Pending };
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Unbroken<T> {
    fn drop(&mut self) {
        let Some(future) = self.0.take() else { return };
        // At the end of the program there is no runtime any more, and nothing to go on with.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(future);
        }
    }
}
