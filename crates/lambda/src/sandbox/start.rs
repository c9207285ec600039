//! Starting a sandbox, and looking after it until it is gone.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use bytes::Bytes;
use cauce_core::ServiceError;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::environment::{Place, variables};
use super::exchange::Exchange;
use super::process_tree::Started;
use super::report::{Crash, Exit, init_start};
use super::runtime_api::RuntimeApi;
use super::scribe::{Destination, Scribe};
use super::{Host, Plan, Sandbox, process_tree};
use crate::launcher::{LAUNCH_ARGUMENT, Orders, Run};

/// Open files of a function. AWS: Lambda quotas, "File descriptors".
const OPEN_FILES_MAX: u64 = 1_024;

/// No limit for the size of a file. As the kernel has it: `RLIM_INFINITY`.
const FILE_BYTES_UNLIMITED: u64 = u64::MAX;

/// Why there is no sandbox.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The service cannot even try: the role cannot be assumed, say.
    Service(ServiceError),
    /// The function's runtime ended.
    Crash(Crash),
    /// It did not ask for work in time.
    TimedOut,
    /// It said why it cannot start.
    Reported {
        /// Its error document.
        document: Bytes,
        /// Its kind.
        kind: String,
    },
}

impl Sandbox {
    /// Starts the process. It is not initialized yet: see [`Sandbox::initialized`].
    ///
    /// # Errors
    /// [`StartError::Service`] if the role cannot be assumed or the system refuses.
    pub(crate) async fn start(host: &Arc<Host>, plan: Arc<Plan>) -> Result<Sandbox, StartError> {
        let session = plan.name.clone();
        let credentials = host.identity.assume_role(&plan.role, "lambda.amazonaws.com", &session).await;
        let credentials = credentials.map_err(|cause| StartError::Service(role_error(&cause)))?;
        let failed = |cause: io::Error| StartError::Crash(Crash::Platform(format!("no sandbox: {cause}")));

        let task_root = host.packages.folder(&plan.package).await.map_err(failed)?;
        let temporary = Temporary::new(host).map_err(failed)?;
        let (listener, runtime_api) = RuntimeApi::bind().await.map_err(failed)?;
        let log_stream = log_stream(host, &plan);
        let place = Place {
            credentials: &credentials,
            runtime_api,
            task_root: &task_root,
            temporary: &temporary.0,
            log_stream: &log_stream,
            endpoint_url: &host.endpoint_url,
        };
        let (output, input) = io::pipe().map_err(failed)?;
        let command = command(host, &plan, &place, input).map_err(failed)?;

        let peak = Arc::new(AtomicU64::new(0));
        let destination = Destination {
            account: plan.account,
            region: plan.region.clone(),
            group: plan.log_group.clone(),
            stream: log_stream.clone(),
        };
        let logs = Arc::clone(&host.logs);
        let (scribe, writer) =
            Scribe::new(host.env.clone(), logs, destination, output, Arc::clone(&peak)).map_err(failed)?;
        scribe.line(init_start(&plan.runtime, plan.region.as_str())).await;

        let child = host.spawner.spawn(command).await.map_err(failed)?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or(0);
        let exchange = Arc::new(Exchange::new());
        let version = plan.version.clone();
        let api = Arc::new(RuntimeApi { exchange: Arc::clone(&exchange), scribe: scribe.clone(), version });
        let api = tokio::spawn(api.serve(listener));
        host.writers.send_modify(|n| *n += 1);
        let writers = host.writers.clone();
        tokio::spawn(async move {
            writer.run(pid).await;
            writers.send_modify(|n| *n -= 1);
        });

        let since = Started::of(pid);
        let mark = format!("AWS_LAMBDA_LOG_STREAM_NAME={log_stream}");
        let (stop, stop_asked) = watch::channel(false);
        let (exit_told, exit) = watch::channel(None);
        let (gone_told, gone) = watch::channel(false);
        let supervisor =
            Supervisor { child, pid, since, mark, scribe: scribe.clone(), api, temporary, exit_told, gone_told };
        tokio::spawn(supervisor.run(stop_asked, host.closing.subscribe()));
        Ok(Sandbox {
            env: host.env.clone(),
            plan,
            bootstrap: task_root.join("bootstrap"),
            pid,
            exchange,
            scribe,
            peak,
            exit,
            out_of_memory: AtomicBool::new(false),
            credentials_end: credentials.expires,
            stop,
            gone,
        })
    }
}

fn role_error(cause: &ServiceError) -> ServiceError {
    if cause.status() >= 500 {
        return cause.clone();
    }
    let message = "The role defined for the function cannot be assumed by Lambda.";
    ServiceError::new(403, "AccessDeniedException", message).with_cause(cause.clone())
}

/// `2026/11/22/[$LATEST]0123...`: the form in which AWS names streams.
fn log_stream(host: &Host, plan: &Plan) -> String {
    let day = host.env.now().to_jiff().strftime("%Y/%m/%d").to_string();
    let entropy = host.env.entropy();
    format!("{day}/[{}]{:016x}{:016x}", plan.version, entropy.u64(), entropy.u64())
}

fn command(host: &Host, plan: &Plan, place: &Place<'_>, output: io::PipeWriter) -> io::Result<Command> {
    let confined_to = host.confined_to.as_ref().map(|paths| {
        let own = std::iter::once(place.temporary.to_path_buf());
        own.chain(paths.iter().cloned()).collect()
    });
    let mounts = mounts(host, plan)?;
    // What ends up on a file system is not limited by the size of the temporary storage.
    let file_bytes_max =
        if mounts.is_empty() { u64::from(plan.storage_mb) * 1_024 * 1_024 } else { FILE_BYTES_UNLIMITED };
    let orders = Orders::Run(Run {
        parent: i32::try_from(std::process::id()).unwrap_or(0),
        program: place.task_root.join("bootstrap"),
        open_files_max: OPEN_FILES_MAX,
        file_bytes_max,
        mounts,
        confined_to,
    });
    let mut command = Command::new(&host.launcher);
    command.arg(LAUNCH_ARGUMENT).arg(serde_json::to_string(&orders)?);
    command.env_clear().envs(variables(plan, place)).current_dir(place.task_root);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    command.kill_on_drop(true);
    Ok(command)
}

/// The folders to mount, each with its name below [`MOUNTS`](crate::file_system::MOUNTS).
fn mounts(host: &Host, plan: &Plan) -> io::Result<Vec<(PathBuf, String)>> {
    let mut mounts = Vec::with_capacity(plan.mounts.len());
    for mount in &plan.mounts {
        let folder = mount.folder(&host.file_systems);
        std::fs::create_dir_all(&folder)?;
        mounts.push((folder, mount.name().to_owned()));
    }
    Ok(mounts)
}

/// A sandbox's own temporary folder, removed when dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn new(host: &Host) -> io::Result<Temporary> {
        let path: &Path = &host.temporary;
        let folder = path.join(format!("{:016x}", host.env.entropy().u64()));
        std::fs::create_dir_all(path)?;
        std::fs::create_dir(&folder)?;
        Ok(Temporary(folder))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(cause) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%cause, folder = %self.0.display(), "a sandbox's temporary folder could not be removed");
        }
    }
}

/// Waits for the end of the process, or brings it about, and clears up after it.
struct Supervisor {
    child: Child,
    pid: i32,
    since: Started,
    mark: String,
    scribe: Scribe,
    api: tokio::task::JoinHandle<()>,
    temporary: Temporary,
    exit_told: watch::Sender<Option<Exit>>,
    gone_told: watch::Sender<bool>,
}

impl Supervisor {
    async fn run(mut self, mut stop_asked: watch::Receiver<bool>, mut closing: watch::Receiver<bool>) {
        let ended = tokio::select! {
            status = self.child.wait() => Some(status),
            _ = closing.wait_for(|closing| *closing) => None,
            // An error is the dropped sandbox: the same wish.
            _ = stop_asked.wait_for(|stop| *stop) => None,
        };
        let status = match ended {
            Some(status) => status,
            None => {
                self.end_tree(false).await;
                self.child.wait().await
            }
        };
        self.exit_told.send_replace(Some(status.map_or(Exit::Signal(9), exit)));
        self.end_tree(true).await;
        self.api.abort();
        let Supervisor { scribe, temporary, gone_told, .. } = self;
        let _ = tokio::task::spawn_blocking(move || drop(temporary)).await;
        gone_told.send_replace(true);
        // Only now, so that the log has what the last of its processes wrote.
        drop(scribe);
    }

    async fn end_tree(&self, reaped: bool) {
        let (pid, since, mark) = (self.pid, self.since, self.mark.clone());
        // Looking through /proc takes milliseconds.
        let _ = tokio::task::spawn_blocking(move || process_tree::end(pid, since, &mark, reaped)).await;
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Status(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(9)),
    }
}
