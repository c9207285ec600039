//! Systems Manager's Parameter Store: parameters in a hierarchy of names, their versions and labels.
//!
//! # Limits
//! [`STANDARD_CHARS_MAX`], [`ADVANCED_CHARS_MAX`], [`STANDARD_MAX`], [`ADVANCED_MAX`], [`VERSIONS_MAX`], [`LABELS_MAX`],
//! [`LEVELS_MAX`], [`TAGS_MAX`].
//!
//! # Invariants
//! - A parameter's row holds its newest version, so that reading a parameter or a hierarchy is one read.
//! - A label is attached to at most one version of a parameter.
//! - Values are never in a log, an error or a `Debug` output; a `SecureString` is shown only to who asks for decryption.
//!
//! # Deliberately absent
//! Everything of Systems Manager that is not Parameter Store; parameter policies, public parameters, `aws:ec2:image` and keys
//! of the caller's own. A `SecureString` is as safe as the data folder: it is not encrypted a second time.

mod delete;
mod error;
mod filter;
mod get;
mod history;
mod keys;
mod label;
mod model;
mod name;
mod page;
mod path;
mod put;
mod resources;
mod service;
mod tags;

pub use error::Error;
pub use label::LABELS_MAX;
pub use name::LEVELS_MAX;
pub use put::{ADVANCED_CHARS_MAX, ADVANCED_MAX, STANDARD_CHARS_MAX, STANDARD_MAX, VERSIONS_MAX};
pub use resources::resource_types;
pub use service::{INFO, ParameterStore, api};
pub use tags::TAGS_MAX;
