//! EventBridge Scheduler through its operations, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cauce_core::ports::{Access, AccessKey, Credentials, Identity, ServiceRequest, ServiceResponse, Services, Verdict};
use cauce_core::{
    Account, Arn, Call, CreateRequest, Env, ManualClock, Principal, Region, SeededEntropy, ServiceError, Timestamp,
    Trace,
};
use cauce_delivery::{Acceptance, Delivery, Effect, EffectId, Outcome, ROLE_ARN, Target, dead_letters};
use cauce_eventbridge::scheduler::{Scheduler, UniversalTarget, api, resource_types, run};
use cauce_store::{Db, Owner, Tx};
use cauce_wire::Api;
use parking_lot::Mutex;
use serde_json::{Value, json};

const START: &str = "2026-03-06T12:00:00Z";
const ROLE: &str = "arn:aws:iam::000000000000:role/planner";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

/// Knows one role, which the scheduler may assume; forbids whatever ends in `forbidden`.
struct OneRole;

#[async_trait]
impl Identity for OneRole {
    async fn access_key(&self, id: &str) -> Result<Option<AccessKey>, ServiceError> {
        let principal = Principal::Root { account: Account::DEFAULT, access_key_id: id.to_owned() };
        Ok(Some(AccessKey { secret: String::new(), session_token: None, principal, expires: None }))
    }

    async fn assume_role(&self, role: &Arn, service: &str, _: &str) -> Result<Credentials, ServiceError> {
        if role.as_str() != ROLE || service != "scheduler.amazonaws.com" {
            return Err(ServiceError::access_denied("no"));
        }
        Ok(Credentials {
            access_key_id: "ASIA".into(),
            secret_access_key: String::new(),
            session_token: String::new(),
            expires: Timestamp::EPOCH,
        })
    }

    async fn explain(&self, _: &Call, access: &Access<'_>) -> Result<Verdict, ServiceError> {
        Ok(match access.resource.ends_with("forbidden") {
            true => Verdict::Denied("because no identity-based policy allows it".into()),
            false => Verdict::Allowed(String::new()),
        })
    }
}

/// Every effect on a function that was performed, and every operation that was asked for.
#[derive(Default)]
struct Seen {
    effects: Mutex<Vec<(Timestamp, Effect)>>,
    operations: Mutex<Vec<(String, String)>>,
}

struct Functions(Arc<Seen>, Env);

#[async_trait]
impl Target for Functions {
    async fn accept(&self, _: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError> {
        if effect.target.resource() == "function:gone" {
            return Err(ServiceError::new(404, "ResourceNotFoundException", "Function not found"));
        }
        Ok(Acceptance::Later(None))
    }

    async fn perform(&self, _: EffectId, effect: &Effect, _: u32) -> Outcome {
        self.0.effects.lock().push((self.1.now(), effect.clone()));
        Outcome::Done { detail: String::new() }
    }
}

struct Named(Arc<Seen>);

#[async_trait]
impl Services for Named {
    async fn request(&self, _: &Call, _: ServiceRequest) -> ServiceResponse {
        panic!("a schedule names operations");
    }

    async fn operation(&self, call: &Call, service: &str, operation: &str, input: Bytes) -> ServiceResponse {
        let shown = format!("{service}:{operation} as {}", call.principal);
        self.0.operations.lock().push((shown, String::from_utf8(input.to_vec()).unwrap()));
        let status = if operation == "DeleteQueue" { 400 } else { 200 };
        ServiceResponse { status, headers: vec![("x-amzn-errortype".into(), "Odd".into())], body: "{}".into() }
    }

    fn offers(&self, service: &str, operation: &str) -> bool {
        service == "sqs" && ["SendMessage", "DeleteQueue", "ListQueues"].contains(&operation)
    }
}

struct World {
    db: Db,
    env: Env,
    clock: ManualClock,
    delivery: Delivery,
    seen: Arc<Seen>,
    api: Api<Scheduler>,
    scheduler: Arc<Scheduler>,
    identity: Arc<dyn Identity>,
    timer: tokio::task::JoinHandle<()>,
}

impl World {
    async fn new() -> World {
        World::on(Db::memory(), ManualClock::new(Timestamp::parse(START).unwrap()), Arc::default(), 1).await
    }

    async fn on(db: Db, clock: ManualClock, seen: Arc<Seen>, seed: u64) -> World {
        let env = Env::new(clock.clone(), SeededEntropy::new(seed));
        let owner = Owner::acquire_all(&db, "test").await.unwrap();
        let delivery = Delivery::new(db.clone(), env.clone(), owner);
        let identity: Arc<dyn Identity> = Arc::new(OneRole);
        let services = Arc::new(Named(Arc::clone(&seen)));
        let scheduler = Scheduler::open(db.clone(), env.clone(), delivery.clone(), Arc::clone(&identity), services);
        delivery.register("lambda", Arc::new(Functions(Arc::clone(&seen), env.clone())));
        delivery.register("scheduler", Arc::new(UniversalTarget::new(Arc::clone(&scheduler))));
        delivery.start().await.unwrap();
        let timer = tokio::spawn(run(Arc::clone(&scheduler)));
        let api = api(Arc::clone(&scheduler));
        World { db, env, clock, delivery, seen, api, scheduler, identity, timer }
    }

    /// The program ends without warning and starts again.
    async fn restart(self, seed: u64) -> World {
        self.timer.abort();
        self.delivery.stop();
        World::on(self.db, self.clock, self.seen, seed).await
    }

    fn call(&self) -> Call {
        let trace = Trace::start(self.env.now(), self.env.entropy());
        let mut call = Call::from_service(&self.env, "test", None, Account::DEFAULT, Region::default(), trace);
        call.principal = Arc::new(Principal::Root { account: Account::DEFAULT, access_key_id: "AKIA".into() });
        call
    }

    async fn ask(&self, operation: &str, input: Value) -> Result<Value, ServiceError> {
        let body = self.api.call_json(&self.identity, operation, self.call(), input.to_string().as_bytes()).await?;
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        self.ask(operation, input).await.unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    /// Lets everybody work who can without time passing.
    async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds.div_ceil(20) {
            self.clock.advance(Duration::from_secs(20.min(seconds)));
            self.settle().await;
        }
    }

    fn times(&self) -> Vec<String> {
        self.seen.effects.lock().iter().map(|(at, _)| at.iso_secs()).collect()
    }
}

fn schedule(name: &str, expression: &str, changes: Value) -> Value {
    let mut input = json!({
        "Name": name,
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": { "Arn": FUNCTION, "RoleArn": ROLE },
    });
    for (member, value) in changes.as_object().unwrap() {
        input[member] = value.clone();
    }
    input
}

#[tokio::test]
async fn a_rate_happens_at_once_and_then_regularly() {
    let world = World::new().await;
    let made = world.ok("CreateSchedule", schedule("s", "rate(1 minute)", json!({}))).await;
    assert_eq!(made["ScheduleArn"], "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s");
    world.settle().await;
    world.pass(120).await;
    assert_eq!(world.times(), ["2026-03-06T12:00:00Z", "2026-03-06T12:01:00Z", "2026-03-06T12:02:00Z"]);
    let (_, effect) = world.seen.effects.lock()[1].clone();
    let heard: Value = serde_json::from_slice(&effect.payload).unwrap();
    assert_eq!(
        (heard["source"].as_str(), heard["time"].as_str()),
        (Some("aws.scheduler"), Some("2026-03-06T12:01:00Z"))
    );
    assert_eq!(effect.attribute(ROLE_ARN), Some(ROLE));
    world.ok("DeleteSchedule", json!({ "Name": "s" })).await;
    world.pass(120).await;
    assert_eq!(world.times().len(), 3);
    let gone = world.ask("GetSchedule", json!({ "Name": "s" })).await.unwrap_err();
    assert_eq!((gone.status(), gone.message()), (404, "Schedule s does not exist."));
}

#[tokio::test]
async fn once_in_a_time_zone_then_gone() {
    let world = World::new().await;
    let at = json!({
        "ScheduleExpressionTimezone": "America/Bogota",
        "ActionAfterCompletion": "DELETE",
        "Target": { "Arn": FUNCTION, "RoleArn": ROLE, "Input": "{\"at\":\"<aws.scheduler.scheduled-time>\",\"by\":\"<aws.scheduler.schedule-arn>\"}" },
    });
    world.ok("CreateSchedule", schedule("s", "at(2026-03-06T07:05:00)", at)).await;
    world.pass(280).await;
    assert!(world.times().is_empty());
    world.pass(40).await;
    assert_eq!(world.times(), ["2026-03-06T12:05:00Z"]);
    let (_, effect) = world.seen.effects.lock()[0].clone();
    let expect = r#"{"at":"2026-03-06T12:05:00Z","by":"arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"}"#;
    assert_eq!(effect.payload, expect);
    assert!(world.ask("GetSchedule", json!({ "Name": "s" })).await.is_err());
    // One that stays is there and never happens again.
    world.ok("CreateSchedule", schedule("stays", "at(2026-03-06T12:10:00)", json!({}))).await;
    world.pass(600).await;
    assert_eq!(world.times().len(), 2);
    assert_eq!(world.ok("GetSchedule", json!({ "Name": "stays" })).await["State"], "ENABLED");
}

#[tokio::test]
async fn start_end_window_and_state() {
    let world = World::new().await;
    let start = Timestamp::parse("2026-03-06T12:02:00Z").unwrap().as_secs();
    let dates = json!({ "StartDate": start, "EndDate": start + 60 });
    world.ok("CreateSchedule", schedule("dated", "rate(1 minute)", dates)).await;
    world.pass(600).await;
    assert_eq!(world.times(), ["2026-03-06T12:02:00Z", "2026-03-06T12:03:00Z"]);
    world.seen.effects.lock().clear();

    let window = json!({ "FlexibleTimeWindow": { "Mode": "FLEXIBLE", "MaximumWindowInMinutes": 10 } });
    world.ok("CreateSchedule", schedule("loose", "at(2026-03-06T13:00:00)", window)).await;
    world.pass(50 * 60 - 20).await;
    assert!(world.times().is_empty());
    world.pass(10 * 60 + 40).await;
    assert_eq!(world.times().len(), 1);
    world.seen.effects.lock().clear();

    let off = json!({ "State": "DISABLED" });
    world.ok("CreateSchedule", schedule("off", "rate(1 minute)", off)).await;
    world.pass(120).await;
    assert!(world.times().is_empty());
    world.ok("UpdateSchedule", schedule("off", "rate(1 hour)", json!({}))).await;
    world.pass(120).await;
    assert_eq!(world.times().len(), 1);
}

#[tokio::test]
async fn each_occurrence_once_across_a_restart() {
    let mut world = World::new().await;
    world.ok("CreateSchedule", schedule("s", "cron(0/5 * * * ? *)", json!({}))).await;
    world.settle().await;
    for seed in 2..8 {
        world.pass(100).await;
        world = world.restart(seed).await;
        world.settle().await;
    }
    assert_eq!(world.times(), ["2026-03-06T12:00:00Z", "2026-03-06T12:05:00Z", "2026-03-06T12:10:00Z"]);
    // While nothing runs three are missed; the first is made up for.
    world.timer.abort();
    world.clock.advance(Duration::from_secs(15 * 60));
    world = world.restart(9).await;
    world.settle().await;
    assert_eq!(world.times().len(), 4);
    world.pass(300).await;
    assert_eq!(world.times().len(), 5);
}

#[tokio::test]
async fn any_operation_under_the_role() {
    let world = World::new().await;
    let send = json!({ "Target": { "Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "RoleArn": ROLE, "Input": r#"{"QueueUrl":"q"}"# } });
    world.ok("CreateSchedule", schedule("send", "at(2026-03-06T12:01:00)", send)).await;
    let fail = json!({ "Target": { "Arn": "arn:aws:scheduler:::aws-sdk:sqs:deleteQueue", "RoleArn": ROLE } });
    world.ok("CreateSchedule", schedule("fail", "at(2026-03-06T12:02:00)", fail)).await;
    let gone = json!({ "Target": { "Arn": "arn:aws:lambda:us-east-1:000000000000:function:gone", "RoleArn": ROLE } });
    world.ok("CreateSchedule", schedule("gone", "at(2026-03-06T12:03:00)", gone)).await;
    world.pass(300).await;
    let operations = world.seen.operations.lock().clone();
    let root = "arn:aws:iam::000000000000:root";
    assert_eq!(operations[0], (format!("sqs:SendMessage as {root}"), r#"{"QueueUrl":"q"}"#.to_owned()));
    assert_eq!(operations.len(), 2);
    let letters = dead_letters(&world.db).await.unwrap();
    let codes: Vec<&str> = letters.iter().map(|letter| letter.code.as_str()).collect();
    assert_eq!(codes, ["Odd", "ResourceNotFoundException"]);
}

#[tokio::test]
async fn what_is_refused() {
    let world = World::new().await;
    let check = async |changes: Value, expect: &str| {
        let expression = changes.get("Expression").and_then(Value::as_str).unwrap_or("rate(1 hour)").to_owned();
        let mut input = schedule("s", &expression, changes);
        input.as_object_mut().unwrap().remove("Expression");
        let refused = world.ask("CreateSchedule", input).await.expect_err(expect);
        assert!(refused.message().contains(expect), "{} is not {expect}", refused.message());
        assert_eq!((refused.status(), refused.code()), (400, "ValidationException"));
    };
    let target = |changes: Value| {
        let mut target = json!({ "Arn": FUNCTION, "RoleArn": ROLE });
        target.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!({ "Target": target })
    };
    check(json!({ "Expression": "every day" }), "Invalid Schedule Expression every day.").await;
    check(json!({ "Expression": "cron(* * * * *)" }), "Invalid Schedule Expression cron(* * * * *).").await;
    check(json!({ "ScheduleExpressionTimezone": "Mars" }), "Invalid Schedule Expression Timezone Mars.").await;
    check(json!({ "Name": "a b" }), "Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$").await;
    check(json!({ "State": "on" }), "Member must satisfy enum value set").await;
    check(json!({ "FlexibleTimeWindow": { "Mode": "FLEXIBLE" } }), "MaximumWindowInMinutes must be specified").await;
    check(json!({ "FlexibleTimeWindow": { "Mode": "OFF", "MaximumWindowInMinutes": 5 } }), "cannot be specified").await;
    check(
        json!({ "FlexibleTimeWindow": { "Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1441 } }),
        "less than or equal to 1440",
    )
    .await;
    check(json!({ "StartDate": 1 }), "The StartDate you specify cannot be earlier than 5 minutes ago.").await;
    check(json!({ "EndDate": 1 }), "The EndDate you specify cannot be in the past.").await;
    check(json!({ "KmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k" }), "KmsKeyArn is not supported").await;
    check(target(json!({ "RoleArn": "me" })), "'target.roleArn' failed to satisfy constraint").await;
    let stranger = target(json!({ "RoleArn": format!("{ROLE}s") }));
    check(stranger, "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.").await;
    check(target(json!({ "Arn": "nonsense" })), "Provided Arn nonsense is not valid.").await;
    check(target(json!({ "Arn": "arn:aws:ecs:us-east-1:000000000000:cluster/c" })), "is not of a target").await;
    check(target(json!({ "Arn": "arn:aws:scheduler:::aws-sdk:sqs" })), "is not valid").await;
    check(target(json!({ "Arn": "arn:aws:scheduler:::aws-sdk:sqs:fly" })), "sqs:fly is not an operation").await;
    check(target(json!({ "Arn": "arn:aws:scheduler:::aws-sdk:sqs:listQueues" })), "only reads").await;
    check(target(json!({ "Input": "{" })), "The Input is not valid JSON").await;
    check(target(json!({ "Input": "1".repeat(300_000) })), "at most 262144 are allowed").await;
    check(target(json!({ "EcsParameters": {} })), "EcsParameters is not supported").await;
    check(target(json!({ "SqsParameters": { "MessageGroupId": "g" } })), "are not those of a target of lambda").await;
    check(target(json!({ "RetryPolicy": { "MaximumRetryAttempts": 186 } })), "less than or equal to 185").await;
    check(target(json!({ "DeadLetterConfig": { "Arn": FUNCTION } })), "'target.deadLetterConfig.arn' failed").await;

    world.ok("CreateSchedule", schedule("s", "rate(1 hour)", json!({ "ClientToken": "t" }))).await;
    // The same request again is the same schedule; another is a conflict.
    world.ok("CreateSchedule", schedule("s", "rate(1 hour)", json!({ "ClientToken": "t" }))).await;
    let again = world.ask("CreateSchedule", schedule("s", "rate(1 hour)", json!({}))).await.unwrap_err();
    assert_eq!((again.status(), again.message()), (409, "Schedule s already exists."));
    let nowhere = schedule("s", "rate(1 hour)", json!({ "GroupName": "nowhere" }));
    let nowhere = world.ask("CreateSchedule", nowhere).await.unwrap_err();
    assert_eq!((nowhere.status(), nowhere.message()), (404, "Schedule group nowhere does not exist."));
    let denied = world.ask("CreateSchedule", schedule("forbidden", "rate(1 hour)", json!({}))).await.unwrap_err();
    assert_eq!(denied.code(), "AccessDeniedException");
}

#[tokio::test]
async fn groups_and_pages() {
    let world = World::new().await;
    let made = world.ok("CreateScheduleGroup", json!({ "Name": "g", "Tags": [{ "Key": "a", "Value": "b" }] })).await;
    let arn = made["ScheduleGroupArn"].as_str().unwrap().to_owned();
    for n in 0..5 {
        let input = schedule(&format!("s{n}"), "rate(1 hour)", json!({ "GroupName": "g", "State": "DISABLED" }));
        world.ok("CreateSchedule", input).await;
    }
    world.ok("CreateSchedule", schedule("other", "rate(1 hour)", json!({}))).await;
    let (mut names, mut token) = (Vec::new(), Value::Null);
    loop {
        let mut input = json!({ "MaxResults": 2 });
        if !token.is_null() {
            input["NextToken"] = token;
        }
        let page = world.ok("ListSchedules", input).await;
        let schedules = page["Schedules"].as_array().unwrap();
        assert!(schedules.len() <= 2);
        names.extend(
            schedules.iter().map(|s| format!("{}/{}", s["GroupName"].as_str().unwrap(), s["Name"].as_str().unwrap())),
        );
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(names, ["default/other", "g/s0", "g/s1", "g/s2", "g/s3", "g/s4"]);
    let some = world.ok("ListSchedules", json!({ "GroupName": "g", "NamePrefix": "s3", "State": "DISABLED" })).await;
    assert_eq!(some["Schedules"].as_array().unwrap().len(), 1);
    world.ok("TagResource", json!({ "ResourceArn": arn, "Tags": [{ "Key": "c", "Value": "d" }] })).await;
    world.ok("UntagResource", json!({ "ResourceArn": arn, "TagKeys": ["a"] })).await;
    let tags = world.ok("ListTagsForResource", json!({ "ResourceArn": arn })).await;
    assert_eq!(tags["Tags"], json!([{ "Key": "c", "Value": "d" }]));
    world.ok("DeleteScheduleGroup", json!({ "Name": "g" })).await;
    assert_eq!(world.ok("ListSchedules", json!({})).await["Schedules"].as_array().unwrap().len(), 1);
    let groups = world.ok("ListScheduleGroups", json!({})).await;
    assert_eq!(groups["ScheduleGroups"].as_array().unwrap().len(), 1);
    for (operation, name, status) in
        [("DeleteScheduleGroup", "g", 404), ("DeleteScheduleGroup", "default", 400), ("GetScheduleGroup", "g", 404)]
    {
        assert_eq!(world.ask(operation, json!({ "Name": name })).await.unwrap_err().status(), status);
    }
    let again = world.ask("CreateScheduleGroup", json!({ "Name": "default" })).await.unwrap_err();
    assert_eq!((again.status(), again.message()), (409, "Schedule group default already exists."));
}

#[tokio::test]
async fn templates_make_them() {
    let world = World::new().await;
    let types = resource_types(&world.scheduler);
    let request = |properties: Value, name: &str| CreateRequest {
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/s/1-2".into(),
        logical_id: "Nightly".into(),
        generated_name: name.into(),
        properties: properties.as_object().unwrap().clone(),
    };
    let mut properties = schedule(
        "",
        "cron(0 3 * * ? *)",
        json!({
            "StartDate": "2026-04-01T00:00:00Z",
            "FlexibleTimeWindow": { "Mode": "FLEXIBLE", "MaximumWindowInMinutes": "15" },
        }),
    );
    properties.as_object_mut().unwrap().remove("Name");
    for _ in 0..2 {
        let made = types[0].create(&world.call(), request(properties.clone(), "s-Nightly-X")).await.unwrap();
        assert_eq!(made.physical_id, "s-Nightly-X");
    }
    assert_eq!(world.ok("GetSchedule", json!({ "Name": "s-Nightly-X" })).await["StartDate"], 1_775_001_600.0);
    let denied = types[0].create(&world.call(), request(properties, "forbidden")).await.unwrap_err();
    assert_eq!(denied.code(), "AccessDeniedException");
    let made = types[1].create(&world.call(), request(json!({}), "s-Group-X")).await.unwrap();
    assert_eq!(made.attributes["State"], "ACTIVE");
}
