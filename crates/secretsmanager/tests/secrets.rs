//! Secrets through their operations, in virtual time: what time does to them, and what a restart does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cauce_core::ports::{Access, AccessKey, Credentials, Identity, Verdict};
use cauce_core::{Account, Arn, Call, Env, ManualClock, Region, SeededEntropy, ServiceError, Timestamp, Trace};
use cauce_secretsmanager::{SecretsManager, api};
use cauce_store::Db;
use cauce_wire::Api;
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Allows what is done to whole ARNs, and to nothing in particular.
struct OnlyWholeArns;

#[async_trait]
impl Identity for OnlyWholeArns {
    async fn access_key(&self, _: &str) -> Result<Option<AccessKey>, ServiceError> {
        Ok(None)
    }

    async fn assume_role(&self, _: &Arn, _: &str, _: &str) -> Result<Credentials, ServiceError> {
        Err(ServiceError::access_denied("no roles here"))
    }

    async fn explain(&self, _: &Call, access: &Access<'_>) -> Result<Verdict, ServiceError> {
        let whole = access.resource.starts_with("arn:") && access.resource.rsplit('-').next().unwrap().len() == 6;
        let allowed = whole || access.resource == "*";
        Ok(if allowed { Verdict::Allowed(String::new()) } else { Verdict::Denied("because it has no end".into()) })
    }
}

struct World {
    db: Db,
    clock: ManualClock,
    env: Env,
    api: Api<SecretsManager>,
    identity: Arc<dyn Identity>,
    worker: tokio::task::JoinHandle<()>,
}

impl World {
    fn on(db: Db, clock: ManualClock, seed: u64) -> World {
        let env = Env::new(clock.clone(), SeededEntropy::new(seed));
        let identity: Arc<dyn Identity> = Arc::new(OnlyWholeArns);
        let secrets = SecretsManager::open(db.clone(), env.clone(), Arc::clone(&identity));
        let worker = tokio::spawn(Arc::clone(&secrets).run_deletions());
        World { db, clock, env, api: api(secrets), identity, worker }
    }

    fn new() -> World {
        World::on(Db::memory(), ManualClock::new(Timestamp::from_secs(1_700_000_000)), 1)
    }

    fn restart(self, seed: u64) -> World {
        self.worker.abort();
        World::on(self.db, self.clock, seed)
    }

    async fn call(&self, operation: &str, input: Value) -> Result<Value, ServiceError> {
        let trace = Trace::start(self.env.now(), self.env.entropy());
        let call = Call::from_service(&self.env, "test", None, Account::DEFAULT, Region::default(), trace);
        let body = self.api.call_json(&self.identity, operation, call, input.to_string().as_bytes()).await?;
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        self.call(operation, input).await.unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    async fn code(&self, operation: &str, input: Value) -> String {
        self.call(operation, input).await.unwrap_err().code().to_owned()
    }

    /// How many rows there are at all.
    async fn rows(&self) -> usize {
        let everything = (bytes::Bytes::new(), bytes::Bytes::from_static(&[0xFF]));
        self.db.range(cauce_store::RangeReq::new(everything, 100)).await.unwrap().rows.len()
    }

    /// Lets the worker run until nothing is left, or for as long as it may need.
    async fn until_empty(&self) {
        for _ in 0..1_000 {
            if self.rows().await == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{} rows are left", self.rows().await);
    }
}

#[tokio::test]
async fn a_secret_goes_when_its_window_has_passed_and_not_before() {
    let world = World::new();
    let made = world.ok("CreateSecret", json!({ "Name": "a/b", "SecretString": "x" })).await;
    world.ok("DeleteSecret", json!({ "SecretId": "a/b", "RecoveryWindowInDays": 7 })).await;
    world.clock.advance(6 * DAY);
    let world = world.restart(2);
    world.ok("RestoreSecret", json!({ "SecretId": made["ARN"] })).await;
    assert_eq!(world.ok("GetSecretValue", json!({ "SecretId": "a/b" })).await["SecretString"], "x");
    world.ok("DeleteSecret", json!({ "SecretId": "a/b", "RecoveryWindowInDays": 7 })).await;
    world.clock.advance(7 * DAY);
    assert_eq!(world.code("DescribeSecret", json!({ "SecretId": made["ARN"] })).await, "ResourceNotFoundException");
    world.until_empty().await;
}

#[tokio::test]
async fn a_name_can_be_used_again_before_the_old_rows_are_gone() {
    let world = World::new();
    world.worker.abort();
    let old = world.ok("CreateSecret", json!({ "Name": "n", "SecretString": "old" })).await;
    world.ok("DeleteSecret", json!({ "SecretId": "n" })).await;
    assert_eq!(world.code("CreateSecret", json!({ "Name": "n" })).await, "InvalidRequestException");
    world.clock.advance(30 * DAY);
    let new = world.ok("CreateSecret", json!({ "Name": "n", "SecretString": "new" })).await;
    assert_ne!(old["ARN"], new["ARN"]);
    let input = json!({ "SecretId": new["ARN"], "VersionId": old["VersionId"] });
    assert_eq!(world.code("GetSecretValue", input).await, "ResourceNotFoundException");
    // The worker that comes late takes nothing of the new one.
    let world = world.restart(3);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.ok("GetSecretValue", json!({ "SecretId": new["ARN"] })).await["SecretString"], "new");
}

#[tokio::test]
async fn policies_see_the_whole_arn_whatever_the_request_says() {
    let world = World::new();
    let made = world.ok("CreateSecret", json!({ "Name": "n", "SecretString": "x" })).await;
    let arn = made["ARN"].as_str().unwrap();
    for id in ["n", arn, arn.rsplit_once('-').unwrap().0] {
        world.ok("GetSecretValue", json!({ "SecretId": id })).await;
    }
    assert_eq!(world.code("GetSecretValue", json!({ "SecretId": "nobody" })).await, "AccessDeniedException");
}

#[tokio::test]
async fn the_day_of_the_last_access_is_kept() {
    let world = World::new();
    world.ok("CreateSecret", json!({ "Name": "n", "SecretString": "x" })).await;
    assert!(world.ok("DescribeSecret", json!({ "SecretId": "n" })).await.get("LastAccessedDate").is_none());
    world.ok("GetSecretValue", json!({ "SecretId": "n" })).await;
    let first = world.ok("DescribeSecret", json!({ "SecretId": "n" })).await["LastAccessedDate"].as_f64().unwrap();
    assert_eq!(first % 86_400.0, 0.0);
    world.clock.advance(2 * DAY);
    world.ok("GetSecretValue", json!({ "SecretId": "n" })).await;
    let second = world.ok("DescribeSecret", json!({ "SecretId": "n" })).await["LastAccessedDate"].as_f64().unwrap();
    assert_eq!(second - first, 2.0 * 86_400.0);
}

#[tokio::test]
async fn no_value_is_repeated_in_a_refusal() {
    let world = World::new();
    let input = json!({ "Name": "n", "SecretString": "hidden".repeat(20_000) });
    let error = world.call("CreateSecret", input).await.unwrap_err();
    assert!(error.code() == "ValidationException" && !error.message().contains("hidden"));
}
