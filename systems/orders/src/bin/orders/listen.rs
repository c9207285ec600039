//! The relay as a program of its own: PostgreSQL's notifications wake it.

use std::time::Duration;

use functions::{now_ms, variable};
use lambda_runtime::Error;
use orders::database::Database;
use orders::relay::drain;
use sqlx::postgres::PgListener;

use crate::relay::Topic;

/// The channel on which the schema's trigger tells of new rows.
const CHANNEL: &str = "order_event";

/// How long it waits at most before it looks by itself, for what was claimed and not published, or while it was not connected.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long it waits after a failure.
const FAILED_WAIT: Duration = Duration::from_secs(1);

pub async fn run() -> Result<(), Error> {
    let url = variable("DATABASE_URL")?;
    let topic = Topic::from_environment().await?;
    let database = Database::open(&url).await?;
    let mut listener = PgListener::connect(&url).await?;
    listener.listen(CHANNEL).await?;
    println!("listening");
    loop {
        match drain(&database, &topic, now_ms, || true).await {
            Ok(0) => {}
            Ok(published) => println!("{published} events published"),
            Err(cause) => {
                println!("{cause}");
                tokio::time::sleep(FAILED_WAIT).await;
                continue;
            }
        }
        match tokio::time::timeout(LOOK_EVERY, listener.recv()).await {
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(cause)) => {
                println!("not connected: {cause}");
                tokio::time::sleep(FAILED_WAIT).await;
            }
        }
    }
}
