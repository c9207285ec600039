//! Where a function's package can be fetched from: a link that carries the caller's own signature.
//!
//! AWS: Lambda API, *FunctionCodeLocation*; *Signature Version 4*, "Query parameters". The link is good for ten minutes.

use cauce_core::ports::AccessKey;
use cauce_core::{Call, Principal, Timestamp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

/// How long a link is good. AWS: 10 minutes.
const EXPIRES_S: u32 = 600;

/// What a query of a canonical request leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The id of the key with which the caller signed.
pub(crate) fn key_of(call: &Call) -> Option<&str> {
    match &*call.principal {
        Principal::Root { access_key_id, .. }
        | Principal::User { access_key_id, .. }
        | Principal::Session { access_key_id, .. } => Some(access_key_id),
        Principal::Service { .. } | Principal::Anonymous => None,
    }
}

/// The link to `path` (of characters that need no encoding) with `query`, signed with `key` if there is one.
pub(crate) fn link(
    call: &Call,
    path: &str,
    query: &[(&str, &str)],
    key: Option<(&str, &AccessKey)>,
    now: Timestamp,
) -> String {
    let host = &call.host;
    let mut query: Vec<(String, String)> = query.iter().map(|(n, v)| (encoded(n), encoded(v))).collect();
    let Some((id, key)) = key else { return format!("http://{host}{path}?{}", joined(&query)) };
    let time = now.to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = time.split('T').next().unwrap_or_default().to_owned();
    let scope = format!("{day}/{}/lambda/aws4_request", call.region);
    let mut add = |name: &str, value: &str| query.push((name.to_owned(), encoded(value)));
    add("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
    add("X-Amz-Credential", &format!("{id}/{scope}"));
    add("X-Amz-Date", &time);
    add("X-Amz-Expires", &EXPIRES_S.to_string());
    if let Some(token) = &key.session_token {
        add("X-Amz-Security-Token", token);
    }
    add("X-Amz-SignedHeaders", "host");
    query.sort();
    let query = joined(&query);
    let nothing = hex::encode(Sha256::digest(b""));
    let request = format!("GET\n{path}\n{query}\nhost:{host}\n\nhost\n{nothing}");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(request)));
    let steps = [day.as_str(), call.region.as_str(), "lambda", "aws4_request", &to_sign];
    let first = format!("AWS4{}", key.secret).into_bytes();
    let signature = steps.into_iter().fold(first, |key, step| mac(&key, step));
    format!("http://{host}{path}?{query}&X-Amz-Signature={}", hex::encode(signature))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

fn joined(query: &[(String, String)]) -> String {
    let pairs: Vec<String> = query.iter().map(|(n, v)| format!("{n}={v}")).collect();
    pairs.join("&")
}

fn mac(key: &[u8], data: &str) -> Vec<u8> {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(data.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
