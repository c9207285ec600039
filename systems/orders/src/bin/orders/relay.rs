//! The relay: publishes what is due in the outbox. Woken by its schedule, and with log tailing by every order.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::DisplayErrorContext;
use aws_sdk_sns::types::PublishBatchRequestEntry;
use functions::{config, now_ms, variable};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use orders::event::Event;
use orders::relay::{Publisher, drain};
use serde_json::{Value, json};

use crate::lazy::Lazy;

/// How much of its time a function leaves unused, so that it ends rather than is ended, in milliseconds.
const RESERVE_MS: i64 = 3_000;

/// The topic.
pub struct Topic {
    client: Client,
    arn: String,
}

impl Topic {
    pub async fn from_environment() -> Result<Topic, Error> {
        Ok(Topic { client: Client::new(&config().await), arn: variable("TOPIC_ARN")? })
    }
}

#[async_trait]
impl Publisher for Topic {
    async fn publish(&self, events: &[Event]) -> Result<Vec<String>, String> {
        let mut request = self.client.publish_batch().topic_arn(&self.arn);
        for (n, event) in events.iter().enumerate() {
            let message = serde_json::to_string(event).map_err(|cause| cause.to_string())?;
            let entry = PublishBatchRequestEntry::builder().id(n.to_string()).message(message).build();
            request = request.publish_batch_request_entries(entry.map_err(|cause| cause.to_string())?);
        }
        let answer = request.send().await.map_err(|cause| DisplayErrorContext(cause).to_string())?;
        for failed in answer.failed() {
            println!("event not published: {}: {}", failed.code(), failed.message().unwrap_or_default());
        }
        let place = |id: Option<&str>| id.and_then(|id| id.parse::<usize>().ok());
        let accepted = answer.successful().iter().filter_map(|entry| events.get(place(entry.id())?));
        Ok(accepted.map(|event| event.id.clone()).collect())
    }
}

pub async fn run() -> Result<(), Error> {
    let (database, topic) = (Lazy::from_environment()?, Topic::from_environment().await?);
    let (database, topic) = (&database, &topic);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX) - RESERVE_MS;
        let published = drain(database.get().await?, topic, now_ms, || now_ms() < deadline).await?;
        if published > 0 {
            println!("{published} events published");
        }
        Ok::<_, Error>(json!({ "published": published }))
    }))
    .await
}
