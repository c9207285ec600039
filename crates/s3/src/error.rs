//! What S3 answers when it refuses. A variant is one AWS error code with its message.
//!
//! AWS: S3 API Reference, "Error responses".

use cauce_core::ServiceError;
use cauce_store::StoreError;

/// Declares the errors that always read the same: variant, status, code, message.
macro_rules! plain_errors {
    ($($variant:ident, $status:literal, $code:literal, $message:literal;)+) => {
        /// An error that always reads the same.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Plain { $($variant),+ }

        impl Plain {
            fn parts(self) -> (u16, &'static str, &'static str) {
                match self { $(Plain::$variant => ($status, $code, $message)),+ }
            }
        }
    };
}

plain_errors! {
    AccessDenied, 403, "AccessDenied", "Access Denied";
    AclNotSupported, 400, "AccessControlListNotSupported", "The bucket does not allow ACLs";
    BadDigest, 400, "BadDigest", "The Content-MD5 you specified did not match what we received.";
    BucketAclWithOwnership, 400, "InvalidBucketAclWithObjectOwnership",
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    EntityTooSmall, 400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size";
    IncompleteBody, 400, "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header";
    InvalidDigest, 400, "InvalidDigest", "The Content-MD5 you specified was invalid.";
    InvalidPart, 400, "InvalidPart",
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified \
         entity tag may not match the part's entity tag.";
    InvalidPartOrder, 400, "InvalidPartOrder",
        "The list of parts was not in ascending order. Parts must be ordered by part number.";
    InvalidLocationConstraint, 400, "InvalidLocationConstraint", "The specified location-constraint is not valid";
    InvalidStorageClass, 400, "InvalidStorageClass", "The storage class you specified is not valid";
    InvalidUri, 400, "InvalidURI", "Couldn't parse the specified URI.";
    KeyTooLong, 400, "KeyTooLongError", "Your key is too long";
    MalformedXml, 400, "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema";
    MissingContentLength, 411, "MissingContentLength", "You must provide the Content-Length HTTP header.";
    MissingRequestBody, 400, "MissingRequestBodyError", "Request Body is empty";
    MetadataTooLarge, 400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size";
    NoSuchBucketPolicy, 404, "NoSuchBucketPolicy", "The bucket policy does not exist";
    NoSuchLifecycleConfiguration, 404, "NoSuchLifecycleConfiguration",
        "The lifecycle configuration does not exist";
    NoSuchConfiguration, 404, "NoSuchConfiguration", "The specified configuration does not exist.";
    NoSuchPublicAccessBlock, 404, "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found";
    NoSuchTagSet, 404, "NoSuchTagSet", "The TagSet does not exist";
    OwnershipControlsNotFound, 404, "OwnershipControlsNotFoundError",
        "The bucket ownership controls were not found";
    PublicPolicyBlocked, 403, "AccessDenied",
        "User is not authorized to perform: s3:PutBucketPolicy on this bucket because public policies are prevented by \
         the BlockPublicPolicy setting in S3 Block Public Access.";
    TooManyConfigurations, 400, "TooManyConfigurations",
        "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.";
    SlowDown, 503, "SlowDown", "Please reduce your request rate.";
    InvalidRange, 416, "InvalidRange", "The requested range is not satisfiable";
    InvalidPartNumber, 416, "InvalidPartNumber", "The requested partnumber is not satisfiable";
    BucketNotEmpty, 409, "BucketNotEmpty", "The bucket you tried to delete is not empty";
    NoSuchUpload, 404, "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
         completed.";
    BucketExists, 409, "BucketAlreadyExists",
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please \
         select a different name and try again.";
    BucketOwned, 409, "BucketAlreadyOwnedByYou",
        "Your previous request to create the named bucket succeeded and you already own it.";
    InvalidBucketName, 400, "InvalidBucketName", "The specified bucket is not valid.";
    NotImplemented, 501, "NotImplemented",
        "A header you provided implies functionality that is not implemented";
    ContentSha256Mismatch, 400, "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.";
}

/// What S3 answers when it refuses.
#[derive(Clone, Debug)]
pub(crate) enum S3Error {
    /// Errors that always read the same.
    Plain(Plain),
    /// 404.
    NoSuchBucket { bucket: String },
    /// 404.
    NoSuchKey { key: String },
    /// 404.
    NoSuchVersion { key: String, version: String },
    /// 404, or 405 if the version was named: it is a delete marker.
    DeleteMarker { key: String, version: String, named: bool, modified: String },
    /// 405: the version is a delete marker, or the method makes no sense here.
    MethodNotAllowed { method: String, resource_type: &'static str },
    /// 400.
    InvalidArgument { message: String, name: String, value: String },
    /// 400.
    InvalidRequest { message: String },
    /// 400: a checksum does not match the bytes.
    BadChecksum { algorithm: &'static str },
    /// 400.
    EntityTooLarge { bytes: u64, bytes_max: u64 },
    /// 412, with the name of the condition that failed.
    PreconditionFailed { condition: &'static str },
    /// 400.
    InvalidTag { message: String },
    /// 400.
    MalformedPolicy { message: String },
    /// 400: the region of the request and the one of its body disagree.
    IllegalLocationConstraint { message: String },
    /// 403 with the reason in AWS's words.
    Denied { message: String },
    /// An error that has its shape already.
    Service(ServiceError),
}

/// What every function here returns.
pub(crate) type Result<T> = std::result::Result<T, S3Error>;

impl From<Plain> for S3Error {
    fn from(plain: Plain) -> S3Error {
        S3Error::Plain(plain)
    }
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> S3Error {
        match error {
            // Other requests on the same key kept winning: the client shall come back, as AWS has it.
            StoreError::Conflict { .. } => {
                let (status, code, message) = Plain::SlowDown.parts();
                S3Error::Service(ServiceError::new(status, code, message).with_cause(error))
            }
            other => S3Error::internal(other),
        }
    }
}

impl From<std::io::Error> for S3Error {
    fn from(error: std::io::Error) -> S3Error {
        S3Error::internal(error)
    }
}

impl S3Error {
    /// 500, with the cause for the log.
    pub(crate) fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> S3Error {
        let message = "We encountered an internal error. Please try again.";
        S3Error::Service(ServiceError::new(500, "InternalError", message).with_cause(cause))
    }

    pub(crate) fn argument(message: impl Into<String>, name: impl Into<String>, value: impl Into<String>) -> S3Error {
        S3Error::InvalidArgument { message: message.into(), name: name.into(), value: value.into() }
    }

    pub(crate) fn request(message: impl Into<String>) -> S3Error {
        S3Error::InvalidRequest { message: message.into() }
    }

    /// The headers that go with the error.
    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        match self {
            S3Error::DeleteMarker { version, named, modified, .. } => {
                let mut headers =
                    vec![("x-amz-delete-marker", "true".to_owned()), ("x-amz-version-id", version.clone())];
                if *named {
                    headers.extend([("last-modified", modified.clone()), ("allow", "DELETE".to_owned())]);
                }
                headers
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn no_such_bucket(bucket: &str) -> S3Error {
        S3Error::NoSuchBucket { bucket: bucket.to_owned() }
    }

    pub(crate) fn no_such_key(key: &str) -> S3Error {
        S3Error::NoSuchKey { key: key.to_owned() }
    }
}

impl From<S3Error> for ServiceError {
    fn from(error: S3Error) -> ServiceError {
        match error {
            S3Error::Plain(plain) => {
                let (status, code, message) = plain.parts();
                ServiceError::new(status, code, message)
            }
            S3Error::NoSuchBucket { bucket } => {
                ServiceError::new(404, "NoSuchBucket", "The specified bucket does not exist")
                    .with_field("BucketName", bucket)
            }
            S3Error::NoSuchKey { key } => {
                ServiceError::new(404, "NoSuchKey", "The specified key does not exist.").with_field("Key", key)
            }
            S3Error::NoSuchVersion { key, version } => {
                ServiceError::new(404, "NoSuchVersion", "The specified version does not exist.")
                    .with_field("Key", key)
                    .with_field("VersionId", version)
            }
            S3Error::DeleteMarker { key, named: false, .. } => S3Error::NoSuchKey { key }.into(),
            S3Error::DeleteMarker { .. } => {
                S3Error::MethodNotAllowed { method: "GET".to_owned(), resource_type: "DeleteMarker" }.into()
            }
            S3Error::MethodNotAllowed { method, resource_type } => {
                ServiceError::new(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
                    .with_field("Method", method)
                    .with_field("ResourceType", resource_type)
            }
            S3Error::InvalidArgument { message, name, value } => ServiceError::new(400, "InvalidArgument", message)
                .with_field("ArgumentName", name)
                .with_field("ArgumentValue", value),
            S3Error::InvalidRequest { message } => ServiceError::new(400, "InvalidRequest", message),
            S3Error::BadChecksum { algorithm } => {
                let message = format!("The {algorithm} you specified did not match the calculated checksum.");
                ServiceError::new(400, "BadDigest", message)
            }
            S3Error::EntityTooLarge { bytes, bytes_max } => {
                ServiceError::new(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
                    .with_field("ProposedSize", bytes)
                    .with_field("MaxSizeAllowed", bytes_max)
            }
            S3Error::PreconditionFailed { condition } => {
                let message = "At least one of the pre-conditions you specified did not hold";
                ServiceError::new(412, "PreconditionFailed", message).with_field("Condition", condition)
            }
            S3Error::InvalidTag { message } => ServiceError::new(400, "InvalidTag", message),
            S3Error::MalformedPolicy { message } => ServiceError::new(400, "MalformedPolicy", message),
            S3Error::IllegalLocationConstraint { message } => {
                ServiceError::new(400, "IllegalLocationConstraintException", message)
            }
            S3Error::Denied { message } => ServiceError::new(403, "AccessDenied", message),
            S3Error::Service(error) => error,
        }
    }
}
