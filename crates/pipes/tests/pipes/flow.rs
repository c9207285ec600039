//! The way of batches: filter, enrichment, target, and what comes again when.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Does, VISIBLE_AFTER, World, arn};

const SECOND: Duration = Duration::from_secs(1);

/// Steps of time that are small beside every time that is waited for.
const MOMENT: Duration = Duration::from_millis(10);

fn queue() -> String {
    arn("sqs", "q")
}

fn stream() -> String {
    arn("dynamodb", "table/t/stream/1")
}

fn function() -> String {
    arn("lambda", "function:f")
}

/// The settings of a pipe of the stream.
fn following(extra: Value) -> Value {
    let mut parameters = json!({ "StartingPosition": "TRIM_HORIZON" });
    parameters.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    json!({ "SourceParameters": { "DynamoDBStreamParameters": parameters } })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_is_enriched_and_sent_and_then_deleted() {
    let world = World::new().await;
    for (id, body) in [("a", r#"{"n":1}"#), ("b", r#"{"n":2}"#), ("c", r#"{"n":3}"#)] {
        world.send(id, body);
    }
    world.around.answers.lock().push_back(Does::Answers(json!([{ "x": "one" }, { "x": "three" }])));
    let settings = json!({
        "SourceParameters": { "FilterCriteria": { "Filters": [{ "Pattern": r#"{"body":{"n":[1,3]}}"# }] } },
        "Enrichment": function(),
        "EnrichmentParameters": { "InputTemplate": r#"{"n": <$.body.n>}"# },
        "TargetParameters": {
            "InputTemplate": r#""<$.x> from <aws.pipes.pipe-name>""#,
            "SqsQueueParameters": { "MessageGroupId": "$.x", "MessageDeduplicationId": "same" },
        },
    });
    world.pipe(&queue(), &arn("sqs", "to.fifo"), settings).await;
    world.at_once("all are done with", |around| around.queue.lock().is_empty()).await;
    assert_eq!(*world.around.invoked.lock(), [json!([{ "n": 1 }, { "n": 3 }])]);
    let entry = |id: &str, x: &str| {
        let body = format!("{x} from p");
        json!({ "Id": id, "MessageBody": body, "MessageGroupId": x, "MessageDeduplicationId": "same" })
    };
    let input =
        json!({ "QueueUrl": "http://sqs/000000000000/to.fifo", "Entries": [entry("0", "one"), entry("1", "three")] });
    assert_eq!(*world.around.asked.lock(), [("sqs:SendMessageBatch".to_owned(), input)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_comes_again_when_its_time_has_passed() {
    let world = World::new().await;
    world.around.answers.lock().push_back(Does::Fails);
    world.send("a", "x");
    world.pipe(&queue(), &function(), json!({})).await;
    let before = world.env.now();
    world.at_once("a first invocation", |around| around.invoked.lock().len() == 1).await;
    world.until("a second invocation", SECOND, |around| around.invoked.lock().len() == 2).await;
    assert!(world.env.now().since(before) >= VISIBLE_AFTER);
    world.at_once("it is done with", |around| around.queue.lock().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_fit_comes_after_what_has_failed() {
    let world = World::new().await;
    let ids = ["a", "b", "c", "d", "e", "f", "g"];
    ids.into_iter().for_each(|id| world.send(id, &"x".repeat(50 * 1_024)));
    world.around.answers.lock().push_back(Does::Fails);
    // Four of them are as much as a topic takes at once.
    world.pipe(&arn("sqs", "queue.fifo"), &arn("sns", "topic"), json!({ "Enrichment": function() })).await;
    world.at_once("a first invocation", |around| around.invoked.lock().len() == 1).await;
    world.until("a second invocation", SECOND / 10, |around| around.invoked.lock().len() == 2).await;
    world.at_once("all are done with", |around| around.deleted.lock().len() == ids.len()).await;
    let invoked = world.around.invoked.lock();
    let id = |event: &Value| event["messageId"].as_str().unwrap().to_owned();
    let sent = |batch: &Value| batch.as_array().unwrap().iter().map(id).collect::<Vec<String>>().join("");
    assert_eq!(invoked.iter().map(sent).collect::<Vec<String>>(), ["abcd", "abcd", "efg"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_long_stays_hidden_and_at_last_times_out() {
    let world = World::new().await;
    world.around.answers.lock().extend([Does::Takes(VISIBLE_AFTER * 4), Does::Never]);
    world.send("a", "x");
    world.pipe(&queue(), &function(), json!({})).await;
    world.at_once("it is under way", |around| around.invoked.lock().len() == 1).await;
    goes_on(&world, VISIBLE_AFTER * 4).await;
    world.at_once("the slow one is done with", |around| around.queue.lock().is_empty()).await;
    assert_eq!(world.around.deleted.lock()[0].receives, 1, "nobody else has got it");
    world.send("b", "y");
    world.at_once("it is under way", |around| around.invoked.lock().len() == 2).await;
    goes_on(&world, cauce_pipes::EXECUTION_MAX).await;
    world.until("it is tried again", SECOND, |around| around.invoked.lock().len() == 3).await;
    world.at_once("it is done with", |around| around.queue.lock().is_empty()).await;
    assert_eq!(world.around.deleted.lock()[1].receives, 2);
}

/// Time goes on, and each time that half of what a batch is hidden for has passed, it is hidden anew.
async fn goes_on(world: &World, time: Duration) {
    let halves = (time.as_secs() / (VISIBLE_AFTER / 2).as_secs()) as usize;
    let before = *world.around.renewals.lock();
    for n in 1..halves {
        world.clock.advance(VISIBLE_AFTER / 2);
        // Who is slow to look at the clock finds it late, and then waits for a moment.
        let moment = Duration::from_millis(1);
        world.until("it is hidden anew", moment, |around| *around.renewals.lock() >= before + n).await;
    }
    world.clock.advance(VISIBLE_AFTER / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_reported_stays() {
    let world = World::new().await;
    (0..3).for_each(|n| world.send(&format!("m{n}"), "x"));
    let answer = json!({ "batchItemFailures": [{ "itemIdentifier": "m1" }] });
    world.around.answers.lock().push_back(Does::Answers(answer));
    world.pipe(&queue(), &function(), json!({})).await;
    let left =
        |around: &crate::world::Around| around.queue.lock().iter().map(|kept| kept.id.clone()).collect::<Vec<_>>();
    world.at_once("one is left", |around| left(around) == ["m1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_function_costs_no_reception() {
    let world = World::new().await;
    world.around.answers.lock().extend([Does::IsThrottled, Does::IsThrottled]);
    world.send("a", "x");
    world.pipe(&queue(), &function(), json!({})).await;
    world.until("it is done with", MOMENT, |around| around.queue.lock().is_empty()).await;
    assert_eq!(world.around.invoked.lock().len(), 3);
    assert_eq!(world.around.deleted.lock()[0].receives, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_in_order_and_are_given_up_after_their_attempts() {
    let world = World::new().await;
    world.around.answers.lock().extend([Does::Fails, Does::Fails]);
    world.change(1);
    let letters = json!({ "Arn": arn("sqs", "dead") });
    world
        .pipe(&stream(), &function(), following(json!({ "MaximumRetryAttempts": 1, "DeadLetterConfig": letters })))
        .await;
    world.until("a letter", SECOND, |around| !around.letters.lock().is_empty()).await;
    let letter = world.around.letters.lock()[0].clone();
    assert_eq!(
        letter["context"],
        json!({ "partnerResourceArn": arn("pipes", "pipe/p"), "condition": "RetryAttemptsExhausted" })
    );
    assert_eq!(letter["DDBStreamBatchInfo"]["startSequenceNumber"], "s1");
    world.change(2);
    world.until("the next record", SECOND, |around| around.invoked.lock().len() == 3).await;
    assert_eq!(world.around.invoked.lock()[2][0]["eventID"], "e2");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_counted_across_a_restart() {
    let mut world = World::new().await;
    world.around.answers.lock().extend([Does::Fails, Does::Fails, Does::Fails]);
    world.change(1);
    let letters = json!({ "Arn": arn("sqs", "dead") });
    let settings = following(json!({ "MaximumRetryAttempts": 2, "DeadLetterConfig": letters }));
    world.pipe(&stream(), &function(), settings).await;
    world.at_once("a first attempt", |around| around.invoked.lock().len() == 1).await;
    world.restart().await;
    // What comes behind it has not been tried yet.
    world.change(2);
    world.until("a letter", SECOND, |around| !around.letters.lock().is_empty()).await;
    world.until("the next record", SECOND, |around| around.invoked.lock().len() == 4).await;
    let invoked = world.around.invoked.lock();
    let ids: Vec<_> = invoked.iter().map(|events| events[0]["eventID"].as_str().unwrap()).collect();
    assert_eq!(ids, ["e1", "e1", "e1", "e2"]);
    assert_eq!(world.around.letters.lock()[0]["DDBStreamBatchInfo"]["batchSize"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_given_up_for_their_age() {
    let world = World::new().await;
    world.around.answers.lock().extend((0..1_000).map(|_| Does::Fails));
    world.change(1);
    let letters = json!({ "Arn": arn("sqs", "dead") });
    world
        .pipe(
            &stream(),
            &function(),
            following(json!({ "MaximumRecordAgeInSeconds": 60, "DeadLetterConfig": letters })),
        )
        .await;
    world.until("it is tried while it is young", MOMENT, |around| around.invoked.lock().len() == 2).await;
    world.until("a letter", SECOND, |around| !around.letters.lock().is_empty()).await;
    assert_eq!(world.around.letters.lock()[0]["context"]["condition"], "RecordAgeExceeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_role_may_not_counts_as_an_attempt() {
    let world = World::new().await;
    world.change(1);
    let letters = json!({ "Arn": arn("sqs", "dead") });
    let settings = following(json!({ "MaximumRetryAttempts": 0, "DeadLetterConfig": letters }));
    world.pipe(&stream(), &arn("lambda", "function:closed"), settings).await;
    world.at_once("a letter", |around| !around.letters.lock().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_it_says_and_nothing_else() {
    let world = World::new().await;
    let settings = json!({
        "DesiredState": "STOPPED",
        "Description": "d",
        "SourceParameters": {
            "SqsQueueParameters": { "BatchSize": 3, "MaximumBatchingWindowInSeconds": 9 },
            "FilterCriteria": { "Filters": [{ "Pattern": r#"{"body":{"n":[1]}}"# }] },
        },
        "TargetParameters": { "InputTemplate": "t", "SqsQueueParameters": { "MessageGroupId": "g" } },
    });
    world.pipe(&queue(), &arn("sqs", "to.fifo"), settings).await;
    let update = async |extra: Value| {
        let mut input = json!({ "Name": "p", "RoleArn": "arn:aws:iam::000000000000:role/r" });
        input.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        world.ask("UpdatePipe", input).await.unwrap();
        world.ask("DescribePipe", json!({ "Name": "p" })).await.unwrap()
    };
    let found = update(json!({
        "TargetParameters": { "InputTemplate": "u" },
        "SourceParameters": { "SqsQueueParameters": { "BatchSize": 4 } },
    }))
    .await;
    assert_eq!(
        found["TargetParameters"],
        json!({ "InputTemplate": "u", "SqsQueueParameters": { "MessageGroupId": "g" } })
    );
    // What only one kind of source knows is replaced as a whole.
    let of_queue = json!({ "BatchSize": 4, "MaximumBatchingWindowInSeconds": 0 });
    assert_eq!(found["SourceParameters"]["SqsQueueParameters"], of_queue);
    assert_eq!(found["SourceParameters"]["FilterCriteria"]["Filters"].as_array().unwrap().len(), 1);
    assert_eq!((&found["Description"], &found["CurrentState"]), (&json!("d"), &json!("STOPPED")));
    let found = update(json!({
        "Target": function(),
        "TargetParameters": { "InputTemplate": "" },
        "SourceParameters": { "FilterCriteria": { "Filters": [] } },
    }))
    .await;
    assert_eq!(found["TargetParameters"], json!({}));
    assert_eq!(found["SourceParameters"]["FilterCriteria"], json!({ "Filters": [] }));
}
