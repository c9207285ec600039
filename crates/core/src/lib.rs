//! The words that every crate of Cauce shares, and the seams through which one service asks another.
//!
//! What is here: names ([`Arn`], [`Account`], [`Region`]), one request's context ([`Call`], [`Principal`], [`Trace`]), the only
//! sources of time and chance ([`Clock`], [`Entropy`], together [`Env`]), errors as AWS shapes them ([`ServiceError`],
//! [`Violations`]), how samples are spread ([`Distribution`]), how templates of inputs are filled ([`template`]), the life cycle of a deployable thing ([`ResourceType`]), and in
//! [`ports`] the small traits by which a service asks for what another service owns.
//!
//! # Invariants
//! - This crate depends on no other crate of Cauce and performs no input or output besides reading the system clock and the
//!   system's random source, both behind traits.
//! - A [`ServiceError`] shown to a client never contains its internal cause; the log always does.
//!
//! # Deliberately absent
//! HTTP, storage and serialization formats: they live in `wire` and `store`.

mod arn;
mod blob;
mod call;
mod clock;
mod distribution;
mod entropy;
mod env;
mod error;
pub mod ports;
mod resource;
mod tag;
pub mod template;
mod timestamp;
mod trace;
mod violations;

pub use arn::{Account, Arn, ArnError, Partition, Region};
pub use blob::Blob;
pub use call::{Call, Principal, RequestId};
pub use clock::{Clock, ManualClock, SystemClock, Wait};
pub use distribution::{BUCKETS_MAX, Distribution, EXACT_VALUES_MAX, RELATIVE_ERROR, Spread};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use env::Env;
pub use error::{Fault, ServiceError};
pub use resource::{
    CreateRequest, DeleteRequest, Property, Provisioned, ResourceSchema, ResourceType, UpdateBehavior, UpdateRequest,
};
pub use tag::{TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, Tag};
pub use timestamp::Timestamp;
pub use trace::{SpanId, Trace, TraceId};
pub use violations::Violations;
