//! Processes and what they started, read from `/proc`.
//!
//! A function may start processes, detach them into sessions of their own and forget them. All of them carry the environment
//! they were started with, so a sandbox's processes are found in three ways at once: as descendants of its first process, by its
//! session, and by a variable that no other sandbox has.
//!
//! A machine has hundreds of processes, and the environment of each costs the kernel a walk through its memory. What was there
//! before the sandbox belongs to somebody else, so only younger processes are looked at closely.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How often the tree is looked for again after everything found was killed: something may have been started in between, and
/// what was killed needs the processor once more before it is gone.
const ROUNDS_MAX: usize = 5_000;

/// How long the kernel is left alone with the killed. Not a wait of the service, so not one of its clock: virtual time must
/// not stop it.
const ROUND: Duration = Duration::from_millis(1);

/// How many processes of one sandbox are counted for its memory.
const MEMBERS_MAX: usize = 4_096;

/// Room for `/proc/PID/stat`, and for `/proc/PID/status` up to its memory: what comes before may list a thousand groups.
const TEXT_BYTES_MAX: usize = 8_192;

/// When a process was started, in the kernel's ticks since the machine was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Started(u64);

impl Started {
    /// Before every process.
    const FIRST: Started = Started(0);

    /// When `pid` was started. If it is gone already, all processes count as younger.
    pub(crate) fn of(pid: i32) -> Started {
        read_process(pid).map_or(Started::FIRST, |process| process.started)
    }
}

/// The fields of `/proc/PID/stat` that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    session: i32,
    zombie: bool,
    started: Started,
}

/// A process's number, and when it was started: its number alone may be given again.
type Identity = (i32, Started);

/// Ends a sandbox: its first process, everything that descends from it, its whole session, and every process whose
/// environment contains `variable` (`NAME=value`). Returns when none is left, or gives up after five seconds.
///
/// `since` is when the first process was started; what is older is no part of it. Once the first process was waited for
/// (`reaped`) its number may belong to a stranger, which is left alone.
pub(crate) fn end(first: i32, since: Started, variable: &str, reaped: bool) {
    end_all(since, |processes| {
        let mut found = members(processes, first, |pid| has_variable(pid, |v| v == variable));
        found.retain(|&(pid, _)| !(reaped && pid == first));
        found
    });
}

/// Ends every process of a server that is gone: those whose `LAMBDA_TASK_ROOT` begins with `task_roots`.
pub(crate) fn end_orphans(task_roots: &str) {
    let wanted = format!("LAMBDA_TASK_ROOT={task_roots}");
    end_all(Started::FIRST, |processes| {
        let orphaned = |p: &&Process| !p.zombie && has_variable(p.pid, |v| v.starts_with(&wanted));
        processes.iter().filter(orphaned).map(Process::identity).collect()
    });
}

/// Kills what `find` finds among the processes since then, until it finds nothing and all that was killed is gone.
fn end_all(since: Started, find: impl Fn(&[Process]) -> Vec<Identity>) {
    let mut killed: HashSet<Identity> = HashSet::new();
    for _ in 0..ROUNDS_MAX {
        let processes = all(since);
        let mut left = find(&processes);
        // Who is about to go has lost its environment already, and perhaps its parent, by which it was found.
        let living = processes.iter().filter(|p| !p.zombie).map(Process::identity);
        left.extend(living.filter(|identity| killed.contains(identity)));
        if left.is_empty() {
            return;
        }
        for (pid, _) in &left {
            // One that is gone already is what is wanted.
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        killed.extend(left);
        std::thread::sleep(ROUND);
    }
}

impl Process {
    fn identity(&self) -> Identity {
        (self.pid, self.started)
    }
}

/// The living members of the sandbox whose first process is `first`.
fn members(processes: &[Process], first: i32, marked: impl Fn(i32) -> bool) -> Vec<Identity> {
    let mut inside: HashSet<i32> = HashSet::from([first]);
    // A child is listed after its parent except where numbers wrapped around, so look until nothing is added.
    loop {
        let before = inside.len();
        for p in processes {
            if inside.contains(&p.parent) || p.session == first {
                inside.insert(p.pid);
            }
        }
        if inside.len() == before {
            break;
        }
    }
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let living = processes.iter().filter(|p| !p.zombie && p.pid != own);
    living.filter(|p| inside.contains(&p.pid) || marked(p.pid)).map(Process::identity).collect()
}

/// All processes that were started then or later.
fn all(since: Started) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(read_process).filter(|process| process.started >= since).collect()
}

fn read_process(pid: i32) -> Option<Process> {
    parse_stat(pid, &beginning(&format!("/proc/{pid}/stat"))?)
}

/// The beginning of a file of the kernel, by one read: it makes the whole text anew for each.
fn beginning(path: &str) -> Option<String> {
    let mut text = [0; TEXT_BYTES_MAX];
    let len = fs::File::open(path).ok()?.read(&mut text).ok()?;
    Some(String::from_utf8_lossy(text.get(..len)?).into_owned())
}

/// `1234 (name) S ppid pgrp session ... starttime ...`, where the name may contain anything, parentheses and spaces included.
fn parse_stat(pid: i32, stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    // The session is the 6th field, the start the 22nd.
    let started = Started(fields.nth(15)?.parse().ok()?);
    Some(Process { pid, parent, session, zombie: matches!(state, "Z" | "X"), started })
}

fn has_variable(pid: i32, wanted: impl Fn(&str) -> bool) -> bool {
    // Other users' processes cannot be read, and are none of ours.
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    environment.split(|b| *b == 0).filter_map(|v| std::str::from_utf8(v).ok()).any(wanted)
}

/// The memory in use by `first` and its descendants, in bytes: all resident pages of the first process and the private ones
/// of the others, which share the rest with it. 0 if it is gone.
pub(crate) fn memory_bytes(first: i32) -> u64 {
    let mut total = resident(first).map_or(0, |(all, _)| all);
    let mut queue = vec![first];
    let mut seen = 0;
    while let Some(pid) = queue.pop() {
        seen += 1;
        if seen > MEMBERS_MAX {
            break;
        }
        for child in children(pid) {
            total += resident(child).map_or(0, |(all, shared)| all.saturating_sub(shared));
            queue.push(child);
        }
    }
    total
}

/// All resident bytes of a process, and those of them that are backed by files or shared.
fn resident(pid: i32) -> Option<(u64, u64)> {
    let status = status(pid)?;
    let bytes = |name| field_bytes(&status, name).unwrap_or(0);
    Some((bytes("VmRSS:"), bytes("RssFile:") + bytes("RssShmem:")))
}

fn status(pid: i32) -> Option<String> {
    beginning(&format!("/proc/{pid}/status"))
}

/// A line such as `VmHWM:     5120 kB`.
fn field_bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1_024)
}

fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists.flat_map(|list| list.split_ascii_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<i32>>()).collect()
}

/// The most memory that the process itself ever had resident, in bytes.
pub(crate) fn peak_bytes(pid: i32) -> Option<u64> {
    field_bytes(&status(pid)?, "VmHWM:")
}

#[cfg(test)]
mod tests {
    use super::{Process, Started, all, members, memory_bytes, parse_stat, peak_bytes};

    #[test]
    fn a_name_may_contain_anything() {
        let rest = "0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 7890 1 1";
        let p = parse_stat(7, &format!("7 (a) b) (c) S 3 5 4 {rest}")).unwrap();
        assert_eq!(p, Process { pid: 7, parent: 3, session: 4, zombie: false, started: Started(7_890) });
        assert!(parse_stat(7, &format!("7 (x) Z 1 1 1 {rest}")).unwrap().zombie);
        assert_eq!(parse_stat(7, "7 (x"), None);
        assert_eq!(parse_stat(7, "7 (x) S 1"), None);
    }

    #[test]
    fn members_are_found_by_descent_session_and_mark() {
        let p = |pid, parent, session| Process { pid, parent, session, zombie: false, started: Started::FIRST };
        let processes = [
            p(12, 11, 11),                             // grandchild, listed before its parent
            p(10, 1, 10),                              // first
            p(11, 10, 11),                             // child with a session of its own
            p(20, 1, 10),                              // orphan in the session
            p(30, 1, 30),                              // marked by its environment
            p(40, 1, 40),                              // a stranger
            Process { zombie: true, ..p(13, 10, 10) }, // dead
        ];
        let mut found: Vec<i32> = members(&processes, 10, |pid| pid == 30).into_iter().map(|(pid, _)| pid).collect();
        found.sort_unstable();
        assert_eq!(found, [10, 11, 12, 20, 30]);
    }

    #[test]
    fn only_younger_processes_are_looked_at() {
        let own = i32::try_from(std::process::id()).unwrap();
        let started = Started::of(own);
        assert!(started > Started::FIRST);
        assert!(all(started).iter().any(|p| p.pid == own));
        assert!(all(Started(started.0 + 1)).iter().all(|p| p.pid != own));
        assert_eq!(Started::of(i32::MAX), Started::FIRST);
    }

    #[test]
    fn this_process_uses_memory() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(memory_bytes(own) > 100_000);
        assert!(peak_bytes(own).unwrap() > 100_000);
        assert_eq!(memory_bytes(i32::MAX), 0);
    }
}
