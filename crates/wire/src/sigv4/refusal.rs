//! Why a signature is refused, in the words of AWS, which differ between protocols.

use cauce_core::ServiceError;

/// Which family of error codes and statuses a service uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// JSON 1.0 and 1.1: `...Exception`, status 400.
    Json,
    /// REST-JSON: `...Exception`, status 403.
    Rest,
    /// Query: codes without `Exception`, status 403.
    Query,
    /// S3's own.
    S3,
}

/// Why a signature is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing is signed.
    Missing,
    /// Parts of the authorization are absent; the text names each.
    Incomplete(String),
    /// The presigned query is malformed (S3 has a code of its own for it).
    BadQuery(String),
    /// An algorithm other than ours.
    Algorithm,
    /// No such key, or a token that does not belong to it.
    UnknownKey,
    /// A temporary key's token is wrong.
    BadToken,
    /// A temporary key has ended.
    ExpiredToken,
    /// The scope is wrong; the text says how.
    Scope(String),
    /// Headers that must be signed are not; their names, in lower case.
    Unsigned(Vec<String>),
    /// Too old; the text has the moments.
    Expired(String),
    /// From the future; the text has the moments.
    Early(String),
    /// A presigned URL has ended.
    UrlExpired(String),
    /// The signature does not match.
    Mismatch,
    /// The body's hash is not what the header says.
    PayloadHash,
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
     Access Key and signing method. Consult the service documentation for details.";
const S3_MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your key and \
     signing method.";
const INVALID_TOKEN: &str = "The security token included in the request is invalid.";

impl Refusal {
    /// The error as services of this dialect word it.
    pub(crate) fn into_error(self, dialect: Dialect) -> ServiceError {
        if dialect == Dialect::S3 {
            return self.into_s3_error();
        }
        let (code, query_code, message) = self.words();
        let status = if dialect == Dialect::Json { 400 } else { 403 };
        ServiceError::new(status, code, message).with_query_code(query_code)
    }

    fn words(self) -> (&'static str, &'static str, String) {
        let incomplete = ("IncompleteSignatureException", "IncompleteSignature");
        let invalid = ("InvalidSignatureException", "SignatureDoesNotMatch");
        let unknown = ("UnrecognizedClientException", "InvalidClientTokenId");
        let ((code, query_code), message) = match self {
            Refusal::Missing => (
                ("MissingAuthenticationTokenException", "MissingAuthenticationToken"),
                "Missing Authentication Token".to_owned(),
            ),
            Refusal::Incomplete(why) | Refusal::BadQuery(why) => (incomplete, why),
            Refusal::Algorithm => {
                (incomplete, "Unsupported AWS 'algorithm': only 'AWS4-HMAC-SHA256' is supported.".to_owned())
            }
            Refusal::UnknownKey | Refusal::BadToken => (unknown, INVALID_TOKEN.to_owned()),
            Refusal::ExpiredToken => (
                ("ExpiredTokenException", "ExpiredToken"),
                "The security token included in the request is expired".to_owned(),
            ),
            Refusal::Unsigned(names) => (invalid, unsigned(&names)),
            Refusal::Scope(why) | Refusal::Expired(why) | Refusal::Early(why) | Refusal::UrlExpired(why) => {
                (invalid, why)
            }
            Refusal::Mismatch | Refusal::PayloadHash => (invalid, MISMATCH.to_owned()),
        };
        (code, query_code, message)
    }

    fn into_s3_error(self) -> ServiceError {
        let (status, code, message) = match self {
            Refusal::Missing => (403, "AccessDenied", "Access Denied".to_owned()),
            Refusal::Incomplete(why) => {
                let message = format!("The authorization header is malformed; {why}");
                (400, "AuthorizationHeaderMalformed", message)
            }
            Refusal::BadQuery(why) => (400, "AuthorizationQueryParametersError", why),
            Refusal::Algorithm => {
                let message =
                    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
                (400, "InvalidRequest", message.to_owned())
            }
            Refusal::UnknownKey => {
                let message = "The AWS Access Key Id you provided does not exist in our records.";
                (403, "InvalidAccessKeyId", message.to_owned())
            }
            Refusal::BadToken => {
                (400, "InvalidToken", "The provided token is malformed or otherwise invalid.".to_owned())
            }
            Refusal::ExpiredToken => (400, "ExpiredToken", "The provided token has expired.".to_owned()),
            Refusal::Scope(why) => {
                let message = format!("The authorization header is malformed; {why}");
                (400, "AuthorizationHeaderMalformed", message)
            }
            Refusal::Unsigned(names) => {
                let message = "There were headers present in the request which were not signed";
                let error = ServiceError::new(403, "AccessDenied", message);
                return error.with_field("HeadersNotSigned", names.join(", "));
            }
            Refusal::Expired(_) | Refusal::Early(_) => {
                let message = "The difference between the request time and the current time is too large.";
                (403, "RequestTimeTooSkewed", message.to_owned())
            }
            Refusal::UrlExpired(_) => (403, "AccessDenied", "Request has expired".to_owned()),
            Refusal::Mismatch => (403, "SignatureDoesNotMatch", S3_MISMATCH.to_owned()),
            Refusal::PayloadHash => {
                let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
                (400, "XAmzContentSHA256Mismatch", message.to_owned())
            }
        };
        ServiceError::new(status, code, message)
    }
}

fn unsigned(names: &[String]) -> String {
    if names.iter().any(|n| n == "host") {
        return "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned();
    }
    format!("There were headers present in the request which were not signed: {}", names.join(", "))
}
