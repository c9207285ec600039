//! The stock updater: takes each product of a confirmed order out of the stock once.

use functions::queue::{Batch, Failures};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use orders::event::ProductSold;

use crate::lazy::Lazy;

pub async fn run() -> Result<(), Error> {
    let database = Lazy::from_environment()?;
    let database = &database;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Batch>| answer(database, event.payload))).await
}

async fn answer(database: &Lazy, batch: Batch) -> Result<Failures, Error> {
    let (mut failures, mut sold) = (Failures::default(), Vec::new());
    for record in &batch.records {
        match record.read::<ProductSold>() {
            Ok(product) => sold.push(product),
            Err(cause) => failures.note(record, &cause),
        }
    }
    database.get().await?.take_out(&sold).await?;
    Ok(failures)
}
