//! What a sandbox writes, and what is written about it, on its way to the log service.
//!
//! One task a sandbox reads the pipe that is both standard output and standard error, so that their order is kept, splits it into
//! lines and hands batches to [`Logs`], one batch on its way at a time. It never holds more than [`HELD_BYTES_MAX`]: beyond that
//! it stops reading, and a function that keeps writing waits, alone.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, PipeReader, Read as _};
use std::os::fd::OwnedFd;
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

/// How much is read from the pipe at the end of an invocation, in bytes: what the function wrote before it answered fits the
/// pipe, and another thread that never stops writing must not keep the report away.
const END_READ_BYTES_MAX: usize = 1_024 * 1_024;

/// How often a process is asked for the most memory it ever used; a busy function would have it asked thousands of times.
const PEAK_EVERY: Duration = Duration::from_millis(100);

/// Writes into a sandbox's log. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Scribe {
    shared: Arc<Shared>,
    /// Counts the scribes: the task ends with the last.
    _alive: mpsc::Sender<Infallible>,
}

/// What scribes and the task share.
#[derive(Debug)]
struct Shared {
    env: Env,
    book: Mutex<Book>,
    /// Tells the task that there is something that cannot wait.
    filled: Notify,
    /// Tells whoever waits that there is room again.
    emptied: Notify,
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
    /// A scribe and the task that does its work. `pipe` is the reading end of what the sandbox writes.
    ///
    /// # Errors
    /// When the pipe cannot be read without blocking.
    pub(crate) fn new(
        env: Env,
        logs: Arc<dyn Logs>,
        destination: Destination,
        pipe: PipeReader,
        peak: Peak,
    ) -> io::Result<(Scribe, Writer)> {
        // Makes both ends of the copy non-blocking: they are one open file.
        let readiness = pipe::Receiver::from_owned_fd(OwnedFd::from(pipe.try_clone()?))?;
        let (alive, gone) = mpsc::channel(1);
        let book = Book {
            pipe: Some(Arc::new(pipe)),
            partial: Vec::new(),
            held: Vec::new(),
            held_bytes: 0,
            urgent: false,
            tail: Vec::new(),
            waiting: Vec::new(),
            peak,
            peak_asked: None,
            pid: 0,
        };
        let (filled, emptied) = (Notify::new(), Notify::new());
        let shared = Arc::new(Shared { env, book: Mutex::new(book), filled, emptied });
        let writer = Writer { shared: Arc::clone(&shared), logs, destination, readiness, gone };
        Ok((Scribe { shared, _alive: alive }, writer))
    }

    /// An invocation begins. What the pipe holds by now was written before.
    ///
    /// The line alone does not wake the task: mostly the end follows at once.
    pub(crate) async fn start(&self, request_id: &str, version: &str) {
        let line = format!("START RequestId: {request_id} Version: {version}");
        self.write(|book, now| {
            book.read_to_end(now);
            book.tail.clear();
            book.add(line.into(), now);
        })
        .await;
    }

    /// An invocation ended. What it wrote before its answer is in the pipe by now.
    pub(crate) async fn end(&self, end: End) {
        self.write(|book, now| book.end(end, now)).await;
        self.shared.filled.notify_one();
    }

    /// A line of the platform.
    pub(crate) async fn line(&self, line: String) {
        self.write(|book, now| book.add(line.into(), now)).await;
        self.shared.filled.notify_one();
    }

    /// An invocation goes on for a while: what is known of it shall be seen.
    pub(crate) fn nudge(&self) {
        self.shared.filled.notify_one();
    }

    /// Writes when there is room: a log service that does not keep up holds up this sandbox alone.
    async fn write(&self, write: impl FnOnce(&mut Book, Timestamp)) {
        loop {
            let emptied = self.shared.emptied.notified();
            tokio::pin!(emptied);
            // Registered before the look, so that nothing is missed between the two.
            emptied.as_mut().enable();
            {
                let mut book = self.shared.book.lock();
                if book.held_bytes < HELD_BYTES_MAX {
                    write(&mut book, self.shared.env.now());
                    return;
                }
            }
            emptied.await;
        }
    }
}

/// Lines on their way from the pipe to the log service.
#[derive(Debug)]
struct Book {
    pipe: Option<Arc<PipeReader>>,
    partial: Vec<u8>,
    held: Vec<LogLine>,
    held_bytes: usize,
    /// Whether an invocation has ended since the last batch.
    urgent: bool,
    tail: Vec<u8>,
    waiting: Vec<oneshot::Sender<()>>,
    peak: Peak,
    peak_asked: Option<Timestamp>,
    pid: i32,
}

impl Book {
    fn end(&mut self, end: End, now: Timestamp) {
        self.read_to_end(now);
        for line in end.lines {
            self.add(line.into(), now);
        }
        self.add(format!("END RequestId: {}", end.report.request_id).into(), now);
        if self.peak_asked.is_none_or(|asked| now.since(asked) >= PEAK_EVERY) {
            self.peak_asked = Some(now);
            if let Some(bytes) = process_tree::peak_bytes(self.pid) {
                self.peak.fetch_max(bytes, Ordering::Relaxed);
            }
        }
        self.add(end.report.line(self.peak.load(Ordering::Relaxed)).into(), now);
        if let Some(tail) = end.tail {
            let from = self.tail.len().saturating_sub(TAIL_BYTES_MAX);
            let _ = tail.send(Bytes::copy_from_slice(self.tail.get(from..).unwrap_or_default()));
        }
        self.waiting.extend(end.written);
        self.urgent = true;
    }

    /// One read. Returns how much there was.
    fn read_some(&mut self, now: Timestamp, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> usize {
        let mut chunk = [0; 16 * 1_024];
        let len = match read(&mut chunk) {
            Ok(len @ 1..) => len,
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => 0,
            // The last writer is gone, or the pipe is broken: there will be no more.
            Ok(_) | Err(_) => {
                self.pipe = None;
                0
            }
        };
        self.split(chunk.get(..len).unwrap_or_default(), now);
        len
    }

    /// Whatever the pipe holds, and an unfinished line as a line.
    fn read_to_end(&mut self, now: Timestamp) {
        let mut read = 0;
        while read < END_READ_BYTES_MAX {
            // Asks the system itself: what the runtime knows of the pipe may be a moment old.
            let Some(pipe) = self.pipe.clone() else { break };
            match self.read_some(now, |chunk| (&*pipe).read(chunk)) {
                0 => break,
                len => read += len,
            }
        }
        if !self.partial.is_empty() {
            let line = std::mem::take(&mut self.partial);
            self.add(line.into(), now);
        }
    }

    fn split(&mut self, mut chunk: &[u8], now: Timestamp) {
        while let Some(at) = chunk.iter().position(|b| *b == b'\n') {
            let (line, rest) = chunk.split_at(at);
            chunk = rest.get(1..).unwrap_or_default();
            self.partial.extend_from_slice(line);
            let mut line = std::mem::take(&mut self.partial);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            self.add(line.into(), now);
        }
        self.partial.extend_from_slice(chunk);
        while self.partial.len() > LINE_BYTES_MAX {
            let rest = self.partial.split_off(LINE_BYTES_MAX);
            let line = std::mem::replace(&mut self.partial, rest);
            self.add(line.into(), now);
        }
    }

    fn add(&mut self, mut text: Bytes, at: Timestamp) {
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

    /// As much as fits a batch, with those who wait for the last of it.
    fn batch(&mut self) -> (Vec<LogLine>, Vec<oneshot::Sender<()>>) {
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
        if !self.held.is_empty() {
            return (lines, Vec::new());
        }
        self.urgent = false;
        (lines, std::mem::take(&mut self.waiting))
    }
}

/// The task that reads while nobody writes, and hands over.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    logs: Arc<dyn Logs>,
    destination: Destination,
    /// Tells when there is something to read.
    readiness: pipe::Receiver,
    gone: mpsc::Receiver<Infallible>,
}

type Batch = Pin<Box<dyn Future<Output = Vec<oneshot::Sender<()>>> + Send>>;

enum Event {
    Shipped(Vec<oneshot::Sender<()>>),
    Filled,
    Abandoned,
    Readable,
    Lingered,
}

/// What the task looks at before it waits.
struct Glance {
    empty: bool,
    due: bool,
    room: bool,
    open: bool,
}

impl Writer {
    /// Works until the last [`Scribe`] is gone. `pid` is the sandbox's first process.
    pub(crate) async fn run(mut self, pid: i32) {
        self.shared.book.lock().pid = pid;
        let mut on_its_way: Option<Batch> = None;
        let mut linger: Option<Wait> = None;
        let mut closed = false;
        loop {
            let mut glance = self.glance();
            if on_its_way.is_none() && (glance.due || closed) {
                on_its_way = self.ship();
                linger = None;
                glance = self.glance();
            }
            if closed && on_its_way.is_none() && glance.empty {
                return;
            }
            if on_its_way.is_none() && linger.is_none() && !glance.empty {
                linger = Some(self.shared.env.sleep(LINGER));
            }
            let event = tokio::select! {
                biased;
                waiting = maybe(&mut on_its_way) => Event::Shipped(waiting),
                () = self.shared.filled.notified() => Event::Filled,
                _ = self.gone.recv(), if !closed => Event::Abandoned,
                () = readable(&self.readiness, &self.shared), if glance.open && glance.room && !closed => Event::Readable,
                () = maybe(&mut linger) => Event::Lingered,
            };
            match event {
                Event::Shipped(waiting) => {
                    on_its_way = None;
                    for waiter in waiting {
                        let _ = waiter.send(());
                    }
                }
                Event::Filled | Event::Readable => {}
                Event::Lingered => {
                    linger = None;
                    self.shared.book.lock().urgent = true;
                }
                Event::Abandoned => {
                    self.shared.book.lock().read_to_end(self.shared.env.now());
                    closed = true;
                }
            }
        }
    }

    fn glance(&self) -> Glance {
        let book = self.shared.book.lock();
        Glance {
            empty: book.held.is_empty() && book.waiting.is_empty(),
            due: book.urgent || book.held_bytes >= BATCH_BYTES_MAX,
            room: book.held_bytes < HELD_BYTES_MAX,
            open: book.pipe.is_some(),
        }
    }

    /// Takes what is held, as much as fits a batch, on its way.
    fn ship(&mut self) -> Option<Batch> {
        let (lines, waiting) = self.shared.book.lock().batch();
        self.shared.emptied.notify_waiters();
        if lines.is_empty() && waiting.is_empty() {
            return None;
        }
        let (logs, env) = (Arc::clone(&self.logs), self.shared.env.clone());
        let Destination { account, region, group, stream } = self.destination.clone();
        let batch = LogBatch { account, region, group, stream, lines };
        Some(Box::pin(async move {
            write(&*logs, &env, batch).await;
            waiting
        }))
    }
}

/// Waits until there is something to read, and reads some of it.
async fn readable(readiness: &pipe::Receiver, shared: &Shared) {
    if readiness.readable().await.is_ok() {
        let mut book = shared.book.lock();
        book.read_some(shared.env.now(), |chunk| readiness.try_read(chunk));
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
