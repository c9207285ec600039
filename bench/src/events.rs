//! From PutEvents to the function that has logged the event: the way of most of what the systems do.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::connection::Prepared;
use crate::deployment::{Deployment, entry, function_arn};
use crate::disk::Disk;
use crate::echo::Echo;
use crate::notifier::Notifier;
use crate::process::processor_time;
use crate::programs::Programs;
use crate::report::Table;
use crate::samples::Samples;
use crate::server::Server;

const ROUNDS: u64 = 5;
const GROUP: &str = "/aws/lambda/log";

/// The open loop's pace, and the connections that keep it although one answer may be late.
const EVENTS_A_SECOND: u64 = 100;
const PACERS: u64 = 4;

pub(crate) fn measure(programs: &Programs, quick: bool) -> Result<Table> {
    let (a_round, open, shown) = if quick { (20, 100, 5) } else { (400, 2_000, 100) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = programs.folder()?;
    let server = Server::start(&programs.cauce, &folder.path().join("data"))?;
    let (echo, notifier, mut disk) = (Echo::start(&programs.own)?, Notifier::start()?, Disk::new(folder.path())?);
    runtime.block_on(async {
        let deployment = Deployment::new(&server.client, &programs.function).await?;
        let variables = json!({ "BENCH_NOTIFY": notifier.address.to_string() });
        deployment.function("log", "log", &variables).await?;
        deployment.rule("default", &function_arn("log")).await
    })?;
    let mut run = Run { server: &server, notifier: &notifier, sent: HashMap::new(), next: 0 };
    run.one_at_a_time(1)?;
    let (mut answered, mut syncs, mut echoes) = (Samples::default(), Samples::default(), Samples::default());
    let first = run.next;
    let mut processor = Duration::ZERO;
    for _ in 0..ROUNDS {
        syncs.extend(disk.sync(usize::try_from(a_round)?)?);
        let (mut connection, ping) = echo.connect(700)?;
        for _ in 0..a_round {
            echoes.time(|| connection.call(&ping).map(drop))?;
        }
        let before = processor_time(server.pid())?;
        answered.extend(run.one_at_a_time(a_round)?);
        processor += processor_time(server.pid())?.saturating_sub(before);
    }
    let sequential = first..run.next;
    // A disk that is left alone for a while takes longer when it is needed.
    let pause = Duration::from_micros(1_000_000 / EVENTS_A_SECOND);
    let paced_syncs = disk.sync_paced(usize::try_from(open)? / 4, pause)?;
    let first = run.next;
    run.open_loop(open)?;
    let paced = first..run.next;
    let visible = run.visible(shown)?;
    let logged = runtime.block_on(logged(&server))?;
    let latencies = |range: std::ops::Range<u64>| -> Result<Samples> {
        let mut samples = Samples::default();
        for number in range {
            let (sent, logged) = (run.sent.get(&number), logged.get(&number));
            let sent = sent.context("an event was not sent")?;
            let logged = logged.with_context(|| format!("event {number} was acknowledged but never logged"))?;
            samples.add(logged.saturating_sub(*sent));
        }
        Ok(samples)
    };
    let (alone, open) = (latencies(sequential)?, latencies(paced)?);
    let columns = &["p50 µs", "p99 µs", "max µs", "× limit", "server processor µs"];
    let mut table = Table::new("Events: from sending PutEvents of an event that matches a rule", columns);
    let row = |samples: &Samples, syncs: Option<&Samples>, processor: Option<f64>| {
        let mut row = samples.row();
        row.extend([syncs.map(|syncs| samples.p50() / (syncs.p50() + echoes.p50())), processor]);
        row
    };
    let processor = processor.as_secs_f64() * 1e6 / alone.len() as f64;
    table.row("bare fdatasync of the same disk", row(&syncs, None, None));
    table.row(format!("bare fdatasync, {EVENTS_A_SECOND}/s"), row(&paced_syncs, None, None));
    table.row("bare HTTP echo", row(&echoes, None, None));
    table.row("to its answer (durable)", row(&answered, Some(&syncs), None));
    table.row("to the function's log line, one at a time", row(&alone, Some(&syncs), Some(processor)));
    table.row(format!("to the function's log line, {EVENTS_A_SECOND}/s"), row(&open, Some(&paced_syncs), None));
    table.row("until FilterLogEvents shows it", row(&visible, Some(&syncs), None));
    table.note(
        "limit: one bare fdatasync at the same pace and one bare HTTP echo (the medians): an event must at least be written and \
         answered; the next event meets the writes of the one before, which go on after its line",
    );
    table.note(format!(
        "{ROUNDS} rounds in turns, {} events one at a time (the next is sent when the function has logged the last), {} in the \
         open loop, timed from when each was due; the function writes the time into its line; every event was found in its log",
        alone.len(),
        open.len()
    ));
    table.note(format!(
        "{} of them were asked for again and again until they showed, which itself takes time",
        visible.len()
    ));
    Ok(table)
}

/// Events under way.
struct Run<'a> {
    server: &'a Server,
    notifier: &'a Notifier,
    /// When each event was sent, since 1970.
    sent: HashMap<u64, Duration>,
    next: u64,
}

impl Run<'_> {
    fn prepared(&self, number: u64) -> Result<Prepared> {
        self.server.json("events", "AWSEvents.PutEvents", &json!({ "Entries": [entry("default", number)] }))
    }

    /// Signs the next events.
    fn prepare(&mut self, count: u64) -> Result<Vec<(u64, Prepared)>> {
        let numbers = self.next..self.next + count;
        self.next += count;
        numbers.map(|number| Ok((number, self.prepared(number)?))).collect()
    }

    /// Sends events, each when the one before it has been logged; how long their answers took.
    fn one_at_a_time(&mut self, count: u64) -> Result<Samples> {
        let mut connection = self.server.connect()?;
        let mut answered = Samples::default();
        for (number, request) in self.prepare(count)? {
            self.sent.insert(number, since_epoch()?);
            check(answered.time(|| connection.call(&request))?)?;
            self.notifier.wait_for(number)?;
        }
        Ok(answered)
    }

    /// Sends events at a fixed pace, whatever becomes of them; an event counts from when it was due.
    fn open_loop(&mut self, count: u64) -> Result<()> {
        let requests = self.prepare(count)?;
        let (began, epoch) = (Instant::now(), since_epoch()?);
        let due = |n: u64| Duration::from_micros(n * 1_000_000 / EVENTS_A_SECOND);
        let first = requests.first().map_or(0, |(number, _)| *number);
        std::thread::scope(|scope| {
            let pacer = |pacer: u64| {
                let mine: Vec<_> = requests
                    .iter()
                    .filter(|(number, _)| number % PACERS == pacer)
                    .map(|(n, r)| (n - first, r))
                    .collect();
                let connection = self.server.connect();
                scope.spawn(move || -> Result<()> {
                    let mut connection = connection?;
                    for (n, request) in mine {
                        std::thread::sleep(due(n).saturating_sub(began.elapsed()));
                        check(connection.call(request)?)?;
                    }
                    Ok(())
                })
            };
            let pacers: Vec<_> = (0..PACERS).map(pacer).collect();
            pacers.into_iter().try_for_each(|pacer| match pacer.join() {
                Ok(done) => done,
                Err(_) => bail!("a pacer has panicked"),
            })
        })?;
        self.sent.extend(requests.iter().map(|(number, _)| (*number, epoch + due(number - first))));
        for _ in 0..count {
            self.notifier.next()?;
        }
        Ok(())
    }

    /// Sends events and asks for each until it shows.
    fn visible(&mut self, count: u64) -> Result<Samples> {
        let (mut connection, mut reader) = (self.server.connect()?, self.server.connect()?);
        let mut samples = Samples::default();
        for (number, request) in self.prepare(count)? {
            let sent = since_epoch()?;
            let question = json!({
                "logGroupName": GROUP, "startTime": u64::try_from(sent.as_millis())?, "filterPattern": format!("\"event {number} \""),
            });
            let question = self.server.json("logs", "Logs_20140328.FilterLogEvents", &question)?;
            samples.time(|| -> Result<()> {
                self.sent.insert(number, since_epoch()?);
                check(connection.call(&request)?)?;
                let began = Instant::now();
                while !contains(reader.call(&question)?, b"\"message\"") {
                    if began.elapsed() > Duration::from_secs(30) {
                        bail!("event {number} was acknowledged but never shown");
                    }
                }
                Ok(())
            })?;
        }
        Ok(samples)
    }
}

fn contains(body: &[u8], what: &[u8]) -> bool {
    body.windows(what.len()).any(|bytes| bytes == what)
}

/// An answer of PutEvents that took all entries.
pub(crate) fn check(answer: &[u8]) -> Result<()> {
    if !contains(answer, b"\"FailedEntryCount\":0") {
        bail!("PutEvents: {}", String::from_utf8_lossy(answer));
    }
    Ok(())
}

fn since_epoch() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// When the function first wrote each event's line, read back from the log service.
async fn logged(server: &Server) -> Result<HashMap<u64, Duration>> {
    let mut logged = HashMap::new();
    let mut question = json!({ "logGroupName": GROUP, "filterPattern": "event" });
    loop {
        let page = server.client.json("logs", "Logs_20140328.FilterLogEvents", &question).await?;
        for event in page.get("events").and_then(Value::as_array).into_iter().flatten() {
            let mut words = event.get("message").and_then(Value::as_str).unwrap_or_default().split_whitespace();
            if words.next() != Some("event") {
                continue;
            }
            let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
            if let (Some(event), Some(ns)) = (number(), number()) {
                let at = logged.entry(event).or_insert(Duration::MAX);
                *at = Duration::from_nanos(ns).min(*at);
            }
        }
        let Some(token) = page.get("nextToken").and_then(Value::as_str) else { return Ok(logged) };
        if let Some(question) = question.as_object_mut() {
            question.insert("nextToken".to_owned(), token.into());
        }
    }
}
