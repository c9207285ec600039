//! The committer: the one thread that changes anything. It takes all commits that wait, decides each against the state that
//! those before it leave, makes all of them durable with one sync of the log, lets readers see them, and answers.

use std::sync::Arc;

use cauce_core::Clock;

use super::frame::{FrameWriter, UsedToken};
use super::index::{Index, IndexError, Position, Writing, WritingRows};
use super::log::Log;
use super::published::Published;
use super::queue::Pending;
use crate::contract::{Commit, Limits, Version};
use crate::error::{CommitError, StoreError};
use crate::state::{admit, apply};
use crate::watch::Rings;

/// Something failed after which nobody knows what is on the disk.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fatal {
    #[error("the log cannot be written: {0}")]
    Log(#[from] std::io::Error),
    #[error("the index cannot be written: {0}")]
    Index(#[from] IndexError),
    #[error("a commit cannot be applied: {0}")]
    Apply(StoreError),
}

/// The state of the committer. Only [`EmbeddedStore`](super::EmbeddedStore) makes a thread of it; tests run it step by step.
pub(super) struct Committer {
    pub(super) log: Log,
    pub(super) index: Index,
    /// The last commit that was logged.
    pub(super) sequence: u64,
    pub(super) published: Arc<Published>,
    pub(super) rings: Arc<Rings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
    pub(super) frame: FrameWriter,
}

impl Committer {
    /// Commits a batch and answers it.
    ///
    /// # Errors
    /// [`Fatal`]; the batch then stays in `batch`, of unknown fate.
    pub(super) fn commit(&mut self, batch: &mut Vec<Pending>) -> Result<(), Fatal> {
        let answers = self.apply_and_log(batch)?;
        for (pending, answer) in batch.drain(..).zip(answers) {
            if answer.is_ok() {
                pending.commit.ring.iter().for_each(|channel| self.rings.ring(channel));
            }
            // Whoever asked may have gone away; the commit stands all the same.
            drop(pending.reply.send(answer));
        }
        Ok(())
    }

    fn apply_and_log(&mut self, batch: &[Pending]) -> Result<Vec<Result<(), CommitError>>, Fatal> {
        let used = self.clock.now().as_micros();
        let first = self.sequence + 1;
        self.frame.clear();
        let writing = self.index.write()?;
        let mut answers = Vec::with_capacity(batch.len());
        {
            let mut rows = writing.rows()?;
            for Pending { commit, .. } in batch {
                let token = commit.token.map(|token| (token, used));
                answers.push(decide(&writing, &mut rows, commit, token, &self.limits, self.sequence + 1)?.map(
                    |logged| {
                        if logged {
                            self.sequence += 1;
                            self.frame.push(&commit.muts, token);
                        }
                    },
                ));
            }
        }
        if self.frame.is_empty() {
            writing.abandon()?;
            return Ok(answers);
        }
        self.log.append(&mut self.frame, first)?;
        writing.publish()?;
        self.published.replace(self.index.snapshot()?);
        Ok(answers)
    }

    /// Makes the index durable, so that the log can begin again.
    ///
    /// # Errors
    /// [`Fatal`].
    pub(super) fn checkpoint(&mut self) -> Result<(), Fatal> {
        let position = Position { sequence: self.sequence, epoch: self.log.epoch().next() };
        let tokens_until = self.clock.now() - self.limits.token_kept;
        self.index.checkpoint(position, tokens_until.as_micros())?;
        self.log.restart(position.epoch);
        // The snapshot of before would keep pages from being used again.
        self.published.replace(self.index.snapshot()?);
        Ok(())
    }
}

/// Decides one commit, and applies it if it holds. `Ok(Ok(true))` if it changes anything.
fn decide(
    writing: &Writing,
    rows: &mut WritingRows<'_>,
    commit: &Commit,
    token: Option<UsedToken>,
    limits: &Limits,
    sequence: u64,
) -> Result<Result<bool, CommitError>, Fatal> {
    if let Some((token, _)) = &token
        && writing.knows_token(token)?
    {
        return Ok(Ok(false));
    }
    if let Err(refused) = admit(rows, commit, limits) {
        return Ok(Err(refused));
    }
    apply(rows, &commit.muts, Version(sequence)).map_err(Fatal::Apply)?;
    if let Some(token) = token {
        writing.remember_token(token)?;
    }
    Ok(Ok(!commit.muts.is_empty() || token.is_some()))
}
