//! Events that functions get from the delivery engine.

use std::time::Duration;

use cauce_core::{Account, Arn, Region, ServiceError, Trace};
use cauce_delivery::lineage::{self, Fate};
use cauce_delivery::{Effect, Policy, dead_letters};
use serde_json::{Value, json};

use crate::world::{World, eventually, pause};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const RULE: &str = "arn:aws:events:us-east-1:000000000000:rule/r";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

fn starts(world: &World) -> usize {
    world.logs.of("f").iter().filter(|l| l.starts_with("START ")).count()
}

async fn event(world: &World, payload: Value) {
    let answer = world.invoke_raw("f", payload, json!({"InvocationType": "Event"})).await.unwrap();
    assert_eq!((&answer["StatusCode"], &answer["Payload"]), (&json!(202), &json!("")));
}

fn effect(world: &World, service: &str, source: &str) -> Effect {
    Effect {
        target: ARN.parse::<Arn>().unwrap(),
        cause: "test".into(),
        service: service.into(),
        source: Some(source.parse().unwrap()),
        account: Account::DEFAULT,
        region: Region::default(),
        trace: Trace::start(world.env.now(), world.env.entropy()),
        policy: Policy::eventbridge(),
        attributes: vec![],
        hops: 0,
        payload: r#"{"a":1}"#.into(),
    }
}

async fn send(world: &World, effect: &Effect) {
    let sent =
        world.db.transact(async |tx| world.delivery.send(&tx, effect.clone()).await.map_err(|e: ServiceError| e));
    sent.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_done_after_its_answer_and_its_lines_are_there_by_then() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let permission = json!({"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction",
                            "Principal": "events.amazonaws.com", "SourceArn": RULE});
    world.json("AddPermission", permission).await.unwrap();
    let effect = effect(&world, "events.amazonaws.com", RULE);
    send(&world, &effect).await;
    let done = async {
        loop {
            let steps = lineage::tree(&world.db, effect.trace.root).await.unwrap();
            if steps.iter().any(|s| s.fate == Fate::Delivered { attempts: 1 }) {
                break;
            }
            pause().await;
        }
    };
    tokio::time::timeout(crate::world::LONG, done).await.unwrap();
    assert!(world.logs.of("f").iter().any(|l| l.starts_with("REPORT RequestId: ")), "the lines came first");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_services_that_the_policy_names_get_in() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    send(&world, &effect(&world, "events.amazonaws.com", RULE)).await;
    let letters = dead_letters(&world.db).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].code, "AccessDeniedException");
    assert!(letters[0].reason.ends_with("because no resource-based policy allows the lambda:InvokeFunction action"));
    let mut gone = effect(&world, "events.amazonaws.com", RULE);
    gone.target = format!("{ARN}-gone").parse().unwrap();
    send(&world, &gone).await;
    assert_eq!(dead_letters(&world.db).await.unwrap()[1].code, "ResourceNotFoundException");
    assert_eq!(starts(&world), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_event_is_repeated_after_one_and_two_minutes_and_then_given_up() {
    let world = World::manual().await;
    world.create("f", json!({"DeadLetterConfig": {"TargetArn": QUEUE}})).await;
    let config = json!({"FunctionName": "f", "DestinationConfig": {"OnFailure": {"Destination": QUEUE}}});
    world.json("PutFunctionEventInvokeConfig", config).await.unwrap();
    let begun = world.env.now();
    event(&world, json!({"do": "error"})).await;
    eventually("the first attempt", || starts(&world) == 1).await;
    let clock = world.clock.clone().unwrap();
    world
        .advance_until(Duration::from_secs(1), async {
            while starts(&world) < 2 {
                pause().await
            }
        })
        .await;
    assert!(world.env.now().since(begun) >= Duration::from_secs(60));
    world
        .advance_until(Duration::from_secs(1), async {
            while starts(&world) < 3 {
                pause().await
            }
        })
        .await;
    assert!(world.env.now().since(begun) >= Duration::from_secs(180));
    eventually("it is given up", || {
        clock.advance(Duration::from_secs(1));
        world.queue.taken().len() == 2
    })
    .await;
    assert_eq!(starts(&world), 3);
    let ids: std::collections::BTreeSet<String> =
        world.logs.of("f").into_iter().filter(|l| l.starts_with("START ")).collect();
    assert_eq!(ids.len(), 1, "every attempt has the same request id");

    let taken = world.queue.taken();
    let record: Value = serde_json::from_slice(&taken[0].payload).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["functionArn"], format!("{ARN}:$LATEST"));
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(record["requestPayload"], json!({"do": "error"}));
    assert_eq!(
        record["responseContext"],
        json!({"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"})
    );
    assert_eq!(record["responsePayload"]["errorMessage"], "told you");
    assert_eq!(taken[1].payload, json!({"do": "error"}).to_string());
    assert_eq!(taken[1].attribute("message-attribute/ErrorMessage/String"), Some("told you"));
    assert_eq!(taken[1].attribute("message-attribute/ErrorCode/Number"), Some("200"));
    assert_eq!(taken[0].attribute("message-attribute/RequestID/String"), None);
    assert!(
        taken[1]
            .attribute("message-attribute/RequestID/String")
            .is_some_and(|id| ids.iter().all(|line| line.contains(id)))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn success_has_a_destination_too_and_retries_a_limit() {
    let world = World::manual().await;
    world.create("f", json!({})).await;
    let config = json!({"FunctionName": "f", "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60,
                        "DestinationConfig": {"OnSuccess": {"Destination": QUEUE}, "OnFailure": {"Destination": QUEUE}}});
    let put = world.json("PutFunctionEventInvokeConfig", config).await.unwrap();
    assert_eq!(put["FunctionArn"], format!("{ARN}:$LATEST"));
    event(&world, json!({"x": 1})).await;
    eventually("the record of the success", || world.queue.taken().len() == 1).await;
    event(&world, json!({"do": "crash"})).await;
    eventually("the record of the failure", || world.queue.taken().len() == 2).await;
    let records: Vec<Value> = world.queue.taken().iter().map(|e| serde_json::from_slice(&e.payload).unwrap()).collect();
    assert_eq!(records[0]["requestContext"]["condition"], "Success");
    assert_eq!(records[0]["responsePayload"], json!({"x": 1}));
    assert_eq!(records[1]["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(records[1]["responsePayload"]["errorType"], "Runtime.ExitError");

    let listed = world.json("ListFunctionEventInvokeConfigs", json!({"FunctionName": "f"})).await.unwrap();
    assert_eq!(listed["FunctionEventInvokeConfigs"].as_array().unwrap().len(), 1);
    let changed = world
        .json("UpdateFunctionEventInvokeConfig", json!({"FunctionName": "f", "MaximumRetryAttempts": 1}))
        .await
        .unwrap();
    assert_eq!((&changed["MaximumRetryAttempts"], &changed["MaximumEventAgeInSeconds"]), (&json!(1), &json!(60)));
    world.json("DeleteFunctionEventInvokeConfig", json!({"FunctionName": "f"})).await.unwrap();
    let (code, message) = world.refused("GetFunctionEventInvokeConfig", json!({"FunctionName": "f"})).await;
    assert_eq!(
        (code.as_str(), message),
        ("ResourceNotFoundException", format!("The function {ARN}:$LATEST doesn't have an EventInvokeConfig"))
    );
    let wrong = json!({"FunctionName": "f", "MaximumRetryAttempts": 3});
    assert_eq!(world.refused("PutFunctionEventInvokeConfig", wrong).await.0, "ValidationException");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_event_waits_until_there_is_room() {
    let world = World::manual().await;
    world.create("f", json!({"Timeout": 900})).await;
    world
        .json("PutFunctionConcurrency", json!({"FunctionName": "f", "ReservedConcurrentExecutions": 1}))
        .await
        .unwrap();
    let first = world.invoke("f", json!({"do": "hang"}));
    tokio::pin!(first);
    let mut waiting = true;
    while waiting {
        tokio::select! {
            biased;
            _ = &mut first => panic!("it hangs"),
            () = pause() => waiting = world.lambda.sandboxes() == 0,
        }
    }
    event(&world, json!({"x": 1})).await;
    // The hanging one times out after 900 s, and only then is there room; the event outlives more than two refusals.
    let (answer, _) = world.advance_until(Duration::from_secs(1), first).await;
    assert_eq!(answer["errorType"], "Sandbox.Timedout");
    world
        .advance_until(Duration::from_secs(1), async {
            while starts(&world) < 2 {
                pause().await
            }
        })
        .await;
    assert_eq!(dead_letters(&world.db).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_switched_off_gets_no_retries() {
    let world = World::new().await;
    world.create("f", json!({"DeadLetterConfig": {"TargetArn": QUEUE}})).await;
    world
        .json("PutFunctionConcurrency", json!({"FunctionName": "f", "ReservedConcurrentExecutions": 0}))
        .await
        .unwrap();
    event(&world, json!({"x": 1})).await;
    eventually("it is in the queue", || world.queue.taken().len() == 1).await;
    assert_eq!(world.queue.taken()[0].attribute("message-attribute/ErrorCode/Number"), Some("429"));
    assert_eq!(starts(&world), 0);
}
