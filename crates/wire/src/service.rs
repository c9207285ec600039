//! What a service is called and which protocols it speaks.

/// The two versions of AWS JSON; they differ in the content type only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonVersion {
    /// `application/x-amz-json-1.0`
    V1_0,
    /// `application/x-amz-json-1.1`
    V1_1,
}

impl JsonVersion {
    /// The content type of requests and answers.
    pub const fn content_type(self) -> &'static str {
        match self {
            JsonVersion::V1_0 => "application/x-amz-json-1.0",
            JsonVersion::V1_1 => "application/x-amz-json-1.1",
        }
    }
}

/// A protocol of AWS. Smithy 2.0 documentation, *AWS protocols*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A POST of JSON to `/` with the operation in `X-Amz-Target: PREFIX.Operation`.
    Json {
        /// The version whose content type the service's own clients send.
        version: JsonVersion,
        /// What stands before the dot in `X-Amz-Target`, for example `AWSEvents`.
        target_prefix: &'static str,
    },
    /// A form with `Action=Operation&Version=...`, answered in XML.
    Query {
        /// The API version, for example `2010-05-15`.
        version: &'static str,
        /// The XML namespace of the answers.
        xmlns: &'static str,
    },
    /// RPC v2: a POST of CBOR to `/service/SERVICE/operation/OPERATION` under the header `smithy-protocol: rpc-v2-cbor`.
    Cbor {
        /// What stands in the path, for example `GraniteServiceVersion20100801`.
        service: &'static str,
    },
    /// JSON over methods and paths that each operation declares with [`crate::Operation::rest`].
    RestJson,
}

/// A service as the wire knows it.
#[derive(Clone, Copy, Debug)]
pub struct ServiceInfo {
    /// The prefix of its actions in policies, for example `events`.
    pub name: &'static str,
    /// The service in the scope of signatures, for example `events`.
    pub signing_name: &'static str,
    /// What it speaks; one service may speak several protocols.
    pub protocols: &'static [Protocol],
    /// The error code for violated constraints: `ValidationException`, `ValidationError`, `InvalidParameterException`.
    pub validation_code: &'static str,
}
