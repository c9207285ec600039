//! The engine for one machine: a log in front of redb.
//!
//! A commit is durable when the log is synced; one sync serves all commits that wait at that moment. What was committed is kept in
//! memory, as an overlay over the index (redb), until a checkpoint writes it there, durably and in bulk, while commits go on; then
//! the log before it is free. Opening reads the index as of the last checkpoint, and repeats what the log holds beyond it.
//!
//! Why not redb alone: each of its commits copies and checksums the pages it touches. On two cores with 64 writers of 300-byte
//! records, redb committing each batch was measured at 40 % of what a bare log does, redb behind a log but written with every batch
//! at half of what it does with the overlay, where besides a checkpoint holds up no commit.

mod committer;
mod disk;
#[cfg(test)]
mod failing_disk_tests;
mod frame;
mod index;
mod log;
mod options;
mod overlay;
#[cfg(test)]
mod power_cut_tests;
mod published;
mod queue;
mod recovery;
#[cfg(test)]
mod simulated_disk;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cauce_core::{Clock, Timestamp};
use parking_lot::Mutex;

use self::committer::{Checkpoint, Committer, Fatal};
pub use self::disk::{Directory, DirectoryError, Disk, DiskFile};
use self::index::Index;
pub use self::options::{EmbeddedOptions, OnFatal};
use self::published::Published;
pub use self::published::VIEWS_MAX;
use self::queue::{Pending, Queue, Taken};
pub use self::recovery::OpenError;
use self::recovery::recover;
use crate::contract::{Bytes, Commit, Limits, ReadReq, ReadResp, Store, View};
use crate::error::{CommitError, StoreError};
use crate::state::measure;
use crate::watch::{Rings, Watcher};

/// The engine for one machine.
pub struct EmbeddedStore {
    queue: Arc<Queue>,
    published: Arc<Published>,
    rings: Arc<Rings>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedStore {
    /// Opens the store in a directory, creating both if need be, and locks it against other processes.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path, options: EmbeddedOptions) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(Directory::open(dir)?), options)
    }

    /// Opens the store on a disk.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(disk: Arc<dyn Disk>, options: EmbeddedOptions) -> Result<Self, OpenError> {
        let (committer, index) = recover(&*disk, &options)?;
        let queue = Arc::new(Queue::new(options.queue_bytes_max));
        let store = Self {
            queue: Arc::clone(&queue),
            published: Arc::clone(&committer.published),
            rings: Arc::clone(&committer.rings),
            clock: Arc::clone(&options.clock),
            limits: options.limits,
            thread: Mutex::new(None),
        };
        let (checkpoints, checkpointer) = Checkpoints::start(index, &committer.published, &queue)?;
        let run = move || {
            Runner { committer, checkpoints, queue, options }.run();
            if checkpointer.join().is_err() {
                tracing::error!("the thread that writes the index has panicked");
            }
            // The lock of a directory goes last, after all files.
            drop(disk);
        };
        *store.thread.lock() = Some(std::thread::Builder::new().name("store-committer".to_owned()).spawn(run)?);
        Ok(store)
    }

    /// Answers what waits, checkpoints, and closes the files. Blocks until that is done; dropping does the same.
    pub fn close(&self) {
        self.queue.close();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the committer has panicked");
        }
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore").finish_non_exhaustive()
    }
}

/// The thread that carries out checkpoints, as the committer sees it.
struct Checkpoints {
    begun: SyncSender<Checkpoint>,
    ended: Receiver<Result<(), Fatal>>,
    under_way: bool,
}

impl Checkpoints {
    fn start(index: Index, published: &Arc<Published>, queue: &Arc<Queue>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (begun, begins) = sync_channel::<Checkpoint>(1);
        let (ends, ended) = sync_channel(1);
        let (published, queue) = (Arc::clone(published), Arc::clone(queue));
        let work = move || {
            for checkpoint in begins {
                if ends.send(checkpoint.carry_out(&index, &published)).is_err() {
                    break;
                }
                queue.nudge();
            }
        };
        let thread = std::thread::Builder::new().name("store-checkpoints".to_owned()).spawn(work)?;
        Ok((Self { begun, ended, under_way: false }, thread))
    }

    fn begin(&mut self, checkpoint: Checkpoint) -> Result<(), Fatal> {
        self.begun.send(checkpoint).map_err(|_| Fatal::CheckpointerGone)?;
        self.under_way = true;
        Ok(())
    }

    /// Notices the end of the checkpoint that is under way.
    fn look(&mut self) -> Result<(), Fatal> {
        match self.ended.try_recv() {
            Ok(ended) => {
                self.under_way = false;
                ended
            }
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => Err(Fatal::CheckpointerGone),
        }
    }

    /// Waits for the end of the checkpoint that is under way.
    fn wait(&mut self) -> Result<(), Fatal> {
        if !self.under_way {
            return Ok(());
        }
        self.under_way = false;
        self.ended.recv().map_err(|_| Fatal::CheckpointerGone)?
    }
}

/// The committer as a thread.
struct Runner {
    committer: Committer,
    checkpoints: Checkpoints,
    queue: Arc<Queue>,
    options: EmbeddedOptions,
}

impl Runner {
    fn run(mut self) {
        let mut batch = Vec::new();
        if let Err(failed) = self.run_until_closed(&mut batch) {
            let message = format!("the store has failed: {failed}; nothing more can be promised, stopping");
            // Nobody may read what might not be durable, nor wait for an answer that will not come.
            self.committer.published.close(&message);
            self.queue.close();
            (self.options.on_fatal)(&message);
            loop {
                for pending in batch.drain(..) {
                    drop(pending.reply.send(Err(CommitError::Unknown)));
                }
                if matches!(self.take(&mut batch, None), Taken::Closed) {
                    break;
                }
            }
        }
        self.committer.published.close("the store is closed");
    }

    fn run_until_closed(&mut self, batch: &mut Vec<Pending>) -> Result<(), Fatal> {
        // When what was committed has to go into the index, if anything was.
        let mut due: Option<Instant> = None;
        loop {
            if self.checkpoints.under_way {
                self.checkpoints.look()?;
            }
            // The end of a checkpoint ends the wait as well.
            let patience = due.filter(|_| !self.checkpoints.under_way);
            let patience = patience.map(|due| due.saturating_duration_since(Instant::now()));
            match self.take(batch, patience) {
                Taken::Batch => self.committer.commit(batch)?,
                Taken::Nothing => {}
                Taken::Closed => break,
            }
            if self.committer.log.bytes() == 0 {
                continue;
            }
            let now = Instant::now();
            let due_at = *due.get_or_insert(now + self.options.checkpoint_every);
            if now >= due_at || self.is_full() {
                if self.checkpoints.under_way && self.committer.log.bytes() / 2 >= self.options.checkpoint_log_bytes {
                    self.checkpoints.wait()?;
                }
                if !self.checkpoints.under_way {
                    self.checkpoints.begin(self.committer.begin_checkpoint())?;
                    due = None;
                }
            }
        }
        self.checkpoints.wait()?;
        if self.committer.log.bytes() > 0 {
            self.checkpoints.begin(self.committer.begin_checkpoint())?;
            self.checkpoints.wait()?;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        let rows = || self.committer.published.latest().active().len();
        self.committer.log.bytes() >= self.options.checkpoint_log_bytes || rows() >= self.options.checkpoint_rows
    }

    fn take(&self, batch: &mut Vec<Pending>, patience: Option<Duration>) -> Taken {
        self.queue.take(batch, self.options.batch_commits_max, self.options.batch_bytes_max, patience)
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn read(&self, req: ReadReq) -> Result<ReadResp, StoreError> {
        // Not on another thread: most reads find their page in memory, and then the way there costs more than the read.
        self.published.read(&req)
    }

    async fn view(&self) -> Result<View, StoreError> {
        self.published.view()
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let bytes = measure(&commit, &self.limits)?;
        let (pending, answer) = Pending::new(commit, bytes);
        self.queue.push(pending).await?;
        answer.await.unwrap_or(Err(CommitError::Unknown))
    }

    fn watch(&self, channel: Bytes) -> Watcher {
        self.rings.watch(channel, Arc::clone(&self.clock))
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(self.clock.now())
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}
