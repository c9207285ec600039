//! `aws-chunked`: a body in chunks that may each be signed, with checksums after the last.
//!
//! ```text
//! 400;chunk-signature=HEX CRLF  (1,024 bytes) CRLF
//! 0;chunk-signature=HEX CRLF
//! x-amz-checksum-crc32:BASE64 CRLF  x-amz-trailer-signature:HEX CRLF CRLF
//! ```
//! The decoder performs no input or output: bytes are pushed in as they arrive, and decoded pieces come out without a copy. A
//! piece of a signed chunk is handed on before the chunk's signature is known, so nothing may be made durable before
//! [`Decoder::finish`] has succeeded.
//!
//! AWS: *Amazon S3 API Reference*, "Signature calculations for the authorization header: transferring payload in multiple chunks".

use bytes::{Buf as _, Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use super::SigningKey;
use super::verify::{hex_of, same_hex};

/// The longest line before a chunk, in bytes: a 64-bit size, the extension's name and a signature take 100.
const CHUNK_LINE_BYTES_MAX: usize = 256;
/// The most that all trailers together may hold, in bytes.
const TRAILER_BYTES_MAX: usize = 8_192;
/// SHA-256 of nothing.
const EMPTY_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What is wrong with a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkError {
    /// Not the framing of the format, or longer lines or more trailers than are allowed.
    Framing,
    /// The body ended early, or is longer or shorter than announced.
    Length,
    /// A chunk's or the trailers' signature does not match.
    Signature,
}

/// How the chunks of a body are signed: each signature covers the one before, the first the request's own.
#[derive(Clone, Debug)]
pub(crate) struct ChunkSigner {
    pub(crate) key: SigningKey,
    /// `20260101T000000Z`.
    pub(crate) date: String,
    /// `DATE/REGION/SERVICE/aws4_request`.
    pub(crate) scope: String,
    /// The signature of the request, then of the chunk before.
    pub(crate) previous: String,
}

impl ChunkSigner {
    fn expected(&self, algorithm: &str, hashes: &[&str]) -> [u8; 32] {
        let head = format!("{algorithm}\n{}\n{}\n{}\n", self.date, self.scope, self.previous);
        self.key.sign(&[head.as_bytes(), hashes.join("\n").as_bytes()])
    }

    fn check(&mut self, expected: [u8; 32], signature: &str) -> Result<(), ChunkError> {
        if !same_hex(&expected, signature) {
            return Err(ChunkError::Signature);
        }
        signature.clone_into(&mut self.previous);
        Ok(())
    }

    fn chunk(&mut self, data: Sha256, signature: &str) -> Result<(), ChunkError> {
        let mut hash = [0; 64];
        let hash = hex_of(&data.finalize().into(), &mut hash);
        let expected = self.expected("AWS4-HMAC-SHA256-PAYLOAD", &[EMPTY_HASH, hash]);
        self.check(expected, signature)
    }

    fn trailer(&mut self, canonical: &str, signature: &str) -> Result<(), ChunkError> {
        let mut hash = [0; 64];
        let hash = hex_of(&Sha256::digest(canonical).into(), &mut hash);
        let expected = self.expected("AWS4-HMAC-SHA256-TRAILER", &[hash]);
        self.check(expected, signature)
    }
}

enum State {
    /// Before a chunk's line.
    Line,
    /// In a chunk, with this much to come.
    Data { left: u64 },
    /// After a chunk, before its line end.
    LineEnd,
    /// After the last chunk.
    Trailers,
    /// After the empty line.
    Done,
}

/// Decodes one body.
pub(crate) struct Decoder {
    state: State,
    pending: BytesMut,
    /// How much is still to come of the decoded body.
    left: u64,
    signer: Option<ChunkSigner>,
    chunk_hash: Sha256,
    chunk_signature: String,
    trailer_bytes: usize,
    trailers: Vec<(String, String)>,
}

impl Decoder {
    /// A decoder of a body whose decoded form is `decoded_len` bytes long, with `signer` where the chunks are signed.
    pub(crate) fn new(decoded_len: u64, signer: Option<ChunkSigner>) -> Decoder {
        Decoder {
            state: State::Line,
            pending: BytesMut::new(),
            left: decoded_len,
            signer,
            chunk_hash: Sha256::new(),
            chunk_signature: String::new(),
            trailer_bytes: 0,
            trailers: Vec::new(),
        }
    }

    /// Takes the next bytes of the encoded body and appends what they decode to.
    ///
    /// # Errors
    /// At the first byte that cannot be right; the decoder is of no use afterwards.
    pub(crate) fn push(&mut self, mut input: Bytes, out: &mut Vec<Bytes>) -> Result<(), ChunkError> {
        loop {
            match self.state {
                State::Line => {
                    let Some(line) = self.line(&mut input, CHUNK_LINE_BYTES_MAX)? else { return Ok(()) };
                    self.start_chunk(&line)?;
                }
                State::Data { left } => {
                    if input.is_empty() {
                        return Ok(());
                    }
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let piece = input.split_to(take);
                    if self.signer.is_some() {
                        self.chunk_hash.update(&piece);
                    }
                    out.push(piece);
                    let left = left - take as u64;
                    self.state = if left == 0 { State::LineEnd } else { State::Data { left } };
                }
                State::LineEnd => {
                    let Some(line) = self.line(&mut input, 2)? else { return Ok(()) };
                    if !line.is_empty() {
                        return Err(ChunkError::Framing);
                    }
                    self.end_chunk()?;
                    self.state = State::Line;
                }
                State::Trailers => {
                    let room = TRAILER_BYTES_MAX - self.trailer_bytes;
                    let Some(line) = self.line(&mut input, room)? else { return Ok(()) };
                    self.trailer_bytes += (line.len() + 2).min(room);
                    self.trailer(&line)?;
                }
                State::Done => return if input.is_empty() { Ok(()) } else { Err(ChunkError::Framing) },
            }
        }
    }

    /// The next line without its end, once it has come whole.
    fn line(&mut self, input: &mut Bytes, bytes_max: usize) -> Result<Option<String>, ChunkError> {
        while !input.is_empty() {
            let take = memchr::memchr(b'\n', input).map_or(input.len(), |at| at + 1);
            if self.pending.len() + take > bytes_max {
                return Err(ChunkError::Framing);
            }
            self.pending.extend_from_slice(&input.split_to(take));
            if self.pending.ends_with(b"\n") {
                let line = self.pending.split();
                let line = line.strip_suffix(b"\r\n").ok_or(ChunkError::Framing)?;
                return std::str::from_utf8(line).map(|l| Some(l.to_owned())).map_err(|_| ChunkError::Framing);
            }
        }
        Ok(None)
    }

    fn start_chunk(&mut self, line: &str) -> Result<(), ChunkError> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let hex = !size.is_empty() && size.len() <= 16 && size.bytes().all(|b| b.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|_| hex).ok_or(ChunkError::Framing)?;
        self.left = self.left.checked_sub(size).ok_or(ChunkError::Length)?;
        if self.signer.is_some() {
            let signature = extension.strip_prefix("chunk-signature=").ok_or(ChunkError::Signature)?;
            signature.clone_into(&mut self.chunk_signature);
        }
        self.state = State::Data { left: size };
        if size == 0 {
            if self.left != 0 {
                return Err(ChunkError::Length);
            }
            self.end_chunk()?;
            self.state = State::Trailers;
        }
        Ok(())
    }

    fn end_chunk(&mut self) -> Result<(), ChunkError> {
        let hash = std::mem::take(&mut self.chunk_hash);
        match &mut self.signer {
            Some(signer) => signer.chunk(hash, &self.chunk_signature),
            None => Ok(()),
        }
    }

    fn trailer(&mut self, line: &str) -> Result<(), ChunkError> {
        if line.is_empty() {
            self.state = State::Done;
            return Ok(());
        }
        let (name, value) = line.split_once(':').ok_or(ChunkError::Framing)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "x-amz-trailer-signature" {
            if let Some(signer) = &mut self.signer {
                let canonical: String = self.trailers.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
                signer.trailer(&canonical, value)?;
                self.trailers.push((name, value.to_owned()));
            }
            return Ok(());
        }
        self.trailers.push((name, value.to_owned()));
        Ok(())
    }

    /// The trailers of a body that has come whole, without the trailer signature.
    ///
    /// # Errors
    /// [`ChunkError::Length`] if the body stopped early; [`ChunkError::Signature`] if its chunks are signed and its trailers
    /// are not.
    pub(crate) fn finish(mut self) -> Result<Vec<(String, String)>, ChunkError> {
        // Clients that send no trailer may leave out the empty line that would end them.
        let ended = matches!(self.state, State::Done)
            || (matches!(self.state, State::Trailers) && self.trailers.is_empty() && !self.pending.has_remaining());
        if !ended {
            return Err(ChunkError::Length);
        }
        if self.signer.is_some() && !self.trailers.is_empty() {
            match self.trailers.pop() {
                Some((name, _)) if name == "x-amz-trailer-signature" => {}
                _ => return Err(ChunkError::Signature),
            }
        }
        Ok(self.trailers)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{ChunkError, ChunkSigner, Decoder};
    use crate::sigv4::SigningKey;

    type Expected<'a> = Result<(&'a str, &'a [(&'a str, &'a str)]), ChunkError>;
    type Decoded = Result<(Vec<u8>, Vec<(String, String)>), ChunkError>;

    /// Decodes `body` fed in pieces of `step` bytes.
    fn decode(body: &[u8], len: u64, signer: Option<ChunkSigner>, step: usize) -> Decoded {
        let mut decoder = Decoder::new(len, signer);
        let mut out = Vec::new();
        for piece in body.chunks(step) {
            decoder.push(Bytes::copy_from_slice(piece), &mut out)?;
        }
        let trailers = decoder.finish()?;
        Ok((out.concat(), trailers))
    }

    #[test]
    fn unsigned_bodies() {
        let check = |body: &str, len: u64, expect: Expected<'_>| {
            for step in [1, 3, 1000] {
                let got = decode(body.as_bytes(), len, None, step);
                let got = got.as_ref().map(|(data, trailers)| {
                    let trailers: Vec<_> = trailers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                    (std::str::from_utf8(data).unwrap(), trailers)
                });
                let expect = expect.map(|(data, trailers)| (data, trailers.to_vec()));
                assert_eq!(got.map_err(|e| *e), expect, "{body:?} by {step}");
            }
        };
        check("5\r\nhello\r\n0\r\n\r\n", 5, Ok(("hello", &[])));
        check("5\r\nhello\r\n0\r\n", 5, Ok(("hello", &[])));
        check("0\r\n\r\n", 0, Ok(("", &[])));
        check("A\r\n0123456789\r\n1\r\nx\r\n0\r\nX-Amz-B: c\r\n\r\n", 11, Ok(("0123456789x", &[("x-amz-b", "c")])));
        check("5\r\nhello\r\n0\r\nx-amz-b:c\r\n", 5, Err(ChunkError::Length));
        check("5\r\nhel", 5, Err(ChunkError::Length));
        check("5\r\nhello\r\n0\r\n\r\n", 6, Err(ChunkError::Length));
        check("5\r\nhello\r\n0\r\n\r\n", 4, Err(ChunkError::Length));
        check("5\r\nhelloX\r\n0\r\n\r\n", 5, Err(ChunkError::Framing));
        check("5\nhello\r\n0\r\n\r\n", 5, Err(ChunkError::Framing));
        check("+5\r\nhello\r\n0\r\n\r\n", 5, Err(ChunkError::Framing));
        check("\r\n", 0, Err(ChunkError::Framing));
        check("0\r\n\r\nmore", 0, Err(ChunkError::Framing));
        check("0\r\nno colon\r\n\r\n", 0, Err(ChunkError::Framing));
        check("ffffffffffffffff\r\n", u64::MAX, Err(ChunkError::Length));
        check(&"0".repeat(1000), 0, Err(ChunkError::Framing));
        check(&format!("0\r\nx:{}\r\n\r\n", "y".repeat(9000)), 0, Err(ChunkError::Framing));
    }

    fn documented() -> (Vec<u8>, ChunkSigner) {
        // AWS: Amazon S3 API Reference, the example of a chunked upload: 65 KiB of `a` in chunks of 64 KiB.
        let mut body = Vec::new();
        let mut chunk = |len: usize, signature: &str| {
            body.extend(format!("{len:x};chunk-signature={signature}\r\n").bytes());
            body.extend(std::iter::repeat_n(b'a', len));
            body.extend(b"\r\n");
        };
        chunk(65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
        chunk(1_024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
        chunk(0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
        let signer = ChunkSigner {
            key: SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3"),
            date: "20130524T000000Z".into(),
            scope: "20130524/us-east-1/s3/aws4_request".into(),
            previous: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9".into(),
        };
        (body, signer)
    }

    #[test]
    fn the_documented_signed_upload() {
        let (body, signer) = documented();
        let (data, trailers) = decode(&body, 66_560, Some(signer), 10_000).unwrap();
        assert_eq!(data, vec![b'a'; 66_560]);
        assert!(trailers.is_empty());
    }

    #[test]
    fn trailers_of_a_signed_body_must_be_signed() {
        let (body, signer) = documented();
        let end = body.len() - 2;
        let with = |tail: &str| [&body[..end], tail.as_bytes()].concat();
        let unsigned = with("x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n");
        assert_eq!(decode(&unsigned, 66_560, Some(signer.clone()), 9_999), Err(ChunkError::Signature));
        let mut last = signer.clone();
        last.previous = "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9".into();
        let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"x-amz-checksum-crc32c:sOO8/Q==\n"));
        let signature = hex::encode(last.expected("AWS4-HMAC-SHA256-TRAILER", &[&hash]));
        let signed = with(&format!("x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{signature}\r\n\r\n"));
        let (_, trailers) = decode(&signed, 66_560, Some(signer.clone()), 9_999).unwrap();
        assert_eq!(trailers, [("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned())]);
        let after = with(&format!("a:b\r\nx-amz-trailer-signature:{signature}\r\n\r\n"));
        assert_eq!(decode(&after, 66_560, Some(signer), 9_999), Err(ChunkError::Signature));
    }

    proptest! {
        #[test]
        fn a_changed_bit_is_refused(at in any::<proptest::sample::Index>(), bit in 0_u8..8) {
            let (mut body, signer) = documented();
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
            prop_assert!(decode(&body, 66_560, Some(signer), 30_000).is_err());
        }

        #[test]
        fn what_is_framed_comes_back(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..10), step in 1_usize..40) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend(format!("{:X}\r\n", chunk.len()).bytes());
                body.extend(chunk);
                body.extend(b"\r\n");
            }
            body.extend(b"0\r\n\r\n");
            let whole = chunks.concat();
            let (data, _) = decode(&body, whole.len() as u64, None, step).unwrap();
            prop_assert_eq!(data, whole);
        }

        #[test]
        fn no_bytes_make_it_fail_badly(body in any::<Vec<u8>>(), len in any::<u64>(), step in 1_usize..9) {
            let _ = decode(&body, len, None, step);
        }
    }
}
