//! A consumer: logs the event it is given, on one line.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(|event: LambdaEvent<Value>| async move {
        println!("{}", event.payload);
        Ok::<_, Error>(())
    }))
    .await
}
