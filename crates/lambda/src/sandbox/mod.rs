//! A sandbox: one process that runs one version of a function, one invocation at a time.
//!
//! AWS: Lambda Developer Guide, *Understanding the Lambda execution environment life cycle*.
//!
//! Its life: the package's `bootstrap` is started in a session of its own with an environment of its own; it asks the
//! Runtime API for work (that ends the init phase), answers, asks again; it ends when it exits, exceeds its timeout or
//! memory, has been idle for long, or the service stops. Whatever it started ends with it.

pub(crate) mod environment;
pub(crate) mod exchange;
pub(crate) mod process_tree;
pub(crate) mod report;
mod runtime_api;
pub(crate) mod scribe;
pub(crate) mod spawner;
mod start;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cauce_core::ports::{Identity, Logs};
use cauce_core::{Account, Arn, Env, Region, Timestamp};
use tokio::sync::{oneshot, watch};

use self::exchange::{Answer, Exchange, Job, Phase};
use self::report::{Crash, Exit};
use self::scribe::{Peak, Scribe};
use self::spawner::Spawner;
use crate::file_system::Mount;
use crate::package::PackageStore;

pub(crate) use self::runtime_api::RESPONSE_BYTES_MAX;
pub(crate) use self::start::StartError;

/// How long a runtime may take before it asks for its first work. AWS: 10 seconds.
pub(crate) const INIT_MAX: Duration = Duration::from_secs(10);

/// How often a working function's memory is looked at.
const MEMORY_WATCH: Duration = Duration::from_millis(100);

/// What AWS says of a package without a program.
const NO_BOOTSTRAP: &str = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";

/// Everything sandboxes share.
pub(crate) struct Host {
    pub(crate) env: Env,
    pub(crate) identity: Arc<dyn Identity>,
    pub(crate) logs: Arc<dyn Logs>,
    pub(crate) packages: Arc<PackageStore>,
    pub(crate) spawner: Spawner,
    pub(crate) launcher: PathBuf,
    /// Where the sandboxes' temporary folders are made.
    pub(crate) temporary: PathBuf,
    /// Where the folders behind functions' file systems are.
    pub(crate) file_systems: PathBuf,
    pub(crate) endpoint_url: String,
    /// Set when every sandbox shall end, working or not.
    pub(crate) closing: watch::Sender<bool>,
    /// How many log writers have lines left to hand over.
    pub(crate) writers: watch::Sender<usize>,
    /// Whether the file system is restricted, and what may be written besides the own temporary folder.
    pub(crate) confined_to: Option<Vec<PathBuf>>,
}

/// What a sandbox runs: one version of a function with its configuration, immutable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Names the function: what concurrency is counted by.
    pub(crate) function: Arc<str>,
    /// Names function and version: what sandboxes are pooled by.
    pub(crate) pool: Arc<str>,
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) name: String,
    /// `$LATEST` or a number.
    pub(crate) version: String,
    pub(crate) runtime: String,
    pub(crate) handler: String,
    pub(crate) role: Arn,
    /// Hex of the package's SHA-256.
    pub(crate) package: String,
    pub(crate) memory_mb: u32,
    pub(crate) storage_mb: u32,
    pub(crate) timeout: Duration,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) log_group: String,
    /// File systems.
    pub(crate) mounts: Vec<Mount>,
}

/// What one invocation is about.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) request_id: String,
    pub(crate) payload: Bytes,
    pub(crate) invoked_arn: String,
    pub(crate) trace: String,
    pub(crate) client_context: Option<String>,
}

/// How an invocation in a sandbox ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    /// With an answer; the sandbox can go on.
    Answered(Answer),
    /// Without one; the sandbox is gone.
    Crashed(Crash),
    /// The sandbox was gone before it took the work: nothing has happened.
    NotTaken,
}

/// One sandbox. Dropping it ends it.
pub(crate) struct Sandbox {
    env: Env,
    plan: Arc<Plan>,
    bootstrap: PathBuf,
    pid: i32,
    exchange: Arc<Exchange>,
    scribe: Scribe,
    peak: Peak,
    exit: watch::Receiver<Option<Exit>>,
    out_of_memory: AtomicBool,
    credentials_end: Timestamp,
    /// Asks the supervisor to end it; dropping does the same.
    stop: watch::Sender<bool>,
    /// Sent when everything of it is gone.
    gone: watch::Receiver<bool>,
}

impl Sandbox {
    /// What it runs.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Where its log lines go.
    pub(crate) fn scribe(&self) -> &Scribe {
        &self.scribe
    }

    /// When its credentials end.
    pub(crate) fn credentials_end(&self) -> Timestamp {
        self.credentials_end
    }

    /// Whether its process is still there.
    pub(crate) fn alive(&self) -> bool {
        self.exit.borrow().is_none()
    }

    /// Waits until the runtime asks for work, at most until `limit`.
    ///
    /// # Errors
    /// [`StartError`] if it exits, says it cannot start, uses too much memory, or takes too long (then it is ended).
    pub(crate) async fn initialized(&self, limit: Timestamp) -> Result<(), StartError> {
        let mut phases = self.exchange.phases();
        let mut exit = self.exit.clone();
        loop {
            let now = self.env.now();
            let wake = (now + MEMORY_WATCH).min(limit);
            let phase = tokio::select! {
                biased;
                phase = phases.wait_for(|p| *p != Phase::Starting) => phase.ok().map(|p| *p),
                ended = exit.wait_for(Option::is_some) => {
                    let exit = ended.ok().and_then(|e| *e).unwrap_or(Exit::Signal(9));
                    return Err(StartError::Crash(self.crash(exit, true)));
                }
                () = self.env.sleep_until(wake) => None,
            };
            match phase {
                Some(Phase::InitFailed) => return Err(self.init_error().await),
                Some(_) => return Ok(()),
                None => {}
            }
            if self.env.now() >= limit {
                self.end().await;
                return Err(StartError::TimedOut);
            }
            if self.over_memory().await {
                return Err(StartError::Crash(Crash::OutOfMemory));
            }
        }
    }

    async fn init_error(&self) -> StartError {
        let (document, kind) = self.exchange.init_error().unwrap_or_default();
        self.end().await;
        StartError::Reported { document, kind }
    }

    /// Has one invocation done, until `deadline`. `announced` says that its START line was written already.
    ///
    /// After anything but an answer the sandbox and all its processes are gone.
    pub(crate) async fn run(&self, work: &Work, deadline: Timestamp, announced: bool) -> Landing {
        let (reply, mut answer) = oneshot::channel();
        let Work { request_id, payload, invoked_arn, trace, client_context } = work.clone();
        self.exchange.submit(Job {
            request_id,
            payload,
            invoked_arn,
            deadline,
            trace,
            client_context,
            announced,
            reply,
        });
        let mut exit = self.exit.clone();
        loop {
            let wake = (self.env.now() + MEMORY_WATCH).min(deadline);
            tokio::select! {
                biased;
                answer = &mut answer => match answer {
                    Ok(answer) => return Landing::Answered(answer),
                    // Only if the exchange is dropped, which this sandbox holds.
                    Err(_) => return Landing::NotTaken,
                },
                ended = exit.wait_for(Option::is_some) => {
                    if let Ok(answer) = answer.try_recv() {
                        return Landing::Answered(answer);
                    }
                    if self.exchange.withdraw().is_some() {
                        return Landing::NotTaken;
                    }
                    let exit = ended.ok().and_then(|e| *e).unwrap_or(Exit::Signal(9));
                    return Landing::Crashed(self.crash(exit, false));
                }
                () = self.env.sleep_until(wake) => {}
            }
            if self.env.now() >= deadline {
                self.end().await;
                return Landing::Crashed(Crash::TimedOut { after: self.plan.timeout });
            }
            self.scribe.nudge();
            if self.over_memory().await {
                return Landing::Crashed(Crash::OutOfMemory);
            }
        }
    }

    /// Looks at the memory; ends the sandbox if it uses more than it has.
    async fn over_memory(&self) -> bool {
        let used = process_tree::memory_bytes(self.pid);
        self.peak.fetch_max(used, Ordering::Relaxed);
        if used <= u64::from(self.plan.memory_mb) * 1_024 * 1_024 {
            return false;
        }
        self.out_of_memory.store(true, Ordering::Relaxed);
        self.end().await;
        true
    }

    fn crash(&self, exit: Exit, starting: bool) -> Crash {
        if self.out_of_memory.load(Ordering::Relaxed) {
            return Crash::OutOfMemory;
        }
        let not_launched = crate::launcher::EXITS_NOT_LAUNCHED.iter();
        match exit {
            Exit::Status(code) if starting => match not_launched.clone().find(|(c, _)| i32::from(*c) == code) {
                Some(_) if !self.bootstrap.exists() => Crash::InvalidEntrypoint(NO_BOOTSTRAP.to_owned()),
                Some((_, why)) => Crash::InvalidEntrypoint((*why).to_owned()),
                None => Crash::Exited(exit),
            },
            _ => Crash::Exited(exit),
        }
    }

    /// Asks for its end without waiting for it.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ends it; returns when all its processes are gone.
    pub(crate) async fn end(&self) {
        self.stop();
        let mut gone = self.gone.clone();
        // An error means that the supervisor is gone, and with it everything.
        let _ = gone.wait_for(|gone| *gone).await;
    }

    /// Tells when everything of it is gone.
    pub(crate) fn gone(&self) -> watch::Receiver<bool> {
        self.gone.clone()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop();
    }
}
