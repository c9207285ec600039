//! Answers what the command side knows, in sums: for whoever compares it with the query side. Invoked directly.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

use crate::lazy::Lazy;

pub async fn run() -> Result<(), Error> {
    let database = Lazy::from_environment()?;
    let database = &database;
    lambda_runtime::run(service_fn(|_: LambdaEvent<Value>| async move {
        Ok::<_, Error>(database.get().await?.report().await?)
    }))
    .await
}
