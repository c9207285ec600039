//! The body of a raw request, decoded and verified while it is read.

use std::collections::VecDeque;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use cauce_core::ServiceError;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use hyper::body::Body as HttpBody;
use sha2::{Digest as _, Sha256};

use crate::sigv4::checksum::Checksum;
use crate::sigv4::chunked::{ChunkError, ChunkSigner, Decoder};
use crate::sigv4::{Dialect, Refusal, same_hex};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Source = Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>;

/// How the body is framed and what vouches for it.
#[derive(Debug)]
pub(crate) enum PayloadMode {
    /// As it is, vouched for by nothing.
    Unsigned,
    /// As it is, with this hash.
    Hashed(String),
    /// `aws-chunked`, with signed chunks where there is a signer.
    Chunked(Option<ChunkSigner>),
}

/// The body of a raw request.
///
/// [`Payload::next`] gives its pieces, without the framing of `aws-chunked`; at the end it compares length, hash, signatures
/// and checksums, and fails if one is wrong. So what has been read counts only once `None` has come.
pub struct Payload {
    source: Option<Source>,
    decoder: Option<Decoder>,
    hash: Option<(Sha256, String)>,
    checksums: Vec<(Checksum, Option<String>)>,
    ready: VecDeque<Bytes>,
    len: Option<u64>,
    read: u64,
    /// Why there is nothing to read.
    refused: Option<ServiceError>,
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({:?} bytes, {} read)", self.len, self.read)
    }
}

impl Payload {
    /// The payload in `body`, as the headers describe it.
    ///
    /// # Errors
    /// 411 `MissingContentLength` for a chunked body that does not say its decoded length.
    pub(crate) fn new<B>(body: B, headers: &HeaderMap, mode: PayloadMode) -> Result<Payload, ServiceError>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
        let (decoder, len) = match &mode {
            PayloadMode::Chunked(signer) => {
                let len = number("x-amz-decoded-content-length").ok_or_else(|| {
                    let message = "You must provide the Content-Length HTTP header.";
                    ServiceError::new(411, "MissingContentLength", message)
                })?;
                (Some(Decoder::new(len, signer.clone())), Some(len))
            }
            _ => (None, number("content-length")),
        };
        let hash = match mode {
            PayloadMode::Hashed(expected) => Some((Sha256::new(), expected)),
            _ => None,
        };
        let source = Box::pin(body.map_err(Into::into));
        let checksums = declared_checksums(headers);
        let ready = VecDeque::new();
        Ok(Payload { source: Some(source), decoder, hash, checksums, ready, len, read: 0, refused: None })
    }

    /// A payload that was not taken in, because it has more than `bytes_max` bytes.
    pub(crate) fn too_large(bytes_max: usize) -> Payload {
        Payload {
            source: None,
            decoder: None,
            hash: None,
            checksums: Vec::new(),
            ready: VecDeque::new(),
            len: None,
            read: 0,
            refused: Some(too_large(bytes_max)),
        }
    }

    /// The same payload without regard to the checksums in its headers, where those are not about the body: S3's
    /// CompleteMultipartUpload names the checksum of the object that its parts make.
    #[must_use]
    pub fn without_checksums(mut self) -> Payload {
        self.checksums.clear();
        self
    }

    /// How many bytes there are, once decoded; unknown for bodies in HTTP chunks.
    pub fn len(&self) -> Option<u64> {
        self.len
    }

    /// Whether it is known to have no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == Some(0)
    }

    /// The next piece, `None` when all has come and is right.
    ///
    /// # Errors
    /// `IncompleteBody`, `XAmzContentSHA256Mismatch`, `SignatureDoesNotMatch`, `BadDigest`, `MalformedTrailerError`. There is
    /// nothing to read after an error.
    pub async fn next(&mut self) -> Option<Result<Bytes, ServiceError>> {
        if let Some(error) = self.refused.take() {
            return Some(Err(error));
        }
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(Ok(piece));
            }
            let source = self.source.as_mut()?;
            let step = match source.frame().await {
                None => {
                    self.source = None;
                    self.finish()
                }
                Some(Err(cause)) => Err(incomplete().with_cause(Broken(cause.to_string()))),
                // Trailers of HTTP itself carry nothing here: those of aws-chunked are inside the body.
                Some(Ok(frame)) => frame.into_data().map_or(Ok(()), |data| self.take(data)),
            };
            if let Err(error) = step {
                self.source = None;
                self.ready.clear();
                return Some(Err(error));
            }
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`Payload::next`]; 400 `EntityTooLarge` if there are more than `bytes_max` bytes.
    pub async fn collect(mut self, bytes_max: usize) -> Result<Bytes, ServiceError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await {
            let piece = piece?;
            if whole.len() + piece.len() > bytes_max {
                return Err(too_large(bytes_max));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// The checksums that the client declared, by header (`x-amz-checksum-crc32`) and base64 value; right once all is read.
    pub fn checksums(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.checksums.iter().map(|(sum, _)| (sum.header(), sum.value()))
    }

    fn take(&mut self, data: Bytes) -> Result<(), ServiceError> {
        match &mut self.decoder {
            None => self.accept(data),
            Some(decoder) => {
                let mut pieces = Vec::new();
                decoder.push(data, &mut pieces).map_err(chunk_error)?;
                for piece in pieces {
                    self.accept(piece);
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.read += piece.len() as u64;
        if let Some((hash, _)) = &mut self.hash {
            hash.update(&piece);
        }
        for (sum, _) in &mut self.checksums {
            sum.update(&piece);
        }
        self.ready.push_back(piece);
    }

    fn finish(&mut self) -> Result<(), ServiceError> {
        if let Some(decoder) = self.decoder.take() {
            for (name, value) in decoder.finish().map_err(chunk_error)? {
                for (sum, expected) in &mut self.checksums {
                    if sum.header() == name {
                        *expected = Some(value.clone());
                    }
                }
            }
            // A checksum that was announced must come.
            if self.checksums.iter().any(|(_, expected)| expected.is_none()) {
                return Err(chunk_error(ChunkError::Framing));
            }
        }
        if self.len.is_some_and(|len| len != self.read) {
            return Err(incomplete());
        }
        if let Some((hash, expected)) = self.hash.take()
            && !same_hex(&hash.finalize().into(), &expected)
        {
            return Err(Refusal::PayloadHash.into_error(Dialect::S3));
        }
        for (sum, expected) in &self.checksums {
            if expected.as_ref().is_some_and(|expected| *expected != sum.value()) {
                let message = format!("The {} you specified did not match the calculated checksum.", sum.name());
                return Err(ServiceError::new(400, "BadDigest", message));
            }
        }
        Ok(())
    }
}

/// The checksums named in headers, with their values, and those announced for the trailer.
fn declared_checksums(headers: &HeaderMap) -> Vec<(Checksum, Option<String>)> {
    let announced: Vec<String> = headers
        .get_all("x-amz-trailer")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    Checksum::HEADERS
        .iter()
        .filter_map(|name| {
            let value = headers.get(*name).and_then(|v| v.to_str().ok()).map(str::to_owned);
            let wanted = value.is_some() || announced.iter().any(|a| a == name);
            wanted.then(|| Checksum::of_header(name)).flatten().map(|sum| (sum, value))
        })
        .collect()
}

/// What went wrong below the body, for the log.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off: {0}")]
struct Broken(String);

fn too_large(bytes_max: usize) -> ServiceError {
    let error = ServiceError::new(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size");
    error.with_field("MaxSizeAllowed", bytes_max)
}

fn incomplete() -> ServiceError {
    let message = "You did not provide the number of bytes specified by the Content-Length HTTP header.";
    ServiceError::new(400, "IncompleteBody", message)
}

fn chunk_error(error: ChunkError) -> ServiceError {
    match error {
        ChunkError::Length => incomplete(),
        ChunkError::Signature => Refusal::Mismatch.into_error(Dialect::S3),
        ChunkError::Framing => {
            let message = "The request contained trailing data that was not well-formed or did not conform to our published \
                           schema.";
            ServiceError::new(400, "MalformedTrailerError", message)
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use http_body_util::Full;

    use super::{Payload, PayloadMode};

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect()
    }

    async fn read(body: &str, list: &[(&'static str, &str)], mode: PayloadMode) -> Result<Bytes, String> {
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let payload = Payload::new(body, &headers(list), mode).map_err(|e| e.code().to_owned())?;
        payload.collect(100).await.map_err(|e| e.code().to_owned())
    }

    #[tokio::test]
    async fn what_is_declared_is_compared() {
        let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"hello"));
        let good = Ok(Bytes::from_static(b"hello"));
        let hashed = || PayloadMode::Hashed(hash.clone());
        assert_eq!(read("hello", &[("content-length", "5")], hashed()).await, good);
        assert_eq!(read("hullo", &[("content-length", "5")], hashed()).await, Err("XAmzContentSHA256Mismatch".into()));
        assert_eq!(
            read("hello", &[("content-length", "6")], PayloadMode::Unsigned).await,
            Err("IncompleteBody".into())
        );
        let crc = [("x-amz-checksum-crc32", "NhCmhg==")];
        assert_eq!(read("hello", &crc, PayloadMode::Unsigned).await, good);
        assert_eq!(read("hullo", &crc, PayloadMode::Unsigned).await, Err("BadDigest".into()));
        let long = "x".repeat(101);
        assert_eq!(read(&long, &[], PayloadMode::Unsigned).await, Err("EntityTooLarge".into()));
    }

    #[tokio::test]
    async fn chunked_bodies_are_decoded_and_their_trailers_compared() {
        let list = [("x-amz-decoded-content-length", "5"), ("x-amz-trailer", "x-amz-checksum-crc32")];
        let chunked = || PayloadMode::Chunked(None);
        let body = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
        assert_eq!(read(body, &list, chunked()).await, Ok(Bytes::from_static(b"hello")));
        let wrong = body.replace("hello", "hullo");
        assert_eq!(read(&wrong, &list, chunked()).await, Err("BadDigest".into()));
        assert_eq!(read("5\r\nhel", &list, chunked()).await, Err("IncompleteBody".into()));
        assert_eq!(read("junk", &list, chunked()).await, Err("IncompleteBody".into()));
        assert_eq!(read("junk\r\n", &list, chunked()).await, Err("MalformedTrailerError".into()));
        assert_eq!(read(body, &[], chunked()).await, Err("MissingContentLength".into()));
    }
}
