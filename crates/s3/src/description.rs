//! What a request says about the object it writes, besides its bytes.

use std::collections::BTreeMap;

use http::HeaderMap;

use crate::error::{Plain, Result, S3Error};
use crate::model::{Bucket, Description, Encryption, Ownership, Tag};
use crate::request::{Reply, Request};
use crate::tags::parse_tag_header;

/// How many bytes the names and values of user metadata may have together.
const METADATA_BYTES_MAX: usize = 2 * 1024;
/// What an object is when nobody says what it is.
const CONTENT_TYPE_DEFAULT: &str = "binary/octet-stream";
const METADATA_PREFIX: &str = "x-amz-meta-";

/// The standard headers that are kept.
const KEPT_HEADERS: [&str; 5] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "expires"];

/// Headers that ask for what is not built.
const NOT_BUILT: [&str; 10] = [
    "x-amz-website-redirect-location",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-bucket-object-lock-enabled",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-context",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-write-offset-bytes",
    "x-amz-mfa",
];

/// Classes whose objects can be read at once, which is what all classes are here.
const STORAGE_CLASSES: [&str; 6] =
    ["STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"];
/// Classes whose objects must be restored first.
const ARCHIVE_CLASSES: [&str; 5] = ["GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE"];

/// What the headers of `request` say of an object in `bucket`.
///
/// # Errors
/// `NotImplemented` for what is not built, and whatever AWS refuses.
pub(crate) fn describe(request: &Request, bucket: &Bucket) -> Result<Description> {
    refuse_not_built(&request.headers)?;
    refuse_acl(&request.headers, bucket)?;
    Ok(Description {
        headers: kept_headers(request),
        metadata: metadata(&request.headers)?,
        encryption: encryption(request, bucket)?,
        storage_class: storage_class(request)?,
    })
}

/// The tags in the headers of `request`.
///
/// # Errors
/// `InvalidTag` and its like.
pub(crate) fn header_tags(request: &Request) -> Result<Vec<Tag>> {
    request.header("x-amz-tagging").map_or(Ok(Vec::new()), parse_tag_header)
}

/// Refuses headers that ask for what is not built.
///
/// # Errors
/// `NotImplemented`.
pub(crate) fn refuse_not_built(headers: &HeaderMap) -> Result<()> {
    let wanted = NOT_BUILT.iter().any(|name| headers.contains_key(*name));
    if wanted { Err(Plain::NotImplemented.into()) } else { Ok(()) }
}

/// Refuses to grant what bucket owners have anyway, or what others would get.
///
/// # Errors
/// `AccessControlListNotSupported` as AWS where access control lists are off, `NotImplemented` where they are on.
pub(crate) fn refuse_acl(headers: &HeaderMap, bucket: &Bucket) -> Result<()> {
    let grants = headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
    let acl = headers.get("x-amz-acl").map(|value| value.to_str().unwrap_or_default());
    match acl {
        None | Some("private" | "bucket-owner-full-control") if !grants => Ok(()),
        _ if bucket.ownership == Some(Ownership::BucketOwnerEnforced) => Err(Plain::AclNotSupported.into()),
        _ => Err(Plain::NotImplemented.into()),
    }
}

fn kept_headers(request: &Request) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    let content_type = request.header("content-type").filter(|value| !value.is_empty());
    kept.insert("content-type".to_owned(), content_type.unwrap_or(CONTENT_TYPE_DEFAULT).to_owned());
    for name in KEPT_HEADERS {
        let Some(value) = request.header(name) else { continue };
        // The framing of the upload is not part of the object.
        let value = match name {
            "content-encoding" => without_aws_chunked(value),
            _ => value.to_owned(),
        };
        if !value.is_empty() {
            kept.insert(name.to_owned(), value);
        }
    }
    kept
}

fn without_aws_chunked(encodings: &str) -> String {
    let kept: Vec<&str> =
        encodings.split(',').map(str::trim).filter(|e| !e.is_empty() && *e != "aws-chunked").collect();
    kept.join(",")
}

fn metadata(headers: &HeaderMap) -> Result<BTreeMap<String, String>> {
    let mut metadata = BTreeMap::new();
    let mut bytes = 0;
    for name in headers.keys() {
        let Some(short) = name.as_str().strip_prefix(METADATA_PREFIX) else { continue };
        let values: Vec<&str> =
            headers.get_all(name).iter().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok()).collect();
        let value = values.join(",");
        bytes += short.len() + value.len();
        metadata.insert(short.to_owned(), value);
    }
    if bytes <= METADATA_BYTES_MAX {
        return Ok(metadata);
    }
    let error = cauce_core::ServiceError::from(S3Error::from(Plain::MetadataTooLarge));
    Err(S3Error::Service(error.with_field("Size", bytes).with_field("MaxSizeAllowed", METADATA_BYTES_MAX)))
}

fn encryption(request: &Request, bucket: &Bucket) -> Result<Encryption> {
    let key = request.header("x-amz-server-side-encryption-aws-kms-key-id");
    let Some(algorithm) = request.header("x-amz-server-side-encryption") else {
        return match key {
            None => Ok(bucket.encryption.clone()),
            Some(_) => Err(S3Error::argument(
                "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
                "x-amz-server-side-encryption",
                "null",
            )),
        };
    };
    let bucket_key = request.header("x-amz-server-side-encryption-bucket-key-enabled") == Some("true");
    encryption_of(algorithm, key, bucket_key)
}

/// Encryption at rest is left to the disk, so the algorithm is remembered and repeated. A customer's own key would promise
/// that its withdrawal makes the object unreadable, which nothing here keeps, so such a key is refused.
///
/// # Errors
/// `InvalidArgument` for an algorithm AWS has not, `NotImplemented` for a customer's key.
pub(crate) fn encryption_of(algorithm: &str, key: Option<&str>, bucket_key: bool) -> Result<Encryption> {
    let managed = key.is_none_or(|key| key.is_empty() || key.ends_with("alias/aws/s3"));
    match algorithm {
        "AES256" if key.is_none_or(str::is_empty) => {}
        "aws:kms" if managed => {}
        "AES256" => {
            let message = "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms";
            return Err(S3Error::argument(message, "x-amz-server-side-encryption", algorithm));
        }
        "aws:kms" | "aws:kms:dsse" => return Err(Plain::NotImplemented.into()),
        other => {
            let message = "The encryption method specified is not supported";
            return Err(S3Error::argument(message, "x-amz-server-side-encryption", other));
        }
    }
    Ok(Encryption {
        algorithm: algorithm.to_owned(),
        key: key.filter(|key| !key.is_empty()).map(str::to_owned),
        bucket_key,
    })
}

fn storage_class(request: &Request) -> Result<Option<String>> {
    match request.header("x-amz-storage-class") {
        None | Some("STANDARD") => Ok(None),
        Some(class) if STORAGE_CLASSES.contains(&class) => Ok(Some(class.to_owned())),
        Some(class) if ARCHIVE_CLASSES.contains(&class) => Err(Plain::NotImplemented.into()),
        Some(_) => Err(Plain::InvalidStorageClass.into()),
    }
}

impl Description {
    /// Puts all of it into an answer.
    pub(crate) fn show(&self, mut reply: Reply) -> Reply {
        for (name, value) in &self.headers {
            reply.set(name, value);
        }
        for (name, value) in &self.metadata {
            reply.set(&format!("{METADATA_PREFIX}{name}"), value);
        }
        self.encryption.show(reply).maybe("x-amz-storage-class", self.storage_class.as_deref())
    }
}

impl Encryption {
    /// Puts it into an answer.
    pub(crate) fn show(&self, reply: Reply) -> Reply {
        reply
            .header("x-amz-server-side-encryption", &self.algorithm)
            .maybe("x-amz-server-side-encryption-aws-kms-key-id", self.key.as_deref())
            .maybe("x-amz-server-side-encryption-bucket-key-enabled", self.bucket_key.then_some("true"))
    }
}

#[cfg(test)]
mod tests {
    use super::{encryption_of, without_aws_chunked};

    #[test]
    fn the_framing_is_no_encoding_of_the_object() {
        assert_eq!(without_aws_chunked("aws-chunked"), "");
        assert_eq!(without_aws_chunked("aws-chunked,gzip"), "gzip");
        assert_eq!(without_aws_chunked("gzip, aws-chunked"), "gzip");
    }

    #[test]
    fn keys_of_customers_are_refused() {
        assert!(encryption_of("AES256", None, false).is_ok());
        assert!(encryption_of("aws:kms", None, true).is_ok());
        assert!(encryption_of("aws:kms", Some("alias/aws/s3"), true).is_ok());
        assert!(encryption_of("aws:kms", Some("arn:aws:kms:us-east-1:000000000000:key/1"), false).is_err());
        assert!(encryption_of("AES256", Some("x"), false).is_err());
        assert!(encryption_of("rot13", None, false).is_err());
    }
}
