//! The REST API that a system has deployed, as its users reach it, and the keys to it.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Method, Uri};
use serde_json::Value;

use crate::deploy::StackOutputs;
use cauce_client::Client;

/// A deployed API: the stack's output `Url`.
pub(super) struct Api<'a> {
    pub(super) client: &'a Client,
    url: Uri,
}

impl Api<'_> {
    pub(super) fn of<'a>(client: &'a Client, outputs: &StackOutputs) -> Result<Api<'a>> {
        let url = outputs.get("Url").context("the stack has no output Url")?;
        Ok(Api { client, url: url.parse().context("the API's URL")? })
    }

    /// The status and the text of an answer to a request with these credentials, a header's name and value.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: &str,
        (header, credentials): (&'static str, &str),
    ) -> Result<(u16, String)> {
        let headers = vec![("content-type", "application/json".to_owned()), (header, credentials.to_owned())];
        let path = format!("{}{path}", self.url.path());
        let host = self.url.host().unwrap_or_default();
        let answer =
            self.client.unsigned(host, method, &path, headers, Bytes::copy_from_slice(body.as_bytes())).await?;
        Ok((answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into_owned()))
    }
}

/// An API key.
pub(super) struct ApiKey {
    pub(super) id: String,
    pub(super) value: String,
}

/// The API key of this name, as whoever reads the documentation finds it.
pub(super) async fn api_key(client: &Client, name: &str) -> Result<ApiKey> {
    let answer = client.get("apigateway", "/apikeys", &[("includeValues", "true"), ("name", name)]).await?;
    let keys: Value = serde_json::from_slice(&answer.body)?;
    let text = |key: &Value, member: &str| key.get(member).and_then(Value::as_str).map(str::to_owned);
    // The query is for a prefix.
    let ours = |key: &&Value| text(key, "name").as_deref() == Some(name);
    let key = keys.get("item").and_then(Value::as_array).and_then(|items| items.iter().find(ours));
    let read = |key: &Value| Some(ApiKey { id: text(key, "id")?, value: text(key, "value")? });
    key.and_then(read).with_context(|| format!("there is no API key {name}: {} {keys}", answer.status))
}
