//! Requests, their signatures and their answers.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::answer::{self, Element};
use crate::signature::{Signer, encode};

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The longest wait for an answer. The server holds some answers until a stack settles.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// A key pair.
#[derive(Clone)]
pub struct KeyPair {
    /// Names the pair.
    pub access_key_id: String,
    /// Signs. Never printed.
    pub secret_access_key: String,
}

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    endpoint: String,
    host: String,
    region: String,
    keys: KeyPair,
    http: HttpClient<HttpConnector, Full<Bytes>>,
}

/// What is sent.
struct Outgoing<'a> {
    service: &'a str,
    method: Method,
    path: &'a str,
    query: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// What came back.
pub struct Incoming {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Client {
    /// A client of the server at `endpoint` (`http://127.0.0.1:4566`).
    ///
    /// # Errors
    /// If that is no `http://` URL with a host.
    pub fn new(endpoint: &str, region: &str, keys: KeyPair) -> Result<Client> {
        let uri: Uri = endpoint.parse().with_context(|| format!("{endpoint} is no URL"))?;
        let host = uri.authority().with_context(|| format!("{endpoint} names no host"))?.to_string();
        if uri.scheme_str() != Some("http") {
            bail!("{endpoint}: only http:// endpoints are supported");
        }
        let http = HttpClient::builder(TokioExecutor::new()).build_http();
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Ok(Client { endpoint, host, region: region.to_owned(), keys, http })
    }

    /// The region it signs for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The endpoint it speaks to.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// An operation of a JSON service: `target` is `PREFIX.Operation`.
    ///
    /// # Errors
    /// A [`crate::ServiceFailure`] if the server refuses; anything else if it cannot be reached or understood.
    pub async fn json(&self, service: &str, target: &str, input: &Value) -> Result<Value> {
        let headers =
            vec![("content-type", "application/x-amz-json-1.1".to_owned()), ("x-amz-target", target.to_owned())];
        let body = serde_json::to_vec(input)?.into();
        let outgoing = Outgoing { service, method: Method::POST, path: "/", query: Vec::new(), headers, body };
        answer::json(self.send(outgoing).await?)
    }

    /// An operation of a query service.
    ///
    /// # Errors
    /// As [`Client::json`].
    pub async fn query(
        &self,
        service: &str,
        version: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Element> {
        let mut form = format!("Action={}&Version={}", encode(action, false), encode(version, false));
        for (name, value) in parameters {
            form.push_str(&format!("&{}={}", encode(name, false), encode(value, false)));
        }
        let headers = vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
        let outgoing =
            Outgoing { service, method: Method::POST, path: "/", query: Vec::new(), headers, body: form.into() };
        answer::xml(self.send(outgoing).await?)
    }

    /// A request of a REST service, answered as it comes.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub async fn rest(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    ) -> Result<Incoming> {
        self.send(Outgoing { service, method, path, query: Vec::new(), headers, body }).await
    }

    /// A GET request of a REST service with a query, answered as it comes.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub async fn get(&self, service: &str, path: &str, query: &[(&str, &str)]) -> Result<Incoming> {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.send(Outgoing { service, method: Method::GET, path, query, headers: Vec::new(), body: Bytes::new() }).await
    }

    /// A request without a signature to another host that this server answers for, an API's for one.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub async fn unsigned(
        &self,
        host: &str,
        method: Method,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    ) -> Result<Incoming> {
        let mut request =
            Request::builder().method(method).uri(format!("{}{path}", self.endpoint)).header("host", host);
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        self.exchange(request.body(body)?).await
    }

    /// A signed request that is not sent: for measurements that must not pay for signing while they run. It is good for as long
    /// as the server takes its date, five minutes on AWS. `Content-Length` is left to whoever sends it.
    ///
    /// # Errors
    /// If the path is no URL's or a header's value cannot be one.
    pub fn signed(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    ) -> Result<Request<Bytes>> {
        self.request(Outgoing { service, method, path, query: Vec::new(), headers, body })
    }

    fn request(&self, outgoing: Outgoing<'_>) -> Result<Request<Bytes>> {
        let signer =
            Signer { keys: &self.keys, region: &self.region, service: outgoing.service, now: jiff::Timestamp::now() };
        let mut headers = outgoing.headers;
        headers.push(("host", self.host.clone()));
        signer.sign(&outgoing.method, outgoing.path, &outgoing.query, &mut headers, &outgoing.body);
        let query: Vec<String> =
            outgoing.query.iter().map(|(k, v)| format!("{}={}", encode(k, false), encode(v, false))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{}{}{mark}{}", self.endpoint, encode(outgoing.path, true), query.join("&"));
        let mut request = Request::builder().method(outgoing.method).uri(url);
        for (name, value) in &headers {
            request = request.header(HeaderName::from_static(name), HeaderValue::from_str(value)?);
        }
        Ok(request.body(outgoing.body)?)
    }

    async fn send(&self, outgoing: Outgoing<'_>) -> Result<Incoming> {
        self.exchange(self.request(outgoing)?).await
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Incoming> {
        let request = request.map(Full::new);
        let exchange = async {
            let answer = self.http.request(request).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|e| anyhow::anyhow!(e))?.to_bytes();
            anyhow::Ok(Incoming { status: head.status, headers: head.headers, body })
        };
        match tokio::time::timeout(ANSWER_MAX, exchange).await {
            Ok(answer) => answer.with_context(|| format!("no server answers at {}", self.endpoint)),
            Err(_) => bail!("no answer from {} within {} s", self.endpoint, ANSWER_MAX.as_secs()),
        }
    }
}
