//! The last steps inside a new process before the function's own program takes it over.
//!
//! The server starts its own program again, which calls [`launch`] first thing. That process is single-threaded, so everything
//! that must happen between `fork` and `exec` (death signal, session, limits, file system restriction) is ordinary safe code
//! here, and the server itself can use `posix_spawn` instead of copying its page tables.

use std::ffi::CString;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use landlock::{
    ABI, Access as _, AccessFs, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    Scope, path_beneath_rules,
};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{execv, getgid, getppid, getuid, setsid};
use serde::{Deserialize, Serialize};

use crate::file_system::MOUNTS;
use crate::sandbox::process_tree;

/// The first argument that makes a program a launcher: see [`launch`].
pub const LAUNCH_ARGUMENT: &str = "__cauce-sandbox";

/// The exit statuses of a launcher that could not become the function's program, with the reasons that AWS shows (Go's words).
pub(crate) const EXITS_NOT_LAUNCHED: &[(u8, &str)] = &[
    (EXIT_NOT_FOUND, "fork/exec /var/task/bootstrap: no such file or directory"),
    (EXIT_NOT_PERMITTED, "fork/exec /var/task/bootstrap: permission denied"),
    (EXIT_NOT_EXECUTABLE, "fork/exec /var/task/bootstrap: exec format error"),
    (EXIT_NOT_PREPARED, "fork/exec /var/task/bootstrap: the sandbox could not be prepared"),
];

const EXIT_NOT_FOUND: u8 = 251;
const EXIT_NOT_PERMITTED: u8 = 252;
const EXIT_NOT_EXECUTABLE: u8 = 253;
const EXIT_NOT_PREPARED: u8 = 254;

/// How much more willing than its neighbours the kernel shall be to end a function when memory runs out; 1000 is the most.
const OOM_SCORE: &str = "500";

/// What of the system every function may read. Of `/proc` only what belongs to nobody and its own: the environment of another
/// process holds that function's credentials.
const READABLE: &[&str] = &[
    "/bin",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/opt",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/self",
    "/proc/stat",
    "/proc/sys",
    "/proc/uptime",
    "/proc/version",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
];

/// The newest Landlock interface whose restrictions were tried out with functions; older kernels enforce what they know of it.
const LANDLOCK: ABI = ABI::V6;

/// What a launched process shall do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Orders {
    /// Become a function's program.
    Run(Run),
    /// Wait until the server is gone, then end whatever its functions left running.
    Guard {
        /// The beginning of the task root of this server's functions.
        task_roots: String,
    },
}

/// How to become a function's program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The server: if it is no longer the parent, it died in the meantime.
    pub(crate) parent: i32,
    /// The program.
    pub(crate) program: PathBuf,
    /// The most open files.
    pub(crate) open_files_max: u64,
    /// The largest file that may be written, in bytes.
    pub(crate) file_bytes_max: u64,
    /// Folders that the program finds below `/mnt`, with their names there.
    pub(crate) mounts: Vec<(PathBuf, String)>,
    /// What may be written, if the file system shall be restricted.
    pub(crate) confined_to: Option<Vec<PathBuf>>,
}

/// Becomes a function's sandbox if the arguments of this program say so, and returns `None` at once if they do not.
///
/// The program that is named as [`Launcher::program`](crate::Launcher) calls this before anything else:
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     if let Some(code) = cauce_lambda::launch(std::env::args().skip(1)) {
///         return code;
///     }
///     // ... the program's own work
///     std::process::ExitCode::SUCCESS
/// }
/// ```
pub fn launch(mut arguments: impl Iterator<Item = String>) -> Option<ExitCode> {
    if arguments.next().as_deref() != Some(LAUNCH_ARGUMENT) {
        return None;
    }
    let orders = arguments.next().unwrap_or_default();
    let status = match serde_json::from_str::<Orders>(&orders) {
        Ok(Orders::Run(run)) => become_function(&run),
        Ok(Orders::Guard { task_roots }) => {
            guard(&task_roots);
            return Some(ExitCode::SUCCESS);
        }
        Err(cause) => {
            eprintln!("cauce: bad orders for a sandbox: {cause}");
            EXIT_NOT_PREPARED
        }
    };
    Some(ExitCode::from(status))
}

/// Returns only if something went wrong, with the exit status that says what.
fn become_function(run: &Run) -> u8 {
    if let Err(cause) = prepare(run) {
        // Goes to the function's log.
        eprintln!("cauce: the sandbox could not be prepared: {cause}");
        return EXIT_NOT_PREPARED;
    }
    // Not through a search of `PATH`, which would give a text to a shell.
    let Ok(program) = CString::new(run.program.as_os_str().as_bytes()) else { return EXIT_NOT_FOUND };
    match execv(&program, &[&program]) {
        Err(Errno::ENOENT) => EXIT_NOT_FOUND,
        Err(Errno::EACCES) => EXIT_NOT_PERMITTED,
        _ => EXIT_NOT_EXECUTABLE,
    }
}

fn prepare(run: &Run) -> Result<(), String> {
    let step = |what: &'static str| move |cause: nix::Error| format!("{what}: {cause}");
    // Before the death signal, which a change of user namespace might take back.
    mount_all(&run.mounts).map_err(|cause| format!("file systems: {cause}"))?;
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(step("death signal"))?;
    if getppid().as_raw() != run.parent {
        return Err("the server is gone".to_owned());
    }
    setsid().map_err(step("session"))?;
    // Whoever is orphaned among what the function starts becomes its child again, and so ends with it. Survives `exec`.
    prctl::set_child_subreaper(true).map_err(step("subreaper"))?;
    lower(Resource::RLIMIT_CORE, 0).map_err(step("core limit"))?;
    lower(Resource::RLIMIT_NOFILE, run.open_files_max).map_err(step("open file limit"))?;
    lower(Resource::RLIMIT_FSIZE, run.file_bytes_max).map_err(step("file size limit"))?;
    // Not being able to is no reason not to run: some containers forbid it.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    if let Some(writable) = &run.confined_to {
        let task_root = run.program.parent().unwrap_or(Path::new("/"));
        let mounted = run.mounts.iter().map(|(_, name)| Path::new(MOUNTS).join(name));
        let writable: Vec<PathBuf> = writable.iter().cloned().chain(mounted).collect();
        confine(task_root, &writable).map_err(|cause| format!("file system restriction: {cause}"))?;
    }
    Ok(())
}

/// Makes folders appear below [`MOUNTS`], for this process and what it starts alone.
///
/// In a mount namespace of its own, which root may make; others may with a user namespace around it, where the system allows that.
fn mount_all(mounts: &[(PathBuf, String)]) -> Result<(), String> {
    if mounts.is_empty() {
        return Ok(());
    }
    let step = |what: &'static str| move |cause: nix::Error| format!("{what}: {cause}");
    let (uid, gid) = (getuid(), getgid());
    if unshare(CloneFlags::CLONE_NEWNS).is_err() {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(step("no mount namespace"))?;
        let map = |file: &str, text: String| std::fs::write(file, text).map_err(|cause| format!("{file}: {cause}"));
        map("/proc/self/setgroups", "deny".to_owned())?;
        map("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        map("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    }
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(step("private mounts"))?;
    // An own `/mnt` first: in the machine's there may be no such folder, and it must not be made there.
    mount(Some("tmpfs"), MOUNTS, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("size=64k,mode=755"))
        .map_err(step("an own /mnt"))?;
    for (folder, name) in mounts {
        let target = Path::new(MOUNTS).join(name);
        std::fs::create_dir(&target).map_err(|cause| format!("{}: {cause}", target.display()))?;
        mount(Some(folder), &target, none, MsFlags::MS_BIND, none).map_err(step("mounting"))?;
    }
    Ok(())
}

/// Sets both limits to `most`, or to the hard limit if that is lower already.
fn lower(resource: Resource, most: u64) -> nix::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    let most = most.min(hard);
    setrlimit(resource, most, most)
}

/// Restricts this process and all it starts for ever: reading the system and the package, writing only `writable`; no signals
/// to processes outside.
fn confine(task_root: &Path, writable: &[PathBuf]) -> Result<RestrictionStatus, RulesetError> {
    let read = AccessFs::from_read(LANDLOCK);
    let all = AccessFs::from_all(LANDLOCK);
    Ruleset::default()
        .handle_access(all)?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .add_rules(path_beneath_rules(READABLE, read))?
        .add_rules(path_beneath_rules([task_root], read))?
        .add_rules(path_beneath_rules(["/dev"], AccessFs::from_file(LANDLOCK) | AccessFs::ReadDir))?
        .add_rules(path_beneath_rules(writable, all))?
        .restrict_self()
}

/// Holds the other end of standard input, so that the kernel tells it when the server is gone, however it went.
fn guard(task_roots: &str) {
    // Not ended by the keys that end the server.
    let _ = setsid();
    let mut sink = [0; 64];
    while matches!(std::io::stdin().read(&mut sink), Ok(1..)) {}
    process_tree::end_orphans(task_roots);
}
