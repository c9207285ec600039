//! Checking orders against the stock, and lowering it.
//!
//! A confirmed order reserves what it needs in the transaction that confirms it; what leaves the stock later was reserved before. So
//! the stock covers every confirmed order, however late and in whatever order the products are taken out.

use sqlx::Row as _;

use super::{Database, Error};
use crate::event::ProductSold;

/// What an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Placed, not looked at yet.
    Received,
    /// There is enough of everything.
    Confirmed,
    /// There is not.
    Rejected,
}

/// An order that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What it is now: confirmed or rejected.
    pub state: State,
    /// Its products: what has to leave the stock if it is confirmed.
    pub products: Vec<i64>,
}

impl Database {
    /// Confirms or rejects an order that was received; tells of any other what it is. `None` if there is no such order.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn check(&self, id_order: i64) -> Result<Option<Checked>, Error> {
        let mut tx = self.begin().await?;
        let lock = self.locking();
        let select = format!("SELECT state FROM \"order\" WHERE id = $1{lock}");
        let state: Option<String> = sqlx::query_scalar(&select).bind(id_order).fetch_optional(&mut **tx).await?;
        let Some(state) = state else { return Ok(None) };
        let items = "SELECT id_product, quantity FROM order_item WHERE id_order = $1 ORDER BY id_product";
        let mut wanted: Vec<(i64, i64)> = Vec::new();
        for row in sqlx::query(items).bind(id_order).fetch_all(&mut **tx).await? {
            wanted.push((row.try_get("id_product")?, row.try_get("quantity")?));
        }
        let products: Vec<i64> = wanted.iter().map(|(id, _)| *id).collect();
        match state.as_str() {
            "confirmed" => return Ok(Some(Checked { state: State::Confirmed, products })),
            "rejected" => return Ok(Some(Checked { state: State::Rejected, products })),
            _ => {}
        }
        let mut enough = true;
        // Every order locks products in the order of their ids, so that no two wait for each other.
        let select = format!("SELECT stock - reserved AS free FROM product WHERE id = $1{lock}");
        for (product, quantity) in &wanted {
            let free: i64 = sqlx::query_scalar(&select).bind(*product).fetch_one(&mut **tx).await?;
            enough &= free >= *quantity;
        }
        if enough {
            for (product, quantity) in &wanted {
                let reserve = "UPDATE product SET reserved = reserved + $1 WHERE id = $2";
                sqlx::query(reserve).bind(*quantity).bind(*product).execute(&mut **tx).await?;
            }
        }
        let (state, name) = if enough { (State::Confirmed, "confirmed") } else { (State::Rejected, "rejected") };
        let update = "UPDATE \"order\" SET state = $1 WHERE id = $2";
        sqlx::query(update).bind(name).bind(id_order).execute(&mut **tx).await?;
        tx.commit().await?;
        Ok(Some(Checked { state, products }))
    }

    /// Takes products of confirmed orders out of the stock, each once however often it is asked; returns how many left now.
    ///
    /// # Errors
    /// [`Error`]; then none has left.
    pub async fn take_out(&self, sold: &[ProductSold]) -> Result<usize, Error> {
        // In the order in which everybody locks products.
        let mut sold = sold.to_vec();
        sold.sort_by_key(|sold| (sold.id_product, sold.id_order));
        let mut tx = self.begin().await?;
        let mut count = 0;
        for ProductSold { id_order, id_product } in sold {
            let insert = "INSERT INTO stock_movement (id_order, id_product, quantity) \
                          SELECT i.id_order, i.id_product, i.quantity FROM order_item i JOIN \"order\" o ON o.id = i.id_order \
                          WHERE i.id_order = $1 AND i.id_product = $2 AND o.state = 'confirmed' \
                          ON CONFLICT (id_order, id_product) DO NOTHING RETURNING quantity";
            let insert = sqlx::query_scalar(insert).bind(id_order).bind(id_product);
            let quantity: Option<i64> = insert.fetch_optional(&mut **tx).await?;
            let Some(quantity) = quantity else { continue };
            let update = "UPDATE product SET stock = stock - $1, reserved = reserved - $1 WHERE id = $2";
            sqlx::query(update).bind(quantity).bind(id_product).execute(&mut **tx).await?;
            count += 1;
        }
        tx.commit().await?;
        Ok(count)
    }
}
