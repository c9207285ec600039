//! Products, and what happened to them.
//!
//! This library knows no cloud: [`product`] reads and checks what clients send, [`event`] is what is told of every operation. The
//! binary `products` puts the services of AWS around it, one function a handler.
//!
//! What must never be: a change of a product without its event or an event without its change (the event waits in the outbox, in the
//! change's own transaction), an event that shows twice (its key is made of the request's id), events of a product in another order than its
//! changes (each is later than the one before it).

pub mod event;
pub mod product;
