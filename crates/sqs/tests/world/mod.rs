//! A queue service in virtual time, called as wire calls it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cauce_core::ports::{Access, AccessKey, Credentials, Identity, Verdict};
use cauce_core::{
    Account, Arn, Call, Env, ManualClock, Principal, Region, SeededEntropy, ServiceError, Timestamp, Trace,
};
use cauce_delivery::Delivery;
use cauce_sqs::{QueueTarget, Sqs, SqsOptions, api};
use cauce_store::{Db, Owner};
use cauce_wire::Api;
use serde_json::{Value, json};

/// Allows everything but what a service does without the word of a policy.
pub(crate) struct Everyone;

#[async_trait]
impl Identity for Everyone {
    async fn access_key(&self, _: &str) -> Result<Option<AccessKey>, ServiceError> {
        Ok(None)
    }

    async fn assume_role(&self, _: &Arn, _: &str, _: &str) -> Result<Credentials, ServiceError> {
        Err(ServiceError::access_denied("no roles here"))
    }

    async fn explain(&self, call: &Call, access: &Access<'_>) -> Result<Verdict, ServiceError> {
        let Principal::Service { name, source, .. } = &*call.principal else {
            return Ok(Verdict::Allowed(String::new()));
        };
        let policy = access.resource_policy.unwrap_or_default();
        let source = source.as_ref().map(ToString::to_string).unwrap_or_default();
        if policy.contains(name.as_str()) && policy.contains(&source) {
            return Ok(Verdict::Allowed(String::new()));
        }
        Ok(Verdict::Denied(format!("because no resource-based policy allows the {} action", access.action)))
    }

    fn check_resource_policy(&self, document: &str) -> Result<(), String> {
        serde_json::from_str::<serde_json::Map<String, Value>>(document).map(drop).map_err(|error| error.to_string())
    }
}

pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) env: Env,
    pub(crate) clock: ManualClock,
    pub(crate) owner: Owner,
    pub(crate) delivery: Delivery,
    pub(crate) sqs: Arc<Sqs>,
    pub(crate) api: Api<Sqs>,
    pub(crate) identity: Arc<dyn Identity>,
    options: SqsOptions,
}

impl World {
    pub(crate) async fn new() -> World {
        World::with(SqsOptions::default()).await
    }

    pub(crate) async fn with(options: SqsOptions) -> World {
        let start = Timestamp::parse("2026-03-06T12:00:00Z").unwrap();
        World::on(options, Db::memory(), ManualClock::new(start), 1).await
    }

    async fn on(options: SqsOptions, db: Db, clock: ManualClock, seed: u64) -> World {
        let env = Env::new(clock.clone(), SeededEntropy::new(seed));
        let owner = Owner::acquire_all(&db, "test").await.unwrap();
        let delivery = Delivery::new(db.clone(), env.clone(), owner.clone());
        let identity: Arc<dyn Identity> = Arc::new(Everyone);
        let sqs = Sqs::open(options, db.clone(), env.clone(), owner.clone(), Arc::clone(&identity));
        delivery.register("sqs", Arc::new(QueueTarget::new(Arc::clone(&sqs))));
        World { db, env, clock, owner, delivery, api: api(Arc::clone(&sqs)), sqs, identity, options }
    }

    /// The program ends without warning and starts again.
    pub(crate) async fn restart(self, seed: u64) -> World {
        World::on(self.options, self.db, self.clock, seed).await
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn call(&self) -> Call {
        let trace = Trace::start(self.env.now(), self.env.entropy());
        let mut call = Call::from_service(&self.env, "test", None, Account::DEFAULT, Region::default(), trace);
        call.principal = Arc::new(Principal::Root { account: Account::DEFAULT, access_key_id: "test".into() });
        call
    }

    pub(crate) async fn ask(&self, operation: &str, input: Value) -> Result<Value, ServiceError> {
        let body = serde_json::to_vec(&input).unwrap();
        let answer = self.api.call_json(&self.identity, operation, self.call(), &body).await?;
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer).unwrap() })
    }

    pub(crate) async fn must(&self, operation: &str, input: Value) -> Value {
        self.ask(operation, input.clone()).await.unwrap_or_else(|error| panic!("{operation} {input}: {error:?}"))
    }

    /// Code of the query protocol and message of a refusal.
    pub(crate) async fn refused(&self, operation: &str, input: Value) -> (String, String) {
        match self.ask(operation, input.clone()).await {
            Ok(answer) => panic!("{operation} {input}: {answer}"),
            Err(error) => (error.query_code().to_owned(), error.message().to_owned()),
        }
    }

    /// Makes a queue and returns its URL.
    pub(crate) async fn queue(&self, name: &str, attributes: Value) -> String {
        let made = self.must("CreateQueue", json!({ "QueueName": name, "Attributes": attributes })).await;
        made["QueueUrl"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn send(&self, url: &str, body: &str) -> Value {
        self.must("SendMessage", json!({ "QueueUrl": url, "MessageBody": body })).await
    }

    pub(crate) async fn send_to_group(&self, url: &str, group: &str, body: &str) -> Value {
        let id = format!("{group}{body}");
        let input = json!({
            "QueueUrl": url, "MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": id,
        });
        self.must("SendMessage", input).await
    }

    /// Receives at most ten messages, all attributes shown.
    pub(crate) async fn receive(&self, url: &str) -> Vec<Value> {
        self.receive_with(url, json!({ "MaxNumberOfMessages": 10 })).await
    }

    pub(crate) async fn receive_with(&self, url: &str, more: Value) -> Vec<Value> {
        let mut input = json!({ "QueueUrl": url, "AttributeNames": ["All"], "MessageAttributeNames": ["All"] });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = self.must("ReceiveMessage", input).await;
        answer.get("Messages").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    pub(crate) async fn delete(&self, url: &str, message: &Value) {
        self.must("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] })).await;
    }

    pub(crate) async fn attribute(&self, url: &str, name: &str) -> String {
        let answer = self.must("GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": [name] })).await;
        answer["Attributes"][name].as_str().unwrap_or_default().to_owned()
    }

    /// Visible, in flight, delayed.
    pub(crate) async fn counts(&self, url: &str) -> [u64; 3] {
        let answer = self.must("GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": ["All"] })).await;
        ["", "NotVisible", "Delayed"].map(|which| {
            answer["Attributes"][format!("ApproximateNumberOfMessages{which}")].as_str().unwrap().parse().unwrap()
        })
    }
}

pub(crate) fn bodies(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["Body"].as_str().unwrap()).collect()
}
