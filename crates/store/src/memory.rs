//! The engine for tests: a map in memory. It forgets everything with the process, and is otherwise held to the same contract.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::{Clock, SystemClock, Timestamp};
use parking_lot::Mutex;

use crate::contract::{Bytes, Commit, Limits, ReadReq, ReadResp, Row, Snapshot, Store, Version, View};
use crate::error::{CommitError, StoreError};
use crate::state::{Rows, RowsMut, admit, answer, apply, measure};
use crate::watch::{Rings, Watcher};

/// How many commits may pass between two sweeps of expired tokens.
const TOKEN_SWEEP_COMMITS: u64 = 1_024;

type Map = BTreeMap<Bytes, (Bytes, Version)>;

/// An engine in memory.
pub struct MemoryStore {
    state: Mutex<State>,
    rings: Arc<Rings>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

#[derive(Default)]
struct State {
    /// Shared with the views; copied at the next commit while any view lives.
    rows: Arc<Map>,
    commits: u64,
    tokens: HashMap<[u8; 16], Timestamp>,
}

impl MemoryStore {
    /// An empty store on the clock of the machine.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Arc::new(SystemClock), Limits::default())
    }

    /// An empty store on another clock, with other limits.
    #[must_use]
    pub fn with(clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self { state: Mutex::new(State::default()), rings: Arc::default(), clock, limits }
    }

    fn apply(&self, commit: &Commit) -> Result<(), CommitError> {
        let now = self.clock.now();
        let state = &mut *self.state.lock();
        if let Some(token) = &commit.token
            && state.tokens.contains_key(token)
        {
            return Ok(());
        }
        admit(&*state.rows, commit, &self.limits)?;
        state.commits += 1;
        let rows: &mut Map = Arc::make_mut(&mut state.rows);
        apply(rows, &commit.muts, Version(state.commits))?;
        if let Some(token) = commit.token {
            state.tokens.insert(token, now);
        }
        if state.commits.is_multiple_of(TOKEN_SWEEP_COMMITS) {
            state.tokens.retain(|_, applied| *applied + self.limits.token_kept > now);
        }
        Ok(())
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn read(&self, req: ReadReq) -> Result<ReadResp, StoreError> {
        // Under the lock: a second holder of the map would make the next commit copy it.
        answer(&*self.state.lock().rows, &req, &self.limits)
    }

    async fn view(&self) -> Result<View, StoreError> {
        let rows = Arc::clone(&self.state.lock().rows);
        let ends = self.clock.now() + self.limits.view_lives;
        Ok(View::new(Arc::new(MemoryView { rows, ends, clock: Arc::clone(&self.clock), limits: self.limits })))
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        measure(&commit, &self.limits)?;
        self.apply(&commit)?;
        for channel in &commit.ring {
            self.rings.ring(channel);
        }
        Ok(())
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

struct MemoryView {
    rows: Arc<Map>,
    ends: Timestamp,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

#[async_trait]
impl Snapshot for MemoryView {
    async fn read(&self, req: ReadReq) -> Result<ReadResp, StoreError> {
        if self.clock.now() > self.ends {
            return Err(StoreError::ViewExpired);
        }
        answer(&*self.rows, &req, &self.limits)
    }
}

impl Rows for Map {
    fn get(&self, key: &[u8]) -> Result<Option<Row>, StoreError> {
        Ok(self.get_key_value(key).map(|(key, (val, version))| row(key, val, *version)))
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(Row) -> bool,
    ) -> Result<(), StoreError> {
        let mut range = self.range::<[u8], _>((std::ops::Bound::Included(start), std::ops::Bound::Excluded(end)));
        while let Some((key, (val, version))) = if reverse { range.next_back() } else { range.next() } {
            if !visit(row(key, val, *version)) {
                break;
            }
        }
        Ok(())
    }
}

impl RowsMut for Map {
    fn put(&mut self, key: &Bytes, val: &Bytes, version: Version) -> Result<(), StoreError> {
        self.insert(key.clone(), (val.clone(), version));
        Ok(())
    }

    fn remove(&mut self, key: &Bytes) -> Result<(), StoreError> {
        BTreeMap::remove(self, key);
        Ok(())
    }

    fn remove_range(&mut self, start: &[u8], end: &[u8]) -> Result<(), StoreError> {
        let range = (std::ops::Bound::Included(start), std::ops::Bound::Excluded(end));
        let keys: Vec<Bytes> = self.range::<[u8], _>(range).map(|(key, _)| key.clone()).collect();
        for key in keys {
            BTreeMap::remove(self, &key);
        }
        Ok(())
    }
}

fn row(key: &Bytes, val: &Bytes, version: Version) -> Row {
    Row { key: key.clone(), val: val.clone(), version }
}
