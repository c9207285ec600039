//! The thread from which all sandboxes are started.
//!
//! The kernel sends a process its death signal when the *thread* that started it ends, so sandboxes are started from a thread that
//! lives as long as the service, never from a worker that a thread pool may retire.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::launcher::{LAUNCH_ARGUMENT, Orders};

/// How to start this program again as the launcher of a sandbox: see [`launch`](crate::launch).
#[derive(Clone, Debug)]
pub struct Launcher {
    /// A program whose `main` calls [`launch`](crate::launch) first.
    pub program: PathBuf,
}

impl Launcher {
    /// The running program itself.
    ///
    /// # Errors
    /// When the system cannot tell where it is.
    pub fn own_program() -> io::Result<Launcher> {
        // The link rather than its target: the file may be replaced by a newer build while the server runs.
        let program = PathBuf::from("/proc/self/exe");
        std::fs::metadata(&program)?;
        Ok(Launcher { program })
    }
}

type Request = (Command, oneshot::Sender<io::Result<Child>>);

/// Starts processes from one long-lived thread.
#[derive(Debug)]
pub(crate) struct Spawner {
    requests: mpsc::Sender<Request>,
}

impl Spawner {
    /// Starts the thread, and the guard that ends what `task_roots` left behind if this program dies.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn new(launcher: &Launcher, task_roots: String) -> io::Result<Spawner> {
        let (requests, queue) = mpsc::channel::<Request>();
        let handle = Handle::current();
        let guard = guard_command(launcher, task_roots)?;
        std::thread::Builder::new().name("lambda-spawner".to_owned()).spawn(move || serve(&queue, &handle, guard))?;
        Ok(Spawner { requests })
    }

    /// Starts a process.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (answer, wait) = oneshot::channel();
        let gone = || io::Error::other("the spawner thread is gone");
        self.requests.send((command, answer)).map_err(|_| gone())?;
        wait.await.map_err(|_| gone())?
    }
}

fn guard_command(launcher: &Launcher, task_roots: String) -> io::Result<std::process::Command> {
    let orders = serde_json::to_string(&Orders::Guard { task_roots })?;
    let mut command = std::process::Command::new(&launcher.program);
    command.env_clear().arg(LAUNCH_ARGUMENT).arg(orders);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

fn serve(queue: &mpsc::Receiver<Request>, handle: &Handle, mut guard: std::process::Command) {
    let _runtime = handle.enter();
    let mut guarding = None;
    while let Ok((mut command, answer)) = queue.recv() {
        // Only a server that runs functions needs a guard.
        if guarding.is_none() {
            match guard.spawn() {
                Ok(child) => guarding = Some(child),
                Err(cause) => tracing::warn!(%cause, "no guard: what functions start may outlive a killed server"),
            }
        }
        let _ = answer.send(command.spawn());
    }
    if let Some(mut guard) = guarding {
        // The end of its input is what the guard waits for.
        drop(guard.stdin.take());
        let _ = guard.wait();
    }
}
