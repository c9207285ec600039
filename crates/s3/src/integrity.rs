//! What a request promises about its bytes, and whether they keep it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use sha2::Digest as _;

use crate::bodies::{Digests, Received};
use crate::checksum::{Algorithm, Checksum, Hasher, decode};
use crate::error::{Plain, Result, S3Error};
use crate::request::{Body, Request};

/// The digests a request carries or announces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Promise {
    md5: Option<Vec<u8>>,
    sha256: Option<Vec<u8>>,
    /// From a header, or with `None` as value from a trailer yet to come.
    checksum: Option<(Algorithm, Option<Vec<u8>>)>,
    /// Whether whoever gives the bytes has compared all but the MD5 when they end.
    verified: bool,
}

impl Promise {
    /// What the headers of `request` promise of `body`.
    ///
    /// # Errors
    /// `InvalidDigest`, `InvalidRequest` if a digest does not read.
    pub(crate) fn of(request: &Request, body: &Body) -> Result<Promise> {
        let md5 = match request.header("content-md5") {
            Some(text) => {
                Some(STANDARD.decode(text.trim()).ok().filter(|md5| md5.len() == 16).ok_or(Plain::InvalidDigest)?)
            }
            None => None,
        };
        // Anything but hex says that the bytes are signed otherwise or not at all.
        let sha256 = request.header("x-amz-content-sha256").filter(|text| text.len() == 64 && !body.verified);
        let sha256 = sha256.and_then(|text| hex::decode(text).ok());
        Ok(Promise { md5, sha256, checksum: promised_checksum(&request.headers)?, verified: body.verified })
    }

    /// The algorithm of the checksum, if one is promised.
    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        self.checksum.as_ref().map(|(algorithm, _)| *algorithm)
    }

    /// What must be computed to check this, and to know the checksums `also`.
    pub(crate) fn digests(&self, also: impl IntoIterator<Item = Algorithm>) -> Digests {
        let promised = self.algorithm().filter(|_| !self.verified);
        let mut algorithms: Vec<Algorithm> = promised.into_iter().collect();
        for algorithm in also {
            let known = self.verified && self.algorithm() == Some(algorithm);
            if !known && !algorithms.contains(&algorithm) {
                algorithms.push(algorithm);
            }
        }
        Digests::new(self.sha256.is_some(), algorithms)
    }

    /// Checks bytes that have come in, with the trailers that came after them, and adds what they promised to what was
    /// computed.
    ///
    /// # Errors
    /// `BadDigest`, `XAmzContentSHA256Mismatch`, `InvalidRequest` if the trailer is missing or does not read.
    pub(crate) fn check(&self, received: &mut Received, trailers: &HeaderMap) -> Result<()> {
        if self.md5.as_ref().is_some_and(|md5| *md5 != received.md5) {
            return Err(Plain::BadDigest.into());
        }
        if let (Some(promised), Some(found)) = (&self.sha256, &received.sha256)
            && promised != found
        {
            return Err(Plain::ContentSha256Mismatch.into());
        }
        let Some((algorithm, promised)) = &self.checksum else { return Ok(()) };
        let promised = match promised {
            Some(digest) => digest.clone(),
            None => trailing_checksum(*algorithm, trailers)?,
        };
        let found = received.checksums.iter().find(|(a, _)| a == algorithm).map(|(_, digest)| digest);
        match found {
            Some(found) if *found == promised => Ok(()),
            None if self.verified => {
                received.checksums.push((*algorithm, promised));
                Ok(())
            }
            _ => Err(S3Error::BadChecksum { algorithm: algorithm.name() }),
        }
    }

    /// Checks a small document at hand.
    ///
    /// # Errors
    /// As [`check`](Promise::check).
    pub(crate) fn check_document(&self, document: &[u8], trailers: &HeaderMap) -> Result<()> {
        if self.md5.as_ref().is_some_and(|md5| *md5 != *md5::Md5::digest(document)) {
            return Err(Plain::BadDigest.into());
        }
        if self.sha256.as_ref().is_some_and(|sha256| *sha256 != *sha2::Sha256::digest(document)) {
            return Err(Plain::ContentSha256Mismatch.into());
        }
        let Some((algorithm, promised)) = self.checksum.as_ref().filter(|_| !self.verified) else { return Ok(()) };
        let mut hasher = Hasher::new(*algorithm);
        hasher.update(document);
        let promised = match promised {
            Some(digest) => digest.clone(),
            None => trailing_checksum(*algorithm, trailers)?,
        };
        if hasher.finish() == promised { Ok(()) } else { Err(S3Error::BadChecksum { algorithm: algorithm.name() }) }
    }
}

fn promised_checksum(headers: &HeaderMap) -> Result<Option<(Algorithm, Option<Vec<u8>>)>> {
    let mut found = None;
    for algorithm in Algorithm::ALL {
        let Some(value) = headers.get(algorithm.header()) else { continue };
        if found.is_some() {
            let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
            return Err(S3Error::request(message));
        }
        found = Some((algorithm, Some(read_checksum(algorithm, value.to_str().unwrap_or_default())?)));
    }
    if found.is_some() {
        return Ok(found);
    }
    let trailer = headers.get("x-amz-trailer").and_then(|value| value.to_str().ok());
    match trailer.map(str::trim) {
        None => Ok(None),
        Some(name) => match Algorithm::by_header(name) {
            Some(algorithm) => Ok(Some((algorithm, None))),
            None => Err(S3Error::request("The value specified in the x-amz-trailer header is not supported")),
        },
    }
}

fn trailing_checksum(algorithm: Algorithm, trailers: &HeaderMap) -> Result<Vec<u8>> {
    let value = trailers.get(algorithm.header()).and_then(|value| value.to_str().ok());
    let malformed = || {
        let message =
            "The request contained trailing data that was not well-formed or did not conform to our published schema.";
        S3Error::Service(cauce_core::ServiceError::new(400, "MalformedTrailerError", message))
    };
    read_checksum(algorithm, value.ok_or_else(malformed)?.trim())
}

fn read_checksum(algorithm: Algorithm, text: &str) -> Result<Vec<u8>> {
    let invalid = || S3Error::request(format!("Value for {} header is invalid.", algorithm.header()));
    decode(algorithm, text).ok_or_else(invalid)
}

/// The algorithm that a client asks for without giving a checksum.
///
/// # Errors
/// `InvalidRequest` if S3 does not know it.
pub(crate) fn wanted_algorithm(headers: &HeaderMap, name: &str) -> Result<Option<Algorithm>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let found = value.to_str().ok().and_then(Algorithm::by_name);
    let message = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
                   [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]";
    found.map(Some).ok_or_else(|| S3Error::request(message))
}

/// The checksum of that algorithm among those computed.
pub(crate) fn computed(received: &Received, algorithm: Algorithm) -> Option<Checksum> {
    let digest = received.checksums.iter().find(|(a, _)| *a == algorithm).map(|(_, digest)| digest)?;
    Some(Checksum::of_body(algorithm, digest))
}
