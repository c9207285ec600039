//! Placing orders.

use sqlx::{Any, Row as _, Transaction};

use super::{Database, Error};
use crate::event::{Client, OrderPlaced};
use crate::order::{Cents, OrderRequest, Refusal, total};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// The order is there, with its lines and its event.
    Created {
        /// Its id.
        id_order: i64,
    },
    /// This very order was placed before: its idempotency key is known.
    Before {
        /// Its id.
        id_order: i64,
    },
    /// Nothing was written.
    Refused(Refusal),
}

impl Database {
    /// Places an order: itself, its lines and its row in the outbox in one transaction.
    ///
    /// # Errors
    /// [`Error`]; then nothing was written, unless the connection was lost in the commit: an idempotency key makes it safe to ask again.
    pub async fn place(&self, order: &OrderRequest, now_ms: i64) -> Result<Placed, Error> {
        let mut tx = self.begin().await?;
        let client = "SELECT name, email FROM client WHERE id = $1";
        let Some(row) = sqlx::query(client).bind(order.id_client).fetch_optional(&mut **tx).await? else {
            return Ok(unknown(format!("client {} does not exist", order.id_client)));
        };
        let client = Client { id: order.id_client, name: row.try_get("name")?, email: row.try_get("email")? };
        let mut prices = Vec::with_capacity(order.lines.len());
        for line in &order.lines {
            let price = "SELECT price_cents FROM product WHERE id = $1";
            let price: Option<i64> = sqlx::query_scalar(price).bind(line.id_product).fetch_optional(&mut **tx).await?;
            match price {
                Some(cents) => prices.push(Cents(cents)),
                None => return Ok(unknown(format!("product {} does not exist", line.id_product))),
            }
        }
        let total_cents = match total(&order.lines, &prices) {
            Ok(total) => total,
            Err(refusal) => return Ok(Placed::Refused(refusal)),
        };
        let insert = "INSERT INTO \"order\" (id_client, total_cents, state, placed_at_ms, idempotency_key) \
                      VALUES ($1, $2, 'received', $3, $4) ON CONFLICT (idempotency_key) DO NOTHING RETURNING id";
        let insert = sqlx::query_scalar(insert).bind(order.id_client).bind(total_cents.0).bind(now_ms);
        let inserted: Option<i64> = insert.bind(order.idempotency_key.clone()).fetch_optional(&mut **tx).await?;
        let Some(id_order) = inserted else {
            let before = "SELECT id FROM \"order\" WHERE idempotency_key = $1";
            let before = sqlx::query_scalar(before).bind(order.idempotency_key.clone()).fetch_one(&mut **tx).await?;
            return Ok(Placed::Before { id_order: before });
        };
        for (line, price) in order.lines.iter().zip(&prices) {
            let item = "INSERT INTO order_item (id_order, id_product, quantity, price_cents) VALUES ($1, $2, $3, $4)";
            let item = sqlx::query(item).bind(id_order).bind(line.id_product).bind(line.quantity).bind(price.0);
            item.execute(&mut **tx).await?;
        }
        let event = OrderPlaced { id_order, placed_at_ms: now_ms, client, total_cents, products: order.lines.clone() };
        tell(&mut tx, &event).await?;
        tx.commit().await?;
        Ok(Placed::Created { id_order })
    }
}

/// Puts an event into the outbox, as part of the transaction that causes it.
async fn tell(tx: &mut Transaction<'_, Any>, event: &OrderPlaced) -> Result<(), Error> {
    let payload = serde_json::to_string(event).map_err(|cause| Error::Stored(cause.to_string()))?;
    let insert = "INSERT INTO order_event (id_order, payload) VALUES ($1, $2)";
    sqlx::query(insert).bind(event.id_order).bind(payload).execute(&mut **tx).await?;
    Ok(())
}

fn unknown(message: String) -> Placed {
    Placed::Refused(Refusal::Unknown(message))
}
