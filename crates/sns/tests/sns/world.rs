//! SNS with a queue, a function and a web that keep what they receive, in virtual time.

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::{
    Access, AccessKey, Credentials, Http, HttpFailure, HttpRequest, HttpResponse, Identity, Verdict,
};
use cauce_core::{
    Account, Arn, Call, Env, ManualClock, Principal, Region, SeededEntropy, ServiceError, Timestamp, Trace,
};
use cauce_delivery::{Acceptance, Delivery, Effect, EffectId, Outcome, Policy, Target};
use cauce_sns::{Sns, SnsOptions, SnsTarget, api};
use cauce_store::{Db, Key, Kind, Owner, RangeReq, Tx};
use cauce_wire::Api;
use parking_lot::Mutex;
use serde_json::{Value, json};

const START: &str = "2026-03-06T12:00:00Z";
const QUEUED: Kind = Kind::new(0x7F01);

/// Allows the account everything, and services what the resource's policy names them in.
struct Policies;

#[async_trait]
impl Identity for Policies {
    async fn access_key(&self, _: &str) -> Result<Option<AccessKey>, ServiceError> {
        Ok(None)
    }

    async fn assume_role(&self, _: &Arn, _: &str, _: &str) -> Result<Credentials, ServiceError> {
        Err(ServiceError::access_denied("no roles here"))
    }

    async fn explain(&self, call: &Call, access: &Access<'_>) -> Result<Verdict, ServiceError> {
        let allowed = match &*call.principal {
            Principal::Service { name, .. } => access.resource_policy.is_some_and(|policy| policy.contains(name)),
            _ => true,
        };
        Ok(if allowed { Verdict::Allowed(String::new()) } else { Verdict::Denied("because of nothing".into()) })
    }
}

/// Queues: takes effects in their transactions, as rows, so that what commits can be told from what does not.
struct Queues;

#[async_trait]
impl Target for Queues {
    async fn accept(&self, tx: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError> {
        if effect.target.resource().starts_with("gone") {
            return Err(ServiceError::new(404, "NO_RESOURCE", "The queue is gone"));
        }
        let number = tx.get_counter(&Key::new(QUEUED).build()).await?;
        tx.add(Key::new(QUEUED).build(), 1)?;
        let key = Key::new(QUEUED).u64(u64::try_from(number).unwrap()).build();
        let row = json!({
            "queue": effect.target.resource(),
            "body": String::from_utf8(effect.payload.to_vec()).unwrap(),
            "attributes": effect.attributes,
        });
        tx.set(key, row.to_string());
        Ok(Acceptance::Taken)
    }

    async fn perform(&self, _: EffectId, _: &Effect, _: u32) -> Outcome {
        unreachable!("queues take effects at once")
    }
}

/// Functions that keep what they are invoked with.
#[derive(Default)]
pub(crate) struct Functions(pub(crate) Mutex<Vec<Value>>);

#[async_trait]
impl Target for Functions {
    async fn accept(&self, _: &Tx, _: &Effect) -> Result<Acceptance, ServiceError> {
        Ok(Acceptance::Later(None))
    }

    async fn perform(&self, _: EffectId, effect: &Effect, _: u32) -> Outcome {
        self.0.lock().push(serde_json::from_slice(&effect.payload).unwrap());
        Outcome::Done { detail: String::new() }
    }
}

/// A server elsewhere that keeps what it is sent and answers these statuses, the last one for ever.
#[derive(Default)]
pub(crate) struct Web {
    pub(crate) requests: Mutex<Vec<HttpRequest>>,
    pub(crate) statuses: Mutex<Vec<u16>>,
}

#[async_trait]
impl Http for Web {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        self.requests.lock().push(request);
        let mut statuses = self.statuses.lock();
        let status = if statuses.len() > 1 { statuses.remove(0) } else { statuses.first().copied().unwrap_or(200) };
        Ok(HttpResponse { status, headers: Vec::new(), body: "".into() })
    }
}

/// One message in a queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Queued {
    pub(crate) queue: String,
    pub(crate) body: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Queued {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) clock: ManualClock,
    pub(crate) delivery: Delivery,
    pub(crate) functions: Arc<Functions>,
    pub(crate) web: Arc<Web>,
    pub(crate) sns: Arc<Sns>,
    pub(crate) identity: Arc<dyn Identity>,
    api: Api<Sns>,
    read: Mutex<usize>,
}

pub(crate) const ACCOUNT: &str = "000000000000";

pub(crate) fn queue(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{name}")
}

impl World {
    pub(crate) async fn new() -> World {
        World::on(Db::memory(), ManualClock::new(Timestamp::parse(START).unwrap()), 1).await
    }

    async fn on(db: Db, clock: ManualClock, seed: u64) -> World {
        let env = Env::new(clock.clone(), SeededEntropy::new(seed));
        let owner = Owner::acquire_all(&db, "test").await.unwrap();
        let delivery = Delivery::new(db.clone(), env.clone(), owner);
        let identity: Arc<dyn Identity> = Arc::new(Policies);
        let options = SnsOptions { endpoint: "http://127.0.0.1:4566".to_owned() };
        let sns = Sns::open(db.clone(), env.clone(), delivery.clone(), Arc::clone(&identity), options);
        let (functions, web) = (Arc::new(Functions::default()), Arc::new(Web::default()));
        delivery.register("sqs", Arc::new(Queues));
        delivery.register("lambda", Arc::clone(&functions) as Arc<dyn Target>);
        delivery.register("sns", Arc::new(SnsTarget::new(Arc::clone(&sns), Arc::clone(&web) as Arc<dyn Http>)));
        delivery.start().await.unwrap();
        let api = api(Arc::clone(&sns));
        World { db, env, clock, delivery, functions, web, sns, identity, api, read: Mutex::new(0) }
    }

    /// The program ends without warning and starts again.
    pub(crate) async fn restart(self, seed: u64) -> World {
        self.delivery.stop();
        let read = *self.read.lock();
        let next = World::on(self.db, self.clock, seed).await;
        *next.read.lock() = read;
        next
    }

    pub(crate) fn call(&self) -> Call {
        let trace = Trace::start(self.env.now(), self.env.entropy());
        let mut call = Call::from_service(&self.env, "test", None, Account::DEFAULT, Region::default(), trace);
        call.principal = Arc::new(Principal::Root { account: Account::DEFAULT, access_key_id: String::new() });
        call
    }

    pub(crate) async fn try_call(&self, operation: &str, input: Value) -> Result<Value, ServiceError> {
        self.call_as(self.call(), operation, input).await
    }

    pub(crate) async fn call_as(&self, call: Call, operation: &str, input: Value) -> Result<Value, ServiceError> {
        let body = self.api.call_json(&self.identity, operation, call, input.to_string().as_bytes()).await?;
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
    }

    pub(crate) async fn ok(&self, operation: &str, input: Value) -> Value {
        self.try_call(operation, input).await.unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    pub(crate) async fn refused(&self, operation: &str, input: Value) -> String {
        self.try_call(operation, input).await.expect_err(operation).to_string()
    }

    pub(crate) async fn topic(&self, name: &str) -> String {
        let attributes = if name.ends_with(".fifo") { json!({"FifoTopic": "true"}) } else { json!({}) };
        let made = self.ok("CreateTopic", json!({"Name": name, "Attributes": attributes})).await;
        made["TopicArn"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn subscribe(&self, topic: &str, protocol: &str, endpoint: &str, attributes: Value) -> String {
        let input = json!({
            "TopicArn": topic, "Protocol": protocol, "Endpoint": endpoint, "Attributes": attributes,
            "ReturnSubscriptionArn": true,
        });
        self.ok("Subscribe", input).await["SubscriptionArn"].as_str().unwrap().to_owned()
    }

    /// A subscription of a queue that gets nothing but the text.
    pub(crate) async fn raw(&self, topic: &str, name: &str) -> String {
        self.subscribe(topic, "sqs", &queue(name), json!({"RawMessageDelivery": "true"})).await
    }

    pub(crate) async fn publish(&self, topic: &str, text: &str) -> Value {
        self.ok("Publish", json!({"TopicArn": topic, "Message": text})).await
    }

    /// What has come into queues since the last look.
    pub(crate) async fn queued(&self) -> Vec<Queued> {
        let rows =
            self.db.begin().snapshot_range(RangeReq::new(Key::new(QUEUED).prefix_range(), 20_000)).await.unwrap();
        let messages = rows.iter().filter_map(|row| {
            let row: Value = serde_json::from_slice(&row.val).ok()?;
            Some(Queued {
                queue: row.get("queue")?.as_str()?.to_owned(),
                body: row["body"].as_str().unwrap().to_owned(),
                attributes: serde_json::from_value(row["attributes"].clone()).unwrap(),
            })
        });
        let all: Vec<Queued> = messages.collect();
        let mut read = self.read.lock();
        let new = all[*read..].to_vec();
        *read = all.len();
        new
    }

    /// Lets everything end that is under way and not waiting for its time.
    pub(crate) async fn settle(&self) {
        for _ in 0..4_000 {
            tokio::task::yield_now().await;
        }
    }

    /// An effect of another service on `target`, sent and committed.
    pub(crate) async fn send(&self, service: &str, target: &str, payload: &str, dead_letter: Option<&str>) {
        let policy = Policy { dead_letter: dead_letter.map(|arn| arn.parse().unwrap()), ..Policy::eventbridge() };
        let effect = Effect {
            target: target.parse().unwrap(),
            cause: "rule/default/r".to_owned(),
            service: service.to_owned(),
            source: Some(format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/r").parse().unwrap()),
            account: Account::DEFAULT,
            region: Region::default(),
            trace: Trace::start(self.env.now(), self.env.entropy()),
            policy,
            attributes: Vec::new(),
            hops: 0,
            payload: payload.to_owned().into(),
        };
        let sent = self.db.transact(async |tx| self.delivery.send(&tx, effect.clone()).await);
        sent.await.unwrap();
    }
}
