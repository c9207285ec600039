//! Signing, the client's half of Signature Version 4.
//!
//! AWS: IAM User Guide, "Create a signed AWS API request". Apart from the server's verifying half on purpose: two independent
//! readings of the same document check each other in every demo and test.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use sha2::{Digest as _, Sha256};

use crate::client::KeyPair;

/// Signs requests of one moment to one service.
pub(crate) struct Signer<'a> {
    pub(crate) keys: &'a KeyPair,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) now: jiff::Timestamp,
}

/// Percent-encodes all but unreserved characters, and `/` where it is to stay.
pub(crate) fn encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(b)),
            b'/' if keep_slash => out.push('/'),
            _ => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

fn hmac(key: &[u8], data: &str) -> Vec<u8> {
    // A key of any length is good for HMAC; the error cannot happen.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(data.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl Signer<'_> {
    /// Adds the date, the payload's hash and the authorization to `headers`.
    pub(crate) fn sign(
        &self,
        method: &Method,
        path: &str,
        query: &[(String, String)],
        headers: &mut Vec<(&'static str, String)>,
        body: &[u8],
    ) {
        let stamp = self.now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = stamp.split('T').next().unwrap_or_default().to_owned();
        let payload = hex::encode(Sha256::digest(body));
        headers.push(("x-amz-date", stamp.clone()));
        headers.push(("x-amz-content-sha256", payload.clone()));
        headers.sort_unstable();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let signed = names.join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        // Every service but S3 encodes the path once more for the signature.
        let once = encode(path, true);
        let path = if self.service == "s3" { once } else { encode(&once, true) };
        let mut pairs: Vec<String> =
            query.iter().map(|(k, v)| format!("{}={}", encode(k, false), encode(v, false))).collect();
        pairs.sort_unstable();
        let canonical = format!("{method}\n{path}\n{}\n{lines}\n{signed}\n{payload}", pairs.join("&"));
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let hashed = hex::encode(Sha256::digest(canonical.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}");
        let key = [self.region, self.service, "aws4_request"]
            .iter()
            .fold(hmac(format!("AWS4{}", self.keys.secret_access_key).as_bytes(), &day), |key, part| hmac(&key, part));
        let signature = hex::encode(hmac(&key, &to_sign));
        let id = &self.keys.access_key_id;
        let value = format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}");
        headers.push(("authorization", value));
    }
}
