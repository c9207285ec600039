//! EventBridge through its operations, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cauce_core::ports::{Access, AccessKey, Credentials, Identity, Verdict};
use cauce_core::{
    Account, Arn, Call, CreateRequest, DeleteRequest, Env, ManualClock, Region, SeededEntropy, ServiceError, Timestamp,
    Trace, UpdateRequest,
};
use cauce_delivery::{Acceptance, Delivery, Effect, EffectId, Outcome, Policy, Target, dead_letters, lineage};
use cauce_eventbridge::{BusTarget, EventBridge, api, resource_types, run_schedules};
use cauce_store::{Db, Owner, Tx};
use cauce_wire::Api;
use parking_lot::Mutex;
use serde_json::{Value, json};

const START: &str = "2026-03-06T12:00:00Z";

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

    async fn explain(&self, call: &Call, access: &Access<'_>) -> Result<Verdict, ServiceError> {
        // What crosses accounts needs the resource's policy.
        let foreign = call.principal.account() != Some(call.account);
        if foreign && !access.resource_policy.is_some_and(|policy| policy.contains("111111111111")) {
            return Ok(Verdict::Denied("because no resource-based policy allows it".into()));
        }
        Ok(Verdict::Allowed(String::new()))
    }
}

/// A function that keeps what it receives.
#[derive(Default)]
struct Consumer(Mutex<Vec<(String, Value)>>);

#[async_trait]
impl Target for Consumer {
    async fn accept(&self, tx: &Tx, effect: &Effect) -> Result<Acceptance, ServiceError> {
        if effect.target.resource() == "function:gone" {
            return Err(ServiceError::new(404, "NO_RESOURCE", "Function not found"));
        }
        let _ = tx;
        Ok(Acceptance::Later(None))
    }

    async fn perform(&self, _: EffectId, effect: &Effect, _: u32) -> Outcome {
        let payload = serde_json::from_slice(&effect.payload).unwrap();
        self.0.lock().push((effect.target.resource().to_owned(), payload));
        Outcome::Done { detail: String::new() }
    }
}

struct World {
    db: Db,
    env: Env,
    clock: ManualClock,
    delivery: Delivery,
    consumer: Arc<Consumer>,
    events: Arc<EventBridge>,
    api: Api<EventBridge>,
    identity: Arc<dyn Identity>,
    timer: tokio::task::JoinHandle<()>,
}

impl World {
    async fn new() -> World {
        World::on(Db::memory(), ManualClock::new(Timestamp::parse(START).unwrap()), Arc::default(), 1).await
    }

    async fn on(db: Db, clock: ManualClock, consumer: Arc<Consumer>, seed: u64) -> World {
        let env = Env::new(clock.clone(), SeededEntropy::new(seed));
        let owner = Owner::acquire_all(&db, "test").await.unwrap();
        let delivery = Delivery::new(db.clone(), env.clone(), owner);
        let identity: Arc<dyn Identity> = Arc::new(Everyone);
        let events = EventBridge::open(db.clone(), env.clone(), delivery.clone(), Arc::clone(&identity));
        delivery.register("lambda", Arc::clone(&consumer) as Arc<dyn Target>);
        delivery.register("events", Arc::new(BusTarget::new(Arc::clone(&events))));
        delivery.start().await.unwrap();
        let timer = tokio::spawn(run_schedules(Arc::clone(&events)));
        World { db, env, clock, delivery, consumer, api: api(Arc::clone(&events)), events, identity, timer }
    }

    /// The program ends without warning and starts again.
    async fn restart(self, seed: u64) -> World {
        self.timer.abort();
        self.delivery.stop();
        World::on(self.db, self.clock, self.consumer, seed).await
    }

    fn call(&self) -> Call {
        let trace = Trace::start(self.env.now(), self.env.entropy());
        Call::from_service(&self.env, "test", None, Account::DEFAULT, Region::default(), trace)
    }

    async fn call_as(&self, account: u64, operation: &str, input: Value) -> Result<Value, ServiceError> {
        let mut call = self.call();
        call.principal = Arc::new(cauce_core::Principal::Root {
            account: Account::new(account).unwrap(),
            access_key_id: "AKIA".into(),
        });
        let body = self.api.call_json(&self.identity, operation, call, input.to_string().as_bytes()).await?;
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        self.call_as(0, operation, input).await.unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    async fn refused(&self, operation: &str, input: Value) -> String {
        self.call_as(0, operation, input).await.expect_err(operation).to_string()
    }

    async fn rule(&self, bus: &str, name: &str, pattern: Value, target: &str) {
        self.ok("PutRule", json!({"Name": name, "EventBusName": bus, "EventPattern": pattern.to_string()})).await;
        let targets = json!([{"Id": "t", "Arn": target}]);
        let out = self.ok("PutTargets", json!({"Rule": name, "EventBusName": bus, "Targets": targets})).await;
        assert_eq!(out["FailedEntryCount"], 0);
    }

    async fn put(&self, bus: &str, detail: Value) -> String {
        let entry = json!({"Source": "app", "DetailType": "t", "Detail": detail.to_string(), "EventBusName": bus});
        let out = self.ok("PutEvents", json!({"Entries": [entry]})).await;
        assert_eq!(out["FailedEntryCount"], 0, "{out}");
        out["Entries"][0]["EventId"].as_str().unwrap().to_owned()
    }

    /// Lets everything that is under way end.
    async fn settle(&self) {
        for _ in 0..2_000 {
            tokio::task::yield_now().await;
            if self.delivery.lanes().is_empty() {
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
                if self.delivery.lanes().is_empty() {
                    return;
                }
            }
        }
        panic!("deliveries do not end");
    }

    async fn received(&self) -> Vec<(String, Value)> {
        self.settle().await;
        std::mem::take(&mut *self.consumer.0.lock())
    }
}

const F: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const G: &str = "arn:aws:lambda:us-east-1:000000000000:function:g";

#[tokio::test]
async fn an_event_reaches_the_targets_of_the_rules_that_match() {
    let w = World::new().await;
    w.rule("default", "approved", json!({"detail": {"result": ["approved"]}}), F).await;
    w.rule("default", "ny", json!({"detail": {"location": [{"prefix": "NY-"}]}}), G).await;
    let id = w.put("default", json!({"result": "approved", "location": "MA-1", "amount": 1.10})).await;
    let received = w.received().await;
    let expect = json!({
        "version": "0", "id": id, "detail-type": "t", "source": "app", "account": "000000000000",
        "time": "2026-03-06T12:00:00Z", "region": "us-east-1", "resources": [],
        "detail": {"result": "approved", "location": "MA-1", "amount": 1.10},
    });
    assert_eq!(received, [("function:f".to_owned(), expect)]);
    w.put("default", json!({"result": "denied", "location": "NY-1"})).await;
    assert_eq!(w.received().await[0].0, "function:g");
    w.put("default", json!({"result": "other"})).await;
    assert!(w.received().await.is_empty());
}

#[tokio::test]
async fn a_change_of_rules_holds_for_the_next_event() {
    let w = World::new().await;
    w.rule("default", "r", json!({"source": ["app"]}), F).await;
    let count = async |expect: usize, what: &str| {
        w.put("default", json!({})).await;
        assert_eq!(w.received().await.len(), expect, "{what}");
    };
    count(1, "enabled").await;
    w.ok("DisableRule", json!({"Name": "r"})).await;
    count(0, "disabled").await;
    w.ok("EnableRule", json!({"Name": "r"})).await;
    count(1, "enabled again").await;
    w.ok("PutRule", json!({"Name": "r", "EventPattern": "{\"source\":[\"other\"]}"})).await;
    count(0, "another pattern").await;
    w.ok("PutRule", json!({"Name": "r", "EventPattern": "{\"source\":[\"app\"]}"})).await;
    count(1, "targets stay").await;
    assert_eq!(
        w.refused("DeleteRule", json!({"Name": "r"})).await,
        "ValidationException: Rule can't be deleted since it has targets."
    );
    let out = w.ok("RemoveTargets", json!({"Rule": "r", "Ids": ["t", "x"]})).await;
    assert_eq!(out["FailedEntries"][0]["TargetId"], "x");
    count(0, "no target").await;
    w.ok("DeleteRule", json!({"Name": "r"})).await;
    w.ok("DeleteRule", json!({"Name": "r"})).await;
    count(0, "deleted").await;
}

#[tokio::test]
async fn entries_fail_one_by_one() {
    let w = World::new().await;
    let entries = json!([
        {"DetailType": "t", "Detail": "{}"},
        {"Source": "s", "Detail": "{}"},
        {"Source": "s", "DetailType": "t"},
        {"Source": "s", "DetailType": "t", "Detail": "[1]"},
        {"Source": "s", "DetailType": "t", "Detail": "{\"a\":"},
        {"Source": "aws.ec2", "DetailType": "t", "Detail": "{}"},
        {"Source": "s", "DetailType": "t", "Detail": "{}", "EventBusName": "nope"},
        {"Source": "s", "DetailType": "t", "Detail": "{\"ok\":1}"},
        {"Source": "s", "DetailType": "t", "Detail": "{\"a\":".repeat(5_000) + "1" + &"}".repeat(5_000)},
        {"Source": "s".repeat(300), "DetailType": "t", "Detail": "{}"},
    ]);
    let out = w.ok("PutEvents", json!({"Entries": entries})).await;
    assert_eq!(out["FailedEntryCount"], 9);
    let codes: Vec<_> =
        out["Entries"].as_array().unwrap().iter().map(|e| e["ErrorCode"].as_str().unwrap_or("ok")).collect();
    assert_eq!(
        codes,
        [
            "InvalidArgument",
            "InvalidArgument",
            "InvalidArgument",
            "MalformedDetail",
            "MalformedDetail",
            "NotAuthorizedForSourceException",
            "ResourceNotFoundException",
            "ok",
            "MalformedDetail",
            "InvalidArgument",
        ]
    );
    let reason = "Parameter Source is not valid. Reason: Source is a required argument.";
    assert_eq!(out["Entries"][0]["ErrorMessage"], reason);
}

#[tokio::test]
async fn whole_requests_are_refused_in_the_words_of_aws() {
    let w = World::new().await;
    let entry = json!({"Source": "s", "DetailType": "t", "Detail": "{}"});
    let eleven = w.refused("PutEvents", json!({"Entries": vec![entry.clone(); 11]})).await;
    assert!(
        eleven.contains("at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10"),
        "{eleven}"
    );
    assert!(w.refused("PutEvents", json!({"Entries": []})).await.contains("greater than or equal to 1"));
    let big = json!({"Source": "s", "DetailType": "t", "Detail": format!("{{\"a\":\"{}\"}}", "x".repeat(1_048_576))});
    assert!(
        w.refused("PutEvents", json!({"Entries": [big]}))
            .await
            .starts_with("ValidationException: Total size of the entries in the request is over the limit.")
    );
    for (operation, input, expect) in [
        (
            "PutRule",
            json!({"Name": "r"}),
            "ValidationException: Parameter(s) EventPattern or ScheduleExpression must be specified.",
        ),
        (
            "PutRule",
            json!({"Name": "r", "ScheduleExpression": "rate(1 minutes)"}),
            "ValidationException: Parameter ScheduleExpression is not valid.",
        ),
        (
            "PutRule",
            json!({"Name": "r", "EventPattern": "{}", "EventBusName": "nope"}),
            "InvalidEventPatternException: ",
        ),
        (
            "PutRule",
            json!({"Name": "r", "EventPattern": "{\"a\":1}"}),
            "InvalidEventPatternException: Event pattern is not valid. Reason: ",
        ),
        (
            "PutRule",
            json!({"Name": "r", "EventPattern": "{\"a\":[1]}", "EventBusName": "nope"}),
            "ResourceNotFoundException: Event bus nope does not exist.",
        ),
        (
            "PutRule",
            json!({"Name": "a b", "EventPattern": "{\"a\":[1]}"}),
            "ValidationException: 1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+",
        ),
        ("DescribeRule", json!({"Name": "r"}), "ResourceNotFoundException: Rule r does not exist on EventBus default."),
        (
            "PutTargets",
            json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": F}]}),
            "ResourceNotFoundException: Rule r does not exist on EventBus default.",
        ),
        (
            "PutTargets",
            json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": "x"}]}),
            "ValidationException: Parameter x is not valid. Reason: Provided Arn is not in correct format.",
        ),
        (
            "CreateEventBus",
            json!({"Name": "default"}),
            "ResourceAlreadyExistsException: Event bus default already exists.",
        ),
        ("DeleteEventBus", json!({"Name": "default"}), "ValidationException: Cannot delete event bus default."),
        ("DescribeEventBus", json!({"Name": "nope"}), "ResourceNotFoundException: Event bus nope does not exist."),
        (
            "ListRules",
            json!({"Limit": 101}),
            "ValidationException: 1 validation error detected: Value '101' at 'limit'",
        ),
        ("ListRules", json!({"NextToken": "?"}), "ValidationException: Parameter NextToken is not valid."),
        (
            "TestEventPattern",
            json!({"EventPattern": "{\"a\":[1]}", "Event": "{}"}),
            "ValidationException: Parameter Event is not valid.",
        ),
    ] {
        let error = w.refused(operation, input.clone()).await;
        assert!(error.starts_with(expect), "{operation} {input}: {error}");
    }
}

#[tokio::test]
async fn an_undeliverable_event_is_a_dead_letter_and_harms_no_other() {
    let w = World::new().await;
    w.rule("default", "gone", json!({"source": ["app"]}), "arn:aws:lambda:us-east-1:000000000000:function:gone").await;
    w.rule("default", "works", json!({"source": ["app"]}), F).await;
    w.put("default", json!({})).await;
    assert_eq!(w.received().await.len(), 1);
    assert_eq!(dead_letters(&w.db).await.unwrap()[0].code, "NO_RESOURCE");
}

#[tokio::test]
async fn events_go_from_bus_to_bus_and_loops_end() {
    let w = World::new().await;
    let bus = |name: &str| format!("arn:aws:events:us-east-1:000000000000:event-bus/{name}");
    w.ok("CreateEventBus", json!({"Name": "a"})).await;
    w.rule("default", "on", json!({"source": ["app"]}), &bus("a")).await;
    w.rule("a", "end", json!({"source": ["app"]}), F).await;
    let id = w.put("default", json!({})).await;
    let received = w.received().await;
    assert_eq!((received.len(), received[0].1["id"].as_str()), (1, Some(id.as_str())));
    w.rule("a", "back", json!({"source": ["app"]}), &bus("default")).await;
    w.put("default", json!({})).await;
    assert!(w.received().await.len() > 1);
    assert_eq!(dead_letters(&w.db).await.unwrap()[0].code, "LOOP_DETECTED");
    assert_eq!(
        w.refused("DeleteEventBus", json!({"Name": "a"})).await,
        "ValidationException: Event bus can't be deleted since it has rules."
    );
}

#[tokio::test]
async fn another_service_s_record_becomes_an_event() {
    let w = World::new().await;
    w.rule("default", "r", json!({"source": ["lambda"], "resources": [format!("{G}:$LATEST")]}), F).await;
    let send = async |payload: &'static [u8]| {
        let call = w.call();
        let attribute = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let effect = Effect {
            target: "arn:aws:events:us-east-1:000000000000:event-bus/default".parse().unwrap(),
            cause: "function/g (outcome)".to_owned(),
            service: "lambda.amazonaws.com".to_owned(),
            source: Some(G.parse().unwrap()),
            account: call.account,
            region: call.region.clone(),
            trace: call.trace,
            policy: Policy::asynchronous_invocation(),
            attributes: vec![
                attribute("source", "lambda"),
                attribute("detail-type", "Lambda Function Invocation Result - Failure"),
                attribute("resource", &format!("{G}:$LATEST")),
            ],
            hops: 0,
            payload: payload.into(),
        };
        let sent = w.db.transact(async |tx| w.delivery.send(&tx, effect.clone()).await);
        sent.await.unwrap();
    };
    send(br#"{"version":"1.0","responsePayload":{"n":1.0}}"#).await;
    let received = w.received().await;
    let (_, event) = &received[0];
    assert_eq!(received.len(), 1);
    assert_eq!(event["id"].as_str().map(str::len), Some(36));
    assert_eq!(event["detail-type"], "Lambda Function Invocation Result - Failure");
    assert_eq!(event["resources"][0], "arn:aws:events:us-east-1:000000000000:event-bus/default");
    assert_eq!(event["detail"].to_string(), r#"{"responsePayload":{"n":1.0},"version":"1.0"}"#);
    send(b"no json").await;
    assert_eq!(w.received().await.len(), 0);
    assert_eq!(dead_letters(&w.db).await.unwrap()[0].code, "INVALID_EVENT");
}

#[tokio::test]
async fn another_account_needs_the_policy_of_the_bus() {
    let w = World::new().await;
    w.rule("default", "r", json!({"account": ["111111111111"]}), F).await;
    let arn = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    let entry = json!({"Entries": [{"Source": "s", "DetailType": "t", "Detail": "{}", "EventBusName": arn}]});
    let denied = w.call_as(111_111_111_111, "PutEvents", entry.clone()).await.unwrap_err();
    assert_eq!(denied.code(), "AccessDeniedException");
    let permission = json!({"StatementId": "s", "Principal": "111111111111", "Action": "events:PutEvents"});
    w.ok("PutPermission", permission).await;
    let policy = w.ok("DescribeEventBus", json!({})).await["Policy"].as_str().unwrap().to_owned();
    assert!(policy.contains("arn:aws:iam::111111111111:root"), "{policy}");
    w.call_as(111_111_111_111, "PutEvents", entry).await.unwrap();
    assert_eq!(w.received().await.len(), 1);
    w.ok("RemovePermission", json!({"StatementId": "s"})).await;
    assert!(w.ok("DescribeEventBus", json!({})).await["Policy"].is_null());
}

#[tokio::test]
async fn a_schedule_ticks_exactly_once_also_across_restarts() {
    let mut w = World::new().await;
    w.ok("PutRule", json!({"Name": "every", "ScheduleExpression": "rate(1 minute)"})).await;
    w.ok("PutTargets", json!({"Rule": "every", "Targets": [{"Id": "t", "Arn": F}]})).await;
    let mut times = Vec::new();
    for second in 0..600 {
        w.settle().await;
        w.clock.advance(Duration::from_secs(1));
        if second % 97 == 0 {
            w = w.restart(second + 2).await;
        }
        for (_, event) in w.received().await {
            assert_eq!(
                (event["detail-type"].as_str(), event["source"].as_str()),
                (Some("Scheduled Event"), Some("aws.events"))
            );
            assert_eq!(event["resources"][0], "arn:aws:events:us-east-1:000000000000:rule/every");
            times.push(event["time"].as_str().unwrap().to_owned());
        }
    }
    let expect: Vec<String> = (1..=10).map(|m| format!("2026-03-06T12:{m:02}:00Z")).collect();
    assert_eq!(times, expect);
    w.ok("DisableRule", json!({"Name": "every"})).await;
    w.clock.advance(Duration::from_secs(600));
    assert!(w.received().await.is_empty());
    w.ok("EnableRule", json!({"Name": "every"})).await;
    w = w.restart(9_999).await;
    w.clock.advance(Duration::from_secs(3_600));
    let late = w.received().await;
    assert_eq!(late.len(), 1, "ticks of a time without the program happen once");
}

#[tokio::test]
async fn inputs_are_transformed_and_lists_are_paged() {
    let w = World::new().await;
    w.ok("PutRule", json!({"Name": "r", "EventPattern": "{\"source\":[\"app\"]}"})).await;
    let transformer = json!({"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": "{\"n\": <n>, \"rule\": \"<aws.events.rule-name>\"}"});
    let targets = json!([
        {"Id": "1", "Arn": F, "InputTransformer": transformer},
        {"Id": "2", "Arn": F, "Input": "{\"constant\":true}"},
        {"Id": "3", "Arn": F, "InputPath": "$.detail"},
    ]);
    w.ok("PutTargets", json!({"Rule": "r", "Targets": targets})).await;
    w.put("default", json!({"n": 7})).await;
    let mut received: Vec<String> = w.received().await.into_iter().map(|(_, v)| v.to_string()).collect();
    received.sort();
    assert_eq!(received, [r#"{"constant":true}"#, r#"{"n":7,"rule":"r"}"#, r#"{"n":7}"#]);
    let page = w.ok("ListTargetsByRule", json!({"Rule": "r", "Limit": 2})).await;
    assert_eq!(page["Targets"].as_array().unwrap().len(), 2);
    let rest = w.ok("ListTargetsByRule", json!({"Rule": "r", "NextToken": page["NextToken"]})).await;
    assert_eq!((rest["Targets"][0]["Id"].as_str(), rest["NextToken"].is_null()), (Some("3"), true));
    assert_eq!(w.ok("ListRuleNamesByTarget", json!({"TargetArn": F})).await["RuleNames"], json!(["r"]));
    let both = json!([{"Id": "1", "Arn": F, "Input": "{}", "InputPath": "$.a"}]);
    assert!(
        w.refused("PutTargets", json!({"Rule": "r", "Targets": both}))
            .await
            .contains("Only one of Input, InputPath, or InputTransformer")
    );
    let six: Vec<Value> = (0..6).map(|n| json!({"Id": n.to_string(), "Arn": F})).collect();
    assert!(w.refused("PutTargets", json!({"Rule": "r", "Targets": six})).await.starts_with("LimitExceededException"));
}

#[tokio::test]
async fn lineage_shows_what_a_request_caused() {
    let w = World::new().await;
    w.rule("default", "r", json!({"source": ["app"]}), F).await;
    let call = w.call();
    let entry = json!({"Entries": [{"Source": "app", "DetailType": "t", "Detail": "{}"}]});
    w.api.call_json(&w.identity, "PutEvents", call.clone(), entry.to_string().as_bytes()).await.unwrap();
    w.settle().await;
    let root = lineage::tree_of_request(&w.db, call.request_id.as_str(), w.env.now()).await.unwrap().unwrap();
    let steps = lineage::tree(&w.db, root).await.unwrap();
    let mut what: Vec<_> = steps.iter().map(|step| (step.what.as_str(), step.to.as_str())).collect();
    what.sort_unstable();
    assert_eq!(
        what,
        [("events:PutEvents", "arn:aws:events:us-east-1:000000000000:event-bus/default"), ("rule/default/r", F)]
    );
    let parent = |what: &str| steps.iter().find(|step| step.what == what).unwrap().trace;
    assert_eq!(parent("rule/default/r").parent, Some(parent("events:PutEvents").span));
}

#[tokio::test]
async fn a_template_makes_changes_and_removes_a_rule() {
    let w = World::new().await;
    let types = resource_types(&w.events);
    let rule = types.iter().find(|t| t.schema().type_name == "AWS::Events::Rule").unwrap();
    let properties = |value: Value| value.as_object().unwrap().clone();
    let first = properties(
        json!({"EventPattern": {"source": ["app"]}, "Targets": [{"Arn": F, "Id": "a", "RetryPolicy": {"MaximumRetryAttempts": "4"}}]}),
    );
    let create = CreateRequest {
        stack_id: "s".into(),
        logical_id: "R".into(),
        generated_name: "s-R-ABC".into(),
        properties: first.clone(),
    };
    let made = rule.create(&w.call(), create.clone()).await.unwrap();
    assert_eq!(made, rule.create(&w.call(), create.clone()).await.unwrap(), "a repeated create finds the first");
    let foreign = CreateRequest { stack_id: "other".into(), ..create };
    assert_eq!(rule.create(&w.call(), foreign).await.unwrap_err().code(), "ResourceAlreadyExistsException");
    assert_eq!(made.physical_id, "s-R-ABC");
    assert_eq!(made.attributes["Arn"], "arn:aws:events:us-east-1:000000000000:rule/s-R-ABC");
    let second = properties(json!({"EventPattern": {"source": ["app"]}, "Targets": [{"Arn": G, "Id": "b"}]}));
    let mut stranger = w.call();
    stranger.principal = Arc::new(cauce_core::Principal::Anonymous);
    let again = CreateRequest {
        stack_id: "s".into(),
        logical_id: "S".into(),
        generated_name: "s-S-ABC".into(),
        properties: second.clone(),
    };
    assert_eq!(rule.create(&stranger, again).await.unwrap_err().code(), "AccessDeniedException");
    let update = UpdateRequest {
        stack_id: "s".into(),
        logical_id: "R".into(),
        physical_id: made.physical_id.clone(),
        previous: first,
        properties: second.clone(),
    };
    rule.update(&w.call(), update).await.unwrap();
    w.put("default", json!({})).await;
    assert_eq!(w.received().await[0].0, "function:g");
    let delete = DeleteRequest { stack_id: "s".into(), physical_id: made.physical_id, properties: second };
    rule.delete(&w.call(), delete.clone()).await.unwrap();
    rule.delete(&w.call(), delete).await.unwrap();
    assert_eq!(w.ok("ListRules", json!({})).await["Rules"], json!([]));
}

#[tokio::test]
async fn patterns_are_tested_without_a_rule() {
    let w = World::new().await;
    let event = json!({"id": "1", "account": "1", "source": "s", "time": "t", "region": "r", "resources": [], "detail-type": "d"});
    for (pattern, expect) in [(json!({"source": ["s"]}), true), (json!({"source": ["x"]}), false)] {
        let input = json!({"EventPattern": pattern.to_string(), "Event": event.to_string()});
        assert_eq!(w.ok("TestEventPattern", input).await["Result"], expect);
    }
}

#[tokio::test]
async fn a_verdict_is_explained() {
    let w = World::new().await;
    w.rule("default", "approved", json!({"detail": {"result": ["approved"]}}), F).await;
    let event = br#"{"detail":{"result":"denied"}}"#;
    let explained = w.events.explain(&w.call(), None, None, event).await.unwrap();
    assert_eq!((explained[0].rule.as_str(), explained[0].matched), ("approved", false));
    let text = explained[0].pattern.as_ref().unwrap().to_string();
    assert!(text.contains("detail.result") && text.contains("denied"), "{text}");
    let approved = br#"{"detail":{"result":"approved"}}"#;
    assert!(w.events.explain(&w.call(), None, Some("approved"), approved).await.unwrap()[0].matched);
    assert!(w.events.explain(&w.call(), None, None, b"[").await.is_err());
}

#[tokio::test]
async fn tags_are_kept_with_what_they_are_on() {
    let w = World::new().await;
    w.ok("CreateEventBus", json!({"Name": "b", "Tags": [{"Key": "k", "Value": "v"}]})).await;
    let arn = "arn:aws:events:us-east-1:000000000000:event-bus/b";
    w.ok("TagResource", json!({"ResourceARN": arn, "Tags": [{"Key": "k2", "Value": ""}]})).await;
    w.ok("UntagResource", json!({"ResourceARN": arn, "TagKeys": ["k"]})).await;
    let tags = w.ok("ListTagsForResource", json!({"ResourceARN": arn})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "k2", "Value": ""}]));
    let buses = w.ok("ListEventBuses", json!({"Limit": 1})).await;
    assert_eq!((buses["EventBuses"][0]["Name"].as_str(), buses["NextToken"].is_string()), (Some("b"), true));
}
