//! The functions of the system `orders`: one program, of which the function's `Handler` chooses the part.
//!
//! Started as `orders listen` it is a relay that lives on its own, outside Lambda: it waits for PostgreSQL's notifications.

mod authorizer;
mod check;
mod cleaner;
mod command;
mod lazy;
mod listen;
mod projection;
mod query;
mod relay;
mod report;
mod stock;

use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::args().nth(1).as_deref() == Some("listen") {
        return listen::run().await;
    }
    match functions::variable("_HANDLER")?.as_str() {
        "authorizer" => authorizer::run().await,
        "check" => check::run().await,
        "cleaner" => cleaner::run().await,
        "command" => command::run().await,
        "projection" => projection::run().await,
        "query" => query::run().await,
        "relay" => relay::run().await,
        "report" => report::run().await,
        "stock" => stock::run().await,
        other => Err(format!("there is no handler {other}").into()),
    }
}
