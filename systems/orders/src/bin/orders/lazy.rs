//! The database of every function that needs it.

use functions::variable;
use lambda_runtime::Error;
use orders::database::Database;
use tokio::sync::OnceCell;

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
