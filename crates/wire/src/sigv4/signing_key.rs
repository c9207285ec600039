//! The key that signs one day's requests to one service in one region, derived from the secret.

use std::collections::HashMap;
use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How many derived keys are remembered: the principals that call within a day, times services and regions.
const KEYS_MAX: usize = 4_096;

/// A derived key, ready to sign.
#[derive(Clone)]
pub(crate) struct SigningKey(Hmac<Sha256>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of any length; the zero key stands where its API cannot say so.
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()))
}

fn mac(key: &[u8], message: &str) -> [u8; 32] {
    let mut hmac = keyed(key);
    hmac.update(message.as_bytes());
    hmac.finalize().into_bytes().into()
}

impl SigningKey {
    /// The key of `secret` for this scope.
    pub(crate) fn derive(secret: &str, date: &str, region: &str, service: &str) -> SigningKey {
        let date = mac(format!("AWS4{secret}").as_bytes(), date);
        let region = mac(&date, region);
        let service = mac(&region, service);
        SigningKey(keyed(&mac(&service, "aws4_request")))
    }

    /// The signature of a string to sign, given in pieces.
    pub(crate) fn sign(&self, pieces: &[&[u8]]) -> [u8; 32] {
        let mut hmac = self.0.clone();
        for piece in pieces {
            hmac.update(piece);
        }
        hmac.finalize().into_bytes().into()
    }
}

struct Entry {
    secret: Box<str>,
    key: SigningKey,
    used: u64,
}

#[derive(Default)]
struct Table {
    entries: HashMap<Box<str>, Entry>,
    clock: u64,
}

/// Derived keys, by credential (`KEY/DATE/REGION/SERVICE/aws4_request`); the longest unused goes when there are too many.
#[derive(Default)]
pub(crate) struct SigningKeys(Mutex<Table>);

impl SigningKeys {
    /// The key for this credential and secret. A changed secret is noticed.
    pub(crate) fn get(&self, credential: &str, secret: &str, scope: [&str; 3]) -> SigningKey {
        {
            let mut table = self.0.lock();
            table.clock += 1;
            let now = table.clock;
            if let Some(entry) = table.entries.get_mut(credential)
                && bool::from(entry.secret.as_bytes().ct_eq(secret.as_bytes()))
            {
                entry.used = now;
                return entry.key.clone();
            }
        }
        let [date, region, service] = scope;
        let key = SigningKey::derive(secret, date, region, service);
        let mut table = self.0.lock();
        if table.entries.len() >= KEYS_MAX && !table.entries.contains_key(credential) {
            table.forget_half();
        }
        let used = table.clock;
        table.entries.insert(credential.into(), Entry { secret: secret.into(), key: key.clone(), used });
        key
    }
}

impl Table {
    /// Drops the half that was used longest ago, so that the scan costs little per insertion.
    fn forget_half(&mut self) {
        let mut uses: Vec<u64> = self.entries.values().map(|e| e.used).collect();
        uses.sort_unstable();
        let middle = uses.get(uses.len() / 2).copied().unwrap_or(0);
        self.entries.retain(|_, e| e.used >= middle);
    }
}

#[cfg(test)]
mod tests {
    use super::{KEYS_MAX, SigningKey, SigningKeys};

    #[test]
    fn derives_as_the_documentation_shows() {
        // AWS: Signature Version 4, "Deriving the signing key".
        let key = SigningKey::derive("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam");
        let to_sign = b"AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
            f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
        let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        assert_eq!(hex::encode(key.sign(&[to_sign])), signature);
    }

    #[test]
    fn the_table_is_bounded_and_notices_a_new_secret() {
        let keys = SigningKeys::default();
        let scope = ["20260101", "us-east-1", "events"];
        let first = keys.get("K/0", "one", scope).sign(&[b"x"]);
        assert_eq!(keys.get("K/0", "one", scope).sign(&[b"x"]), first);
        assert_ne!(keys.get("K/0", "two", scope).sign(&[b"x"]), first);
        for n in 0..KEYS_MAX + 10 {
            keys.get(&format!("K/{n}"), "one", scope);
        }
        assert!(keys.0.lock().entries.len() <= KEYS_MAX);
    }
}
