//! The operations of S3, each declared once: its name, the action that policies allow, and how a request asks for it.

use http::{HeaderMap, Method};

use crate::address::Target;
use crate::error::{Plain, Result, S3Error};
use crate::query::Query;

/// Declares the operations: name and IAM action.
macro_rules! operations {
    ($($name:ident $action:literal;)+) => {
        /// An operation of S3.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Operation { $($name),+ }

        impl Operation {
            /// Its name in the API.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Operation::$name => stringify!($name)),+ }
            }

            /// What policies must allow, for the current version of an object.
            pub(crate) fn action(self) -> &'static str {
                match self { $(Operation::$name => $action),+ }
            }
        }
    };
}

operations! {
    ListBuckets "s3:ListAllMyBuckets";
    CreateBucket "s3:CreateBucket";
    HeadBucket "s3:ListBucket";
    DeleteBucket "s3:DeleteBucket";
    GetBucketLocation "s3:GetBucketLocation";
    GetBucketVersioning "s3:GetBucketVersioning";
    PutBucketVersioning "s3:PutBucketVersioning";
    GetBucketEncryption "s3:GetEncryptionConfiguration";
    PutBucketEncryption "s3:PutEncryptionConfiguration";
    DeleteBucketEncryption "s3:PutEncryptionConfiguration";
    GetPublicAccessBlock "s3:GetBucketPublicAccessBlock";
    PutPublicAccessBlock "s3:PutBucketPublicAccessBlock";
    DeletePublicAccessBlock "s3:PutBucketPublicAccessBlock";
    GetBucketOwnershipControls "s3:GetBucketOwnershipControls";
    PutBucketOwnershipControls "s3:PutBucketOwnershipControls";
    DeleteBucketOwnershipControls "s3:PutBucketOwnershipControls";
    GetBucketTagging "s3:GetBucketTagging";
    PutBucketTagging "s3:PutBucketTagging";
    DeleteBucketTagging "s3:PutBucketTagging";
    GetBucketPolicy "s3:GetBucketPolicy";
    GetBucketPolicyStatus "s3:GetBucketPolicyStatus";
    PutBucketPolicy "s3:PutBucketPolicy";
    DeleteBucketPolicy "s3:DeleteBucketPolicy";
    GetBucketLifecycleConfiguration "s3:GetLifecycleConfiguration";
    PutBucketLifecycleConfiguration "s3:PutLifecycleConfiguration";
    DeleteBucketLifecycle "s3:PutLifecycleConfiguration";
    GetBucketMetricsConfiguration "s3:GetMetricsConfiguration";
    ListBucketMetricsConfigurations "s3:GetMetricsConfiguration";
    PutBucketMetricsConfiguration "s3:PutMetricsConfiguration";
    DeleteBucketMetricsConfiguration "s3:PutMetricsConfiguration";
    GetBucketAcl "s3:GetBucketAcl";
    PutBucketAcl "s3:PutBucketAcl";
    ListObjects "s3:ListBucket";
    ListObjectsV2 "s3:ListBucket";
    ListObjectVersions "s3:ListBucketVersions";
    ListMultipartUploads "s3:ListBucketMultipartUploads";
    DeleteObjects "s3:DeleteObject";
    GetObject "s3:GetObject";
    HeadObject "s3:GetObject";
    PutObject "s3:PutObject";
    CopyObject "s3:PutObject";
    DeleteObject "s3:DeleteObject";
    GetObjectTagging "s3:GetObjectTagging";
    PutObjectTagging "s3:PutObjectTagging";
    DeleteObjectTagging "s3:DeleteObjectTagging";
    GetObjectAcl "s3:GetObjectAcl";
    PutObjectAcl "s3:PutObjectAcl";
    CreateMultipartUpload "s3:PutObject";
    UploadPart "s3:PutObject";
    UploadPartCopy "s3:PutObject";
    CompleteMultipartUpload "s3:PutObject";
    AbortMultipartUpload "s3:AbortMultipartUpload";
    ListParts "s3:ListMultipartUploadParts";
}

impl Operation {
    /// What policies must allow when the request names a version.
    pub(crate) fn version_action(self) -> &'static str {
        match self {
            Operation::GetObject | Operation::HeadObject => "s3:GetObjectVersion",
            Operation::DeleteObject | Operation::DeleteObjects => "s3:DeleteObjectVersion",
            Operation::GetObjectTagging => "s3:GetObjectVersionTagging",
            Operation::PutObjectTagging => "s3:PutObjectVersionTagging",
            Operation::DeleteObjectTagging => "s3:DeleteObjectVersionTagging",
            Operation::GetObjectAcl => "s3:GetObjectVersionAcl",
            Operation::PutObjectAcl => "s3:PutObjectVersionAcl",
            other => other.action(),
        }
    }
}

/// A query parameter that names a sub-resource of a bucket, and the operations of GET, PUT and DELETE on it.
type BucketPart = (&'static str, Option<Operation>, Option<Operation>, Option<Operation>);

/// The sub-resources of a bucket.
const BUCKET_PARTS: [BucketPart; 13] = {
    use Operation as O;
    [
        ("acl", Some(O::GetBucketAcl), Some(O::PutBucketAcl), None),
        ("encryption", Some(O::GetBucketEncryption), Some(O::PutBucketEncryption), Some(O::DeleteBucketEncryption)),
        (
            "lifecycle",
            Some(O::GetBucketLifecycleConfiguration),
            Some(O::PutBucketLifecycleConfiguration),
            Some(O::DeleteBucketLifecycle),
        ),
        ("location", Some(O::GetBucketLocation), None, None),
        (
            "metrics",
            Some(O::GetBucketMetricsConfiguration),
            Some(O::PutBucketMetricsConfiguration),
            Some(O::DeleteBucketMetricsConfiguration),
        ),
        (
            "ownershipControls",
            Some(O::GetBucketOwnershipControls),
            Some(O::PutBucketOwnershipControls),
            Some(O::DeleteBucketOwnershipControls),
        ),
        ("policy", Some(O::GetBucketPolicy), Some(O::PutBucketPolicy), Some(O::DeleteBucketPolicy)),
        ("policyStatus", Some(O::GetBucketPolicyStatus), None, None),
        (
            "publicAccessBlock",
            Some(O::GetPublicAccessBlock),
            Some(O::PutPublicAccessBlock),
            Some(O::DeletePublicAccessBlock),
        ),
        ("tagging", Some(O::GetBucketTagging), Some(O::PutBucketTagging), Some(O::DeleteBucketTagging)),
        ("uploads", Some(O::ListMultipartUploads), None, None),
        ("versioning", Some(O::GetBucketVersioning), Some(O::PutBucketVersioning), None),
        ("versions", Some(O::ListObjectVersions), None, None),
    ]
};

/// Those of them that objects have too.
const OBJECT_PARTS: [&str; 3] = ["acl", "tagging", "uploads"];

/// Query parameters that ask for what is not built. They must not be taken for the plain operation on bucket or object.
const NOT_BUILT: [&str; 24] = [
    "abac",
    "accelerate",
    "analytics",
    "attributes",
    "cors",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "notification",
    "object-lock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "torrent",
    "website",
];

/// The operation that a request asks for.
///
/// # Errors
/// 501 `NotImplemented` for what S3 has and this does not, 405 `MethodNotAllowed` for what S3 has not.
pub(crate) fn operation(method: &Method, target: &Target, query: &Query, headers: &HeaderMap) -> Result<Operation> {
    if NOT_BUILT.iter().any(|name| query.has(name)) {
        return Err(Plain::NotImplemented.into());
    }
    let found = match target {
        Target::Service => (method == Method::GET).then_some(Operation::ListBuckets),
        Target::Bucket(_) => bucket_operation(method, query, headers)?,
        // The sub-resources that only buckets have must not be taken for the object itself.
        Target::Object(..) if BUCKET_PARTS.iter().any(|(name, ..)| !OBJECT_PARTS.contains(name) && query.has(name)) => {
            None
        }
        Target::Object(..) => object_operation(method, query, headers),
    };
    found.ok_or_else(|| S3Error::MethodNotAllowed {
        method: method.to_string(),
        resource_type: match target {
            Target::Service => "SERVICE",
            Target::Bucket(_) => "BUCKET",
            Target::Object(..) => "OBJECT",
        },
    })
}

fn bucket_operation(method: &Method, query: &Query, headers: &HeaderMap) -> Result<Option<Operation>> {
    use Operation as O;
    let part = BUCKET_PARTS.iter().find(|(name, ..)| query.has(name));
    Ok(match (method.as_str(), part) {
        ("GET", Some(("metrics", ..))) if !query.has("id") => Some(O::ListBucketMetricsConfigurations),
        ("GET", Some((_, operation, _, _))) => *operation,
        ("PUT", Some((_, _, operation, _))) => *operation,
        ("DELETE", Some((_, _, _, operation))) => *operation,
        ("GET", None) if query.get("list-type") == Some("2") => Some(O::ListObjectsV2),
        ("GET", None) => Some(O::ListObjects),
        ("HEAD", None) => Some(O::HeadBucket),
        ("PUT", None) => Some(O::CreateBucket),
        ("DELETE", None) => Some(O::DeleteBucket),
        ("POST", None) if query.has("delete") => Some(O::DeleteObjects),
        // Uploads from a browser's form.
        ("POST", None) if is_form(headers) => return Err(Plain::NotImplemented.into()),
        // A preflight: cross-origin rules are not built.
        ("OPTIONS", _) => return Err(Plain::NotImplemented.into()),
        _ => None,
    })
}

fn object_operation(method: &Method, query: &Query, headers: &HeaderMap) -> Option<Operation> {
    use Operation as O;
    let copies = headers.contains_key("x-amz-copy-source");
    if query.has("uploads") {
        return (method == Method::POST).then_some(O::CreateMultipartUpload);
    }
    match method.as_str() {
        "GET" if query.has("tagging") => Some(O::GetObjectTagging),
        "GET" if query.has("acl") => Some(O::GetObjectAcl),
        "GET" if query.has("uploadId") => Some(O::ListParts),
        "GET" => Some(O::GetObject),
        "HEAD" => Some(O::HeadObject),
        "PUT" if query.has("tagging") => Some(O::PutObjectTagging),
        "PUT" if query.has("acl") => Some(O::PutObjectAcl),
        "PUT" if query.has("uploadId") && copies => Some(O::UploadPartCopy),
        "PUT" if query.has("uploadId") => Some(O::UploadPart),
        "PUT" if copies => Some(O::CopyObject),
        "PUT" => Some(O::PutObject),
        "DELETE" if query.has("tagging") => Some(O::DeleteObjectTagging),
        "DELETE" if query.has("uploadId") => Some(O::AbortMultipartUpload),
        "DELETE" => Some(O::DeleteObject),
        "POST" if query.has("uploadId") => Some(O::CompleteMultipartUpload),
        _ => None,
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| text.starts_with("multipart/form-data"))
}

#[cfg(test)]
mod tests {
    use cauce_core::ServiceError;
    use http::{HeaderMap, HeaderValue, Method};

    use super::{Operation, operation};
    use crate::address::target;
    use crate::query::Query;

    fn check(request: &str, expect: &str) {
        check_with(request, &HeaderMap::new(), expect);
    }

    fn check_with(request: &str, headers: &HeaderMap, expect: &str) {
        let (method, url) = request.split_once(' ').unwrap();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let got = operation(&method, &target("h", path).unwrap(), &Query::parse(query).unwrap(), headers);
        let got = got.map_or_else(|e| ServiceError::from(e).code().to_owned(), |o| o.name().to_owned());
        assert_eq!(got, expect, "{request}");
    }

    #[test]
    fn requests_name_operations() {
        check("GET /", "ListBuckets");
        check("GET /b", "ListObjects");
        check("GET /b?list-type=2&prefix=x", "ListObjectsV2");
        check("GET /b?location", "GetBucketLocation");
        check("GET /b?location=", "GetBucketLocation");
        check("GET /b?versions", "ListObjectVersions");
        check("GET /b?uploads", "ListMultipartUploads");
        check("GET /b?metrics", "ListBucketMetricsConfigurations");
        check("GET /b?metrics&id=a", "GetBucketMetricsConfiguration");
        check("PUT /b", "CreateBucket");
        check("PUT /b?versioning", "PutBucketVersioning");
        check("DELETE /b?publicAccessBlock", "DeletePublicAccessBlock");
        check("POST /b?delete", "DeleteObjects");
        check("HEAD /b", "HeadBucket");
        check("GET /b/k?versionId=x", "GetObject");
        check("HEAD /b/k", "HeadObject");
        check("PUT /b/k?x-id=PutObject", "PutObject");
        check("PUT /b/k?partNumber=1&uploadId=u", "UploadPart");
        check("POST /b/k?uploads", "CreateMultipartUpload");
        check("POST /b/k?uploadId=u", "CompleteMultipartUpload");
        check("DELETE /b/k?uploadId=u", "AbortMultipartUpload");
        check("DELETE /b/k", "DeleteObject");
        let copy = HeaderMap::from_iter([("x-amz-copy-source".parse().unwrap(), HeaderValue::from_static("/b/k"))]);
        check_with("PUT /b/k", &copy, "CopyObject");
        check_with("PUT /b/k?partNumber=1&uploadId=u", &copy, "UploadPartCopy");
    }

    #[test]
    fn what_is_not_built_or_not_there_is_refused() {
        check("GET /b?cors", "NotImplemented");
        check("PUT /b?notification", "NotImplemented");
        check("GET /b/k?attributes", "NotImplemented");
        check("POST /b/k?restore", "NotImplemented");
        check("POST /", "MethodNotAllowed");
        check("DELETE /b?location", "MethodNotAllowed");
        check("POST /b/k", "MethodNotAllowed");
        check("PATCH /b/k", "MethodNotAllowed");
        check("PUT /b/k?encryption", "MethodNotAllowed");
        check("PUT /b/k?uploads", "MethodNotAllowed");
        check("DELETE /b/k?policy", "MethodNotAllowed");
        assert_eq!(Operation::GetObject.version_action(), "s3:GetObjectVersion");
    }
}
