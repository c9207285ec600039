//! Secrets Manager: secrets, their versions, and the staging labels by which versions are found.
//!
//! # Limits
//! [`VALUE_BYTES_MAX`], [`STAGES_MAX`], [`VERSIONS_KEPT`], [`VERSIONS_MAX`], [`TAGS_MAX`], [`POLICY_CHARS_MAX`],
//! [`RECOVERY_DAYS_MIN`] to [`RECOVERY_DAYS_MAX`].
//!
//! # Invariants
//! - A label is attached to at most one version, and a version moves labels in the same commit that makes it.
//! - What a request names is found before policies are asked, so they see the whole ARN.
//! - Values are never in a log, an error or a `Debug` output.
//! - A secret whose recovery window has passed is gone at that moment, whenever its rows are removed.
//!
//! # Deliberately absent
//! Keys of the caller's own, replicas, rotation and managed external secrets: their operations are unknown here, their
//! parameters are refused. Values are as safe as the data folder: they are not encrypted a second time.

mod deletion;
mod error;
mod keys;
mod listing;
mod model;
mod password;
mod policy;
mod resources;
mod secret;
mod service;
mod stages;
mod tags;
mod value;
mod version;

pub use error::Error;
pub use listing::PAGE_MAX;
pub use model::VALUE_BYTES_MAX;
pub use password::PASSWORD_CHARS_MAX;
pub use policy::POLICY_CHARS_MAX;
pub use resources::resource_types;
pub use secret::{RECOVERY_DAYS_MAX, RECOVERY_DAYS_MIN};
pub use service::{INFO, SecretsManager, api};
pub use stages::{STAGES_MAX, VERSIONS_KEPT, VERSIONS_MAX};
pub use tags::TAGS_MAX;
