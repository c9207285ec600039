//! The relay: sends what functions that died have left in the outbox. Woken by its schedule.

use functions::{config, now_ms};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

use crate::outbox::{Outbox, Queue};

/// What is younger than this is left to the function that wrote it, in milliseconds.
const LEFT_TO_OTHERS_MS: i64 = 10_000;

/// How much of its time the function leaves unused, so that it ends rather than is ended, in milliseconds.
const RESERVE_MS: i64 = 3_000;

pub async fn run() -> Result<(), Error> {
    let config = config().await;
    let outbox = Outbox::new(&aws_sdk_dynamodb::Client::new(&config))?;
    let queue = Queue::new(aws_sdk_sqs::Client::new(&config))?;
    let (outbox, queue) = (&outbox, &queue);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX) - RESERVE_MS;
        let sent = drain(outbox, queue, deadline).await?;
        Ok::<_, Error>(json!({ "sent": sent }))
    }))
    .await
}

async fn drain(outbox: &Outbox, queue: &Queue, deadline_ms: i64) -> Result<usize, Error> {
    let (mut sent, mut after) = (0, None);
    loop {
        let (events, next) = outbox.waiting(now_ms() - LEFT_TO_OTHERS_MS, after).await?;
        for event in &events {
            queue.send(event).await?;
            outbox.remove(&event.request).await?;
            println!("event of request {} sent by the relay", event.request);
        }
        sent += events.len();
        after = next;
        if after.is_none() || now_ms() > deadline_ms {
            return Ok(sent);
        }
    }
}
