//! Checking orders against the stock, and lowering it.
//!
//! A confirmed order reserves what it needs in the transaction that confirms it; what leaves the stock later was reserved before. So
//! the stock covers every confirmed order, however late and in whatever order the products are taken out.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _};

use super::turn::Write;
use super::{Database, Error, parameters};
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
    /// What it is now.
    pub state: State,
    /// Its products: what has to leave the stock if it is confirmed.
    pub products: Vec<i64>,
}

impl State {
    fn named(name: &str) -> State {
        match name {
            "confirmed" => State::Confirmed,
            "rejected" => State::Rejected,
            _ => State::Received,
        }
    }

    /// As the database calls it.
    fn name(self) -> &'static str {
        match self {
            State::Received => "received",
            State::Confirmed => "confirmed",
            State::Rejected => "rejected",
        }
    }
}

/// What there is of a product, and how much of it the orders at hand have reserved.
struct Stock {
    free: i64,
    reserved: i64,
}

/// Reserves all lines of an order, or none.
fn reserve(stock: &mut BTreeMap<i64, Stock>, lines: &[(i64, i64)]) -> bool {
    let enough = |(id, quantity): &(i64, i64)| stock.get(id).is_some_and(|stock| stock.free >= *quantity);
    if !lines.iter().all(enough) {
        return false;
    }
    for (id, quantity) in lines {
        if let Some(stock) = stock.get_mut(id) {
            stock.free -= quantity;
            stock.reserved += quantity;
        }
    }
    true
}

/// A statement with `ids` as its parameters.
fn bound<'q>(query: Query<'q, Any, AnyArguments<'q>>, ids: &[i64]) -> Query<'q, Any, AnyArguments<'q>> {
    ids.iter().fold(query, |query, id| query.bind(*id))
}

impl Database {
    /// Confirms or rejects orders that were received, in one transaction; tells of any others what they are. What does not exist is left out.
    ///
    /// # Errors
    /// [`Error`]; then nothing has changed.
    pub async fn check(&self, ids: &[i64]) -> Result<BTreeMap<i64, Checked>, Error> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut tx = self.begin().await?;
        let (mut checked, mut received) = (BTreeMap::new(), Vec::new());
        // Everybody locks orders and then products, each in the order of their ids, so that no two wait for each other.
        let named = parameters(1, ids.len());
        let select = format!("SELECT id, state FROM \"order\" WHERE id IN ({named}) ORDER BY id{}", self.locking());
        for row in bound(sqlx::query(&select), ids).fetch_all(&mut **tx).await? {
            let (id, state): (i64, String) = (row.try_get("id")?, row.try_get("state")?);
            let state = State::named(&state);
            if state == State::Received {
                received.push(id);
            }
            checked.insert(id, Checked { state, products: Vec::new() });
        }
        let mut wanted: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
        let select = format!(
            "SELECT id_order, id_product, quantity FROM order_item WHERE id_order IN ({named}) ORDER BY id_product"
        );
        for row in bound(sqlx::query(&select), ids).fetch_all(&mut **tx).await? {
            let (id_order, id_product): (i64, i64) = (row.try_get("id_order")?, row.try_get("id_product")?);
            wanted.entry(id_order).or_default().push((id_product, row.try_get("quantity")?));
            if let Some(checked) = checked.get_mut(&id_order) {
                checked.products.push(id_product);
            }
        }
        wanted.retain(|id_order, _| received.contains(id_order));
        let mut stock = self.stock(&mut tx, &wanted).await?;
        for (id_order, lines) in &wanted {
            let state = if reserve(&mut stock, lines) { State::Confirmed } else { State::Rejected };
            if let Some(checked) = checked.get_mut(id_order) {
                checked.state = state;
            }
        }
        for (id_product, Stock { reserved, .. }) in stock.into_iter().filter(|(_, stock)| stock.reserved > 0) {
            let update = "UPDATE product SET reserved = reserved + $1 WHERE id = $2";
            sqlx::query(update).bind(reserved).bind(id_product).execute(&mut **tx).await?;
        }
        for id_order in wanted.keys() {
            let Some(Checked { state, .. }) = checked.get(id_order) else { continue };
            let update = "UPDATE \"order\" SET state = $1 WHERE id = $2";
            sqlx::query(update).bind(state.name()).bind(*id_order).execute(&mut **tx).await?;
        }
        tx.commit().await?;
        Ok(checked)
    }

    /// What there is of the products that these orders want, locked until the transaction ends.
    async fn stock(
        &self,
        tx: &mut Write,
        wanted: &BTreeMap<i64, Vec<(i64, i64)>>,
    ) -> Result<BTreeMap<i64, Stock>, Error> {
        let products: BTreeSet<i64> = wanted.values().flatten().map(|(id, _)| *id).collect();
        let products: Vec<i64> = products.into_iter().collect();
        if products.is_empty() {
            return Ok(BTreeMap::new());
        }
        let named = parameters(1, products.len());
        let select = "SELECT id, stock - reserved AS free FROM product";
        let select = format!("{select} WHERE id IN ({named}) ORDER BY id{}", self.locking());
        let rows = bound(sqlx::query(&select), &products).fetch_all(&mut ***tx).await?;
        let stock = |row: &AnyRow| Ok((row.try_get("id")?, Stock { free: row.try_get("free")?, reserved: 0 }));
        rows.iter().map(stock).collect()
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
