//! What every function needs: its settings, its clients, its database, the time.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use lambda_runtime::Error;
use orders::database::Database;
use tokio::sync::OnceCell;

/// The configuration of every SDK.
pub async fn config() -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
}

/// A setting that must be there.
pub fn variable(name: &str) -> Result<String, Error> {
    std::env::var(name).map_err(|_| format!("the variable {name} is not set").into())
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The database that `DATABASE_URL` names, opened when it is first needed: a function that starts while the database does not
/// answer must say so to its caller rather than fail to start.
pub struct Lazy {
    url: String,
    opened: OnceCell<Database>,
}

impl Lazy {
    pub fn from_environment() -> Result<Lazy, Error> {
        Ok(Lazy { url: variable("DATABASE_URL")?, opened: OnceCell::new() })
    }

    pub async fn get(&self) -> Result<&Database, orders::database::Error> {
        self.opened.get_or_try_init(|| Database::open(&self.url)).await
    }
}
