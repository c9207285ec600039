//! Pipes of their own for each test, with sources and targets that the test looks into.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cauce_core::ports::{
    Access, AccessKey, ChangeRecord, Credentials, FunctionError, Functions, Identity, Invocation, InvocationOutcome,
    LogBatch, Logs, Message, Poll, QueueFacts, Queues, ServiceRequest, ServiceResponse, Services, StreamFacts,
    StreamPage, StreamRead, Streams, Verdict,
};
use cauce_core::{
    Account, Arn, Call, Env, ManualClock, Principal, Region, SeededEntropy, ServiceError, Timestamp, Trace,
};
use cauce_delivery::{Acceptance, Delivery, Effect, EffectId, Outcome, Target};
use cauce_pipes::{Pipes, PipesPorts, api};
use cauce_store::{Db, Owner, Tx};
use cauce_wire::Api;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

/// How long messages stay hidden.
pub(crate) const VISIBLE_AFTER: Duration = Duration::from_secs(30);

/// What no test should ever wait for.
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:us-east-1:000000000000:{resource}")
}

pub(crate) struct World {
    pub(crate) api: Api<Pipes>,
    pipes: Arc<Pipes>,
    db: Db,
    ports: PipesPorts,
    owner: Owner,
    pub(crate) around: Arc<Around>,
    pub(crate) clock: ManualClock,
    pub(crate) env: Env,
}

/// A message in the one queue.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) id: String,
    body: String,
    hidden_until: Timestamp,
    pub(crate) receives: u32,
}

/// What is around the pipes: one queue, one stream, functions, and whatever services are asked.
pub(crate) struct Around {
    env: Env,
    pub(crate) queue: Mutex<Vec<Kept>>,
    /// What was deleted from it.
    pub(crate) deleted: Mutex<Vec<Kept>>,
    /// How often messages were hidden for longer.
    pub(crate) renewals: Mutex<usize>,
    pub(crate) records: Mutex<Vec<ChangeRecord>>,
    pub(crate) letters: Mutex<Vec<Value>>,
    /// What functions were invoked with.
    pub(crate) invoked: Mutex<Vec<Value>>,
    /// What they do, one after the other; then they answer what they get.
    pub(crate) answers: Mutex<VecDeque<Does>>,
    /// What services were asked.
    pub(crate) asked: Mutex<Vec<(String, Value)>>,
    changed: Notify,
}

/// What a function does.
pub(crate) enum Does {
    Answers(Value),
    Fails,
    IsThrottled,
    Never,
    Takes(Duration),
}

impl World {
    pub(crate) async fn new() -> World {
        let clock = ManualClock::new(Timestamp::from_secs(1_700_000_000));
        let env = Env::new(clock.clone(), SeededEntropy::new(7));
        let db = Db::memory();
        let owner = Owner::acquire_all(&db, "test").await.unwrap();
        let delivery = Delivery::new(db.clone(), env.clone(), owner.clone());
        let around = Arc::new(Around {
            env: env.clone(),
            queue: Mutex::default(),
            deleted: Mutex::default(),
            renewals: Mutex::default(),
            records: Mutex::default(),
            letters: Mutex::default(),
            invoked: Mutex::default(),
            answers: Mutex::default(),
            asked: Mutex::default(),
            changed: Notify::new(),
        });
        delivery.register("sqs", around.clone());
        delivery.start().await.unwrap();
        let ports = PipesPorts {
            identity: around.clone(),
            functions: around.clone(),
            services: around.clone(),
            logs: around.clone(),
            delivery,
        };
        let pipes = Pipes::open(db.clone(), env.clone(), ports.clone());
        pipes.start(around.clone(), around.clone(), owner.clone()).await.unwrap();
        World { api: api(pipes.clone()), pipes, db, ports, owner, around, clock, env }
    }

    /// The program ends and begins anew.
    pub(crate) async fn restart(&mut self) {
        self.pipes.drain().await;
        let pipes = Pipes::open(self.db.clone(), self.env.clone(), self.ports.clone());
        pipes.start(self.around.clone(), self.around.clone(), self.owner.clone()).await.unwrap();
        (self.api, self.pipes) = (api(pipes.clone()), pipes);
    }

    fn call(&self) -> Call {
        let trace = Trace::start(self.env.now(), self.env.entropy());
        let own = Call::from_service(&self.env, "test", None, Account::DEFAULT, Region::default(), trace);
        let owner = Principal::Root { account: Account::DEFAULT, access_key_id: "test".into() };
        Call { principal: Arc::new(owner), ..own }
    }

    pub(crate) async fn ask(&self, operation: &str, input: Value) -> Result<Value, ServiceError> {
        let identity: Arc<dyn Identity> = self.around.clone();
        let answer = self.api.call_json(&identity, operation, self.call(), input.to_string().as_bytes()).await?;
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }

    /// Makes the pipe `p` from the queue, or the stream, to a target.
    pub(crate) async fn pipe(&self, source: &str, target: &str, extra: Value) {
        let mut input =
            json!({ "Name": "p", "Source": source, "Target": target, "RoleArn": "arn:aws:iam::000000000000:role/r" });
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        assert_eq!(self.ask("CreatePipe", input).await.unwrap()["CurrentState"], "CREATING");
    }

    pub(crate) fn send(&self, id: &str, body: &str) {
        let (id, body, hidden_until) = (id.to_owned(), body.to_owned(), Timestamp::EPOCH);
        self.around.queue.lock().push(Kept { id, body, hidden_until, receives: 0 });
        self.around.changed.notify_waiters();
    }

    pub(crate) fn change(&self, position: u64) {
        let json = json!({ "eventID": format!("e{position}"), "dynamodb": { "n": position } }).to_string();
        let (sequence_number, at) = (format!("s{position}"), self.env.now());
        self.around.records.lock().push(ChangeRecord { position, sequence_number, at, partition: 0, json });
        self.around.changed.notify_waiters();
    }

    /// Waits until a condition holds, while time goes on by `step` now and then.
    pub(crate) async fn until(&self, what: &str, step: Duration, mut condition: impl FnMut(&Around) -> bool) {
        let held = async {
            while !condition(&self.around) {
                tokio::time::sleep(Duration::from_millis(1)).await;
                self.clock.advance(step);
            }
        };
        tokio::time::timeout(LONG, held).await.unwrap_or_else(|_| panic!("never happened: {what}"));
    }

    /// Waits until a condition holds, while no time passes.
    pub(crate) async fn at_once(&self, what: &str, condition: impl FnMut(&Around) -> bool) {
        self.until(what, Duration::ZERO, condition).await;
    }
}

#[async_trait]
impl Queues for Around {
    async fn facts(&self, _: &Call, _: &Arn) -> Result<QueueFacts, ServiceError> {
        Ok(QueueFacts { visibility_timeout: VISIBLE_AFTER, fifo: false })
    }

    async fn poll(&self, call: &Call, poll: Poll) -> Result<Vec<Message>, ServiceError> {
        assert!(matches!(&*call.principal, Principal::Session { .. }));
        let end = self.env.now() + poll.wait;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = self.env.now();
            let mut found = Vec::new();
            let mut shown = end;
            for kept in self.queue.lock().iter_mut() {
                if kept.hidden_until > now && poll.queue.resource().ends_with(".fifo") {
                    // All its messages are of one group, and wait for one another.
                    shown = shown.min(kept.hidden_until);
                    break;
                } else if kept.hidden_until > now {
                    shown = shown.min(kept.hidden_until);
                } else if found.len() < poll.messages_max {
                    kept.hidden_until = now + VISIBLE_AFTER;
                    kept.receives += 1;
                    found.push(Message {
                        message_id: kept.id.clone(),
                        receipt_handle: kept.id.clone(),
                        body: kept.body.clone(),
                        md5_of_body: "md5".into(),
                        md5_of_message_attributes: None,
                        attributes: Vec::new(),
                        message_attributes: Map::new(),
                    });
                }
            }
            if !found.is_empty() || now >= end {
                return Ok(found);
            }
            tokio::select! {
                () = changed => {}
                () = self.env.sleep_until(shown) => {}
            }
        }
    }

    async fn delete(&self, _: &Call, _: &Arn, handles: &[String]) -> Result<(), ServiceError> {
        let mut queue = self.queue.lock();
        let (gone, left) = queue.drain(..).partition(|kept| handles.contains(&kept.id));
        *queue = left;
        drop(queue);
        self.deleted.lock().extend::<Vec<Kept>>(gone);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn hide(&self, _: &Call, _: &Arn, handles: &[String], lasts: Duration) -> Result<(), ServiceError> {
        let until = self.env.now() + lasts;
        let mut queue = self.queue.lock();
        queue.iter_mut().filter(|kept| handles.contains(&kept.id)).for_each(|kept| kept.hidden_until = until);
        drop(queue);
        *self.renewals.lock() += 1;
        self.changed.notify_waiters();
        Ok(())
    }
}

#[async_trait]
impl Streams for Around {
    async fn facts(&self, _: &Call, _: &Arn) -> Result<StreamFacts, ServiceError> {
        Ok(StreamFacts { shards: vec!["shard".into()], latest: vec![0] })
    }

    async fn read(&self, _: &Call, read: StreamRead) -> Result<StreamPage, ServiceError> {
        let end = self.env.now() + read.wait;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let records: Vec<_> = self.records.lock().iter().filter(|r| r.position > read.after).cloned().collect();
            if !records.is_empty() || self.env.now() >= end {
                return Ok(StreamPage { records, ended: false });
            }
            tokio::select! {
                () = changed => {}
                () = self.env.sleep_until(end) => {}
            }
        }
    }
}

#[async_trait]
impl Functions for Around {
    async fn authorize(&self, _: &Call, function: &Arn) -> Result<(), ServiceError> {
        match function.resource() {
            "function:closed" => Err(ServiceError::access_denied("it is closed")),
            _ => Ok(()),
        }
    }

    async fn invoke(&self, _: &Call, invocation: Invocation) -> Result<InvocationOutcome, ServiceError> {
        self.invoked.lock().push(serde_json::from_slice(&invocation.payload).unwrap());
        let does = self.answers.lock().pop_front();
        let (payload, error) = match does {
            None => (invocation.payload, None),
            Some(Does::Answers(answer)) => (answer.to_string().into(), None),
            Some(Does::Fails) => (Bytes::from_static(b"{}"), Some(FunctionError::Handled)),
            Some(Does::IsThrottled) => {
                return Err(ServiceError::new(429, "TooManyRequestsException", "Rate Exceeded."));
            }
            Some(Does::Never) => std::future::pending().await,
            Some(Does::Takes(time)) => {
                self.env.sleep(time).await;
                (invocation.payload, None)
            }
        };
        Ok(InvocationOutcome { payload, error, executed_version: "$LATEST".into(), log_tail: Bytes::new() })
    }
}

#[async_trait]
impl Services for Around {
    async fn request(&self, _: &Call, _: ServiceRequest) -> ServiceResponse {
        ServiceResponse { status: 404, headers: Vec::new(), body: Bytes::new() }
    }

    async fn operation(&self, _: &Call, service: &str, operation: &str, input: Bytes) -> ServiceResponse {
        self.asked.lock().push((format!("{service}:{operation}"), serde_json::from_slice(&input).unwrap()));
        ServiceResponse { status: 200, headers: Vec::new(), body: Bytes::from_static(b"{}") }
    }

    fn offers(&self, _: &str, _: &str) -> bool {
        true
    }
}

#[async_trait]
impl Logs for Around {
    async fn append(&self, _: LogBatch) -> Result<(), ServiceError> {
        Ok(())
    }
}

#[async_trait]
impl Target for Around {
    async fn accept(&self, _: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError> {
        self.letters.lock().push(serde_json::from_slice(&effect.payload).unwrap());
        Ok(Acceptance::Taken)
    }

    async fn perform(&self, _: EffectId, _: &Effect, _: u32) -> Outcome {
        Outcome::Done { detail: String::new() }
    }
}

#[async_trait]
impl Identity for Around {
    async fn access_key(&self, _: &str) -> Result<Option<AccessKey>, ServiceError> {
        Ok(None)
    }

    async fn assume_role(&self, _: &Arn, _: &str, _: &str) -> Result<Credentials, ServiceError> {
        Err(ServiceError::access_denied("sessions only"))
    }

    async fn session(&self, role: &Arn, service: &str, session: &str) -> Result<Principal, ServiceError> {
        assert_eq!(service, "pipes.amazonaws.com");
        let arn = Arn::global("sts", Account::DEFAULT, &format!("assumed-role/r/{session}"));
        Ok(Principal::Session { arn, role: role.clone(), id: "AROA".into(), access_key_id: "ASIA".into() })
    }

    async fn explain(&self, _: &Call, _: &Access<'_>) -> Result<Verdict, ServiceError> {
        Ok(Verdict::Allowed("test".into()))
    }
}
