//! Event source mappings: batches from a queue in memory, functions as real processes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{ROLE, World, eventually, pause, queue_arn};

const VISIBLE_AFTER: Duration = Duration::from_secs(30);

impl World {
    /// A function `f` and a queue `q`.
    async fn with_queue(self) -> World {
        self.create("f", json!({})).await;
        self.queues.create("q", VISIBLE_AFTER, false);
        self
    }

    fn put(&self, id: &str, attributes: Value) {
        self.queues.send("q", id, "{}", None, attributes);
    }

    async fn map(&self, extra: Value) -> String {
        let mut input = json!({ "FunctionName": "f", "EventSourceArn": queue_arn("q") });
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let made = self.json("CreateEventSourceMapping", input).await.unwrap();
        assert_eq!(made["State"], "Creating");
        made["UUID"].as_str().unwrap().to_owned()
    }

    async fn mapping(&self, uuid: &str) -> Value {
        self.json("GetEventSourceMapping", json!({ "UUID": uuid })).await.unwrap()
    }

    fn invocations(&self) -> usize {
        self.logs.of("f").iter().filter(|l| l.starts_with("START ")).count()
    }

    async fn until_empty(&self) {
        eventually("the queue is empty", || self.queues.left("q").is_empty()).await;
    }

    async fn until_state(&self, uuid: &str, state: &str) {
        while self.mapping(uuid).await["State"] != state {
            pause().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_deleted_once_the_function_has_answered() {
    let world = World::new().await.with_queue().await;
    (0..7).for_each(|n| world.put(&format!("m{n}"), json!({})));
    let uuid = world.map(json!({})).await;
    world.until_empty().await;
    world.logs.until("f", "END ").await;
    assert_eq!(world.invocations(), 1, "seven messages are one batch");
    while world.mapping(&uuid).await["LastProcessingResult"] != "OK" {
        pause().await;
    }
    let mapping = world.mapping(&uuid).await;
    assert_eq!((&mapping["State"], &mapping["BatchSize"]), (&json!("Enabled"), &json!(10)));
    assert_eq!(mapping["EventSourceMappingArn"].as_str().unwrap().rsplit(':').next(), Some(uuid.as_str()));
    // What comes later is taken at once.
    world.put("later", json!({}));
    world.until_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_batch_comes_again_when_its_time_has_passed() {
    let world = World::manual().await.with_queue().await;
    world.put("bad", json!({ "do": "error" }));
    let uuid = world.map(json!({})).await;
    let failed = async {
        while world.mapping(&uuid).await["LastProcessingResult"] != "PROBLEM: Function call failed" {
            pause().await;
        }
    };
    failed.await;
    assert_eq!(world.queues.left("q"), [("bad".to_owned(), 1)]);
    let before = world.env.now();
    world
        .advance_until(Duration::from_secs(1), eventually("a second reception", || world.queues.left("q")[0].1 > 1))
        .await;
    assert!(world.env.now().since(before) >= VISIBLE_AFTER - Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_function_reports_comes_again() {
    let world = World::new().await.with_queue().await;
    for id in ["a", "b", "c"] {
        world.put(id, json!({ "do": "report", "fail": "b" }));
    }
    world.map(json!({ "FunctionResponseTypes": ["ReportBatchItemFailures"] })).await;
    eventually("one is left", || world.queues.left("q") == [("b".to_owned(), 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_reports_mean_nothing_and_with_it_a_wrong_one_fails_all() {
    let world = World::new().await.with_queue().await;
    world.put("a", json!({ "do": "report", "fail": "a" }));
    let uuid = world.map(json!({})).await;
    world.until_empty().await;
    let types = json!({ "UUID": uuid, "FunctionResponseTypes": ["ReportBatchItemFailures"] });
    assert_eq!(world.json("UpdateEventSourceMapping", types).await.unwrap()["State"], "Updating");
    for id in ["a", "b"] {
        world.put(id, json!({ "do": "report", "fail": "nobody" }));
    }
    let failed = async {
        while world.mapping(&uuid).await["LastProcessingResult"] != "PROBLEM: Function call failed" {
            pause().await;
        }
    };
    failed.await;
    assert!(!world.queues.left("q").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_filters_is_deleted_unseen() {
    let world = World::new().await.with_queue().await;
    for (id, body) in [("a", r#"{"n":1}"#), ("b", r#"{"n":5}"#), ("c", "no json"), ("d", r#"{"n":9}"#)] {
        world.queues.send("q", id, body, None, json!({ "do": "error" }));
    }
    let filters = json!({ "Filters": [{ "Pattern": r#"{"body":{"n":[{"numeric":["=",5]}]}}"# }] });
    world.map(json!({ "FilterCriteria": filters })).await;
    eventually("one is left", || world.queues.left("q") == [("b".to_owned(), 1)]).await;
    world.logs.until("f", "END ").await;
    assert_eq!(world.invocations(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_gathers_a_batch() {
    let world = World::manual().await.with_queue().await;
    world.map(json!({ "BatchSize": 500, "MaximumBatchingWindowInSeconds": 20 })).await;
    world.put("a", json!({}));
    eventually("the first is taken", || world.queues.left("q")[0].1 == 1).await;
    for n in 0..200 {
        world.put(&format!("m{n}"), json!({}));
    }
    eventually("all are taken", || world.queues.left("q").iter().all(|(_, receives)| *receives == 1)).await;
    assert_eq!(world.invocations(), 0);
    world.clock.as_ref().unwrap().advance(Duration::from_secs(20));
    world.until_empty().await;
    world.logs.until("f", "END ").await;
    assert_eq!(world.invocations(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_never_waits_for_one_that_is_under_way() {
    let world = World::new().await.with_queue().await;
    world.map(json!({ "BatchSize": 1, "ScalingConfig": { "MaximumConcurrency": 3 } })).await;
    for n in 0..5 {
        world.put(&format!("m{n}"), json!({ "do": "sleep", "ms": 700 }));
    }
    let taken = || world.queues.left("q").iter().filter(|(_, receives)| *receives > 0).count();
    eventually("three are under way", || taken() == 3 && world.queues.left("q").len() == 5).await;
    world.until_empty().await;
    assert_eq!(world.lambda.sandboxes(), 3, "never more than three at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_function_gets_its_batch_later_and_no_reception_is_wasted() {
    let world = World::new().await.with_queue().await;
    let one = json!({ "FunctionName": "f", "ReservedConcurrentExecutions": 1 });
    world.json("PutFunctionConcurrency", one).await.unwrap();
    let busy = world.invoke("f", json!({ "do": "sleep", "ms": 600 }));
    let throttled = async {
        eventually("it works", || world.invocations() == 1).await;
        world.put("a", json!({ "do": "error" }));
        let uuid = world.map(json!({})).await;
        while world.mapping(&uuid).await["LastProcessingResult"] != "PROBLEM: Function is throttled" {
            pause().await;
        }
        uuid
    };
    let (_, uuid) = tokio::join!(busy, throttled);
    while world.mapping(&uuid).await["LastProcessingResult"] != "PROBLEM: Function call failed" {
        pause().await;
    }
    assert_eq!(world.queues.left("q"), [("a".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_holds_back_its_group_and_no_other() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    world.queues.create("q", VISIBLE_AFTER, true);
    world.queues.send("q", "a1", "{}", Some("a"), json!({ "do": "error" }));
    world.map(json!({ "BatchSize": 1 })).await;
    eventually("the first is taken", || world.queues.left("q") == [("a1".to_owned(), 1)]).await;
    world.queues.send("q", "a2", "{}", Some("a"), json!({}));
    world.queues.send("q", "b1", "{}", Some("b"), json!({}));
    eventually("the other group goes on", || world.queues.left("q") == [("a1".to_owned(), 1), ("a2".to_owned(), 0)])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_is_disabled_enabled_and_deleted() {
    let world = World::new().await.with_queue().await;
    let uuid = world.map(json!({ "Enabled": false })).await;
    assert_eq!(world.mapping(&uuid).await["State"], "Disabled");
    world.put("a", json!({ "do": "sleep", "ms": 500 }));
    let set = async |enabled: bool| {
        let input = json!({ "UUID": uuid, "Enabled": enabled });
        world.json("UpdateEventSourceMapping", input).await.unwrap()["State"].clone()
    };
    assert_eq!(set(true).await, "Enabling");
    eventually("it is taken", || world.queues.left("q")[0].1 == 1).await;
    assert_eq!(set(false).await, "Disabling");
    // What is under way is finished first.
    world.until_state(&uuid, "Disabled").await;
    assert!(world.queues.left("q").is_empty());
    world.put("b", json!({}));
    assert_eq!(set(true).await, "Enabling");
    world.until_empty().await;
    let deleted = world.json("DeleteEventSourceMapping", json!({ "UUID": uuid })).await.unwrap();
    assert_eq!(deleted["State"], "Deleting");
    while world.json("GetEventSourceMapping", json!({ "UUID": uuid })).await.is_ok() {
        pause().await;
    }
    let (code, message) = world.refused("GetEventSourceMapping", json!({ "UUID": uuid })).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("ResourceNotFoundException", "The resource you requested does not exist.")
    );
    world.put("c", json!({}));
    let again = world.map(json!({})).await;
    assert_ne!(again, uuid);
    world.until_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_end_finishes_what_has_begun() {
    let world = World::new().await.with_queue().await;
    world.put("a", json!({ "do": "sleep", "ms": 500 }));
    world.map(json!({})).await;
    eventually("it is under way", || world.invocations() == 1).await;
    world.lambda.drain().await;
    assert!(world.queues.left("q").is_empty());
    world.put("b", json!({}));
    assert_eq!(world.queues.left("q"), [("b".to_owned(), 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mappings_are_listed_by_function_and_source() {
    let world = World::new().await.with_queue().await;
    world.create("g", json!({})).await;
    world.queues.create("other", VISIBLE_AFTER, false);
    let one = world.map(json!({})).await;
    let two = world.map(json!({ "FunctionName": "g" })).await;
    let three = world.map(json!({ "EventSourceArn": queue_arn("other") })).await;
    let list = async |filter: Value| {
        let listed = world.json("ListEventSourceMappings", filter).await.unwrap();
        let mut found: Vec<String> = listed["EventSourceMappings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["UUID"].as_str().unwrap().to_owned())
            .collect();
        found.sort();
        (found, listed["NextMarker"].as_str().map(str::to_owned))
    };
    let sorted = |mut all: Vec<&String>| {
        all.sort();
        all.into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(list(json!({})).await, (sorted(vec![&one, &two, &three]), None));
    assert_eq!(list(json!({ "FunctionName": "f" })).await.0, sorted(vec![&one, &three]));
    assert_eq!(list(json!({ "EventSourceArn": queue_arn("q") })).await.0, sorted(vec![&one, &two]));
    let (first, marker) = list(json!({ "MaxItems": 2 })).await;
    let (rest, end) = list(json!({ "MaxItems": 2, "Marker": marker.unwrap() })).await;
    assert_eq!(([first, rest].concat(), end), (sorted(vec![&one, &two, &three]), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused() {
    let world = World::new().await.with_queue().await;
    world.queues.create("closed", VISIBLE_AFTER, false);
    world.queues.create("short", Duration::from_secs(5), false);
    world.queues.create("fifo", VISIBLE_AFTER, true);
    let check = async |extra: Value, code: &str, message: &str| {
        let mut input = json!({ "FunctionName": "f", "EventSourceArn": queue_arn("q") });
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let found = world.refused("CreateEventSourceMapping", input).await;
        assert!(found.0 == code && found.1.contains(message), "{extra}: {found:?}");
    };
    let invalid = "InvalidParameterValueException";
    let violated = "ValidationException";
    check(json!({ "FunctionName": "nobody" }), invalid, "Function does not exist").await;
    check(json!({ "EventSourceArn": null }), invalid, "Unrecognized event source.").await;
    check(json!({ "EventSourceArn": "arn:aws:s3:::b" }), invalid, "Unrecognized event source, must be").await;
    check(json!({ "EventSourceArn": "x" }), invalid, "Unrecognized event source, must be").await;
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    check(json!({ "EventSourceArn": stream }), invalid, "Event sources of kinesis are not supported").await;
    let missing = "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.";
    check(json!({ "EventSourceArn": queue_arn("nobody") }), invalid, missing).await;
    let role = "The provided execution role does not have permissions to call ReceiveMessage on SQS";
    check(json!({ "EventSourceArn": queue_arn("closed") }), invalid, role).await;
    let visibility = "Queue visibility timeout: 5 seconds is less than Function timeout: 20 seconds";
    check(json!({ "EventSourceArn": queue_arn("short") }), invalid, visibility).await;
    check(json!({ "BatchSize": 0 }), violated, "greater than or equal to 1").await;
    check(json!({ "BatchSize": 10_001 }), violated, "less than or equal to 10000").await;
    let window = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10";
    check(json!({ "BatchSize": 11 }), invalid, window).await;
    check(json!({ "MaximumBatchingWindowInSeconds": 301 }), violated, "less than or equal to 300").await;
    let fifo = json!({ "EventSourceArn": queue_arn("fifo"), "MaximumBatchingWindowInSeconds": 1 });
    check(fifo, invalid, "Batching window is not supported for FIFO queues.").await;
    let fifo = json!({ "EventSourceArn": queue_arn("fifo"), "BatchSize": 11 });
    check(fifo, invalid, "Batch size for FIFO queues must be at most 10").await;
    check(json!({ "FunctionResponseTypes": ["All"] }), violated, "[ReportBatchItemFailures]").await;
    check(json!({ "ScalingConfig": { "MaximumConcurrency": 1 } }), violated, "greater than or equal to 2").await;
    check(json!({ "ScalingConfig": { "MaximumConcurrency": 1_001 } }), violated, "less than or equal to 1000").await;
    let pattern = |pattern: &str| json!({ "FilterCriteria": { "Filters": [{ "Pattern": pattern }] } });
    check(pattern("{"), invalid, "Invalid filter pattern definition.").await;
    check(pattern(r#"{"body":5}"#), invalid, "Invalid filter pattern definition.").await;
    check(pattern(&"x".repeat(4_097)), violated, "less than or equal to 4096").await;
    let many: Vec<Value> = (0..6).map(|n| json!({ "Pattern": format!(r#"{{"body":["{n}"]}}"#) })).collect();
    check(json!({ "FilterCriteria": { "Filters": many } }), invalid, "exceeds the limit of 5").await;
    for (name, value) in [
        ("StartingPosition", json!("LATEST")),
        ("ParallelizationFactor", json!(2)),
        ("BisectBatchOnFunctionError", json!(true)),
        ("MaximumRetryAttempts", json!(3)),
        ("TumblingWindowInSeconds", json!(3)),
        ("DestinationConfig", json!({ "OnFailure": { "Destination": "x" } })),
    ] {
        let message = format!("Unsupported {name} parameter for given event source mapping type.");
        check(json!({ name: value }), invalid, &message).await;
    }
    check(json!({ "KMSKeyArn": "arn:aws:kms:x:y:z" }), invalid, "KMSKeyArn is not supported by this server.").await;
    check(json!({ "ProvisionedPollerConfig": { "MinimumPollers": 2 } }), invalid, "is not supported by this server.")
        .await;
    world.create("limited", json!({ "Role": ROLE })).await;
    let two = json!({ "FunctionName": "limited", "ReservedConcurrentExecutions": 2 });
    world.json("PutFunctionConcurrency", two).await.unwrap();
    let wide = json!({ "FunctionName": "limited", "ScalingConfig": { "MaximumConcurrency": 3 } });
    check(wide, invalid, "must not exceed the function's reserved concurrency 2").await;
    let uuid = world.map(json!({})).await;
    check(json!({}), "ResourceConflictException", &uuid).await;
    for operation in ["GetEventSourceMapping", "UpdateEventSourceMapping", "DeleteEventSourceMapping"] {
        assert_eq!(world.refused(operation, json!({ "UUID": "nobody" })).await.0, "ResourceNotFoundException");
    }
    let bad = json!({ "UUID": uuid, "BatchSize": 100 });
    assert_eq!(world.refused("UpdateEventSourceMapping", bad).await, (invalid.to_owned(), window.to_owned()));
    assert_eq!(world.refused("ListEventSourceMappings", json!({ "MaxItems": 0 })).await.0, violated);
}

#[tokio::test(flavor = "multi_thread")]
async fn mappings_have_tags_of_their_own() {
    let world = World::new().await.with_queue().await;
    let uuid = world.map(json!({ "Tags": { "a": "1" } })).await;
    let arn = world.mapping(&uuid).await["EventSourceMappingArn"].clone();
    world.json("TagResource", json!({ "Resource": arn, "Tags": { "b": "2" } })).await.unwrap();
    world.json("UntagResource", json!({ "Resource": arn, "TagKeys": ["a"] })).await.unwrap();
    let tags = world.json("ListTags", json!({ "Resource": arn })).await.unwrap();
    assert_eq!(tags, json!({ "Tags": { "b": "2" } }));
    let nobody = "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:nobody";
    assert_eq!(world.refused("ListTags", json!({ "Resource": nobody })).await.0, "ResourceNotFoundException");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_whose_stream_is_gone_can_be_switched_off() {
    let world = World::new().await;
    world.create("f", json!({})).await;
    let source = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-01-01T00:00:00.000";
    let input = json!({ "FunctionName": "f", "EventSourceArn": source, "StartingPosition": "LATEST" });
    let uuid = world.json("CreateEventSourceMapping", input).await.unwrap()["UUID"].as_str().unwrap().to_owned();
    world.stream.gone.store(true, std::sync::atomic::Ordering::SeqCst);
    let update = async |enabled: bool| {
        world.json("UpdateEventSourceMapping", json!({ "UUID": uuid, "Enabled": enabled, "BatchSize": 7 })).await
    };
    assert_eq!(update(false).await.unwrap()["State"], "Disabling");
    world.until_state(&uuid, "Disabled").await;
    assert_eq!(world.mapping(&uuid).await["BatchSize"], 7);
    let refused = update(true).await.unwrap_err();
    assert!(refused.message().starts_with("Stream not found: "), "{refused:?}");
}
