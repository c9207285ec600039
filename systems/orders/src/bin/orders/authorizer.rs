//! Lets in who knows the API key `admin_key`: its value is what follows `Basic` in the header `Authorization`.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use aws_sdk_apigateway::Client;
use functions::config;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

/// The name of the key.
const KEY_NAME: &str = "admin_key";

/// For how long a key that was read is believed: API Gateway's control plane answers few requests a second.
const BELIEVED_FOR: Duration = Duration::from_secs(30);

/// What API Gateway answers 401 to.
const UNAUTHORIZED: &str = "Unauthorized";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default)]
    authorization_token: String,
    method_arn: String,
}

struct Authorizer {
    client: Client,
    keys: Mutex<Option<(Instant, Vec<String>)>>,
}

pub async fn run() -> Result<(), Error> {
    let authorizer = Authorizer { client: Client::new(&config().await), keys: Mutex::new(None) };
    let authorizer = &authorizer;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Request>| authorizer.answer(event.payload))).await
}

impl Authorizer {
    async fn answer(&self, request: Request) -> Result<Value, Error> {
        let given = credentials(&request.authorization_token).ok_or(UNAUTHORIZED)?;
        let keys = self.keys().await?;
        // Every key is compared, and to its end: the time taken tells nothing.
        let known = keys.iter().fold(false, |known, key| known | equal(key.as_bytes(), given.as_bytes()));
        if !known {
            return Err(UNAUTHORIZED.into());
        }
        Ok(json!({
            "principalId": KEY_NAME,
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{ "Action": "execute-api:Invoke", "Effect": "Allow", "Resource": request.method_arn }],
            },
        }))
    }

    /// The values of the keys with our name.
    async fn keys(&self) -> Result<Vec<String>, Error> {
        let believed = self.keys.lock().ok().and_then(|keys| keys.clone());
        if let Some((read, keys)) = believed
            && read.elapsed() < BELIEVED_FOR
        {
            return Ok(keys);
        }
        let mut found = Vec::new();
        let mut pages = self.client.get_api_keys().name_query(KEY_NAME).include_values(true).into_paginator().send();
        while let Some(page) = pages.next().await {
            // The query is for a prefix.
            let page = page?;
            let ours = page.items().iter().filter(|key| key.name() == Some(KEY_NAME) && key.enabled());
            found.extend(ours.filter_map(|key| key.value()).map(str::to_owned));
        }
        if let Ok(mut keys) = self.keys.lock() {
            *keys = Some((Instant::now(), found.clone()));
        }
        Ok(found)
    }
}

/// What follows the scheme.
fn credentials(header: &str) -> Option<&str> {
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim();
    (scheme.eq_ignore_ascii_case("basic") && !rest.is_empty()).then_some(rest)
}

/// Whether two texts are the same, in a time that depends on their lengths only.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::{credentials, equal};

    #[test]
    fn only_basic_credentials_are_taken() {
        assert_eq!(credentials("Basic YWRtaW46eA=="), Some("YWRtaW46eA=="));
        assert_eq!(credentials("basic  YWRtaW46eA=="), Some("YWRtaW46eA=="));
        for refused in ["", "Basic", "Basic ", "Bearer YWRtaW46eA==", "YWRtaW46eA=="] {
            assert_eq!(credentials(refused), None, "{refused}");
        }
    }

    #[test]
    fn comparison_is_exact() {
        assert!(equal(b"abc", b"abc"));
        for (a, b) in [("abc", "abd"), ("abc", "ab"), ("", "a"), ("abc", "ABC")] {
            assert!(!equal(a.as_bytes(), b.as_bytes()));
        }
    }
}
