//! The front door: HTTP, signatures, the AWS protocols, and the one declaration of an operation from which they are all served.
//!
//! A service declares each operation once ([`Operation`]) with a typed function, gathers them in an [`Api`], and [`Front`]
//! serves any number of those on one port, in every protocol the service speaks. What is streamed rather than decoded (S3)
//! is a [`RawService`]. What is asked from inside the program, of any service, goes the same way without a signature: the
//! [`Door`] is [`cauce_core::ports::Services`].
//!
//! # The way of a request
//! Limits and head, route (which service, operation, protocol), signature, decode, authorize every resource, validate, handler,
//! encode. Each step can only refuse with an error shaped as AWS shapes it in that protocol.
//!
//! # Invariants
//! - No handler runs before the signature is verified and every resource the operation names is allowed.
//! - Every answer, errors included, carries a request id; an internal cause goes to the log under that id, never to the client.
//! - What a client can make us hold is bounded by a limit in [`FrontOptions`]; JSON and CBOR nest at most 127 levels
//!   deep, a form has at most 10,000 parameters of at most 32 parts, CBOR at most 400,000 values.
//! - A request is carried out to its end, whether or not its sender still waits: wire never drops a handler half way, except at
//!   the end of shutdown. Handlers bound their own waits by [`cauce_core::Call::deadline`].
//! - A panicking handler costs its caller a 500 and nobody else anything.
//!
//! # Deliberately absent
//! Policies (behind [`cauce_core::ports::Identity`]), services, TLS and HTTP/2.

mod api;
mod cbor;
mod document;
mod front;
mod json;
mod operation;
mod query;
mod raw;
mod rest;
mod served;
mod service;
mod sigv4;

pub use api::{Api, Declaration};
pub use front::{BODY_BYTES_FREE, Door, Front, FrontOptions, INSIDE_ANSWER_BYTES_MAX};
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
pub use json::nests_deeper;
pub use operation::{ANSWER_S_MAX, Input, Observed, Operation};
pub use query::xml::flattened;
pub use raw::{Body, Payload, RawRequest, RawService, RawStyle, RequestHead};
pub use rest::{RestRequest, RestResponse};
pub use service::{JsonVersion, Protocol, ServiceInfo};
