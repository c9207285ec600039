//! Looks at each order that was placed: confirms or rejects it, and tells which products leave the stock.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use functions::queue::{Batch, Failures, Record};
use functions::{config, variable};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use orders::database::{Checked, State};
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
    let (mut failures, mut orders) = (Failures::default(), Vec::new());
    for record in &batch.records {
        match record.read::<Event>() {
            Ok(event) => orders.push((record, event.order.id_order)),
            Err(cause) => failures.note(record, &cause),
        }
    }
    let ids: Vec<i64> = orders.iter().map(|(_, id_order)| *id_order).collect();
    let checked = database.get().await?.check(&ids).await?;
    let mut sold = Vec::new();
    for (record, id_order) in orders {
        match checked.get(&id_order) {
            Some(Checked { state: State::Confirmed, products }) => {
                sold.extend(
                    products.iter().map(|id_product| (record, ProductSold { id_order, id_product: *id_product })),
                );
            }
            Some(_) => println!("order {id_order} is rejected"),
            None => failures.note(record, &format!("there is no order {id_order}")),
        }
    }
    // The states are on disk. If this ends half-way, the messages come again, and the stock is lowered once all the same.
    for sold in sold.chunks(BATCH_MAX) {
        send(client, queue, sold, &mut failures).await?;
    }
    Ok(failures)
}

async fn send(
    client: &Client,
    queue: &str,
    sold: &[(&Record, ProductSold)],
    failures: &mut Failures,
) -> Result<(), Error> {
    let mut request = client.send_message_batch().queue_url(queue);
    for (n, (_, sold)) in sold.iter().enumerate() {
        let entry =
            SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(serde_json::to_string(sold)?);
        request = request.entries(entry.build()?);
    }
    for failed in request.send().await?.failed() {
        let record = failed.id().parse().ok().and_then(|n: usize| sold.get(n));
        let (record, _) = record.ok_or_else(|| format!("there is no entry {}", failed.id()))?;
        failures.note(record, &failed.message().unwrap_or(failed.code()));
    }
    Ok(())
}
