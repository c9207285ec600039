//! Which bucket and object a request names: in its path, or with the bucket in its host name.
//!
//! AWS: S3 User Guide, "Virtual hosting of general purpose buckets".

use percent_encoding::percent_decode_str;

use crate::error::{Plain, Result, S3Error};

/// The longest key, in bytes of UTF-8.
pub(crate) const KEY_BYTES_MAX: usize = 1_024;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The service: all buckets.
    Service,
    /// A bucket.
    Bucket(String),
    /// An object: bucket and key.
    Object(String, String),
}

impl Target {
    /// The bucket, `""` for the service.
    pub(crate) fn bucket(&self) -> &str {
        match self {
            Target::Service => "",
            Target::Bucket(bucket) | Target::Object(bucket, _) => bucket,
        }
    }

    /// The object's key, `""` for bucket and service.
    pub(crate) fn key(&self) -> &str {
        match self {
            Target::Object(_, key) => key,
            Target::Service | Target::Bucket(_) => "",
        }
    }
}

/// What `host` (with or without port) and the path as sent (still percent-encoded) name.
///
/// # Errors
/// `InvalidURI` if the path does not decode to UTF-8, `KeyTooLongError`.
pub(crate) fn target(host: &str, path: &str) -> Result<Target> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (bucket, key) = match bucket_of_host(host) {
        Some(bucket) => (bucket.to_owned(), path),
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            (decode(bucket)?, key)
        }
    };
    if bucket.is_empty() {
        return if key.is_empty() { Ok(Target::Service) } else { Err(Plain::InvalidUri.into()) };
    }
    let key = decode(key)?;
    if key.is_empty() {
        return Ok(Target::Bucket(bucket));
    }
    check_key(&key)?;
    Ok(Target::Object(bucket, key))
}

/// Refuses keys that are too long.
///
/// # Errors
/// `KeyTooLongError`, with size and limit.
pub(crate) fn check_key(key: &str) -> Result<()> {
    if key.len() <= KEY_BYTES_MAX {
        return Ok(());
    }
    let error = cauce_core::ServiceError::from(S3Error::from(Plain::KeyTooLong));
    Err(S3Error::Service(error.with_field("Size", key.len()).with_field("MaxSizeAllowed", KEY_BYTES_MAX)))
}

fn decode(part: &str) -> Result<String> {
    let decoded = percent_decode_str(part).decode_utf8().map_err(|_| Plain::InvalidUri)?;
    if decoded.contains('\0') { Err(Plain::InvalidUri.into()) } else { Ok(decoded.into_owned()) }
}

/// Whether a host name is one of S3's, with or without a bucket.
pub(crate) fn is_s3_host(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    let of_s3 = name.split('.').any(|label| label == "s3" || label.starts_with("s3-"));
    of_s3 && (name.ends_with(".localhost") || name.ends_with(".amazonaws.com"))
}

/// The bucket that a host name carries: `BUCKET.s3.REGION.amazonaws.com`, `BUCKET.s3.amazonaws.com`, and on this machine
/// `BUCKET.s3.localhost` and `BUCKET.localhost` (which the SDK for JavaScript makes of `http://localhost`).
pub(crate) fn bucket_of_host(host: &str) -> Option<&str> {
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    if let Some(local) = host.strip_suffix(".localhost") {
        let bucket = local.strip_suffix(".s3").unwrap_or(local);
        return Some(bucket).filter(|bucket| *bucket != "s3");
    }
    let front = host.strip_suffix(".amazonaws.com")?;
    let is_s3 = |label: &str| label == "s3" || label.starts_with("s3-");
    // `s3` may be followed by `dualstack` and a region; bucket names may have dots, so it is sought from the end.
    let mut end = front.len();
    for _ in 0..3 {
        let rest = front.get(..end)?;
        let (before, label) = rest.rsplit_once('.').unwrap_or(("", rest));
        if is_s3(label) {
            return Some(before).filter(|bucket| !bucket.is_empty());
        }
        end = before.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Target, target};

    #[test]
    fn path_and_host_name_buckets_and_keys() {
        let check = |host: &str, path: &str, bucket: &str, key: &str| {
            let got = target(host, path).unwrap();
            assert_eq!((got.bucket(), got.key()), (bucket, key), "{host} {path}");
        };
        check("127.0.0.1:4566", "/", "", "");
        check("127.0.0.1:4566", "/b", "b", "");
        check("127.0.0.1:4566", "/b/", "b", "");
        check("127.0.0.1:4566", "/b/k", "b", "k");
        check("localhost:4566", "/b/a/b%20c+d//e/../f", "b", "a/b c+d//e/../f");
        check("localhost", "/b/%C3%B1", "b", "ñ");
        check("b.s3.localhost:4566", "/", "b", "");
        check("b.s3.localhost:4566", "/k/l", "b", "k/l");
        check("b.localhost", "/k", "b", "k");
        check("s3.localhost", "/b/k", "b", "k");
        check("a.b.s3.us-east-1.amazonaws.com", "/k", "a.b", "k");
        check("b.s3.amazonaws.com", "/k", "b", "k");
        check("b.s3-eu-west-1.amazonaws.com", "/k", "b", "k");
        check("b.s3.dualstack.eu-west-1.amazonaws.com", "/k", "b", "k");
        check("s3.eu-west-1.amazonaws.com", "/b/k", "b", "k");
        check("s3.amazonaws.com", "/b/k", "b", "k");
    }

    #[test]
    fn what_names_nothing_is_refused() {
        let check = |path: &str| assert!(target("h", path).is_err(), "{path}");
        check("/b/%FF");
        check("/b/a%00b");
        check("//k");
        check(&format!("/b/{}", "x".repeat(1_025)));
        assert_eq!(target("h", "/").unwrap(), Target::Service);
        assert!(target("h", &format!("/b/{}", "x".repeat(1_024))).is_ok());
    }
}
