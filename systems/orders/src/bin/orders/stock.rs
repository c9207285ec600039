//! The stock updater: takes each product of a confirmed order out of the stock once.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use orders::event::ProductSold;

use crate::cloud::Lazy;
use crate::queue::{Batch, Failures, Record};

pub async fn run() -> Result<(), Error> {
    let database = Lazy::from_environment()?;
    let database = &database;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Batch>| answer(database, event.payload))).await
}

async fn answer(database: &Lazy, batch: Batch) -> Result<Failures, Error> {
    let mut failures = Failures::default();
    for record in &batch.records {
        if let Err(cause) = take_out(database, record).await {
            failures.note(record, &cause);
        }
    }
    Ok(failures)
}

async fn take_out(database: &Lazy, record: &Record) -> Result<(), Error> {
    let sold: ProductSold = record.read()?;
    database.get().await?.take_out(sold.id_order, sold.id_product).await?;
    Ok(())
}
