//! The query protocol: forms in, XML out.
//!
//! Smithy 2.0 documentation, *AWS Query protocol*.

pub(crate) mod form;
pub(crate) mod xml;
