//! Orders: what they are, where they are kept, and how they reach the side that answers questions about clients.
//!
//! This library knows no cloud: [`order`] reads and checks what clients send, [`database`] keeps it (SQLite or PostgreSQL through the
//! same code), [`event`] is what is told of it, [`relay`] carries events from the outbox to whoever tells them on, and [`projection`]
//! counts each of them once. The binary `orders` puts the services of AWS around it, one function a handler.
//!
//! What must never be: an order without its event or an event without its order (they commit in one transaction), an event counted
//! twice (its id is the outbox row's, and is remembered in the transaction that counts it), a stock below zero, an amount that is not
//! exact (amounts are whole cents everywhere but in the answer).

pub mod database;
pub mod event;
pub mod order;
pub mod projection;
pub mod relay;
