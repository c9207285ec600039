//! RPC v2 CBOR: bodies in and out. Smithy 2.0 documentation, *Smithy RPC v2 CBOR protocol*; RFC 8949.

mod decode;
mod encode;

pub(crate) use decode::decode;
pub(crate) use encode::{encode, error};
