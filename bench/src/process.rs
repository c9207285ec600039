//! What the system says about processes.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// Clock ticks a second in `/proc`, the same on every Linux that runs today.
const TICKS_A_SECOND: f64 = 100.0;

/// The load average of the last minute; 0 where it is not told.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// What one process takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) resident_mib: f64,
    /// The part of it that no other process shares and no file backs.
    pub(crate) anonymous_mib: f64,
    pub(crate) threads: f64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Usage> {
        let path = format!("/proc/{pid}/status");
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let field = |name: &str| -> f64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
        };
        Ok(Usage {
            resident_mib: field("VmRSS") / 1024.0,
            anonymous_mib: field("RssAnon") / 1024.0,
            threads: field("Threads"),
        })
    }
}

/// The processor time that a process has used so far, in user and kernel together.
pub(crate) fn processor_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The name in parentheses may hold anything; the 14th and 15th field are counted from behind it.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: f64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks / TICKS_A_SECOND))
}
