//! The checksums that S3 clients send: CRC-32, CRC-32C, CRC-64/NVME, SHA-1 and SHA-256.
//!
//! AWS: *Amazon S3 User Guide*, "Checking object integrity".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

const fn table(polynomial: u64) -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut n = 0;
    while n < 256 {
        let mut crc = n as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ polynomial } else { crc >> 1 };
            bit += 1;
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated when compiling, where an index out of bounds is an error"
        )]
        {
            tables[0][n] = crc;
        }
        n += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut n = 0;
        while n < 256 {
            #[expect(
                clippy::indexing_slicing,
                reason = "evaluated when compiling, where an index out of bounds is an error"
            )]
            {
                let before = tables[k - 1][n];
                tables[k][n] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            }
            n += 1;
        }
        k += 1;
    }
    tables
}

/// The reflected polynomial of the NVM Express specification.
static CRC64_NVME: [[u64; 256]; 8] = table(0x9A6C_9329_AC4B_C9B5);

/// Eight bytes a step, one table each ("slicing by eight").
fn crc64(mut crc: u64, bytes: &[u8]) -> u64 {
    let look = |k: usize, byte: u64| {
        let row = CRC64_NVME.get(k);
        row.and_then(|t| t.get((byte & 0xFF) as usize)).copied().unwrap_or(0)
    };
    let (eights, rest) = bytes.as_chunks::<8>();
    for eight in eights {
        let word = u64::from_le_bytes(*eight) ^ crc;
        crc = (0..8).fold(0, |sum, k| sum ^ look(7 - k, word >> (8 * k)));
    }
    for &byte in rest {
        crc = (crc >> 8) ^ look(0, crc ^ u64::from(byte));
    }
    crc
}

/// A checksum being computed.
#[derive(Clone)]
pub(crate) enum Checksum {
    Crc32(crc32fast::Hasher),
    Crc32c(u32),
    Crc64Nvme(u64),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Checksum {
    /// The headers and trailers that name a checksum.
    pub(crate) const HEADERS: [&'static str; 5] = [
        "x-amz-checksum-crc32",
        "x-amz-checksum-crc32c",
        "x-amz-checksum-crc64nvme",
        "x-amz-checksum-sha1",
        "x-amz-checksum-sha256",
    ];

    /// The checksum that a header or trailer of this name (in lower case) carries.
    pub(crate) fn of_header(name: &str) -> Option<Checksum> {
        Some(match name.strip_prefix("x-amz-checksum-")? {
            "crc32" => Checksum::Crc32(crc32fast::Hasher::new()),
            "crc32c" => Checksum::Crc32c(0),
            "crc64nvme" => Checksum::Crc64Nvme(u64::MAX),
            "sha1" => Checksum::Sha1(Sha1::new()),
            "sha256" => Checksum::Sha256(Sha256::new()),
            _ => return None,
        })
    }

    /// The header that carries it.
    pub(crate) fn header(&self) -> &'static str {
        let [crc32, crc32c, crc64, sha1, sha256] = Checksum::HEADERS;
        match self {
            Checksum::Crc32(_) => crc32,
            Checksum::Crc32c(_) => crc32c,
            Checksum::Crc64Nvme(_) => crc64,
            Checksum::Sha1(_) => sha1,
            Checksum::Sha256(_) => sha256,
        }
    }

    /// Its name as S3 writes it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Checksum::Crc32(_) => "CRC32",
            Checksum::Crc32c(_) => "CRC32C",
            Checksum::Crc64Nvme(_) => "CRC64NVME",
            Checksum::Sha1(_) => "SHA1",
            Checksum::Sha256(_) => "SHA256",
        }
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Checksum::Crc32(sum) => sum.update(bytes),
            Checksum::Crc32c(sum) => *sum = crc32c::crc32c_append(*sum, bytes),
            Checksum::Crc64Nvme(sum) => *sum = crc64(*sum, bytes),
            Checksum::Sha1(hash) => hash.update(bytes),
            Checksum::Sha256(hash) => hash.update(bytes),
        }
    }

    /// The value in base64, big-endian, as headers carry it.
    pub(crate) fn value(&self) -> String {
        match self {
            Checksum::Crc32(sum) => STANDARD.encode(sum.clone().finalize().to_be_bytes()),
            Checksum::Crc32c(sum) => STANDARD.encode(sum.to_be_bytes()),
            Checksum::Crc64Nvme(sum) => STANDARD.encode((!sum).to_be_bytes()),
            Checksum::Sha1(hash) => STANDARD.encode(hash.clone().finalize()),
            Checksum::Sha256(hash) => STANDARD.encode(hash.clone().finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::Checksum;

    #[test]
    fn check_values_are_those_of_the_catalogues() {
        let check = |name: &str, hex_value: &str| {
            let mut sum = Checksum::of_header(name).unwrap();
            sum.update(b"123456789");
            let value = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, sum.value()).unwrap();
            assert_eq!(hex::encode(value), hex_value, "{name}");
            assert_eq!(sum.header(), name);
        };
        check("x-amz-checksum-crc32", "cbf43926");
        check("x-amz-checksum-crc32c", "e3069283");
        check("x-amz-checksum-crc64nvme", "ae8b14860a799888");
        check("x-amz-checksum-sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        check("x-amz-checksum-sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
        assert!(Checksum::of_header("x-amz-checksum-md5").is_none());
    }

    proptest! {
        #[test]
        fn pieces_give_the_same_as_the_whole(bytes in any::<Vec<u8>>(), at in any::<proptest::sample::Index>()) {
            for name in Checksum::HEADERS {
                let mut whole = Checksum::of_header(name).unwrap();
                let mut pieces = whole.clone();
                whole.update(&bytes);
                let (a, b) = bytes.split_at(at.index(bytes.len() + 1));
                pieces.update(a);
                pieces.update(b);
                prop_assert_eq!(whole.value(), pieces.value());
            }
        }
    }
}
