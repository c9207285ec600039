//! A Lambda of its own for each test, with ports that the test looks into.

#![allow(dead_code, reason = "each program that includes this uses its own part of it")]

use std::collections::HashMap;
use std::io::{Cursor, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cauce_core::ports::{
    Access, AccessKey, Credentials, Identity, LogBatch, Logs, Message, Objects, Poll, QueueFacts, Queues, StreamFacts,
    StreamPage, StreamRead, Streams, Verdict,
};
use cauce_core::{
    Account, Arn, Call, Env, ManualClock, Principal, Region, RequestId, SeededEntropy, ServiceError, Timestamp, Trace,
};
use cauce_delivery::{Acceptance, Delivery, Effect, EffectId, Outcome, Target};
use cauce_lambda::{Lambda, LambdaOptions, LambdaPorts, Launcher, api};
use cauce_store::{Db, Owner, Tx};
use cauce_wire::Api;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Notify, Semaphore};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The role that Lambda may assume.
pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/works";

/// What no test should ever wait for.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) api: Api<Lambda>,
    pub(crate) identity: Arc<dyn Identity>,
    pub(crate) logs: Arc<MemoryLogs>,
    pub(crate) objects: Arc<MemoryObjects>,
    pub(crate) delivery: Delivery,
    pub(crate) queue: Arc<Queue>,
    /// The queues that mappings poll.
    pub(crate) queues: Arc<MemoryQueues>,
    pub(crate) stream: Arc<QuietStream>,
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) clock: Option<ManualClock>,
    pub(crate) dir: TempDir,
}

/// How a test's Lambda differs from the usual one.
pub(crate) struct Setup {
    pub(crate) manual: bool,
    pub(crate) concurrency_max: u32,
    pub(crate) credentials_last: Duration,
    pub(crate) writable: Vec<PathBuf>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup { manual: false, concurrency_max: 1_000, credentials_last: Duration::from_secs(3_600), writable: vec![] }
    }
}

/// A stream on which nothing ever happens, until it is gone. What is in streams is tested with real tables.
pub(crate) struct QuietStream {
    env: Env,
    pub(crate) gone: AtomicBool,
}

impl QuietStream {
    fn look(&self) -> Result<(), ServiceError> {
        match self.gone.load(Ordering::SeqCst) {
            true => Err(ServiceError::new(400, "ResourceNotFoundException", "no such stream")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Streams for QuietStream {
    async fn facts(&self, _: &Call, _: &Arn) -> Result<StreamFacts, ServiceError> {
        self.look()?;
        Ok(StreamFacts { shards: vec!["shard".to_owned()], latest: vec![0] })
    }

    async fn read(&self, _: &Call, read: StreamRead) -> Result<StreamPage, ServiceError> {
        self.look()?;
        self.env.sleep(read.wait).await;
        Ok(StreamPage::default())
    }
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(Setup::default()).await
    }

    /// In virtual time.
    pub(crate) async fn manual() -> World {
        World::with(Setup { manual: true, ..Setup::default() }).await
    }

    pub(crate) async fn with(setup: Setup) -> World {
        let dir = tempfile::tempdir().unwrap();
        let clock = setup.manual.then(|| ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let env = match &clock {
            Some(clock) => Env::new(clock.clone(), SeededEntropy::new(7)),
            None => Env::system(),
        };
        let db = Db::memory();
        let owner = Owner::acquire_all(&db, "test").await.unwrap();
        let delivery = Delivery::new(db.clone(), env.clone(), owner.clone());
        let identity: Arc<dyn Identity> = Arc::new(FakeIdentity { env: env.clone(), last: setup.credentials_last });
        let (logs, objects, queue) =
            (Arc::new(MemoryLogs::default()), Arc::new(MemoryObjects::default()), Arc::new(Queue::default()));
        let mut options = LambdaOptions::new(
            dir.path().join("lambda"),
            "http://127.0.0.1:1",
            Launcher { program: example("launcher") },
        );
        options.concurrency_max = setup.concurrency_max;
        options.writable = setup.writable;
        let ports = LambdaPorts {
            identity: Arc::clone(&identity),
            logs: Arc::clone(&logs) as Arc<dyn Logs>,
            objects: Arc::clone(&objects) as Arc<dyn Objects>,
            delivery: delivery.clone(),
        };
        let lambda = Lambda::open(db.clone(), env.clone(), options, ports).await.unwrap();
        delivery.register("lambda", lambda.target());
        delivery.register("sqs", Arc::clone(&queue) as Arc<dyn Target>);
        delivery.start().await.unwrap();
        let queues = Arc::new(MemoryQueues::new(env.clone()));
        let stream = Arc::new(QuietStream { env: env.clone(), gone: AtomicBool::new(false) });
        lambda.start_mappings(queues.clone(), stream.clone(), owner).await.unwrap();
        let api = api(Arc::clone(&lambda));
        World { lambda, api, identity, logs, objects, delivery, queue, queues, stream, db, env, clock, dir }
    }

    /// A call of the account's owner.
    pub(crate) fn call(&self) -> Call {
        Call {
            account: Account::DEFAULT,
            region: Region::default(),
            principal: Arc::new(Principal::Root { account: Account::DEFAULT, access_key_id: "test".into() }),
            request_id: RequestId::random(self.env.entropy()),
            trace: Trace::start(self.env.now(), self.env.entropy()),
            received: self.env.now(),
            deadline: self.env.now() + LONG,
            source_ip: None,
            host: "127.0.0.1:1".into(),
            secure: true,
        }
    }

    pub(crate) async fn json(&self, operation: &str, input: Value) -> Result<Value, ServiceError> {
        self.json_as(self.call(), operation, input).await
    }

    pub(crate) async fn json_as(&self, call: Call, operation: &str, input: Value) -> Result<Value, ServiceError> {
        let body = input.to_string();
        let answer = self.api.call_json(&self.identity, operation, call, body.as_bytes()).await?;
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer).unwrap() })
    }

    /// The code and message with which an operation is refused.
    pub(crate) async fn refused(&self, operation: &str, input: Value) -> (String, String) {
        let error = self.json(operation, input).await.unwrap_err();
        (error.code().to_owned(), error.message().to_owned())
    }

    /// Creates a function out of the test runtime; `extra` overrides.
    pub(crate) async fn create(&self, name: &str, extra: Value) -> Value {
        self.try_create(name, extra).await.unwrap()
    }

    pub(crate) async fn try_create(&self, name: &str, extra: Value) -> Result<Value, ServiceError> {
        let mut input = json!({
            "FunctionName": name, "Runtime": "provided.al2023", "Handler": "h", "Role": ROLE, "Timeout": 20,
            "Code": { "ZipFile": STANDARD.encode(runtime_zip()) },
        });
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        self.json("CreateFunction", input).await
    }

    /// Invokes and returns the answer's payload with the function error.
    pub(crate) async fn invoke(&self, name: &str, payload: Value) -> (Value, Option<String>) {
        let answer = self.invoke_raw(name, payload, json!({})).await.unwrap();
        let payload = STANDARD.decode(answer["Payload"].as_str().unwrap()).unwrap();
        (serde_json::from_slice(&payload).unwrap(), answer["FunctionError"].as_str().map(str::to_owned))
    }

    pub(crate) async fn invoke_raw(&self, name: &str, payload: Value, extra: Value) -> Result<Value, ServiceError> {
        let mut input = json!({ "FunctionName": name, "Payload": STANDARD.encode(payload.to_string()) });
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        self.json("Invoke", input).await
    }

    /// Moves virtual time on, a little at a time, until `future` is done.
    pub(crate) async fn advance_until<T>(&self, step: Duration, future: impl Future<Output = T>) -> T {
        let clock = self.clock.as_ref().unwrap();
        tokio::pin!(future);
        loop {
            tokio::select! {
                biased;
                done = &mut future => return done,
                () = pause() => clock.advance(step),
            }
        }
    }
}

/// Between two looks at something: leaves the processor to the processes that are looked at.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Waits until `condition` holds; it must become true.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let held = async {
        while !condition() {
            pause().await;
        }
    };
    tokio::time::timeout(LONG, held).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}

/// One of this crate's example programs, which cargo builds together with the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.ancestors().find(|a| a.join("examples").is_dir()).unwrap();
    profile.join("examples").join(name)
}

/// A zip with these files, all executable.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data) in files {
        writer.start_file(*name, SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The test runtime as a package.
pub(crate) fn runtime_zip() -> &'static [u8] {
    static ZIP: OnceLock<Vec<u8>> = OnceLock::new();
    ZIP.get_or_init(|| zip(&[("bootstrap", &std::fs::read(example("test_runtime")).unwrap())]))
}

/// Whether a process is there and no zombie.
pub(crate) fn alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Everyone is root but services, whom the resource policy must name.
struct FakeIdentity {
    env: Env,
    last: Duration,
}

#[async_trait]
impl Identity for FakeIdentity {
    async fn access_key(&self, access_key_id: &str) -> Result<Option<AccessKey>, ServiceError> {
        let principal = Principal::Root { account: Account::DEFAULT, access_key_id: "test".into() };
        let key = AccessKey { secret: "test".into(), session_token: None, principal, expires: None };
        Ok((access_key_id == "test").then_some(key))
    }

    async fn assume_role(&self, role: &Arn, service: &str, session: &str) -> Result<Credentials, ServiceError> {
        assert_eq!(service, "lambda.amazonaws.com");
        if role.as_str() != ROLE {
            return Err(ServiceError::new(403, "AccessDenied", "no"));
        }
        Ok(Credentials {
            access_key_id: format!("ASIA{session}"),
            secret_access_key: "secret".into(),
            session_token: "token".into(),
            expires: self.env.now() + self.last,
        })
    }

    async fn session(&self, role: &Arn, service: &str, session: &str) -> Result<Principal, ServiceError> {
        self.assume_role(role, service, session).await?;
        Ok(Principal::Session {
            arn: Arn::global("sts", Account::DEFAULT, &format!("assumed-role/works/{session}")),
            role: role.clone(),
            id: format!("AROA:{session}"),
            access_key_id: "ASIA".into(),
        })
    }

    async fn explain(&self, call: &Call, access: &Access<'_>) -> Result<Verdict, ServiceError> {
        let allowed = match &*call.principal {
            Principal::Root { .. } => true,
            // Of the role nothing is said but that one queue is closed to it.
            Principal::Session { .. } => !access.resource.ends_with(":closed"),
            Principal::Service { name, source, .. } => access.resource_policy.is_some_and(|policy| {
                policy.contains(&format!("\"{name}\"")) && source.as_ref().is_none_or(|s| policy.contains(s.as_str()))
            }),
            _ => false,
        };
        Ok(if allowed {
            Verdict::Allowed("test".into())
        } else {
            Verdict::Denied(format!("because no resource-based policy allows the {} action", access.action))
        })
    }
}

/// All lines that arrived, by group and stream.
#[derive(Default)]
pub(crate) struct MemoryLogs {
    lines: Mutex<Vec<(String, String, String)>>,
    arrived: Notify,
    /// Holds every append back while there is none.
    gate: Mutex<Option<Arc<Semaphore>>>,
}

impl MemoryLogs {
    /// Lets nothing through until the semaphore that is returned has permits.
    pub(crate) fn close_gate(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.gate.lock() = Some(Arc::clone(&gate));
        gate
    }

    pub(crate) fn of(&self, function: &str) -> Vec<String> {
        let group = format!("/aws/lambda/{function}");
        self.lines.lock().iter().filter(|l| l.0 == group).map(|l| l.2.clone()).collect()
    }

    pub(crate) fn streams(&self, function: &str) -> Vec<String> {
        let group = format!("/aws/lambda/{function}");
        let mut streams: Vec<String> = self.lines.lock().iter().filter(|l| l.0 == group).map(|l| l.1.clone()).collect();
        streams.sort();
        streams.dedup();
        streams
    }

    /// Waits until a line of the function contains `text`, and returns all of its lines.
    pub(crate) async fn until(&self, function: &str, text: &str) -> Vec<String> {
        let found = async {
            loop {
                let arrived = self.arrived.notified();
                tokio::pin!(arrived);
                arrived.as_mut().enable();
                let lines = self.of(function);
                if lines.iter().any(|l| l.contains(text)) {
                    return lines;
                }
                arrived.await;
            }
        };
        let found = tokio::time::timeout(LONG, found).await;
        found.unwrap_or_else(|_| panic!("no line with {text:?} in {:#?}", self.of(function)))
    }
}

#[async_trait]
impl Logs for MemoryLogs {
    async fn append(&self, batch: LogBatch) -> Result<(), ServiceError> {
        let gate = self.gate.lock().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        let lines = batch.lines.into_iter();
        let text = |line: Bytes| String::from_utf8_lossy(&line).into_owned();
        self.lines.lock().extend(lines.map(|l| (batch.group.clone(), batch.stream.clone(), text(l.text))));
        self.arrived.notify_waiters();
        Ok(())
    }
}

/// Objects by `bucket/key`.
#[derive(Default)]
pub(crate) struct MemoryObjects(pub(crate) Mutex<HashMap<String, Bytes>>);

#[async_trait]
impl Objects for MemoryObjects {
    async fn read(
        &self,
        _call: &Call,
        bucket: &str,
        key: &str,
        _version: Option<&str>,
        _bytes_max: usize,
    ) -> Result<Bytes, ServiceError> {
        let found = self.0.lock().get(&format!("{bucket}/{key}")).cloned();
        found.ok_or_else(|| ServiceError::new(404, "NoSuchKey", "The specified key does not exist."))
    }
}

/// A queue that remembers what was put into it.
#[derive(Default)]
pub(crate) struct Queue {
    taken: Mutex<Vec<Effect>>,
}

impl Queue {
    pub(crate) fn taken(&self) -> Vec<Effect> {
        self.taken.lock().clone()
    }
}

#[async_trait]
impl Target for Queue {
    async fn accept(&self, _tx: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError> {
        self.taken.lock().push(effect.clone());
        Ok(Acceptance::Taken)
    }

    async fn perform(&self, _id: EffectId, _effect: &Effect, _attempt: u32) -> Outcome {
        unreachable!("it takes effects at once")
    }
}

/// Queues with what mappings need of them.
pub(crate) struct MemoryQueues {
    env: Env,
    queues: Mutex<HashMap<String, MemoryQueue>>,
    arrived: Notify,
}

pub(crate) struct MemoryQueue {
    pub(crate) visibility_timeout: Duration,
    pub(crate) fifo: bool,
    messages: Vec<MemoryMessage>,
}

#[derive(Clone)]
struct MemoryMessage {
    id: String,
    body: String,
    group: Option<String>,
    attributes: serde_json::Map<String, Value>,
    hidden_until: Timestamp,
    receives: u32,
}

pub(crate) fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

impl MemoryQueues {
    fn new(env: Env) -> MemoryQueues {
        MemoryQueues { env, queues: Mutex::default(), arrived: Notify::new() }
    }

    pub(crate) fn create(&self, name: &str, visibility_timeout: Duration, fifo: bool) {
        let queue = MemoryQueue { visibility_timeout, fifo, messages: vec![] };
        self.queues.lock().insert(queue_arn(name), queue);
    }

    /// Puts a message; `attributes` stand in the event as they are.
    pub(crate) fn send(&self, name: &str, id: &str, body: &str, group: Option<&str>, attributes: Value) {
        let message = MemoryMessage {
            id: id.into(),
            body: body.into(),
            group: group.map(str::to_owned),
            attributes: attributes.as_object().unwrap().clone(),
            hidden_until: Timestamp::EPOCH,
            receives: 0,
        };
        self.queues.lock().get_mut(&queue_arn(name)).unwrap().messages.push(message);
        self.arrived.notify_waiters();
    }

    /// The messages that are left, each with how often it was received.
    pub(crate) fn left(&self, name: &str) -> Vec<(String, u32)> {
        let queues = self.queues.lock();
        queues[&queue_arn(name)].messages.iter().map(|m| (m.id.clone(), m.receives)).collect()
    }

    fn receive(&self, poll: &Poll) -> Result<Vec<Message>, ServiceError> {
        let now = self.env.now();
        let mut queues = self.queues.lock();
        let queue = queues.get_mut(poll.queue.as_str()).ok_or_else(no_queue)?;
        let hidden = poll.visibility_timeout.unwrap_or(queue.visibility_timeout);
        let in_flight = |m: &MemoryMessage| m.hidden_until > now;
        let busy: Vec<Option<String>> =
            queue.messages.iter().filter(|m| queue.fifo && in_flight(m)).map(|m| m.group.clone()).collect();
        let mut received = Vec::new();
        for message in queue.messages.iter_mut() {
            if received.len() == poll.messages_max || in_flight(message) || busy.contains(&message.group) {
                continue;
            }
            message.hidden_until = now + hidden;
            message.receives += 1;
            received.push(Message {
                message_id: message.id.clone(),
                receipt_handle: format!("{}/{}", message.id, message.receives),
                body: message.body.clone(),
                md5_of_body: "md5".into(),
                md5_of_message_attributes: None,
                attributes: vec![("ApproximateReceiveCount".into(), message.receives.to_string())],
                message_attributes: message.attributes.clone(),
            });
        }
        Ok(received)
    }

    fn change(
        &self,
        queue: &Arn,
        handles: &[String],
        change: impl Fn(&mut Vec<MemoryMessage>, usize),
    ) -> Result<(), ServiceError> {
        let mut queues = self.queues.lock();
        let queue = queues.get_mut(queue.as_str()).ok_or_else(no_queue)?;
        for handle in handles {
            let (id, receives) = handle.split_once('/').unwrap();
            let found = queue.messages.iter().position(|m| m.id == id && m.receives.to_string() == receives);
            if let Some(at) = found {
                change(&mut queue.messages, at);
            }
        }
        drop(queues);
        self.arrived.notify_waiters();
        Ok(())
    }
}

fn no_queue() -> ServiceError {
    ServiceError::new(400, "QueueDoesNotExist", "The specified queue does not exist.")
        .with_query_code("AWS.SimpleQueueService.NonExistentQueue")
}

#[async_trait]
impl Queues for MemoryQueues {
    async fn facts(&self, _call: &Call, queue: &Arn) -> Result<QueueFacts, ServiceError> {
        let queues = self.queues.lock();
        let queue = queues.get(queue.as_str()).ok_or_else(no_queue)?;
        Ok(QueueFacts { visibility_timeout: queue.visibility_timeout, fifo: queue.fifo })
    }

    async fn poll(&self, call: &Call, poll: Poll) -> Result<Vec<Message>, ServiceError> {
        assert!(matches!(&*call.principal, Principal::Session { role, .. } if role.as_str() == ROLE));
        let end = self.env.now() + poll.wait;
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let received = self.receive(&poll)?;
            if !received.is_empty() || self.env.now() >= end {
                return Ok(received);
            }
            let shown = {
                let queues = self.queues.lock();
                let hidden = queues[poll.queue.as_str()].messages.iter().map(|m| m.hidden_until);
                hidden.filter(|at| *at > self.env.now()).min().unwrap_or(end)
            };
            tokio::select! {
                () = arrived => {}
                () = self.env.sleep_until(end.min(shown)) => {}
            }
        }
    }

    async fn delete(&self, _call: &Call, queue: &Arn, handles: &[String]) -> Result<(), ServiceError> {
        self.change(queue, handles, |messages, at| drop(messages.remove(at)))
    }

    async fn hide(&self, _call: &Call, queue: &Arn, handles: &[String], lasts: Duration) -> Result<(), ServiceError> {
        let until = self.env.now() + lasts;
        self.change(queue, handles, |messages, at| messages[at].hidden_until = until)
    }
}
