//! Queues as their owner holds them: the row, and the index of what can be received.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use cauce_core::{Arn, Timestamp};
use cauce_store::{Db, RangeReq, decode_row};
use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell};

use crate::error::Error;
use crate::index::{Index, Known, PAGE};
use crate::keys::{self, Life, QueueId};
use crate::message::Standing;
use crate::meters::QueueMeters;
use crate::model::Queue;

/// How long a reception can be repeated under its `ReceiveRequestAttemptId`.
pub const ATTEMPT_LASTS: Duration = Duration::from_secs(300);
/// How many attempts a queue remembers.
pub const ATTEMPTS_MAX: usize = 1_024;

/// A queue.
pub(crate) struct Held {
    pub(crate) id: QueueId,
    pub(crate) arn: Arn,
    /// The queue's row, as stored.
    pub(crate) row: Bytes,
    pub(crate) queue: Queue,
    pub(crate) stock: Arc<Stock>,
    pub(crate) meters: OnceLock<Arc<QueueMeters>>,
}

impl Held {
    pub(crate) fn new(id: &QueueId, row: Bytes, queue: Queue, stock: Arc<Stock>) -> Arc<Held> {
        Arc::new(Held { id: id.clone(), arn: id.arn(), row, queue, stock, meters: OnceLock::new() })
    }

    pub(crate) fn fifo(&self) -> bool {
        self.queue.settings.fifo.is_some()
    }
}

/// The messages of one life of a queue.
pub(crate) struct Stock {
    pub(crate) life: Life,
    fifo: bool,
    pub(crate) in_flight_max: usize,
    index: OnceCell<Mutex<Index>>,
    /// Told of everything that may let a message be received.
    pub(crate) changed: Notify,
    /// Whether the queue has gone on to another life, or is gone.
    pub(crate) closed: AtomicBool,
    /// Receptions by their `ReceiveRequestAttemptId`.
    pub(crate) attempts: Mutex<HashMap<String, Attempt>>,
    /// When the queue was last used, in microseconds.
    used_us: AtomicI64,
}

/// A reception that may be repeated.
pub(crate) struct Attempt {
    pub(crate) at: Timestamp,
    /// Sequence and nonce of each message.
    pub(crate) receptions: Vec<(u64, u64)>,
}

impl Stock {
    /// The messages of a life that is used from `now` on.
    pub(crate) fn new(life: Life, fifo: bool, in_flight_max: usize, now: Timestamp) -> Arc<Stock> {
        Arc::new(Stock {
            life,
            fifo,
            in_flight_max,
            index: OnceCell::new(),
            changed: Notify::new(),
            closed: AtomicBool::new(false),
            attempts: Mutex::default(),
            used_us: AtomicI64::new(now.as_micros()),
        })
    }

    /// Remembers that the queue is used.
    pub(crate) fn touch(&self, now: Timestamp) {
        self.used_us.store(now.as_micros(), Ordering::Relaxed);
    }

    /// When the queue was last used.
    pub(crate) fn used(&self) -> Timestamp {
        Timestamp::from_micros(self.used_us.load(Ordering::Relaxed))
    }

    /// Tells all who wait that nothing will come any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// The index, its head read from the store on first use.
    pub(crate) async fn index(&self, db: &Db, now: Timestamp) -> Result<&Mutex<Index>, Error> {
        let opened = self.index.get_or_try_init(async || {
            let last = RangeReq::new(keys::standings_after(self.life, 0), 1).reversed();
            let last = db.range(last).await?.rows.first().map(|row| keys::read_standing(&row.key)).transpose();
            let last = last.map_err(|error| Error::Other(cauce_core::ServiceError::internal(error)))?;
            let index = Mutex::new(Index::new(self.fifo, last.unwrap_or(0)));
            self.fill(&index, db, now).await?;
            Ok::<_, Error>(index)
        });
        opened.await
    }

    /// The index, if it has been opened. What is told by a commit before that is read from the store when it is.
    pub(crate) fn opened(&self) -> Option<&Mutex<Index>> {
        self.index.get()
    }

    /// Reads pages as long as the index wants some.
    pub(crate) async fn fill(&self, index: &Mutex<Index>, db: &Db, now: Timestamp) -> Result<(), Error> {
        loop {
            let begun = index.lock().begin_load();
            let Some(after) = begun else { return Ok(()) };
            let loading = Loading(Some(index));
            let page = db.range(RangeReq::new(keys::standings_after(self.life, after), PAGE)).await?;
            let mut rows = Vec::with_capacity(page.rows.len());
            for row in &page.rows {
                let standing: Standing = decode_row(row)?;
                let sequence = keys::read_standing(&row.key)
                    .map_err(|error| Error::Other(cauce_core::ServiceError::internal(error)))?;
                let group = standing.group.map(Arc::from);
                rows.push(Known { sequence, due: standing.due, nonce: standing.nonce, group });
            }
            loading.end(rows, page.more, now);
            self.changed.notify_waiters();
        }
    }

    /// A message has been committed.
    pub(crate) fn arrive(&self, known: Known, now: Timestamp) {
        let Some(index) = self.opened() else { return };
        let sooner = {
            let mut index = index.lock();
            let before = index.next_due();
            let delayed = known.due > now;
            index.arrive(known, now);
            delayed && index.next_due() != before
        };
        // Whoever waits for the next due message must hear that another one is due sooner.
        if sooner { self.changed.notify_waiters() } else { self.changed.notify_one() }
    }
}

/// A page being read: if the reading fails or is given up, the index hears of it.
struct Loading<'a>(Option<&'a Mutex<Index>>);

impl Loading<'_> {
    fn end(mut self, rows: Vec<Known>, more: bool, now: Timestamp) {
        if let Some(index) = self.0.take() {
            index.lock().end_load(rows, more, now);
        }
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if let Some(index) = self.0.take() {
            index.lock().abort_load();
        }
    }
}
