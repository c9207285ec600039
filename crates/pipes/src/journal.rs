//! What a pipe writes into its log group: a record for each step of an execution that its level asks for.
//!
//! AWS: EventBridge User Guide, *Log Amazon EventBridge Pipes*.

use bytes::Bytes;
use cauce_core::ports::{LogBatch, LogLine};
use cauce_core::{Arn, Timestamp};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::flow::Flow;
use crate::payload::Trouble;

/// The longest payload, request or answer in a record, in bytes; what is longer is cut, and the record says so.
const DATA_BYTES_MAX: usize = 64 * 1_024;

/// How much a pipe is to write; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Off,
    Error,
    Info,
    Trace,
}

impl Level {
    fn of(name: &str) -> Level {
        match name {
            "ERROR" => Level::Error,
            "INFO" => Level::Info,
            "TRACE" => Level::Trace,
            _ => Level::Off,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Level::Off => "OFF",
            Level::Error => "ERROR",
            Level::Info => "INFO",
            Level::Trace => "TRACE",
        }
    }
}

/// The records of one execution, until they are written.
pub(crate) struct Journal<'a> {
    flow: &'a Flow,
    execution: String,
    level: Level,
    with_data: bool,
    group: Option<String>,
    lines: Mutex<Vec<LogLine>>,
}

/// What a record says besides its step.
#[derive(Clone, Copy, Default)]
pub(crate) struct Details<'a> {
    pub(crate) payload: Option<&'a Bytes>,
    pub(crate) answer: Option<&'a Bytes>,
    pub(crate) trouble: Option<&'a Trouble>,
}

impl<'a> Journal<'a> {
    /// The journal of an execution of this id.
    pub(crate) fn new(flow: &'a Flow, execution: &str) -> Journal<'a> {
        let configuration = flow.pipe.log_configuration.as_ref();
        let destination = configuration.and_then(|own| own.cloudwatch_logs_log_destination.as_ref());
        let group = destination.and_then(|to| to.log_group_arn.parse::<Arn>().ok()).and_then(|arn| {
            let group = arn.resource().strip_prefix("log-group:")?;
            Some(group.strip_suffix(":*").unwrap_or(group).to_owned())
        });
        let level = configuration.filter(|_| group.is_some()).map_or(Level::Off, |own| Level::of(&own.level));
        let with_data = configuration.is_some_and(|own| own.include_execution_data.iter().flatten().next().is_some());
        let lines = Mutex::new(Vec::new());
        Journal { flow, execution: execution.to_owned(), level, with_data, group, lines }
    }

    /// Whether records say what is processed.
    pub(crate) fn takes_data(&self) -> bool {
        self.with_data && self.level > Level::Off
    }

    /// Notes a step that records of this level name.
    pub(crate) fn note(&self, level: Level, step: &str, details: Details<'_>) {
        if level > self.level {
            return;
        }
        let now = self.flow.pipes.env.now();
        let text = self.record(now, step, details).to_string();
        self.lines.lock().push(LogLine { at: now, text: text.into() });
    }

    fn record(&self, now: Timestamp, step: &str, details: Details<'_>) -> Value {
        let mut record = Map::new();
        record.insert("resourceArn".to_owned(), self.flow.id.arn().as_str().into());
        record.insert("timestamp".to_owned(), now.as_millis().into());
        record.insert("executionId".to_owned(), self.execution.as_str().into());
        record.insert("messageType".to_owned(), step.into());
        record.insert("logLevel".to_owned(), self.level.name().into());
        if self.with_data {
            let mut cut = Vec::new();
            for (name, data) in [("payload", details.payload), ("awsResponse", details.answer)] {
                let Some(data) = data else { continue };
                if data.len() > DATA_BYTES_MAX {
                    cut.push(name);
                }
                let shown = data.get(..DATA_BYTES_MAX).unwrap_or(data);
                record.insert(name.to_owned(), String::from_utf8_lossy(shown).into());
            }
            if !cut.is_empty() {
                record.insert("truncatedFields".to_owned(), cut.into());
            }
        }
        if let Some(trouble) = details.trouble {
            let error = json!({
                "httpStatusCode": trouble.status,
                "message": trouble.message,
                "details": "",
                "awsService": trouble.service,
            });
            record.insert("error".to_owned(), error);
        }
        record.into()
    }

    /// Writes the records. What cannot be written is lost, as a log may be; the pipe goes on.
    pub(crate) async fn write(self) {
        let lines = self.lines.into_inner();
        let (Some(group), false) = (self.group, lines.is_empty()) else { return };
        let id = &self.flow.id;
        let (account, region, stream) = (id.account, id.region.clone(), id.name.clone());
        if let Err(error) = self.flow.pipes.ports.logs.append(LogBatch { account, region, group, stream, lines }).await
        {
            tracing::warn!(pipe = %id.name, %error, "what a pipe has done cannot be logged");
        }
    }
}
