//! What API Gateway sends to a function and takes from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A request, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    /// The resource's path, with its parameters' names: `/clients/{id}`.
    pub resource: String,
    /// `GET`, `POST`, ...
    pub http_method: String,
    /// What was sent.
    pub body: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    path_parameters: Option<BTreeMap<String, String>>,
    query_string_parameters: Option<BTreeMap<String, String>>,
    request_context: Context,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Context {
    request_id: String,
    identity: Identity,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    api_key_id: Option<String>,
}

impl Request {
    /// A header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.headers.as_ref()?;
        headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A part of the path.
    pub fn path_parameter(&self, name: &str) -> Option<&str> {
        self.path_parameters.as_ref()?.get(name).map(String::as_str)
    }

    /// A parameter behind the question mark.
    pub fn query_parameter(&self, name: &str) -> Option<&str> {
        self.query_string_parameters.as_ref()?.get(name).map(String::as_str)
    }

    /// The request's id, which is never given twice.
    pub fn id(&self) -> &str {
        &self.request_context.request_id
    }

    /// The id of the API key that came with the request, where the method asks for one.
    pub fn api_key_id(&self) -> Option<&str> {
        self.request_context.identity.api_key_id.as_deref()
    }
}

/// What is answered where there is nothing but words to say, member by member in this order.
#[derive(Serialize)]
struct Words<'a> {
    #[serde(rename = "statusCode")]
    status_code: u16,
    body: &'a str,
}

/// An answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    status_code: u16,
    headers: BTreeMap<&'static str, &'static str>,
    body: String,
}

impl Answer {
    /// An answer with a JSON document.
    pub fn json(status: u16, body: String) -> Answer {
        Answer { status_code: status, headers: BTreeMap::from([("Content-Type", "application/json")]), body }
    }

    /// An answer with words: `{"statusCode":200,"body":"..."}`.
    pub fn words(status: u16, words: &str) -> Answer {
        match serde_json::to_string(&Words { status_code: status, body: words }) {
            Ok(body) => Answer::json(status, body),
            Err(cause) => Answer::json(500, format!("\"{cause}\"")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Request};

    #[test]
    fn answers_are_what_is_documented_to_the_byte() {
        assert_eq!(
            Answer::words(200, "Order created successfully!").body,
            r#"{"statusCode":200,"body":"Order created successfully!"}"#
        );
    }

    #[test]
    fn a_request_may_lack_everything() {
        let read = |text: &str| serde_json::from_str::<Request>(text).ok();
        let bare = read(r#"{"body":null,"headers":null,"pathParameters":null}"#).unwrap();
        assert_eq!((bare.body.as_deref(), bare.header("x"), bare.path_parameter("id")), (None, None, None));
        let full = read(
            r#"{"headers":{"IDEMPOTENCY-key":"k"},"pathParameters":{"id":"1"},"isBase64Encoded":false,
                "requestContext":{"requestId":"r","identity":{"apiKeyId":"a","sourceIp":"127.0.0.1"}}}"#,
        );
        let full = full.unwrap();
        assert_eq!((full.id(), full.api_key_id()), ("r", Some("a")));
        assert_eq!((full.header("Idempotency-Key"), full.path_parameter("id")), (Some("k"), Some("1")));
    }
}
