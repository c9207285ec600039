//! A service on a store in memory (or on disk) with a clock that stands still until it is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cauce_cloudwatch::logs::{Logs, LogsOptions, api};
use cauce_core::ports::{Access, AccessKey, Credentials, Identity, LogBatch, LogLine, Logs as _, Verdict};
use cauce_core::{Account, Arn, Call, Env, ManualClock, Region, SeededEntropy, ServiceError, Timestamp, Trace};
use cauce_store::{
    Bytes, Commit, CommitError, Db, Limits, MemoryStore, Owner, ReadReq, ReadResp, Store, StoreError, View, Watcher,
};
use cauce_wire::Api;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// Where the clock of every test begins, in milliseconds.
pub(crate) const START: i64 = 1_800_000_000_000;
pub(crate) const GROUP: &str = "/aws/lambda/f";

/// Lets everybody do everything, and remembers what was asked.
#[derive(Default)]
pub(crate) struct Everybody(pub(crate) Mutex<Vec<(String, String)>>);

#[async_trait]
impl Identity for Everybody {
    async fn access_key(&self, _id: &str) -> Result<Option<AccessKey>, ServiceError> {
        Ok(None)
    }

    async fn assume_role(&self, _role: &Arn, _service: &str, _session: &str) -> Result<Credentials, ServiceError> {
        Err(ServiceError::access_denied("no roles here"))
    }

    async fn explain(&self, _call: &Call, access: &Access<'_>) -> Result<Verdict, ServiceError> {
        self.0.lock().push((access.action.to_owned(), access.resource.to_owned()));
        Ok(Verdict::Allowed("everybody".to_owned()))
    }
}

/// A store in memory that can no longer commit once its commits are used up.
pub(crate) struct Failing {
    inner: MemoryStore,
    commits: AtomicUsize,
}

impl Failing {
    pub(crate) fn new() -> Arc<Failing> {
        Arc::new(Failing { inner: MemoryStore::new(), commits: AtomicUsize::new(usize::MAX) })
    }

    /// Allows so many commits from now on.
    pub(crate) fn allow(&self, commits: usize) {
        self.commits.store(commits, Ordering::SeqCst);
    }
}

#[async_trait]
impl Store for Failing {
    async fn read(&self, req: ReadReq) -> Result<ReadResp, StoreError> {
        self.inner.read(req).await
    }

    async fn view(&self) -> Result<View, StoreError> {
        self.inner.view().await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let less = |left: usize| left.checked_sub(1);
        match self.commits.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => self.inner.commit(commit).await,
            Err(_) => Err(CommitError::Unavailable("the test says so".to_owned())),
        }
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
    pub(crate) logs: Arc<Logs>,
    pub(crate) clock: ManualClock,
    pub(crate) env: Env,
    pub(crate) asked: Arc<Everybody>,
    api: Api<Logs>,
}

impl World {
    pub(crate) async fn new() -> World {
        World::on(Db::memory(), START).await
    }

    pub(crate) async fn on(db: Db, start_ms: i64) -> World {
        let clock = ManualClock::new(Timestamp::from_millis(start_ms));
        let env = Env::new(clock.clone(), SeededEntropy::new(start_ms.unsigned_abs()));
        let owner = Owner::acquire_all(&db, "node").await.unwrap();
        let logs = Logs::open(db, env.clone(), owner, LogsOptions::default());
        World { api: api(Arc::clone(&logs)), logs, clock, env, asked: Arc::default() }
    }

    /// With the group [`GROUP`] and the stream `s`.
    pub(crate) async fn with_stream() -> World {
        let world = World::new().await;
        world.ok("CreateLogGroup", json!({"logGroupName": GROUP})).await;
        world.stream("s").await;
        world
    }

    pub(crate) fn call(&self) -> Call {
        let trace = Trace::start(self.env.now(), self.env.entropy());
        Call::from_service(&self.env, "test", None, Account::DEFAULT, Region::default(), trace)
    }

    pub(crate) async fn try_do(&self, operation: &str, input: Value) -> Result<Value, ServiceError> {
        let identity: Arc<dyn Identity> = Arc::clone(&self.asked) as _;
        let body = self.api.call_json(&identity, operation, self.call(), input.to_string().as_bytes()).await?;
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
    }

    pub(crate) async fn ok(&self, operation: &str, input: Value) -> Value {
        match self.try_do(operation, input.clone()).await {
            Ok(output) => output,
            Err(error) => panic!("{operation} {input}: {error:?}"),
        }
    }

    pub(crate) async fn refused(&self, operation: &str, input: Value, code: &str, message: &str) {
        match self.try_do(operation, input.clone()).await {
            Ok(output) => panic!("{operation} {input} is accepted: {output}"),
            Err(error) => assert_eq!((error.code(), error.message()), (code, message), "{operation} {input}"),
        }
    }

    pub(crate) async fn stream(&self, name: &str) {
        self.ok("CreateLogStream", json!({"logGroupName": GROUP, "logStreamName": name})).await;
    }

    /// Puts events of these timestamps (after [`START`]) and texts.
    pub(crate) async fn put(&self, stream: &str, events: &[(i64, &str)]) -> Value {
        let events: Vec<Value> =
            events.iter().map(|(at, text)| json!({"timestamp": START + at, "message": text})).collect();
        self.ok("PutLogEvents", json!({"logGroupName": GROUP, "logStreamName": stream, "logEvents": events})).await
    }

    /// Appends lines as a function's runtime does.
    pub(crate) async fn append(&self, group: &str, stream: &str, lines: &[(i64, &str)]) {
        let lines = lines.iter().map(|(at, text)| LogLine {
            at: Timestamp::from_millis(START + at),
            text: text.as_bytes().to_vec().into(),
        });
        let batch = LogBatch {
            account: Account::DEFAULT,
            region: Region::default(),
            group: group.to_owned(),
            stream: stream.to_owned(),
            lines: lines.collect(),
        };
        self.logs.append(batch).await.unwrap();
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// All pages of a search: the messages, with a check that ids are unique and times ascend.
    pub(crate) async fn search(&self, input: Value) -> Vec<String> {
        let mut input = merged(json!({"logGroupName": GROUP}), &input);
        let (mut messages, mut ids, mut last) = (Vec::new(), std::collections::BTreeSet::new(), 0);
        loop {
            let page = self.ok("FilterLogEvents", input.clone()).await;
            assert_eq!(page["searchedLogStreams"], json!([]));
            for event in page["events"].as_array().unwrap() {
                let at = event["timestamp"].as_i64().unwrap();
                assert!(at >= last, "{at} after {last}");
                last = at;
                assert!(ids.insert(event["eventId"].as_str().unwrap().to_owned()), "an id comes twice: {event}");
                assert!(event["logStreamName"].is_string() && event["ingestionTime"].is_i64(), "{event}");
                messages.push(text(&event["message"]));
            }
            match page.get("nextToken") {
                Some(token) => input["nextToken"] = token.clone(),
                None => return messages,
            }
        }
    }
}

/// One object with the members of both.
pub(crate) fn merged(mut base: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// The named member of each element of a list.
pub(crate) fn texts(list: &Value, member: &str) -> Vec<String> {
    list.as_array().unwrap_or_else(|| panic!("not a list: {list}")).iter().map(|item| text(&item[member])).collect()
}
