//! The line in front of the committer: bounded in bytes, taken in batches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::contract::Commit;
use crate::error::CommitError;

/// Memory is counted in units of this.
const UNIT_BYTES: usize = 1024;

/// A commit that waits, and where its answer goes.
pub(super) struct Pending {
    pub(super) commit: Commit,
    pub(super) bytes: usize,
    pub(super) reply: oneshot::Sender<Result<(), CommitError>>,
    room: Option<OwnedSemaphorePermit>,
}

impl Pending {
    pub(super) fn new(commit: Commit, bytes: usize) -> (Self, oneshot::Receiver<Result<(), CommitError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { commit, bytes, reply, room: None }, answer)
    }
}

/// Commits waiting for the committer.
pub(super) struct Queue {
    line: Mutex<Line>,
    arrived: Condvar,
    room: Arc<Semaphore>,
    room_units: usize,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Pending>,
    closed: bool,
    nudged: bool,
}

/// What the committer gets when it asks for work.
pub(super) enum Taken {
    /// Work, in the batch.
    Batch,
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

impl Queue {
    pub(super) fn new(bytes_max: usize) -> Self {
        let room_units = (bytes_max / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Self { line: Mutex::default(), arrived: Condvar::new(), room: Arc::new(Semaphore::new(room_units)), room_units }
    }

    /// Gets in line, waiting for room.
    ///
    /// # Errors
    /// [`CommitError::Unavailable`] after [`close`](Queue::close).
    pub(super) async fn push(&self, mut pending: Pending) -> Result<(), CommitError> {
        let units = (pending.bytes / UNIT_BYTES + 1).min(self.room_units);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(units).await.map_err(|_| closed())?;
        pending.room = Some(room);
        let mut line = self.line.lock();
        if line.closed {
            return Err(closed());
        }
        line.waiting.push_back(pending);
        drop(line);
        self.arrived.notify_one();
        Ok(())
    }

    /// Moves what waits into `batch`, up to the given numbers but at least one; waits for work at most `patience`, or for
    /// ever.
    pub(super) fn take(
        &self,
        batch: &mut Vec<Pending>,
        commits_max: usize,
        bytes_max: usize,
        patience: Option<Duration>,
    ) -> Taken {
        let mut line = self.line.lock();
        if line.waiting.is_empty() && !line.closed && !line.nudged {
            match patience {
                Some(patience) => drop(self.arrived.wait_for(&mut line, patience)),
                None => self.arrived.wait(&mut line),
            }
        }
        line.nudged = false;
        let mut bytes = 0;
        while batch.len() < commits_max && (batch.is_empty() || bytes < bytes_max) {
            let Some(pending) = line.waiting.pop_front() else { break };
            bytes += pending.bytes;
            batch.push(pending);
        }
        match (batch.is_empty(), line.closed) {
            (false, _) => Taken::Batch,
            (true, false) => Taken::Nothing,
            (true, true) => Taken::Closed,
        }
    }

    /// Ends the wait of the committer, so that it looks around.
    pub(super) fn nudge(&self) {
        self.line.lock().nudged = true;
        self.arrived.notify_one();
    }

    /// Lets nobody in any more. What waits is still served.
    pub(super) fn close(&self) {
        self.line.lock().closed = true;
        self.room.close();
        self.arrived.notify_all();
    }
}

fn closed() -> CommitError {
    CommitError::Unavailable("the store is closed".to_owned())
}
