//! What is told of an order.

use serde::{Deserialize, Serialize};

use crate::order::{Cents, Line};

/// An order was placed. What the outbox keeps, without the id that the row has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPlaced {
    /// Which order.
    pub id_order: i64,
    /// When, in milliseconds since 1970.
    pub placed_at_ms: i64,
    /// Who ordered, as they were called then.
    pub client: Client,
    /// What it costs.
    pub total_cents: Cents,
    /// What was ordered.
    pub products: Vec<Line>,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Which.
    pub id: i64,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
}

/// The message that goes through topic and queues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The outbox row's id: the same however often the event is published.
    pub id: String,
    /// What happened.
    pub order: OrderPlaced,
}

/// The message to whoever clears the outbox: these events are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projected {
    /// The events' ids.
    pub ids: Vec<String>,
}

/// The message to whoever keeps the stock: this product of a confirmed order leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductSold {
    /// Of which order.
    pub id_order: i64,
    /// Which product.
    pub id_product: i64,
}
