//! Temporary credentials that need no row in the store.
//!
//! The session token carries who the session is and until when, under a MAC of the server's key; the secret is derived from
//! the same key and the token. So a function's credentials cost no commit, work after a restart, and end with their role,
//! which is looked up each time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::{Account, Timestamp};
use cauce_store::{RowReader, RowWriter};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The first byte of a token: the layout of the rest.
const VERSION: u8 = 1;
/// The longest token looked at, in bytes; ours are below 500.
const TOKEN_BYTES_MAX: usize = 2_048;
const MAC_BYTES: usize = 32;
/// What each use of the server's key begins with, so that a MAC made for one is worthless for the other.
const FOR_TOKEN: &[u8] = b"cauce session token\0";
const FOR_SECRET: &[u8] = b"cauce session secret\0";

/// What a session token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) access_key_id: String,
    pub(crate) account: Account,
    pub(crate) role: String,
    /// A role made again under the same name is another role.
    pub(crate) role_id: String,
    pub(crate) session: String,
    pub(crate) expires: Timestamp,
}

/// The server's key.
#[derive(Clone)]
pub(crate) struct Sealer {
    mac: Hmac<Sha256>,
}

impl Sealer {
    pub(crate) fn new(key: &[u8]) -> Sealer {
        let mac = Hmac::new_from_slice(key);
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mac = mac.expect("any length is a key");
        Sealer { mac }
    }

    fn mac(&self, parts: [&[u8]; 2]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }

    /// The token that carries `claims`, and the secret that goes with it.
    pub(crate) fn seal(&self, claims: &Claims) -> (String, String) {
        let mut row = RowWriter::new(VERSION);
        row.str(&claims.access_key_id).u64(claims.account.number()).str(&claims.role).str(&claims.role_id);
        row.str(&claims.session).u64(claims.expires.as_secs().unsigned_abs());
        let row = row.finish();
        let tag = self.mac([FOR_TOKEN, &row]).finalize().into_bytes();
        let token = [&row, tag.as_slice()].concat();
        (STANDARD.encode(&token), self.secret(&token))
    }

    /// What a token carries and the secret that goes with it; `None` if it is not one of ours.
    pub(crate) fn open(&self, token: &str) -> Option<(Claims, String)> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let token = STANDARD.decode(token).ok()?;
        let (row, tag) = token.split_last_chunk::<MAC_BYTES>()?;
        self.mac([FOR_TOKEN, row]).verify_slice(tag).ok()?;
        let (version, mut reader) = RowReader::new(row).ok()?;
        if version != VERSION {
            return None;
        }
        let claims = Claims {
            access_key_id: reader.str().ok()?.to_owned(),
            account: Account::new(reader.u64().ok()?)?,
            role: reader.str().ok()?.to_owned(),
            role_id: reader.str().ok()?.to_owned(),
            session: reader.str().ok()?.to_owned(),
            expires: Timestamp::from_secs(i64::try_from(reader.u64().ok()?).ok()?),
        };
        reader.end().ok()?;
        let secret = self.secret(&token);
        Some((claims, secret))
    }

    /// 40 characters, as secrets of AWS have.
    fn secret(&self, token: &[u8]) -> String {
        let tag = self.mac([FOR_SECRET, token]).finalize().into_bytes();
        STANDARD.encode(tag.iter().take(30).copied().collect::<Vec<u8>>())
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use cauce_core::{Account, Timestamp};

    use super::{Claims, Sealer};

    #[test]
    fn a_token_says_what_was_sealed_and_nothing_else_opens() {
        let claims = Claims {
            access_key_id: "ASIAX".into(),
            account: Account::DEFAULT,
            role: "worker".into(),
            role_id: "AROA1".into(),
            session: "s".into(),
            expires: Timestamp::from_secs(1_800_000_000),
        };
        let sealer = Sealer::new(&[7; 32]);
        let (token, secret) = sealer.seal(&claims);
        assert_eq!(secret.len(), 40);
        assert_eq!(sealer.open(&token), Some((claims, secret)));
        assert_eq!(Sealer::new(&[8; 32]).open(&token), None);
        let bytes = STANDARD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.open(&STANDARD.encode(changed)), None, "byte {at}");
        }
        for token in ["", "AAAA", "no base64!", &"A".repeat(4_000)] {
            assert_eq!(sealer.open(token), None);
        }
    }
}
