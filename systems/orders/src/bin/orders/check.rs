//! Looks at each order that was placed: confirms or rejects it, and tells which products leave the stock.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use functions::queue::{Batch, Failures, Record};
use functions::{config, variable};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use orders::database::{Checked, Database, State};
use orders::event::{Event, ProductSold};

use crate::lazy::Lazy;

/// SQS: at most 10 messages a request.
const BATCH_MAX: usize = 10;

pub async fn run() -> Result<(), Error> {
    let (database, client) = (Lazy::from_environment()?, Client::new(&config().await));
    let queue = variable("STOCK_QUEUE_URL")?;
    let (database, client, queue) = (&database, &client, queue.as_str());
    lambda_runtime::run(service_fn(|event: LambdaEvent<Batch>| answer(database, client, queue, event.payload))).await
}

async fn answer(database: &Lazy, client: &Client, queue: &str, batch: Batch) -> Result<Failures, Error> {
    let database = database.get().await?;
    let mut failures = Failures::default();
    for record in &batch.records {
        if let Err(cause) = check(database, client, queue, record).await {
            failures.note(record, &cause);
        }
    }
    Ok(failures)
}

async fn check(database: &Database, client: &Client, queue: &str, record: &Record) -> Result<(), Error> {
    let id_order = record.read::<Event>()?.order.id_order;
    let Some(Checked { state, products }) = database.check(id_order).await? else {
        return Err(format!("there is no order {id_order}").into());
    };
    if state != State::Confirmed {
        println!("order {id_order} is rejected");
        return Ok(());
    }
    // The state is on disk. If this ends half-way, the message comes again, and the stock is lowered once all the same.
    for products in products.chunks(BATCH_MAX) {
        let mut request = client.send_message_batch().queue_url(queue);
        for id_product in products {
            let sold = serde_json::to_string(&ProductSold { id_order, id_product: *id_product })?;
            let entry = SendMessageBatchRequestEntry::builder().id(id_product.to_string()).message_body(sold);
            request = request.entries(entry.build()?);
        }
        if let Some(failed) = request.send().await?.failed().first() {
            return Err(format!("order {id_order}: {}", failed.message().unwrap_or(failed.code())).into());
        }
    }
    Ok(())
}
