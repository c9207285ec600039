//! Execution logs: the way of a request, a line a step, for whoever owns the API.
//!
//! AWS: API Gateway Developer Guide, "Set up CloudWatch logging for REST APIs in API Gateway". Lines are collected while the
//! request is under way and written with its end, into one stream of the group `API-Gateway-Execution-Logs_API/STAGE`; a test of
//! a method or authorizer answers them.

use std::fmt::Write as _;
use std::sync::Arc;

use cauce_core::ports::{LogBatch, LogLine};
use cauce_core::{Env, Timestamp};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::model::MethodSetting;
use crate::service::ApiGateway;
use crate::vtl::Pairs;

use super::request::Request;

/// The longest line, in bytes: what is longer is cut, as API Gateway does.
const LINE_BYTES_MAX: usize = 1_024;
/// What stands at the end of a line that was cut.
const CUT: &str = " [TRUNCATED]";
/// Headers whose values are secrets, in lower case.
const SECRETS: [&str; 3] = ["authorization", "x-amz-security-token", "x-api-key"];
/// How much of a secret shows, in characters from its end.
const SHOWN_CHARS: usize = 6;

/// Which lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    #[default]
    Off,
    /// Why requests fail.
    Error,
    /// Every step.
    Info,
}

/// What a stage logs of a method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Logging {
    pub(super) level: Level,
    /// With headers and bodies.
    pub(super) data: bool,
}

impl Logging {
    /// Everything, as tests show it.
    pub(super) const ALL: Logging = Logging { level: Level::Info, data: true };

    pub(super) fn of(setting: Option<&MethodSetting>) -> Logging {
        let level = match setting.and_then(|setting| setting.logging_level.as_deref()) {
            Some("INFO") => Level::Info,
            Some("ERROR") => Level::Error,
            _ => Level::Off,
        };
        Logging { level, data: setting.is_some_and(|setting| setting.data_trace_enabled) }
    }
}

/// The lines of one request. Costs nothing while nothing is logged.
#[derive(Debug, Default)]
pub(super) struct ExecutionLog {
    book: Option<Box<Book>>,
}

#[derive(Debug)]
struct Book {
    env: Env,
    logging: Logging,
    lines: Mutex<Vec<(Timestamp, String)>>,
}

impl Book {
    fn add(&self, line: String) {
        self.lines.lock().push((self.env.now(), cut(line)));
    }
}

impl ExecutionLog {
    pub(super) fn new(env: &Env, logging: Logging) -> ExecutionLog {
        let book = Book { env: env.clone(), logging, lines: Mutex::default() };
        ExecutionLog { book: (logging.level > Level::Off).then(|| Box::new(book)) }
    }

    /// A step.
    pub(super) fn info(&self, line: impl FnOnce() -> String) {
        if let Some(book) = self.book.as_ref().filter(|book| book.logging.level == Level::Info) {
            book.add(line());
        }
    }

    /// A step that shows what is on its way.
    pub(super) fn data(&self, line: impl FnOnce() -> String) {
        if let Some(book) = self.book.as_ref().filter(|book| book.logging == Logging::ALL) {
            book.add(line());
        }
    }

    /// What went wrong.
    pub(super) fn error(&self, line: impl FnOnce() -> String) {
        if let Some(book) = &self.book {
            book.add(line());
        }
    }

    fn lines(&self) -> Vec<(Timestamp, String)> {
        self.book.as_ref().map(|book| std::mem::take(&mut *book.lines.lock())).unwrap_or_default()
    }

    /// The lines as tests answer them, each with its time.
    pub(super) fn text(&self, request_id: &str) -> String {
        let mut text = format!("Execution log for request {request_id}\n");
        for (at, line) in self.lines() {
            let at = jiff::Timestamp::from_second(at.as_secs()).unwrap_or_default();
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{} : {line}", at.strftime("%a %b %d %H:%M:%S UTC %Y"));
        }
        text
    }
}

/// A line of the length that logs take.
fn cut(mut line: String) -> String {
    if line.len() > LINE_BYTES_MAX {
        line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
        line.push_str(CUT);
    }
    line
}

/// Headers or parameters: `{Accept=*/*, Host=h}`, with secrets hidden.
pub(super) fn shown(pairs: &Pairs) -> String {
    let mut out = "{".to_owned();
    for (n, (name, value)) in pairs.iter().enumerate() {
        let _ = write!(out, "{}{name}=", if n == 0 { "" } else { ", " });
        match SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
            true => out.push_str(&masked(value)),
            false => out.push_str(value),
        }
    }
    out.push('}');
    out
}

/// A body as text; no more of it than a line takes.
pub(super) fn body(body: &[u8]) -> String {
    let most = LINE_BYTES_MAX + CUT.len();
    String::from_utf8_lossy(body.get(..most).unwrap_or(body)).into_owned()
}

/// A secret with only its end in sight.
pub(super) fn masked(secret: &str) -> String {
    let hidden = secret.chars().count().saturating_sub(SHOWN_CHARS);
    secret.chars().enumerate().map(|(n, c)| if n < hidden { '*' } else { c }).collect()
}

/// Writes the lines of a request, without making the client wait for it.
pub(super) fn write(control: &Arc<ApiGateway>, request: &Request) {
    let lines = request.log.lines();
    if lines.is_empty() {
        return;
    }
    let id = request.call.request_id.as_str();
    let group = format!("API-Gateway-Execution-Logs_{}/{}", request.api_id, request.stage);
    let digest = Sha256::digest(group.as_bytes());
    let stream = digest.iter().take(16).fold(String::with_capacity(32), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    });
    let lines = lines.into_iter().map(|(at, line)| LogLine { at, text: format!("({id}) {line}").into() }).collect();
    let (account, region) = (request.call.account, request.call.region.clone());
    let batch = LogBatch { account, region, group, stream, lines };
    let logs = Arc::clone(&control.ports.logs);
    tokio::spawn(async move {
        if let Err(error) = logs.append(batch).await {
            tracing::warn!(%error, "lines of an execution log are lost");
        }
    });
}

#[cfg(test)]
mod tests {
    use cauce_core::Env;

    use super::{ExecutionLog, LINE_BYTES_MAX, Level, Logging, cut, masked, shown};
    use crate::model::MethodSetting;

    #[test]
    fn levels_choose_lines() {
        let lines = |level: Option<&str>, data: bool| {
            let setting = MethodSetting {
                logging_level: level.map(str::to_owned),
                data_trace_enabled: data,
                ..MethodSetting::default()
            };
            let log = ExecutionLog::new(&Env::system(), Logging::of(Some(&setting)));
            log.info(|| "info".to_owned());
            log.data(|| "data".to_owned());
            log.error(|| "error".to_owned());
            log.lines().into_iter().map(|(_, line)| line).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(lines(None, true), "");
        assert_eq!(lines(Some("OFF"), true), "");
        assert_eq!(lines(Some("ERROR"), true), "error");
        assert_eq!(lines(Some("INFO"), false), "info error");
        assert_eq!(lines(Some("INFO"), true), "info data error");
        assert_eq!(Logging::of(None).level, Level::Off);
    }

    #[test]
    fn lines_are_short_and_hide_secrets() {
        assert_eq!(cut("a".repeat(LINE_BYTES_MAX)).len(), LINE_BYTES_MAX);
        let long = cut("ñ".repeat(LINE_BYTES_MAX));
        assert!(long.ends_with("ñ [TRUNCATED]") && long.len() == LINE_BYTES_MAX + 12, "{}", long.len());
        assert_eq!(masked("abcdefgh"), "**cdefgh");
        assert_eq!(masked("abc"), "abc");
        let pairs = vec![("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())];
        let secret = vec![("X-Api-Key".to_owned(), "0123456789".to_owned())];
        assert_eq!(shown(&secret), "{X-Api-Key=****456789}");
        assert_eq!((shown(&pairs).as_str(), shown(&Vec::new()).as_str()), ("{A=1, B=2}", "{}"));
    }
}
