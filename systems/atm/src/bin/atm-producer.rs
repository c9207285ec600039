//! `atmProducer`: puts transactions on the event bus named by `EVENT_BUS_NAME`.

use atm::{BATCH_MAX, DETAIL_TYPE, Request, Response, SOURCE, Transaction, sample};
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::new(&functions::config().await);
    let bus = std::env::var("EVENT_BUS_NAME").unwrap_or_else(|_| "default".to_owned());
    run(service_fn(|event: LambdaEvent<Request>| put(&client, &bus, event.payload))).await
}

async fn put(client: &Client, bus: &str, request: Request) -> Result<Response, Error> {
    let transactions = request.transactions.unwrap_or_else(sample);
    let mut event_ids = Vec::with_capacity(transactions.len());
    for batch in transactions.chunks(BATCH_MAX) {
        let entries = batch.iter().map(|transaction| entry(bus, transaction)).collect::<Result<_, Error>>()?;
        let out = client.put_events().set_entries(Some(entries)).send().await?;
        for (entry, transaction) in out.entries().iter().zip(batch) {
            match entry.event_id() {
                Some(id) => event_ids.push(id.to_owned()),
                None => {
                    let (code, message) = (entry.error_code().unwrap_or(""), entry.error_message().unwrap_or(""));
                    let id = &transaction.transaction_id;
                    return Err(format!("transaction {id} was not accepted: {code}: {message}").into());
                }
            }
        }
    }
    println!("put {} transactions on {bus}", event_ids.len());
    Ok(Response { event_ids })
}

fn entry(bus: &str, transaction: &Transaction) -> Result<PutEventsRequestEntry, Error> {
    let detail = serde_json::to_string(transaction)?;
    let entry = PutEventsRequestEntry::builder().event_bus_name(bus).source(SOURCE).detail_type(DETAIL_TYPE);
    Ok(entry.detail(detail).build())
}
