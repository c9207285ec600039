//! The lines that the platform itself writes into a function's log, and the documents with which it answers for a function
//! that cannot.
//!
//! AWS: Lambda Developer Guide, *Working with Lambda function logs* (START, END, REPORT, INIT_START) and *Understanding the Lambda
//! execution environment life cycle*.

use std::time::Duration;

use bytes::Bytes;
use cauce_core::Timestamp;
use serde_json::json;

use super::StartError;

/// How a function failed where it could not say so itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// It took longer than its timeout.
    TimedOut {
        /// The timeout.
        after: Duration,
    },
    /// Its process ended.
    Exited(Exit),
    /// It used more memory than it has.
    OutOfMemory,
    /// Its program cannot be started.
    InvalidEntrypoint(String),
    /// Its answer is larger than allowed.
    ResponseTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The platform could not provide a sandbox.
    Platform(String),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// With a status.
    Status(i32),
    /// By a signal.
    Signal(i32),
}

impl Exit {
    fn words(self) -> String {
        match self {
            Exit::Status(0) => "Runtime exited without providing a reason".to_owned(),
            Exit::Status(n) => format!("Runtime exited with error: exit status {n}"),
            Exit::Signal(n) => {
                let name = match n {
                    1 => "hangup",
                    2 => "interrupt",
                    3 => "quit",
                    4 => "illegal instruction",
                    5 => "trace/breakpoint trap",
                    6 => "aborted",
                    7 => "bus error",
                    8 => "floating point exception",
                    9 => "killed",
                    11 => "segmentation fault",
                    13 => "broken pipe",
                    15 => "terminated",
                    25 => "file size limit exceeded",
                    _ => return format!("Runtime exited with error: signal: signal {n}"),
                };
                format!("Runtime exited with error: signal: {name}")
            }
        }
    }
}

impl Crash {
    /// The kind in the answer's document.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Crash::TimedOut { .. } => "Sandbox.Timedout",
            // AWS names the memory in the report line only; the document tells of the killed process.
            Crash::Exited(_) | Crash::OutOfMemory => "Runtime.ExitError",
            Crash::InvalidEntrypoint(_) => "Runtime.InvalidEntrypoint",
            Crash::ResponseTooLarge { .. } => "Function.ResponseSizeTooLarge",
            Crash::Platform(_) => "Sandbox.Failure",
        }
    }

    fn words(&self) -> String {
        match self {
            Crash::TimedOut { after } => format!("Task timed out after {:.2} seconds", after.as_secs_f64()),
            Crash::Exited(exit) => exit.words(),
            Crash::OutOfMemory => Exit::Signal(9).words(),
            Crash::InvalidEntrypoint(why) | Crash::Platform(why) => why.clone(),
            Crash::ResponseTooLarge { bytes_max } => {
                format!("Response payload size exceeded maximum allowed payload size ({bytes_max} bytes).")
            }
        }
    }

    /// What the caller gets.
    pub(crate) fn document(&self, request_id: &str) -> Bytes {
        let message = match self {
            Crash::ResponseTooLarge { .. } => self.words(),
            _ => format!("RequestId: {request_id} Error: {}", self.words()),
        };
        json!({ "errorType": self.kind(), "errorMessage": message }).to_string().into()
    }

    /// The lines that tell of it in the log, before END and REPORT.
    pub(crate) fn log_lines(&self, request_id: &str, now: Timestamp) -> Vec<String> {
        match self {
            Crash::TimedOut { .. } => vec![format!("{} {request_id} {}", now.iso_millis(), self.words())],
            Crash::ResponseTooLarge { .. } => Vec::new(),
            _ => vec![format!("RequestId: {request_id} Error: {}", self.words()), self.kind().to_owned()],
        }
    }

    /// The end of the report line.
    fn status(&self) -> String {
        match self {
            Crash::TimedOut { .. } => "Status: timeout".to_owned(),
            Crash::OutOfMemory => "Status: error\tError Type: Runtime.OutOfMemory".to_owned(),
            _ => format!("Status: error\tError Type: {}", self.kind()),
        }
    }
}

/// What the report line tells.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) request_id: String,
    pub(crate) duration: Duration,
    pub(crate) memory_mb: u32,
    /// Of a cold start, unless the start failed.
    pub(crate) init: Option<Duration>,
    pub(crate) crash: Option<Crash>,
}

impl Report {
    /// The line, with its tabs; `peak_bytes` is the most memory ever used.
    pub(crate) fn line(&self, peak_bytes: u64) -> String {
        let Report { request_id, duration, memory_mb, init, crash } = self;
        // A custom runtime's start is paid for.
        let billed_ms = (*duration + init.unwrap_or_default()).as_nanos().div_ceil(1_000_000);
        let used_mb = peak_bytes.div_ceil(1_024 * 1_024).min(u64::from(*memory_mb));
        let mut line = format!(
            "REPORT RequestId: {request_id}\tDuration: {:.2} ms\tBilled Duration: {billed_ms} ms\tMemory Size: {memory_mb} MB\t\
             Max Memory Used: {used_mb} MB\t",
            ms(*duration)
        );
        if let Some(init) = init {
            line.push_str(&format!("Init Duration: {:.2} ms\t", ms(*init)));
        }
        if let Some(crash) = crash {
            line.push_str(&crash.status());
        }
        line
    }
}

/// The first line of a start.
pub(crate) fn init_start(runtime: &str, region: &str) -> String {
    let runtime = runtime.replacen('.', ":", 1);
    format!(
        "INIT_START Runtime Version: {runtime}.cauce\tRuntime Version ARN: arn:aws:lambda:{region}::runtime:{runtime}.cauce"
    )
}

/// The line that tells of a start that failed.
pub(crate) fn init_report(took: Duration, failure: &StartError) -> String {
    let status = match failure {
        StartError::Crash(crash) => crash.status(),
        StartError::TimedOut => "Status: timeout".to_owned(),
        StartError::Reported { kind, .. } => format!("Status: error\tError Type: {kind}"),
        StartError::Service(error) => format!("Status: error\tError Type: {}", error.code()),
    };
    format!("INIT_REPORT Init Duration: {:.2} ms\tPhase: init\t{status}", ms(took))
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cauce_core::Timestamp;

    use super::{Crash, Exit, Report};

    fn report() -> Report {
        Report {
            request_id: "X".into(),
            duration: Duration::from_micros(1_230),
            memory_mb: 128,
            init: None,
            crash: None,
        }
    }

    #[test]
    fn the_report_line_is_aws_s() {
        let check = |report: Report, expect: &str| assert_eq!(report.line(20 * 1_024 * 1_024 - 7), expect);
        let head = "REPORT RequestId: X\tDuration: 1.23 ms\tBilled Duration: ";
        let size = " ms\tMemory Size: 128 MB\tMax Memory Used: 20 MB\t";
        check(report(), &format!("{head}2{size}"));
        let init = Some(Duration::from_millis(15));
        check(Report { init, ..report() }, &format!("{head}17{size}Init Duration: 15.00 ms\t"));
        let crash = Some(Crash::TimedOut { after: Duration::from_secs(3) });
        check(Report { crash, ..report() }, &format!("{head}2{size}Status: timeout"));
        let crash = Some(Crash::OutOfMemory);
        let status = "Status: error\tError Type: Runtime.OutOfMemory";
        check(Report { crash, ..report() }, &format!("{head}2{size}{status}"));
    }

    #[test]
    fn crashes_speak_as_aws_does() {
        let check = |crash: Crash, expect: &str| assert_eq!(crash.document("X"), expect);
        check(
            Crash::TimedOut { after: Duration::from_secs(3) },
            r#"{"errorMessage":"RequestId: X Error: Task timed out after 3.00 seconds","errorType":"Sandbox.Timedout"}"#,
        );
        check(
            Crash::Exited(Exit::Status(1)),
            r#"{"errorMessage":"RequestId: X Error: Runtime exited with error: exit status 1","errorType":"Runtime.ExitError"}"#,
        );
        check(
            Crash::OutOfMemory,
            r#"{"errorMessage":"RequestId: X Error: Runtime exited with error: signal: killed","errorType":"Runtime.ExitError"}"#,
        );
        check(
            Crash::ResponseTooLarge { bytes_max: 6_291_556 },
            r#"{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}"#,
        );
        let lines = Crash::TimedOut { after: Duration::from_millis(3_000) }.log_lines("X", Timestamp::EPOCH);
        assert_eq!(lines, ["1970-01-01T00:00:00.000Z X Task timed out after 3.00 seconds"]);
    }
}
