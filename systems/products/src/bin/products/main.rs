//! The functions of the system `products`: one program, of which the function's `Handler` chooses the part.

mod api;
mod catalogue;
mod consumer;
mod history;
mod item;
mod outbox;
mod relay;

use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    match functions::variable("_HANDLER")?.as_str() {
        "api" => api::run().await,
        "consumer" => consumer::run().await,
        "relay" => relay::run().await,
        other => Err(format!("there is no handler {other}").into()),
    }
}
