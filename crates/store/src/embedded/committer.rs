//! The committer: the one thread that changes anything. It takes all commits that wait, decides each against the state that
//! those before it leave, makes all of them durable with one sync of the log, lets readers see them, and answers. Now and then it
//! begins a checkpoint, which another thread carries out.

use std::sync::Arc;

use cauce_core::Clock;

use super::frame::FrameWriter;
use super::index::{Index, IndexError, Position};
use super::log::Log;
use super::overlay::{Batch, Overlay};
use super::published::Published;
use super::queue::Pending;
use crate::contract::{Commit, Limits, Version};
use crate::error::{CommitError, StoreError};
use crate::state::{Rows, admit, apply};
use crate::token;
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
    #[error("the thread that writes the index has ended")]
    CheckpointerGone,
}

/// The state of the committer. [`EmbeddedStore`](super::EmbeddedStore) makes a thread of it; tests run it step by step.
pub(super) struct Committer {
    pub(super) log: Log,
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
        let answers = self.decide_and_log(batch)?;
        for (pending, answer) in batch.drain(..).zip(answers) {
            if answer.is_ok() {
                pending.commit.ring.iter().for_each(|channel| self.rings.ring(channel));
            }
            // Whoever asked may have gone away; the commit stands all the same.
            drop(pending.reply.send(answer));
        }
        Ok(())
    }

    fn decide_and_log(&mut self, batch: &[Pending]) -> Result<Vec<Result<(), CommitError>>, Fatal> {
        let used = self.clock.now();
        let first = self.sequence + 1;
        self.frame.clear();
        let mut answers = Vec::with_capacity(batch.len());
        let written = {
            let latest = self.published.latest();
            let mut rows = Batch { written: Overlay::default(), below: latest.layers() };
            for Pending { commit, .. } in batch {
                let version = Version(self.sequence + 1);
                let answer = decide(&rows, commit, &self.limits);
                if let Ok(Outcome::Changes) = answer {
                    apply(&mut rows, &commit.muts, version).map_err(Fatal::Apply)?;
                    if let Some(token) = &commit.token {
                        token::remember(&mut rows, token, used, version).map_err(Fatal::Apply)?;
                    }
                    self.frame.push(&commit.muts, commit.token.map(|token| (token, used)));
                    self.sequence += 1;
                }
                answers.push(answer.map(drop));
            }
            rows.written
        };
        // Commits that only check wait for the sync as well: what they have seen may be of this batch.
        if !self.frame.is_empty() {
            self.log.append(&mut self.frame, first)?;
            self.published.absorb(written);
        }
        Ok(answers)
    }

    /// Begins a checkpoint. The one before must have ended.
    pub(super) fn begin_checkpoint(&mut self) -> Checkpoint {
        self.published.end_views();
        let position = Position { sequence: self.sequence, epoch: self.log.epoch().next() };
        self.log.switch_to(position.epoch);
        let tokens_until = (self.clock.now() - self.limits.token_kept).as_micros();
        Checkpoint { frozen: self.published.freeze(), position, tokens_until }
    }
}

enum Outcome {
    Changes,
    Nothing,
}

fn decide(rows: &dyn Rows, commit: &Commit, limits: &Limits) -> Result<Outcome, CommitError> {
    if let Some(token) = &commit.token
        && rows.get(&token::key(token))?.is_some()
    {
        return Ok(Outcome::Nothing);
    }
    admit(rows, commit, limits)?;
    let changes = !commit.muts.is_empty() || commit.token.is_some();
    Ok(if changes { Outcome::Changes } else { Outcome::Nothing })
}

/// What a checkpoint has to write into the index.
pub(super) struct Checkpoint {
    frozen: Arc<Overlay>,
    position: Position,
    /// Tokens used before this (microseconds) are forgotten.
    tokens_until: i64,
}

impl Checkpoint {
    /// Writes it, durably, and lets readers go on from there.
    ///
    /// # Errors
    /// [`Fatal`].
    pub(super) fn carry_out(&self, index: &Index, published: &Published) -> Result<(), Fatal> {
        let writing = index.write()?;
        writing.absorb(&self.frozen)?;
        writing.forget_tokens(self.tokens_until)?;
        writing.finish(self.position)?;
        published.thaw(index.snapshot()?);
        Ok(())
    }
}
