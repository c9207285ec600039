//! Who somebody is and what they may do: users, roles, keys, policies, and why a policy says what it says.
//!
//! - [`Iam`] keeps the identities of one account and answers [`cauce_core::ports::Identity`]: whose key signed this, and may
//!   they do it.
//! - [`api`] and [`sts_api`] are the operations of IAM and STS, [`resource_types`] what CloudFormation makes of them.
//! - [`policy`] reads policy documents, decides and explains; pure, and of use without the rest.
//!
//! # Limits
//! AWS's default quotas, in `limits.rs`. One account; other accounts appear as callers that need a resource's policy.
//!
//! # Invariants
//! - An explicit deny wins over everything; what no policy allows is denied; the owner of the account is stopped by a
//!   resource's policy alone.
//! - Temporary credentials carry their claims under a MAC and are no rows of the store. They end with their role: a deleted
//!   role's sessions stop at once, also if a role of the same name is made again. What limits a session beyond its role is a
//!   row; a session whose row is gone may do nothing.
//! - A decision never uses policies older than the last change that was answered. All that is compiled is kept under a
//!   generation that every committed change moves.
//! - A document is checked when it is accepted, and one that does not read later decides nothing: the request fails.
//! - Secrets are shown once, by the operation that makes them, and never logged.
//!
//! # Deliberately absent
//! Groups, instance profiles, identity providers, second factors, passwords, service control policies, and sessions for users
//! (`GetSessionToken`): refused as unknown operations, or by name. The cache follows changes made by this process; several
//! nodes on one store need the generation as a watched row.

mod access_key;
mod api;
mod cache;
mod context;
mod error;
mod iam;
mod identity;
mod keys;
mod limits;
mod managed;
mod managed_policy;
mod model;
mod name;
mod page;
mod permissions;
pub mod policy;
mod resources;
mod role;
mod role_policy;
mod session;
mod shape;
mod simulate;
mod sts;
mod user;
mod user_policy;

pub use api::{api, sts_api};
pub use error::IamError;
pub use iam::{Iam, IamOptions};
pub use identity::Explanation;
pub use resources::resource_types;
