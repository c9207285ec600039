//! The command side's database: SQLite or PostgreSQL, whichever the URL names, through the same statements.
//!
//! [`orders`](Database::place) are placed here, the [`outbox`](Database::claim) is read here, and the [`stock`](Database::check) is kept
//! here. Every change is one transaction that is on disk when the call returns. Times are the caller's, in milliseconds since 1970.

mod orders;
mod outbox;
mod report;
mod stock;
mod turn;

use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::{Any, AnyPool, Executor as _, Transaction};

pub use orders::Placed;
pub use outbox::{LEASE_MS, PUBLISHED_AGAIN_AFTER_MS};
pub use report::{Report, ReportOfClient, ReportOfProduct};
pub use stock::{Checked, State};
use turn::{Turns, Write};

/// The version of the schema that this program reads and writes.
const SCHEMA_VERSION: i64 = 1;

/// How long a statement waits for other processes' transactions on the same SQLite file: less than a function may take.
const BUSY_MAX_MS: u64 = 8_000;

/// How long to wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Under which number processes agree on who makes the schema. Any number that nobody else uses.
const SCHEMA_LOCK: i64 = 0x006F_7264_6572_73;

const SQLITE_SCHEMA: &str = include_str!("../../schema/sqlite.sql");
const POSTGRES_SCHEMA: &str = include_str!("../../schema/postgres.sql");
const START_DATA: &str = include_str!("../../schema/start.sql");

/// What makes SQLite keep its word: a commit is synced before it is answered, also where the file lies on a network file system, on
/// which the write-ahead log must not be used.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// What went wrong in the database.
#[derive(Debug)]
pub enum Error {
    /// The database refused or cannot be reached.
    Sql(sqlx::Error),
    /// The URL names neither of the two.
    Url,
    /// The schema is of another version of this program.
    Schema(i64),
    /// The file that orders writers cannot be locked.
    Turn(std::io::Error),
    /// What is stored does not read.
    Stored(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Sql(cause) => write!(f, "database: {cause}"),
            Error::Url => f.write_str("the database URL must begin with sqlite: or postgres:"),
            Error::Schema(found) => write!(f, "the database has schema version {found}, not {SCHEMA_VERSION}"),
            Error::Turn(cause) => write!(f, "the lock of the database: {cause}"),
            Error::Stored(what) => write!(f, "database: {what} does not read"),
        }
    }
}

impl std::error::Error for Error {}

impl From<sqlx::Error> for Error {
    fn from(cause: sqlx::Error) -> Error {
        Error::Sql(cause)
    }
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres,
}

/// A database with our schema.
#[derive(Clone, Debug)]
pub struct Database {
    pool: AnyPool,
    kind: Kind,
    /// Who may write to SQLite's file next.
    turns: Option<Turns>,
}

impl Database {
    /// Opens the database at `url` (`sqlite:PATH?mode=rwc` or `postgres://...`), and makes schema and start data in an empty one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn open(url: &str) -> Result<Database, Error> {
        install_default_drivers();
        let options: AnyConnectOptions = url.parse().map_err(|_| Error::Url)?;
        let kind = match options.database_url.scheme() {
            "sqlite" => Kind::Sqlite,
            "postgres" | "postgresql" => Kind::Postgres,
            _ => return Err(Error::Url),
        };
        let sqlite = kind == Kind::Sqlite;
        let path = options.database_url.path().to_owned();
        let pool = AnyPoolOptions::new()
            // A function does one thing at a time.
            .max_connections(1)
            .acquire_timeout(CONNECT_MAX)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if sqlite {
                        let busy = format!("PRAGMA busy_timeout = {BUSY_MAX_MS};");
                        connection.execute(sqlx::raw_sql(&busy)).await?;
                        connection.execute(sqlx::raw_sql(SQLITE_SETTINGS)).await?;
                    }
                    Ok(())
                })
            })
            .connect_with(options)
            .await?;
        let turns = sqlite.then(|| Turns::beside(&path));
        let database = Database { pool, kind, turns };
        database.prepare().await?;
        Ok(database)
    }

    /// Makes schema and start data unless they are there.
    async fn prepare(&self) -> Result<(), Error> {
        if self.schema_version().await? == Some(SCHEMA_VERSION) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        if self.kind == Kind::Postgres {
            // Two functions may start at once; one waits here, and finds everything there.
            sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(SCHEMA_LOCK).execute(&mut **tx).await?;
        }
        if !self.has_schema(&mut tx).await? {
            let schema = if self.kind == Kind::Postgres { POSTGRES_SCHEMA } else { SQLITE_SCHEMA };
            (&mut **tx).execute(sqlx::raw_sql(schema)).await?;
            (&mut **tx).execute(sqlx::raw_sql(START_DATA)).await?;
        }
        tx.commit().await?;
        match self.schema_version().await? {
            Some(SCHEMA_VERSION) => Ok(()),
            other => Err(Error::Schema(other.unwrap_or(0))),
        }
    }

    async fn schema_version(&self) -> Result<Option<i64>, Error> {
        let mut tx = self.pool.begin().await?;
        if !self.has_schema(&mut tx).await? {
            return Ok(None);
        }
        let version = sqlx::query_scalar("SELECT MAX(version) FROM schema_version").fetch_one(&mut *tx).await?;
        Ok(Some(version))
    }

    async fn has_schema(&self, tx: &mut Transaction<'_, Any>) -> Result<bool, Error> {
        let tables = match self.kind {
            Kind::Postgres => {
                "SELECT COUNT(*) FROM pg_tables WHERE tablename = 'schema_version' AND schemaname = current_schema()"
            }
            Kind::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'",
        };
        let count: i64 = sqlx::query_scalar(tables).fetch_one(&mut **tx).await?;
        Ok(count > 0)
    }

    /// Begins a transaction that writes.
    async fn begin(&self) -> Result<Write, Error> {
        let Some(turns) = &self.turns else { return Ok(Write::new(self.pool.begin().await?, None)) };
        let turn = turns.wait().await?;
        // SQLite has one writer: to become it at once means to wait for the other, to become it later means to fail.
        Ok(Write::new(self.pool.begin_with("BEGIN IMMEDIATE").await?, Some(turn)))
    }

    /// What makes a SELECT lock its rows. SQLite's writer has the whole file.
    fn locking(&self) -> &'static str {
        if self.kind == Kind::Postgres { " FOR UPDATE" } else { "" }
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// `$first, $first+1, ...`: `count` parameters.
fn parameters(first: usize, count: usize) -> String {
    let names: Vec<String> = (first..first + count).map(|n| format!("${n}")).collect();
    names.join(", ")
}
