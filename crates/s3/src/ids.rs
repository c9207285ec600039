//! The ids that S3 hands out: of versions and of multipart uploads.
//!
//! Both are 24 bytes, 8 of order and 16 of chance, shown as 32 characters of URL-safe base64, so that they need no escape
//! anywhere and cannot be guessed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cauce_core::{Entropy, Timestamp};

const ID_BYTES: usize = 24;

/// A fresh version id for the version with this sequence number.
pub(crate) fn version_id(sequence: u64, entropy: &dyn Entropy) -> String {
    URL_SAFE_NO_PAD.encode(draw(sequence, entropy))
}

/// The sequence number inside a version id; `None` if the text is none.
pub(crate) fn version_sequence(id: &str) -> Option<u64> {
    let bytes = parse(id)?;
    bytes.first_chunk::<8>().map(|first| u64::from_be_bytes(*first))
}

/// The id of a multipart upload; ids sort by the time of their making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UploadId(pub(crate) [u8; ID_BYTES]);

impl UploadId {
    pub(crate) fn new(now: Timestamp, entropy: &dyn Entropy) -> UploadId {
        UploadId(draw(now.as_micros().unsigned_abs(), entropy))
    }

    pub(crate) fn parse(text: &str) -> Option<UploadId> {
        parse(text).map(UploadId)
    }

    pub(crate) fn text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

fn draw(order: u64, entropy: &dyn Entropy) -> [u8; ID_BYTES] {
    let mut id = [0; ID_BYTES];
    entropy.fill(&mut id);
    for (to, from) in id.iter_mut().zip(order.to_be_bytes()) {
        *to = from;
    }
    id
}

fn parse(text: &str) -> Option<[u8; ID_BYTES]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use cauce_core::{SeededEntropy, Timestamp};

    use super::{UploadId, version_id, version_sequence};

    #[test]
    fn ids_come_back_and_nothing_else_reads_as_one() {
        let entropy = SeededEntropy::new(1);
        let id = version_id(7, &entropy);
        assert_eq!((id.len(), version_sequence(&id)), (32, Some(7)));
        let upload = UploadId::new(Timestamp::from_secs(5), &entropy);
        assert_eq!(UploadId::parse(&upload.text()), Some(upload));
        for text in ["", "null", "AAAA", "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!", &format!("{id}A")] {
            assert_eq!(version_sequence(text), None, "{text}");
        }
    }
}
