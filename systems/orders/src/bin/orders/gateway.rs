//! What API Gateway sends to a function and takes from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A request, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub body: Option<String>,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    path_parameters: Option<BTreeMap<String, String>>,
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
        let full = read(r#"{"headers":{"IDEMPOTENCY-key":"k"},"pathParameters":{"id":"1"},"isBase64Encoded":false}"#);
        let full = full.unwrap();
        assert_eq!((full.header("Idempotency-Key"), full.path_parameter("id")), (Some("k"), Some("1")));
    }
}
