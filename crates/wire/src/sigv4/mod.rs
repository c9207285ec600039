//! Signature Version 4, verified: small pure functions over the bytes of a request.
//!
//! The way of a signature: [`Presented::find`] reads what the request claims (header or presigned query), [`Presented::check`]
//! refuses what is wrong whatever the secret (scope, unsigned headers, age), the caller looks the key up, [`check_key`]
//! refuses a wrong token or an ended session, and [`Presented::verify`] compares the signature in constant time.
//!
//! AWS: *IAM User Guide*, "AWS Signature Version 4 for API requests"; *Amazon S3 API Reference*, "Authenticating Requests".

pub(crate) mod canonical;
pub(crate) mod checksum;
pub(crate) mod chunked;
mod presented;
mod refusal;
mod signing_key;
pub(crate) mod sigv2;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use presented::{Carrier, Presented};
pub(crate) use refusal::{Dialect, Refusal};
pub(crate) use signing_key::{SigningKey, SigningKeys};
pub(crate) use verify::{PayloadHash, SignedRequest, check_key, same_hex};

/// The only algorithm there is.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a request's time may be from ours, in seconds.
pub(crate) const SKEW_S_MAX: u64 = 15 * 60;
/// The longest life of a presigned URL, in seconds: a week.
pub(crate) const EXPIRES_S_MAX: u64 = 604_800;
