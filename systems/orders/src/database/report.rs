//! What the command side knows, in sums: the truth that the other side is compared with.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use super::{Database, Error, Write};
use crate::order::Cents;

/// Everything in sums, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Each client that has ordered.
    pub clients: Vec<ReportOfClient>,
    /// Each product.
    pub products: Vec<ReportOfProduct>,
    /// Orders that nobody has looked at yet.
    pub received: i64,
    /// Orders for which there was enough.
    pub confirmed: i64,
    /// Orders for which there was not.
    pub rejected: i64,
    /// Events that are not counted yet.
    pub outbox: i64,
}

/// A client's orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportOfClient {
    /// Which client.
    pub id: i64,
    /// How many orders.
    pub orders: i64,
    /// What they cost.
    pub total_cents: Cents,
    /// When the latest was placed, in milliseconds since 1970.
    pub last_ms: i64,
}

/// A product's stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportOfProduct {
    /// Which product.
    pub id: i64,
    /// How much is there.
    pub stock: i64,
    /// How much of it confirmed orders are waiting for.
    pub reserved: i64,
    /// How much confirmed orders asked for, waiting or not.
    pub sold: i64,
}

impl Database {
    /// The report.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn report(&self) -> Result<Report, Error> {
        // As a writer in SQLite, so that all sums are of one moment; PostgreSQL's snapshot does it.
        let mut tx = match self.locking() {
            "" => self.begin().await?,
            _ => Write::new(self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?, None),
        };
        let mut report = Report::default();
        let clients = "SELECT id_client, COUNT(*) AS orders, CAST(SUM(total_cents) AS BIGINT) AS total, \
                       MAX(placed_at_ms) AS last FROM \"order\" GROUP BY id_client ORDER BY id_client";
        for row in sqlx::query(clients).fetch_all(&mut **tx).await? {
            let total_cents = Cents(row.try_get("total")?);
            let (id, orders, last_ms) = (row.try_get("id_client")?, row.try_get("orders")?, row.try_get("last")?);
            report.clients.push(ReportOfClient { id, orders, total_cents, last_ms });
        }
        let products = "SELECT p.id AS id, p.stock AS stock, p.reserved AS reserved, CAST(COALESCE((SELECT SUM(i.quantity) \
                        FROM order_item i JOIN \"order\" o ON o.id = i.id_order \
                        WHERE i.id_product = p.id AND o.state = 'confirmed'), 0) AS BIGINT) AS sold FROM product p ORDER BY p.id";
        for row in sqlx::query(products).fetch_all(&mut **tx).await? {
            let (id, stock) = (row.try_get("id")?, row.try_get("stock")?);
            let (reserved, sold) = (row.try_get("reserved")?, row.try_get("sold")?);
            report.products.push(ReportOfProduct { id, stock, reserved, sold });
        }
        for row in sqlx::query("SELECT state, COUNT(*) AS n FROM \"order\" GROUP BY state").fetch_all(&mut **tx).await?
        {
            let (state, n): (String, i64) = (row.try_get("state")?, row.try_get("n")?);
            match state.as_str() {
                "received" => report.received = n,
                "confirmed" => report.confirmed = n,
                _ => report.rejected = n,
            }
        }
        report.outbox = sqlx::query_scalar("SELECT COUNT(*) FROM order_event").fetch_one(&mut **tx).await?;
        Ok(report)
    }
}
