//! A signer written straight from the documentation, sharing nothing with the code it tests.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test takes the part it needs")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is a part of tests, though clippy does not see it"
)]

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

pub const KEY_ID: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

#[derive(Clone, Debug)]
pub struct Signer {
    pub key_id: String,
    pub secret: String,
    pub token: Option<String>,
    pub region: String,
    pub service: String,
    /// `20150830T123600Z`
    pub date: String,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

pub fn percent(text: &[u8], slash: bool) -> String {
    let mut out = String::new();
    for &b in text {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) || (slash && b == b'/') {
            out.push(b as char);
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

impl Signer {
    pub fn new(service: &str, date: &str) -> Signer {
        Signer {
            key_id: KEY_ID.into(),
            secret: SECRET.into(),
            token: None,
            region: "us-east-1".into(),
            service: service.into(),
            date: date.into(),
        }
    }

    fn day(&self) -> &str {
        self.date.split('T').next().unwrap()
    }

    pub fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day(), self.region, self.service)
    }

    pub fn key(&self) -> Vec<u8> {
        let mut key = hmac_sha256(format!("AWS4{}", self.secret).as_bytes(), self.day());
        for part in [self.region.as_str(), &self.service, "aws4_request"] {
            key = hmac_sha256(&key, part);
        }
        key
    }

    fn signature(&self, request: &Request, query: &str, signed: &[(String, String)], payload: &str) -> String {
        // S3 signs the path as it is; others encode what has been encoded once more.
        let path = if self.service == "s3" { request.path.clone() } else { percent(request.path.as_bytes(), true) };
        let headers: String = signed.iter().map(|(n, v)| format!("{n}:{}\n", v.trim())).collect();
        let names: Vec<&str> = signed.iter().map(|(n, _)| n.as_str()).collect();
        let canonical = format!("{}\n{path}\n{query}\n{headers}\n{}\n{payload}", request.method, names.join(";"));
        let to_sign =
            format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", self.date, self.scope(), sha256_hex(canonical.as_bytes()));
        hex::encode(hmac_sha256(&self.key(), &to_sign))
    }

    fn canonical_query(query: &str) -> String {
        let pairs = query.split('&').filter(|p| !p.is_empty());
        let mut pairs: Vec<_> = pairs.map(|p| p.split_once('=').unwrap_or((p, ""))).collect();
        pairs.sort_unstable();
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    }

    /// Adds the date, the token, the payload hash (for S3) and the authorization.
    pub fn sign(&self, mut request: Request) -> Request {
        request.headers.push(("x-amz-date".into(), self.date.clone()));
        if let Some(token) = &self.token {
            request.headers.push(("x-amz-security-token".into(), token.clone()));
        }
        let claimed = request.headers.iter().find(|(n, _)| n == "x-amz-content-sha256").map(|(_, v)| v.clone());
        let payload = claimed.clone().unwrap_or_else(|| sha256_hex(&request.body));
        if self.service == "s3" && claimed.is_none() {
            request.headers.push(("x-amz-content-sha256".into(), payload.clone()));
        }
        let mut signed: Vec<_> = request.headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.clone())).collect();
        signed.sort();
        let signature = self.signature(&request, &Self::canonical_query(&request.query), &signed, &payload);
        let names: Vec<&str> = signed.iter().map(|(n, _)| n.as_str()).collect();
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
            self.key_id,
            self.scope(),
            names.join(";"),
        );
        request.headers.push(("authorization".into(), authorization));
        request
    }

    /// The request with a signature in its query; only the host is signed.
    pub fn presign(&self, mut request: Request, expires_s: u64) -> Request {
        let credential = percent(format!("{}/{}", self.key_id, self.scope()).as_bytes(), false);
        let mut query = vec![request.query.clone()];
        query.push("X-Amz-Algorithm=AWS4-HMAC-SHA256".into());
        query.push(format!("X-Amz-Credential={credential}"));
        query.push(format!("X-Amz-Date={}", self.date));
        query.push(format!("X-Amz-Expires={expires_s}"));
        query.push("X-Amz-SignedHeaders=host".into());
        if let Some(token) = &self.token {
            query.push(format!("X-Amz-Security-Token={}", percent(token.as_bytes(), false)));
        }
        let query = Self::canonical_query(&query.join("&"));
        let host = request.headers.iter().find(|(n, _)| n == "host").unwrap().clone();
        let payload = if self.service == "s3" { "UNSIGNED-PAYLOAD".into() } else { sha256_hex(&request.body) };
        let signature = self.signature(&request, &query, &[host], &payload);
        request.query = format!("{query}&X-Amz-Signature={signature}");
        request
    }

    /// The request with a signature of version 2 in its query.
    pub fn presign_v2(&self, mut request: Request, expires: i64) -> Request {
        let resource = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
        let to_sign = format!("{}\n\n\n{expires}\n{}{resource}", request.method, request.path);
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(to_sign.as_bytes());
        let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        let signature = percent(signature.as_bytes(), false);
        let and = if request.query.is_empty() { "" } else { "&" };
        request.query += &format!("{and}AWSAccessKeyId={}&Signature={signature}&Expires={expires}", self.key_id);
        request
    }
}
