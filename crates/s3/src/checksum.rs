//! The checksums that S3 verifies, stores and returns.
//!
//! AWS: S3 User Guide, "Checking object integrity for data uploads in Amazon S3".

mod crc;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha1::Digest as _;

/// One of the checksum algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(crate) const ALL: [Algorithm; 5] =
        [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme, Algorithm::Sha1, Algorithm::Sha256];

    /// As requests and answers name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Crc32c => "CRC32C",
            Algorithm::Crc64Nvme => "CRC64NVME",
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
        }
    }

    /// The header that carries such a checksum.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "x-amz-checksum-crc32",
            Algorithm::Crc32c => "x-amz-checksum-crc32c",
            Algorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Algorithm::Sha1 => "x-amz-checksum-sha1",
            Algorithm::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The XML element that carries such a checksum.
    pub(crate) fn element(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "ChecksumCRC32",
            Algorithm::Crc32c => "ChecksumCRC32C",
            Algorithm::Crc64Nvme => "ChecksumCRC64NVME",
            Algorithm::Sha1 => "ChecksumSHA1",
            Algorithm::Sha256 => "ChecksumSHA256",
        }
    }

    /// The algorithm by this name, in any case, as SDKs differ in it.
    pub(crate) fn by_name(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// The algorithm whose header this is.
    pub(crate) fn by_header(header: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|a| a.header().eq_ignore_ascii_case(header))
    }

    /// How many bytes such a checksum has.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64Nvme => 8,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
        }
    }

    /// What a multipart object gets when the client does not say.
    pub(crate) fn multipart_kind(self) -> ChecksumKind {
        match self {
            Algorithm::Crc64Nvme => ChecksumKind::FullObject,
            _ => ChecksumKind::Composite,
        }
    }

    /// Whether a multipart object can have this kind of checksum of this algorithm.
    pub(crate) fn allows(self, kind: ChecksumKind) -> bool {
        match self {
            Algorithm::Crc32 | Algorithm::Crc32c => true,
            Algorithm::Crc64Nvme => kind == ChecksumKind::FullObject,
            Algorithm::Sha1 | Algorithm::Sha256 => kind == ChecksumKind::Composite,
        }
    }
}

/// What a checksum is a checksum of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChecksumKind {
    /// Of all bytes.
    FullObject,
    /// Of the checksums of the parts, in their order.
    Composite,
}

impl ChecksumKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ChecksumKind::FullObject => "FULL_OBJECT",
            ChecksumKind::Composite => "COMPOSITE",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<ChecksumKind> {
        [ChecksumKind::FullObject, ChecksumKind::Composite].into_iter().find(|k| k.name() == name)
    }
}

/// A checksum as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) kind: ChecksumKind,
    /// Base64; a composite one ends in `-PARTS`.
    pub(crate) text: String,
}

impl Checksum {
    /// The checksum of a whole body.
    pub(crate) fn of_body(algorithm: Algorithm, digest: &[u8]) -> Checksum {
        Checksum { algorithm, kind: ChecksumKind::FullObject, text: STANDARD.encode(digest) }
    }

    /// The bytes of a checksum that is not composite.
    pub(crate) fn digest(&self) -> Option<Vec<u8>> {
        decode(self.algorithm, &self.text)
    }
}

/// The bytes that `text` stands for, if it is a checksum of that algorithm.
pub(crate) fn decode(algorithm: Algorithm, text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok().filter(|bytes| bytes.len() == algorithm.bytes())
}

/// A checksum that grows with the bytes.
#[derive(Clone)]
pub(crate) enum Hasher {
    Crc32(crc32fast::Hasher),
    Crc32c(u32),
    Crc64Nvme(u64),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm().name())
    }
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Hasher {
        match algorithm {
            Algorithm::Crc32 => Hasher::Crc32(crc32fast::Hasher::new()),
            Algorithm::Crc32c => Hasher::Crc32c(0),
            Algorithm::Crc64Nvme => Hasher::Crc64Nvme(0),
            Algorithm::Sha1 => Hasher::Sha1(sha1::Sha1::new()),
            Algorithm::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
        }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Hasher::Crc32(_) => Algorithm::Crc32,
            Hasher::Crc32c(_) => Algorithm::Crc32c,
            Hasher::Crc64Nvme(_) => Algorithm::Crc64Nvme,
            Hasher::Sha1(_) => Algorithm::Sha1,
            Hasher::Sha256(_) => Algorithm::Sha256,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Crc32(hasher) => hasher.update(bytes),
            Hasher::Crc32c(crc) => *crc = crc32c::crc32c_append(*crc, bytes),
            Hasher::Crc64Nvme(crc) => *crc = crc::crc64nvme_append(*crc, bytes),
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Hasher::Crc32(hasher) => hasher.finalize().to_be_bytes().to_vec(),
            Hasher::Crc32c(crc) => crc.to_be_bytes().to_vec(),
            Hasher::Crc64Nvme(crc) => crc.to_be_bytes().to_vec(),
            Hasher::Sha1(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha256(hasher) => hasher.finalize().to_vec(),
        }
    }
}

/// The checksum of an object from those of its parts, each with the part's length in bytes; `None` if the algorithm cannot.
pub(crate) fn of_parts(algorithm: Algorithm, kind: ChecksumKind, parts: &[(Vec<u8>, u64)]) -> Option<Checksum> {
    let text = match kind {
        ChecksumKind::Composite => {
            let mut hasher = Hasher::new(algorithm);
            for (digest, _) in parts {
                hasher.update(digest);
            }
            format!("{}-{}", STANDARD.encode(hasher.finish()), parts.len())
        }
        ChecksumKind::FullObject => STANDARD.encode(crc_of_parts(algorithm, parts)?),
    };
    Some(Checksum { algorithm, kind, text })
}

fn crc_of_parts(algorithm: Algorithm, parts: &[(Vec<u8>, u64)]) -> Option<Vec<u8>> {
    let field = match algorithm {
        Algorithm::Crc32 => crc::CRC32,
        Algorithm::Crc32c => crc::CRC32C,
        Algorithm::Crc64Nvme => crc::CRC64NVME,
        Algorithm::Sha1 | Algorithm::Sha256 => return None,
    };
    let mut whole = 0;
    for (digest, bytes) in parts {
        let part = digest.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        whole = field.concat(whole, part, *bytes);
    }
    let bytes = whole.to_be_bytes();
    Some(bytes.into_iter().skip(8 - algorithm.bytes()).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Algorithm, Checksum, ChecksumKind, Hasher, decode, of_parts};

    fn digest(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn each_algorithm_gives_its_published_check_value() {
        let check = |algorithm, expect: &str| assert_eq!(hex::encode(digest(algorithm, b"123456789")), expect);
        check(Algorithm::Crc32, "cbf43926");
        check(Algorithm::Crc32c, "e3069283");
        check(Algorithm::Crc64Nvme, "ae8b14860a799888");
        check(Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        check(Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
    }

    #[test]
    fn names_come_back_in_any_case_and_lengths_are_checked() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::by_name(&algorithm.name().to_lowercase()), Some(algorithm));
            assert_eq!(Algorithm::by_header(algorithm.header()), Some(algorithm));
            let text = Checksum::of_body(algorithm, &digest(algorithm, b"")).text;
            assert_eq!(decode(algorithm, &text).unwrap(), digest(algorithm, b""));
        }
        assert_eq!(decode(Algorithm::Crc32, "AAAA"), None);
        assert_eq!(decode(Algorithm::Crc32, "not base64"), None);
    }

    #[test]
    fn a_composite_checksum_counts_its_parts() {
        let parts = [(digest(Algorithm::Sha256, b"a"), 1), (digest(Algorithm::Sha256, b"b"), 1)];
        let checksum = of_parts(Algorithm::Sha256, ChecksumKind::Composite, &parts).unwrap();
        assert!(checksum.text.ends_with("=-2"), "{}", checksum.text);
        assert_eq!(of_parts(Algorithm::Sha256, ChecksumKind::FullObject, &parts), None);
    }

    proptest! {
        #[test]
        fn the_crc_of_a_whole_follows_from_those_of_its_parts(parts in proptest::collection::vec(any::<Vec<u8>>(), 0..5)) {
            for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
                let digests: Vec<_> = parts.iter().map(|p| (digest(algorithm, p), p.len() as u64)).collect();
                let whole = Checksum::of_body(algorithm, &digest(algorithm, &parts.concat()));
                assert_eq!(of_parts(algorithm, ChecksumKind::FullObject, &digests), Some(whole));
            }
        }
    }
}
