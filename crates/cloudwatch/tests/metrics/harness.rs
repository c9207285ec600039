//! A service on a store in memory with a clock that stands still until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cauce_cloudwatch::metrics::{Metrics, MetricsOptions, api};
use cauce_core::ports::{Access, AccessKey, Credentials, Identity, Verdict};
use cauce_core::{Account, Arn, Call, Env, ManualClock, Region, SeededEntropy, ServiceError, Timestamp, Trace};
use cauce_store::{
    Bytes, Commit, CommitError, Db, Key, Kind, Limits, MemoryStore, Owner, RangeReq, ReadReq, ReadResp, Store,
    StoreError, View, Watcher,
};
use cauce_wire::Api;
use serde_json::Value;

/// Where the clock of every test begins, in seconds: a whole hour.
pub(crate) const START: i64 = 1_800_000_000;

/// Lets everybody do everything.
struct Everybody;

#[async_trait]
impl Identity for Everybody {
    async fn access_key(&self, _id: &str) -> Result<Option<AccessKey>, ServiceError> {
        Ok(None)
    }

    async fn assume_role(&self, _role: &Arn, _service: &str, _session: &str) -> Result<Credentials, ServiceError> {
        Err(ServiceError::access_denied("no roles here"))
    }

    async fn explain(&self, _call: &Call, _access: &Access<'_>) -> Result<Verdict, ServiceError> {
        Ok(Verdict::Allowed("everybody".to_owned()))
    }
}

/// A store in memory that counts its commits, and has none left once they are used up.
struct Counting {
    inner: MemoryStore,
    made: AtomicUsize,
    left: AtomicUsize,
}

#[async_trait]
impl Store for Counting {
    async fn read(&self, req: ReadReq) -> Result<ReadResp, StoreError> {
        self.inner.read(req).await
    }

    async fn view(&self) -> Result<View, StoreError> {
        self.inner.view().await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        // Others get their turn, as they do while a disk works.
        tokio::task::yield_now().await;
        let less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err() {
            return Err(CommitError::Unavailable("the test says so".to_owned()));
        }
        self.made.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(commit).await
    }

    fn watch(&self, channel: Bytes) -> Watcher {
        self.inner.watch(channel)
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.inner.now().await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

pub(crate) struct World {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: ManualClock,
    pub(crate) env: Env,
    store: Arc<Counting>,
    db: Db,
    owner: Owner,
    api: Api<Metrics>,
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(MetricsOptions::default()).await
    }

    pub(crate) async fn with(options: MetricsOptions) -> World {
        let left = AtomicUsize::new(usize::MAX);
        let store = Arc::new(Counting { inner: MemoryStore::new(), made: AtomicUsize::new(0), left });
        let db = Db::new(store.clone());
        let owner = Owner::acquire_all(&db, "node").await.unwrap();
        let clock = ManualClock::new(Timestamp::from_secs(START));
        let env = Env::new(clock.clone(), SeededEntropy::new(1));
        let metrics = Metrics::open(db.clone(), env.clone(), owner.clone(), options).await.unwrap();
        World { api: api(Arc::clone(&metrics)), metrics, clock, env, store, db, owner }
    }

    /// The same store after a restart.
    pub(crate) async fn again(self) -> World {
        let options = MetricsOptions::default();
        let metrics = Metrics::open(self.db.clone(), self.env.clone(), self.owner.clone(), options).await.unwrap();
        World { api: api(Arc::clone(&metrics)), metrics, ..self }
    }

    pub(crate) async fn call(&self, operation: &str, body: Value) -> Result<Value, ServiceError> {
        let trace = Trace::start(self.env.now(), self.env.entropy());
        let (account, region) = (Account::DEFAULT, Region::default());
        let call = Call::from_service(&self.env, "test", None, account, region, trace);
        let identity: Arc<dyn Identity> = Arc::new(Everybody);
        let answer = self.api.call_json(&identity, operation, call, body.to_string().as_bytes()).await?;
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer).unwrap() })
    }

    pub(crate) async fn ok(&self, operation: &str, body: Value) -> Value {
        self.call(operation, body).await.unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    /// How many commits were made.
    pub(crate) fn commits(&self) -> usize {
        self.store.made.load(Ordering::SeqCst)
    }

    /// Allows so many commits from now on.
    pub(crate) fn allow_commits(&self, commits: usize) {
        self.store.left.store(commits, Ordering::SeqCst);
    }

    /// How many points are in the store.
    pub(crate) async fn points(&self) -> usize {
        self.count(0x0541).await
    }

    /// How many metrics are in the store.
    pub(crate) async fn rows(&self) -> usize {
        self.count(0x0540).await
    }

    async fn count(&self, kind: u16) -> usize {
        let range = Key::new(Kind::new(kind)).prefix_range();
        self.db.range(RangeReq::new(range, 10_000)).await.unwrap().rows.len()
    }
}
