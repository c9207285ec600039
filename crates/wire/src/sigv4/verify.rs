//! The comparison itself.

use cauce_core::Timestamp;
use cauce_core::ports::AccessKey;
use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::canonical::{CanonicalRequest, PathStyle};
use super::{ALGORITHM, Carrier, Presented, Refusal, SigningKey, SigningKeys};

/// The last line of the canonical request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PayloadHash<'a> {
    /// Of the body as it came.
    Body(&'a [u8]),
    /// What the header claims, to be checked by whoever reads the body, or a keyword.
    Claimed(&'a str),
}

/// The parts of a request that are signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) path_style: PathStyle,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) host: &'a str,
    pub(crate) payload: PayloadHash<'a>,
}

/// Refuses a token that is not the key's, and a key that has ended.
///
/// # Errors
/// [`Refusal::BadToken`] or [`Refusal::ExpiredToken`].
pub(crate) fn check_key(key: &AccessKey, token: Option<&str>, now: Timestamp) -> Result<(), Refusal> {
    let good = match (&key.session_token, token) {
        (Some(expected), Some(given)) => bool::from(expected.as_bytes().ct_eq(given.as_bytes())),
        (None, None) => true,
        _ => false,
    };
    if !good {
        return Err(Refusal::BadToken);
    }
    match key.expires {
        Some(expires) if expires <= now => Err(Refusal::ExpiredToken),
        _ => Ok(()),
    }
}

impl Presented<'_> {
    /// Compares the signature with the one that `secret` makes; returns the key, for the chunks of a signed stream.
    ///
    /// # Errors
    /// [`Refusal::Mismatch`].
    pub(crate) fn verify(
        &self,
        request: &SignedRequest<'_>,
        secret: &str,
        keys: &SigningKeys,
    ) -> Result<SigningKey, Refusal> {
        let scope = self.scope().ok_or(Refusal::Mismatch)?;
        let key = keys.get(&self.credential, secret, [scope.date, scope.region, scope.service]);
        let mut body_hash = [0; 64];
        let payload_hash = match request.payload {
            PayloadHash::Claimed(text) => text,
            PayloadHash::Body(body) => hex_of(&Sha256::digest(body).into(), &mut body_hash),
        };
        let canonical = CanonicalRequest {
            method: request.method,
            path: request.path,
            path_style: request.path_style,
            query: request.query,
            query_without: matches!(self.carrier, Carrier::Query { .. }).then_some("X-Amz-Signature"),
            headers: request.headers,
            host: request.host,
            signed_headers: &self.signed_headers,
            payload_hash,
        };
        let mut hash = Sha256::new();
        canonical.write(&mut hash);
        let mut canonical_hash = [0; 64];
        let canonical_hash = hex_of(&hash.finalize().into(), &mut canonical_hash);
        let expected = key.sign(&[
            ALGORITHM.as_bytes(),
            b"\n",
            self.date.as_bytes(),
            b"\n",
            self.scope_text().as_bytes(),
            b"\n",
            canonical_hash.as_bytes(),
        ]);
        if same_hex(&expected, &self.signature) { Ok(key) } else { Err(Refusal::Mismatch) }
    }

    /// The credential without the key id: `DATE/REGION/SERVICE/aws4_request`.
    pub(crate) fn scope_text(&self) -> &str {
        self.credential.split_once('/').map_or("", |(_, scope)| scope)
    }
}

/// Lower-case hex of a hash, in a buffer of the caller's.
pub(crate) fn hex_of<'a>(hash: &[u8; 32], buffer: &'a mut [u8; 64]) -> &'a str {
    // The buffer is twice as long as the hash, so encoding cannot fail, and hex is ASCII.
    match hex::encode_to_slice(hash, buffer) {
        Ok(()) => std::str::from_utf8(buffer).unwrap_or(""),
        Err(_) => "",
    }
}

/// Whether `text` is the lower-case hex of `expected`, in a time that does not depend on where they differ.
pub(crate) fn same_hex(expected: &[u8; 32], text: &str) -> bool {
    let mut buffer = [0; 64];
    hex_of(expected, &mut buffer).as_bytes().ct_eq(text.as_bytes()).into()
}
