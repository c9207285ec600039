//! The layout of the log: frames, each the commits of one fsync.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | tag of the epoch, little-endian like all numbers here |
//! | 8 | sequence of the first commit |
//! | 4 | number of commits |
//! | 4 | length of the body |
//! | 4 | crc32c of the body |
//! | 4 | crc32c of the 28 bytes before |
//! | ... | body: the commits |
//! | ... | zeros up to the next multiple of [`SECTOR_BYTES`] |
//!
//! A frame begins on a sector of its own, so that writing it cannot damage the one before. The tag changes with every
//! checkpoint and is drawn from a secret of the database, so neither an old frame nor a value that looks like one is ever
//! taken for a frame.
//!
//! A commit: flags (bit 0: has a token), 16 bytes token and 8 bytes time in microseconds if so, varint number of mutations,
//! then each: its number (1 set, 2 clear, 3 clear range, 4 add), its keys and values after their lengths, 8 bytes delta.

use cauce_core::Timestamp;

use crate::codec::{RowReader, put_bytes, put_varint};
use crate::contract::{Bytes, Mutation};
use crate::record::RecordError;
use crate::token::Token;

/// What the disk writes as one. Frames are aligned to it.
pub(super) const SECTOR_BYTES: usize = 512;
/// Bytes of the header of a frame.
pub(super) const HEADER_BYTES: usize = 32;

const SET: u8 = 1;
const CLEAR: u8 = 2;
const CLEAR_RANGE: u8 = 3;
const ADD: u8 = 4;
const HAS_TOKEN: u8 = 1;

/// An idempotency token with the time at which it was used.
pub(super) type UsedToken = (Token, Timestamp);

/// One commit as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) muts: Vec<Mutation>,
    pub(super) token: Option<UsedToken>,
}

/// Builds one frame after the other in the same buffer.
#[derive(Debug, Default)]
pub(super) struct FrameWriter {
    buf: Vec<u8>,
    commits: u32,
}

impl FrameWriter {
    pub(super) fn clear(&mut self) {
        self.buf.clear();
        self.buf.resize(HEADER_BYTES, 0);
        self.commits = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commits == 0
    }

    pub(super) fn push(&mut self, muts: &[Mutation], token: Option<UsedToken>) {
        let buf = &mut self.buf;
        buf.push(if token.is_some() { HAS_TOKEN } else { 0 });
        if let Some((token, used)) = token {
            buf.extend_from_slice(&token);
            buf.extend_from_slice(&used.as_micros().to_be_bytes());
        }
        put_varint(buf, muts.len() as u64);
        for mutation in muts {
            match mutation {
                Mutation::Set { key, val } => {
                    buf.push(SET);
                    put_bytes(buf, key);
                    put_bytes(buf, val);
                }
                Mutation::Clear { key } => {
                    buf.push(CLEAR);
                    put_bytes(buf, key);
                }
                Mutation::ClearRange { start, end } => {
                    buf.push(CLEAR_RANGE);
                    put_bytes(buf, start);
                    put_bytes(buf, end);
                }
                Mutation::Add { key, delta } => {
                    buf.push(ADD);
                    put_bytes(buf, key);
                    buf.extend_from_slice(&delta.to_be_bytes());
                }
            }
        }
        self.commits += 1;
    }

    /// The finished frame, padded to whole sectors.
    pub(super) fn finish(&mut self, tag: u64, first: u64) -> &[u8] {
        let body = self.buf.get(HEADER_BYTES..).unwrap_or_default();
        let header = Header {
            tag,
            first,
            commits: self.commits,
            body_bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
            body_crc: crc32c::crc32c(body),
        };
        if let Some(place) = self.buf.first_chunk_mut::<HEADER_BYTES>() {
            *place = header.encode();
        }
        let padded = self.buf.len().next_multiple_of(SECTOR_BYTES);
        self.buf.resize(padded, 0);
        &self.buf
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    tag: u64,
    pub(super) first: u64,
    pub(super) commits: u32,
    pub(super) body_bytes: u32,
    pub(super) body_crc: u32,
}

impl Header {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let fields = [
            &self.tag.to_le_bytes()[..],
            &self.first.to_le_bytes(),
            &self.commits.to_le_bytes(),
            &self.body_bytes.to_le_bytes(),
            &self.body_crc.to_le_bytes(),
        ];
        for (place, byte) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *place = *byte;
        }
        if let Some((front, crc)) = bytes.split_last_chunk_mut::<4>() {
            *crc = crc32c::crc32c(front).to_le_bytes();
        }
        bytes
    }

    /// The header at the front of `bytes`, if one of this epoch is there unharmed.
    pub(super) fn decode(bytes: &[u8], tag: u64) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>()?;
        let (front, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(front) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (found, rest) = front.split_first_chunk::<8>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (commits, rest) = rest.split_first_chunk::<4>()?;
        let (body_bytes, rest) = rest.split_first_chunk::<4>()?;
        let (body_crc, _) = rest.split_first_chunk::<4>()?;
        let header = Self {
            tag: u64::from_le_bytes(*found),
            first: u64::from_le_bytes(*first),
            commits: u32::from_le_bytes(*commits),
            body_bytes: u32::from_le_bytes(*body_bytes),
            body_crc: u32::from_le_bytes(*body_crc),
        };
        (header.tag == tag).then_some(header)
    }

    /// The length of the whole frame.
    pub(super) fn frame_bytes(&self) -> u64 {
        (HEADER_BYTES as u64 + u64::from(self.body_bytes)).next_multiple_of(SECTOR_BYTES as u64)
    }
}

/// Reads the commits of a body whose checksum is right.
///
/// # Errors
/// [`RecordError`] if it is not what [`FrameWriter`] writes: a bug, or a log of another version.
pub(super) fn decode_body(body: &[u8], commits: u32) -> Result<Vec<Logged>, RecordError> {
    let mut reader = RowReader::bare(body);
    let logged = (0..commits).map(|_| decode_commit(&mut reader)).collect::<Result<_, _>>()?;
    reader.end()?;
    Ok(logged)
}

fn decode_commit(reader: &mut RowReader<'_>) -> Result<Logged, RecordError> {
    let token = match reader.u8()? {
        0 => None,
        HAS_TOKEN => {
            let (high, low) = (reader.u64()?, reader.u64()?);
            let token = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
            Some((token, Timestamp::from_micros(reader.u64()?.cast_signed())))
        }
        flags => return Err(RecordError::Payload(format!("unknown flags {flags:#04x} of a commit"))),
    };
    let count = reader.varint()?;
    let mut muts = Vec::new();
    for _ in 0..count {
        muts.push(decode_mutation(reader)?);
    }
    Ok(Logged { muts, token })
}

fn decode_mutation(reader: &mut RowReader<'_>) -> Result<Mutation, RecordError> {
    let number = reader.u8()?;
    let mut bytes = || reader.bytes().map(Bytes::copy_from_slice);
    Ok(match number {
        SET => Mutation::Set { key: bytes()?, val: bytes()? },
        CLEAR => Mutation::Clear { key: bytes()? },
        CLEAR_RANGE => Mutation::ClearRange { start: bytes()?, end: bytes()? },
        ADD => Mutation::Add { key: bytes()?, delta: reader.u64()?.cast_signed() },
        other => return Err(RecordError::Payload(format!("unknown mutation {other}"))),
    })
}

#[cfg(test)]
mod tests {
    use cauce_core::Timestamp;
    use proptest::prelude::{Just, Strategy, any, prop_oneof};
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::{FrameWriter, HEADER_BYTES, Header, Logged, SECTOR_BYTES, decode_body};
    use crate::contract::{Bytes, Mutation};

    fn bytes() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
    }

    fn commits() -> impl Strategy<Value = Vec<Logged>> {
        let mutation = prop_oneof![
            (bytes(), bytes()).prop_map(|(key, val)| Mutation::Set { key, val }),
            bytes().prop_map(|key| Mutation::Clear { key }),
            (bytes(), bytes()).prop_map(|(start, end)| Mutation::ClearRange { start, end }),
            (bytes(), any::<i64>()).prop_map(|(key, delta)| Mutation::Add { key, delta }),
        ];
        let token = prop_oneof![
            Just(None),
            (any::<[u8; 16]>(), any::<i64>()).prop_map(|(token, used)| Some((token, Timestamp::from_micros(used))))
        ];
        let commit = (proptest::collection::vec(mutation, 0..6), token);
        proptest::collection::vec(commit.prop_map(|(muts, token)| Logged { muts, token }), 1..6)
    }

    fn frame(commits: &[Logged], tag: u64, first: u64) -> Vec<u8> {
        let mut writer = FrameWriter::default();
        writer.clear();
        commits.iter().for_each(|commit| writer.push(&commit.muts, commit.token));
        writer.finish(tag, first).to_vec()
    }

    proptest! {
        #[test]
        fn frames_round_trip(commits in commits(), tag: u64, first: u64) {
            let frame = frame(&commits, tag, first);
            prop_assert!(frame.len().is_multiple_of(SECTOR_BYTES));
            let header = Header::decode(&frame, tag).unwrap();
            prop_assert_eq!(header.frame_bytes(), frame.len() as u64);
            prop_assert_eq!((header.first, header.commits as usize), (first, commits.len()));
            let body = &frame[HEADER_BYTES..][..header.body_bytes as usize];
            prop_assert_eq!(crc32c::crc32c(body), header.body_crc);
            prop_assert_eq!(decode_body(body, header.commits).unwrap(), commits);
            prop_assert_eq!(Header::decode(&frame, tag.wrapping_add(1)), None);
        }

        #[test]
        fn a_flipped_bit_shows(commits in commits(), at: proptest::sample::Index, bit in 0..8u8) {
            let mut frame = frame(&commits, 7, 1);
            let body_bytes = Header::decode(&frame, 7).unwrap().body_bytes as usize;
            let at = at.index(HEADER_BYTES + body_bytes);
            frame[at] ^= 1u8 << bit;
            match Header::decode(&frame, 7) {
                None => prop_assert!(at < HEADER_BYTES),
                Some(header) => prop_assert!(crc32c::crc32c(&frame[HEADER_BYTES..][..body_bytes]) != header.body_crc),
            }
        }

        #[test]
        fn reading_any_bytes_does_no_harm(body in proptest::collection::vec(prop_oneof![0..5u8, any::<u8>()], 0..60), commits in 0..4u32) {
            drop(decode_body(&body, commits));
            prop_assert_eq!(Header::decode(&body, 0), None);
        }
    }
}
