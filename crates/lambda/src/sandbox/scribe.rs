//! What a sandbox writes, and what is written about it, on its way to the log service.
//!
//! One task a sandbox reads the pipe that is both standard output and standard error, so that their order is kept, splits it into
//! lines and hands batches to [`Logs`], one batch on its way at a time. It never holds more than [`HELD_BYTES_MAX`]: beyond that
//! it stops reading, and a function that keeps writing waits, alone.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cauce_core::ports::{LogBatch, LogLine, Logs};
use cauce_core::{Account, Env, Region, Timestamp, Wait};
use parking_lot::Mutex;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, mpsc, oneshot};

use super::process_tree;
use super::report::Report;

/// The longest line, in bytes; a longer one becomes several. AWS: CloudWatch Logs quotas, "Event size".
const LINE_BYTES_MAX: usize = 256 * 1_024 - 26;

/// The most bytes that wait to be handed over.
const HELD_BYTES_MAX: usize = 1_024 * 1_024;

/// The most bytes and lines of one batch.
const BATCH_BYTES_MAX: usize = 512 * 1_024;
const BATCH_LINES_MAX: usize = 2_000;

/// How long a line waits for company when no invocation ends meanwhile.
const LINGER: Duration = Duration::from_millis(25);

/// How often a batch that was refused is offered again, and how long to wait first.
const RETRIES_MAX: u32 = 3;
const RETRY_WAIT: Duration = Duration::from_millis(200);

/// What a line counts besides its text, so that empty ones are no way around the limits.
const LINE_OVERHEAD_BYTES: usize = 64;

/// The log's tail in an answer, in bytes. AWS: Lambda API, *Invoke*, `LogType`.
const TAIL_BYTES_MAX: usize = 4 * 1_024;

/// Lines of the platform that wait for the task; an invocation has two entries.
const ENTRIES_MAX: usize = 32;

/// How much is read from the pipe at the end of an invocation, in bytes: what the function wrote before it answered fits the
/// pipe, and another thread that never stops writing must not keep the report away.
const END_READ_BYTES_MAX: usize = 1_024 * 1_024;

/// How often a process is asked for the most memory it ever used; a busy function would have it asked thousands of times.
const PEAK_EVERY: Duration = Duration::from_millis(100);

/// Hands entries to the task. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Scribe {
    queue: Arc<Queue>,
    /// Counts the scribes: the task ends with the last.
    _alive: mpsc::Sender<Infallible>,
}

/// Entries on their way to the task.
#[derive(Debug, Default)]
struct Queue {
    entries: Mutex<VecDeque<Entry>>,
    /// Tells the task that there is something that cannot wait.
    filled: Notify,
    /// Tells whoever waits that the task has taken entries.
    emptied: Notify,
}

#[derive(Debug)]
enum Entry {
    Line(String),
    Start(String),
    End(Box<End>),
}

/// The end of an invocation.
#[derive(Debug)]
pub(crate) struct End {
    /// Lines before END.
    pub(crate) lines: Vec<String>,
    /// The REPORT line's content.
    pub(crate) report: Report,
    /// Whoever wants the last 4 KiB of this invocation's log.
    pub(crate) tail: Option<oneshot::Sender<Bytes>>,
    /// Whoever wants to know when the log service has taken everything.
    pub(crate) written: Option<oneshot::Sender<()>>,
}

/// Where lines go.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) group: String,
    pub(crate) stream: String,
}

/// The most memory a sandbox was ever seen to use, in bytes: kept by the memory watch, read for reports.
pub(crate) type Peak = Arc<AtomicU64>;

impl Scribe {
    /// A scribe and the task that does its work.
    pub(crate) fn new(
        env: Env,
        logs: Arc<dyn Logs>,
        destination: Destination,
        pipe: pipe::Receiver,
        peak: Peak,
    ) -> (Scribe, Writer) {
        let (alive, gone) = mpsc::channel(1);
        let queue = Arc::new(Queue::default());
        let writer = Writer {
            env,
            logs,
            destination,
            pipe: Some(pipe),
            queue: Arc::clone(&queue),
            gone,
            peak,
            peak_asked: None,
            pid: 0,
            partial: Vec::new(),
            held: Vec::new(),
            held_bytes: 0,
            urgent: false,
            tail: Vec::new(),
            waiting: Vec::new(),
        };
        (Scribe { queue, _alive: alive }, writer)
    }

    /// An invocation begins. The line alone does not wake the task: mostly the end follows at once.
    pub(crate) async fn start(&self, request_id: &str, version: &str) {
        self.add(Entry::Start(format!("START RequestId: {request_id} Version: {version}"))).await;
    }

    /// An invocation goes on for a while: what is known of it shall be seen.
    pub(crate) fn nudge(&self) {
        self.queue.filled.notify_one();
    }

    /// An invocation ended.
    pub(crate) async fn end(&self, end: End) {
        self.add(Entry::End(Box::new(end))).await;
    }

    /// A line of the platform.
    pub(crate) async fn line(&self, line: String) {
        self.add(Entry::Line(line)).await;
    }

    async fn add(&self, entry: Entry) {
        let wake = !matches!(entry, Entry::Start(_));
        loop {
            let emptied = self.queue.emptied.notified();
            tokio::pin!(emptied);
            // Registered before the look, so that nothing is missed between the two.
            emptied.as_mut().enable();
            {
                let mut entries = self.queue.entries.lock();
                if entries.len() < ENTRIES_MAX {
                    entries.push_back(entry);
                    break;
                }
            }
            self.queue.filled.notify_one();
            emptied.await;
        }
        if wake {
            self.queue.filled.notify_one();
        }
    }
}

/// The task's state.
pub(crate) struct Writer {
    env: Env,
    logs: Arc<dyn Logs>,
    destination: Destination,
    pipe: Option<pipe::Receiver>,
    queue: Arc<Queue>,
    gone: mpsc::Receiver<Infallible>,
    peak: Peak,
    peak_asked: Option<Timestamp>,
    pid: i32,
    partial: Vec<u8>,
    held: Vec<LogLine>,
    held_bytes: usize,
    /// Whether an invocation has ended since the last batch.
    urgent: bool,
    tail: Vec<u8>,
    waiting: Vec<oneshot::Sender<()>>,
}

type Batch = Pin<Box<dyn Future<Output = Vec<oneshot::Sender<()>>> + Send>>;

enum Event {
    Shipped(Vec<oneshot::Sender<()>>),
    Filled,
    Abandoned,
    Readable,
    Lingered,
}

impl Writer {
    /// Works until the last [`Scribe`] is gone. `pid` is the sandbox's first process.
    pub(crate) async fn run(mut self, pid: i32) {
        self.pid = pid;
        let mut on_its_way: Option<Batch> = None;
        let mut linger: Option<Wait> = None;
        let mut closed = false;
        while !(closed && on_its_way.is_none() && self.held.is_empty()) {
            if on_its_way.is_none() && (self.urgent || closed || self.held_bytes >= BATCH_BYTES_MAX) {
                on_its_way = self.ship();
                linger = None;
            }
            if on_its_way.is_none() && linger.is_none() && !self.held.is_empty() {
                linger = Some(self.env.sleep(LINGER));
            }
            let room = !closed && self.held_bytes < HELD_BYTES_MAX;
            let event = tokio::select! {
                biased;
                waiting = maybe(&mut on_its_way) => Event::Shipped(waiting),
                () = self.queue.filled.notified(), if room => Event::Filled,
                _ = self.gone.recv(), if room => Event::Abandoned,
                () = readable(self.pipe.as_ref()), if room => Event::Readable,
                () = maybe(&mut linger) => Event::Lingered,
            };
            match event {
                Event::Shipped(waiting) => {
                    on_its_way = None;
                    for waiter in waiting {
                        let _ = waiter.send(());
                    }
                }
                Event::Filled => self.take_entries(),
                Event::Readable => self.read_some(),
                Event::Abandoned => {
                    self.take_entries();
                    self.read_to_end();
                    self.pipe = None;
                    closed = true;
                }
                Event::Lingered => {
                    linger = None;
                    self.urgent = true;
                }
            }
        }
    }

    fn next_entry(&self) -> Option<Entry> {
        let entry = self.queue.entries.lock().pop_front()?;
        self.queue.emptied.notify_waiters();
        Some(entry)
    }

    fn take_entries(&mut self) {
        while let Some(entry) = self.next_entry() {
            self.enter(entry);
        }
    }

    fn enter(&mut self, entry: Entry) {
        match entry {
            Entry::Line(line) => self.add(Bytes::from(line)),
            Entry::Start(line) => {
                self.tail.clear();
                self.add(Bytes::from(line));
            }
            Entry::End(end) => self.end(*end),
        }
    }

    fn end(&mut self, end: End) {
        self.read_to_end();
        for line in end.lines {
            self.add(Bytes::from(line));
        }
        self.add(Bytes::from(format!("END RequestId: {}", end.report.request_id)));
        let now = self.env.now();
        if self.peak_asked.is_none_or(|asked| now.since(asked) >= PEAK_EVERY) {
            self.peak_asked = Some(now);
            if let Some(bytes) = process_tree::peak_bytes(self.pid) {
                self.peak.fetch_max(bytes, Ordering::Relaxed);
            }
        }
        self.add(Bytes::from(end.report.line(self.peak.load(Ordering::Relaxed))));
        if let Some(tail) = end.tail {
            let from = self.tail.len().saturating_sub(TAIL_BYTES_MAX);
            let _ = tail.send(Bytes::copy_from_slice(self.tail.get(from..).unwrap_or_default()));
        }
        self.waiting.extend(end.written);
        self.urgent = true;
    }

    /// One read, in its place among the entries that came meanwhile.
    fn read_some(&mut self) {
        let mut chunk = [0; 16 * 1_024];
        let Some(len) = self.try_read(&mut chunk) else { return };
        // What a function prints in an invocation comes after the START that was queued before it got its work, and before
        // the END that is queued after its answer.
        let starts = matches!(self.queue.entries.lock().front(), Some(Entry::Start(_)));
        if starts && let Some(start) = self.next_entry() {
            self.enter(start);
        }
        self.split(chunk.get(..len).unwrap_or_default());
        self.take_entries();
    }

    /// Whatever the pipe holds, and an unfinished line as a line.
    fn read_to_end(&mut self) {
        let mut chunk = [0; 16 * 1_024];
        let mut read = 0;
        while read < END_READ_BYTES_MAX {
            let Some(len) = self.try_read(&mut chunk) else { break };
            self.split(chunk.get(..len).unwrap_or_default());
            read += len;
        }
        if !self.partial.is_empty() {
            let line = std::mem::take(&mut self.partial);
            self.add(line.into());
        }
    }

    /// The bytes that are there now; `None` if there are none, and the pipe is forgotten if there never will be.
    fn try_read(&mut self, chunk: &mut [u8]) -> Option<usize> {
        match self.pipe.as_ref()?.try_read(chunk) {
            Ok(0) => {
                self.pipe = None;
                None
            }
            Ok(len) => Some(len),
            Err(cause) if cause.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(_) => {
                self.pipe = None;
                None
            }
        }
    }

    fn split(&mut self, mut chunk: &[u8]) {
        while let Some(at) = chunk.iter().position(|b| *b == b'\n') {
            let (line, rest) = chunk.split_at(at);
            chunk = rest.get(1..).unwrap_or_default();
            self.partial.extend_from_slice(line);
            let mut line = std::mem::take(&mut self.partial);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            self.add(line.into());
        }
        self.partial.extend_from_slice(chunk);
        while self.partial.len() > LINE_BYTES_MAX {
            let rest = self.partial.split_off(LINE_BYTES_MAX);
            let line = std::mem::replace(&mut self.partial, rest);
            self.add(line.into());
        }
    }

    fn add(&mut self, mut text: Bytes) {
        let at = self.env.now();
        loop {
            let line = text.split_to(text.len().min(LINE_BYTES_MAX));
            // The log service takes no empty lines.
            if !line.is_empty() {
                self.tail.extend_from_slice(&line);
                self.tail.push(b'\n');
                self.held_bytes += line.len() + LINE_OVERHEAD_BYTES;
                self.held.push(LogLine { at, text: line });
            }
            if text.is_empty() {
                break;
            }
        }
        if self.tail.len() > 16 * TAIL_BYTES_MAX {
            self.tail.drain(..self.tail.len() - TAIL_BYTES_MAX);
        }
    }

    /// Takes what is held, as much as fits a batch, on its way.
    fn ship(&mut self) -> Option<Batch> {
        let mut bytes = 0;
        let mut fits = |line: &LogLine| {
            bytes += line.text.len() + LINE_OVERHEAD_BYTES;
            bytes <= BATCH_BYTES_MAX
        };
        let count = self.held.iter().take(BATCH_LINES_MAX).take_while(|line| fits(line)).count().max(1);
        let rest = self.held.split_off(count.min(self.held.len()));
        let lines = std::mem::replace(&mut self.held, rest);
        self.held_bytes = self.held.iter().map(|line| line.text.len() + LINE_OVERHEAD_BYTES).sum();
        // Whoever waits wants everything written that came before; the last part carries the news.
        let waiting = if self.held.is_empty() {
            self.urgent = false;
            std::mem::take(&mut self.waiting)
        } else {
            Vec::new()
        };
        if lines.is_empty() && waiting.is_empty() {
            return None;
        }
        let (logs, env) = (Arc::clone(&self.logs), self.env.clone());
        let Destination { account, region, group, stream } = self.destination.clone();
        let batch = LogBatch { account, region, group, stream, lines };
        Some(Box::pin(async move {
            write(&*logs, &env, batch).await;
            waiting
        }))
    }
}

async fn write(logs: &dyn Logs, env: &Env, batch: LogBatch) {
    let mut tried = 0;
    while !batch.lines.is_empty() {
        let Err(cause) = logs.append(batch.clone()).await else { return };
        tried += 1;
        if tried > RETRIES_MAX {
            let (lines, group) = (batch.lines.len(), &batch.group);
            tracing::error!(%cause, lines, group, "log lines of a function are lost: the log service refuses them");
            return;
        }
        env.sleep(RETRY_WAIT * tried).await;
    }
}

/// The future's result if there is a future; never otherwise. Polled to its end it is taken away by the caller.
async fn maybe<T>(future: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match future {
        Some(future) => future.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn readable(pipe: Option<&pipe::Receiver>) {
    match pipe {
        // An error shows at the read that follows.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}
