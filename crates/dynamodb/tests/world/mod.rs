//! The service on a store, called through its operations, in virtual time.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;

use async_trait::async_trait;
use cauce_core::ports::{Access, AccessKey, Credentials, Identity, Verdict};
use cauce_core::{Account, Arn, Call, Env, ManualClock, Region, SeededEntropy, ServiceError, Timestamp, Trace};
use cauce_dynamodb::{DynamoDb, DynamoDbOptions, api, streams_api};
use cauce_store::{Db, Owner};
use cauce_wire::Api;
use serde_json::Value;

/// Allows everything; whoever may do what is tested where policies live.
struct Everyone;

#[async_trait]
impl Identity for Everyone {
    async fn access_key(&self, _: &str) -> Result<Option<AccessKey>, ServiceError> {
        Ok(None)
    }

    async fn assume_role(&self, _: &Arn, _: &str, _: &str) -> Result<Credentials, ServiceError> {
        Err(ServiceError::access_denied("no roles here"))
    }

    async fn explain(&self, _: &Call, _: &Access<'_>) -> Result<Verdict, ServiceError> {
        Ok(Verdict::Allowed(String::new()))
    }
}

pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) tables: Arc<DynamoDb>,
    env: Env,
    identity: Arc<dyn Identity>,
    api: Api<DynamoDb>,
    streams: Api<DynamoDb>,
}

impl World {
    pub(crate) async fn on(db: &Db) -> World {
        World::with(DynamoDbOptions::default(), db).await
    }

    pub(crate) async fn with(options: DynamoDbOptions, db: &Db) -> World {
        let clock = ManualClock::new(Timestamp::from_secs(1_800_000_000));
        let env = Env::new(clock.clone(), SeededEntropy::new(7));
        let identity: Arc<dyn Identity> = Arc::new(Everyone);
        let owner = Owner::acquire_all(db, "test").await.unwrap();
        let tables = DynamoDb::open(options, db.clone(), env.clone(), owner, Arc::clone(&identity)).await.unwrap();
        let (api, streams) = (api(Arc::clone(&tables)), streams_api(Arc::clone(&tables)));
        World { clock, api, streams, tables, env, identity }
    }

    pub(crate) async fn call(&self, operation: &str, input: Value) -> Result<Value, ServiceError> {
        let trace = Trace::start(self.env.now(), self.env.entropy());
        let call = Call::from_service(&self.env, "test", None, Account::DEFAULT, Region::default(), trace);
        let of_streams = self.streams.operations().any(|name| name == operation);
        let api = if of_streams { &self.streams } else { &self.api };
        let body = api.call_json(&self.identity, operation, call, input.to_string().as_bytes()).await?;
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
    }

    pub(crate) async fn ok(&self, operation: &str, input: Value) -> Value {
        let shown = input.to_string();
        self.call(operation, input).await.unwrap_or_else(|error| panic!("{operation} {shown}: {error:?}"))
    }
}
