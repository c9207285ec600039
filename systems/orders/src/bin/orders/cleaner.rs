//! The cleaner: removes from the outbox what is counted.

use functions::queue::{Batch, Failures};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use orders::event::Projected;

use crate::lazy::Lazy;

pub async fn run() -> Result<(), Error> {
    let database = Lazy::from_environment()?;
    let database = &database;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Batch>| answer(database, event.payload))).await
}

async fn answer(database: &Lazy, batch: Batch) -> Result<Failures, Error> {
    let database = database.get().await?;
    let (mut failures, mut ids) = (Failures::default(), Vec::new());
    for record in &batch.records {
        match record.read::<Projected>() {
            Ok(projected) => ids.extend(projected.ids),
            Err(cause) => failures.note(record, &cause),
        }
    }
    database.remove(&ids).await?;
    Ok(failures)
}
