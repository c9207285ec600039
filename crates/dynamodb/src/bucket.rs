//! Objects of buckets, read and written as whoever has asked for an export or import.

use std::sync::Arc;

use bytes::Bytes;
use cauce_core::ports::{ServiceRequest, ServiceResponse};
use cauce_core::{Account, Call, Principal, Region, Trace};

use crate::service::DynamoDb;

/// Who reads or writes, and in which bucket.
pub(crate) struct Bucket<'a> {
    pub(crate) account: Account,
    pub(crate) region: &'a Region,
    pub(crate) principal: &'a Principal,
    pub(crate) name: &'a str,
}

/// Why an object was not read or written.
#[derive(Debug)]
pub(crate) struct BucketError {
    pub(crate) code: String,
    pub(crate) message: String,
    /// Whether it may be another time.
    pub(crate) passing: bool,
}

impl BucketError {
    fn of(answer: &ServiceResponse) -> BucketError {
        let body = String::from_utf8_lossy(&answer.body);
        let code = element(&body, "Code").unwrap_or_else(|| "InternalServerError".to_owned());
        let message = element(&body, "Message").unwrap_or_else(|| format!("S3 answered {}", answer.status));
        BucketError { code: format!("S3{code}"), message, passing: answer.status >= 500 }
    }
}

/// The text of the first element of this name, as far as answers of S3 go.
pub(crate) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Some(plain.replace("&#39;", "'").replace("&#34;", "\"").replace("&amp;", "&"))
}

/// A text as it stands in a path or, with `/` encoded too, in a query.
pub(crate) fn encoded(text: &str, plain_slash: bool) -> String {
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') || (plain_slash && b == b'/');
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match plain(byte) {
            true => encoded.push(char::from(byte)),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

impl DynamoDb {
    /// A request to S3; any answer but one of success is an error.
    pub(crate) async fn ask_bucket(
        &self,
        bucket: &Bucket<'_>,
        method: &str,
        path_and_query: String,
        headers: Vec<(String, String)>,
        body: Bytes,
    ) -> Result<ServiceResponse, BucketError> {
        let Some(services) = self.services.get() else {
            let message = "there are no other services".to_owned();
            return Err(BucketError { code: "InternalServerError".to_owned(), message, passing: true });
        };
        let trace = Trace::start(self.env.now(), self.env.entropy());
        let name = "dynamodb.amazonaws.com";
        let call = Call::from_service(&self.env, name, None, bucket.account, bucket.region.clone(), trace);
        let call = Call { principal: Arc::new(bucket.principal.clone()), ..call };
        let request = ServiceRequest {
            service: "s3".to_owned(),
            method: method.to_owned(),
            path_and_query: format!("/{}{path_and_query}", bucket.name),
            headers,
            body,
        };
        let answer = services.request(&call, request).await;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(BucketError::of(&answer)) }
    }
}
