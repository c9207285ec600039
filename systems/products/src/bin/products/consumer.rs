//! The event consumer: keeps what the queue says.

use functions::queue::{Batch, Failures};
use functions::{config, variable};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use products::event::Event;

use crate::history::History;

pub async fn run() -> Result<(), Error> {
    let history = History::new(&aws_sdk_dynamodb::Client::new(&config().await))?;
    let kept_s: i64 = variable("EVENTS_KEPT_SECONDS")?.parse()?;
    let history = &history;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Batch>| async move {
        Ok::<_, Error>(answer(history, kept_s, event.payload).await)
    }))
    .await
}

/// Each message stands for itself: the events' places, not the order of their arrival, say what came first.
async fn answer(history: &History, kept_s: i64, batch: Batch) -> Failures {
    let mut failures = Failures::default();
    for record in &batch.records {
        let kept = match record.read::<Event>() {
            Ok(event) => history.keep(&event, kept_s).await,
            Err(cause) => Err(cause),
        };
        if let Err(why) = kept {
            failures.note(record, &why);
        }
    }
    failures
}
