//! Presigned URLs of Signature Version 2, which botocore still makes for S3 in some regions.
//!
//! AWS: *Amazon S3 User Guide*, "Signing and authenticating REST requests (AWS signature version 2)".

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cauce_core::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

use super::Refusal;

/// Query parameters that are part of the resource, sorted.
const SUBRESOURCES: [&str; 35] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// A presigned URL of version 2.
#[derive(Clone, Debug)]
pub(crate) struct PresignedV2<'a> {
    pub(crate) access_key_id: Cow<'a, str>,
    pub(crate) token: Option<Cow<'a, str>>,
    signature: Cow<'a, str>,
    expires: Cow<'a, str>,
    parameters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> PresignedV2<'a> {
    /// The signature of this kind in a query, if there is one.
    pub(crate) fn find(query: &'a str) -> Option<PresignedV2<'a>> {
        if !query.contains("AWSAccessKeyId=") {
            return None;
        }
        let decode = |text: &'a str| percent_decode_str(text).decode_utf8_lossy();
        let parameters: Vec<_> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        let one = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        Some(PresignedV2 {
            access_key_id: one("AWSAccessKeyId")?,
            token: one("x-amz-security-token"),
            signature: one("Signature")?,
            expires: one("Expires")?,
            parameters,
        })
    }

    /// Refuses a URL that has ended, is not well formed, or whose signature `secret` does not make.
    ///
    /// # Errors
    /// [`Refusal::BadQuery`], [`Refusal::UrlExpired`], [`Refusal::Mismatch`].
    pub(crate) fn verify(
        &self,
        method: &str,
        path: &str,
        headers: &HeaderMap,
        secret: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Ok(expires) = self.expires.parse::<i64>() else {
            let message = format!("Invalid date (should be seconds since epoch): {}", self.expires);
            return Err(Refusal::BadQuery(message));
        };
        if now > Timestamp::from_secs(expires) {
            return Err(Refusal::UrlExpired("Request has expired".to_owned()));
        }
        let Ok(mut hmac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return Err(Refusal::Mismatch) };
        hmac.update(self.string_to_sign(method, path, headers).as_bytes());
        let expected = STANDARD.encode(hmac.finalize().into_bytes());
        // A plus sign that was not encoded arrives as it is; encoded ones have been decoded.
        let given = self.signature.replace(' ', "+");
        if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) { Ok(()) } else { Err(Refusal::Mismatch) }
    }

    fn string_to_sign(&self, method: &str, path: &str, headers: &HeaderMap) -> String {
        let parameter = |name: &str| self.parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = |name: &str| {
            let header = headers.get(name).and_then(|v| v.to_str().ok());
            header.or_else(|| parameter(name).map(|(_, v)| v.as_ref())).unwrap_or("").to_owned()
        };
        let mut amz: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, header) in headers {
            if name.as_str().starts_with("x-amz-") {
                let text = String::from_utf8_lossy(header.as_bytes()).trim().to_owned();
                amz.entry(name.as_str().to_owned()).or_default().push(text);
            }
        }
        for (name, value) in &self.parameters {
            let name = name.to_ascii_lowercase();
            if name.starts_with("x-amz-") {
                amz.entry(name).or_default().push(value.clone().into_owned());
            }
        }
        let amz: String = amz.iter().map(|(name, values)| format!("{name}:{}\n", values.join(","))).collect();
        let mut resource: Vec<&(Cow<'_, str>, Cow<'_, str>)> =
            self.parameters.iter().filter(|(n, _)| SUBRESOURCES.binary_search(&n.as_ref()).is_ok()).collect();
        resource.sort();
        let mut text =
            format!("{method}\n{}\n{}\n{}\n{amz}{path}", value("content-md5"), value("content-type"), self.expires);
        for (at, (name, value)) in resource.into_iter().enumerate() {
            text.push(if at == 0 { '?' } else { '&' });
            text.push_str(name);
            if !value.is_empty() {
                text.push('=');
                text.push_str(value);
            }
        }
        text
    }
}
