//! The handle that everyone holds, and the loop that repeats a transaction until nobody was in its way.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cauce_core::Timestamp;

use crate::carried::Carried;
use crate::contract::{Bytes, Limits, RangeReq, ReadReq, ReadResp, Row, Store, View};
use crate::embedded::{EmbeddedOptions, EmbeddedStore, OpenError};
use crate::error::{CommitError, StoreError};
use crate::gate::{Gates, Pass};
use crate::memory::MemoryStore;
use crate::record::RowCodec;
use crate::state::{not_a_counter, read_counter};
use crate::tx::{Attempt, Tx, TxState};
use crate::watch::Watcher;

/// How often [`Db::transact`] runs its closure before it gives up with [`StoreError::Conflict`].
pub const TRANSACT_ATTEMPTS_MAX: u32 = 64;
/// How often a commit of unknown fate is asked about again before it is reported as unavailable.
pub const UNKNOWN_ATTEMPTS_MAX: u32 = 5;
/// The longest pause between two attempts.
pub const BACKOFF_MAX: Duration = Duration::from_millis(20);
/// The longest wait at the gate of a hot key; then the attempt is made anyway.
pub const GATE_WAIT_MAX: Duration = Duration::from_millis(500);

/// The store as the rest of the program sees it: transactions over typed keys. Cheap to clone.
///
/// # Transactions
/// The closure gets a [`Tx`] by value and borrows the rest; written as an `async` closure it works inside `async_trait`
/// methods and spawned tasks alike:
///
/// ```
/// # use cauce_store::{Bytes, Db, StoreError};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), StoreError> {
/// let db = Db::memory();
/// let key = Bytes::from_static(b"visits");
/// let visits = db.transact(async |tx| {
///     let visits = tx.get(&key).await?.map_or(0, |val| val.len()) + 1;
///     tx.set(key.clone(), vec![b'|'; visits]);
///     Ok::<_, StoreError>(visits)
/// }).await?;
/// assert_eq!(visits, 1);
/// # Ok(()) }
/// ```
///
/// The closure runs again after a conflict, so it must change nothing but the `Tx`: the compiler refuses captured `&mut`.
/// What has to happen once, after durability, goes into [`Tx::on_commit`]. Pass `&Tx` to functions that take part. Never
/// start a transaction inside a transaction.
///
/// An `Err` from the closure ends the transaction without effect, but only after making sure that all it had read was true
/// at one instant; else it runs again like after a conflict.
#[derive(Clone)]
pub struct Db {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gates: Gates,
    limits: Limits,
    tokens_seed: u64,
    tokens_drawn: AtomicU64,
}

impl Db {
    /// A handle on an engine.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        let limits = store.limits();
        let tokens_seed = RandomState::new().build_hasher().finish();
        Self {
            shared: Arc::new(Shared {
                store,
                gates: Gates::new(),
                limits,
                tokens_seed,
                tokens_drawn: AtomicU64::new(0),
            }),
        }
    }

    /// A handle on a new engine in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(Arc::new(MemoryStore::new()))
    }

    /// A handle on the embedded engine in a directory, which is created if need be.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path, options: EmbeddedOptions) -> Result<Self, OpenError> {
        Ok(Self::new(Arc::new(EmbeddedStore::open(dir, options)?)))
    }

    /// The engine.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// What the engine accepts.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.shared.limits
    }

    /// Begins a transaction that the caller commits, and repeats, on its own. Mostly [`transact`](Db::transact) is what
    /// is wanted.
    #[must_use]
    pub fn begin(&self) -> Tx {
        Tx::begin(Arc::clone(&self.shared), None)
    }

    /// Runs `f` and commits what it did, again and again until no other transaction was in its way. See [`Db`].
    ///
    /// # Errors
    /// The error of `f`; or a [`StoreError`]: `Conflict` after [`TRANSACT_ATTEMPTS_MAX`] attempts, and whatever the commit
    /// answers that is no conflict.
    pub async fn transact<T, E, F, Fut>(&self, f: F) -> Result<T, E>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<StoreError>,
    {
        let mut pass = None;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let attempt = Attempt::begin(Arc::clone(&self.shared), pass.take());
            let result = f(attempt.tx()).await;
            let mut state = attempt.end();
            let lost = match result {
                Ok(value) => match self.shared.finish(state).await {
                    Ok(()) => return Ok(value),
                    Err(CommitError::Conflict { at }) => at,
                    Err(error) => return Err(StoreError::from(error).into()),
                },
                Err(error) => match self.shared.stale(&mut state).await? {
                    Some(at) => at,
                    None => return Err(error),
                },
            };
            if attempts >= TRANSACT_ATTEMPTS_MAX {
                return Err(StoreError::Conflict { at: lost, attempts }.into());
            }
            self.shared.pause(attempts).await;
            pass = self.shared.pass(&lost).await;
        }
    }

    /// Answers a batch of reads at one snapshot.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read(&self, req: ReadReq) -> Result<ReadResp, StoreError> {
        self.shared.store.read(req).await
    }

    /// One value, outside of any transaction.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn get_bytes(&self, key: &Bytes) -> Result<Option<Bytes>, StoreError> {
        let resp = self.read(ReadReq { gets: vec![key.clone()], ranges: Vec::new() }).await?;
        Ok(resp.gets.into_iter().next().flatten().map(|row| row.val))
    }

    /// One record, outside of any transaction.
    ///
    /// # Errors
    /// As [`Store::read`]; [`StoreError::Corrupt`] if the row does not decode.
    pub async fn get<R: RowCodec>(&self, key: &Bytes) -> Result<Option<R>, StoreError> {
        self.get_bytes(key).await?.map(|val| decode(key, &val)).transpose()
    }

    /// The counters at `keys` at one snapshot, outside of any transaction; 0 for those that are not there.
    ///
    /// # Errors
    /// As [`Store::read`]; [`StoreError::Corrupt`] if a row is no counter.
    pub async fn counters(&self, keys: Vec<Bytes>) -> Result<Vec<i64>, StoreError> {
        let rows = self.read(ReadReq { gets: keys.clone(), ranges: Vec::new() }).await?.gets;
        let count = |(key, row): (&Bytes, Option<Row>)| {
            read_counter(row.map(|row| row.val).as_ref()).ok_or_else(|| not_a_counter(key))
        };
        keys.iter().zip(rows).map(count).collect()
    }

    /// One range at one snapshot, outside of any transaction. `more` tells whether rows were cut off.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn range(&self, req: RangeReq) -> Result<crate::RangeResp, StoreError> {
        let resp = self.read(ReadReq { gets: Vec::new(), ranges: vec![req] }).await?;
        Ok(resp.ranges.into_iter().next().unwrap_or_default())
    }

    /// A snapshot that stays for [`Limits::view_lives`].
    ///
    /// # Errors
    /// As [`Store::view`].
    pub async fn view(&self) -> Result<View, StoreError> {
        self.shared.store.view().await
    }

    /// Registers for rings of `channel` from now on. Register, then read, then wait: so no ring is lost.
    #[must_use]
    pub fn watcher(&self, channel: Bytes) -> Watcher {
        self.shared.store.watch(channel)
    }

    /// Waits for one ring of `channel` that comes after this call (true), or `max_wait` (false). A loop wants a
    /// [`watcher`](Db::watcher), which does not miss a ring between two waits.
    pub async fn watch(&self, channel: &[u8], max_wait: Duration) -> bool {
        self.watcher(Bytes::copy_from_slice(channel)).wait(max_wait).await
    }

    /// The clock of the store, for leases.
    ///
    /// # Errors
    /// As [`Store::now`].
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        self.shared.store.now().await
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").finish_non_exhaustive()
    }
}

/// Decodes the row at `key`.
pub(crate) fn decode<R: RowCodec>(key: &Bytes, val: &[u8]) -> Result<R, StoreError> {
    R::decode_row(val).map_err(|error| StoreError::Corrupt { key: key.clone(), reason: error.to_string() })
}

/// Decodes the value of a row that a range has returned.
///
/// # Errors
/// [`StoreError::Corrupt`] if it does not decode.
pub fn decode_row<R: RowCodec>(row: &Row) -> Result<R, StoreError> {
    decode(&row.key, &row.val)
}

impl Shared {
    /// Commits what a transaction did, and runs its hooks.
    pub(crate) async fn finish(self: &Arc<Self>, mut state: TxState) -> Result<(), CommitError> {
        if state.changes_nothing() {
            if let Some(at) = self.stale(&mut state).await? {
                return Err(CommitError::Conflict { at });
            }
            state.run_hooks();
            return Ok(());
        }
        let shared = Arc::clone(self);
        Carried::new(async move { shared.commit(state).await }).await
    }

    async fn commit(&self, mut state: TxState) -> Result<(), CommitError> {
        let mut commit = state.take_commit();
        if self.limits.may_lose_answers && commit.token.is_none() {
            let drawn = self.tokens_drawn.fetch_add(1, Ordering::Relaxed);
            commit.token = Some((u128::from(self.tokens_seed) << 64 | u128::from(drawn)).to_be_bytes());
        }
        let mut asked = 1;
        // Only an engine that may lose answers is asked twice, so only then is the commit copied.
        let mut spare = self.limits.may_lose_answers.then(|| commit.clone());
        let mut answer = self.store.commit(commit).await;
        while answer == Err(CommitError::Unknown) && asked < UNKNOWN_ATTEMPTS_MAX {
            let Some(again) = spare.clone() else { break };
            self.pause(asked + 3).await;
            asked += 1;
            answer = self.store.commit(again).await;
        }
        spare.take();
        answer?;
        state.run_hooks();
        Ok(())
    }

    /// The first key of which a transaction has read something that was not true at one instant together with the rest;
    /// `None` if all was. One batch of reads is one snapshot, so only a second batch makes this a question.
    async fn stale(&self, state: &mut TxState) -> Result<Option<Bytes>, StoreError> {
        let Some(req) = state.reread() else { return Ok(None) };
        let resp = self.store.read(req).await?;
        Ok(state.first_difference(&resp))
    }

    /// A short pause that grows with the attempts, none after the first.
    async fn pause(&self, attempts: u32) {
        let Some(doublings) = attempts.checked_sub(2) else { return };
        let longest = Duration::from_micros(500).saturating_mul(1 << doublings.min(10)).min(BACKOFF_MAX);
        let mut mixed = self.tokens_drawn.fetch_add(1, Ordering::Relaxed) ^ self.tokens_seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let part = u32::try_from((mixed >> 32) % 1_000).unwrap_or_default();
        tokio::time::sleep(longest / 2 + longest / 2_000 * part).await;
    }

    /// Waits at the gate of `key`, a bounded time.
    pub(crate) async fn pass(&self, key: &[u8]) -> Option<Pass> {
        tokio::time::timeout(GATE_WAIT_MAX, self.gates.pass(key)).await.ok().flatten()
    }
}
