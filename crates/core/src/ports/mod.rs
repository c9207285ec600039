//! The questions one service asks another. Each trait is answered by the crate that owns the subject and wired in `cauce`, so
//! that no service crate depends on another.

mod functions;
mod identity;
mod logs;
mod objects;

pub use functions::{FunctionError, Functions, Invocation, InvocationOutcome};
pub use identity::{Access, AccessKey, Credentials, Identity, Verdict};
pub use logs::{LogBatch, LogLine, Logs};
pub use objects::Objects;
