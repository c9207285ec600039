//! Who somebody is and what they may do.

mod cache;
mod context;
mod error;
mod iam;
mod identity;
mod keys;
mod managed;
mod model;
mod name;
pub mod policy;
mod session;

pub use error::IamError;
pub use iam::{Iam, IamOptions};
pub use identity::Explanation;
